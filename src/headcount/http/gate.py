"""Who is calling, and which tenant is called: looked up at most once a second each.

Several processes share one database, so nothing is believed for longer: a token revoked, a tenant deleted or a
schema added elsewhere holds here within `FRESH` seconds.
"""

import time
from base64 import b64decode
from dataclasses import dataclass
from typing import Final

from headcount.directory.bulk import Bulk
from headcount.directory.cursors import Cursors
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.passwords import Passwords
from headcount.directory.resources import Resources
from headcount.directory.searching import Searching
from headcount.directory.tenant import Tenant
from headcount.directory.tenants import Tenants
from headcount.directory.tokens import Access, AccessTokens
from headcount.scim.errors import ForbiddenError, UnauthorizedError
from headcount.scim.scopes import UNRESTRICTED, Permissions, Scope
from headcount.store.interface import OPERATOR_TENANT, Store

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

    def __init__(
        self,
        store: Store,
        tenants: Tenants,
        tokens: AccessTokens,
        operator: OperatorResources,
        cursors: Cursors,
        public_url: str,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._tokens = tokens
        self._cursors = cursors
        self._public_url = public_url
        self._passwords = Passwords()
        self._access: dict[bytes, tuple[float, Access]] = {}
        self._services: dict[tuple[str, str | None], tuple[float, Service]] = {}
        self._permissions: dict[tuple[str, tuple[Scope, ...]], Permissions] = {}
        self._operator = self._service_of(operator)

    async def enter(self, tenant_name: str, authorization: bytes | None, address: str) -> tuple[Access, Service]:
        """The caller's access and the tenant's service.

        Raises UnauthorizedError, with the same words for a wrong token, another tenant's, a tenant that is not, and
        an address that the token does not admit; ForbiddenError for a suspended tenant.
        """
        if authorization is None:
            raise UnauthorizedError("The request needs an access token: 'Authorization: Bearer …'.")
        access = await self._verified(authorization)
        if access is None or access.tenant != tenant_name or not access.is_current() or not access.admits(address):
            raise UnauthorizedError("The access token is not valid here.")
        if tenant_name == OPERATOR_TENANT:
            return access, self._operator
        service = await self._service(tenant_name, access.profile)
        if service is None:
            raise UnauthorizedError("The access token is not valid here.")
        if service.tenant.is_suspended:
            raise ForbiddenError("The tenant is suspended.")
        return access, service

    def permissions(self, access: Access, service: Service) -> Permissions:
        """What the caller may do, bound to what the tenant knows now."""
        if not access.scopes:
            return UNRESTRICTED
        key = (service.tenant.name, access.scopes)
        known = self._permissions.get(key)
        if known is None or known.registry is not service.tenant.registry:
            if len(self._permissions) >= _MOST:
                self._permissions.clear()
            known = self._permissions[key] = Permissions(access.scopes, service.tenant.registry)
        return known

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

    async def _service(self, tenant_name: str, profile: str | None) -> Service | None:
        key = (tenant_name, profile)
        known = self._services.get(key)
        clock = time.monotonic()
        if known is not None and clock - known[0] < FRESH:
            return known[1]
        tenant = await self._tenants.load(tenant_name, self._public_url, profile)
        if tenant is None:
            self._services.pop(key, None)
            return None
        if known is not None and known[1].tenant == tenant:
            service = known[1]
        else:
            service = self._service_of(Resources(tenant, self._store.for_tenant(tenant_name), self._passwords))
        if len(self._services) >= _MOST:
            self._services.clear()
        self._services[key] = clock, service
        return service

    def _service_of(self, resources: Resources) -> Service:
        return Service(resources.tenant, resources, Searching(resources, self._cursors), Bulk(resources))


def _token_in(authorization: bytes) -> str:
    """The token of an Authorization header.

    Some clients are configured to send it without a scheme (Okta), others know nothing but Basic: then it is the
    password, of any user.
    """
    text = authorization.decode("latin-1").strip()
    scheme, _, token = text.partition(" ")
    if scheme.lower() == "basic":
        return _password_in(token.strip())
    return token.strip() if scheme.lower() == "bearer" else text


def _password_in(credentials: str) -> str:
    try:
        return b64decode(credentials, validate=True).decode("latin-1").partition(":")[2]
    except ValueError:
        return ""
