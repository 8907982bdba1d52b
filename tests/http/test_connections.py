"""Connections: deadlines, bounds and invalid HTTP, each with a clear answer, and the server answers on."""

import contextlib
import json
import time

import pytest

from serving import Wire, exchange, parsed, running_server, user

GET = "GET {path}/Users?count=0 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
POST = "POST {path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
END = "\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A tenant of a server that does not wait long and takes few connections from one address."""
    settings = {"header_deadline": 0.4, "body_deadline": 0.4, "connections_per_address": 8}
    with running_server(tmp_path_factory.mktemp("hasty"), **settings) as server, server.new_tenant() as client:
        yield client


def filled(client, text):
    return text.format(path=client.path, token=client.token).encode()


def still_answers(client):
    with client.apart() as other:
        return other.get("/Users", count=0).status == 200


@pytest.mark.parametrize(
    "sent",
    [
        "GET /t",
        "GET {path}/Users HTTP/1.1\r\n",
        GET,
        GET + "X-Padding: " + "x" * 5000,
        POST + "Content-Length: 5\r\n",
    ],
)
def test_headers_that_do_not_arrive_in_time_are_answered_with_408(hasty, sent):
    started = time.monotonic()
    answer = parsed(exchange(hasty.address, filled(hasty, sent)))
    assert answer.error == (408, None)
    assert answer.headers["connection"] == "close"
    assert 0.3 < time.monotonic() - started < 5
    assert still_answers(hasty)


def test_headers_that_trickle_are_bounded_as_a_whole(hasty):
    """A byte now and then does not start the clock anew."""
    with Wire(hasty.address) as wire:
        started = time.monotonic()
        wire.say(filled(hasty, GET))
        while wire.is_silent(0.1):
            wire.say(b"X: y\r\n")
        assert wire.answer().error == (408, None)
    assert time.monotonic() - started < 3


def test_a_connection_on_which_nothing_is_sent_is_closed(hasty):
    assert exchange(hasty.address) == b""


@pytest.mark.parametrize("sent", ["", '{{"schemas":', "x" * 3000])
def test_a_body_that_does_not_arrive_in_time_is_answered_with_408(hasty, sent):
    before = hasty.get("/Users", count=0).ok()["totalResults"]
    answer = parsed(exchange(hasty.address, filled(hasty, POST + "Content-Length: 4000\r\n\r\n" + sent)))
    assert answer.error == (408, None)
    assert answer.headers["connection"] == "close"
    assert hasty.get("/Users", count=0).ok()["totalResults"] == before


