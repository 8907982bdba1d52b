"""Requests to endpoints go to no address that the installation does not let be called, however it is written."""

import asyncio
import socket
import threading

import pytest

from headcount.events.delivery.endpoints import Endpoints
from headcount.outbound import Destinations, networks_of
from receiver import running_receiver


@pytest.fixture(scope="module")
def receiver(tmp_path_factory):
    with running_receiver(tmp_path_factory.mktemp("endpoints")) as running:
        yield running


def post(url, networks="", timeout=5.0):
    async def story():
        async with Endpoints(Destinations(networks_of(networks)), timeout=timeout) as endpoints:
            return await endpoints.post(url, b"{}", {"webhook-id": "1"})

    return asyncio.run(story())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"],  # noqa: S104
)
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("networks", ["", "10.0.0.0/8"])
def test_this_machine_is_not_called(receiver, scheme, host, networks):
    port = receiver.url.split(":")[2]
    status, reason = post(f"{scheme}://{host}:{port}", networks)
    assert status == 0
    assert any(word in reason for word in ("HEADCOUNT_PRIVATE_NETWORKS", "not secured", "not a canonical IPv4 address"))
    assert receiver.requests == []


@pytest.mark.parametrize(
    "url", ["ftp://example.com/", "https://user@example.com/", "https://", "nothing", "https://[x"]
)
def test_what_is_no_endpoint_is_not_called(url):
    assert post(url)[0] == 0


def test_what_the_installation_lists_is_called(tmp_path):
    with running_receiver(tmp_path / "receiver") as receiver:
        assert post(receiver.url, "127.0.0.0/8") == (200, "ok")
        assert post(receiver.url.replace("127.0.0.1", "localhost"), "127.0.0.0/8,::1/128") == (200, "ok")
        receiver.answer(307)
        assert post(receiver.url, "127.0.0.0/8")[0] == 307, "a redirect is an answer like others"
        assert len(receiver.requests) == 3


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 10_000_000, (200, "x" * 1000)),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc", (200, "abc")),
        (b"nonsense\r\n\r\n", None),
        (b"", None),
    ],
    ids=["without end", "cut off", "no HTTP", "nothing"],
)
def test_an_endpoint_that_says_odd_things_harms_nobody(said, expected):
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk():
            for _ in range(2):  # a connection that closes at once is tried once more
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    try:
                        connection.sendall(said)
                    except OSError:
                        return

        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        status, answer = post(f"http://127.0.0.1:{listening.getsockname()[1]}", "127.0.0.0/8", timeout=2.0)
    if expected is None:
        assert (status, bool(answer)) == (0, True)
    else:
        assert status in (expected[0], 0)
        assert len(answer) <= 1000


def test_an_endpoint_that_is_silent_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = post(f"http://127.0.0.1:{silent.getsockname()[1]}", "127.0.0.0/8", timeout=0.2)
    assert answer == (0, "no answer within 0.2 seconds")
