"""How often clients may ask: a bucket for each of those who have a limit, filled at its rate.

Each process gives its share: with several of them, among which connections spread evenly, a limit holds on average.
"""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from headcount.http.responses import Header

_MOST: Final = 10_000
"""Buckets that are kept; past that all begin anew."""
_MINUTE: Final = 60.0
"""Seconds."""
_CLIENTS_OF_AN_ADDRESS: Final = 10
"""As many clients of one address as may fail as often as each may."""
_NEVER: Final = 3_600
"""Seconds that stand for never."""

Limits: TypeAlias = Iterable[tuple[str, float | None]]
"""Names, and how much a second each may have; None for any number."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands with a limit."""

    limit: int
    """Requests that are answered at once."""
    remaining: int
    reset: int
    """Seconds until all of them are there again."""
    wait: int = 0
    """Seconds until the next one is answered: 0 unless this one is refused."""

    def headers(self) -> tuple[Header, ...]:
        """The usual RateLimit headers."""
        return (
            (b"ratelimit-limit", b"%d" % self.limit),
            (b"ratelimit-remaining", b"%d" % self.remaining),
            (b"ratelimit-reset", b"%d" % self.reset),
        )


@dataclass(slots=True)
class _Bucket:
    rate: float
    size: float
    level: float
    at: float

    def fill(self, now: float) -> None:
        self.level = min(self.size, self.level + (now - self.at) * self.rate)
        self.at = now

    def wait(self, level: float) -> int:
        """Whole seconds until it is filled to a level: one at least if it is not."""
        if self.level >= level:
            return 0
        return max(1, math.ceil((level - self.level) / self.rate)) if self.rate else _NEVER


class Rates:
    """The buckets of one process; each holds what comes in so many seconds, and one at least."""

    def __init__(self, processes: int, *, seconds: float = 1.0) -> None:
        self._processes = processes
        self._seconds = seconds
        self._buckets: dict[tuple[str, float], _Bucket] = {}

    def take(self, limits: Limits) -> Standing | None:
        """Counts one request against each limit, and tells how the tightest stands; None without any limit.

        When one is used up, nothing is counted, and the standing says how long to wait.
        """
        buckets = self._found(limits)
        wait = _wait(buckets)
        if not wait:
            _count(buckets)
        return _standing(buckets, wait)

    def check(self, limits: Limits) -> Standing | None:
        """Tells how the tightest limit stands; counts nothing."""
        buckets = self._found(limits)
        return _standing(buckets, _wait(buckets))

    def count(self, limits: Limits) -> None:
        """Counts against each limit."""
        _count(self._found(limits))

    def _found(self, limits: Limits) -> Sequence[_Bucket]:
        now = time.monotonic()
        return [self._bucket(name, rate, now) for name, rate in limits if rate is not None]

    def _bucket(self, name: str, rate: float, now: float) -> _Bucket:
        key = (name, rate)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MOST:
                self._buckets.clear()
            share = rate / self._processes
            size = max(1.0, math.floor(share * self._seconds)) if rate else 0.0
            bucket = self._buckets[key] = _Bucket(share, size, size, now)
        bucket.fill(now)
        return bucket


@dataclass(frozen=True, slots=True)
class Failures:
    """Who may fail how often to show who they are.

    A client is counted by its address as well, so that nobody elsewhere can shut it out; and an address by itself,
    whatever clients it tries. Who does not fail is never counted.
    """

    rates: Rates
    a_minute: int
    """0 for any number."""

    @classmethod
    def of(cls, a_minute: int, processes: int) -> "Failures":
        """Those of one process among several."""
        return cls(Rates(processes, seconds=_MINUTE), a_minute)

    def limits(self, address: str, client_id: str) -> Limits:
        """What a failure of a client at an address counts against."""
        if not self.a_minute:
            return ()
        rate = self.a_minute / _MINUTE
        return ((f"{address} {client_id}", rate), (address, rate * _CLIENTS_OF_AN_ADDRESS))


def _count(buckets: Sequence[_Bucket]) -> None:
    for bucket in buckets:
        bucket.level = max(0.0, bucket.level - 1)


def _wait(buckets: Sequence[_Bucket]) -> int:
    return max((bucket.wait(1) for bucket in buckets), default=0)


def _standing(buckets: Sequence[_Bucket], wait: int) -> Standing | None:
    if not buckets:
        return None
    tightest = min(buckets, key=lambda bucket: bucket.level)
    reset = max(1, tightest.wait(tightest.size))
    return Standing(int(tightest.size), int(tightest.level), reset, wait)
