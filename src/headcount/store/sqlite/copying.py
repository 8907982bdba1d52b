"""A SQLite file read and filled as a whole."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from headcount.store.administration import NotEmptyError
from headcount.store.sqlite import database
from headcount.store.tables import SEQUENCE, TABLES, Kind, Row, Table, canonical

_ROWS_AT_ONCE: Final = 256
_SELECT: Final = {SEQUENCE.name: "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'change'"}
"""Where reading is more than naming the columns."""
_INSERT: Final = {SEQUENCE.name: "INSERT INTO sqlite_sequence (name, seq) VALUES ('change', ?)"}
_BEFORE: Final = {
    "installation": "DELETE FROM installation",
    SEQUENCE.name: "DELETE FROM sqlite_sequence WHERE name = 'change'",
}
"""What an empty database has of its own and gives up."""


class SqliteLoading:
    """One transaction over the whole file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def count(self, table: Table) -> int:
        """How many rows a table has."""
        number: int = self._connection.execute(f"SELECT count(*) FROM ({_select(table)})").fetchone()[0]
        return number

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """All rows, some at a time."""
        with database.as_store_errors("cannot read the database"):
            cursor = self._connection.execute(_select(table))
            while rows := cursor.fetchmany(_ROWS_AT_ONCE):
                yield canonical(table, rows)

    async def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows."""
        lists = [place for place, kind in enumerate(table.columns.values()) if kind is Kind.TEXTS]
        if lists:
            rows = [
                tuple(json.dumps(value) if place in lists and value else value for place, value in enumerate(row))
                for row in rows
            ]
        with database.as_store_errors("cannot fill the database"):
            self._connection.executemany(_insert(table), rows)


@asynccontextmanager
async def snapshot(path: Path) -> AsyncIterator[SqliteLoading]:
    """The file as of now."""
    with closing(database.connect(path, read_only=True)) as connection:
        with database.as_store_errors("cannot read the database"):
            connection.execute("BEGIN")
        yield SqliteLoading(connection)


@asynccontextmanager
async def loading(path: Path) -> AsyncIterator[SqliteLoading]:
    """Fills an empty file, in one transaction."""
    with (
        closing(database.connect(path)) as connection,
        database.as_store_errors("cannot fill the database"),
        database.locked(connection),
    ):
        filling = SqliteLoading(connection)
        found = [f"{number} in {table.name}" for table in TABLES if (number := await _held(filling, table))]
        if found:
            raise NotEmptyError(f"{path} is not empty: {', '.join(found)}")
        for statement in _BEFORE.values():
            connection.execute(statement)
        yield filling


async def _held(loading: SqliteLoading, table: Table) -> int:
    return 0 if table.name in _BEFORE else await loading.count(table)


def _select(table: Table) -> str:
    return _SELECT.get(table.name) or f"SELECT {', '.join(table.columns)} FROM {table.name}"


def _insert(table: Table) -> str:
    columns = table.columns
    values = ", ".join("?" * len(columns))
    return _INSERT.get(table.name) or f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"
