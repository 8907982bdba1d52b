"""The HTTP client: who it says it is, what it never does, and when it asks again."""

import asyncio
import base64
import json
import ssl
import threading
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from headcount.provisioning.targets.authentication import Basic, Bearer, ClientCredentials, SecretHeaders
from headcount.provisioning.targets.capabilities import Budget
from headcount.provisioning.targets.client import Connection, Patience, Request, ScimClient, Tls, path_of
from headcount.provisioning.targets.errors import TargetError, ThrottledError, UncertainError, UnreachableError
from headcount.provisioning.targets.pacing import Pace, duration
from headcount.testing.simulated_target import Habits, SimulatedTarget

FAST = Patience(first_wait=0.0005, longest_wait=0.01)


def get(url, path="/Users", *, times=1, **connection):
    """The answers to GETs with one client."""

    async def within():
        async with ScimClient(Connection(url, **{"patience": FAST, **connection})) as client:
            return [await client.get(path) for _ in range(times)]

    return asyncio.run(within())


@contextmanager
def answering(answer, tls=None):
    """A server whose `answer(handler, body)` gives status, headers and body; its requests are kept."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.path, dict(self.headers), body))
            status, headers, content = answer(self, body)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815  the name that the library looks for

        def log_message(self, *_arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # a client that turns away is what is tested
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_it_says_who_it_is_and_what_it_understands():
    with SimulatedTarget().running() as simulated:
        get(simulated.url, headers={"X-Region": "eu"}, query={"api-version": "2"})

    [request] = simulated.requests
    assert request.headers["user-agent"].startswith("headcount/")
    assert request.headers["accept"] == "application/scim+json, application/json"
    assert request.headers["x-region"] == "eu"
    assert request.query == {"api-version": "2"}


@pytest.mark.parametrize(
    ("authentication", "name", "value"),
    [
        (Bearer("t0ken"), "Authorization", "Bearer t0ken"),
        (Basic("ada", "pass:word"), "Authorization", "Basic " + base64.b64encode(b"ada:pass:word").decode()),
        (SecretHeaders({"X-Api-Key": "k3y"}), "X-Api-Key", "k3y"),
    ],
)
def test_it_shows_who_we_are(authentication, name, value):
    with answering(lambda *_: (200, {}, b"{}")) as (url, requests):
        get(url, authentication=authentication)

    assert requests[0][1][name] == value


@pytest.mark.parametrize(
    "authentication",
    [
        Bearer("s3cret"),
        Basic("ada", "s3cret"),
        SecretHeaders({"X": "s3cret"}),
        ClientCredentials("https://x.example", "id", "s3cret"),
    ],
)
def test_no_secret_is_in_a_representation(authentication):
    assert "s3cret" not in repr(Connection("https://x.example", authentication, proxy="http://u:s3cret@p.example"))


class TokenEndpoint:
    """An issuer whose tokens are numbered, and an API that accepts the newest only."""

    def __init__(self, lifetime=3600):
        self.issued = 0
        self.lifetime = lifetime
        self.accepted = "t1"

    def __call__(self, handler, body):
        if handler.path == "/token":
            self.issued += 1
            self.form = parse_qs(body.decode())
            return 200, {}, json.dumps({"access_token": f"t{self.issued}", "expires_in": self.lifetime}).encode()
        right = handler.headers["Authorization"] == f"Bearer {self.accepted}"
        return (200 if right else 401), {}, b"{}"


def test_an_access_token_is_fetched_once_and_kept():
    endpoint = TokenEndpoint()
    with answering(endpoint) as (url, requests):
        credentials = ClientCredentials(f"{url}/token", "my id", "s3cret", scope="scim")
        answers = get(url, authentication=credentials, times=3)

    assert [answer.status for answer in answers] == [200, 200, 200]
    assert endpoint.issued == 1
    assert endpoint.form == {"grant_type": ["client_credentials"], "scope": ["scim"]}
    assert requests[0][1]["Authorization"] == "Basic " + base64.b64encode(b"my+id:s3cret").decode()


def test_an_access_token_that_ended_early_is_renewed_once():
    endpoint = TokenEndpoint()

    async def within(url):
        credentials = ClientCredentials(f"{url}/token", "id", "s3cret", in_body=True)
        async with ScimClient(Connection(url, credentials)) as client:
            first = await client.get("/Users")
            endpoint.accepted = "t2"
            second = await client.get("/Users")
            endpoint.accepted = "none"
            return [first.status, second.status, (await client.get("/Users")).status]

    with answering(endpoint) as (url, _):
        assert asyncio.run(within(url)) == [200, 200, 401]
    assert endpoint.issued == 3
    assert endpoint.form["client_secret"] == ["s3cret"]


def test_an_access_token_that_ends_is_renewed_before_it_does():
    endpoint = TokenEndpoint(lifetime=0)
    with answering(endpoint) as (url, _):
        get(url, authentication=ClientCredentials(f"{url}/token", "id", "s3cret"), times=2)

    assert endpoint.issued == 3


def test_who_watches_sees_each_attempt_and_no_secret():
    seen = []

    async def within(url):
        connection = Connection(url, Bearer("s3cret-token"), patience=FAST)
        async with ScimClient(connection) as client:
            client.watcher = seen.append
            body = {"userName": "ada", "password": "opensesame", "title": "x" * 10_000}
            return await client.send(Request("POST", "/Users/.search", {"a": "b c"}, body, is_idempotent=True))

    answers = iter([(503, {}, b"{}"), (200, {}, b'{"note": "Bearer s3cret-token", "password": "opensesame"}')])
    with answering(lambda *_: next(answers)) as (url, _):
        asyncio.run(within(url))

    assert [(one.method, one.path, one.status) for one in seen] == [
        ("POST", "/Users/.search?a=b%20c", 503),
        ("POST", "/Users/.search?a=b%20c", 200),
    ]
    assert len(seen[1].sent) == 4_000
    shown = seen[1].sent + seen[1].received
    assert "ada" in shown
    assert not any(secret in shown for secret in ("s3cret", "opensesame"))


def test_a_refused_token_request_says_why_without_the_secret():
    body = b'{"error":"invalid_client","error_description":"unknown client"}'
    with answering(lambda *_: (401, {}, body)) as (url, _), pytest.raises(UnreachableError) as caught:
        get(url, authentication=ClientCredentials(f"{url}/token", "id", "s3cret"))

    assert "invalid_client: unknown client" in caught.value.reason
    assert "s3cret" not in caught.value.reason


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/scim", "unencrypted"),
        ("https://user:pass@example.com/scim", "credentials"),
        ("ftp://example.com", "https://example.com/scim/v2"),
        ("https://example.com/scim?x=1", "without query"),
        ("example.com", "https://example.com/scim/v2"),
        ("https://[::1", "https://example.com/scim/v2"),
    ],
)
def test_a_url_that_would_give_secrets_away_is_refused(url, words):
    with pytest.raises(TargetError, match=words):
        ScimClient(Connection(url))


@pytest.mark.parametrize(
    "connection",
    [
        Connection("http://localhost:1/scim"),
        Connection("http://127.0.0.1/scim"),
        Connection("http://[::1]:1/scim"),
        Connection("http://scim.example/v2", tls=Tls(required=False)),
    ],
)
def test_plain_http_is_for_this_machine_or_on_demand(connection):
    asyncio.run(ScimClient(connection).close())


def test_the_token_endpoint_is_not_plain_http_either():
    credentials = ClientCredentials("http://issuer.example/token", "id", "s3cret")

    with pytest.raises(TargetError, match="token endpoint"):
        ScimClient(Connection("https://example.com", credentials))


def test_a_file_of_authorities_that_is_missing_is_named():
    with pytest.raises(TargetError, match="TLS"):
        ScimClient(Connection("https://example.com", tls=Tls(authorities="missing.pem")))


@contextmanager
def over_tls(folder):
    """A server with a certificate that it signed itself; gives URL and the file of the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime.now(UTC) - day, datetime.now(UTC) + day)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    certificate = builder.add_extension(names, critical=False).sign(key, SHA256())
    private = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = folder / "server.pem"
    pem.write_bytes(key.private_bytes(*private) + certificate.public_bytes(Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with answering(lambda *_: (200, {}, b"{}"), context) as (url, _):
        yield url.replace("http://127.0.0.1", "https://localhost"), str(pem)


def test_a_certificate_has_to_be_signed_by_somebody_who_is_trusted(tmp_path):
    once = Patience(attempts=1)
    with over_tls(tmp_path) as (url, pem):
        with pytest.raises(UnreachableError, match="certificate"):
            get(url, patience=once)
        assert get(url, tls=Tls(authorities=pem), patience=once)[0].status == 200
        assert get(url, tls=Tls(verify=False), patience=once)[0].status == 200
        assert get(url, tls=Tls(authorities=pem, certificate=pem), patience=once)[0].status == 200
        with pytest.raises(UnreachableError, match="certificate"):
            get(url, tls=Tls(certificate=pem), patience=once)
        with pytest.raises(UnreachableError):
            get(url.replace("localhost", "127.0.0.1"), tls=Tls(authorities=pem), patience=once)


def test_a_proxy_is_asked_for_the_target():
    with answering(lambda *_: (200, {}, b"{}")) as (url, requests):
        get("http://scim.example/v2", proxy=url, tls=Tls(required=False))

    assert requests[0][0] == "http://scim.example/v2/Users"


def test_a_redirection_is_not_followed():
    with answering(lambda *_: (301, {"Location": "https://elsewhere.example/"}, b"")) as (url, requests):
        with pytest.raises(TargetError, match="redirects to https://elsewhere.example/"):
            get(url, authentication=Bearer("t0ken"))
        assert len(requests) == 1


@pytest.mark.parametrize(("size", "is_read"), [(1000, True), (1001, False)])
def test_an_answer_that_is_too_large_is_not_read(size, is_read):
    def large(*_):
        return 200, {}, b"x" * size

    with answering(large) as (url, _):
        if is_read:
            assert len(get(url, largest_answer=1000)[0].body) == size
        else:
            with pytest.raises(TargetError, match="larger than 1,000 bytes"):
                get(url, largest_answer=1000, patience=Patience(attempts=1))


@pytest.mark.parametrize(
    ("method", "is_idempotent", "attempts"),
    [("GET", False, 6), ("POST", False, 1), ("PATCH", False, 1), ("PATCH", True, 6)],
)
def test_only_what_may_be_repeated_is_repeated(method, is_idempotent, attempts):
    async def within(url):
        async with ScimClient(Connection(url, patience=FAST)) as client:
            with pytest.raises(UncertainError, match="500"):
                await client.send(Request(method, "/Users/1", body={}, is_idempotent=is_idempotent))
            return client.tally

    with SimulatedTarget(Habits(failing=1.0)).running() as simulated:
        tally = asyncio.run(within(simulated.url))

    assert len(simulated.requests) == attempts == tally.requests + tally.retries


def test_a_lost_answer_before_a_refusal_for_now_stays_uncertain():
    answers = iter([(500, {}, b""), *([(429, {"Retry-After": "0"}, b"")] * 5)])

    with answering(lambda *_: next(answers)) as (url, _), pytest.raises(UncertainError):
        get(url)


def test_too_many_requests_are_an_error_in_the_end():
    with answering(lambda *_: (429, {"Retry-After": "0"}, b"")) as (url, requests):
        with pytest.raises(ThrottledError):
            get(url)
        assert len(requests) == 6


@pytest.mark.parametrize(
    ("identifier", "path"),
    [
        ("2819c223-7f76", "/Users/2819c223-7f76"),
        ("all staff", "/Users/all%20staff"),
        ("a/b?c#d%", "/Users/a%2Fb%3Fc%23d%25"),
        ("ada@example.com", "/Users/ada@example.com"),
        ("é", "/Users/%C3%A9"),
    ],
)
def test_an_id_is_encoded_where_it_has_to_be_and_nowhere_else(identifier, path):
    assert path_of("/Users", identifier) == path


@pytest.mark.parametrize("identifier", ["", ".", ".."])
def test_an_id_that_would_lead_elsewhere_is_refused(identifier):
    with pytest.raises(TargetError):
        path_of("/Users", identifier)


def test_no_more_requests_than_allowed_are_under_way():
    under_way, most = 0, 0

    async def work(pace):
        nonlocal under_way, most
        async with pace.turn("GET", "/Users"):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0)
            under_way -= 1

    async def within():
        pace = Pace(3)
        await asyncio.gather(*(work(pace) for _ in range(20)))

    asyncio.run(within())
    assert most == 3


def test_the_pace_slows_down_once_for_a_burst_of_refusals_and_recovers():
    now = 0.0

    async def within():
        nonlocal now
        pace = Pace(8, clock=lambda: now)
        begun = []
        for _ in range(10):
            async with pace.turn("GET", "/Users") as began:
                begun.append(began)
            now += 0.001
        for began in begun:
            pace.slow_down(began, None)
        slow = pace.gap
        for _ in range(200):
            pace.speed_up()
        return slow, pace.gap

    slow, recovered = asyncio.run(within())
    assert slow == pytest.approx(0.002)
    assert recovered == 0


BUDGETS = [
    Budget(requests=600, seconds=60, burst=180, methods=("POST", "PATCH")),
    Budget(requests=180, seconds=60, burst=20, methods=("POST", "PATCH"), endpoint="/Users"),
]


@pytest.mark.parametrize(
    ("requests", "seconds"),
    [
        ([("POST", "/Users")] * 20, 0),
        ([("POST", "/Users")] * 380, 120),
        ([("POST", "/Groups")] * 380, 20),
        ([("GET", "/Users")] * 380, 0),
        ([("POST", "/UsersOfOld")] * 20, 0),
        ([], 0),
    ],
)
def test_the_tightest_limit_says_how_long_it_takes(requests, seconds):
    assert duration(Counter(requests), BUDGETS) == pytest.approx(seconds)
