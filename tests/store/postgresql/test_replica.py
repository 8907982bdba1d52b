"""A replica takes the searches that read much, and never shows less than what was acknowledged before."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from headcount.scim import urns
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import STRICT
from headcount.scim.registry import USER
from headcount.store.interface import Create, Keys, Origin, Query, Target
from headcount.store.postgresql.store import PostgresqlStore
from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql

_SEARCH = Query((Target(USER, bind_filter(parse_filter('nickName co "a"'), USER, STRICT)),), 100)


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    """A primary and its replica, which logs its statements."""
    with temporary_postgresql() as primary:
        replica = primary.standby(primary.folder.parent / "replica", {"log_statement": "all"})
        replica.start()
        yield primary, replica
        replica.stop()


@contextmanager
def opened(
    primary: PostgresqlServer, replica: PostgresqlServer, name: str
) -> Iterator[tuple[asyncio.Runner, PostgresqlStore]]:
    with asyncio.Runner() as runner:
        store = PostgresqlStore(primary.create_database(name), replica_url=replica.url(name))
        runner.run(store.open())
        yield runner, store
        runner.run(store.close())


def user(number: int) -> Create:
    name = f"u{number}"
    document = orjson.dumps({"schemas": [urns.USER], "id": name, "userName": name, "nickName": "a"})
    keys = Keys(user_name=name, label=name, folded_label=name)
    return Create("User", name, document, document, None, keys, Origin("2026-01-01T00:00:00.000000Z", "t", "r"))


async def write_and_search(store: PostgresqlStore, number: int) -> int | None:
    tenant = store.for_tenant("acme")
    await tenant.write(user(number))
    return (await tenant.search(_SEARCH)).total


def searches_in(log: Path) -> int:
    return log.read_text().count("FROM resource AS r WHERE")


def test_a_search_on_the_replica_sees_every_write_before_it(pair: tuple[PostgresqlServer, PostgresqlServer]) -> None:
    primary, replica = pair
    with opened(primary, replica, "fresh") as (runner, store):
        before = searches_in(replica.folder / "log")
        assert [runner.run(write_and_search(store, number)) for number in range(20)] == list(range(1, 21))
        assert searches_in(replica.folder / "log") > before


def test_a_replica_that_lags_is_not_believed(pair: tuple[PostgresqlServer, PostgresqlServer]) -> None:
    primary, replica = pair
    with opened(primary, replica, "lagging") as (runner, store):
        assert runner.run(write_and_search(store, 0)) == 1
        replica.sql("SELECT pg_wal_replay_pause()")
        try:
            assert [runner.run(write_and_search(store, number)) for number in range(1, 4)] == [2, 3, 4]
        finally:
            replica.sql("SELECT pg_wal_replay_resume()")


def test_without_its_replica_the_primary_answers(pair: tuple[PostgresqlServer, PostgresqlServer]) -> None:
    primary, replica = pair
    with opened(primary, replica, "alone") as (runner, store):
        assert runner.run(write_and_search(store, 0)) == 1
        replica.stop()
        try:
            assert [runner.run(write_and_search(store, number)) for number in range(1, 4)] == [2, 3, 4]
        finally:
            replica.start()
