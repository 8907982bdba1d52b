"""What a running server writes to standard error: one line a request, and never a secret."""

import json
import re
import socket
import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from processes import LONG, eventually, patch, quickstart, user

FORMATS = ["json", "text"]


def requests_in(running, log_format):
    """(status, method, path, request id) of every request that was logged."""
    lines = running.log.splitlines()
    if log_format == "json":
        logged = [json.loads(line) for line in lines]
        return [(x["status"], x["method"], x["path"], x["request_id"]) for x in logged if x["event"] == "request"]
    shape = re.compile(r"\d{4}-\S+Z (\d{3}) (\w+) (\S+) [\d.]+ ms \d+ bytes (\S+) ")
    return [(int(m[1]), m[2], m[3], m[4]) for m in map(shape.match, lines) if m]


def send_raw(running, request):
    """The answer to bytes that no HTTP client would send."""
    address = urlsplit(running.url)
    with socket.create_connection((address.hostname, address.port), timeout=LONG) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("log_format", FORMATS)
def test_every_request_leaves_one_line_with_the_id_that_its_answer_carries(tmp_path, log_format):
    with quickstart(tmp_path, "--log-format", log_format) as running, running.client() as client:
        answers = [
            client.get("/Users", headers={"X-Request-Id": "from-the-client-1"}),
            client.post("/Users", json=user("ada")),
            client.get("/Users/nobody"),
            client.get("/Users", headers={"Authorization": "Bearer wrong"}),
            client.get(f"{running.url}/elsewhere"),
        ]
        probe = client.get(f"{running.url}/healthz")
        expected = [
            (x.status_code, x.request.method, x.request.url.raw_path.decode(), x.headers["x-request-id"])
            for x in answers
        ]
        eventually(lambda: len(requests_in(running, log_format)) >= len(answers))

        assert [x.status_code for x in answers] == [200, 201, 404, 401, 404]
        assert answers[0].headers["x-request-id"] == "from-the-client-1"
        assert requests_in(running, log_format) == expected
        assert len({x.headers["x-request-id"] for x in [*answers, probe]}) == 6


@pytest.mark.parametrize("log_format", FORMATS)
def test_secrets_and_query_strings_never_reach_the_log_not_even_when_something_breaks(tmp_path, log_format):
    settings = {"HEADCOUNT_LOG_LEVEL": "debug"}
    with quickstart(tmp_path, "--log-format", log_format, settings=settings) as running, running.client() as client:
        token = running.said["token"]
        client.get("/Users", params={"filter": 'userName eq "SECRET-filter"'})
        client.get("/Users", params={"access_token": "SECRET-parameter"})
        client.get("/Users", headers={"Authorization": "Bearer SECRET-token", "Cookie": "SECRET-cookie"})
        client.get("/Users", headers={"X-Request-Id": "SECRET id"})
        client.post("/Users", content=b'{"password": "SECRET-malformed", ')
        ada = client.post("/Users", json=user("ada", password="SECRET-password")).json()
        with closing(sqlite3.connect(tmp_path / "headcount.db")) as connection, connection:
            connection.execute("UPDATE resource SET document = 'no JSON' WHERE type = 'User'")
        change = patch({"op": "replace", "path": "password", "value": "SECRET-patch"})
        broken = client.patch(f"/Users/{ada['id']}", json=change)
        eventually(lambda: len(requests_in(running, log_format)) >= 7)

        assert (broken.status_code, broken.json()["status"]) == (500, "500")
        assert "Traceback" in running.log or '"exception"' in running.log
        assert broken.headers["x-request-id"] in running.log
        assert "SECRET" not in running.log
        assert token not in running.log
        assert "?" not in running.log


@pytest.mark.parametrize("log_format", FORMATS)
def test_no_path_forges_a_line(tmp_path, log_format):
    forged = "/t/acme%0A%0D%0B%C2%85%E2%80%A8%1B%5B2J/scim/v2/Users%0A2026-01-01Z"
    raw = [b"/t/a\x85b/scim/v2", b"/t/a\x1bb", b"/t/a\tb"]
    with quickstart(tmp_path, "--log-format", log_format) as running, running.client() as client:
        assert client.get(f"{running.url}{forged}").status_code == 401
        for path in raw:
            answer = send_raw(running, b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 4")
        assert client.get("/Users").status_code == 200
        eventually(lambda: [path for *_, path, _ in requests_in(running, log_format)][-1:] == ["/t/acme/scim/v2/Users"])
        log = running.log

    assert forged in [path for *_, path, _ in requests_in(running, log_format)]
    lines = log.splitlines()
    assert len(lines) == log.count("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if line.startswith("2026-01-01Z")] == []
