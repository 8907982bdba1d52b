"""Look-ups that travel together in PostgreSQL find what each search by itself finds."""

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings

from headcount.store.interface import DEFAULT_CONNECTION, Page, Query
from headcount.store.postgresql.look_ups import MOST
from headcount.store.postgresql.search import search
from headcount.store.postgresql.store import PostgresqlStore
from store.search.searchable import TENANT, USER, Directory, expected, query_of
from store.search.test_look_ups import searches
from store.search.test_searches_in_postgresql import Database

PEOPLE = 60
NAMES = [f"person{number}" for number in range(PEOPLE)]
PATIENCE = 0.5
"""Seconds in which everything that can be on its way is."""
WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'headcount' AND datname = current_database() AND wait_event_type = 'Lock'"""


@pytest.fixture(scope="module")
def database(every_postgresql) -> Iterator[Database]:
    with asyncio.Runner() as runner:
        opened = Database(every_postgresql.create_database("look_ups"), runner)
        yield opened
        runner.run(opened.store.close())


async def together(store: PostgresqlStore, tenant: str, queries: list[Query]) -> list[Page]:
    """The pages of searches that are asked for at once."""
    return await asyncio.gather(*(store.for_tenant(tenant).search(query) for query in queries))


async def asked(url: str, tenant: str, queries: list[Query]) -> list[Page]:
    """The pages of searches that a store of its own is asked for at once."""
    store = PostgresqlStore(url)
    await store.open()
    pages = await together(store, tenant, queries)
    await store.close()
    return pages


async def one_by_one(store: PostgresqlStore, tenant: str, queries: list[Query]) -> list[Page]:
    """The pages of the same searches, none of which is taken for a look-up."""
    return [await search(store.primary.run, tenant, query) for query in queries]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
@given(searches())
def test_each_gets_the_page_that_its_search_gives(database: Database, case: tuple[Directory, list[Query]]) -> None:
    directory, queries = case
    tenant = database.fill(directory)
    pages = database.run(together(database.store, tenant, queries))
    assert pages == database.run(one_by_one(database.store, tenant, queries))
    for query, page in zip(queries, pages, strict=True):
        if query.connection is None:
            assert [row.id for row in page.resources] == expected(directory, query)[: query.limit]


@pytest.fixture(scope="module")
def people(every_postgresql) -> str:
    """The URL of a database in which two tenants have the same people under other ids."""
    directory = Directory()
    for name in NAMES:
        directory.add(USER, name, {"userName": name, "displayName": "Somebody", "externalId": f"x-{name}"})
    for name, number in ((f"one of {number}", number) for number in (MOST, MOST + 1)):
        for one in range(number):
            directory.add(USER, f"{name}, {one}", {"userName": f"{name}, {one}", "displayName": name})

    async def fill() -> None:
        store = PostgresqlStore(url)
        await store.open()
        for tenant, prefix in ((TENANT, ""), ("other", "x")):
            for create in directory.creates(prefix):
                await store.for_tenant(tenant).write(create)
        await store.close()

    url: str = every_postgresql.create_database("people")
    asyncio.run(fill())
    return url


def test_many_who_wait_are_one_statement_and_each_finds_his_own(people: str) -> None:
    queries = [query_of(f'userName eq "{name}"') for name in NAMES]

    async def story() -> tuple[int, list[Page]]:
        store = PostgresqlStore(people)
        await store.open()
        watcher = await asyncpg.connect(people)
        await store.for_tenant(TENANT).search(queries[0])
        async with watcher.transaction():
            await watcher.execute("LOCK TABLE resource")
            asked = asyncio.create_task(together(store, TENANT, queries))
            await asyncio.sleep(PATIENCE)
            waiting = await watcher.fetchval(WAITING)
        pages = await asked
        await watcher.close()
        await store.close()
        return waiting, pages

    waiting, pages = asyncio.run(story())
    assert [[row.id for row in page.resources] for page in pages] == [[name] for name in NAMES]
    assert 1 <= waiting <= 2  # the first who comes does not wait for the others


def test_more_than_a_page_are_the_first_of_them_and_their_number(people: str) -> None:
    some = query_of('displayName eq "somebody"', limit=10)
    ordered = sorted(NAMES)
    for query, ids in (
        (some, ordered[:10]),
        (some._replace(descending=True), ordered[::-1][:10]),
        (some._replace(limit=PEOPLE), ordered),
    ):
        for page in asyncio.run(asked(people, TENANT, [query, query])):
            assert [row.id for row in page.resources] == ids
            assert page.total == PEOPLE
            assert (page.last is None) == (len(ids) == PEOPLE)


@pytest.mark.parametrize("number", [MOST, MOST + 1])
def test_a_page_holds_all_who_have_one_name_however_many_are_looked_up(people: str, number: int) -> None:
    query = query_of(f'displayName eq "one of {number}"')
    (page,) = asyncio.run(asked(people, TENANT, [query]))
    assert (len(page.resources), page.total, page.last) == (number, number, None)


def test_nobody_is_found_in_another_tenant_or_by_an_identifier_of_another_connection(people: str) -> None:
    by_name = query_of('userName eq "person7"')
    by_own = query_of('externalId eq "x-person7"', connection=DEFAULT_CONNECTION)
    by_another = query_of('externalId eq "x-person7"', connection="another")

    async def story() -> list[Page]:
        store = PostgresqlStore(people)
        await store.open()
        tenants = (TENANT, "other", "nobody")
        pages = await asyncio.gather(
            *(together(store, tenant, [by_name, by_own, by_another]) for tenant in tenants for _ in range(5))
        )
        await store.close()
        return [page for some in pages[::5] for page in some]

    ids = [[row.id for row in page.resources] for page in asyncio.run(story())]
    assert ids == [["person7"], ["person7"], [], ["xperson7"], ["xperson7"], [], [], [], []]
