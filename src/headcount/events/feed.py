"""The change feed and the snapshot it goes on from: what happened in one tenant, in order, from any position.

A consumer takes a snapshot, which tells the position that was read before its first page, and then reads the feed
from there. Events no newer than the version it has it skips; its copy is then equal to the directory.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from headcount.events.listening import Listener, Sight, heard, lock_outs_of, members_seen
from headcount.events.notifier import Notifier
from headcount.events.telling import INACTIVE, tells_members
from headcount.events.types import EVENT_TYPES, LOCKED_OUT, VERBS, Event, prefix_of
from headcount.scim.errors import InvalidValueError, ScimError
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.scopes import Operation, Permission, Permissions
from headcount.store.interface import Position, Query, StoredResource, Target
from headcount.store.keeping import Line, Put, TenantKeeping

LOOK_AGAIN: Final = 1.0
"""Seconds after which changes made by other processes are looked for."""
CONSUMERS: Final = "consumer"
"""The collection of named consumers."""
ACKNOWLEDGED: Final = "acknowledged"
"""The log of what they acknowledged, by consumer."""
MOST_CONSUMERS: Final = 1_000
_ROWS_AT_A_TIME: Final = 1_000
_WINDOW: Final = 10_000
"""Positions among which lock-outs are looked for at a time."""
_SCAN: Final = 1.0
"""Seconds for which rows that are not wanted are passed over at once; then the listener is told how far that went."""


class ResnapshotError(ScimError):
    """resnapshot: what followed this position is not kept any more; take a new snapshot and go on from there."""

    status = 410


@dataclass(frozen=True, slots=True)
class Wish:
    """Which events a listener wants."""

    types: frozenset[str] = frozenset()
    """Names of event types, or their beginnings with `*` behind (`user.*`); empty for all."""
    resource_id: str = ""
    limit: int = 100
    """Rows of the change log that are looked at for one answer, nearly always as many events."""

    def wants(self, event: Event) -> bool:
        """Whether it is asked for."""
        return not self.types or event.type in self.types or f"{event.type.partition('.')[0]}.*" in self.types


@dataclass(frozen=True, slots=True)
class Batch:
    """Some events, and where to go on."""

    events: Sequence[Event]
    next: int
    """The position to read on from."""
    more: bool
    """Whether there is more to read at once."""


@dataclass(frozen=True, slots=True)
class Item:
    """One resource of a snapshot."""

    type: str
    id: str
    version: int
    document: bytes
    """As events carry it in `after`."""
    members: tuple[str, ...] | None = None
    """The ids of a group's members; None for what is no group, or when they may not be read."""


@dataclass(frozen=True, slots=True)
class SnapshotPlace:
    """Where a snapshot goes on."""

    position: int
    type: str = ""
    after: str = ""


