"""The operator tenant's resources, with the rules that their schemas cannot express.

The API below `/scim/v2` and the command line come through here, so that neither can do what the other cannot.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import orjson

from headcount.directory.managed import MANAGED_REGISTRY
from headcount.directory.operator import find_all, find_one
from headcount.directory.operator_schemas import ACCESS_TOKEN, CONNECTION, OPERATOR_REGISTRY, TENANT, WEBHOOK
from headcount.directory.passwords import Passwords
from headcount.directory.permissions import permitted
from headcount.directory.refusals import in_scim_terms
from headcount.directory.representation import Representation
from headcount.directory.resources import NOTHING, Request, Resources
from headcount.directory.tenant import Tenant
from headcount.directory.trust import Verifier, check_trust
from headcount.events.feed import known_types, names_of_types
from headcount.scim.errors import ConflictError, ForbiddenError, InvalidValueError, NotFoundError, UniquenessError
from headcount.scim.folding import instant
from headcount.scim.profiles import STRICT
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Attribute, Json
from headcount.scim.scopes import ANY_TYPE, UNRESTRICTED, Operation, check_scopes, scopes_of
from headcount.scim.urns import PATCH_OP
from headcount.scim.values import canonical_value
from headcount.sealing import digest_of, new_token
from headcount.store.administration import DatabaseStore
from headcount.store.interface import DEFAULT_CONNECTION, OPERATOR_TENANT, StoreError

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Names of tenants and connections: a part of URLs."""
LIFETIME: Final = timedelta(days=365)
LONGEST_LIFETIME: Final = timedelta(days=2 * 365)
MOST_IN_A_BATCH: Final = 100
_EXPIRES: Final = ACCESS_TOKEN.schema.by_name["expires"]
_MONTH: Final = 31 * 86_400
_WORDS: Final = "use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first"

RegistryOf = Callable[[str], Awaitable[Registry]]
"""The registry of a tenant, by name."""
WebhookMade = Callable[[str, str], Awaitable[str]]
"""The secret of a new subscription, by its id and tenant."""
WebhookGone = Callable[[str, str], Awaitable[None]]
"""Takes the id and tenant of a subscription that was deleted."""
Credentials: TypeAlias = Sequence[tuple[ResourceType, str]]
"""What gives access to a tenant, or to what happens in it, by type and id."""


