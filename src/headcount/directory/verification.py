"""Which access a token gives, whoever issued it: a lasting one, one of the token endpoint, or an issuer outside."""

from headcount.directory.issued_tokens import PREFIX, IssuedTokens
from headcount.directory.outside_tokens import OutsideTokens
from headcount.directory.signed_text import is_signed
from headcount.directory.tokens import Access, AccessTokens
from headcount.store.interface import OPERATOR_TENANT


class Verification:
    """Verifies tokens; those of issuers outside only where the extra for signed tokens is installed."""

    def __init__(self, tokens: AccessTokens, issued: IssuedTokens, outside: OutsideTokens | None) -> None:
        self._tokens = tokens
        self._issued = issued
        self._outside = outside

    async def verify(self, token: str, tenant: str) -> Access | None:
        """What a token opens in a tenant, or None; expiry is for the caller to judge."""
        if token.startswith(PREFIX):
            access = await self._issued.verify(token)
        elif is_signed(token):
            trusted = self._outside is not None and tenant != OPERATOR_TENANT
            access = await self._outside.verify(token, tenant) if self._outside and trusted else None
        else:
            access = await self._tokens.verify(token)
        return access if access is not None and access.tenant == tenant else None