class Feed:
    """The feed of one tenant."""

    def __init__(
        self,
        store: TenantKeeping,
        tenant: str,
        registry: Registry,
        notifier: Notifier,
        sight_of: Callable[[Permissions], Sight],
    ) -> None:
        self._store = store
        self._tenant = tenant
        self._registry = registry
        self._notifier = notifier
        self._sight_of = sight_of

    async def position(self) -> int:
        """The position behind the last change that was committed."""
        while await self._store.sequence_changes():
            pass
        return await self._store.last_position()

    async def read(self, after: int, wish: Wish, permissions: Permissions, *, wait: float = 0.0) -> Batch:
        """What followed a position, waiting for so many seconds when there is nothing yet.

        Raises ResnapshotError for a position of which not all that followed is kept.
        """
        began = time.monotonic()
        while True:
            seen = self._notifier.seen(self._tenant)
            batch = await self._batch(after, wish, permissions)
            left = began + (_SCAN if batch.more else 0.0) + wait - time.monotonic()
            if batch.events or left <= 0:
                return batch
            after = batch.next
            if not batch.more:
                await self._notifier.wait(self._tenant, min(left, LOOK_AGAIN), seen)

    async def acknowledge(self, consumer: str, position: int | None, *, at: str, actor: str) -> None:
        """Keeps how far a named consumer has come, and since when; None forgets the consumer."""
        if position is None:
            await self._store.put([Put(CONSUMERS, consumer, None)])
            return
        if not 0 <= position <= await self.position():
            raise InvalidValueError(f"There is no position {position} yet.")
        known = await self._store.entries(CONSUMERS, limit=MOST_CONSUMERS)
        if len(known) >= MOST_CONSUMERS and consumer not in {entry.key for entry in known}:
            raise InvalidValueError(f"There are {MOST_CONSUMERS} consumers already; forget one with a null position.")
        value = orjson.dumps({"position": position, "at": at, "actor": actor})
        await self._store.append(ACKNOWLEDGED, [Line(at, value, consumer)])
        await self._store.put([Put(CONSUMERS, consumer, value)])

    async def consumers(self) -> list[dict[str, object]]:
        """How far each named consumer has come."""
        entries = await self._store.entries(CONSUMERS)
        return [{"consumer": entry.key, **orjson.loads(entry.value)} for entry in entries]

    async def snapshot(
        self, kinds: Sequence[ResourceType], place: SnapshotPlace | None, limit: int, permissions: Permissions
    ) -> tuple[SnapshotPlace, list[Item], SnapshotPlace | None]:
        """A page of everything: where it began, the resources, and where it goes on if it does."""
        place = place or SnapshotPlace(await self.position())
        names = [kind.name for kind in kinds]
        remaining = kinds[names.index(place.type) :] if place.type in names else kinds
        items: list[Item] = []
        after = place.after
        for kind in remaining:
            rows, last = await self._rows(kind, after, limit - len(items), permissions)
            items += [await self._item(row, permissions.of(kind), self._listener(permissions)) for row in rows]
            if last is not None:
                return place, items, SnapshotPlace(place.position, kind.name, last.id)
            after = ""
            if len(items) >= limit and kind is not remaining[-1]:
                following = remaining[remaining.index(kind) + 1]
                return place, items, SnapshotPlace(place.position, following.name)
        return place, items, None

    async def _batch(self, after: int, wish: Wish, permissions: Permissions) -> Batch:
        await self._store.sequence_changes()
        if after < await self._store.first_position() - 1:
            raise ResnapshotError
        limit = min(wish.limit, _ROWS_AT_A_TIME)
        listener = self._listener(permissions)
        if wish.types == {LOCKED_OUT}:
            return await self._lock_outs(after, wish.resource_id, limit, listener)
        rows = await self._store.changes_after(after, limit=limit, resource_id=wish.resource_id)
        if not rows and after > await self._store.last_position():
            raise ResnapshotError  # the database was put back to what it was before
        events = [event async for event in heard(self._store, rows, listener) if wish.wants(event)]
        return Batch(events, rows[-1].position if rows else after, len(rows) == limit)

    async def _lock_outs(self, after: int, resource_id: str, limit: int, listener: Listener) -> Batch:
        """Ahead of everything: no rows are read but those that may be some."""
        last = await self._store.last_position()
        if after > last:
            raise ResnapshotError
        until = min(last, after + _WINDOW)
        if until == after:
            return Batch((), after, more=False)
        rows = await self._store.changes_after(
            after, until=until, limit=limit, types=("User",), resource_id=resource_id, marked=INACTIVE
        )
        reached = rows[-1].position if len(rows) == limit else until
        return Batch(list(lock_outs_of(rows, listener)), reached, more=reached < last)

    def _listener(self, permissions: Permissions) -> Listener:
        return Listener(self._tenant, self._registry, permissions, self._sight_of(permissions))

    async def _rows(
        self, kind: ResourceType, after: str, limit: int, permissions: Permissions
    ) -> tuple[Sequence[StoredResource], Position | None]:
        permission = permissions.of(kind)
        if not permission.may(Operation.READ):
            return (), None
        position = Position(None, after) if after else None
        query = Query((Target(kind, permission.fence),), limit, after=position, total=False, groups=False)
        page = await self._store.search(query)
        return page.resources, page.last

    async def _item(self, row: StoredResource, permission: Permission, listener: Listener) -> Item:
        document = row.document
        if not permission.projection.is_verbatim:
            document = orjson.dumps(permission.projection.apply(orjson.loads(document)))
        members = await self._members(row, listener) if tells_members(permission) else None
        return Item(row.type, row.id, row.version, document, members)

    async def _members(self, row: StoredResource, listener: Listener) -> tuple[str, ...]:
        if not row.member_count:
            return ()
        pages = members_seen(self._store, row.id, listener)
        return tuple([member async for page in pages for member in page])


def known_types(registry: Registry) -> frozenset[str]:
    """The names of all event types of a tenant, those of its own resource types too."""
    custom = {f"{prefix_of(kind.name)}.{verb}" for kind in registry.resource_types for verb in VERBS}
    return frozenset(custom.union(item.name for item in EVENT_TYPES))


def names_of_types(text: str, known: Collection[str]) -> frozenset[str]:
    """The event types in a list of names separated by commas; raises InvalidValueError for an unknown one."""
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    families = {f"{name.partition('.')[0]}.*" for name in known}
    unknown = names - families - set(known)
    if unknown:
        raise InvalidValueError(f"There is no event type '{min(unknown)}'.")
    return names
