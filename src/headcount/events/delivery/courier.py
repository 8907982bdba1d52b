"""Everything that goes on for one subscription: what happens is queued, and what is queued delivered."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from headcount.events.delivery.endpoints import Endpoints
from headcount.events.delivery.retries import instant_in
from headcount.events.delivery.sending import CONCURRENCY, Delivery, Done
from headcount.events.delivery.turns import Turns
from headcount.events.notifier import Notifier
from headcount.events.webhooks.dispatching import ROWS, LockOutQueueing, Queueing
from headcount.events.webhooks.subscription import Subscription, Subscriptions
from headcount.store.administration import DatabaseStore
from headcount.store.interface import StoreError
from headcount.store.keeping import Task

_REMIND: Final = 60.0
"""Seconds after which changes are looked for although nobody has told of any."""
_AMONG_MANY: Final = 0.03
"""Seconds between two looks when there is always something new: what came meanwhile is queued together."""
_AMONG_MANY_URGENTLY: Final = 0.015
"""The same for lock-outs."""
_ENOUGH: Final = 16
"""Tasks that wait, for each that the endpoint takes at a time, past which no more are queued: a dead one has few."""
_AFTER_ENOUGH: Final = 1.0
"""Seconds after which is looked again whether they have become fewer."""
_AFTER_TROUBLE: Final = 1.0
"""Seconds."""
_BREATH: Final = 1.0
"""Seconds between two requests to an endpoint that takes nothing."""
_QUICK: Final = 1.0
"""Seconds in which an endpoint takes all it is sent, when it is to be sent more at a time."""
_MOST: Final = 64
"""Requests that are taken on at a time."""
_FAREWELL: Final = 3.0
"""Seconds that requests under way may still take when a worker ends."""


@dataclass
class _Lane:
    """One queue of a subscription."""

    name: str
    due: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there may be something to deliver; whoever goes to look clears it."""
    eased: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when something was delivered."""
    free: int = 0
    """How many loops wait for something to deliver."""
    pace: int = CONCURRENCY
    """How many requests the endpoint takes at a time: one, once it took none."""


class Courier:
    """Serves one subscription by loops of its own, so that a dead endpoint costs no other, and lock-outs overtake."""

    def __init__(
        self,
        store: DatabaseStore,
        subscription: Subscription,
        subscriptions: Subscriptions,
        endpoints: Endpoints,
        notifier: Notifier,
        turns: Turns,
        holder: str,
    ) -> None:
        self.subscription = subscription
        """As it is now."""
        self._database = store
        self._store = store.for_tenant(subscription.tenant)
        self._subscriptions = subscriptions
        self._endpoints = endpoints
        self._notifier = notifier
        self._turns = turns
        self._holder = holder
        self._lanes = {name: _Lane(name) for name in (subscription.queue, subscription.express_queue)}
        self._ordered = self._lanes[subscription.queue]
        self._express = self._lanes[subscription.express_queue]
        self._ordered_queueing = Queueing(self._store, subscription)
        self._express_queueing = LockOutQueueing(self._store, subscription)
        self._unchecked = ROWS

    @property
    def queues(self) -> list[tuple[str, str]]:
        """Its queues, with their tenant."""
        return [(self.subscription.tenant, name) for name in self._lanes]

    def begin(self) -> list[asyncio.Task[None]]:
        """The loops, which go on until they are cancelled."""
        finding = (self._find_lock_outs, self._find)
        telling = (*[self._tell_lock_outs] * 4, *[self._tell] * 2)
        return [asyncio.create_task(self._repeat(step)) for step in (*finding, *telling)]

    def is_due(self, queue: str) -> None:
        """There may be something to deliver."""
        self._lanes[queue].due.set()

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except StoreError as error:
                structlog.get_logger().warning("webhook_waits", subscription=self.subscription.id, reason=str(error))
                await asyncio.sleep(_AFTER_TROUBLE)
            except Exception:  # noqa: BLE001  one subscription's trouble must not end its deliveries
                structlog.get_logger().exception("webhook_failed", subscription=self.subscription.id)
                await asyncio.sleep(_AFTER_TROUBLE)

    async def _find_lock_outs(self) -> None:
        await self._look(self._express_queueing, self._express)

    async def _find(self) -> None:
        if self._unchecked >= ROWS:
            await self._until_eased()
        await self._turns.take()
        self._unchecked += await self._look(self._ordered_queueing, self._ordered)

    async def _tell_lock_outs(self) -> None:
        await self._deliver(self._express)

    async def _tell(self) -> None:
        await self._deliver(self._ordered)

    async def _look(self, queueing: Queueing, lane: _Lane) -> int:
        """Queues some of what has happened, or waits for something; gives how much was queued."""
        clock = asyncio.get_running_loop().time
        seen, began = self._notifier.seen(self.subscription.tenant), clock()
        found = await queueing.look(self.subscription, instant_in(0))
        if found is not None:
            if found.tasks and lane is self._express and lane.free:
                self._turns.hold()
            if await queueing.queue(found) and found.tasks:
                lane.due.set()
        if found is None or found.place.is_at_end:
            await self._notifier.wait(self.subscription.tenant, _REMIND, seen)
            pause = _AMONG_MANY_URGENTLY if lane is self._express else _AMONG_MANY
            await asyncio.sleep(began + pause - clock())
        return len(found.tasks) if found else 0

    async def _until_eased(self) -> None:
        """Waits while more waits to be sent than soon will be: the change log keeps the rest."""
        queue = (self.subscription.tenant, self._ordered.name)
        while True:
            self._ordered.eased.clear()
            enough = _ENOUGH * self._ordered.pace
            due = await self._database.due([queue], instant_in(0), most=enough)
            if due.get(queue, 0) < enough:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ordered.eased.wait(), _AFTER_ENOUGH)
        self._unchecked = 0

    async def _deliver(self, lane: _Lane) -> None:
        """Delivers some of what is due, or waits for something."""
        lane.free += 1
        try:
            while not lane.due.is_set():
                await lane.due.wait()
        finally:
            lane.free -= 1
        lane.due.clear()
        clock = asyncio.get_running_loop().time
        began = clock()
        delivery = Delivery(self._store, self.subscription, self._endpoints, self._holder, self._turns)
        done = await _to_the_end(self._take_and_send(delivery, lane))
        if not done.taken:
            return
        lane.due.set()
        if done.delivered:
            lane.eased.set()
            lane.pace = _faster(lane.pace) if clock() - began < _QUICK else CONCURRENCY
        else:
            lane.pace = 1
            await delivery.check(self._subscriptions)
            await asyncio.sleep(_BREATH)

    async def _take_and_send(self, delivery: Delivery, lane: _Lane) -> Done:
        is_express = lane is self._express
        most = lane.pace * (1 if is_express else self.subscription.batch_size)
        tasks: Sequence[Task] = await delivery.take(lane.name, most)
        if not tasks:
            return Done(0, 0)
        if len(tasks) == most:
            lane.due.set()
        return await (delivery.deliver_urgently if is_express else delivery.deliver)(lane.name, tasks)


async def _to_the_end(run: Coroutine[Any, Any, Done]) -> Done:
    """Finishes what is under way although it is cancelled, if it can soon, so that nobody has to deliver it again."""
    running = asyncio.ensure_future(run)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), _FAREWELL)
        raise


def _faster(pace: int) -> int:
    return min(max(2 * pace, CONCURRENCY), _MOST)
