"""`headcount connection`: the identity providers of a tenant."""

from typing import Annotated, Any

import typer

from headcount.cli.access import Networks, Scopes, ScopesFile, scopes_from
from headcount.cli.output import AsJson, Database, UsageError, cell_of, show, show_table
from headcount.cli.running import with_installation

connection = typer.Typer(
    no_args_is_help=True, help="Create, list, change and delete connections: several identity providers in one tenant."
)

_COLUMNS = {
    "tenant": "TENANT",
    "name": "NAME",
    "displayName": "DISPLAY NAME",
    "active": "ACTIVE",
    "profile": "PROFILE",
    "networks": "NETWORKS",
}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")]
DisplayName = Annotated[str | None, typer.Option(help="What people call the connection.")]
Profile = Annotated[str | None, typer.Option(help="tolerant or strict.", show_default="the tenant's")]


@connection.command("create")
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="1 to 63 of a-z, 0-9 and '-', as in 'okta'. Cannot change.")
    ],
    tenant: Tenant,
    display_name: DisplayName = None,
    profile: Profile = None,
    scope: Scopes = None,
    scopes_file: ScopesFile = None,
    network: Networks = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Create a connection: its tokens share its profile, its scopes, its networks and its externalIds.

    Example: headcount connection create okta --tenant acme --scope User --scope Group:read
    """
    settings = {
        "displayName": display_name,
        "profile": profile,
        "scopes": scopes_from(scope, scopes_file),
        "networks": network,
    }
    made = with_installation(database, lambda installation: installation.connections.create(tenant, name, settings))
    following = f"headcount token create --tenant {tenant} --connection {name} --name …"
    show(made, as_json=as_json, sentence=f"Created the connection {name} of {tenant}. Next: {following}")


@connection.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only those of this tenant.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List connections."""
    rows = with_installation(database, lambda installation: installation.connections.list(tenant))
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no connections; tokens belong to the default one.")


@connection.command("show")
def show_one(name: Name, tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """Show a connection's settings."""
    found = with_installation(database, lambda installation: installation.connections.get(tenant, name))
    lines = [f"{heading.capitalize():16} {cell_of(found[key])}" for key, heading in _COLUMNS.items() if key in found]
    lines += [f"{'Scope':16} {_scope_text(scope)}" for scope in found.get("scopes", ())]
    show(found, as_json=as_json, sentence="\n".join([*lines, f"{'Created':16} {found['meta']['created']}"]))


@connection.command("update")
def update(
    name: Name,
    *,
    tenant: Tenant,
    display_name: DisplayName = None,
    profile: Profile = None,
    active: Annotated[
        bool | None, typer.Option("--active/--inactive", help="Whether its clients are let in.", show_default=False)
    ] = None,
    scope: Scopes = None,
    scopes_file: ScopesFile = None,
    all_scopes: Annotated[bool, typer.Option("--all-scopes", help="Let its clients do everything.")] = False,
    network: Networks = None,
    any_network: Annotated[bool, typer.Option("--any-network", help="Let its clients come from anywhere.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Change a connection's settings; running servers follow within a second.

    Example: headcount connection update okta --tenant acme --inactive
    """
    scopes = scopes_from(scope, scopes_file)
    if (scopes and all_scopes) or (network and any_network):
        raise UsageError("--all-scopes and --any-network exclude what they take away")
    given: dict[str, Any] = {"displayName": display_name, "profile": profile, "active": active}
    changes = {key: value for key, value in given.items() if value is not None}
    if scopes or all_scopes:
        changes["scopes"] = scopes
    if network or any_network:
        changes["networks"] = network or []
    if not changes:
        raise UsageError("nothing to change; see 'headcount connection update --help'")
    changed = with_installation(database, lambda installation: installation.connections.update(tenant, name, changes))
    show(changed, as_json=as_json, sentence=f"Changed the connection {name} of {tenant}.")


@connection.command("delete")
def delete(
    name: Name,
    tenant: Tenant,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Delete a connection with its tokens. What it provisioned stays."""
    if not yes and not typer.confirm(f"Delete the connection {name} with its tokens?", err=True):
        raise UsageError("nothing was deleted")
    with_installation(database, lambda installation: installation.connections.delete(tenant, name))
    show({"deleted": name}, as_json=as_json, sentence=f"Deleted the connection {name} of {tenant}.")


def _scope_text(scope: dict[str, Any]) -> str:
    operations = ", ".join(scope.get("operations", ())) or "everything"
    parts = [f"{scope['type']}: {operations}"]
    parts += [f"{key} {', '.join(scope[key])}" for key in ("readable", "writable") if key in scope]
    parts += [f"where {scope['filter']}"] if "filter" in scope else []
    return "; ".join(parts)
