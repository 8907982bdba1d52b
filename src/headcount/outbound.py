"""Requests to addresses that users name: nothing within the operator's own network is reached by them by accident.

Whoever may configure an issuer or a webhook must not be able to read or touch what only this machine can reach
(server-side request forgery). So a name is resolved here, the address is checked, and the connection goes to that very
address: a name that resolves differently the next moment changes nothing. Redirects are not followed, proxies of the
environment not used. Public addresses are reached over HTTPS only; private ones only where the installation lists
them, over HTTP as well.
"""

import asyncio
import socket
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import httpcore2
import httpx2

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_EMBEDDING: Final[tuple[tuple[IPv6Network, int], ...]] = (
    (IPv6Network("::ffff:0:0/96"), 0),
    (IPv6Network("64:ff9b::/96"), 0),
    (IPv6Network("2002::/16"), 80),
)
"""IPv6 ranges whose addresses lead to an IPv4 address, and how many bits stand behind it (RFC 4291, 6052, 3056)."""
_PLAIN: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
"""Nothing compressed: what is bounded is what arrives."""
_SCHEMES: Final = ("http", "https")


class RefusedAddressError(Exception):
    """A URL or what its name resolves to is not to be called; the message says why and what to do."""


class Destinations:
    """Which addresses may be called."""

    def __init__(self, private: Sequence[Network] = ()) -> None:
        self._private = private

    def admits(self, address: Address, *, secure: bool = True) -> bool:
        """Whether an address may be called, over TLS or without."""
        if any(address in network for network in self._private):
            return True
        inner = _embedded(address)
        if inner is not None:
            return self.admits(inner, secure=secure)
        return (
            secure and address.is_global and not (address.is_multicast or address.is_reserved or _is_of_a_site(address))
        )

    def check(self, url: str) -> None:
        """Raises RefusedAddressError for a URL that could not be called whatever its name resolves to."""
        try:
            parts = urlsplit(url)
            host, scheme = parts.hostname, parts.scheme
            fits = parts.port != 0 and not parts.fragment and url.isprintable() and " " not in url
        except ValueError:  # brackets or a port that are none
            fits, host, scheme = False, None, ""
        if not fits or not host or scheme not in _SCHEMES or "@" in parts.netloc:
            raise RefusedAddressError(f"'{url}' is no URL to call: give it as https://host/path, without a user.")
        if scheme == "http" and not self._private:
            raise RefusedAddressError(f"'{url}' is not secured: give it as https://….")
        address = _literal(host)
        if address is not None and not self.admits(address, secure=scheme == "https"):
            raise _refusal(host, address)


def networks_of(text: str) -> tuple[Network, ...]:
    """Address ranges separated by commas; raises ValueError."""
    return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


def checked_client(destinations: Destinations, *, timeout: float, user_agent: str) -> httpx2.AsyncClient:
    """An HTTP client that reaches nothing else, and gives up on a silent peer after `timeout` seconds.

    Its requests raise RefusedAddressError besides what every client's raise.
    """
    context = httpx2.create_ssl_context()
    return httpx2.AsyncClient(
        transport=CheckedTransport(destinations, context, secure=True),
        mounts={"http://": CheckedTransport(destinations, context, secure=False)},
        headers={"User-Agent": user_agent},
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )


async def fetch(client: httpx2.AsyncClient, url: str, *, most_bytes: int, deadline: float) -> bytes:
    """The body of a 200 within `deadline` seconds; raises httpx2.HTTPError, also for other statuses and larger bodies.

    Raises RefusedAddressError.
    """
    try:
        async with (
            asyncio.timeout(deadline),
            client.stream("GET", url, headers=_PLAIN) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise httpx2.ProtocolError(f"{url} answered with {answer.status_code}.")
            body = b""
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > most_bytes:
                    raise httpx2.ProtocolError(f"{url} answered with more than {most_bytes} bytes.")
            return body
    except TimeoutError:
        raise httpx2.ReadTimeout(f"{url} did not answer within {deadline:g} seconds.") from None


class CheckedTransport(httpx2.AsyncHTTPTransport):
    """Connects to addresses that the destinations admit."""

    def __init__(
        self, destinations: Destinations, context: ssl.SSLContext, *, secure: bool, connections: int = 100
    ) -> None:
        super().__init__(verify=context, trust_env=False)
        # The transport has no argument for what its pool connects with; the pool has.
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=connections // 4,
            keepalive_expiry=30.0,
            network_backend=_CheckedBackend(destinations, secure=secure),
        )


class _CheckedBackend(httpcore2.AnyIOBackend):
    """Resolves names itself, and connects to addresses only."""

    def __init__(self, destinations: Destinations, *, secure: bool) -> None:
        self._destinations = destinations
        self._secure = secure

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of the library
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        addresses = await self._addresses(host, port, timeout)
        failure: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await super().connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore2.ConnectError(f"'{host}' has no address.")

    async def connect_unix_socket(self, *_arguments: Any, **_options: Any) -> httpcore2.AsyncNetworkStream:
        raise httpcore2.UnsupportedProtocol("Sockets of this machine are not called.")

    async def _addresses(self, host: str, port: int, seconds: float | None) -> list[Address]:
        """Where a host is; raises RefusedAddressError when one of its addresses is not to be called."""
        try:
            async with asyncio.timeout(seconds):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore2.ConnectTimeout(f"The name '{host}' was not resolved in time.") from None
        except OSError as error:
            raise httpcore2.ConnectError(f"The name '{host}' cannot be resolved: {error}.") from error
        addresses = [ip_address(sockaddr[0]) for *_, sockaddr in found]
        for address in addresses:
            if not self._destinations.admits(address, secure=self._secure):
                raise _refusal(host, address)
        return addresses


def _embedded(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    for network, behind in _EMBEDDING:
        if address in network:
            return IPv4Address((int(address) >> behind) & 0xFFFF_FFFF)
    return None


def _is_of_a_site(address: Address) -> bool:
    """Whether it is in the range that was for private networks before RFC 4193 (RFC 3879), and still may be."""
    return isinstance(address, IPv6Address) and address.is_site_local


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _refusal(host: str, address: Address) -> RefusedAddressError:
    return RefusedAddressError(
        f"'{host}' is at {address}, which is not called this way: public addresses only over https, and others only "
        "where HEADCOUNT_PRIVATE_NETWORKS lists them."
    )
