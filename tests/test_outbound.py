"""What may be called: by address, by name, by scheme, and no further than that."""

import asyncio
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from threading import Thread

import httpx2
import pytest

from headcount.outbound import Destinations, RefusedAddressError, checked_client, fetch, networks_of

LOOPBACK = Destinations(networks_of("127.0.0.0/8, ::1/128"))
PUBLIC = ["8.8.8.8", "93.184.215.14", "2001:4860:4860::8888", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104  an address like the others
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.1.2.3",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_called_over_tls_only(address):
    assert Destinations().admits(ip_address(address), secure=True)
    assert not Destinations().admits(ip_address(address), secure=False)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_what_is_not_public_is_not_called(address):
    assert not Destinations().admits(ip_address(address), secure=True)
    assert not Destinations((ip_network("192.0.0.0/24"),)).admits(ip_address(address), secure=True)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2002:a01:203::1"])
def test_a_listed_range_is_called_whatever_leads_there(address):
    destinations = Destinations(networks_of("10.1.0.0/16"))
    assert destinations.admits(ip_address(address), secure=False)
    assert not destinations.admits(ip_address("10.2.0.1"), secure=True)


@pytest.mark.parametrize(
    "url", ["https://idp.example.com", "https://idp.example.com:8443/a?b=c", "https://[2001:4860:4860::8888]/"]
)
def test_a_url_over_tls_to_a_name_or_a_public_address_can_be_given(url):
    Destinations().check(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "idp.example.com",
        "ftp://idp.example.com",
        "file:///etc/passwd",
        "https://",
        "https:///keys",
        "https://user:password@idp.example.com/",
        "https://idp.example.com:99999/",
        "https://idp.example.com:0/",
        "https://idp.example.com/#part",
        "https://idp.example.com/a b",
        "https://idp.example.com/\r\nHost: x",
        "https://[::1",
        "http://idp.example.com/",
        "https://127.0.0.1/",
        "https://[::ffff:169.254.169.254]/latest",
        "https://169.254.169.254/latest/meta-data",
    ],
)
def test_a_url_that_is_not_to_be_called_cannot_be_given(url):
    with pytest.raises(RefusedAddressError):
        Destinations().check(url)


def test_plain_http_can_be_given_where_some_range_is_listed():
    LOOPBACK.check("http://localhost:8080/keys")
    with pytest.raises(RefusedAddressError):
        LOOPBACK.check("http://8.8.8.8/keys")


@contextmanager
def serving(answers):
    """A server of this machine that answers with (status, headers, body) by path; what was asked for is in `asked`."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            status, headers, body = answers[self.path]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()


def read(url, destinations=LOOPBACK, *, most_bytes=100, deadline=5.0):
    async def run():
        async with checked_client(destinations, timeout=deadline, user_agent="test") as client:
            return await fetch(client, url, most_bytes=most_bytes, deadline=deadline)

    return asyncio.run(run())


def test_what_is_listed_is_read_up_to_its_bound():
    with serving({"/fits": (200, {}, b"x" * 100), "/more": (200, {}, b"x" * 101)}) as (port, _):
        assert read(f"http://127.0.0.1:{port}/fits") == b"x" * 100
        with pytest.raises(httpx2.HTTPError, match="more than 100 bytes"):
            read(f"http://127.0.0.1:{port}/more")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "127.1"])
def test_a_name_or_spelling_that_leads_to_this_machine_is_not_called(host):
    """The names are resolved by the system, which knows more spellings of an address than one."""
    with serving({"/": (200, {}, b"secret")}) as (port, asked):
        for scheme in ("http", "https"):
            with pytest.raises((RefusedAddressError, httpx2.ConnectError)):
                read(f"{scheme}://{host}:{port}/", Destinations(networks_of("10.0.0.0/8")))
    assert asked == []


def test_a_name_is_called_where_its_address_is_listed():
    with serving({"/": (200, {}, b"hello")}) as (port, _):
        assert read(f"http://localhost:{port}/") == b"hello"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status):
    with serving({"/here": (status, {"Location": "/there"}, b""), "/there": (200, {}, b"{}")}) as (port, asked):
        with pytest.raises(httpx2.HTTPError, match=str(status)):
            read(f"http://127.0.0.1:{port}/here")
        assert asked == ["/here"]


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with serving({"/": (200, {}, b"direct")}) as (port, _):
        assert read(f"http://127.0.0.1:{port}/") == b"direct"


def test_a_peer_that_never_answers_is_given_up():
    async def listen(reader, writer):
        await reader.read()  # until the other side goes
        writer.close()

    async def run():
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, checked_client(LOOPBACK, timeout=30.0, user_agent="test") as client:
            with pytest.raises(httpx2.TimeoutException, match="within 0.1 seconds"):
                await fetch(client, f"http://127.0.0.1:{port}/", most_bytes=100, deadline=0.1)

    asyncio.run(asyncio.wait_for(run(), 10))
