"""From the change log into queues: each event once for each subscription that is to hear of it.

How far a subscription has come is written in the transaction that queues its events, so that a crash neither loses
nor repeats any.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from headcount.events.listening import heard, lock_outs_of
from headcount.events.telling import INACTIVE, text_of
from headcount.events.types import SNAPSHOT_NEEDED, Event
from headcount.events.webhooks.subscription import PROGRESS, TROUBLE, Subscription, queues_of
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ChangeRow, Put, Task, TenantKeeping

ROWS: Final = 100
"""Rows of the change log that are looked at in one transaction."""
_NOBODY: Final = "deleted"
"""Who takes what is not to be delivered any more."""
_LATEST: Final = "9999"
_MANY: Final = 1_000
_SELDOM: Final = 0.1
"""Seconds between two questions for the end of the change log: what comes meanwhile is looked at more than once."""
_WINDOW: Final = 10_000
"""Positions among which lock-outs are looked for at a time."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a subscription has come."""

    position: int
    written: int
    """What is kept of it, which is as far or less far."""
    version: int
    """Of the entry that keeps it."""
    is_at_end: bool = False
    """Whether that was all there was, so that nothing behind it can have been forgotten."""
    has_more: bool = False
    """Whether there were more rows with positions, so that these are read before others are given theirs."""

    def at(self, position: int, *, has_more: bool) -> "Place":
        """As far as this one look has come; only one that began with giving positions can have come to the end."""
        return replace(self, position=position, has_more=has_more, is_at_end=not (has_more or self.has_more))


@dataclass(frozen=True, slots=True)
class Found:
    """What is to be queued, and how far it goes."""

    tasks: Sequence[Task]
    place: Place

    @property
    def is_worth_writing(self) -> bool:
        """Whether it is queued now: rows that nobody is told of are soon gone over again."""
        return bool(self.tasks) or self.place.position - self.place.written > _WINDOW


class Queueing:
    """What is queued for one subscription in order.

    How far it has come is remembered, and read anew when another worker was faster.
    """

    def __init__(self, store: TenantKeeping, subscription: Subscription) -> None:
        self._store = store
        self._subscription = subscription
        self._place: Place | None = None

    @property
    def _key(self) -> str:
        return self._subscription.id

    @property
    def _queue(self) -> str:
        return self._subscription.queue

    async def look(self, subscription: Subscription, now: str) -> Found | None:
        """What has happened since last time, some of it; None for a subscription that is not begun, or has ended."""
        await self._change_to(subscription)
        known = self._place or await self._kept()
        if known is None:
            return None
        if not known.has_more:
            await self._store.sequence_changes()
        if known.is_at_end:
            return await self._look(known, now)
        first = await self._store.first_position()
        begun = replace(known, position=max(known.position, first - 1))
        found = await self._look(begun, now)
        if begun.position == known.position or not found.tasks:
            return found
        return self._after_a_loss(found, begun.position, now)

    async def queue(self, found: Found) -> bool:
        """Queues what was found, if it is anything; False when somebody else was faster."""
        if found.is_worth_writing:
            return await self._write(found)
        self._place = found.place
        return True

    async def _write(self, found: Found) -> bool:
        place = found.place
        progress = Put(PROGRESS, self._key, str(place.position).encode(), place.version)
        try:
            await self._store.enqueue(self._queue, found.tasks, [progress])
        except VersionConflictError:
            self._place = None
            return False
        self._place = replace(place, written=place.position, version=place.version + 1)
        return True

    async def _change_to(self, subscription: Subscription) -> None:
        """Other settings hold from here on, also for whoever reads how far it went."""
        known = self._place
        if subscription is not self._subscription and known is not None and known.position > known.written:
            await self._write(Found((), known))
        self._subscription = subscription

    async def _kept(self) -> Place | None:
        entry = await self._store.entry(PROGRESS, self._key)
        return Place(int(entry.value), int(entry.value), entry.version) if entry else None

    async def _look(self, place: Place, now: str) -> Found:
        rows = await self._store.changes_after(place.position, limit=ROWS)
        tasks = await _tasks(self._store, rows, self._subscription, now)
        position = rows[-1].position if rows else place.position
        return Found(tasks, place.at(position, has_more=len(rows) == ROWS))

    def _after_a_loss(self, found: Found, position: int, now: str) -> Found:
        return replace(found, tasks=[_lost(position, self._subscription, now), *found.tasks])


