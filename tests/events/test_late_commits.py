"""The feed on PostgreSQL, where transactions commit in another order than they began: nobody passes a row."""

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from headcount.directory.permissions import Fence
from headcount.events.feed import Feed, Wish
from headcount.events.notifier import Notifier
from headcount.scim.registry import build_registry
from headcount.scim.scopes import UNRESTRICTED
from headcount.store.postgresql import writes
from headcount.store.postgresql.store import PostgresqlStore
from headcount.testing.store_contract.examples import USER, create, replacement

WRITERS, PEOPLE, CHANGES = 8, 12, 4


@asynccontextmanager
async def open_feed(database):
    store = PostgresqlStore(database)
    await store.open()
    try:
        tenant, registry = store.for_tenant("acme"), build_registry()
        yield Feed(tenant, "acme", registry, Notifier(), lambda permissions: Fence(permissions, registry, tenant))
    finally:
        await store.close()


@asynccontextmanager
async def connected(database):
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def write_slowly(connection, number, chance):
    """Somebody's transactions, each of which stays open for a while before it commits."""
    for person in range(PEOPLE):
        made = create(USER, f"w{number}-p{person}")
        changes = [made]
        changes += [
            replacement(USER, made, {"title": str(title)})._replace(expected_version=title)
            for title in range(1, CHANGES)
        ]
        for change in changes:
            async with connection.transaction():
                await connection.fetch(writes.CARRY_OUT, "acme", [writes.parameters_of(change)])
                await asyncio.sleep(chance.random() * 0.02)


async def read_until(feed, enough):
    """(id, version, position) of everything that is told, in order."""
    told, after = [], 0
    async with asyncio.timeout(60):
        while len(told) < enough:
            batch = await feed.read(after, Wish(limit=50), UNRESTRICTED, wait=1)
            told += [(event.resource_id, event.version, event.position) for event in batch.events]
            after = batch.next
    return told


@pytest.mark.parametrize("readers", [3])
def test_every_reader_has_every_row_once_and_in_order(postgresql, readers):
    database = postgresql.create_database("late")

    async def story():
        everything = WRITERS * PEOPLE * CHANGES
        async with AsyncExitStack() as stack:
            feed = await stack.enter_async_context(open_feed(database))
            foreign = await stack.enter_async_context(connected(database))
            dump = foreign.transaction(isolation="repeatable_read")
            await dump.start()  # as a dump or an import does, from before the first write to after the last
            await foreign.execute("INSERT INTO record VALUES ('other', 'k', 'k', '')")
            await foreign.fetch(writes.CARRY_OUT, "acme", [writes.parameters_of(create(USER, "latest"))])
            connections = [await stack.enter_async_context(connected(database)) for _ in range(WRITERS)]
            chance = random.Random(1)  # noqa: S311  chance, not secrecy
            reading = [asyncio.ensure_future(read_until(feed, everything)) for _ in range(readers)]
            await asyncio.gather(*(write_slowly(one, number, chance) for number, one in enumerate(connections)))
            told = await asyncio.gather(*reading)  # although the dump goes on
            await dump.commit()
            last = (await feed.read(told[0][-1][2], Wish(), UNRESTRICTED, wait=5)).events
        for each in told:
            positions = [position for _, _, position in each]
            assert positions == sorted(set(positions))
            versions = {}
            for person, version, _ in each:
                assert version == versions.get(person, 0) + 1
                versions[person] = version
            assert set(versions.values()) == {CHANGES}
            assert len(versions) == WRITERS * PEOPLE
        assert [event.resource_id for event in last] == ["latest"], "what began first and committed last"

    asyncio.run(story())


def test_who_reads_waits_for_positions_that_somebody_else_is_giving(postgresql):
    database = postgresql.create_database("sequencing")

    async def story():
        async with open_feed(database) as feed, connected(database) as other:
            await other.fetch(writes.CARRY_OUT, "acme", [writes.parameters_of(create(USER, "ada"))])
            sequencing = other.transaction()
            await sequencing.start()
            assert await other.fetchval("SELECT sequence_1('acme', 100)") == 1
            reading = asyncio.ensure_future(feed.read(0, Wish(), UNRESTRICTED))
            done, _ = await asyncio.wait({reading}, timeout=0.005)
            assert not done
            await sequencing.commit()
            assert [event.resource_id for event in (await reading).events] == ["ada"]

    asyncio.run(story())
