"""The request log: the last requests of each tenant, told so that people understand what a client did.

Requests only put what they have aside; what is made of it (redaction, tolerations, the outcome in words) and keeping it
happen beside them, every second, for some of each tenant. Most requests of a busy second are let go of at once.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import orjson
import structlog

from headcount.directory.actors import actor_told
from headcount.directory.addressed import addressed
from headcount.directory.guard.held import HELD
from headcount.directory.operator_schemas import OPERATOR_REGISTRY
from headcount.directory.redaction import REDACTED, names_secret, redacted, secrets_of
from headcount.directory.tenant import RequestLogPolicy
from headcount.directory.tenants import Tenants
from headcount.scim.applied import applied_to_body, applied_to_filter, applied_to_patch, in_words
from headcount.scim.errors import NotFoundError, ScimError
from headcount.scim.profiles import PROFILES, Toleration
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoreError
from headcount.store.keeping import Line, TenantKeeping

REQUESTS: Final = "request"
"""The name of the log; its key is the request's id."""
BETWEEN: Final = 1.0
"""Seconds."""
MOST: Final = 100
"""Requests of one tenant that are kept of each second: the first ones, and as many refused ones."""
KEPT: Final = 1_000
"""Requests of one tenant that are kept."""
MOST_BODY: Final = 16 * 1024
"""Bytes of a body that are kept."""
_LOOKING: Final = 0.1
"""Seconds of each that are spent on looking for tolerations."""
_READ_BODY: Final = 64 * 1024
"""Bytes of a body past which it is not looked into."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer, as they were."""

    at: str
    request_id: str
    method: str
    path: str
    query: str
    status: int
    seconds: float
    actor: str
    connection: str
    address: str
    profile: str
    policy: RequestLogPolicy
    body: bytes
    answer: bytes


_Buffers: TypeAlias = tuple[list[Callable[[], Exchange]], list[Callable[[], Exchange]]]
"""Of one tenant, answered and refused ones."""


class RequestLog:
    """The last requests of all tenants."""

    def __init__(self, store: DatabaseStore, tenants: Tenants) -> None:
        self._store = store
        self._tenants = tenants
        self._buffers: dict[str, _Buffers] = {}

    def has_room(self, tenant: str, *, refused: bool) -> bool:
        """Whether one more request of this second is kept, an answered or a refused one."""
        buffers = self._buffers.get(tenant)
        return buffers is None or len(buffers[refused]) < MOST

    def note(self, tenant: str, exchange: Callable[[], Exchange], *, refused: bool) -> None:
        """Puts a request aside, to be looked at later."""
        self._buffers.setdefault(tenant, ([], []))[refused].append(exchange)

    async def list(self, tenant: str, *, after: int = 0, limit: int = 50) -> list[dict[str, Json]]:
        """The last requests in the order they came, or those behind a sequence; raises NotFoundError."""
        store = await self._store_of(tenant)
        if after:
            lines = await store.lines(REQUESTS, after=after, limit=limit)
        else:
            lines = list(reversed(await store.lines(REQUESTS, newest_first=True, limit=limit)))
        return [{"sequence": line.sequence, "at": line.at, **orjson.loads(line.value)} for line in lines]

    async def get(self, tenant: str, request_id: str) -> dict[str, Json]:
        """One request, by its id; raises NotFoundError."""
        store = await self._store_of(tenant)
        lines = await store.lines(REQUESTS, key=request_id, newest_first=True, limit=1)
        if not lines:
            raise NotFoundError(f"The request '{request_id}' is not, or no longer, in the log.")
        return {"sequence": lines[0].sequence, "at": lines[0].at, **orjson.loads(lines[0].value)}

    async def flush(self) -> None:
        """Keeps what is in the buffers; raises StoreError, and it is lost."""
        buffers, self._buffers = self._buffers, {}
        for tenant, (answered, refused) in buffers.items():
            store = self._store.for_tenant(tenant)
            with suppress(NotFoundError):  # the tenant is gone
                registry = await self._registry(tenant)
                exchanges = sorted((exchange() for exchange in (*answered, *refused)), key=lambda item: item.at)
                holds = bool(await store.entries(HELD, limit=1))
                look = _Look(store, registry, secrets_of(registry), time.monotonic() + _LOOKING, holds=holds)
                told = [(item, await _told(item, look)) for item in exchanges]
                lines = [Line(item.at, text, item.request_id) for item, text in told]
                await store.append(REQUESTS, lines)
                await store.trim(REQUESTS, keep=KEPT)

    async def keep_flushing(self) -> None:
        """Keeps what is in the buffers every second, until it is cancelled."""
        while True:
            await asyncio.sleep(BETWEEN)
            try:
                await self.flush()
            except StoreError as error:
                structlog.get_logger().warning("requests_not_kept", reason=str(error))

    async def flush_at_last(self) -> None:
        """Keeps what is in the buffers before the process ends, if the database takes it."""
        with suppress(StoreError):
            await self.flush()

    async def _registry(self, tenant: str) -> Registry:
        return OPERATOR_REGISTRY if tenant == OPERATOR_TENANT else await self._tenants.registry(tenant)

    async def _store_of(self, tenant: str) -> TenantKeeping:
        if tenant != OPERATOR_TENANT:
            await self._tenants.get(tenant)
        return self._store.for_tenant(tenant)


