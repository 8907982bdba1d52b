"""The pure rooms by themselves: `python benchmarks/pure.py`. Medians of processor time, and ratios to `json.loads`."""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from people import PATCH, person

from headcount.scim.comparison import compare_document
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.patch import apply_patch, read_patch
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import USER
from headcount.scim.validation import validate_resource
from headcount.store.keys import keys_of

ROUNDS = 101
CALLS = 100

TEXT = json.dumps(person("bjensen@example.com", "701984"))
BODY = json.loads(TEXT)
STORED = validate_resource(BODY, USER, TOLERANT).resource
FILTERS = {
    "the look-up of every identity provider": 'userName eq "bjensen@example.com"',
    "typical": 'userType eq "Employee" and (emails[type eq "work" and value co "@example.com"] or title sw "Tour")',
    "a watermark": 'meta.lastModified gt "2026-01-31T08:30:00Z" and active eq true',
}
CHANGES = {
    "schemas": [PATCH],
    "Operations": [
        {"op": "replace", "path": "displayName", "value": "Barbara Jensen"},
        {"op": "add", "path": "emails", "value": [{"value": "barbara@example.com", "type": "other"}]},
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": "bj@example.com"},
    ],
}

WORK: dict[str, Callable[[], Any]] = {
    "json.loads of a full user": lambda: json.loads(TEXT),
    "validate and canonicalise it": lambda: validate_resource(BODY, USER, TOLERANT),
    "its compare document": lambda: compare_document(STORED, USER),
    "its keys": lambda: keys_of(STORED, USER),
    "read and apply a PATCH of three operations": lambda: apply_patch(
        STORED, read_patch(CHANGES, TOLERANT), USER, TOLERANT
    ),
} | {
    f"parse and bind a filter: {name}": lambda text=text: bind_filter(parse_filter(text), USER, TOLERANT)
    for name, text in FILTERS.items()
}
BOUNDS: dict[str, tuple[float | None, float | None]] = {
    "validate and canonicalise it": (None, 4),
    "read and apply a PATCH of three operations": (60, None),
} | {f"parse and bind a filter: {name}": (60, None) for name in FILTERS}
"""Work → most microseconds, most times `json.loads`."""


def microseconds(work: Callable[[], Any]) -> float:
    """The processor time of one call: nothing here waits."""
    started = time.thread_time()
    for _ in range(CALLS):
        work()
    return (time.thread_time() - started) / CALLS * 1e6


def medians() -> dict[str, float]:
    """The median of every piece of work; the pieces take turns, so that the machine's moods hit all alike."""
    taken: dict[str, list[float]] = {name: [] for name in WORK}
    for _ in range(ROUNDS):
        for name, work in WORK.items():
            taken[name].append(microseconds(work))
    return {name: statistics.median(values) for name, values in taken.items()}


def verdict(value: float, most: float | None, form: str) -> str:
    """A figure, and whether it is within its bound."""
    shown = f"{value:{form}}"
    return shown if most is None else f"{shown} (≤ {most:g}: {'yes' if value <= most else 'no'})"


def main() -> None:
    """Measures, and prints a table in Markdown."""
    found = medians()
    decoding = found["json.loads of a full user"]
    print("| work | µs | times json.loads |", "| --- | --- | --- |", sep="\n")
    for name, value in found.items():
        most, most_times = BOUNDS.get(name, (None, None))
        print(f"| {name} | {verdict(value, most, '.1f')} | {verdict(value / decoding, most_times, '.2f')} |")


if __name__ == "__main__":
    main()
