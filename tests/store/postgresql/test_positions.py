"""Positions of the feed, where transactions commit in another order than they began."""

import asyncio
from contextlib import asynccontextmanager

import asyncpg
import pytest

from headcount.store.postgresql import writes
from headcount.store.postgresql.keeping import SEQUENCE
from headcount.store.postgresql.store import PostgresqlStore
from headcount.testing.store_contract.examples import USER, create, replacement


@pytest.fixture(scope="module")
def new_database(postgresql):
    return postgresql.create_database("positions")


@asynccontextmanager
async def tenant_of(url, name):
    store = PostgresqlStore(url)
    await store.open()
    try:
        yield store.for_tenant(name)
    finally:
        await store.close()


@asynccontextmanager
async def beside(url):
    """A transaction of somebody else that is not over yet."""
    connection = await asyncpg.connect(url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection, transaction
    finally:
        await connection.close()


def test_a_row_that_commits_late_comes_behind_all_that_have_a_position(new_database):
    async def story():
        ada, bob, eve = (create(USER, name) for name in ("ada", "bob", "eve"))
        async with tenant_of(new_database, "late") as tenant, beside(new_database) as (connection, transaction):
            await connection.fetch(writes.CARRY_OUT, "late", [writes.parameters_of(ada)])
            await tenant.write(bob)
            assert await tenant.sequence_changes() == 1
            first = await tenant.changes_after(0)
            await transaction.commit()
            await tenant.write_many([eve, replacement(USER, ada, {"title": "x"})])
            assert await tenant.sequence_changes() == 3
            rows = await tenant.changes_after(first[-1].position)
            assert [row.id for row in first] == ["bob"]
            assert [(row.id, row.version) for row in rows] == [("ada", 1), ("ada", 2), ("eve", 1)]
            assert rows[0].sequence < first[0].sequence
            assert await tenant.sequence_changes() == 0

    asyncio.run(story())


def test_a_transaction_that_takes_long_stalls_nobody(new_database):
    async def story():
        async with tenant_of(new_database, "long") as tenant, beside(new_database) as (connection, _):
            await connection.execute("INSERT INTO record VALUES ('other', 'k', 'k', '')")
            await connection.fetch(writes.CARRY_OUT, "long", [writes.parameters_of(create(USER, "ada"))])
            for name in ("bob", "eve"):
                await tenant.write(create(USER, name))
                assert await tenant.sequence_changes() == 1
            assert [row.id for row in await tenant.changes_after(0)] == ["bob", "eve"]

    asyncio.run(story())


def test_positions_are_given_by_one_at_a_time_and_seen_all_at_once(new_database):
    async def story():
        async with tenant_of(new_database, "one") as tenant, beside(new_database) as (connection, transaction):
            await tenant.write_many([create(USER, f"u{number}") for number in range(3)])
            assert await connection.fetchval(SEQUENCE, "one", 2) == 2
            assert await tenant.sequence_changes() == 0
            assert list(await tenant.changes_after(0)) == []
            await transaction.commit()
            assert len(await tenant.changes_after(0)) == 2
            assert await tenant.sequence_changes() == 1
            assert [row.id for row in await tenant.changes_after(0)] == ["u0", "u1", "u2"]

    asyncio.run(story())
