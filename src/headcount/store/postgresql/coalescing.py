"""Requests that wait together travel together.

While as many calls are under way as are allowed, further requests queue; the next call takes them all. A lone request
goes at once. Where calls keep a headway, those who come while one is under way wait for it to come back, for as long as
that at most, so that few calls carry many. Only requests with the same key share a call. The tenant is the key or part
of it, because no statement crosses tenants.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Final, Generic, TypeVar

from headcount.store.interface import StoreError

_BETWEEN_LOOKS: Final = 1.0
"""Seconds."""

_Key = TypeVar("_Key", bound=Hashable)
_Request = TypeVar("_Request")
_Answer = TypeVar("_Answer")


class Coalescer(Generic[_Key, _Request, _Answer]):
    """Turns single requests into calls of `run`, which gives an answer, or an exception, for each request in turn."""

    def __init__(
        self,
        run: Callable[[_Key, list[_Request]], Awaitable[Sequence[_Answer | Exception]]],
        *,
        flights: int,
        most: int,
        patience: float,
        headway: float = 0.0,
    ) -> None:
        """For each key so many `flights` at once of so many requests at `most`, and seconds of `headway`."""
        self._run = run
        self._most = most
        self._flights = flights
        self._patience = patience
        self._headway = headway
        self._departures: dict[_Key, asyncio.TimerHandle] = {}
        self._waiting: dict[_Key, deque[tuple[float, _Request, asyncio.Future[_Answer]]]] = {}
        self._under_way: dict[_Key, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch: asyncio.TimerHandle | None = None

    async def submit(self, key: _Key, request: _Request) -> _Answer:
        """The answer to one request; raises what `run` raises or gives for it.

        Raises StoreError when those before it do not come back in time; it was then not asked for.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_Answer] = loop.create_future()
        self._waiting.setdefault(key, deque()).append((loop.time(), request, future))
        if self._watch is None:
            self._watch = loop.call_later(_BETWEEN_LOOKS, self._refuse_late)
        under_way = self._under_way.get(key, 0)
        if not under_way or not self._headway:
            self._depart(key)
        elif under_way < self._flights and key not in self._departures:
            self._departures[key] = loop.call_later(self._headway, self._depart_late, key)
        return await future

    async def finish(self) -> None:
        """Waits until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _depart_late(self, key: _Key) -> None:
        """Those who still wait are not made to wait for a call that is slow."""
        del self._departures[key]
        if self._waiting.get(key):
            self._depart(key)

    def _depart(self, key: _Key) -> None:
        """One more call for those who wait, if there may be one."""
        under_way = self._under_way.get(key, 0)
        if under_way < self._flights:
            self._under_way[key] = under_way + 1
            task = asyncio.create_task(self._fly(key))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _fly(self, key: _Key) -> None:
        """Calls for what waits, until nothing does."""
        waiting = self._waiting[key]
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._most))]
            try:
                answers = await self._run(key, [request for _, request, _ in batch])
            except Exception as error:  # noqa: BLE001  handed to whoever waits
                answers = [error] * len(batch)
            for (_, _, future), answer in zip(batch, answers, strict=True):
                if future.done():
                    continue  # whoever asked has gone
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)
        self._under_way[key] -= 1
        if not self._under_way[key]:
            del self._under_way[key]
            del self._waiting[key]

    def _refuse_late(self) -> None:
        """Answers those who have waited for too long, as long as anything is under way."""
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(_BETWEEN_LOOKS, self._refuse_late) if self._under_way else None
        for waiting in self._waiting.values():
            while waiting and loop.time() - waiting[0][0] > self._patience:
                _, _, future = waiting.popleft()
                if not future.done():
                    future.set_exception(StoreError("the database did not answer in time"))
