"""Clients that sign: a short-lived JWT by a registered key stands for id and secret (RFC 7523, `private_key_jwt`)."""

import time
from collections.abc import Mapping
from typing import Final

import structlog

from headcount.directory.clients import Client, Clients, Kind, is_client_id
from headcount.directory.operator_schemas import ALGORITHMS
from headcount.directory.signed_text import claims_unverified
from headcount.directory.trust import SKEW, InvalidTokenError, Verifier, check_audience, check_issuer, expiry_of
from headcount.scim.schemas import Json
from headcount.sealing import digest_of
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, Put, TenantKeeping

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MOST_LIFETIME: Final = 3_600.0
"""Seconds from now that an assertion may be valid for: an hour, as common libraries make it. It is used once anyway."""
_SEEN: Final = "client_assertion"
"""The collection of assertions that were used, by when they end: the oldest keys come first."""
_SWEPT: Final = 10
"""Ended ones that go with each that comes."""


class ClientAssertions:
    """Verifies assertions, each once: replays are refused in every process."""

    def __init__(self, clients: Clients, verifier: Verifier, store: TenantKeeping) -> None:
        self._clients = clients
        self._verifier = verifier
        self._store = store

    async def client(self, assertion: str, audiences: frozenset[str]) -> Client | None:
        """The client that signed the assertion for one of the audiences, or None."""
        try:
            return await self._verified(assertion, audiences)
        except InvalidTokenError as error:
            # why is for the operator: whoever sends it learns nothing of what would do
            structlog.get_logger().info("assertion_refused", reason=str(error))
            return None

    async def _verified(self, assertion: str, audiences: frozenset[str]) -> Client:
        client_id = claims_unverified(assertion).get("sub")
        client = await self._clients.find(Kind.KEYS, client_id) if is_client_id(client_id) else None
        if client is None or client.keys is None:
            raise InvalidTokenError("'sub' is no client with registered keys.")
        claims = await self._verifier.claims(assertion, client.keys, ALGORITHMS)
        await self._check(claims, client.access.token_id, audiences)
        return client

    async def _check(self, claims: Mapping[str, Json], client_id: str, audiences: frozenset[str]) -> None:
        check_issuer(claims, client_id)
        check_audience(claims, audiences)
        if claims.get("sub") != client_id:
            raise InvalidTokenError("'sub' is another client.")
        now = time.time()
        expires = expiry_of(claims, now)
        if expires > now + MOST_LIFETIME + SKEW:
            raise InvalidTokenError(f"'exp' is more than {MOST_LIFETIME:g} seconds away.")
        unique = claims.get("jti")
        if not isinstance(unique, str) or not unique:
            raise InvalidTokenError("'jti' is missing.")
        await self._use(f"{_instant(expires + SKEW)} {digest_of(f'{client_id} {unique}')}", now)

    async def _use(self, key: str, now: float) -> None:
        """Keeps an assertion until it has ended by any clock; raises InvalidTokenError when it was used before."""
        oldest = await self._store.entries(_SEEN, limit=_SWEPT)
        ended = [Put(_SEEN, entry.key, None) for entry in oldest if entry.key < _instant(now - SKEW)]
        try:
            await self._store.put([Put(_SEEN, key, b"", expected=ABSENT), *ended])
        except VersionConflictError:
            raise InvalidTokenError("It was used before.") from None


def _instant(seconds: float) -> str:
    """Seconds since the epoch as text that sorts as they do."""
    return f"{seconds:015.3f}"
