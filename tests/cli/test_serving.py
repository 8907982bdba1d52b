"""`headcount serve`: signals, TLS, several workers, health, and the URLs that it gives out."""

import datetime as dt
import ipaddress
import json
import os
import signal
import socket
import sqlite3
import ssl
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from processes import LONG, answer, eventually, quickstart, refusal, run, server, user

EVERYWHERE = "0.0.0.0"  # noqa: S104  what is refused, or behind a proxy


def half_a_request(running, body):
    """A connection that has sent everything but the last byte of a POST."""
    address = urlsplit(running.url)
    connection = socket.create_connection((address.hostname, address.port), timeout=LONG)
    head = (
        f"POST /t/acme/scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.said['token']}\r\n"
        f"Content-Type: application/scim+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection.sendall(head.encode() + body[:-1])
    return connection


def idle_connection(running):
    """A connection that is kept alive after a request; a server closes it when it begins to stop."""
    connection = HTTPConnection(urlsplit(running.url).netloc, timeout=LONG)
    connection.request("GET", "/healthz")
    assert connection.getresponse().read() == b'{"status":"ok"}'
    return connection.sock


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("settings", [{}, {"HEADCOUNT_WORKERS": "2"}], ids=["one process", "two workers"])
def test_a_signal_stops_it_cleanly_and_requests_in_flight_are_finished(tmp_path, number, settings):
    body = json.dumps(user("ada")).encode()
    with quickstart(tmp_path, settings=settings, start_new_session=True) as running:
        eventually(lambda: httpx.get(f"{running.url}/readyz").status_code == 200)
        with half_a_request(running, body) as connection, idle_connection(running) as idle:
            # to the whole group, as a terminal sends Ctrl-C, or to the one process, as a supervisor sends SIGTERM
            os.killpg(running.process.pid, number) if number == signal.SIGINT else running.process.send_signal(number)
            assert idle.recv(4096) == b""
            connection.sendall(body[-1:])
            status = connection.recv(4096).split(b" ")[1]
        ended = running.process.wait(LONG)

    assert (status, ended) == (b"201", 0)
    assert "Traceback" not in running.log
    with closing(sqlite3.connect(tmp_path / "headcount.db")) as connection:
        assert connection.execute("SELECT user_name FROM resource WHERE type = 'User'").fetchall() == [("ada",)]


def private_key():
    return ec.generate_private_key(ec.SECP256R1())


def write_key(key, file, encryption=None):
    encryption = encryption or serialization.NoEncryption()
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
    file.write_bytes(key.private_bytes(*pem))


@pytest.fixture
def certificate(tmp_path):
    """(certificate file, key file) for 127.0.0.1."""
    key = private_key()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    write_key(key, tmp_path / "key.pem")
    return tmp_path / "cert.pem", tmp_path / "key.pem"


def test_tls_is_served_and_announced(tmp_path, token, certificate):
    cert, key = certificate
    trust = ssl.create_default_context(cafile=cert)
    with server(tmp_path, "--tls-cert", cert, "--tls-key", key) as running:
        assert running.url.startswith("https://127.0.0.1:")
        with running.client(token, verify=trust) as client:
            made = client.post("/Users", json=user("ada"))
        assert made.json()["meta"]["location"].startswith(running.base_url() + "/Users/")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            trust.minimum_version = trust.maximum_version = version
            assert httpx.get(f"{running.url}/healthz", verify=trust).status_code == 200
        assert running.stop() == 0


def test_half_a_tls_set_up_or_a_wrong_one_is_refused(tmp_path, certificate):
    cert, _ = certificate
    write_key(private_key(), tmp_path / "other.pem")
    write_key(private_key(), tmp_path / "locked.pem", serialization.BestAvailableEncryption(b"secret"))
    table = {
        ("--tls-cert", cert): "--tls-cert and --tls-key go together",
        ("--tls-cert", cert, "--tls-key", tmp_path / "none.pem"): f"there is no file {tmp_path / 'none.pem'}",
        ("--tls-cert", cert, "--tls-key", tmp_path / "other.pem"): "must be a certificate chain and its private key",
        ("--tls-cert", cert, "--tls-key", tmp_path / "locked.pem"): "without a passphrase",
        ("--host", EVERYWHERE): "0.0.0.0 is not a loopback address: tokens would travel in clear text.",
        ("--host", "::"): ":: is not a loopback address: tokens would travel in clear text.",
    }
    for arguments, words in table.items():
        code, line = refusal(run(tmp_path, "serve", "--port", "0", *map(str, arguments)))
        assert (code, words in line) == (1, True), line


def test_locations_come_from_the_public_url_and_never_from_the_request(tmp_path, token):
    settings = {"HEADCOUNT_PUBLIC_URL": "https://scim.example.com/base/"}
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "ftp"}
    with server(tmp_path, "--behind-proxy", settings=settings) as running:
        with running.client(token) as client:
            made = client.post("/Users", json=user("ada"), headers=hostile)
        base_url = "https://scim.example.com/base/t/acme/scim/v2"
        assert made.json()["meta"]["location"] == f"{base_url}/Users/{made.json()['id']}"
        assert made.headers["location"] == made.json()["meta"]["location"]
        assert running.said["baseUrl"] == "https://scim.example.com/base/t/{tenant}/scim/v2"
        assert "evil.example" not in made.text


