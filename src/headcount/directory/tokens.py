"""Access tokens: made, listed, revoked and verified. Only digests are kept (RFC 7644 §7.4)."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import orjson

from headcount.directory.actors import actor_text
from headcount.directory.identifiers import now
from headcount.directory.operator import decoded, find_all, find_one, request_of
from headcount.directory.operator_resources import LONGEST_LIFETIME, OperatorResources
from headcount.directory.operator_schemas import ACCESS_TOKEN, CONNECTION
from headcount.directory.token_expiry import days_left
from headcount.directory.token_use import TokenUse
from headcount.scim import urns
from headcount.scim.errors import InvalidValueError, NotFoundError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.folding import instant
from headcount.scim.profiles import STRICT
from headcount.scim.registry import USER
from headcount.scim.schemas import Json
from headcount.scim.scopes import Scope, scopes_of
from headcount.sealing import digest_of
from headcount.store.administration import DatabaseStore
from headcount.store.interface import DEFAULT_CONNECTION, Query, StoredResource, Target

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Access:
    """What a token opens."""

    token_id: str
    tenant: str
    user: str | None
    """The id of the user behind `/Me`."""
    expires: float
    """Seconds since the epoch; infinite when the token never expires."""
    connection: str = DEFAULT_CONNECTION
    profile: str | None = None
    """The client profile of the connection, where it has one of its own."""
    scopes: tuple[Scope, ...] = ()
    """What it may do; empty for everything."""
    networks: tuple[Network, ...] = ()
    """Where the client has to come from; empty for anywhere."""
    requests_per_second: float | None = None
    issuer: str = ""
    """The issuer outside whose token it is."""
    subject: str = ""
    """Whom that issuer speaks of."""

    @property
    def actor(self) -> str:
        """Who it is, as records keep it."""
        return actor_text(self.token_id, self.issuer, self.subject)

    def is_current(self) -> bool:
        """Whether the token has not expired."""
        return time.time() < self.expires

    def admits(self, address: str) -> bool:
        """Whether a client may come from this address."""
        if not self.networks:
            return True
        try:
            parsed: IPv4Address | IPv6Address = ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:  # as a socket for both families gives it
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


class AccessTokens:
    """The access tokens of an installation."""

    def __init__(self, store: DatabaseStore, operator: OperatorResources) -> None:
        self._store = store
        self._operator = operator
        self.use = TokenUse(store)

    async def create(
        self,
        tenant: str,
        name: str,
        *,
        lifetime: timedelta | None,
        user: str | None = None,
        connection: str | None = None,
        scopes: Sequence[Mapping[str, Json]] = (),
        networks: Sequence[str] = (),
        actor: str = "cli",
    ) -> tuple[str, dict[str, Json]]:
        """A new token and its resource. The token itself is nowhere kept; a lifetime of None never ends."""
        if lifetime is not None and not timedelta() < lifetime <= LONGEST_LIFETIME:
            raise InvalidValueError("A token lives for more than nothing, and for two years (730 days) at most.")
        await self._operator.check_tenant(tenant)
        body = {
            "schemas": [ACCESS_TOKEN.schema.id],
            "tenant": tenant,
            "name": name,
            "connection": connection,
            "expires": None if lifetime is None else (datetime.now(UTC) + lifetime).isoformat(),
            "neverExpires": True if lifetime is None else None,
            "user": await self._user(tenant, user) if user else None,
            "scopes": list(scopes) or None,
            "networks": list(networks) or None,
        }
        created = decoded(await self._operator.create(ACCESS_TOKEN, body, request_of(actor)))
        return created.pop("token"), _shown(created)

    async def list(self, tenant: str | None = None) -> list[dict[str, Json]]:
        """All tokens, or those of one tenant; raises NotFoundError when there is no such tenant."""
        if tenant is not None:
            await self._operator.check_tenant(tenant)
        equals = None if tenant is None else ("tenant", tenant)
        return [*await self.described([token async for token in find_all(self._operator, ACCESS_TOKEN, equals)])]

    async def described(self, tokens: Sequence[dict[str, Json]]) -> Sequence[dict[str, Json]]:
        """Tokens as they are shown: without digests, with their state and their last use."""
        last = await self.use.last([token["id"] for token in tokens])
        return [_shown(token) | ({"lastUsed": last[token["id"]]} if token["id"] in last else {}) for token in tokens]

    async def revoke(self, token_id: str, *, actor: str = "cli") -> dict[str, Json]:
        """Ends a token at once; raises NotFoundError."""
        patch = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        return _shown(decoded(await self._operator.patch(ACCESS_TOKEN, token_id, patch, request_of(actor))))

    async def verify(self, token: str) -> Access | None:
        """What the token opens, or None when it is unknown or revoked; expiry is for the caller to judge."""
        return await self.access_of(await find_one(self._operator, ACCESS_TOKEN, "digest", digest_of(token)))

    async def verify_id(self, token_id: str) -> Access | None:
        """What the token with an id opens, as `verify` does."""
        return await self.access_of(await self._operator.store.read(ACCESS_TOKEN.name, token_id, groups=False))

    async def access_of(self, row: StoredResource | None) -> Access | None:
        """What the token in a row opens, as `verify` does."""
        document = orjson.loads(row.document) if row is not None else {}
        if row is None or not document.get("active", True):
            return None
        connection = await self._connection(document)
        if connection is None:
            return None
        return Access(
            row.id,
            document["tenant"],
            document.get("user"),
            _epoch(document.get("expires")),
            document.get("connection", DEFAULT_CONNECTION),
            connection.get("profile"),
            scopes_of(document.get("scopes") or connection.get("scopes", ())),
            networks_of(document.get("networks") or connection.get("networks", ())),
            document.get("requestsPerSecond"),
        )

    async def _connection(self, token: Mapping[str, Json]) -> dict[str, Json] | None:
        """The connection of a token, empty for the default one; None when it is gone or shut."""
        name = token.get("connection", DEFAULT_CONNECTION)
        if name == DEFAULT_CONNECTION:
            return {}
        row = await find_one(self._operator, CONNECTION, "qualifiedName", f"{token['tenant']}/{name}")
        document: dict[str, Json] | None = None if row is None else orjson.loads(row.document)
        return document if document and document.get("active", True) else None

    async def _user(self, tenant: str, user_name: str) -> str:
        bound = bind_filter(Comparison("userName", Operator.EQ, user_name), USER, STRICT)
        page = await self._store.for_tenant(tenant).search(Query((Target(USER, bound),), 1, total=False, groups=False))
        if not page.resources:
            raise NotFoundError(f"There is no user '{user_name}' in the tenant '{tenant}'.")
        return page.resources[0].id


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Address ranges as texts, read."""
    return tuple(ip_network(text, strict=False) for text in texts)


def _epoch(expires: str | None) -> float:
    return datetime.fromisoformat(instant(expires)).timestamp() if expires else math.inf


def _shown(token: dict[str, Json]) -> dict[str, Json]:
    """A token without its digest, with its state, and the days that are left when they are few."""
    expires = token.get("expires")
    expired = expires is not None and instant(expires) <= now()
    state = "expired" if expired else "active" if token.get("active", True) else "revoked"
    left = days_left(token)
    shown = {name: value for name, value in token.items() if name != "digest"} | {"state": state}
    return shown if left is None else shown | {"daysLeft": left}
