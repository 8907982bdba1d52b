"""The lease of a pair: one run at a time, across machines."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from headcount.store.interface import StoreError
from headcount.store.keeping import TenantKeeping

SECONDS: Final = 20.0
"""How long a lease outlives a machine that has died."""
_LOOK_AGAIN: Final = 0.5


class BusyError(Exception):
    """Somebody else has the lease."""


class Lease:
    """A lease that is held, and renewed in the background."""

    def __init__(self, store: TenantKeeping, name: str, holder: str) -> None:
        self._store = store
        self._name = name
        self._holder = holder
        self.is_lost = False
        """Whether it may belong to somebody else by now."""

    async def take(self) -> bool:
        """Takes or renews it."""
        return await self._store.lease(self._name, self._holder, seconds=SECONDS)

    async def release(self) -> None:
        """Gives it back."""
        await self._store.release(self._name, self._holder)

    async def keep(self) -> None:
        """Renews it until it is lost; a database that is away for a while does not lose it at once."""
        missed = 0
        while not self.is_lost:
            await asyncio.sleep(SECONDS / 4)
            try:
                missed = 0 if await self.take() else _MOST_MISSED
            except StoreError:
                missed += 1
            self.is_lost = missed >= _MOST_MISSED


_MOST_MISSED: Final = 3


@asynccontextmanager
async def leased(store: TenantKeeping, name: str, holder: str, *, waits: bool) -> AsyncIterator[Lease]:
    """Holds a lease; raises BusyError when somebody else does, and goes on doing so while this `waits`."""
    lease = Lease(store, name, holder)
    deadline = time.monotonic() + (SECONDS + 2 * _LOOK_AGAIN if waits else 0)
    while not await lease.take():
        if time.monotonic() >= deadline:
            raise BusyError
        await asyncio.sleep(_LOOK_AGAIN)
    renewing = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        await lease.release()
