"""Times of the engine: UTC, fixed width, from a clock that tests can set."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def clock() -> datetime:
    """The time now."""
    return datetime.now(UTC)


def stamp(moment: datetime) -> str:
    """A time as it is kept and compared: `2026-01-31T08:30:00.000000Z`."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def later(instant: str, seconds: float) -> str:
    """The time so many seconds after another."""
    return stamp(datetime.fromisoformat(instant) + timedelta(seconds=seconds))
