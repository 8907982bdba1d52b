"""`headcount tenant`: tenants created, listed, changed and deleted."""

import sys
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, UsageError, cell_of, show, show_table
from headcount.cli.running import with_installation

tenant = typer.Typer(no_args_is_help=True, help="Create, list, change and delete tenants.")

_COLUMNS = {
    "name": "NAME",
    "displayName": "DISPLAY NAME",
    "profile": "PROFILE",
    "passwords": "PASSWORDS",
    "refuseUnknown": "REFUSES UNKNOWN",
}

Name = Annotated[str, typer.Argument(metavar="NAME", help="The tenant's name.")]
Profile = Annotated[
    str | None,
    typer.Option(help="tolerant: what real identity providers send. strict: the RFCs to the letter."),
]
Passwords = Annotated[
    str | None, typer.Option(help="discard: forget passwords that clients send. hash: keep their argon2id hashes.")
]
DisplayName = Annotated[str | None, typer.Option(help="What people call the tenant.")]
RefuseUnknown = Annotated[
    bool | None,
    typer.Option("--refuse-unknown/--ignore-unknown", help="What happens to attributes that no schema has."),
]


@tenant.command("create")
def create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Part of the base URL: 1 to 63 of a-z, 0-9 and '-'. Cannot change.")
    ],
    profile: Profile = "tolerant",
    display_name: DisplayName = None,
    passwords: Passwords = "discard",
    refuse_unknown: RefuseUnknown = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Create a tenant.

    Example: headcount tenant create acme --display-name "Acme Corp."
    """
    created = with_installation(
        database,
        lambda installation: installation.tenants.create(
            name,
            display_name=display_name,
            profile=profile or "",
            passwords=passwords or "",
            refuse_unknown=bool(refuse_unknown),
        ),
    )
    show(
        created,
        as_json=as_json,
        sentence=f"Created the tenant {name}. Next: headcount token create --tenant {name} --name …",
    )


@tenant.command("list")
def list_all(database: Database = None, as_json: AsJson = False) -> None:
    """List all tenants."""
    rows = with_installation(database, lambda installation: installation.tenants.list())
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no tenants; create one: headcount tenant create NAME")


@tenant.command("show")
def show_one(name: Name, database: Database = None, as_json: AsJson = False) -> None:
    """Show a tenant's settings."""
    found = with_installation(database, lambda installation: installation.tenants.get(name))
    lines = [f"{heading.capitalize():16} {cell_of(found[key])}" for key, heading in _COLUMNS.items() if key in found]
    show(found, as_json=as_json, sentence="\n".join([*lines, f"{'Created':16} {found['meta']['created']}"]))


@tenant.command("update")
def update(
    name: Name,
    profile: Profile = None,
    display_name: DisplayName = None,
    passwords: Passwords = None,
    refuse_unknown: RefuseUnknown = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Change a tenant's settings; running servers follow within a second.

    Example: headcount tenant update acme --profile strict
    """
    given: dict[str, Any] = {
        "profile": profile,
        "displayName": display_name,
        "passwords": passwords,
        "refuseUnknown": refuse_unknown,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise UsageError("nothing to change; see 'headcount tenant update --help'")
    changed = with_installation(database, lambda installation: installation.tenants.update(name, changes))
    show(changed, as_json=as_json, sentence=f"Changed the tenant {name}.")


@tenant.command("delete")
def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant with its people, groups, schemas and tokens. Asks for the name."""
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"this deletes everything in the tenant {name}; say --yes")
        if typer.prompt(f"This deletes everything in the tenant. Type its name, {name}, to go on", err=True) != name:
            raise UsageError("nothing was deleted")
    with_installation(database, lambda installation: installation.tenants.delete(name))
    show({"deleted": name}, as_json=as_json, sentence=f"Deleted the tenant {name}.")
