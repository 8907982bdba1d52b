"""Access tokens of issuers outside: Entra's own tokens, workload identities of CI systems and clusters.

A connection says which issuer it trusts, and which of its tokens. Whoever shows one is the connection's client; no
secret is shared. A token is verified once, and remembered until it ends as long as the connection says the same.
"""

import time
from dataclasses import dataclass, replace
from typing import Final

import structlog

from headcount.directory.clients import Client, Clients, Kind
from headcount.directory.signed_text import claims_unverified
from headcount.directory.tokens import Access
from headcount.directory.trust import SKEW, InvalidTokenError, Trust, Verifier, expiry_of
from headcount.sealing import digest_of

_MOST: Final = 10_000
"""Tokens that are remembered; past that all are forgotten."""


@dataclass(frozen=True, slots=True)
class _Verified:
    client_id: str
    trust: Trust | None
    expires: float
    subject: str

    def access(self, client: Client) -> Access:
        """What the token opens, by its client as it stands now."""
        issuer = self.trust.issuer if self.trust else ""
        return replace(client.access, expires=self.expires, issuer=issuer, subject=self.subject)


class OutsideTokens:
    """Verifies tokens of the issuers that connections trust."""

    def __init__(self, clients: Clients, verifier: Verifier) -> None:
        self._clients = clients
        self._verifier = verifier
        self._verified: dict[tuple[str, str], _Verified] = {}

    async def verify(self, token: str, tenant: str) -> Access | None:
        """What the token opens in a tenant, or None; expiry is for the caller to judge."""
        key = (tenant, digest_of(token))
        known = self._verified.get(key)
        if known is not None:
            client = await self._clients.find(Kind.KEYS, known.client_id)
            if client is not None and client.trust == known.trust:
                return known.access(client)
            self._verified.pop(key, None)
        found = await self._first(token, tenant)
        if found is None:
            return None
        client, verified = found
        if len(self._verified) >= _MOST:
            self._verified.clear()
        self._verified[key] = verified
        return verified.access(client)

    async def _first(self, token: str, tenant: str) -> tuple[Client, _Verified] | None:
        """The first connection that lets the token in, and what was verified."""
        try:
            issuer = claims_unverified(token).get("iss")
        except InvalidTokenError:
            return None
        if not isinstance(issuer, str) or not issuer.isprintable():
            return None
        for client in await self._clients.trusting(tenant, issuer):
            try:
                return client, await self._verify(token, client)
            except InvalidTokenError as error:
                # why is for the operator: whoever shows the token learns nothing of what would do
                structlog.get_logger().info(
                    "token_refused", tenant=tenant, connection=client.access.connection, reason=str(error)
                )
        return None

    async def _verify(self, token: str, client: Client) -> _Verified:
        trust = client.trust
        if trust is None:
            raise InvalidTokenError("The connection trusts no issuer.")
        claims = await self._verifier.claims(token, trust.source, trust.algorithms)
        trust.check(claims)
        subject = claims.get("sub")
        expires = expiry_of(claims, time.time()) + SKEW
        return _Verified(client.access.token_id, trust, expires, subject if isinstance(subject, str) else "")
