"""Requests that wait together travel together.

While as many calls are under way as are allowed, further requests queue; the next call takes them all. There is no
timer: a lone request goes at once. Requests of different tenants never share a call, because no statement crosses
tenants.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

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
    ) -> None:
        self._run = run
        self._most = most
        self._flights = flights
        self._waiting: dict[str, deque[tuple[_Request, asyncio.Future[_Answer]]]] = {}
        self._under_way: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, tenant: str, request: _Request) -> _Answer:
        """The answer to one request; raises what `run` raises or gives for it."""
        future: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append((request, future))
        under_way = self._under_way.get(tenant, 0)
        if under_way < self._flights:
            self._under_way[tenant] = under_way + 1
            task = asyncio.create_task(self._fly(tenant))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def finish(self) -> None:
        """Waits until everything submitted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _fly(self, tenant: str) -> None:
        """Calls for what waits, until nothing does."""
        waiting = self._waiting[tenant]
        while waiting:
            batch = [waiting.popleft() for _ in range(min(len(waiting), self._most))]
            try:
                answers = await self._run(tenant, [request for request, _ in batch])
            except Exception as error:  # noqa: BLE001  handed to whoever waits
                answers = [error] * len(batch)
            for (_, future), answer in zip(batch, answers, strict=True):
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
