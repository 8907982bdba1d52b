"""From the change log into queues: each event once for each subscription that is to hear of it.

How far a subscription has come is written in the transaction that queues its events, so that a crash neither loses
nor repeats any.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import orjson

from headcount.events.telling import events_of, locks_out, text_of
from headcount.events.types import LOCKED_OUT, Event
from headcount.events.webhooks.subscription import PROGRESS, Subscription
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, ChangeRow, Entry, Put, Task, TenantKeeping

ROWS: Final = 500
"""Rows of the change log that are looked at in one transaction."""


async def dispatch(store: TenantKeeping, subscription: Subscription, now: str) -> int:
    """Queues what has happened since last time, some of it; gives how many rows were looked at."""
    await store.sequence_changes()
    known = await store.entry(PROGRESS, subscription.id)
    position = await _position(store, known)
    rows = await store.changes_after(position, limit=ROWS)
    if not rows:
        return 0
    tasks = [task for row in rows for task in _tasks(row, subscription, now)]
    progress = _progress(PROGRESS, subscription.id, rows[-1].position, known)
    return len(rows) if await _enqueue(store, subscription.queue, tasks, progress) else 0


async def dispatch_lock_outs(store: TenantKeeping, subscription: Subscription, now: str) -> int:
    """Queues lock-outs ahead of everything else, reading no other rows than those of users."""
    await store.sequence_changes()
    known = await store.entry(PROGRESS, f"{subscription.id}/lockout")
    position = await _position(store, known)
    rows = await store.changes_after(position, limit=ROWS, types=("User",))
    if not rows:
        return 0
    tasks = [task for row in rows for task in _lock_outs(row, subscription, now)]
    progress = _progress(PROGRESS, f"{subscription.id}/lockout", rows[-1].position, known)
    return len(rows) if await _enqueue(store, subscription.express_queue, tasks, progress) else 0


async def begin(store: TenantKeeping, subscription_id: str) -> None:
    """From now on: what happened before a subscription is none of its business."""
    while await store.sequence_changes():
        pass
    value = str(await store.last_position()).encode()
    await store.put([Put(PROGRESS, key, value) for key in (subscription_id, f"{subscription_id}/lockout")])


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


async def _position(store: TenantKeeping, known: Entry | None) -> int:
    """Where to go on; whoever was away for longer than the log is kept goes on with what there is."""
    position = int(known.value) if known else 0
    return max(position, await store.first_position() - 1)


def _progress(collection: str, key: str, position: int, known: Entry | None) -> Put:
    return Put(collection, key, str(position).encode(), known.version if known else ABSENT)


async def _enqueue(store: TenantKeeping, queue: str, tasks: Sequence[Task], progress: Put) -> bool:
    """Whether it was queued; somebody else was faster when the progress is another one by now."""
    try:
        await store.enqueue(queue, tasks, [progress])
    except VersionConflictError:
        return False
    return True
