"""A resource that is created alone, by a server function of its own, is kept as one that is created with others is."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from headcount.store.interface import Delete, NotUniqueError, Written
from headcount.store.postgresql.store import PostgresqlStore
from headcount.store.tables import OF_TENANTS
from headcount.testing.store_contract.examples import USER, create, origin


@pytest.fixture(scope="module")
def new_database(postgresql):
    return postgresql.create_database("alone")


@asynccontextmanager
async def opened(url):
    store = PostgresqlStore(url)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def everything_of(connection, tenant):
    """The rows of a tenant by table, but for what differs from row to row."""
    rows = {}
    for table in OF_TENANTS:
        some = [dict(row) for row in await connection.fetch(f"SELECT * FROM {table} WHERE tenant = $1", tenant)]  # noqa: S608  tables of ours
        rows[table] = sorted(str({**row, "tenant": "", "sequence": 0, "shard": 0}) for row in some)
    return rows


def test_the_same_rows_are_kept(new_database):
    nobody = Delete(USER.name, "nobody", origin(), None)
    ada = create(USER, "ada", {"externalId": "7", "emails": [{"value": "ada@example.com"}, {"value": "a@example.org"}]})

    async def story():
        async with opened(new_database) as store:
            alone = await store.for_tenant("alone").write_many([ada])
            (together, _) = await store.for_tenant("together").write_many([ada, nobody])
        connection = await asyncpg.connect(new_database)
        try:
            assert alone == [together]
            assert isinstance(together, Written)
            assert await everything_of(connection, "alone") == await everything_of(connection, "together")
        finally:
            await connection.close()

    asyncio.run(story())


def test_of_many_who_want_one_user_name_at_once_one_gets_it_and_the_others_learn_whose_it_is(new_database):
    wanted = [create(USER, f"{number}", {"userName": "ada"}) for number in range(4)]

    async def story():
        async with AsyncExitStack() as stack:
            stores = [await stack.enter_async_context(opened(new_database)) for _ in wanted]
            tenants = [store.for_tenant("race") for store in stores]
            answers = await asyncio.gather(
                *(tenant.write_many([write]) for tenant, write in zip(tenants, wanted, strict=True))
            )
            outcomes = [outcome for (outcome,) in answers]
            (winner,) = [
                write.id for write, outcome in zip(wanted, outcomes, strict=True) if isinstance(outcome, Written)
            ]
            refusals = [outcome for outcome in outcomes if isinstance(outcome, NotUniqueError)]
            assert [refusal.owner for refusal in refusals] == [winner] * 3
            assert [row["id"] async for row in tenants[0].changes()] == [winner]

    asyncio.run(story())
