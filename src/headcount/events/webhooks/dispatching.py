"""From the change log into queues: each event once for each subscription that is to hear of it.

How far a subscription has come is written in the transaction that queues its events, so that a crash neither loses
nor repeats any.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import orjson

from headcount.events.telling import events_of, locks_out, text_of
from headcount.events.types import LOCKED_OUT, SNAPSHOT_NEEDED, Event
from headcount.events.webhooks.subscription import PROGRESS, TROUBLE, Subscription, queues_of
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ChangeRow, Entry, Put, Task, TenantKeeping

ROWS: Final = 100
"""Rows of the change log that are looked at in one transaction."""
_NOBODY: Final = "deleted"
"""Who takes what is not to be delivered any more."""
_LATEST: Final = "9999"
_USERS: Final = 1_000
"""Rows of users in which lock-outs are looked for at a time."""


async def dispatch(store: TenantKeeping, subscription: Subscription, now: str) -> int:
    """Queues what has happened since last time, some of it; gives how many rows were looked at."""
    known, position = await _place(store, subscription.id)
    if known is None:
        return 0
    rows = await store.changes_after(position, limit=ROWS)
    if not rows:
        return 0
    tasks = [task for row in rows for task in _tasks(row, subscription, now)]
    if position > int(known.value):
        tasks.insert(0, _lost(position, subscription, now))
    progress = _progress(subscription.id, rows[-1].position, known)
    return len(rows) if await _enqueue(store, subscription.queue, tasks, progress) else 0


async def dispatch_lock_outs(store: TenantKeeping, subscription: Subscription, now: str) -> int:
    """Queues lock-outs ahead of everything else, reading no other rows than those of users.

    How far that went is written when there is one, or nothing left to read: it is soon through what others queue.
    """
    known, position = await _place(store, f"{subscription.id}/lockout")
    if known is None:
        return 0
    began = position
    tasks: list[Task] = []
    while not tasks and (rows := await store.changes_after(position, limit=_USERS, types=("User",))):
        position = rows[-1].position
        tasks = [task for row in rows for task in _lock_outs(row, subscription, now)]
        await asyncio.sleep(0)
    if position == began:
        return 0
    progress = _progress(f"{subscription.id}/lockout", position, known)
    return position - began if await _enqueue(store, subscription.express_queue, tasks, progress) else 0


async def begin(store: TenantKeeping, subscription_id: str) -> None:
    """From now on: what happened before a subscription is none of its business."""
    while await store.sequence_changes():
        pass
    value = str(await store.last_position()).encode()
    await store.put([Put(PROGRESS, key, value) for key in (subscription_id, f"{subscription_id}/lockout")])


async def end(store: TenantKeeping, subscription_id: str, now: str) -> None:
    """Removes what is queued and remembered for a subscription; what a worker holds goes when it is delivered."""
    for queue in queues_of(subscription_id):
        while parked := await store.parked(queue, limit=_USERS):
            await store.requeue(queue, [task.id for task in parked], due=now)
        while tasks := await store.take(queue, _NOBODY, now=_LATEST, until=_LATEST, limit=_USERS):
            await store.finish(queue, _NOBODY, [task.id for task in tasks])
    troubles = await store.entries(TROUBLE, prefix=subscription_id)
    known = [(PROGRESS, subscription_id), (PROGRESS, f"{subscription_id}/lockout")]
    await store.put([Put(name, key, None) for name, key in (*known, *((TROUBLE, entry.key) for entry in troubles))])


async def requeue_range(store: TenantKeeping, subscription: Subscription, now: str, *, after: int, until: int) -> int:
    """Queues events between two positions again; gives how many."""
    queued = 0
    while rows := await store.changes_after(after, limit=ROWS, until=until):
        tasks = [task for row in rows for task in _tasks(row, subscription, now)]
        await store.enqueue(subscription.queue, tasks)
        queued, after = queued + len(tasks), rows[-1].position
    return queued


def lock_out_of(event: Event) -> Event:
    """The lock-out that a deactivation or deletion means."""
    return replace(event, type=LOCKED_OUT, id=f"{event.id}.lockout", after=None, previous=None)


def task_of(event: Event, subscription: Subscription, due: str, order_key: str) -> Task:
    """What is queued of an event: the id that every attempt has, and the body."""
    header = orjson.dumps({"id": f"{subscription.id}.{event.id}", "type": event.type, "position": event.position})
    return Task(order_key, header + b"\n" + text_of(event), due)


def _tasks(row: ChangeRow, subscription: Subscription, now: str) -> Iterator[Task]:
    for event in _events(row, subscription):
        if subscription.wish.wants(event):
            yield task_of(event, subscription, now, f"{event.resource_type}/{event.resource_id}")


def _lock_outs(row: ChangeRow, subscription: Subscription, now: str) -> Iterator[Task]:
    for event in _events(row, subscription) if locks_out(row) else ():
        locked = lock_out_of(event)
        if subscription.wish.wants(locked):
            yield task_of(locked, subscription, now, "")


def _events(row: ChangeRow, subscription: Subscription) -> Iterator[Event]:
    return events_of(row, subscription.tenant, subscription.registry, subscription.permissions)


async def _place(store: TenantKeeping, key: str) -> tuple[Entry | None, int]:
    """How far a subscription has come, and where to go on: in what there is, if it was away for long.

    None for one that is not begun, or was deleted a moment ago. Asked all at once, because a lock-out waits for it.
    """
    known, first, _ = await asyncio.gather(store.entry(PROGRESS, key), store.first_position(), store.sequence_changes())
    return known, max(int(known.value), first - 1) if known else 0


def _lost(position: int, subscription: Subscription, now: str) -> Task:
    """Tells that what there was up to a position is not kept any more."""
    event_id = f"{subscription.tenant}.{position}.lost"
    event = Event(SNAPSHOT_NEEDED, now, event_id, subscription.tenant, position, event_id, "", "")
    return task_of(event, subscription, now, "")


def _progress(key: str, position: int, known: Entry) -> Put:
    return Put(PROGRESS, key, str(position).encode(), known.version)


async def _enqueue(store: TenantKeeping, queue: str, tasks: Sequence[Task], progress: Put) -> bool:
    """Whether it was queued; somebody else was faster when the progress is another one by now."""
    try:
        await store.enqueue(queue, tasks, [progress])
    except VersionConflictError:
        return False
    return True
