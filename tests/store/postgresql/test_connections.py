"""Connections are shared by turns, and whoever takes one finds it fit for use, whatever the one before him did."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from headcount.store.interface import StoreError
from headcount.store.postgresql import connections
from headcount.store.postgresql.pool import Pool
from headcount.store.postgresql.store import PostgresqlStore

PID = "SELECT pg_backend_pid()"
CONNECTED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
LEFT = "SELECT (SELECT count(*) FROM resource) + (SELECT count(*) FROM change) + (SELECT count(*) FROM counter)"


@asynccontextmanager
async def pool_of(server, *, most=1):
    pool = Pool(f"{server.url()}?connect_timeout=1", connections=most, pooler=False, search_budget=5.0, timeout=5.0)
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


async def asked(pool, statement=PID):
    return await pool.call(lambda connection: connection.fetchval(statement))


async def abandoned(pool, action):
    """Somebody who goes away in the middle of an action."""
    begun = asyncio.Event()

    async def acted(connection):
        begun.set()
        await action(connection)

    task = asyncio.create_task(pool.call(acted))
    await begun.wait()
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_one_after_the_other_they_use_the_same_and_no_more_than_are_allowed_at_once(postgresql):
    async def story():
        async with pool_of(postgresql, most=2) as pool:
            assert await asked(pool) == await asked(pool)
            slow = f"{PID} FROM pg_sleep(0.02)"
            assert len(set(await asyncio.gather(*(asked(pool, slow) for _ in range(6))))) == 2

    asyncio.run(story())


def test_whoever_waits_for_too_long_is_told_so(postgresql):
    async def story():
        async with pool_of(postgresql) as pool:
            slow = asyncio.create_task(asked(pool, "SELECT 7 FROM pg_sleep(1.2)"))
            await asyncio.sleep(0.05)
            with pytest.raises(StoreError, match="became free"):
                await asked(pool)
            assert await slow == 7
            assert await asked(pool, "SELECT 8") == 8

    asyncio.run(story())


def test_a_statement_that_nobody_waits_for_is_called_off_and_its_connection_kept(postgresql):
    async def story():
        async with pool_of(postgresql) as pool:
            before = await asked(pool)
            await abandoned(pool, lambda connection: connection.execute("SELECT pg_sleep(60)"))
            assert await asked(pool) == before

    asyncio.run(story())


def test_a_transaction_that_nobody_ended_is_not_handed_on(postgresql):
    async def begin(connection):
        await connection.execute("BEGIN")
        await connection.execute("CREATE TABLE left_behind ()")
        raise ValueError("the transaction is not ended")

    async def story():
        async with pool_of(postgresql) as pool:
            before = await asked(pool)
            with pytest.raises(ValueError, match="not ended"):
                await pool.call(begin)
            assert await asked(pool) == before
            assert await asked(pool, "SELECT to_regclass('left_behind')") is None

    asyncio.run(story())


def test_a_connection_that_the_server_ended_is_replaced(postgresql):
    async def story():
        async with pool_of(postgresql) as pool:
            before = await asked(pool)
            postgresql.sql(f"SELECT pg_terminate_backend({before}, 5000)")
            await asyncio.sleep(0.05)
            assert await asked(pool) != before

    asyncio.run(story())


@pytest.mark.parametrize("bound", ["_LIFE_SECONDS", "_IDLE_SECONDS"])
def test_one_that_is_old_or_was_left_alone_for_long_is_replaced(postgresql, monkeypatch, bound):
    async def story():
        async with pool_of(postgresql) as pool:
            before = await asked(pool)
            monkeypatch.setattr(connections, bound, 0.0)
            await asked(pool)
            assert await asked(pool) != before

    asyncio.run(story())


def test_who_closes_waits_for_what_is_under_way(postgresql):
    async def story():
        async with pool_of(postgresql) as pool:
            slow = asyncio.create_task(asked(pool, "SELECT 7 FROM pg_sleep(0.2)"))
            await asyncio.sleep(0.05)
        assert await slow == 7
        with pytest.raises(StoreError, match="closed"):
            await asked(pool)

    asyncio.run(story())


def test_what_does_not_come_back_is_cut_off_by_the_end(postgresql, monkeypatch):
    monkeypatch.setattr(connections, "_CLOSE_SECONDS", 0.1)

    async def story():
        async with pool_of(postgresql) as pool:
            slow = asyncio.create_task(
                pool.call(lambda connection: connection.execute("SELECT pg_sleep(60)"), again=False)
            )
            await asyncio.sleep(0.05)
        with pytest.raises(StoreError):
            await slow

    asyncio.run(story())


def test_a_rehearsal_makes_all_connections_and_leaves_nothing_behind(postgresql):
    url = postgresql.create_database("rehearsed")

    async def story():
        store = PostgresqlStore(url, connections=3)
        await store.open()
        try:
            await store.rehearse()
            slow = f"{PID} FROM pg_sleep(0.05)"
            connected = await store.primary.call(lambda connection: connection.fetchval(CONNECTED))
            used = await asyncio.gather(*(asked(store.primary, slow) for _ in range(3)))
            left = await store.primary.call(lambda connection: connection.fetchval(LEFT))
        finally:
            await store.close()
        assert (connected, len(set(used)), left) == (3, 3, 0)

    asyncio.run(story())
