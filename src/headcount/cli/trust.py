"""`headcount connection trust` and `keys`: clients that are let in by signatures instead of secrets."""

from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, UsageError, show
from headcount.cli.running import with_installation

Name = Annotated[str, typer.Argument(metavar="NAME", help="The connection's name.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant.")]
KeysFile = Annotated[
    str | None, typer.Option("--jwks", metavar="FILE", help="A file with the public keys, a JSON Web Key Set.")
]
KeysUrl = Annotated[str | None, typer.Option("--jwks-url", metavar="URL", help="Where the public keys are published.")]


def trust(
    name: Name,
    *,
    tenant: Tenant,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="What the tokens have as 'iss', to the letter.")
    ] = None,
    audience: Annotated[list[str] | None, typer.Option(help="What 'aud' has to name. Again for another.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Whom 'sub' has to name. Again for another.")] = None,
    claim: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What else a token has to say. Again for more, or another value."),
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="How tokens may be signed. Again for another. [default: the usual ones]")
    ] = None,
    jwks: KeysFile = None,
    jwks_url: KeysUrl = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Trust no issuer any more.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let clients in with access tokens of an issuer outside, such as Entra ID or a CI system.

    Example: headcount connection trust ci --tenant acme --issuer https://token.actions.githubusercontent.com
    --audience headcount --claim repository=acme/hr
    """
    members = {"issuer": issuer, "audiences": audience, "subjects": subject, "claims": claim, "algorithms": algorithm}
    members |= {"jwks": _read(jwks), "jwksUri": jwks_url}
    given = {key: value for key, value in members.items() if value}
    if bool(given) == nobody:
        raise UsageError("say either --issuer URL and which of its tokens are meant, or --nobody")
    _set(name, tenant, {"issuer": given or None}, database, as_json=as_json)


def keys(
    name: Name,
    *,
    tenant: Tenant,
    jwks: KeysFile = None,
    jwks_url: KeysUrl = None,
    none: Annotated[bool, typer.Option("--none", help="Forget the keys.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let a client sign its requests for tokens (private_key_jwt) with these keys.

    Example: headcount connection keys payroll --tenant acme --jwks public-keys.json
    """
    if [jwks is not None, jwks_url is not None, none].count(True) != 1:
        raise UsageError("say one of --jwks FILE, --jwks-url URL and --none")
    _set(name, tenant, {"jwks": _read(jwks), "jwksUri": jwks_url}, database, as_json=as_json)


def _set(name: str, tenant: str, values: dict[str, Any], database: str | None, *, as_json: bool) -> None:
    changed = with_installation(database, lambda installation: installation.connections.trust(tenant, name, values))
    show(changed, as_json=as_json, sentence=f"Changed the connection {name} of {tenant}, whose id is {changed['id']}.")


def _read(file: str | None) -> str | None:
    try:
        return None if file is None else Path(file).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}") from error
