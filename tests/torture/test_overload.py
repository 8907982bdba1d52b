"""More than can be done at once: what is above capacity is refused early, what was accepted is finished, nothing grows.

A lock on a table holds the writes under way for exactly as long as a test wants it.
"""

import asyncio
import contextlib
import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import asyncpg
import pytest

from processes import LONG, eventually
from serving import user
from torture.agreement import check_agreement
from torture.deployments import resident_bytes, serving

IN_FLIGHT = 8
MIB = 1024 * 1024


@contextmanager
def held_writes(installation):
    """While it lasts, whoever writes to the installation waits."""
    locked, over = Event(), Event()

    async def hold():
        connection = await asyncpg.connect(installation.url)
        async with connection.transaction():
            await connection.execute("LOCK TABLE change IN EXCLUSIVE MODE")
            locked.set()
            await asyncio.to_thread(over.wait)
        await connection.close()

    thread = Thread(target=lambda: asyncio.run(hold()))
    thread.start()
    locked.wait()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def crowd(client, size):
    """Clients over connections of their own, and threads for them."""
    with ExitStack() as stack, ThreadPoolExecutor(size) as pool:
        yield [stack.enter_context(client.apart()) for _ in range(size)], pool


def post(client, name):
    started = time.monotonic()
    answer = client.post("/Users", user(userName=name))
    return answer, time.monotonic() - started


def test_requests_above_capacity_are_refused_at_once_and_those_accepted_are_finished(tmp_path, installation):
    """At capacity nothing is refused; the first request above it is."""
    settings = {"requests_in_flight": IN_FLIGHT}
    with serving(tmp_path, installation, **settings) as (_, client), crowd(client, IN_FLIGHT + 1) as (clients, pool):
        with held_writes(installation):
            futures = [pool.submit(post, one, f"u{number}") for number, one in enumerate(clients)]
            refused = wait(futures, return_when="FIRST_COMPLETED").done
            assert len(refused) == 1
            answer, seconds = refused.pop().result()
            assert answer.error == (503, None)
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["x-request-id"]
            assert seconds < 2
            health = client.at("")
            assert health.get("/healthz").status == 200
            assert health.get("/readyz").status == 200
        statuses = [future.result()[0].status for future in futures]
        assert sorted(statuses) == [201] * IN_FLIGHT + [503]
        assert client.get("/Users").ok()["totalResults"] == IN_FLIGHT
        assert post(client, "afterwards")[0].status == 201
    check_agreement(installation.url)


@pytest.mark.parametrize("requests", [{"requests_in_flight": 4}, {}], ids=["4-at-a-time", "by-default"])
def test_under_more_load_than_there_is_room_for_answers_come_soon_and_memory_does_not_grow(
    tmp_path, installation, requests, rounds
):
    with serving(tmp_path, installation, **requests) as (running, client), crowd(client, 64) as (clients, pool):
        post(client, "warm")
        before = resident_bytes(running.process.pid)
        stop = time.monotonic() + 2 * rounds

        def press(number):
            some = []
            while time.monotonic() < stop:
                answer, seconds = post(clients[number], f"u{number}-{len(some)}")
                assert answer.status == 201 or (answer.error, answer.headers["retry-after"]) == ((503, None), "1")
                some.append((answer.status, seconds))
            return some

        answers = [one for some in pool.map(press, range(64)) for one in some]
        accepted = sorted(seconds for status, seconds in answers if status == 201)
        refused = sorted(seconds for status, seconds in answers if status == 503)
        assert len(accepted) > 100
        assert bool(refused) is bool(requests)
        for some in filter(None, (accepted, refused)):
            assert some[int(len(some) * 0.99)] < 1
        assert resident_bytes(running.process.pid) - before < 50 * MIB
        assert client.get("/Users", count=0).ok()["totalResults"] == len(accepted) + 1


def head(client, method, path, *lines):
    opening = f"{method} {client.path}{path} HTTP/1.1"
    return "\r\n".join([opening, "Host: x", f"Authorization: Bearer {client.token}", *lines, "", ""]).encode()


def post_head(client, size):
    return head(client, "POST", "/Users", "Content-Type: application/json", f"Content-Length: {size}")


@contextmanager
def connections(client, many):
    with ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(socket.create_connection(client.address))) for _ in range(many)]


