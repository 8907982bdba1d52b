"""Access tokens: made, listed, revoked and verified. Only digests are kept (RFC 7644 §7.4)."""

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson

from headcount.directory.identifiers import now
from headcount.directory.operator import decoded, find_all, find_one, request_of
from headcount.directory.operator_schemas import ACCESS_TOKEN, TENANT
from headcount.directory.resources import Resources
from headcount.scim import urns
from headcount.scim.errors import InvalidValueError, NotFoundError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.folding import instant
from headcount.scim.profiles import STRICT
from headcount.scim.registry import USER
from headcount.scim.schemas import Json
from headcount.sealing import digest_of, new_token
from headcount.store.interface import Query, Store, Target

LONGEST: Final = timedelta(days=2 * 365)


@dataclass(frozen=True, slots=True)
class Access:
    """What a token opens."""

    token_id: str
    tenant: str
    user: str | None
    """The id of the user behind `/Me`."""
    expires: float
    """Seconds since the epoch; infinite when the token never expires."""

    def is_current(self) -> bool:
        """Whether the token has not expired."""
        return time.time() < self.expires


class AccessTokens:
    """The access tokens of an installation."""

    def __init__(self, store: Store, operator: Resources) -> None:
        self._store = store
        self._operator = operator

    async def create(
        self, tenant: str, name: str, *, lifetime: timedelta | None, user: str | None = None, actor: str = "cli"
    ) -> tuple[str, dict[str, Json]]:
        """A new token and its resource. The token itself is nowhere kept; a lifetime of None never ends."""
        if lifetime is not None and not timedelta() < lifetime <= LONGEST:
            raise InvalidValueError("A token lives for more than nothing, and for two years (730 days) at most.")
        await self._check_tenant(tenant)
        token = new_token()
        expires = None if lifetime is None else (datetime.now(UTC) + lifetime).isoformat()
        body = {
            "schemas": [ACCESS_TOKEN.schema.id],
            "tenant": tenant,
            "name": name,
            "digest": digest_of(token),
            "expires": expires,
            "user": await self._user(tenant, user) if user else None,
            "active": True,
        }
        return token, _shown(decoded(await self._operator.create(ACCESS_TOKEN, body, request_of(actor))))

    async def list(self, tenant: str | None = None) -> list[dict[str, Json]]:
        """All tokens, or those of one tenant; raises NotFoundError when there is no such tenant."""
        if tenant is not None:
            await self._check_tenant(tenant)
        equals = None if tenant is None else ("tenant", tenant)
        return [_shown(token) async for token in find_all(self._operator, ACCESS_TOKEN, equals)]

    async def revoke(self, token_id: str, *, actor: str = "cli") -> dict[str, Json]:
        """Ends a token at once; raises NotFoundError."""
        patch = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": False}]}
        return _shown(decoded(await self._operator.patch(ACCESS_TOKEN, token_id, patch, request_of(actor))))

    async def verify(self, token: str) -> Access | None:
        """What the token opens, or None when it is unknown or revoked; expiry is for the caller to judge."""
        row = await find_one(self._operator, ACCESS_TOKEN, "digest", digest_of(token))
        if row is None:
            return None
        document = orjson.loads(row.document)
        if not document.get("active", True):
            return None
        expires = document.get("expires")
        return Access(row.id, document["tenant"], document.get("user"), _epoch(expires))

    async def _check_tenant(self, tenant: str) -> None:
        if await find_one(self._operator, TENANT, "name", tenant) is None:
            raise NotFoundError(f"There is no tenant '{tenant}'.")

    async def _user(self, tenant: str, user_name: str) -> str:
        bound = bind_filter(Comparison("userName", Operator.EQ, user_name), USER, STRICT)
        page = await self._store.for_tenant(tenant).search(Query((Target(USER, bound),), 1, total=False, groups=False))
        if not page.resources:
            raise NotFoundError(f"There is no user '{user_name}' in the tenant '{tenant}'.")
        return page.resources[0].id


def _epoch(expires: str | None) -> float:
    return datetime.fromisoformat(instant(expires)).timestamp() if expires else math.inf


def _shown(token: dict[str, Json]) -> dict[str, Json]:
    """A token as it is shown: without the digest, with its state."""
    expires = token.get("expires")
    expired = expires is not None and instant(expires) <= now()
    state = "expired" if expired else "active" if token.get("active", True) else "revoked"
    return {name: value for name, value in token.items() if name != "digest"} | {"state": state}
