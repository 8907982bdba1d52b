"""How commands speak: tables and sentences for people, one JSON value for scripts, errors on standard error."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from headcount.http.server import ServerError
from headcount.provisioning.errors import JobError
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
        help="Where the data is: sqlite:///file.db or postgresql://host/database. Default: sqlite:///headcount.db.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value, for scripts.")]


class UsageError(Exception):
    """The command was called in a way that cannot be carried out."""


@contextmanager
def reporting_errors() -> Iterator[None]:
    """Says what went wrong in one line, as `{"error": …}` where `--json` was given.

    The exit code is 2 for a wrong call, as for the options that the command line knows itself, else 1.
    """
    try:
        yield
    except typer.Abort:
        _report("nothing was done", 1)
    except typer.TyperException as error:
        _report(error.format_message(), error.exit_code)
    except UsageError as error:
        _report(str(error), 2)
    except (ScimError, StoreError, SettingsError, ServerError, JobError) as error:
        _report(str(error), 1)


def wants_json() -> bool:
    """Whether a script called; then errors of the command line itself are JSON as well."""
    return "--json" in sys.argv


def _report(message: str, exit_code: int) -> NoReturn:
    message = " ".join(message.split())
    if wants_json():
        print(json.dumps({"error": message}), file=sys.stderr)  # noqa: T201
    else:
        line = Text.assemble(("error: ", "red"), message)
        Console(stderr=True, highlight=False).print(line, soft_wrap=True)
    raise SystemExit(exit_code) from None


def show(value: Any, *, as_json: bool, sentence: str = "") -> None:
    """Prints a value as JSON, or the sentence that says the same to people; whoever reads along has it at once."""
    if as_json:
        print(json.dumps(value, ensure_ascii=False), flush=True)  # noqa: T201
    else:
        print(sentence, flush=True)  # noqa: T201


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
        table.add_row(*(Text(cell_of(row.get(name))) for name in columns))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def cell_of(value: Any) -> str:
    """A value as people read it in a table."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
