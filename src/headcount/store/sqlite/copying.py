"""A SQLite file read and filled as a whole."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

from headcount.store.administration import NotEmptyError
from headcount.store.sqlite import database
from headcount.store.sqlite.feed import POSITION
from headcount.store.tables import COUNTING, SEQUENCE, TABLES, Kind, Row, Table, canonical

_ROWS_AT_ONCE: Final = 256
_COUNT: Final = "SELECT '{0}', coalesce((SELECT max(seq) FROM sqlite_sequence WHERE name = '{0}'), 0)"
_SELECT: Final = {SEQUENCE.name: " UNION ALL ".join(map(_COUNT.format, COUNTING))}
"""Where reading is more than naming the columns."""
_FORGET_COUNT: Final = "DELETE FROM sqlite_sequence WHERE name = ?"
_INSERT: Final = {SEQUENCE.name: "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)"}
_ITS_OWN: Final = frozenset({"installation", SEQUENCE.name})
"""What an empty database has, and gives up."""


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

    async def rows_of(self, table: Table, tenant: str, order: Sequence[str]) -> AsyncIterator[Sequence[Row]]:
        """The rows of one tenant, in order."""
        with database.as_store_errors("cannot read the database"):
            cursor = self._connection.execute(
                f"{_select(table)} WHERE tenant = ? ORDER BY {', '.join(order)}", (tenant,)
            )
            while rows := await asyncio.to_thread(cursor.fetchmany, _ROWS_AT_ONCE):  # a server goes on meanwhile
                yield canonical(table, rows)

    async def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows."""
        self._add(table, rows)

    def _add(self, table: Table, rows: Sequence[Row]) -> None:
        lists = [place for place, kind in enumerate(table.columns.values()) if kind is Kind.TEXTS]
        if lists:
            rows = [
                tuple(json.dumps(value) if place in lists and value else value for place, value in enumerate(row))
                for row in rows
            ]
        with database.as_store_errors("cannot fill the database"):
            if table is SEQUENCE:
                self._connection.executemany(_FORGET_COUNT, [(name,) for name, _ in rows])
            self._connection.executemany(_insert(table), rows)


class SqliteAdding(SqliteLoading):
    """A transaction for each call."""

    async def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows, durably; whoever is served by this process does not wait for another one that writes."""
        await asyncio.to_thread(self._add_durably, table, rows)

    def _add_durably(self, table: Table, rows: Sequence[Row]) -> None:
        with database.as_store_errors("cannot add to the database"), database.locked(self._connection):
            self._add(table, rows)


@asynccontextmanager
async def adding(path: Path) -> AsyncIterator[SqliteAdding]:
    """Adds to a file in use."""
    with closing(database.connect(path)) as connection:
        yield SqliteAdding(connection)


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
        connection.execute("DELETE FROM installation")
        yield filling


async def _held(loading: SqliteLoading, table: Table) -> int:
    return 0 if table.name in _ITS_OWN else await loading.count(table)


def _select(table: Table) -> str:
    columns = (POSITION if name == "position" else name for name in table.columns)
    return _SELECT.get(table.name) or f"SELECT {', '.join(columns)} FROM {table.name}"


def _insert(table: Table) -> str:
    columns = table.columns
    values = ", ".join("?" * len(columns))
    return _INSERT.get(table.name) or f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({values})"