class LockOutQueueing(Queueing):
    """Lock-outs, ahead of everything else: no rows are read but those that may be some."""

    _last = 0
    """A position that there was before the next look."""
    _next_asked = 0.0
    """When it is asked for again, by the clock of the event loop."""

    @property
    def _key(self) -> str:
        return f"{self._subscription.id}/lockout"

    @property
    def _queue(self) -> str:
        return self._subscription.express_queue

    async def _look(self, place: Place, now: str) -> Found:
        if place.is_at_end:
            return await self._look_on(place, now)
        last = await self._store.last_position()
        position, tasks = place.position, list[Task]()
        while position < last and not tasks:
            until = min(last, position + _WINDOW)
            rows = await self._rows(position, until)
            tasks = self._lock_outs(rows, now)
            position = rows[-1].position if len(rows) == _MANY else until
            await asyncio.sleep(0)
        return Found(tasks, place.at(position, has_more=position < last))

    async def _look_on(self, place: Place, now: str) -> Found:
        """Looks behind the end of last time: what a lock-out waits for is one statement.

        How far there are rows is asked afterwards, for the next time: those that are there then are seen by it.
        """
        rows = await self._rows(place.position)
        tasks = self._lock_outs(rows, now)
        position = max(place.position, self._last, rows[-1].position if rows else 0)
        clock = asyncio.get_running_loop().time()
        if not tasks and clock > self._next_asked:
            self._last, self._next_asked = await self._store.last_position(), clock + _SELDOM
        return Found(tasks, place.at(position, has_more=len(rows) == _MANY))

    async def _rows(self, position: int, until: int = 0) -> Sequence[ChangeRow]:
        return await self._store.changes_after(position, until=until, limit=_MANY, types=("User",), marked=INACTIVE)

    def _lock_outs(self, rows: Sequence[ChangeRow], now: str) -> list[Task]:
        subscription = self._subscription
        events = lock_outs_of(rows, subscription.listener)
        return [task_of(event, subscription, now, "") for event in events if subscription.wish.wants(event)]

    def _after_a_loss(self, found: Found, position: int, now: str) -> Found:  # noqa: ARG002  the other queue tells of it
        return found


async def begin(store: TenantKeeping, subscription_id: str) -> None:
    """From now on: what happened before a subscription is none of its business."""
    while await store.sequence_changes():
        pass
    value = str(await store.last_position()).encode()
    await store.put([Put(PROGRESS, key, value) for key in (subscription_id, f"{subscription_id}/lockout")])


async def end(store: TenantKeeping, subscription_id: str, now: str) -> None:
    """Removes what is queued and remembered for a subscription; what a worker holds goes when it is delivered."""
    for queue in queues_of(subscription_id):
        while parked := await store.parked(queue, limit=_MANY):
            await store.requeue(queue, [task.id for task in parked], due=now)
        while tasks := await store.take(queue, _NOBODY, now=_LATEST, until=_LATEST, limit=_MANY):
            await store.finish(queue, _NOBODY, [task.id for task in tasks])
    troubles = await store.entries(TROUBLE, prefix=subscription_id)
    known = [(PROGRESS, subscription_id), (PROGRESS, f"{subscription_id}/lockout")]
    await store.put([Put(name, key, None) for name, key in (*known, *((TROUBLE, entry.key) for entry in troubles))])


async def requeue_range(store: TenantKeeping, subscription: Subscription, now: str, *, after: int, until: int) -> int:
    """Queues events between two positions again; gives how many."""
    queued = 0
    while rows := await store.changes_after(after, limit=ROWS, until=until):
        tasks = await _tasks(store, rows, subscription, now)
        await store.enqueue(subscription.queue, tasks)
        queued, after = queued + len(tasks), rows[-1].position
    return queued


def task_of(event: Event, subscription: Subscription, due: str, order_key: str) -> Task:
    """What is queued of an event: the id that every attempt has, and the body."""
    header = orjson.dumps({"id": f"{subscription.id}.{event.id}", "type": event.type, "position": event.position})
    return Task(order_key, header + b"\n" + text_of(event), due)


async def _tasks(store: TenantKeeping, rows: Sequence[ChangeRow], subscription: Subscription, now: str) -> list[Task]:
    return [
        task_of(event, subscription, now, f"{event.resource_type}/{event.resource_id}")
        async for event in heard(store, rows, subscription.listener)
        if subscription.wish.wants(event)
    ]


def _lost(position: int, subscription: Subscription, now: str) -> Task:
    """Tells that what there was up to a position is not kept any more."""
    event_id = f"{subscription.tenant}.{position}.lost"
    event = Event(SNAPSHOT_NEEDED, now, event_id, subscription.tenant, position, event_id, "", "")
    return task_of(event, subscription, now, "")
