"""What tokens and connections have in common on the command line: scopes and networks."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.cli.output import UsageError
from headcount.http.json_body import decode_json
from headcount.scim.errors import ScimError
from headcount.scim.scopes import Operation

Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="TYPE[:OPERATION,…]",
        help="A resource type, or '*' for those not named, and what may be done: read, create, update, delete. "
        "Again for another type. Default: everything.",
    ),
]
ScopesFile = Annotated[
    str | None,
    typer.Option(
        "--scopes",
        metavar="FILE",
        help="Scopes with attributes and filters: a JSON array as in the attribute 'scopes'; '-' reads standard input.",
    ),
]
Networks = Annotated[
    list[str] | None,
    typer.Option("--network", metavar="CIDR", help="A range that clients come from, 192.0.2.0/24. Again for more."),
]


def scopes_from(texts: list[str] | None, file: str | None) -> list[Any]:
    """The scopes that the options give; raises UsageError for one that cannot be understood."""
    return [*map(_scope, texts or ()), *(_read(file) if file else ())]


def _scope(text: str) -> dict[str, Any]:
    name, colon, listed = text.partition(":")
    operations = [operation.strip() for operation in listed.split(",")] if colon else []
    for operation in operations:
        if operation not in list(Operation):
            raise UsageError(f"'{operation}' is no operation: use {', '.join(Operation)}, as in User:read,update")
    return {"type": name} | ({"operations": operations} if operations else {})


def _read(file: str) -> list[Any]:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        scopes = decode_json(content)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ScimError as error:
        raise UsageError(f"{file}: {error.detail}") from error
    if not isinstance(scopes, list) or not scopes:
        raise UsageError(f"{file} holds no scopes: give a JSON array of objects with a 'type'")
    return scopes
