"""When a delivery that failed is tried again: later and later over a day, then not until somebody asks."""

import random
from datetime import UTC, datetime, timedelta
from typing import Final

PAUSES: Final = (5, 30, 120, 300, 900, 3_600, 7_200, 14_400, 21_600, 36_000)
"""Seconds between attempts: a day in all."""
DEAD_AFTER: Final = timedelta(days=3)
"""How long an endpoint may answer nothing before it is disabled."""


def pause_after(attempts: int) -> float | None:
    """Seconds to wait after so many failed attempts, jittered so that they do not come back as a herd; None to park."""
    if attempts > len(PAUSES):
        return None
    return PAUSES[attempts - 1] * random.uniform(0.8, 1.2)  # noqa: S311  no secret


def instant_in(seconds: float) -> str:
    """UTC text of fixed width, so many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")
