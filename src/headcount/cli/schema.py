"""`headcount schema`: a tenant's schema extensions and resource types."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.running import with_installation
from headcount.http.json_body import decode_json
from headcount.scim.errors import ScimError

schema = typer.Typer(no_args_is_help=True, help="Add, list and remove a tenant's schemas and resource types.")

_COLUMNS = {"id": "SCHEMA", "name": "NAME", "resourceTypes": "USED BY", "builtIn": "BUILT IN"}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant.")]


@schema.command("add")
def add(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A Schema or ResourceType document (RFC 7643 §7, §6), an array or a "
            "ListResponse of them; '-' reads standard input.",
        ),
    ],
    tenant: Tenant,
    extends: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="The resource type that the schema extends. Default: the one that its URN "
            "ends in, as in urn:…:2.0:User.",
        ),
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add schema extensions or resource types; running servers know them within a second.

    Example: headcount schema add badge.json --tenant acme
    """
    documents = read_documents(file)
    rows = with_installation(
        database, lambda installation: installation.schemas.add(tenant, documents, extends=extends)
    )
    show_table(rows, _COLUMNS, as_json=as_json, none="")


@schema.command("list")
def list_all(tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """List the schemas that a tenant's resources use."""
    rows = with_installation(database, lambda installation: installation.schemas.list(tenant))
    show_table(rows, _COLUMNS, as_json=as_json, none="")


@schema.command("remove")
def remove(
    urn: Annotated[str, typer.Argument(metavar="URN", help="The schema's id.")],
    tenant: Tenant,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Remove a schema; refused while resources use it.

    Example: headcount schema remove urn:example:badge:2.0:User --tenant acme
    """
    with_installation(database, lambda installation: installation.schemas.remove(tenant, urn))
    show({"removed": urn}, as_json=as_json, sentence=f"Removed {urn}.")


def read_documents(file: str) -> list[Any]:
    """The documents in a JSON file; raises UsageError."""
    try:
        content = decode_json(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ScimError as error:
        raise UsageError(f"{file}: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("Resources"), list):
        return list(content["Resources"])
    if isinstance(content, dict) and not content.keys() & {"id", "name", "attributes", "endpoint"}:
        content = [item for part in ("schemas", "resourceTypes") for item in content.get(part) or ()]
    documents = content if isinstance(content, list) else [content]
    if not documents:
        raise UsageError(f"{file}: there is no Schema or ResourceType document in it")
    return documents
