"""Searches in PostgreSQL: a page of one resource type in one statement, ids first and documents late."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from headcount.store.interface import Page, Query, StoredResource
from headcount.store.postgresql import reads
from headcount.store.postgresql.dialect import PostgresqlDialect, sort_value
from headcount.store.search.sql import Sql
from headcount.store.search.statements import (
    Ordered,
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

_DIALECT: Final = PostgresqlDialect()
_DOCUMENT: Final = "(SELECT * FROM resource WHERE tenant = ? AND type = ? AND id = picked.row OFFSET 0) AS r"
_TOTAL: Final = "SELECT coalesce(sum(value), 0)::bigint FROM counter WHERE tenant = ? AND name = ?"

Run: TypeAlias = Callable[[Sql], Awaitable[Sequence["asyncpg.Record"]]]
"""Runs a statement within the time budget."""


def is_point(query: Query) -> bool:
    """Whether the search is answered at once whatever the size of the directory."""
    return is_point_search(query, _DIALECT)


async def search(run: Run, tenant: str, query: Query) -> Page:
    """A page of the resources that match."""
    types = pickings(tenant, query, _DIALECT, lambda: True)
    found = [await _picked(run, tenant, picking, query) for picking in types] if query.limit else []
    rows = merged([[_row(row) for row in some] for some in found], query) if query.limit else []
    total = await _total(run, tenant, query, types, rows) if query.total else None
    resources = await _resources(run, tenant, [row[0] for row in rows[: query.limit]])
    return Page(resources, total, last_position(rows, query))


async def _picked(run: Run, tenant: str, picking: Picking, query: Query) -> list["asyncpg.Record"]:
    rows: list[asyncpg.Record] = []
    wanted = rows_wanted(query)
    for ordered in picking.stretches(query):
        rows += await run(_with_documents(tenant, picking, ordered, wanted - len(rows), query))
        if len(rows) == wanted:
            break
    return rows


def _with_documents(tenant: str, picking: Picking, ordered: Ordered, limit: int, query: Query) -> Sql:
    """The statement that picks rows and then reads their documents."""
    columns = Sql(reads.COLUMNS, (tenant,)) if query.groups else Sql(reads.COLUMNS_WITHOUT_GROUPS)
    of_type = (tenant, picking.target.resource_type.name)
    return (
        "WITH picked AS MATERIALIZED ("
        + limited(ordered, limit, query)
        + ") SELECT picked.s AS s, "
        + columns
        + Sql(f" FROM picked CROSS JOIN LATERAL {_DOCUMENT}", of_type)
        + ordered.order
    )


def _row(record: "asyncpg.Record") -> Row:
    return record, record["id"], sort_value(record["s"])


async def _resources(run: Run, tenant: str, records: list["asyncpg.Record"]) -> tuple[StoredResource, ...]:
    users = reads.users_among(records)
    derived = None
    if users:
        derived = await all_groups(run, tenant, users)
    return tuple([reads.resource_of(record, derived) for record in records])


async def all_groups(run: Run, tenant: str, users: list[str]) -> dict[str, str]:
    """Direct and indirect groups by member, in tenants that nest groups."""
    return dict(await run(Sql(reads.ALL_GROUPS, (tenant, users))))  # type: ignore[arg-type]  # records are pairs


async def _total(run: Run, tenant: str, query: Query, types: list[Picking], rows: list[Row]) -> int:
    """All matches: known when the first page holds them all, counted beforehand without a filter."""
    known = known_total(rows, query)
    return sum([await _count(run, tenant, picking) for picking in types]) if known is None else known


async def _count(run: Run, tenant: str, picking: Picking) -> int:
    name = picking.target.resource_type.name
    counted = Sql(_TOTAL, (tenant, name)) if picking.target.filter is None else picking.count()
    value: Any = (await run(counted))[0][0]
    return int(value)
