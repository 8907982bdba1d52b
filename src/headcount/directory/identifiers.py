"""Ids and times."""

import os
import socket
import time
from datetime import UTC, datetime
from functools import lru_cache


def new_id() -> str:
    """A UUIDv7 (RFC 9562 §5.7): new resources are neighbours in every index that ends in the id."""
    stamp = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    value = stamp << 80 | 0x7 << 76 | (random >> 2 & 0xFFF) << 64 | 0b10 << 62 | random >> 14 & (1 << 62) - 1
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


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
