"""Searches in SQLite: ids first, documents late."""

import sqlite3
from collections.abc import Callable
from typing import Final

from headcount.store.interface import Page, Query
from headcount.store.search.look_ups import LookUps
from headcount.store.search.sql import Sql
from headcount.store.search.statements import (
    Picking,
    Row,
    is_point_search,
    known_total,
    last_position,
    limited,
    merged,
    pickings,
    rows_wanted,
)
from headcount.store.sqlite import reads
from headcount.store.sqlite.dialect import SqliteDialect

_DIALECT: Final = SqliteDialect()


def is_point(query: Query) -> bool:
    """Whether the search is answered in microseconds whatever the size of the directory."""
    return is_point_search(query, _DIALECT)


def look_ups(tenant: str, is_nested: Callable[[], bool]) -> LookUps:
    """What a tenant's searches for the few who have one string come to."""
    return LookUps(tenant, _DIALECT, is_nested)


def look_up(connection: sqlite3.Connection, tenant: str, query: Query, matching: Sql) -> Page | None:
    """The page of a look-up, picked and read in one statement; None when there are more than a page of them."""
    found = reads.read_matching(
        connection,
        tenant,
        query.targets[0].resource_type.name,
        matching,
        query.limit + 1,
        groups=query.groups,
        descending=query.descending,
    )
    return Page(found, len(found) if query.total else None, None) if len(found) <= query.limit else None


def search(connection: sqlite3.Connection, tenant: str, query: Query) -> Page:
    """A page of the resources that match, all of it as of one instant."""
    connection.execute("BEGIN")
    try:
        return _page(connection, tenant, query)
    finally:
        connection.execute("COMMIT")


def _page(connection: sqlite3.Connection, tenant: str, query: Query) -> Page:
    types = pickings(tenant, query, _DIALECT, lambda: _counter(connection, tenant, "nested") > 0)
    rows = merged([_rows(connection, picking, query) for picking in types], query) if query.limit else []
    total = _total(connection, tenant, query, types, rows) if query.total else None
    page = [row[0] for row in rows[: query.limit]]
    resources = reads.read_page(connection, tenant, page, groups=query.groups)
    return Page(resources, total, last_position(rows, query))


def _rows(connection: sqlite3.Connection, picking: Picking, query: Query) -> list[Row]:
    rows: list[Row] = []
    wanted = rows_wanted(query)
    for ordered in picking.stretches(query):
        rows += _run(connection, limited(ordered, wanted - len(rows), query))
        if len(rows) == wanted:
            break
    return rows


def _total(connection: sqlite3.Connection, tenant: str, query: Query, types: list[Picking], rows: list[Row]) -> int:
    """All matches: known when the first page holds them all, counted beforehand without a filter."""
    known = known_total(rows, query)
    return sum(_count(connection, tenant, picking) for picking in types) if known is None else known


def _count(connection: sqlite3.Connection, tenant: str, picking: Picking) -> int:
    if picking.target.filter is None:
        return _counter(connection, tenant, picking.target.resource_type.name)
    return int(_run(connection, picking.count())[0][0])


def _run(connection: sqlite3.Connection, statement: Sql) -> list[Row]:
    return connection.execute(statement.text, statement.parameters).fetchall()


def _counter(connection: sqlite3.Connection, tenant: str, name: str) -> int:
    row = connection.execute(reads.COUNTER, (tenant, name)).fetchone()
    return 0 if row is None else int(row[0])
