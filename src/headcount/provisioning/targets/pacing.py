"""How fast a target is asked: bounded concurrency, its known limits, and slower while it says `429`."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiolimiter import AsyncLimiter

from headcount.provisioning.targets.capabilities import Budget

_SHORTEST_GAP: Final = 0.001
"""Seconds between requests; below it there is no gap worth keeping."""
_RECOVERY: Final = 0.97
"""What a gap shrinks by with each success: half the speed lost is back after some twenty."""


class Pace:
    """Lets requests through, one turn each."""

    def __init__(
        self,
        concurrency: int,
        budgets: Sequence[Budget] = (),
        longest_gap: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._limiters = [(budget, _limiter(budget)) for budget in budgets]
        self._clock = clock
        self._longest_gap = longest_gap
        """Seconds between requests at the slowest."""
        self._paused_until = 0.0
        self._gap = 0.0
        self._next = 0.0
        self._slowed = -math.inf
        self._first = clock()
        self._turns = 0

    @property
    def gap(self) -> float:
        """Seconds between requests now; 0 while nothing was refused."""
        return self._gap

    @asynccontextmanager
    async def turn(self, method: str, path: str) -> AsyncIterator[float]:
        """One request's turn; gives the time at which it began."""
        async with self._slots:
            for budget, limiter in self._limiters:
                if budget.covers(method, path):
                    await limiter.acquire()
            await self._wait()
            self._turns += 1
            yield self._clock()

    def slow_down(self, began: float, seconds: float | None) -> None:
        """The target said `429` to a request that began then: nothing goes out for so long, and less afterwards.

        What was under way already when the pace was slowed does not slow it once more.
        """
        now = self._clock()
        self._paused_until = max(self._paused_until, now + (seconds or 0.0))
        if began < self._slowed:
            return
        usual = (now - self._first) / max(self._turns, 1)
        self._gap = min(max(2 * self._gap, 2 * usual, _SHORTEST_GAP), self._longest_gap)
        self._slowed = now

    def speed_up(self) -> None:
        """A request was answered well."""
        self._gap = self._gap * _RECOVERY if self._gap > _SHORTEST_GAP else 0.0

    async def _wait(self) -> None:
        while (delay := max(self._paused_until, self._next) - self._clock()) > 0:  # noqa: ASYNC110  a moment is waited for
            await asyncio.sleep(delay)
        self._next = self._clock() + self._gap


def duration(requests: Mapping[tuple[str, str], int], budgets: Sequence[Budget]) -> float:
    """Seconds that so many requests of each (method, path) take at the limits alone."""
    counts = [
        (budget, sum(count for request, count in requests.items() if budget.covers(*request))) for budget in budgets
    ]
    return max((max(count - budget.most_at_once, 0) / budget.rate for budget, count in counts), default=0.0)


def _limiter(budget: Budget) -> AsyncLimiter:
    return AsyncLimiter(budget.most_at_once, budget.most_at_once / budget.rate)
