"""A PostgreSQL database read and filled as a whole."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import asyncpg

from headcount.store.administration import NotEmptyError
from headcount.store.interface import StoreError
from headcount.store.postgresql import database
from headcount.store.postgresql.database import Connection
from headcount.store.tables import COUNTING, SEQUENCE, TABLES, Kind, Row, Table, canonical

_ROWS_AT_ONCE: Final = 256
_POSITION: Final = "coalesce(position, sequence + ahead_1(tenant))"
"""Rows that have no position yet are read with the one that they would be given next."""
_COUNT: Final = """SELECT '{0}' AS name, greatest((SELECT max({2}) FROM {0}),
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {0}_{1}_seq)) AS last"""
"""How far a table has counted; positions may be ahead of sequences."""
_SELECT: Final = {
    "counter": "SELECT tenant, name, sum(value)::bigint AS value FROM counter GROUP BY tenant, name",
    SEQUENCE.name: " UNION ALL ".join(
        _COUNT.format(table, column, _POSITION if table == "change" else column) for table, column in COUNTING.items()
    ),
}
"""Where reading is more than naming the columns."""
_COUNT_ON: Final = "SELECT setval($1::text::regclass, greatest($2::bigint, 1), $2 > 0)"
_ITS_OWN: Final = frozenset({"installation", SEQUENCE.name})
"""What an empty database has, and gives up."""


class PostgresqlLoading:
    """One transaction over the whole database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def count(self, table: Table) -> int:
        """How many rows a table has."""
        number: int = await self._connection.fetchval(f"SELECT count(*) FROM ({_select(table)}) AS counted")
        return number

    async def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """All rows, some at a time."""
        cursor = await self._connection.cursor(_select(table))
        while rows := await cursor.fetch(_ROWS_AT_ONCE):
            yield canonical(table, rows)

    async def rows_of(self, table: Table, tenant: str, order: Sequence[str]) -> AsyncIterator[Sequence[Row]]:
        """The rows of one tenant, in order."""
        statement = f"{_select(table)} WHERE tenant = $1 ORDER BY {', '.join(order)}"
        cursor = await self._connection.cursor(statement, tenant)
        while rows := await cursor.fetch(_ROWS_AT_ONCE):
            yield canonical(table, rows)

    async def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows."""
        if table is SEQUENCE:
            await self._connection.executemany(
                _COUNT_ON, [(f"{name}_{COUNTING[name]}_seq", last) for name, last in rows]
            )
            return
        columns = list(table.columns)
        if table.name == "counter":
            columns.append("shard")
            rows = [(*row, 0) for row in rows]
        await self._connection.copy_records_to_table(table.name, records=rows, columns=columns)


@asynccontextmanager
async def snapshot(url: str, *, pooler: bool) -> AsyncIterator[PostgresqlLoading]:
    """The database as of now."""
    connection = await database.connect(url, pooler=pooler)
    try:
        with _store_errors("cannot read"):
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                yield PostgresqlLoading(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def adding(url: str, *, pooler: bool) -> AsyncIterator[PostgresqlLoading]:
    """Adds to a database in use; without a transaction around them, calls are durable one by one."""
    connection = await database.connect(url, pooler=pooler)
    try:
        with _store_errors("cannot add to"):
            yield PostgresqlLoading(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def loading(url: str, *, pooler: bool) -> AsyncIterator[PostgresqlLoading]:
    """Fills an empty database, in one transaction."""
    connection = await database.connect(url, pooler=pooler)
    try:
        with _store_errors("cannot fill"):
            async with connection.transaction():
                yield await _empty(connection, database.shown(url))
    finally:
        await connection.close()


async def _empty(connection: Connection, url: str) -> PostgresqlLoading:
    """The database, once it is seen to be empty and nobody else can write to it."""
    names = [table.name for table in TABLES if table is not SEQUENCE]
    await connection.execute(f"LOCK TABLE {', '.join(names)} IN EXCLUSIVE MODE")
    filling = PostgresqlLoading(connection)
    found = [
        f"{number} in {table.name}"
        for table in TABLES
        if table.name not in _ITS_OWN and (number := await filling.count(table))
    ]
    if found:
        raise NotEmptyError(f"{url} is not empty: {', '.join(found)}")
    await connection.execute("DELETE FROM installation")
    return filling


@contextmanager
def _store_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreError(f"{what} the database: {error or type(error).__name__}") from error


def _select(table: Table) -> str:
    columns = (
        f"{name}::text" if kind is Kind.JSON else f"{_POSITION} AS position" if name == "position" else name
        for name, kind in table.columns.items()
    )
    return _SELECT.get(table.name) or f"SELECT {', '.join(columns)} FROM {table.name}"
