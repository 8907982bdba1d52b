"""Who is calling, and which tenant is called: looked up at most once a second each.

Several processes share one database, so nothing is believed for longer: a token revoked, a tenant deleted or a
schema added elsewhere holds here within `FRESH` seconds.
"""

import asyncio
import time
from base64 import b64decode
from dataclasses import dataclass
from typing import Final, TypeAlias

from headcount.directory.bulk import Bulk
from headcount.directory.cursors import Cursors
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.passwords import Passwords
from headcount.directory.resources import Resources
from headcount.directory.searching import Searching
from headcount.directory.tenant import Tenant
from headcount.directory.tenants import Tenants
from headcount.directory.tokens import Access, AccessTokens
from headcount.directory.unknown_counts import UnknownCounts
from headcount.directory.verification import Verification
from headcount.directory.watched_resources import WatchedResources
from headcount.events.notifier import Notifier
from headcount.scim.errors import ForbiddenError, UnauthorizedError
from headcount.scim.scopes import UNRESTRICTED, Permissions, Scope
from headcount.store.administration import DatabaseStore
from headcount.store.interface import DEFAULT_CONNECTION, OPERATOR_TENANT

FRESH: Final = 1.0
"""Seconds."""
_MOST: Final = 10_000
"""Entries that are kept; past that all are forgotten."""

_Key: TypeAlias = tuple[str, bytes, str]
"""The tenant, the Authorization header, and the client's address."""


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that serves one tenant."""

    tenant: Tenant
    resources: Resources
    searching: Searching
    bulk: Bulk


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who was let in, and for how long nothing is looked up again."""

    access: Access
    service: Service
    until: float
    """On the monotonic clock."""

    def is_current(self) -> bool:
        """Whether what was looked up is fresh, and the token has not expired since."""
        return time.monotonic() < self.until and self.access.is_current()


class Gate:
    """Opens tenants to those who hold a token."""

    def __init__(
        self,
        store: DatabaseStore,
        tenants: Tenants,
        tokens: AccessTokens,
        verification: Verification,
        operator: OperatorResources,
        cursors: Cursors,
        public_url: str,
        unknown: UnknownCounts | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._tokens = tokens
        self._cursors = cursors
        self._public_url = public_url
        self._unknown = unknown
        self._notifier = notifier
        self._verification = verification
        self._passwords = Passwords()
        self._admitted: dict[_Key, Admitted] = {}
        self._looking: dict[_Key, asyncio.Task[Admitted]] = {}
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
        key = (tenant_name, authorization, address)
        known = self._admitted.get(key)
        if known is None or not known.is_current():
            known = await self._admit_once(key)
        return known.access, known.service

    def permissions(self, access: Access, service: Service) -> Permissions:
        """What the caller may do, bound to what the tenant knows now."""
        if not access.scopes and access.connection == DEFAULT_CONNECTION:
            return UNRESTRICTED
        key = (service.tenant.name, access.scopes)
        known = self._permissions.get(key)
        if known is None or known.registry is not service.tenant.registry:
            if len(self._permissions) >= _MOST:
                self._permissions.clear()
            known = self._permissions[key] = Permissions(access.scopes, service.tenant.registry)
        return known

    async def tenant(self, tenant_name: str) -> Tenant | None:
        """A tenant as it is served, the operator's among them, or None."""
        if tenant_name == OPERATOR_TENANT:
            return self._operator.tenant
        service = await self._service(tenant_name, None)
        return None if service is None else service.tenant

    async def base_url(self, tenant_name: str) -> str:
        """The SCIM base URL of a tenant, also of one that does not exist: its own only where it has one."""
        tenant = await self.tenant(tenant_name)
        return f"{self._public_url}/t/{tenant_name}/scim/v2" if tenant is None else tenant.base_url

    async def _admit_once(self, key: _Key) -> "Admitted":
        """Looks once who the caller is, for all of its requests that come meanwhile."""
        looking = self._looking.get(key)
        if looking is None:
            self._admitted.pop(key, None)
            looking = self._looking[key] = asyncio.create_task(self._admit(*key))
            looking.add_done_callback(lambda done: self._looked(key, done))
        return await asyncio.shield(looking)  # the others wait for it, also when this client leaves

    def _looked(self, key: _Key, done: "asyncio.Task[Admitted]") -> None:
        del self._looking[key]
        if done.cancelled() or done.exception() is not None:
            return
        if len(self._admitted) >= _MOST:
            self._admitted.clear()
        self._admitted[key] = done.result()

    async def _admit(self, tenant_name: str, authorization: bytes, address: str) -> "Admitted":
        began = time.monotonic()
        access = await self._verification.verify(_token_in(authorization), tenant_name)
        if access is None or not access.is_current():
            raise UnauthorizedError("The access token is not valid here.")
        self._tokens.use.note(access.token_id)
        if not access.admits(address):
            raise UnauthorizedError("The access token is not valid here.")
        if tenant_name == OPERATOR_TENANT:
            return Admitted(access, self._operator, began + FRESH)
        service = await self._service(tenant_name, access.profile)
        if service is None:
            raise UnauthorizedError("The access token is not valid here.")
        if service.tenant.is_suspended:
            raise ForbiddenError("The tenant is suspended.")
        looked_up = self._services[tenant_name, access.profile][0]
        return Admitted(access, service, min(began, looked_up) + FRESH)

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
            store = self._store.for_tenant(tenant_name)
            kind = WatchedResources if tenant.is_watched else Resources
            service = self._service_of(kind(tenant, store, self._passwords, self._unknown, self._notifier))
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
