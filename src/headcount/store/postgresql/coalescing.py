"""Requests that wait together travel together.

While as many calls are under way as are allowed, further requests queue; the next call takes them all. A lone request
goes at once. Where calls keep a headway, those who come while one is under way wait for it to come back, for as long as
that at most, so that few calls carry many. Requests of different tenants never share a call, because no statement
crosses tenants.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from headcount.store.interface import StoreError

_BETWEEN_LOOKS: Final = 1.0
"""Seconds."""

_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class Coalescer(Generic[_Request, _Answer]):
    """Turns single requests into calls of `run`, which gives an answer, or an exception, for each request in turn."""

    def __init__(
        self,
        run: Callable[[str, list[_Request]], Awaitable[Sequence[_Answer | Exception]]],
        *,
        flights: int,
        most: int,
        patience: float,
        headway: float = 0.0,
    ) -> None:
        """For each tenant so many `flights` at once of so many requests at `most`, and seconds of `headway`."""
        self._run = run
        self._most = most
        self._flights = flights
        self._patience = patience
        self._headway = headway
        self._departures: dict[str, asyncio.TimerHandle] = {}
        self._waiting: dict[str, deque[tuple[float, _Request, asyncio.Future[_Answer]]]] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def submit(self, tenant: str, request: _Request) -> _Answer:
        """The answer to one request; raises what `run` raises or gives for it.

        Raises StoreError when those before it do not come back in time; it was then not asked for.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Answer] = loop.create_future()
        self._waiting.setdefault(tenant, deque()).append((loop.time(), request, future))
        if self._watch is None:
            self._watch = loop.call_later(_BETWEEN_LOOKS, self._refuse_late)
        under_way = self._under_way.get(tenant, 0)
        if not under_way or not self._headway:
            self._depart(tenant)
        elif under_way < self._flights and tenant not in self._departures:
            self._departures[tenant] = loop.call_later(self._headway, self._depart_late, tenant)
        return await future

    async def finish(self) -> None:
        """Waits until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _depart_late(self, tenant: str) -> None:
        """Those who still wait are not made to wait for a call that is slow."""
        del self._departures[tenant]
        if self._waiting.get(tenant):
            self._depart(tenant)

    def _depart(self, tenant: str) -> None:
        """One more call for those who wait, if there may be one."""
        under_way = self._under_way.get(tenant, 0)
        if under_way < self._flights:
            self._under_way[tenant] = under_way + 1
            task = asyncio.create_task(self._fly(tenant))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fly(self, tenant: str) -> None:
        """Calls for what waits, until nothing does."""
        waiting = self._waiting[tenant]
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._most))]
            try:
                answers = await self._run(tenant, [request for _, request, _ in batch])
            except Exception as error:  # noqa: BLE001  handed to whoever waits
                answers = [error] * len(batch)
            for (_, _, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue  # whoever asked has gone
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        self._under_way[tenant] -= 1
        if not self._under_way[tenant]:
            del self._under_way[tenant]
            del self._waiting[tenant]

    def _refuse_late(self) -> None:
        """Answers those who have waited for too long, as long as anything is under way."""
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(_BETWEEN_LOOKS, self._refuse_late) if self._under_way else None
        for waiting in self._waiting.values():
            while waiting and loop.time() - waiting[0][0] > self._patience:
                _, _, future = waiting.popleft()
                if not future.done():
                    future.set_exception(StoreError("the database did not answer in time"))
