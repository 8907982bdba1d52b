"""Wakes those who wait for something to change, within one process: for the next change of a tenant, say."""

import asyncio
from collections import Counter
from contextlib import suppress


class Notifier:
    """Who waits for which key. Changes made by other processes are found by looking again after a while."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._changes: Counter[str] = Counter()

    def changed(self, key: str) -> None:
        """Something has changed."""
        self._changes[key] += 1
        for waiting in self._waiting.pop(key, ()):
            if not waiting.done():
                waiting.set_result(None)

    def seen(self, key: str) -> int:
        """What to remember before looking, so that what changes meanwhile is not waited for."""
        return self._changes[key]

    async def wait(self, key: str, seconds: float, seen: int | None = None) -> None:
        """Until the next change, for so long at most; not at all when there was one since `seen`."""
        if seen is not None and seen != self._changes[key]:
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, set()).add(waiting)
        with suppress(TimeoutError):
            await asyncio.wait_for(waiting, seconds)
        if others := self._waiting.get(key):
            others.discard(waiting)
            if not others:
                del self._waiting[key]
