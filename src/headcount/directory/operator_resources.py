"""The operator tenant's resources, with the rules that their schemas cannot express.

The API below `/scim/v2` and the command line come through here, so that neither can do what the other cannot.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Final
from urllib.parse import urlsplit

import orjson

from headcount.directory.operator import find_all, find_one
from headcount.directory.operator_schemas import ACCESS_TOKEN, CONNECTION, OPERATOR_REGISTRY, TENANT
from headcount.directory.passwords import Passwords
from headcount.directory.representation import Representation
from headcount.directory.resources import Request, Resources
from headcount.directory.tenant import Tenant
from headcount.scim.errors import ConflictError, ForbiddenError, InvalidValueError, NotFoundError, UniquenessError
from headcount.scim.folding import instant
from headcount.scim.profiles import STRICT
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import check_scopes, scopes_of
from headcount.sealing import digest_of, new_token
from headcount.store.interface import DEFAULT_CONNECTION, OPERATOR_TENANT, Store

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Names of tenants and connections: a part of URLs."""
LIFETIME: Final = timedelta(days=365)
LONGEST_LIFETIME: Final = timedelta(days=2 * 365)
_WORDS: Final = "use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first"

RegistryOf = Callable[[str], Awaitable[Registry]]
"""The registry of a tenant, by name."""


class OperatorResources(Resources):
    """Tenants, connections and access tokens."""

    def __init__(self, store: Store, public_url: str) -> None:
        tenant = Tenant(OPERATOR_TENANT, f"{public_url}/scim/v2", OPERATOR_REGISTRY, STRICT, refuse_unknown=True)
        super().__init__(tenant, store.for_tenant(OPERATOR_TENANT), Passwords())
        self._installation = store
        self.registry_of: RegistryOf | None = None
        """What scopes are checked against; set by what loads tenants."""

    async def create(self, resource_type: ResourceType, body: Json, request: Request) -> Representation:
        """Adds a resource; the answer for an access token holds the token itself, this once."""
        if not isinstance(body, Mapping):
            return await super().create(resource_type, body, request)
        if resource_type is TENANT:
            return await self._create_tenant(body, request)
        if resource_type is CONNECTION:
            return await self._create_connection(body, request)
        token = new_token()
        body = {**body, "digest": digest_of(token), "active": body.get("active", True)}
        if not body.get("expires") and body.get("neverExpires") is not True:
            body["expires"] = (datetime.now(UTC) + LIFETIME).isoformat()
        done = await super().create(resource_type, body, request)
        return replace(done, body=b'{"token":' + orjson.dumps(token) + b"," + done.body[1:])

    async def prepare(
        self,
        resource_type: ResourceType,
        resource: dict[str, Json],
        current: Mapping[str, Json] | None,
        request: Request,
    ) -> None:
        """Raises InvalidValueError or NotFoundError for what does not fit together."""
        if request.permissions.is_restricted and resource.get("tenant") == OPERATOR_TENANT:
            raise ForbiddenError("A token with scopes cannot give access to the operator's API.")
        await _RULES[resource_type.name](self, resource, current)

    async def delete(self, resource_type: ResourceType, resource_id: str, request: Request) -> None:
        """Removes a resource with what depends on it; a tenant only once it is suspended."""
        row = await self.stored(resource_type, resource_id, groups=False)
        document = orjson.loads(row.document)
        if resource_type is TENANT:
            if document.get("state") != "suspended":
                raise ConflictError("Suspend the tenant before it is deleted with everything in it.")
            await self.remove_tenant(document["name"], resource_id, request)
            return
        await super().delete(resource_type, resource_id, request)
        if resource_type is CONNECTION:
            async for token in find_all(self, ACCESS_TOKEN, ("tenant", document["tenant"])):
                if token.get("connection") == document["name"]:
                    await super().delete(ACCESS_TOKEN, token["id"], request)

    async def remove_tenant(self, name: str, resource_id: str, request: Request) -> None:
        """Removes a tenant with its tokens, its connections and everything in it."""
        await self._remove_credentials(name, request)
        await super().delete(TENANT, resource_id, request)
        await self._installation.for_tenant(name).clear()

    async def check_tenant(self, name: str) -> None:
        """Raises NotFoundError when there is no such tenant."""
        if name != OPERATOR_TENANT and await find_one(self, TENANT, "name", name) is None:
            raise NotFoundError(f"There is no tenant '{name}'.")

    async def check_connection(self, tenant: str, name: str) -> None:
        """Raises NotFoundError when the tenant has no such connection; everyone has the default one."""
        if name != DEFAULT_CONNECTION and await find_one(self, CONNECTION, "qualifiedName", f"{tenant}/{name}") is None:
            raise NotFoundError(f"The tenant '{tenant}' has no connection '{name}'.")

    async def _create_tenant(self, body: Mapping[str, Json], request: Request) -> Representation:
        name = body.get("name")
        if isinstance(name, str) and NAME.fullmatch(name):
            await self._sweep(name, request)
        try:
            return await super().create(TENANT, {"profile": "tolerant", "passwords": "discard", **body}, request)
        except UniquenessError:
            raise UniquenessError(f"The tenant '{name}' exists already.") from None

    async def _create_connection(self, body: Mapping[str, Json], request: Request) -> Representation:
        name = f"{body.get('tenant')}/{body.get('name')}"
        try:
            return await super().create(CONNECTION, {**body, "qualifiedName": name}, request)
        except UniquenessError:
            raise UniquenessError(f"The connection '{name}' exists already.") from None

    async def _sweep(self, name: str, request: Request) -> None:
        """Removes what a deletion that was cut short left of a namesake, so that nobody inherits it."""
        if await find_one(self, TENANT, "name", name) is None:
            await self._remove_credentials(name, request)
            await self._installation.for_tenant(name).clear()

    async def _remove_credentials(self, tenant: str, request: Request) -> None:
        for resource_type in (ACCESS_TOKEN, CONNECTION):
            async for found in find_all(self, resource_type, ("tenant", tenant)):
                await super().delete(resource_type, found["id"], request)

    async def _check_tenant_resource(self, resource: dict[str, Json], _current: Mapping[str, Json] | None) -> None:
        _check_name(resource["name"], "tenant")
        url = resource.get("publicUrl")
        if url is not None and not _is_base(url):
            raise InvalidValueError(f"'{url}' is no public URL: give it as https://scim.example.com")
        _check_numbers(resource.get("limits", {}))

    async def _check_connection_resource(self, resource: dict[str, Json], _current: Mapping[str, Json] | None) -> None:
        _check_name(resource["name"], "connection")
        await self.check_tenant(resource["tenant"])
        if resource["tenant"] == OPERATOR_TENANT:
            raise InvalidValueError("The operator's tenant has no connections.")
        await self._check_access(resource)

    async def _check_access_token(self, resource: dict[str, Json], current: Mapping[str, Json] | None) -> None:
        await self._check_access(resource)
        if current is not None:
            return
        await self.check_tenant(resource["tenant"])
        await self.check_connection(resource["tenant"], resource.get("connection", DEFAULT_CONNECTION))
        _check_lifetime(resource)

    async def _check_access(self, resource: Mapping[str, Json]) -> None:
        _check_numbers(resource)
        for network in resource.get("networks", ()):
            _check_network(network)
        scopes = scopes_of(resource.get("scopes", ()))
        if not scopes:
            return
        if resource["tenant"] == OPERATOR_TENANT:
            check_scopes(scopes, OPERATOR_REGISTRY)
        elif self.registry_of is not None:
            check_scopes(scopes, await self.registry_of(resource["tenant"]))


