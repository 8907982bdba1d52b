"""Ids and times."""

import os
import socket
import time
from collections import deque
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

_RANDOM: Final[deque[bytes]] = deque()
"""What the next ids are made of, ten bytes each. To ask the system for them lets other threads go first each time."""
_AT_ONCE: Final = 64
os.register_at_fork(after_in_child=_RANDOM.clear)  # parent and child would give the same ids


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): new resources are neighbours in every index that ends in the id."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(_ten_bytes(), "big")
    value = stamp << 80 | 0x7 << 76 | (random >> 2 & 0xFFF) << 64 | 0b10 << 62 | random >> 14 & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _ten_bytes() -> bytes:
    """Random bytes that nobody else gets; threads may ask at once."""
    try:
        return _RANDOM.pop()
    except IndexError:
        supply = os.urandom(10 * _AT_ONCE)
        first, *others = (supply[at : at + 10] for at in range(0, len(supply), 10))
        _RANDOM.extend(others)
        return first


def now() -> str:
    """The current instant as UTC text of fixed width, `2026-01-31T08:30:00.000000Z`."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1000:06d}Z"


def instant_of(seconds: float) -> str:
    """An instant, given as seconds since the epoch, in the same form."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1_000_000):06d}Z"


def holder() -> str:
    """What a process calls itself where it takes leases."""
    return f"{socket.gethostname()}:{os.getpid()}"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