class OperatorResources(Resources):
    """Tenants, connections and access tokens."""

    def __init__(self, store: DatabaseStore, public_url: str) -> None:
        tenant = Tenant(OPERATOR_TENANT, f"{public_url}/scim/v2", OPERATOR_REGISTRY, STRICT, refuse_unknown=True)
        super().__init__(tenant, store.for_tenant(OPERATOR_TENANT), Passwords())
        self._installation = store
        self.registry_of: RegistryOf | None = None
        """What scopes are checked against; set by what loads tenants."""
        self.verifier_of: Callable[[], Verifier | None] = lambda: None
        """What keys and issuers are checked with; None where the extra for signed tokens is not installed."""
        self.webhook_made: WebhookMade | None = None
        """What gives a new subscription its secret; set by what serves subscriptions."""
        self.webhook_gone: WebhookGone | None = None
        """What removes everything that is kept for a subscription; set likewise."""

    async def create(
        self, resource_type: ResourceType, body: Json, request: Request, given: Mapping[str, Json] = NOTHING
    ) -> Representation:
        """Adds a resource; the answer for an access token holds the token itself, this once."""
        permitted(request.permissions, resource_type, Operation.CREATE)
        sent = {name.lower(): value for name, value in body.items()} if isinstance(body, Mapping) else {}
        if resource_type is TENANT:
            return await self._create_tenant(body, request, sent)
        if resource_type is CONNECTION:
            return await self._create_connection(body, request, f"{sent.get('tenant')}/{sent.get('name')}")
        if resource_type is WEBHOOK:
            return await self._create_webhook(body, request)
        if request.is_bulk:
            raise ForbiddenError("A token shows in the answer to a POST of its own only, and never in a bulk answer.")
        token = new_token()
        given = {**given, "digest": digest_of(token), "active": True}
        if not sent.get("expires") and sent.get("neverexpires") is not True:
            given["expires"] = canonical_value(_EXPIRES, (datetime.now(UTC) + LIFETIME).isoformat(), STRICT)
        done = await super().create(resource_type, body, request, given)
        return done._replace(body=b'{"token":' + orjson.dumps(token) + b"," + done.body[1:])

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
        _check_choices(resource_type.schema.attributes, resource)
        await _RULES[resource_type.name](self, resource, current)

    async def delete(self, resource_type: ResourceType, resource_id: str, request: Request) -> None:
        """Removes a resource with what depends on it; a tenant only once it is suspended."""
        permission = permitted(request.permissions, resource_type, Operation.DELETE)
        row = await self.checked(resource_type, resource_id, request, permission, groups=False)
        document = orjson.loads(row.document)
        if resource_type is TENANT:
            if document.get("state") != "suspended":
                raise ConflictError(
                    "Suspend the tenant before it is deleted with everything in it. "
                    f"GET /manage/tenants/{document['name']}/archive exports it first."
                )
            await self.remove_tenant(document["name"], resource_id, request)
            return
        await super().delete(resource_type, resource_id, request)
        if resource_type is WEBHOOK and self.webhook_gone is not None:
            await self.webhook_gone(resource_id, document["tenant"])
        if resource_type is CONNECTION:
            async for token in find_all(self, ACCESS_TOKEN, ("tenant", document["tenant"])):
                if token.get("connection") == document["name"]:
                    await super().delete(ACCESS_TOKEN, token["id"], _following(request))

    async def remove_tenant(self, name: str, resource_id: str, request: Request) -> None:
        """Removes a tenant with its tokens, its connections and everything in it, and gives up its name at last.

        Cut short, it leaves a suspended tenant that can be deleted again.
        """
        following = _following(request)
        credentials = await self._credentials(name)  # all of them this tenant's, since it is there afterwards
        await self._set_state(resource_id, "suspended", following)
        await self._empty(name, resource_id, credentials, following)
        await super().delete(TENANT, resource_id, following)

    async def check_tenant(self, name: str) -> None:
        """Raises NotFoundError when there is no such tenant."""
        if name != OPERATOR_TENANT and await find_one(self, TENANT, "name", name) is None:
            raise NotFoundError(f"There is no tenant '{name}'.")

    async def check_connection(self, tenant: str, name: str) -> None:
        """Raises NotFoundError when the tenant has no such connection; everyone has the default one."""
        if name != DEFAULT_CONNECTION and await find_one(self, CONNECTION, "qualifiedName", f"{tenant}/{name}") is None:
            raise NotFoundError(f"The tenant '{tenant}' has no connection '{name}'.")

    async def _create_tenant(self, body: Json, request: Request, sent: Mapping[str, Json]) -> Representation:
        """Adds a tenant. Whoever has its name removes what is left of a namesake, so that nobody inherits it."""
        given = {"profile": "tolerant", "passwords": "discard", "state": "active"}
        name, state = sent.get("name"), None
        remains = await self._remains(name)
        if remains is not None:  # until they are gone, nobody does anything in the tenant
            state = orjson.loads((await self.creation(TENANT, body, request, given)).document)["state"]
            body = {**sent, "state": "suspended"}
        try:
            made = await super().create(TENANT, body, request, given)
        except UniquenessError:
            raise UniquenessError(f"The tenant '{name}' exists already.") from None
        if remains is None:
            return made
        following = _following(request)
        await self._empty(str(name), made.id, remains, following)
        await self._set_state(made.id, state, following)
        row = await self.stored(TENANT, made.id)
        return await self.represent(row, TENANT, self.projection(TENANT, request), request)

    async def _create_connection(self, body: Json, request: Request, name: str) -> Representation:
        try:
            return await super().create(CONNECTION, body, request, {"qualifiedName": name, "active": True})
        except UniquenessError:
            raise UniquenessError(f"The connection '{name}' exists already.") from None

    async def _create_webhook(self, body: Json, request: Request) -> Representation:
        if request.is_bulk:
            raise ForbiddenError("A secret shows in the answer to a POST of its own only, and never in a bulk answer.")
        done = await super().create(WEBHOOK, body, request, {"active": True})
        if self.webhook_made is None:
            return done
        secret = await self.webhook_made(done.id, orjson.loads(done.body)["tenant"])
        return done._replace(body=b'{"secret":' + orjson.dumps(secret) + b"," + done.body[1:])

    async def _credentials(self, tenant: str) -> Credentials:
        return [
            (resource_type, found["id"])
            for resource_type in (ACCESS_TOKEN, CONNECTION, WEBHOOK)
            async for found in find_all(self, resource_type, ("tenant", tenant))
        ]

    async def _remains(self, name: Json) -> Credentials | None:
        """What is left of a namesake, its credentials listed; None when there is nothing."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            return None
        credentials = await self._credentials(name)
        return credentials if credentials or not await self._installation.for_tenant(name).is_empty() else None

    async def _empty(self, name: str, tenant_id: str, credentials: Credentials, request: Request) -> None:
        for resource_type, resource_id in credentials:
            with suppress(NotFoundError):  # another deletion was faster
                await super().delete(resource_type, resource_id, request)
        try:
            await self._installation.for_tenant(name).clear(registration=tenant_id)
        except StoreError as error:
            raise in_scim_terms(error) from error

    async def _set_state(self, tenant_id: str, state: Json, request: Request) -> None:
        operation = {"op": "replace", "path": "state", "value": state}
        await self.patch(TENANT, tenant_id, {"schemas": [PATCH_OP], "Operations": [operation]}, request)

    async def _check_tenant_resource(self, resource: dict[str, Json], _current: Mapping[str, Json] | None) -> None:
        _check_name(resource["name"], "tenant")
        url = resource.get("publicUrl")
        if url is not None and not _is_base(url):
            raise InvalidValueError(f"'{url}' is no public URL: give it as https://scim.example.com")
        _check_numbers(resource.get("limits", {}))
        for rule in resource.get("guard", ()):
            _check_rule(rule)

    async def _check_connection_resource(self, resource: dict[str, Json], current: Mapping[str, Json] | None) -> None:
        _check_name(resource["name"], "connection")
        await self.check_tenant(resource["tenant"])
        if resource["tenant"] == OPERATOR_TENANT:
            raise InvalidValueError("The operator's tenant has no connections.")
        check_trust(resource, self.verifier_of(), current)
        await self._check_access(resource)

    async def _check_access_token(self, resource: dict[str, Json], current: Mapping[str, Json] | None) -> None:
        await self.check_tenant(resource["tenant"])
        await self.check_connection(resource["tenant"], resource.get("connection", DEFAULT_CONNECTION))
        await self._check_access(resource)
        _check_lifetime(resource, current or {})

    async def _check_webhook(self, resource: dict[str, Json], _current: Mapping[str, Json] | None) -> None:
        await self.check_tenant(resource["tenant"])
        if resource["tenant"] == OPERATOR_TENANT:
            raise InvalidValueError("The operator's tenant has no webhooks; its events are read at /scim/events.")
        if self.registry_of is not None:
            names_of_types(
                ",".join(resource.get("events", ())), known_types(await self.registry_of(resource["tenant"]))
            )
        if not _is_endpoint(resource["url"]):
            raise InvalidValueError(f"'{resource['url']}' is no endpoint: give it as https://app.example.com/hooks")
        if not 1 <= resource.get("batchSize", 1) <= MOST_IN_A_BATCH:
            raise InvalidValueError(f"'batchSize' is a number from 1 to {MOST_IN_A_BATCH}.")
        if resource.get("filter") and resource.get("scopes"):
            raise InvalidValueError("'filter' and 'scopes' exclude each other; a scope has a filter of its own.")
        await self._check_access({**resource, "scopes": webhook_scopes(resource)})

    async def _check_access(self, resource: Mapping[str, Json]) -> None:
        _check_numbers(resource)
        for network in resource.get("networks", ()):
            _check_network(network)
        scopes = scopes_of(resource.get("scopes", ()))
        if not scopes:
            return
        if resource["tenant"] == OPERATOR_TENANT:
            check_scopes(scopes, MANAGED_REGISTRY)
        elif self.registry_of is not None:
            check_scopes(scopes, await self.registry_of(resource["tenant"]))


_Rule = Callable[[OperatorResources, dict[str, Json], Mapping[str, Json] | None], Awaitable[None]]

_RULES: Final[Mapping[str, _Rule]] = {
    TENANT.name: OperatorResources._check_tenant_resource,  # noqa: SLF001  the rules of this class, by resource type
    CONNECTION.name: OperatorResources._check_connection_resource,  # noqa: SLF001
    ACCESS_TOKEN.name: OperatorResources._check_access_token,  # noqa: SLF001
    WEBHOOK.name: OperatorResources._check_webhook,  # noqa: SLF001
}


def webhook_scopes(subscription: Mapping[str, Json]) -> list[Json]:
    """The scopes of a subscription: those it has, or what its filter comes to."""
    if subscription.get("filter"):
        return [{"type": "User", "filter": subscription["filter"]}, {"type": ANY_TYPE}]
    return list(subscription.get("scopes", ()))


def _following(request: Request) -> Request:
    """What follows from a request that was allowed needs no further right."""
    return request._replace(permissions=UNRESTRICTED, if_match=None)


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


def _check_rule(rule: Mapping[str, Json]) -> None:
    if rule.get("number") is None and rule.get("share") is None:
        raise InvalidValueError("guard: a rule needs a 'number', a 'share', or both.")
    if rule.get("number", 0) < 0 or not 0 <= rule.get("share", 0) <= 1 or not 1 <= rule.get("window", 1) <= _MONTH:
        raise InvalidValueError("guard: 'number' is not negative, 'share' from 0 to 1, 'window' up to 31 days.")


def _check_choices(attributes: Iterable[Attribute], values: Mapping[str, Json]) -> None:
    """What the schema suggests is all that there is."""
    for attribute in attributes:
        value = values.get(attribute.name, ())
        for item in value if isinstance(value, list | tuple) else [value]:
            if attribute.canonical_values and item not in attribute.canonical_values:
                choices = ", ".join(attribute.canonical_values)
                raise InvalidValueError(f"'{attribute.name}' is one of {choices}, not '{item}'.")
            if attribute.is_complex:
                _check_choices(attribute.sub_attributes, item)


def _check_lifetime(resource: Mapping[str, Json], current: Mapping[str, Json]) -> None:
    expires = resource.get("expires")
    if expires is not None and resource.get("neverExpires") is True:
        raise InvalidValueError("'expires' and 'neverExpires' exclude each other.")
    if expires is None or expires == current.get("expires"):
        return
    lifetime = datetime.fromisoformat(instant(expires)) - datetime.now(UTC)
    if not timedelta() < lifetime <= LONGEST_LIFETIME + timedelta(minutes=1):
        raise InvalidValueError("A token lives for more than nothing, and for two years (730 days) at most.")


def _is_endpoint(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and not parts.fragment


def _is_base(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not any(mark in url for mark in "?#@")