def test_clients_that_stall_in_the_middle_of_a_body_take_nobody_s_place(tmp_path, installation):
    """Three times as many as may be worked on at a time."""
    body = json.dumps(user()).encode()
    with (
        serving(tmp_path, installation, requests_in_flight=IN_FLIGHT) as (_, client),
        connections(client, 3 * IN_FLIGHT) as stalled,
    ):
        for connection in stalled:
            connection.sendall(post_head(client, len(body)) + body[:20])
        assert [post(client, f"u{number}")[0].status for number in range(20)] == [201] * 20
        stalled[0].sendall(body[20:])
        assert stalled[0].recv(20).startswith(b"HTTP/1.1 201")


def test_clients_that_do_not_take_their_answers_are_cut_off(tmp_path, installation):
    """Each asks for more than the socket buffers of both sides hold, and reads nothing of it."""
    settings = {"requests_in_flight": IN_FLIGHT, "body_deadline": 1}
    with serving(tmp_path, installation, **settings) as (_, client):
        for _ in range(40):
            client.new_user(nickName="x" * 200_000)
        with connections(client, 2 * IN_FLIGHT) as stalled:
            for connection in stalled:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(head(client, "GET", "/Users?count=40"))
                assert connection.recv(1) == b"H"
            assert [post(client, f"u{number}")[0].status for number in range(20)] == [201] * 20
            ports = {port_of(connection) for connection in stalled}
            eventually(lambda: not ports & server_side(client).keys())
        assert client.get("/Users", count=0).status == 200


def server_side(client):
    """The server's ends of established connections: by the client's port, how many bytes were not read yet."""
    ends = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        if int(local.split(":")[1], 16) == client.address[1] and state == "01":
            ends[int(remote.split(":")[1], 16)] = int(queues.split(":")[1], 16)
    return ends


def port_of(connection):
    return connection.getsockname()[1]


def test_bodies_are_held_up_to_their_bound_and_not_a_byte_more(tmp_path, installation):
    """Half of the bound is taken by a body that does not come to its end."""
    half, largest = 30_000, 40_000
    bounds = dict.fromkeys(("body_bytes", "bulk_bytes", "group_body_bytes"), largest) | {
        "body_bytes_in_flight": 2 * half
    }
    with serving(tmp_path, installation, **bounds) as (_, client):

        def post_of(size):
            return client.post("/Users", json.dumps(user()).encode().ljust(size))

        def half_is_taken():
            """Unless another body came first, and this one was refused."""
            with connections(client, 1) as [stalled]:
                stalled.sendall(post_head(client, largest) + b" " * half)
                refused = post_of(half + 1)
                if refused.status == 201:
                    return False
                assert (refused.error, refused.headers["retry-after"]) == ((503, None), "1")
                assert post_of(half).status == 201
                return True

        eventually(half_is_taken)
        eventually(lambda: post_of(half + 1).status == 201)


def test_sigterm_finishes_what_was_accepted(tmp_path, installation):
    """Sixteen requests have been read by two workers, and none is answered, when the signal comes."""
    with serving(tmp_path, installation, "--workers", "2") as (running, client), connections(client, 17) as accepted:
        idle = accepted.pop()
        with held_writes(installation):
            for connection in accepted:
                body = json.dumps(user()).encode()
                connection.sendall(post_head(client, len(body)) + body)
            ports = {port_of(connection) for connection in accepted}
            eventually(lambda: ports <= (ends := server_side(client)).keys() and not any(ends[port] for port in ports))
            eventually(lambda: waiting_for_lock(installation) > 0)
            running.process.send_signal(signal.SIGTERM)
            assert idle.recv(1) == b""  # the workers have heard it
        for connection in accepted:
            connection.settimeout(LONG)
            assert connection.recv(20).startswith(b"HTTP/1.1 201")
        assert running.process.wait(LONG) == 0
    tables = check_agreement(installation.url)
    assert len([row for row in tables["resource"] if row["type"] == "User"]) == 16


def waiting_for_lock(installation):
    """How many statements wait for a lock."""

    async def count():
        connection = await asyncpg.connect(installation.url)
        try:
            return await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        finally:
            await connection.close()

    return asyncio.run(count())
