"""The public keys of issuers and clients: fetched when they are needed, and kept while they are good.

An issuer that changes its keys is noticed by the first token with an unknown key id; one that cannot be reached is
believed on its last word for a day.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

import httpx2
import orjson
import structlog

from headcount.directory.oauth.keys import KeysError, VerificationKey, fitting, keys_of
from headcount.directory.trust import KeySource
from headcount.outbound import Destinations, RefusedAddressError, checked_client, fetch

FRESH: Final = 3_600.0
"""Seconds after which keys are fetched anew, so that one that was withdrawn goes."""
STALE: Final = 86_400.0
"""Seconds for which the last keys hold while they cannot be fetched anew."""
BETWEEN: Final = 30.0
"""Seconds between two attempts to fetch, whatever the tokens that come say."""
MOST_BYTES: Final = 512 * 1024
DEADLINE: Final = 5.0
"""Seconds."""
_MOST_SOURCES: Final = 10_000
"""Sources whose keys are kept; past that all are forgotten."""
_METADATA: Final = (
    "{host}{path}/.well-known/openid-configuration",
    "{host}/.well-known/oauth-authorization-server{path}",
)
"""Where the metadata of an issuer is: OpenID Connect Discovery 1.0 §4, RFC 8414 §3.1."""


@dataclass(slots=True)
class _Known:
    """What is known of one source."""

    keys: Sequence[VerificationKey] = ()
    fetched: float = -STALE
    tried: float = -BETWEEN
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class KeySets:
    """Keys by their sources."""

    def __init__(
        self, destinations: Destinations, user_agent: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._destinations = destinations
        self._user_agent = user_agent
        self._clock = clock
        self._known: dict[KeySource, _Known] = {}

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        """Made when it is first needed: few commands ever fetch a key."""
        return checked_client(self._destinations, timeout=DEADLINE, user_agent=self._user_agent)

    async def close(self) -> None:
        """Ends its connections."""
        if "_client" in self.__dict__:
            await self._client.aclose()

    async def find(self, source: KeySource, key_id: str | None, algorithm: str) -> Sequence[VerificationKey]:
        """The keys of a source that may have signed a token."""
        known = self._known_of(source)
        if not source.keys and self._is_due(known, key_id, algorithm):
            async with known.lock:
                if self._is_due(known, key_id, algorithm, mine=True) and self._clock() - known.tried >= BETWEEN:
                    await self._fetch(source, known)
        is_good = source.keys or self._clock() - known.fetched < STALE
        return fitting(known.keys, key_id, algorithm) if is_good else ()

    def _known_of(self, source: KeySource) -> _Known:
        known = self._known.get(source)
        if known is None:
            if len(self._known) >= _MOST_SOURCES:
                self._known.clear()
            known = self._known[source] = _Known(keys_of(source.keys.encode()) if source.keys else ())
        return known

    def _is_due(self, known: _Known, key_id: str | None, algorithm: str, *, mine: bool = False) -> bool:
        """Whether keys have to be fetched; those who can do with old ones do not wait for somebody else's attempt."""
        if not fitting(known.keys, key_id, algorithm):
            return True
        return self._clock() - known.fetched >= FRESH and (mine or not known.lock.locked())

    async def _fetch(self, source: KeySource, known: _Known) -> None:
        known.tried = self._clock()
        try:
            known.keys = keys_of(await self._read(source.url or await self._key_url(source.issuer)))
            known.fetched = self._clock()
        except (httpx2.HTTPError, RefusedAddressError, KeysError) as error:
            structlog.get_logger().warning("keys_not_fetched", source=source.url or source.issuer, reason=str(error))

    async def _key_url(self, issuer: str) -> str:
        """Where the metadata of an issuer says that its keys are."""
        parts = urlsplit(issuer)
        failure: Exception = KeysError("There is no metadata.")
        for place in _METADATA:
            url = place.format(host=f"{parts.scheme}://{parts.netloc}", path=parts.path.rstrip("/"))
            try:
                return self._key_url_in(await self._read(url), issuer)
            except (httpx2.HTTPError, KeysError) as error:
                failure = error
        raise failure

    def _key_url_in(self, text: bytes, issuer: str) -> str:
        try:
            metadata = orjson.loads(text)
        except orjson.JSONDecodeError:
            metadata = None
        url = metadata.get("jwks_uri") if isinstance(metadata, dict) else None
        if not isinstance(url, str) or metadata.get("issuer") != issuer:  # a mix-up would let another's tokens in
            raise KeysError(f"The metadata of {issuer} is not that of this issuer, or names no jwks_uri.")
        self._destinations.check(url)
        return url

    async def _read(self, url: str) -> bytes:
        return await fetch(self._client, url, most_bytes=MOST_BYTES, deadline=DEADLINE)
