"""Searches in SQLite: ids first, documents late."""

import sqlite3
from collections.abc import Callable
from typing import Final, TypeAlias

from headcount.scim.paths import BoundPath
from headcount.store.interface import Page, Position, Query, Target
from headcount.store.search.conditions import condition, pins
from headcount.store.search.ordering import beyond, is_total, order_by, sort_key
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql, joined
from headcount.store.sqlite import reads
from headcount.store.sqlite.dialect import SqliteDialect

_DIALECT: Final = SqliteDialect()
Nested: TypeAlias = Callable[[], bool]
_SHALLOW: Final = 1_000
"""Rows that an unfiltered page may skip on the event loop."""


def is_point(query: Query) -> bool:
    """Whether the search is answered in microseconds whatever the size of the directory."""
    unfiltered = all(target.filter is None for target in query.targets)
    if unfiltered and len(query.targets) == 1:
        return query.offset <= _SHALLOW and (query.targets[0].sort is None or _is_indexed(query.targets[0]))
    return all(target.filter is not None and pins(target.filter, _layout(target, query)) for target in query.targets)


def search(connection: sqlite3.Connection, tenant: str, query: Query) -> Page:
    """A page of the resources that match."""

    def nested() -> bool:
        return _counter(connection, tenant, "nested") > 0

    matching = _matching(tenant, query, nested)
    rows = _rows(connection, query, matching, nested) if query.limit else []
    page = rows[: query.limit]
    total = _total(connection, tenant, query, matching, rows) if query.total else None
    resources = reads.read_page(connection, tenant, [row[0] for row in page], groups=query.groups)
    last = Position(page[-1][2], page[-1][1]) if len(rows) > query.limit else None
    return Page(resources, total, last)


def _rows(connection: sqlite3.Connection, query: Query, matching: Sql, nested: Nested) -> list[tuple[int, str, str]]:
    """(row number, id, sort value): one more than the page holds, if there is one."""
    key = _key(query, nested)
    statement = "SELECT r.rowid, r.id, " + (key or Sql("NULL")) + " AS s FROM resource AS r WHERE " + matching
    if query.after is not None:
        statement += " AND " + beyond(query.after, key, descending=query.descending)
    target = query.targets[0]
    alone = len(query.targets) == 1 and target.sort is not None and is_total(target.sort, _layout(target, query))
    order = order_by(is_sorted=key is not None, is_total_order=alone, descending=query.descending)
    statement += Sql(f" {order} LIMIT ? OFFSET ?", (query.limit + 1, query.offset))
    return connection.execute(statement.text, statement.parameters).fetchall()


def _matching(tenant: str, query: Query, nested: Nested) -> Sql:
    """The condition of the whole search; the tenant comes first."""
    if len(query.targets) == 1:
        return Sql("r.tenant = ? AND ", (tenant,)) + _of_type(query.targets[0], query, nested)
    types = joined(" OR ", ("(" + _of_type(target, query, nested) + ")" for target in query.targets))
    return Sql("r.tenant = ? AND (", (tenant,)) + types + ")"


def _of_type(target: Target, query: Query, nested: Nested) -> Sql:
    of_type = Sql("r.type = ?", (target.resource_type.name,))
    if target.filter is None:
        return of_type
    return of_type + " AND " + condition(target.filter, _layout(target, query, nested))


def _key(query: Query, nested: Nested) -> Sql | None:
    """What the search is sorted by; types that lack the attribute have no value."""
    sorts: list[tuple[Target, BoundPath]] = [(target, target.sort) for target in query.targets if target.sort]
    if not sorts:
        return None
    keys = [(target, sort_key(path, _layout(target, query, nested))) for target, path in sorts]
    if len(query.targets) == 1:
        return keys[0][1]
    cases = joined(" ", (Sql("WHEN ? THEN ", (target.resource_type.name,)) + key for target, key in keys))
    return "CASE r.type " + cases + " END"


def _total(
    connection: sqlite3.Connection, tenant: str, query: Query, matching: Sql, rows: list[tuple[int, str, str]]
) -> int:
    """All matches: known when the first page holds them all, counted beforehand without a filter."""
    if query.limit and not query.offset and query.after is None and len(rows) <= query.limit:
        return len(rows)
    if all(target.filter is None for target in query.targets):
        return sum(_counter(connection, tenant, target.resource_type.name) for target in query.targets)
    statement = "SELECT count(*) FROM resource AS r WHERE " + matching
    (total,) = connection.execute(statement.text, statement.parameters).fetchone()
    return int(total)


def _counter(connection: sqlite3.Connection, tenant: str, name: str) -> int:
    row = connection.execute(reads.COUNTER, (tenant, name)).fetchone()
    return 0 if row is None else int(row[0])


def _layout(target: Target, query: Query, nested: Nested = lambda: False) -> Layout:
    return Layout(target.resource_type, _DIALECT, query.base_url, nested)


def _is_indexed(target: Target) -> bool:
    return (
        target.sort is not None
        and Layout(target.resource_type, _DIALECT, "", lambda: False).column(target.sort) is not None
    )