def test_behind_a_proxy_without_a_public_url_it_warns(tmp_path):
    with server(tmp_path, "--behind-proxy", "--host", EVERYWHERE, "--log-format", "json") as running:
        (line,) = running.log.splitlines()
        assert json.loads(line)["level"] == "warning"
        assert "HEADCOUNT_PUBLIC_URL" in json.loads(line)["event"]


def clients_of_each_worker(running, token, count):
    """A client of every worker; a connection that is kept alive stays with its worker."""
    clients = {}

    def found():
        client = running.client(token)
        worker = client.get("/Users").headers["x-request-id"].partition("-")[0]
        if worker in clients:
            client.close()
        else:
            clients[worker] = client
        return len(clients) == count

    eventually(found)
    return list(clients.values())


def test_what_changes_holds_in_every_worker_within_about_a_second(tmp_path, token):
    schema = {"id": "urn:example:badge:User", "name": "Badge", "attributes": [{"name": "number"}]}
    with server(tmp_path, "--workers", "2") as running:
        clients = clients_of_each_worker(running, token, 2)
        locations = {
            client.post("/Users", json=user(f"u{n}")).json()["meta"]["location"] for n, client in enumerate(clients)
        }
        assert {location.rpartition("/")[0] for location in locations} == {running.base_url() + "/Users"}
        assert [client.get("/Users").json()["totalResults"] for client in clients] == [2, 2]

        def everywhere(condition):
            eventually(lambda: all(condition(client) for client in clients), seconds=3)

        run(tmp_path, "schema", "add", "-", "--tenant", "acme", stdin=json.dumps(schema))
        everywhere(lambda client: client.get("/Schemas/urn:example:badge:User").status_code == 200)
        # a filter that compares a boolean with a string is forgiven by the profile `tolerant` alone
        forgiven = {"filter": 'active eq "True"'}
        assert [client.get("/Users", params=forgiven).status_code for client in clients] == [200, 200]
        answer(tmp_path, "tenant", "update", "acme", "--profile", "strict")
        everywhere(lambda client: client.get("/Users", params=forgiven).status_code == 400)
        (row,) = answer(tmp_path, "token", "list")
        answer(tmp_path, "token", "revoke", row["id"])
        everywhere(lambda client: client.get("/Users").status_code == 401)
        for client in clients:
            client.close()
        assert running.stop() == 0


def health(running):
    pages = [httpx.get(f"{running.url}/{name}") for name in ("healthz", "readyz")]
    return [page.status_code for page in pages]


def test_health_needs_no_token_and_ready_means_that_the_database_is_there_and_current(tmp_path):
    file = tmp_path / "headcount.db"
    with quickstart(tmp_path) as running, running.client() as client:
        assert health(running) == [200, 200]

        file.rename(tmp_path / "moved.db")
        refused = client.post("/Users", json=user("lost"))
        assert health(running) == [200, 503]
        assert (refused.status_code, refused.json()["status"], refused.headers["retry-after"]) == (503, "503", "1")
        (tmp_path / "moved.db").rename(file)
        assert health(running) == [200, 200]
        assert client.post("/Users", json=user("kept")).status_code == 201

        with closing(sqlite3.connect(file)) as connection, connection:
            newest = "DELETE FROM migration WHERE number = (SELECT max(number) FROM migration)"
            (last,) = connection.execute(f"{newest} RETURNING number, name, applied").fetchall()
        unready = httpx.get(f"{running.url}/readyz")
        assert (unready.status_code, unready.json()["status"], health(running)) == (503, "503", [200, 503])
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", last)
        assert health(running) == [200, 200]


def test_a_file_in_place_of_the_database_takes_no_writes_that_would_be_lost(tmp_path):
    with quickstart(tmp_path) as running, running.client() as client:
        assert client.post("/Users", json=user("ada")).status_code == 201
        answer(tmp_path, "db", "backup", "copy.db")
        (tmp_path / "copy.db").replace(tmp_path / "headcount.db")
        assert client.post("/Users", json=user("lost")).status_code == 503
        assert health(running) == [200, 503]


def test_a_signal_is_heard_from_the_moment_of_the_announcement(tmp_path):
    for _ in range(3):
        with server(tmp_path) as running:
            assert running.stop() == 0