def test_a_chunked_body_that_stalls_is_answered_with_408(hasty):
    answer = parsed(exchange(hasty.address, filled(hasty, POST + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello")))
    assert answer.error == (408, None)


def test_a_body_that_stalls_after_its_request_was_refused_ends_the_connection(hasty):
    """The refusal needs no body; a stranger cannot hold a connection open by never sending it."""
    stranger = hasty.with_token("wrong")
    started = time.monotonic()
    answer = parsed(exchange(hasty.address, filled(stranger, POST + "Content-Length: 4000\r\n\r\nx")))
    assert answer.error == (401, None)
    assert time.monotonic() - started < 5
    with Wire(hasty.address) as wire:
        wire.say(filled(stranger, POST + "Content-Length: 4000\r\n\r\n"))
        assert wire.answer().status == 401
        wire.say(b"x")
        assert wire.rest() == b""


def test_a_slow_body_that_keeps_coming_is_waited_for(hasty):
    body = json.dumps(user()).encode()
    parts = [body[start : start + 20] for start in range(0, len(body), 20)]
    assert len(parts) * 0.15 > 0.4
    with Wire(hasty.address) as wire:
        wire.say(filled(hasty, POST + f"Content-Length: {len(body)}\r\n\r\n"))
        for part in parts[:-1]:
            wire.say(part)
            assert wire.is_silent(0.15)
        wire.say(parts[-1])
        assert wire.answer().status == 201


def test_requests_on_one_connection_each_have_the_whole_time(hasty):
    with Wire(hasty.address) as wire:
        for _ in range(4):
            wire.say(filled(hasty, GET))
            assert wire.is_silent(0.2)
            wire.say(b"\r\n")
            assert wire.answer().status == 200


def test_more_connections_than_one_address_may_have_are_refused_until_one_ends(hasty):
    hasty.close()
    with contextlib.ExitStack() as stack:
        deadline = time.monotonic() + 5
        while not still_answers(hasty):
            assert time.monotonic() < deadline
        held = []
        for _ in range(8):
            wire = stack.enter_context(Wire(hasty.address))
            wire.say(filled(hasty, GET + END))
            assert wire.answer().status == 200
            held.append(wire)
        refused = parsed(exchange(hasty.address, filled(hasty, GET + END)))
        assert refused.error == (429, None)
        assert refused.headers["retry-after"] == "1"
        held[0].say(filled(hasty, GET + "Connection: close\r\n" + END))
        assert held[0].answer().status == 200
        deadline = time.monotonic() + 5
        while parsed(exchange(hasty.address, filled(hasty, GET + "Connection: close\r\n" + END))).status != 200:
            assert time.monotonic() < deadline


def test_connections_are_not_counted_behind_a_proxy_where_all_come_from_one_address(tmp_path):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(tmp_path, "--behind-proxy", connections_per_address=2))
        client = stack.enter_context(server.new_tenant())
        for _ in range(10):
            other = stack.enter_context(client.apart())
            assert other.get("/Users", count=0).status == 200


INVALID = [
    b"nonsense\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS greeting
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /t/caf\xc3\xa9 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
    b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nX: a\x00b\r\n\r\n",
    b"INVENTED / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


@pytest.mark.parametrize("sent", INVALID, ids=range(len(INVALID)))
def test_what_is_no_http_is_refused_in_scim_and_the_connection_ends(client, sent):
    answer = parsed(exchange(client.address, sent))
    assert answer.error == (400, "invalidSyntax")
    assert answer.headers["connection"] == "close"
    assert still_answers(client)


@pytest.mark.parametrize("chunk", [b"zz\r\nhello\r\n", b"-1\r\n", b"5\r\nhel\r\n", b"fffffffffffffffffffff\r\n"])
def test_a_broken_chunk_ends_the_request(client, chunk):
    before = client.get("/Users", count=0).ok()["totalResults"]
    raw = exchange(client.address, filled(client, POST + "Transfer-Encoding: chunked\r\n\r\n") + chunk + b"0\r\n\r\n")
    assert parsed(raw).error[0] in (400, 413)
    assert client.get("/Users", count=0).ok()["totalResults"] == before


@pytest.mark.parametrize(
    ("filler", "status"),
    [
        (lambda size: "X-Padding: " + "x" * size, 200),
        (lambda size: "X-Padding: " + "x" * size, 431),
        (lambda size: "\r\n".join(f"X-{number}: {'x' * 100}" for number in range(size // 100)), 431),
    ],
)
def test_headers_have_a_bound(client, filler, status):
    size = 60 * 1024 if status == 200 else 70 * 1024
    sent = filled(client, GET + "Connection: close\r\n" + filler(size) + "\r\n\r\n")
    answer = parsed(exchange(client.address, sent))
    assert answer.status == status
    if status == 431:
        assert answer.error == (431, None)
    assert still_answers(client)


def test_an_endless_request_line_is_refused(client):
    assert parsed(exchange(client.address, b"GET /" + b"x" * 100_000)).error == (431, None)


def test_a_client_that_waits_to_be_told_sends_its_body_only_if_it_is_wanted(client):
    body = json.dumps(user()).encode()
    head = POST + "Expect: 100-continue\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n"
    with Wire(client.address) as wire:
        wire.say(head.format(path=client.path, token=client.token, size=len(body)).encode())
        assert wire.answer().status == 100
        wire.say(body)
        assert wire.answer().status == 201
    head = head.replace("Connection: close\r\n", "")
    for token, size, status in ((client.token, 2**30, 413), ("wrong", 5, 401)):
        raw = exchange(client.address, head.format(path=client.path, token=token, size=size).encode())
        assert parsed(raw).error == (status, None)


def test_a_body_that_was_refused_is_read_past_and_the_connection_serves_on(client):
    """Otherwise the answer would be lost with the connection, on most systems."""
    stranger = client.with_token("wrong")
    with Wire(client.address) as wire:
        for asking, size, status in ((stranger, 900_000, 401), (client, 3_000_000, 413), (stranger, 10, 401)):
            wire.say(filled(asking, POST + f"Content-Length: {size}\r\n\r\n") + b"x" * size)
            assert wire.answer().error == (status, None)
        wire.say(filled(client, GET + END))
        assert wire.answer().status == 200


def test_requests_that_are_sent_without_waiting_are_answered_in_order(client):
    raw = exchange(client.address, filled(client, GET + END) * 3 + filled(client, GET + "Connection: close\r\n" + END))
    assert raw.count(b"HTTP/1.1 200 OK\r\n") == 4


UPGRADE = "Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\nUpgrade: {protocol}\r\n"


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_offer_to_speak_another_protocol_is_passed_over(client, protocol):
    offer = UPGRADE.replace("{protocol}", protocol)
    with Wire(client.address) as wire:
        for sent in (GET + offer, GET, GET + offer):
            wire.say(filled(client, sent + END))
            assert wire.answer().status == 200


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_a_body_behind_an_offer_to_speak_another_protocol_is_never_taken_for_a_request(client, protocol):
    """The parser cannot tell where such a body ends: it is refused, not lost, and what is within is not carried out."""
    there = client.new_user()
    hidden = filled(client, GET.replace("GET", "DELETE").replace("?count=0", f"/{there['id']}") + END)
    offer = UPGRADE.replace("{protocol}", protocol)
    for framing in (f"Content-Length: {len(hidden)}", "Transfer-Encoding: chunked"):
        with Wire(client.address) as wire:
            wire.say(filled(client, POST + offer + framing + END + END))
            wire.say(hidden)
            assert wire.answer().error == (400, "invalidSyntax")
            assert wire.rest() == b""
    assert client.get(f"/Users/{there['id']}").status == 200


def test_http_1_0_is_answered_and_its_connection_ends(client):
    raw = exchange(client.address, filled(client, GET.replace("HTTP/1.1", "HTTP/1.0") + END))
    assert parsed(raw).status == 200
    assert parsed(raw).headers["connection"] == "close"


def test_an_absolute_request_target_is_read_by_its_path(client):
    """RFC 9112 §3.2.2."""
    sent = GET.replace("GET ", "GET http://elsewhere.example", 1) + "Connection: close\r\n" + END
    assert parsed(exchange(client.address, filled(client, sent))).status == 200


def test_a_question_about_the_server_as_a_whole_is_answered(client):
    """RFC 9110 §9.3.7: `OPTIONS *`."""
    with Wire(client.address) as wire:
        wire.say(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
        assert wire.answer().error == (404, None)