@dataclass(frozen=True, slots=True)
class _Look:
    """What requests of one tenant are looked at with."""

    store: TenantKeeping
    registry: Registry
    secrets: frozenset[str]
    deadline: float
    """Until when tolerations are looked for, so that others are served as well."""
    holds: bool
    """Whether the guard holds any change."""


async def _told(item: Exchange, look: _Look) -> bytes:
    """A request as it is kept."""
    await asyncio.sleep(0)
    resource_type, resource_id = addressed(item.path, look.registry)
    secrets = look.secrets
    body = _decoded(item.body)
    told: dict[str, Any] = {
        "requestId": item.request_id,
        "method": item.method,
        "path": item.path,
        "query": REDACTED if names_secret(item.query, secrets) else item.query,
        "status": item.status,
        "milliseconds": round(item.seconds * 1000, 2),
        **actor_told(item.actor),
        "connection": item.connection,
        "address": item.address,
        "outcome": await _outcome(item, look, resource_type, resource_id),
        "tolerations": [],
    }
    if time.monotonic() < look.deadline and len(item.body) <= MOST_BODY:
        found = await _applied(item, body, resource_type, resource_id, look.store)
        told["tolerations"] = [in_words(toleration) for toleration in found]
    if _keeps_bodies(item.policy, told):
        told["body"] = _bounded(redacted(body, secrets))
        told["answer"] = _bounded(redacted(_decoded(item.answer), secrets))
    return orjson.dumps(told)


def _keeps_bodies(policy: RequestLogPolicy, told: Mapping[str, Json]) -> bool:
    """Whether bodies are kept of a request that is told so."""
    is_plain = told["outcome"] in _PLAIN and not told["tolerations"]
    return policy is RequestLogPolicy.BODIES or (policy is RequestLogPolicy.FAILURES and not is_plain)


async def _outcome(item: Exchange, look: _Look, resource_type: ResourceType | None, resource_id: str) -> str:
    """How it ended, in plain words."""
    if item.status < 400:  # noqa: PLR2004
        may_be_held = look.holds and item.method in _MAY_BE_HELD
        held = await _held(item, look.store, resource_type, resource_id) if may_be_held else ""
        return held or _of_bulk(item) or _DONE.get(item.status, _JUST_DONE)
    answer = _decoded(item.answer)
    detail = answer.get("detail", "") if isinstance(answer, Mapping) else ""
    words = f"refused: {detail}" if item.status < 500 else f"failed: {detail}"  # noqa: PLR2004
    if item.status == 409 and ", by the resource " in detail and resource_type is not None:  # noqa: PLR2004
        owner = detail.rpartition(", by the resource ")[2].rstrip(".")
        row = await look.store.read(resource_type.name, owner, groups=False)
        if row is not None:
            words = f"{words.rstrip('.')}, made by the connection '{row.connection}'."
    return words


async def _held(item: Exchange, store: TenantKeeping, resource_type: ResourceType | None, resource_id: str) -> str:
    """Why the guard holds what the client was told is done; empty when it does not."""
    prefix = f"{resource_type.name}/{resource_id}/" if resource_type is not None else "-"
    held = (orjson.loads(entry.value) for entry in await store.entries(HELD, prefix=prefix))
    return next((f"held back: {change['reason']}" for change in held if change["requestId"] == item.request_id), "")


def _of_bulk(item: Exchange) -> str:
    """How many operations of a bulk request were refused; empty when none was."""
    answer = _decoded(item.answer) if item.path.endswith("/Bulk") else None
    operations = answer.get("Operations", ()) if isinstance(answer, Mapping) else ()
    refused = sum(operation["status"] >= "400" for operation in operations)
    return f"done, but {refused} of {len(operations)} operations were refused" if refused else ""


_MAY_BE_HELD: Final = frozenset({"PUT", "PATCH", "DELETE"})
_JUST_DONE: Final = "done"
_DONE: Final = {201: "created", 204: "done, nothing to say", 304: "not changed since"}
_PLAIN: Final = frozenset({_JUST_DONE, *_DONE.values()})


async def _applied(
    item: Exchange, body: Json, resource_type: ResourceType | None, resource_id: str, store: TenantKeeping
) -> list[Toleration]:
    """The tolerations that the request was in need of."""
    profile = PROFILES[item.profile]
    if resource_type is None or not profile.tolerations:
        return []
    try:
        if item.method in ("POST", "PUT") and isinstance(body, Mapping) and ".search" not in item.path:
            return applied_to_body(body, resource_type, profile)
        if item.method == "PATCH" and isinstance(body, Mapping):
            row = await store.read(resource_type.name, resource_id, groups=False)
            current = orjson.loads(row.document) if row else {"schemas": [resource_type.schema.id], "id": resource_id}
            return applied_to_patch(body, current, resource_type, profile)
        text = dict(parse_qsl(item.query)).get("filter")
        return applied_to_filter(text, resource_type, profile) if text else []
    except (ScimError, ValueError):
        return []


def _decoded(body: bytes) -> Json:
    if not body or len(body) > _READ_BODY:
        return f"[{len(body)} bytes]" if body else None
    try:
        return orjson.loads(body)
    except ValueError:  # what it holds is not known, and could be a secret
        return f"[{len(body)} bytes that are no JSON]"


def _bounded(body: Json) -> Json:
    """A body no larger than is kept."""
    size = len(orjson.dumps(body))
    return body if size <= MOST_BODY else f"[{size} bytes]"
