"""Who is calling, and which tenant is called: looked up at most once a second each.

Several processes share one database, so nothing is believed for longer: a token revoked, a tenant deleted or a
schema added elsewhere holds here within `FRESH` seconds.
"""

import time
from dataclasses import dataclass
from typing import Final

from headcount.directory.bulk import Bulk
from headcount.directory.cursors import Cursors
from headcount.directory.passwords import Passwords
from headcount.directory.resources import Resources
from headcount.directory.searching import Searching
from headcount.directory.tenant import Tenant
from headcount.directory.tenants import Tenants
from headcount.directory.tokens import Access, AccessTokens
from headcount.scim.errors import UnauthorizedError
from headcount.store.interface import Store

FRESH: Final = 1.0
"""Seconds."""
_MOST: Final = 10_000
"""Entries that are kept; past that all are forgotten."""


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that serves one tenant."""

    tenant: Tenant
    resources: Resources
    searching: Searching
    bulk: Bulk


class Gate:
    """Opens tenants to those who hold a token."""

    def __init__(self, store: Store, tenants: Tenants, tokens: AccessTokens, cursors: Cursors, public_url: str) -> None:
        self._store = store
        self._tenants = tenants
        self._tokens = tokens
        self._cursors = cursors
        self._public_url = public_url
        self._passwords = Passwords()
        self._access: dict[bytes, tuple[float, Access]] = {}
        self._services: dict[str, tuple[float, Service]] = {}

    async def enter(self, tenant_name: str, authorization: bytes | None) -> tuple[Access, Service]:
        """The caller's access and the tenant's service.

        Raises UnauthorizedError, with the same words for a wrong token, another tenant's, and a tenant that is not.
        """
        if authorization is None:
            raise UnauthorizedError("The request needs an access token: 'Authorization: Bearer …'.")
        access = await self._verified(authorization)
        if access is None or access.tenant != tenant_name or not access.is_current():
            raise UnauthorizedError("The access token is not valid here.")
        service = await self._service(tenant_name)
        if service is None:
            raise UnauthorizedError("The access token is not valid here.")
        return access, service

    async def _verified(self, authorization: bytes) -> Access | None:
        known = self._access.get(authorization)
        clock = time.monotonic()
        if known is not None and clock - known[0] < FRESH:
            return known[1]
        access = await self._tokens.verify(_token_in(authorization))
        if access is None:
            self._access.pop(authorization, None)
            return None
        if len(self._access) >= _MOST:
            self._access.clear()
        self._access[authorization] = clock, access
        return access

    async def _service(self, tenant_name: str) -> Service | None:
        known = self._services.get(tenant_name)
        clock = time.monotonic()
        if known is not None and clock - known[0] < FRESH:
            return known[1]
        tenant = await self._tenants.load(tenant_name, self._public_url)
        if tenant is None:
            self._services.pop(tenant_name, None)
            return None
        if known is not None and known[1].tenant == tenant:
            service = known[1]
        else:
            resources = Resources(tenant, self._store.for_tenant(tenant_name), self._passwords)
            service = Service(tenant, resources, Searching(resources, self._cursors), Bulk(resources))
        if len(self._services) >= _MOST:
            self._services.clear()
        self._services[tenant_name] = clock, service
        return service


def _token_in(authorization: bytes) -> str:
    """The token of an Authorization header; some clients are configured to send it without a scheme (Okta)."""
    text = authorization.decode("latin-1").strip()
    scheme, _, token = text.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else text
