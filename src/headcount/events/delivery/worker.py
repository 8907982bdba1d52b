"""The delivery worker: queues what has happened, and delivers it, for all subscriptions, in any number of processes."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final

import structlog

from headcount.events.delivery.endpoints import Endpoints
from headcount.events.delivery.retries import instant_in
from headcount.events.delivery.sending import CONCURRENCY, Delivery, Done
from headcount.events.notifier import Notifier
from headcount.events.webhooks.dispatching import dispatch, dispatch_lock_outs
from headcount.events.webhooks.subscription import DELIVERIES, Subscription, Subscriptions
from headcount.store.administration import DatabaseStore
from headcount.store.interface import StoreError
from headcount.store.keeping import TenantKeeping

PULSE: Final = 0.1
"""Seconds after which changes of a tenant that other processes made are looked for."""
_LOOK_AGAIN: Final = 0.5
"""Seconds after which deliveries that have become due are looked for."""
_REMIND: Final = 5.0
"""Seconds after which changes are looked for although nobody has told of any."""
_FRESH: Final = 1.0
"""Seconds for which the list of subscriptions is believed."""
_BREATH: Final = 1.0
"""Seconds between two requests to an endpoint that takes nothing."""
_QUICK: Final = 1.0
"""Seconds in which an endpoint takes all it is sent, when it is to be sent more at a time."""
_MOST: Final = 64
"""Requests that are taken on at a time."""
_FAREWELL: Final = 3.0
"""Seconds that requests under way may still take when a worker ends."""
_KEPT_ATTEMPTS: Final = 10_000
"""Lines of a tenant's delivery log."""
_TRIM_EVERY: Final = 60.0
"""Seconds."""

_Step = Callable[[Subscription], Awaitable[None]]


class Worker:
    """Serves every subscription by loops of its own, so that a dead endpoint costs no other, and lock-outs overtake."""

    def __init__(
        self,
        store: DatabaseStore,
        subscriptions: Subscriptions,
        endpoints: Endpoints,
        notifier: Notifier,
        holder: str,
    ) -> None:
        self._store = store
        self._subscriptions = subscriptions
        self._endpoints = endpoints
        self._notifier = notifier
        self._holder = holder
        self._current: dict[str, Subscription] = {}
        self._loops: dict[str, list[asyncio.Task[None]]] = {}
        """By subscription id, and for each tenant the one that takes its pulse."""
        self._queued = Notifier()
        """Tells which queue has something new."""
        self._pace: dict[str, int] = {}
        """How many requests a queue's endpoint takes at a time: one, once it took none."""

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        trimmed = 0.0
        clock = asyncio.get_running_loop().time
        try:
            while True:
                await self._look()
                if clock() - trimmed > _TRIM_EVERY:
                    trimmed = clock()
                    await self._trim()
                await asyncio.sleep(_FRESH)
        finally:
            await self._end(self._loops.keys())

    async def _look(self) -> None:
        """Begins and ends loops as subscriptions come and go."""
        try:
            active = {item.id: item for item in await self._subscriptions.active()}
        except StoreError as error:
            structlog.get_logger().warning("webhooks_wait_for_the_database", reason=str(error))
            return
        tenants = {f"tenant {item.tenant}": item.tenant for item in active.values()}
        await self._end(self._loops.keys() - active.keys() - tenants.keys())
        self._current = active
        for name in active.keys() - self._loops.keys():
            steps = (self._find_lock_outs, self._find, self._tell_lock_outs, self._tell, self._tell)
            self._loops[name] = [asyncio.create_task(self._repeat(name, step)) for step in steps]
        for name in tenants.keys() - self._loops.keys():
            self._loops[name] = [asyncio.create_task(self._take_pulse(tenants[name]))]

    async def _end(self, names: Iterable[str]) -> None:
        ended = [loop for name in list(names) for loop in self._loops.pop(name)]
        for loop in ended:
            loop.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    async def _repeat(self, name: str, step: _Step) -> None:
        while True:
            try:
                await step(self._current[name])
            except StoreError as error:
                structlog.get_logger().warning("webhook_waits", subscription=name, reason=str(error))
                await asyncio.sleep(_FRESH)
            except Exception:  # noqa: BLE001  one subscription's trouble must not end its deliveries
                structlog.get_logger().exception("webhook_failed", subscription=name)
                await asyncio.sleep(_FRESH)

    async def _take_pulse(self, tenant: str) -> None:
        """Tells who waits here of changes that were made elsewhere."""
        store = self._store.for_tenant(tenant)
        known = 0
        while True:
            try:
                await store.sequence_changes()
                last = await store.last_position()
            except StoreError:  # told by those who wait
                last = known
            if last != known:
                known = last
                self._notifier.changed(tenant)
            await asyncio.sleep(PULSE)

    async def _find_lock_outs(self, subscription: Subscription) -> None:
        await self._queue(dispatch_lock_outs, subscription, subscription.express_queue)

    async def _find(self, subscription: Subscription) -> None:
        await self._queue(dispatch, subscription, subscription.queue)

    async def _tell_lock_outs(self, subscription: Subscription) -> None:
        await self._deliver(subscription, subscription.express_queue)

    async def _tell(self, subscription: Subscription) -> None:
        await self._deliver(subscription, subscription.queue)

    async def _queue(
        self,
        dispatching: Callable[[TenantKeeping, Subscription, str], Awaitable[int]],
        subscription: Subscription,
        queue: str,
    ) -> None:
        """Queues some of what has happened, or waits for something."""
        seen = self._notifier.seen(subscription.tenant)
        if await dispatching(self._store.for_tenant(subscription.tenant), subscription, instant_in(0)):
            self._queued.changed(queue)
        else:
            await self._notifier.wait(subscription.tenant, _REMIND, seen)

    async def _deliver(self, subscription: Subscription, queue: str) -> None:
        """Delivers some of what is due, or waits for something."""
        seen = self._queued.seen(queue)
        clock = asyncio.get_running_loop().time
        began, pace = clock(), self._pace.get(queue, CONCURRENCY)
        store = self._store.for_tenant(subscription.tenant)
        delivery = Delivery(store, subscription, self._endpoints, self._holder)
        done = await _to_the_end(delivery.run(queue, pace * subscription.batch_size))
        if not done.taken:
            await self._queued.wait(queue, _LOOK_AGAIN, seen)
        elif done.delivered:
            self._pace[queue] = _faster(pace) if clock() - began < _QUICK else CONCURRENCY
        else:
            self._pace[queue] = 1
            await delivery.check(self._subscriptions)
            await asyncio.sleep(_BREATH)

    async def _trim(self) -> None:
        try:
            for tenant in {item.tenant for item in self._current.values()}:
                await self._store.for_tenant(tenant).trim(DELIVERIES, keep=_KEPT_ATTEMPTS)
        except StoreError as error:
            structlog.get_logger().warning("webhooks_wait_for_the_database", reason=str(error))


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
