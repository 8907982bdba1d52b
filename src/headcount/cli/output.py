"""How commands speak: tables and sentences for people, one JSON value for scripts, errors on standard error."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from headcount.http.server import ServerError
from headcount.scim.errors import ScimError
from headcount.settings import SettingsError
from headcount.store.interface import StoreError

_WIDE: Final = 400
"""Columns of output that no person's terminal cuts."""

Database = Annotated[
    str | None,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="HEADCOUNT_DATABASE",
        help="Where the data is: sqlite:///file.db. Default: sqlite:///headcount.db.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value, for scripts.")]


class UsageError(Exception):
    """The command was called in a way that cannot be carried out."""


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Says what went wrong in one line, as `{"error": …}` where `--json` was given, and ends with exit code 1."""
    try:
        yield
    except (ScimError, StoreError, SettingsError, ServerError, UsageError) as error:
        message = error.detail if isinstance(error, ScimError) else str(error)
        if "--json" in sys.argv:
            print(json.dumps({"error": message}), file=sys.stderr)  # noqa: T201
        else:
            Console(stderr=True, highlight=False).print(f"[red]error:[/red] {_escaped(message)}", soft_wrap=True)
        raise SystemExit(1) from None


def show(value: Any, *, as_json: bool, sentence: str = "") -> None:
    """Prints a value as JSON, or the sentence that says the same to people."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False))  # noqa: T201
    else:
        print(sentence)  # noqa: T201


def show_table(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str], *, as_json: bool, none: str) -> None:
    """Prints rows as a JSON array, or as a table; `columns` gives the heading of each member."""
    if as_json:
        print(json.dumps(list(rows), ensure_ascii=False))  # noqa: T201
        return
    if not rows:
        print(none)  # noqa: T201
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in columns.values():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(_escaped(_cell(row.get(name))) for name in columns))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
