"""The record of who did what: sealed, verified, listed, exported, and emptied where the law asks for it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import orjson
import structlog

from headcount.directory.actors import actor_told
from headcount.directory.addressed import addressed
from headcount.directory.adoption import traces_of
from headcount.directory.audit.records import CHAINS, CHANGES, ERASED, REFUSALS, REFUSED, Chain
from headcount.directory.audit.sealing import SealedChain, TamperedError, head_of
from headcount.directory.identifiers import holder, now
from headcount.directory.managed import MANAGED_REGISTRY
from headcount.directory.request_log import REQUESTS
from headcount.directory.tenants import Tenants
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError
from headcount.scim.folding import instant
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoreError
from headcount.store.keeping import ChangeRow, Line, TenantKeeping

BETWEEN: Final = 5.0
"""Seconds between two looks for what is to be sealed; longer where a look takes long."""
REFUSED_KEPT: Final = 100_000
"""Refused attempts of a tenant that outlast an hour."""
_SHARE: Final = 4
"""A look for what is to be sealed is followed by a pause of so many times its length."""
_LEASE: Final = "audit"
_WINDOW: Final = 1_000
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; empty for any."""

    actor: str = ""
    """The id of a token or connection, or whom an issuer outside speaks of."""
    connection: str = ""
    type: str = ""
    id: str = ""
    action: str = ""
    request_id: str = ""
    since: str = ""
    """UTC, fixed width; see `instant_asked`."""
    until: str = ""
    before: int = 0
    """Only entries with smaller numbers: how a list goes on."""

    def admits(self, entry: dict[str, Json]) -> bool:
        """Whether an entry is asked for."""
        asked = (
            ("connection", self.connection),
            ("type", self.type),
            ("id", self.id),
            ("action", self.action),
            ("requestId", self.request_id),
        )
        fits = all(not value or entry.get(name) == value for name, value in asked)
        actors = (entry.get("actor"), entry.get("actorDetail", {}).get("subject"))
        fits = fits and (not self.actor or self.actor in actors)
        return fits and (not self.since or entry["at"] >= self.since) and (not self.until or entry["at"] < self.until)


def instant_asked(text: str) -> str:
    """An instant as entries have it, from a date or a date with a time; empty for none. Raises InvalidValueError."""
    try:
        return instant(f"{text}T00:00:00Z" if _DATE.fullmatch(text) else text) if text else ""
    except ValueError:
        raise InvalidValueError(f"'{text}' is no instant; write 2026-01-31 or 2026-01-31T08:30:00Z.") from None


def number_of(entry: dict[str, Json]) -> int:
    """An entry's place in the order of its tenant."""
    number: int = entry.get("position") or entry["sequence"]
    return number


