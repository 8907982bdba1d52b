"""`headcount token`: access tokens made, listed and revoked."""

import re
from datetime import timedelta
from typing import Annotated

import typer

from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.running import with_installation

token = typer.Typer(no_args_is_help=True, help="Make, list and revoke access tokens.")

_COLUMNS = {"id": "ID", "tenant": "TENANT", "name": "NAME", "state": "STATE", "expires": "EXPIRES"}
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
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant that the token opens.")],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="What the token is for: 'Okta', 'Entra ID'.")],
    expires: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="How long it is valid: 12h, 90d. At most 730d.", show_default="365d"),
    ] = None,
    never: Annotated[
        bool, typer.Option("--never-expires", help="A token without an end, against RFC 7644 §7.4.")
    ] = False,
    user: Annotated[
        str | None, typer.Option(metavar="USERNAME", help="The user that /Me stands for with this token.")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Make an access token. It is shown once; only its digest is kept.

    Example: headcount token create --tenant acme --name "Entra ID" --expires 180d
    """
    if never and expires:
        raise UsageError("--expires and --never-expires exclude each other")
    lifetime = None if never else lifetime_of(expires or "365d")
    text, resource = with_installation(
        database, lambda installation: installation.tokens.create(tenant, name, lifetime=lifetime, user=user)
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
    """List tokens and their state; the tokens themselves are not kept."""
    rows = with_installation(database, lambda installation: installation.tokens.list(tenant))
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no tokens.")


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
