"""The leader of a Patroni cluster is lost in the middle of a write load: Headcount finds the new one by itself.

Load: eight clients without pause and two workers, with both nodes in the URL. Lost: nothing, because the standby is
synchronous: what was acknowledged is on both nodes.
"""

import signal
import time

import pytest

from torture.agreement import check_agreement
from torture.deployments import Installation, new_tenant, serving
from torture.load import Load
from torture.patroni import LOOP, TTL, cluster

BOUND = TTL + 5 * LOOP + 10
"""Seconds until writes go on: until the leader is given up, and then until its successor is promoted and found."""
FAULTS = {"killed": (signal.SIGKILL, ()), "hanging": (signal.SIGSTOP, (404,))}
"""What happens to the leader, and what a client may be told wrongly. A machine that hung believes for a moment that it
still leads (a watchdog, which Patroni can use, prevents that): it knows nothing of what happened, but acknowledges nothing
either, because nobody follows it.
"""

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def pair():
    with cluster() as running:
        yield running, Installation(running.url, new_tenant(running.url))


@pytest.mark.parametrize("fault", FAULTS)
def test_writes_go_on_with_the_new_leader_and_nothing_is_lost(tmp_path, pair, fault, rounds, capsys):
    running, installation = pair
    with serving(tmp_path, installation, "--workers", "2", database_timeout=3) as (_, client):
        number_of_signal, stale = FAULTS[fault]
        with Load(client, stale=stale) as load:
            for number in range(min(rounds, 3)):
                load.goes_on()
                leader = running.wait_until_synchronous()
                started = time.monotonic()
                leader.signal(number_of_signal)
                while running.leader() in (leader, None):
                    assert time.monotonic() - started < BOUND
                    time.sleep(0.05)
                promoted = time.monotonic() - started
                load.goes_on(seconds=BOUND)
                seconds = time.monotonic() - started
                with capsys.disabled():
                    times = f"promoted after {promoted:.1f} s, writes go on after {seconds:.1f} s"
                    print(f"\n{fault}, round {number + 1}: {times}")  # noqa: T201  the figures that it is run for
                assert seconds < BOUND
                if fault == "killed":
                    leader.process.wait()
                    leader.start(running.program)
                else:
                    leader.signal(signal.SIGCONT)
                running.wait_until_synchronous()
            load.goes_on()
        assert load.check() > 0
        assert load.slowest < 15
        assert load.statuses.keys() <= {200, 201, 204, 503, *stale}
    check_agreement(running.url_of(running.wait_until_synchronous()))
