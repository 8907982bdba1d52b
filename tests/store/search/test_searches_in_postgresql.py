"""Searches in PostgreSQL find what the evaluation of the filter says, in the order that it says."""

import asyncio
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.syntax import Filter
from headcount.scim.registry import ResourceType
from headcount.store.interface import Query, TenantStore
from headcount.store.postgresql.store import PostgresqlStore
from store.search.searchable import Directory, after, expected, query_of
from store.search.strategies import directories, filters, searched
from store.search.test_order_in_sql import at, sorted_searches

_SETTINGS = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
_NUMBERS = count(1)


class Database:
    """A store on its event loop; every directory is a tenant of its own, beside one with the same under other ids."""

    def __init__(self, url: str, runner: asyncio.Runner) -> None:
        self.run = runner.run
        self.store = PostgresqlStore(url)
        self.run(self.store.open())

    def fill(self, directory: Directory) -> str:
        """The name of the tenant that has the directory."""
        number = next(_NUMBERS)
        for name, prefix in ((f"t{number}", ""), (f"other{number}", "x")):
            self.run(_write(self.store.for_tenant(name), directory, prefix))
        return f"t{number}"


async def _write(tenant: TenantStore, directory: Directory, prefix: str) -> None:
    for create in directory.creates(prefix):
        await tenant.write(create)


@pytest.fixture(scope="module")
def database(every_postgresql) -> Iterator[Database]:
    with asyncio.Runner() as runner:
        opened = Database(every_postgresql.create_database("searches"), runner)
        yield opened
        runner.run(opened.store.close())


@st.composite
def _searches(draw: st.DrawFn) -> tuple[Directory, tuple[ResourceType, ...], list[Filter]]:
    kinds = draw(searched)
    return draw(directories()), kinds, draw(st.lists(filters(kinds), min_size=4, max_size=12))


@_SETTINGS
@given(_searches())
def test_a_search_finds_the_resources_that_the_filter_matches_and_no_other(
    database: Database, case: tuple[Directory, tuple[ResourceType, ...], list[Filter]]
) -> None:
    directory, kinds, parsed = case
    tenant = database.store.for_tenant(database.fill(directory))
    for one in parsed:
        try:
            query = query_of(one, kinds)
        except InvalidFilterError:
            continue
        page = database.run(tenant.search(query))
        assert [row.id for row in page.resources] == expected(directory, query), one
        assert page.total == len(page.resources)
        assert page.last is None


@_SETTINGS
@given(sorted_searches(), st.integers(0, 12))
def test_pages_by_offset_and_by_position_are_stretches_of_one_order(
    database: Database, case: tuple[Directory, Query], offset: int
) -> None:
    directory, query = case
    tenant, whole = database.store.for_tenant(database.fill(directory)), expected(directory, query)
    page = database.run(tenant.search(at(query, offset=offset)))
    assert [row.id for row in page.resources] == whole[offset : offset + query.limit]
    assert page.total == len(whole)
    seen, position = [], None
    while True:
        page = database.run(tenant.search(at(query, **after(position))))
        seen += [row.id for row in page.resources]
        if page.last is None:
            break
        position = page.last
    assert seen == whole
