"""kill -9 in the middle of a write load: every acknowledged write is there, and nothing is half applied.

Load: eight clients without pause, which create, rename, put into one group and out of it, and delete, over HTTP, with
two workers on one PostgreSQL. Lost: nothing.
"""

import pytest

from torture.agreement import check_agreement
from torture.deployments import kill, serving, workers
from torture.load import Load

TWO = ("--workers", "2")


@pytest.fixture(scope="module")
def installation(new_installation):
    """One database for all of this."""
    return new_installation()


@pytest.mark.parametrize("how_many", [1, 2], ids=["of-one-worker", "of-all-workers"])
def test_nothing_is_lost_by_kill_9(tmp_path, installation, rounds, how_many):
    """Workers that are gone are replaced while the load goes on."""
    with serving(tmp_path, installation, *TWO) as (running, client):
        with Load(client) as load:
            for number in range(rounds):
                load.goes_on()
                kill(*(workers(running) * 2)[number % 2 :][:how_many])
            load.goes_on()
        assert load.check() > 0
    check_agreement(installation.url)


def test_nothing_is_lost_by_kill_9_of_the_whole_server(tmp_path, installation, rounds):
    for _ in range(rounds):
        with serving(tmp_path, installation, *TWO) as (running, client), Load(client) as load:
            load.goes_on()
            kill(running.process.pid, *workers(running))
        with serving(tmp_path, installation, *TWO) as (_, client):
            assert load.check(client) > 0
        check_agreement(installation.url)


def test_nothing_is_lost_by_kill_9_of_postgresql(tmp_path, postgresql, installation, rounds):
    with serving(tmp_path, installation, *TWO) as (_, client):
        with Load(client) as load:
            for _ in range(rounds):
                load.goes_on()
                postgresql.kill()
                postgresql.start()
            assert load.goes_on() < 10
        assert load.check() > 0
        assert load.slowest < 10
    check_agreement(installation.url)
