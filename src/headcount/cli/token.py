"""`headcount token`: access tokens made, listed and revoked."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

import typer

from headcount.cli.access import Networks, Scopes, ScopesFile, scopes_from
from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.running import with_installation
from headcount.store.interface import OPERATOR_TENANT

token = typer.Typer(no_args_is_help=True, help="Make, list, explain and revoke access tokens.")

_COLUMNS = {
    "id": "ID",
    "tenant": "TENANT",
    "name": "NAME",
    "state": "STATE",
    "expires": "EXPIRES",
    "daysLeft": "DAYS LEFT",
    "lastUsed": "LAST USED",
}
Tenant = Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="The tenant that the token opens.")]
Operator = Annotated[bool, typer.Option("--operator", help="A token for the operator's API, instead of a tenant.")]
Connection = Annotated[
    str | None, typer.Option(metavar="NAME", help="The connection of the tenant that the client belongs to.")
]
Expires = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="How long it is valid: 12h, 90d. At most 730d.", show_default="365d"),
]
Never = Annotated[bool, typer.Option("--never-expires", help="A token without an end, against RFC 7644 §7.4.")]
User = Annotated[str | None, typer.Option(metavar="USERNAME", help="The user that /Me stands for with this token.")]
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def lifetime_of(text: str) -> timedelta:
    """A duration such as 365d, 12h or 30m; raises UsageError."""
    if text.strip().lower() == "never":
        raise UsageError("a token without an end must be asked for with --never-expires")
    match = re.fullmatch(r"(\d{1,6})([mhdw])", text.strip().lower())
    if match is None:
        raise UsageError(f"'{text}' is no duration: use a number and m, h, d or w, as in 365d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


@token.command("create")
def create(
    *,
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What the token is for: 'Okta', 'Entra ID'.")],
    tenant: Tenant = None,
    operator: Operator = False,
    connection: Connection = None,
    scope: Scopes = None,
    scopes_file: ScopesFile = None,
    network: Networks = None,
    expires: Expires = None,
    never: Never = False,
    user: User = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make an access token. It is shown once; only its digest is kept.

    Example: headcount token create --tenant acme --name "Entra ID" --expires 180d

    Example: headcount token create --tenant acme --name "Phone book" --scope User:read --network 192.0.2.0/24
    """
    if operator is (tenant is not None):
        raise UsageError("say either --tenant NAME or --operator")
    if never and expires:
        raise UsageError("--expires and --never-expires exclude each other")
    lifetime = None if never else lifetime_of(expires or "365d")
    options: dict[str, Any] = {"user": user, "connection": connection, "networks": network or ()}
    options["scopes"] = scopes_from(scope, scopes_file)
    text, resource = with_installation(
        database,
        lambda installation: installation.tokens.create(tenant or OPERATOR_TENANT, name, lifetime=lifetime, **options),
    )
    until = f"valid until {resource['expires']}" if "expires" in resource else "valid for ever"
    show(
        {"token": text, **resource},
        as_json=as_json,
        sentence=f"{text}\n\nThe token is {until}. Keep it safe: it cannot be shown again.",
    )


@token.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only those of this tenant.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List tokens and their state; the tokens themselves are not kept.

    DAYS LEFT warns of tokens that end within 30 days; LAST USED is exact to a minute.
    """
    rows = with_installation(database, lambda installation: installation.tokens.list(tenant))
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no tokens.")


@token.command("explain")
def explain(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, from 'headcount token list'.")],
    resource: Annotated[
        str | None, typer.Option(metavar="TYPE/ID", help="Whether this resource can be reached: Users/2819c223-….")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Say what a token may do, and whether it can reach a resource.

    Example: headcount token explain 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34
    """
    report = with_installation(database, lambda installation: installation.token_report.explain(token_id, resource))
    show(report, as_json=as_json, sentence="\n".join(_explained(report)))


@token.command("revoke")
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, from 'headcount token list'.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a token; running servers refuse it within a second.

    Example: headcount token revoke 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34
    """
    revoked = with_installation(database, lambda installation: installation.tokens.revoke(token_id))
    show(revoked, as_json=as_json, sentence=f"Revoked the token {token_id}.")


def _explained(report: dict[str, Any]) -> Iterator[str]:
    opens = "the operator's API" if report["tenant"] == OPERATOR_TENANT else f"the tenant {report['tenant']}"
    left = f", in {report['daysLeft']} days" if "daysLeft" in report else ""
    yield f"{report['name']}: opens {opens}"
    yield f"State        {report['state']}"
    yield f"Expires      {report.get('expires', 'never')}{left}"
    yield f"Last used    {report.get('lastUsed', 'never')}"
    yield f"Connection   {report.get('connection', 'the default one')}"
    yield f"Networks     {', '.join(report.get('networks', ())) or 'any'}"
    for kind in report["types"]:
        yield ""
        yield f"{kind['type']}: {', '.join(kind['operations']) or 'nothing'}"
        if kind["operations"]:
            yield f"  reads      {_listed(kind['readable'])}"
            yield f"  writes     {_listed(kind['writable'])}"
            yield f"  where      {kind['filter'] or 'all of them'}"
    if "resource" in report:
        told = report["resource"]
        yield f"\n{told['type']} {told['id']} can{'' if told['reached'] else 'not'} be reached: {told['why']}."


def _listed(paths: list[str] | None) -> str:
    return "everything" if paths is None else ", ".join(paths) or "nothing"
