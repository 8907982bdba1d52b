"""Asynchronous parts for synchronous programs: one event loop in a thread of its own, and a way into it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from threading import Thread
from typing import Any, Self, TypeVar

_Result = TypeVar("_Result")


class Portal:
    """Runs coroutines and iterates asynchronous iterators from a program without an event loop.

    with Portal() as portal:
        copy = portal.run(client.snapshot())
        for event in portal.iterate(client.follow(copy)): ...
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="headcount-portal", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.run(self._cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, coroutine: Coroutine[Any, Any, _Result]) -> _Result:
        """The result of a coroutine, waited for."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def iterate(self, items: AsyncIterator[_Result]) -> Iterator[_Result]:
        """The items one by one; leaving the loop early ends the iterator."""
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                self.run(close())

    async def _cancel_all(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_asyncgens()


async def _next(items: AsyncIterator[_Result]) -> _Result:
    return await anext(items)
