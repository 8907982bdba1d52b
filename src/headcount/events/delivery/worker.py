"""The delivery worker: queues what has happened, and delivers it, for all subscriptions, in any number of processes."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import structlog

from headcount.events.delivery.courier import Courier
from headcount.events.delivery.endpoints import Endpoints
from headcount.events.delivery.retries import instant_in
from headcount.events.delivery.turns import Turns
from headcount.events.notifier import Notifier
from headcount.events.webhooks.subscription import DELIVERIES, Subscriptions
from headcount.store.administration import DatabaseStore, Pulse
from headcount.store.interface import StoreError

PULSE: Final = 0.1
"""Seconds after which changes that other processes made are looked for."""
_DUE: Final = 0.5
"""Seconds after which deliveries that have become due are looked for."""
_FRESH: Final = 1.0
"""Seconds for which the list of subscriptions is believed."""
_TRIM_EVERY: Final = 60.0
"""Seconds."""
_KEPT_ATTEMPTS: Final = 10_000
"""Lines of a tenant's delivery log."""


class Worker:
    """Serves every subscription by a courier of its own, and wakes couriers by few looks at the whole database."""

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
        self._turns = Turns()
        self._couriers: dict[str, Courier] = {}
        """By subscription id."""
        self._loops: dict[str, list[asyncio.Task[None]]] = {}
        self._pulses: Mapping[str, Pulse] = {}

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        looks = ((self._look, _FRESH), (self._take_pulses, PULSE), (self._find_due, _DUE), (self._trim, _TRIM_EVERY))
        try:
            await asyncio.gather(*(self._every(seconds, look) for look, seconds in looks))
        finally:
            await self._end(self._loops.keys())

    async def _every(self, seconds: float, look: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await look()
            except StoreError as error:
                structlog.get_logger().warning("webhooks_wait_for_the_database", reason=str(error))
            await asyncio.sleep(seconds)

    async def _look(self) -> None:
        """Begins and ends couriers as subscriptions come and go."""
        active = {item.id: item for item in await self._subscriptions.active()}
        await self._end(self._loops.keys() - active.keys())
        for name, subscription in active.items():
            if name in self._couriers:
                self._couriers[name].subscription = subscription
                continue
            self._couriers[name] = courier = Courier(
                self._store,
                subscription,
                self._subscriptions,
                self._endpoints,
                self._notifier,
                self._turns,
                self._holder,
            )
            self._loops[name] = courier.begin()

    async def _end(self, names: Iterable[str]) -> None:
        ended = [loop for name in list(names) for loop in self._loops.pop(name)]
        for name in self._couriers.keys() - self._loops.keys():
            del self._couriers[name]
        for loop in ended:
            loop.cancel()
        await asyncio.gather(*ended, return_exceptions=True)

    @property
    def _tenants(self) -> set[str]:
        return {courier.subscription.tenant for courier in self._couriers.values()}

    async def _take_pulses(self) -> None:
        """Tells who waits here of changes that were made elsewhere."""
        tenants = self._tenants
        if not tenants:
            return
        pulses = await self._store.pulses(list(tenants))
        for tenant, pulse in pulses.items():
            if pulse.waits or pulse != self._pulses.get(tenant):
                self._notifier.changed(tenant)
        self._pulses = pulses

    async def _find_due(self) -> None:
        """Wakes who is to deliver what has become due, or what others have queued."""
        couriers = {queue: courier for courier in self._couriers.values() for queue in courier.queues}
        if not couriers:
            return
        for queue in await self._store.due(list(couriers), instant_in(0)):
            couriers[queue].is_due(queue[1])

    async def _trim(self) -> None:
        for tenant in self._tenants:
            await self._store.for_tenant(tenant).trim(DELIVERIES, keep=_KEPT_ATTEMPTS)
