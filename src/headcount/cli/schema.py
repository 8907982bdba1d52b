"""`headcount schema`: a tenant's schema extensions and resource types."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.progress import progress
from headcount.cli.running import with_installation
from headcount.directory.tenant_schemas import documents_in
from headcount.http.json_body import decode_json
from headcount.scim.errors import ScimError

schema = typer.Typer(no_args_is_help=True, help="Change a tenant's schemas and resource types, and what is indexed.")

_COLUMNS = {"id": "SCHEMA", "name": "NAME", "resourceTypes": "USED BY", "builtIn": "BUILT IN"}

_USES = {"type": "RESOURCE TYPE", "path": "ATTRIBUTE", "resources": "RESOURCES"}
_INDEXES = {"type": "RESOURCE TYPE", "path": "ATTRIBUTE", "state": "STATE", "done": "DONE", "builtIn": "BUILT IN"}
_UNKNOWN = {"type": "RESOURCE TYPE", "path": "ATTRIBUTE", "looks": "LOOKS LIKE", "count": "SENT", "last": "LAST SENT"}

OfType = Annotated[
    str | None, typer.Option("--type", metavar="TYPE", help="The resource type. Default: all that have the attribute.")
]
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
    """Add or change schema extensions and resource types; running servers know them within a second.

    A document with a known id takes the place of the one before. That is refused, with counts and examples, when
    resources would not fit it any more: see 'headcount schema usage'.

    Example: headcount schema add badge.json --tenant acme
    """
    documents = read_documents(file)
    with progress(None, as_json=as_json) as report:
        rows = with_installation(
            database, lambda installation: installation.schemas.add(tenant, documents, extends=extends, report=report)
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
    with progress(None, as_json=as_json) as report:
        with_installation(database, lambda installation: installation.schemas.remove(tenant, urn, report=report))
    show({"removed": urn}, as_json=as_json, sentence=f"Removed {urn}.")


@schema.command("usage")
def usage(
    urn: Annotated[str, typer.Argument(metavar="URN", help="The schema's id.")],
    tenant: Tenant,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Count the resources that have a value of each attribute of a schema.

    Example: headcount schema usage urn:example:badge:2.0:User --tenant acme
    """
    with progress(None, as_json=as_json) as report:
        rows = with_installation(database, lambda installation: installation.schemas.usage(tenant, urn, report=report))
    show_table(rows, _USES, as_json=as_json, none="No resource type uses it.")


@schema.command("index")
def index(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The attribute: urn:…:User:costCenter, name.familyName.")],
    tenant: Tenant,
    type_name: OfType = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Index an attribute, so that searches for its values need not look at everybody.

    Servers go on meanwhile; searches use the index once every resource is in it. What was interrupted goes on where it
    stood when the command is given again.

    Example: headcount schema index urn:example:badge:2.0:User:number --tenant acme
    """

    async def build(installation: Installation) -> list[dict[str, Any]]:
        declared = await installation.indexes.declare(tenant, path, type_name)
        with progress(None, as_json=as_json) as report:
            await installation.indexes.build(tenant, declared, report)
        return await installation.indexes.list(tenant)

    show_table(with_installation(database, build), _INDEXES, as_json=as_json, none="")


@schema.command("unindex")
def unindex(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The attribute.")],
    tenant: Tenant,
    type_name: OfType = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Forget an index; searches then read the resources themselves."""
    with_installation(database, lambda installation: installation.indexes.drop(tenant, path, type_name))
    show({"unindexed": path}, as_json=as_json, sentence=f"{path} is no longer indexed.")


@schema.command("indexes")
def indexes(tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """List what is indexed, and how far it is built."""
    rows = with_installation(database, lambda installation: installation.indexes.list(tenant))
    show_table(rows, _INDEXES, as_json=as_json, none="")


@schema.command("unknown")
def unknown(tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """List attributes that clients send and no schema has, the most frequent first; values are never kept."""
    rows = with_installation(database, lambda installation: installation.unknown.list(tenant))
    show_table(rows, _UNKNOWN, as_json=as_json, none="No client has sent an attribute that is not known.")


@schema.command("adopt")
def adopt(
    path: Annotated[str, typer.Argument(metavar="PATH", help="The attribute, from 'headcount schema unknown'.")],
    tenant: Tenant,
    type_name: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="The resource type that it was sent for.")
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Add an unknown attribute to the schema, as what it looked like; what clients send from then on is kept.

    A name without a URN goes into an extension of the tenant's own, a sub-attribute to its attribute.

    Example: headcount schema adopt costCenterCode --tenant acme
    """
    with progress(None, as_json=as_json) as report:
        rows = with_installation(
            database, lambda installation: installation.unknown.adopt(tenant, path, type_name, report=report)
        )
    show_table(rows, _COLUMNS, as_json=as_json, none="")


def read_documents(file: str) -> list[Any]:
    """The documents in a JSON file; raises UsageError."""
    try:
        return documents_in(decode_json(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()))
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ScimError as error:
        raise UsageError(f"{file}: {error}") from error
