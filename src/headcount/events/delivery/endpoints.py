"""Requests to the endpoints of webhooks: many, small, and only to addresses that the installation lets be called.

Its own client, because the one in `outbound` takes six times the processor for a request, and deliveries are many.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from functools import lru_cache
from ipaddress import ip_address
from itertools import product
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp

from headcount.outbound import Destinations, RefusedAddressError

_CONNECTIONS: Final = 64
"""Connections to one endpoint."""
_ANSWER: Final = 1_000
"""Bytes of an answer that are read."""
_SCHEMES: Final = ("http", "https")


class Endpoints:
    """Calls endpoints; an asynchronous context that holds their connections.

    Redirects are not followed and proxies of the environment not used. What is checked is the address that the socket
    connects to, so that it does not matter what a name resolves to the next moment.
    """

    def __init__(self, destinations: Destinations, *, timeout: float) -> None:
        self.timeout = timeout
        """Seconds that a request may take, whatever the endpoint does."""
        self._destinations = destinations
        self._check = lru_cache(maxsize=1_000)(destinations.check)
        """Raises for a URL that is not to be called; what it raises is not remembered."""
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}
        """By scheme, and whether they are for what is urgent: it waits for nobody's connection."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for scheme, urgent in product(_SCHEMES, (False, True)):
            made = _socket_for(self._destinations, secure=scheme == "https")
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=_CONNECTIONS, socket_factory=made)
            session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
            self._sessions[scheme, urgent] = await self._stack.enter_async_context(session)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, urgent: bool = False) -> tuple[int, str]:
        """The status of an answer and its beginning; 0 and what went wrong when there was none."""
        try:
            self._check(url)
            async with asyncio.timeout(self.timeout):
                try:
                    return await self._post(url, body, headers, urgent=urgent)
                except (aiohttp.ServerDisconnectedError, ConnectionError):
                    # a connection that stood open was closed at the other end: the next one is new
                    return await self._post(url, body, headers, urgent=urgent)
        except TimeoutError:
            return 0, f"no answer within {self.timeout:g} seconds"
        except (aiohttp.ClientError, RefusedAddressError, OSError, ValueError) as error:
            return 0, str(error) or type(error).__name__

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str], *, urgent: bool) -> tuple[int, str]:
        session = self._sessions[urlsplit(url).scheme, urgent]
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
            text = await answer.content.read(_ANSWER)
            if not answer.content.at_eof():
                answer.close()  # the rest is not waited for
            return answer.status, text.decode("utf-8", "replace")


def _socket_for(destinations: Destinations, *, secure: bool) -> Callable[[Any], socket.socket]:
    """What makes the socket to an address, unless it is one that is not to be called."""

    def made(information: Any) -> socket.socket:
        family, kind, protocol, _, address = information
        try:
            admitted = destinations.admits(ip_address(address[0]), secure=secure)
        except ValueError:  # a way to write an address that only the system understands
            admitted = False
        if not admitted:
            raise RefusedAddressError(
                f"{address[0]} is not called this way: public addresses only over https, and others only where "
                "HEADCOUNT_PRIVATE_NETWORKS lists them."
            )
        return socket.socket(family, kind, protocol)

    return made
