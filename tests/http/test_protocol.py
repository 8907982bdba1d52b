"""Answers on the wire: one that is whole leaves in one piece, and no header begins another."""

import socket
import threading

import pytest
import uvicorn

from headcount.http.protocol import BoundedProtocol

LENGTH = (b"content-length", b"2")
ANSWERS = {
    "whole": (200, [(b"etag", b'W/"1"'), LENGTH], [b"{}"]),
    "refused": (404, [LENGTH], [b"{}"]),
    "empty": (204, [(b"etag", b'W/"1"')], [b""]),
    "pieces": (200, [(b"etag", b'W/"1"')], [b"{", b"}"]),
    "forged": (200, [(b"location", b"/a\r\nset-cookie: a=b"), LENGTH], [b"{}"]),
    "obscured": (200, [(b"location", b"/a\nset-cookie: a=b"), LENGTH], [b"{}"]),
}


async def application(scope, _receive, send):
    """Answers as the path says."""
    status, headers, pieces = ANSWERS[scope["path"][1:]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for number, piece in enumerate(pieces, 1):
        await send({"type": "http.response.body", "body": piece, "more_body": number < len(pieces)})


@pytest.fixture(scope="module")
def port():
    config = uvicorn.Config(application, port=0, http=BoundedProtocol, loop="uvloop", log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listening = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


def answers(port, *lines, closing=True):
    """What comes back on one connection until it ends, for which the last request asks when it is `closing`."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for number, line in enumerate(lines, 1):
            close = "connection: close\r\n" if closing and number == len(lines) else ""
            connection.sendall(f"{line} HTTP/1.1\r\nhost: a\r\n{close}\r\n".encode())
        received = b""
        while piece := connection.recv(65536):
            received += piece
    return received


def test_answers_of_every_kind_follow_each_other_on_one_connection(port):
    received = answers(port, *(f"GET /{kind}" for kind in ("whole", "refused", "empty", "whole", "pieces", "whole")))
    statuses = [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 404, 204, 200, 200, 200]
    head = b'etag: W/"1"\r\ncontent-length: 2\r\n\r\n{}HTTP/1.1 '
    assert received.count(head) == 2, "the last one says that the connection ends"
    assert received.endswith(b'etag: W/"1"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}')
    assert b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n" in received


def test_a_head_request_is_answered_without_the_body(port):
    received = answers(port, "HEAD /whole", "HEAD /whole")
    assert received.count(b"content-length: 2\r\n") == 2
    assert b"{}" not in received


@pytest.mark.parametrize("kind", ["forged", "obscured"])
def test_a_header_that_would_begin_another_is_not_sent(port, kind):
    received = answers(port, f"GET /{kind}", closing=False)
    assert received.startswith(b"HTTP/1.1 500 ")
    assert b"set-cookie" not in received
    assert answers(port, f"GET /{kind}") == b"", "as the server itself does where a connection ends"
