"""PostgreSQL restarts, hangs or refuses connections under load: a 503 in good time, and recovery without anybody's help.

Load: eight clients without pause and two workers. Lost: nothing. A statement may take one second here, so that a paused
server is noticed early.
"""

import asyncio
import time
from threading import Event, Thread

import asyncpg
import pytest

from processes import eventually
from torture.agreement import check_agreement
from torture.deployments import kill, serving, workers
from torture.load import Load

SETTINGS = {"database_timeout": 1, "search_budget": 1, "database_connections": 4}
BOUND = 6.0
"""Seconds in which every answer is there: a place in a batch, a statement's time, a connection's, and something over."""
RECOVERY = 5.0


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_installation):
    """One server for all of this, which has to come through it."""
    installation = new_installation()
    named = installation.with_options(connect_timeout=1, application_name="torture")
    with serving(tmp_path_factory.mktemp("server"), named, "--workers", "2", **SETTINGS) as (running, client):
        yield installation, running, client


@pytest.fixture
def served(server):
    """The server and a client; what is kept agrees when a test is over."""
    installation, running, client = server
    with client.apart() as another:
        yield running, another
    check_agreement(installation.url)


def connections(postgresql):
    statement = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'torture'"
    return int(postgresql.sql(statement))


def outage(served, rounds, fault, relief):
    """The load goes on after each fault; gives it for what else is to be said of it."""
    _, client = served
    with Load(client) as load:
        for _ in range(rounds):
            load.goes_on()
            before = load.statuses[503]
            try:
                fault()
                eventually(lambda before=before: load.statuses[503] > before + 10)
            finally:
                relief()
            assert load.goes_on() < RECOVERY
    assert load.check() > 0
    assert load.slowest < BOUND
    return load


def test_a_restart_is_ridden_out(served, postgresql, rounds):
    _, client = served
    with Load(client) as load:
        for _ in range(rounds):
            load.goes_on()
            postgresql.stop()
            postgresql.start()
            assert load.goes_on() < RECOVERY
    assert load.check() > 0
    assert load.slowest < BOUND
    assert load.statuses.keys() <= {200, 201, 204, 503}
    assert connections(postgresql) <= 2 * SETTINGS["database_connections"]


def test_a_server_that_is_away_for_longer_means_503_until_it_is_back(served, postgresql, rounds):
    load = outage(served, rounds, postgresql.stop, postgresql.start)
    assert load.statuses.keys() <= {200, 201, 204, 503}
    assert connections(postgresql) <= 2 * SETTINGS["database_connections"]


def test_workers_that_start_while_the_server_is_away_wait_for_it(served, postgresql, rounds):
    running, _ = served

    def fault():
        postgresql.stop()
        kill(*workers(running))
        eventually(lambda: len(workers(running)) == 2)

    outage(served, rounds, fault, postgresql.start)


def test_a_server_that_hangs_means_503_until_it_goes_on(served, postgresql, rounds):
    load = outage(served, rounds, postgresql.pause, postgresql.resume)
    assert load.statuses.keys() <= {200, 201, 204, 503}
    eventually(lambda: connections(postgresql) <= 2 * SETTINGS["database_connections"])


def test_while_the_database_hangs_the_process_is_alive_but_not_ready(served, postgresql):
    _, client = served
    health = client.at("")
    assert [health.get(path).status for path in ("/healthz", "/readyz")] == [200, 200]
    postgresql.pause()
    try:
        started = time.monotonic()
        assert health.get("/healthz").status == 200
        assert time.monotonic() - started < 1
        not_ready = health.get("/readyz")
        assert (not_ready.error, not_ready.headers["retry-after"]) == ((503, None), "1")
        assert time.monotonic() - started < BOUND
    finally:
        postgresql.resume()
    eventually(lambda: health.get("/readyz").status == 200, RECOVERY)


def test_a_search_that_meets_a_hanging_database_is_told_503_and_not_too_many(served, postgresql):
    """The time budget of a search is not over because the database is away."""
    _, client = served
    postgresql.pause()
    try:
        assert client.get("/Users", filter='nickName co "a"').error == (503, None)
    finally:
        postgresql.resume()


class Greedy(Thread):
    """Takes every connection that PostgreSQL gives, and ends those of Headcount, until it is told to stop."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.stopped = url, Event()
        self.start()

    def run(self):
        asyncio.run(self.take())

    async def take(self):
        held = [await asyncpg.connect(self.url)]
        while not self.stopped.is_set():
            try:
                held.append(await asyncpg.connect(self.url))
            except asyncpg.TooManyConnectionsError:
                await held[0].execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'torture'"
                )
        for connection in held:
            connection.terminate()

    def stop(self):
        self.stopped.set()
        self.join()


def test_a_server_without_a_free_connection_means_503_until_there_is_one(served, postgresql, server, rounds):
    greedy, (installation, *_) = [], server
    load = outage(served, rounds, lambda: greedy.append(Greedy(installation.url)), lambda: greedy.pop().stop())
    assert load.statuses.keys() <= {200, 201, 204, 503}
    eventually(lambda: connections(postgresql) <= 2 * SETTINGS["database_connections"])
