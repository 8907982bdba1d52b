"""How far a long command is: a bar at a terminal, a line now and then elsewhere, nothing for scripts."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Report: TypeAlias = Callable[[int, str], None]
"""Told how much has been done since the last time, and what there is to say about it."""

_EVERY: Final = 5.0
"""Seconds between two lines where there is no terminal."""


@contextmanager
def progress(total: int | None, *, as_json: bool) -> Iterator[Report]:
    """Shows progress on standard error; `total` None where nobody knows how much there is."""
    if as_json:
        yield lambda _amount, _text: None
    elif sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task("", total=total)
            yield lambda amount, text: bar.update(task, advance=amount, description=text)
    else:
        yield _Lines(total).report


def _bar() -> Progress:
    columns = (BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True))


class _Lines:
    def __init__(self, total: int | None) -> None:
        self._total = total
        self._done = 0
        self._next = time.monotonic() + _EVERY

    def report(self, amount: int, text: str) -> None:
        """Says it, unless something was said just now."""
        self._done += amount
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _EVERY
            share = f"{100 * self._done // self._total} %: " if self._total else ""
            print(f"{share}{text}", file=sys.stderr, flush=True)  # noqa: T201