class Audit:
    """The audit of an installation."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, key: bytes) -> None:
        self._store = store
        self._tenants = tenants
        self._key = key

    async def check(self, tenant: str) -> None:
        """Raises NotFoundError for a tenant that is not there."""
        await self._store_of(tenant)

    async def verify(self, tenant: str | None = None, heads: Sequence[str] = ()) -> list[dict[str, Json]]:
        """What the verification of every chain found, of one tenant or all; heads are what it said earlier.

        Raises NotFoundError, also for the head of a tenant that is not verified, and InvalidValueError.
        """
        if tenant is not None:
            await self.check(tenant)
        names = [tenant] if tenant else await self._names()
        noted = [head_of(text) for text in heads]
        for head in noted:
            if head.tenant not in names:
                raise NotFoundError(f"The head {head} is of a tenant that is not there, or not verified here.")
        found = []
        for chain in (self._chain(name, chain) for name in names for chain in CHAINS):
            verified = await chain.verify([head for head in noted if head.tenant == chain.tenant])
            found.append({"tenant": chain.tenant, **asdict(verified)})
        return found

    async def entries(
        self, tenant: str, wanted: Wanted, *, refused: bool = False, newest_first: bool = True
    ) -> AsyncIterator[dict[str, Json]]:
        """Entries of accepted changes, or of refused attempts; raises NotFoundError."""
        store = await self._store_of(tenant)
        registry = await self._registry(tenant) if refused else None
        found = _refused(store, wanted, newest_first) if refused else _accepted(store, wanted, newest_first)
        async for kept in found:
            entry = _attempt(kept, registry) if isinstance(kept, Line) else _change(kept)
            if newest_first and wanted.since and entry["at"] < wanted.since:
                return
            if wanted.admits(entry):
                yield entry if isinstance(kept, Line) else entry | _content(kept)

    async def erase(self, tenant: str, type_name: str, resource_id: str, *, actor: str, request_id: str = "") -> int:
        """Empties every record of a deleted resource, and says so in the log; gives how many had content.

        The last requests of the tenant go as well: their bodies may speak of anybody. Raises NotFoundError, and
        ConflictError for a resource that is there.
        """
        store = await self._store_of(tenant)
        if await store.read(type_name, resource_id, groups=False) is not None:
            raise ConflictError(f"Delete the {type_name} first: what is there is not erased.")
        await self.seal(tenant)
        value = orjson.dumps({"resource": f"{type_name}/{resource_id}"})
        await store.mark(ERASED, value, at=now(), actor=actor, request_id=request_id)
        erased = await store.erase_changes(type_name, resource_id)
        rows = [row async for row in _all_of(store, resource_id)]
        await self._chain(tenant, CHANGES).forget_salts({row.position for row in rows if row.type == type_name})
        await store.put(await traces_of(store, type_name, resource_id))
        await store.trim(REQUESTS, before=now())
        return erased

    async def seal(self, tenant: str) -> int:
        """Seals what is committed in a tenant; gives how many records."""
        return sum([await self._chain(tenant, chain).seal() for chain in CHAINS])

    async def forget(self, tenant: str, before: str) -> int:
        """Removes records older than an instant, and leaves signed checkpoints in their place; gives how many.

        What was tampered with stays, and is told of.
        """
        await self.seal(tenant)
        removed = 0
        for chain, instant_ in ((CHANGES, before), (REFUSALS, max(before, await self._too_many(tenant)))):
            try:
                removed += await self._chain(tenant, chain).forget(instant_)
            except TamperedError:
                structlog.get_logger().error("audit_tampered", tenant=tenant, chain=chain.name)
        return removed

    async def keep_sealing(self) -> None:
        """Seals every few seconds, where no other process does, until it is cancelled."""
        operator = self._store.for_tenant(OPERATOR_TENANT)
        while True:
            started = time.monotonic()
            try:
                if await operator.lease(_LEASE, holder(), seconds=BETWEEN * 4):
                    for name in await self._names():
                        await self.seal(name)
                        await asyncio.sleep(0)
            except StoreError as error:
                structlog.get_logger().warning("audit_not_sealed", reason=str(error))
            await asyncio.sleep(max(BETWEEN, (time.monotonic() - started) * _SHARE))

    async def _too_many(self, tenant: str) -> str:
        """The instant before which refused attempts are more than are kept; empty when they are not."""
        store, before, left = self._store.for_tenant(tenant), None, REFUSED_KEPT
        while lines := await store.lines(REFUSED, before=before, newest_first=True, limit=_WINDOW):
            left -= len(lines)
            if left <= 0:
                return lines[-1].at
            before = lines[-1].sequence
        return ""

    def _chain(self, tenant: str, chain: Chain) -> SealedChain:
        return SealedChain(self._store.for_tenant(tenant), tenant, chain, self._key)

    async def _names(self) -> list[str]:
        return [OPERATOR_TENANT, *(tenant["name"] for tenant in await self._tenants.list())]

    async def _store_of(self, tenant: str) -> TenantKeeping:
        if tenant != OPERATOR_TENANT:
            await self._tenants.get(tenant)
        return self._store.for_tenant(tenant)

    async def _registry(self, tenant: str) -> Registry:
        return MANAGED_REGISTRY if tenant == OPERATOR_TENANT else await self._tenants.registry(tenant)


async def _accepted(store: TenantKeeping, wanted: Wanted, newest_first: bool) -> AsyncIterator[ChangeRow]:  # noqa: FBT001
    await store.sequence_changes()
    if wanted.id and newest_first:
        rows = [row async for row in _all_of(store, wanted.id)]
        for row in reversed(rows):
            if not wanted.before or row.position < wanted.before:
                yield row
    elif newest_first:
        async for row in _backwards(store, wanted.before):
            yield row
    else:
        async for row in _all_of(store, wanted.id):
            yield row


async def _backwards(store: TenantKeeping, before: int) -> AsyncIterator[ChangeRow]:
    """All changes with positions before one, or all, the newest first."""
    first, last = await store.first_position(), await store.last_position()
    last = min(last, before - 1) if before else last
    while last > 0 and last >= first:
        begin = max(last - _WINDOW, 0)
        for row in reversed(await store.changes_after(begin, until=last, limit=_WINDOW)):
            yield row
        last = begin
        await asyncio.sleep(0)  # others want to be served as well


async def _all_of(store: TenantKeeping, resource_id: str) -> AsyncIterator[ChangeRow]:
    """All changes of one resource, or of all, the oldest first."""
    after = 0
    while page := await store.changes_after(after, resource_id=resource_id, limit=_WINDOW):
        for row in page:
            yield row
        after = page[-1].position
        await asyncio.sleep(0)


async def _refused(store: TenantKeeping, wanted: Wanted, newest_first: bool) -> AsyncIterator[Line]:  # noqa: FBT001
    after, before = 0, wanted.before or None
    while lines := await _lines(store, after, before, newest_first=newest_first):
        for line in lines:
            yield line
        if newest_first:
            before = lines[-1].sequence
        else:
            after = lines[-1].sequence
        await asyncio.sleep(0)


async def _lines(store: TenantKeeping, after: int, before: int | None, *, newest_first: bool) -> Sequence[Line]:
    return await store.lines(REFUSED, after=after, before=before, newest_first=newest_first, limit=_WINDOW)


def _change(row: ChangeRow) -> dict[str, Json]:
    return {
        "position": row.position,
        "at": row.at,
        "outcome": "accepted",
        "action": row.kind,
        "type": row.type,
        "id": row.id,
        "version": row.version,
        **actor_told(row.actor),
        "connection": row.connection,
        "requestId": row.request_id,
    }


def _content(row: ChangeRow) -> dict[str, Json]:
    """What a change was, as far as it was not erased."""
    documents = (("before", row.before), ("after", row.after))
    content: dict[str, Any] = {name: orjson.loads(text) for name, text in documents if text is not None}
    return content | {
        name: list(members) for name, members in (("added", row.added), ("removed", row.removed)) if members
    }


def _attempt(line: Line, registry: Registry | None) -> dict[str, Json]:
    entry = {"sequence": line.sequence, "at": line.at, "outcome": "refused", **orjson.loads(line.value or b"{}")}
    if registry is not None and entry.get("target"):
        resource_type, resource_id = addressed(entry["target"], registry)
        about = {"type": resource_type.name if resource_type else "", "id": resource_id}
        entry |= {name: value for name, value in about.items() if value}
    return entry
