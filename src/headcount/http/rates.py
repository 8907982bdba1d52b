"""How often clients may ask: a bucket for each token and each tenant that has a limit, filled at its rate.

Each process gives its share: with several of them, among which connections spread evenly, a limit holds on average.
"""

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from headcount.http.responses import Header
from headcount.scim.errors import TooManyRequestsError

_MOST: Final = 10_000
"""Buckets that are kept; past that all begin anew."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a client stands with a limit."""

    limit: int
    """Requests that are answered at once."""
    remaining: int
    reset: int
    """Seconds until all of them are there again."""

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


class Rates:
    """The buckets of one process."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._buckets: dict[tuple[str, float], _Bucket] = {}

    def take(self, limits: Iterable[tuple[str, float | None]]) -> Standing | None:
        """Counts one request against each (name, requests per second), and tells how the tightest stands.

        Raises TooManyRequestsError, counting nothing, when one is used up.
        """
        now = time.monotonic()
        buckets = [self._bucket(name, rate, now) for name, rate in limits if rate is not None]
        if not buckets:
            return None
        wait = max((1 - bucket.level) / bucket.rate if bucket.rate else math.inf for bucket in buckets)
        if wait > 0:
            raise TooManyRequestsError("Too many requests for now; see Retry-After.", retry_after=_seconds(wait))
        for bucket in buckets:
            bucket.level -= 1
        tightest = min(buckets, key=lambda bucket: bucket.level)
        missing = (tightest.size - tightest.level) / tightest.rate
        return Standing(int(tightest.size), int(tightest.level), _seconds(missing))

    def _bucket(self, name: str, rate: float, now: float) -> _Bucket:
        key = (name, rate)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= _MOST:
                self._buckets.clear()
            share = rate / self._processes
            size = max(1.0, math.floor(share)) if rate else 0.0
            bucket = self._buckets[key] = _Bucket(share, size, size, now)
        bucket.fill(now)
        return bucket


def _seconds(wait: float) -> int:
    """Whole seconds, one at least; an hour stands for never."""
    return 3_600 if math.isinf(wait) else max(1, math.ceil(wait))
