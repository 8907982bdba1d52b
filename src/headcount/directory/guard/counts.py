"""Counts over a rolling window, in few parts however many were counted. Pure.

Removals that come within a hundredth of the window are one part, which leaves the window with its last one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

import orjson

_PARTS: Final = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Some removals at about the same time."""

    first: float
    """Seconds since the epoch."""
    last: float
    number: int


Counts = tuple[Part, ...]


def counts_of(text: bytes) -> Counts:
    """Counts as they are kept."""
    return tuple(Part(*part) for part in orjson.loads(text))


def text_of(counts: Counts) -> bytes:
    """Counts as text."""
    return orjson.dumps([[part.first, part.last, part.number] for part in counts])


def within(counts: Counts, window: int, now: float) -> Counts:
    """What is still within the window."""
    return tuple(part for part in counts if part.last + window > now)


def with_more(counts: Counts, number: int, window: int, now: float) -> Counts:
    """With removals that are made now."""
    if counts and now - counts[-1].first < window / _PARTS:
        return (*counts[:-1], replace(counts[-1], last=now, number=counts[-1].number + number))
    return (*counts, Part(now, now, number))


def with_less(counts: Counts, number: int) -> Counts:
    """Without removals that were not made after all, the latest ones."""
    left = list(counts)
    while left and number >= left[-1].number:
        number -= left.pop().number
    if left and number:
        left[-1] = replace(left[-1], number=left[-1].number - number)
    return tuple(left)


def total(counts: Counts) -> int:
    """How many there are."""
    return sum(part.number for part in counts)


def seconds_until_free(counts: Sequence[Part], window: int, now: float) -> int:
    """Whole seconds until the first of them leave the window, one at least."""
    return max(1, ceil(counts[0].last + window - now)) if counts else window