_Rule = Callable[[OperatorResources, dict[str, Json], Mapping[str, Json] | None], Awaitable[None]]

_RULES: Final[Mapping[str, _Rule]] = {
    TENANT.name: OperatorResources._check_tenant_resource,  # noqa: SLF001  the rules of this class, by resource type
    CONNECTION.name: OperatorResources._check_connection_resource,  # noqa: SLF001
    ACCESS_TOKEN.name: OperatorResources._check_access_token,  # noqa: SLF001
}


def _check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidValueError(f"'{name}' is no {what} name: {_WORDS}.")


def _check_network(network: str) -> None:
    try:
        ip_network(network, strict=False)
    except ValueError:
        raise InvalidValueError(f"'{network}' is no address range; write 192.0.2.0/24 or 2001:db8::/32.") from None


def _check_numbers(values: Mapping[str, Json]) -> None:
    for name in ("users", "groups", "requestsPerSecond"):
        if name in values and values[name] < 0:
            raise InvalidValueError(f"'{name}' must not be negative.")


def _check_lifetime(resource: Mapping[str, Json]) -> None:
    expires = resource.get("expires")
    if expires is None:
        return
    if resource.get("neverExpires") is True:
        raise InvalidValueError("'expires' and 'neverExpires' exclude each other.")
    lifetime = datetime.fromisoformat(instant(expires)) - datetime.now(UTC)
    if not timedelta() < lifetime <= LONGEST_LIFETIME + timedelta(minutes=1):
        raise InvalidValueError("A token lives for more than nothing, and for two years (730 days) at most.")


def _is_base(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not any(mark in url for mark in "?#@")
