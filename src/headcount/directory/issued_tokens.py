"""Access tokens of our own issue: short-lived, and nowhere kept (RFC 6749 §1.4).

Such a token is sealed text that names its client. What the client may do is looked up whenever the token is shown, so
that revoking the client, or changing what it may do, holds for the tokens that it was given.
"""

from dataclasses import replace
from typing import Final

import orjson

from headcount.directory.clients import Client, Clients, Kind
from headcount.directory.tokens import Access
from headcount.scim.narrowing import narrowed, wanted_of
from headcount.sealing import NotSealedError, Seal

PREFIX: Final = "hca_"
"""Lets secret scanners recognise a token; no other token begins so."""
_CONTEXT: Final = b"access token"


class IssuedTokens:
    """Issues tokens and verifies them."""

    def __init__(self, seal: Seal, clients: Clients) -> None:
        self._seal = seal
        self._clients = clients

    def issue(self, client: Client, scope: str, expires: float) -> str:
        """A token for a client, narrowed to a scope, until an instant in seconds since the epoch."""
        content = orjson.dumps((client.kind, client.access.token_id, client.authority, expires, scope))
        return PREFIX + self._seal.seal(content, _CONTEXT)

    async def verify(self, token: str) -> Access | None:
        """What the token opens, None when it is none of ours or its client is gone; expiry is for the caller."""
        try:
            content = self._seal.open(token.removeprefix(PREFIX), _CONTEXT)
        except NotSealedError:
            return None
        kind, client_id, authority, expires, scope = orjson.loads(content)
        client = await self._clients.find(Kind(kind), client_id)
        if client is None or client.authority != authority:
            return None
        access = client.access
        return replace(access, expires=min(expires, access.expires), scopes=narrowed(access.scopes, wanted_of(scope)))
