"""Group commit: writes that wait together are committed together, each answered once its commit is durable.

One connection writes. What is queued is executed on the event loop, where no other thread competes for the
interpreter, each write in a savepoint of its own so that one that fails leaves nothing behind; then the commit, which
waits for the disk, runs in a thread while further writes queue. There is no timer: a lone write is committed at once.
Writes of very many members are executed in the thread as well, so that requests go on meanwhile.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final, TypeAlias

from headcount.store.interface import StoreError

Job: TypeAlias = Callable[[sqlite3.Connection], Any]
"""What a write does within the transaction; its result is the writer's answer."""

MOST_AT_ONCE: Final = 256
"""Writes in one transaction."""
LARGE_WAL: Final = 256 * 1024 * 1024
"""Bytes past which the log is truncated, which waits for readers."""
_CHECKPOINT_PAGES: Final = 4000
"""Pages in the log past which a commit brings them home: a page that is written often meanwhile is brought once."""
_CHECKPOINT_EVERY: Final = 4096
"""Transactions between two looks at the size of the log."""


@dataclass(slots=True)
class _Queued:
    job: Job
    is_large: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class Writer:
    """The one writer of a process."""

    def __init__(self, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        """`check` raises StoreError when what is committed would be lost."""
        self._connection = connection
        connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Queued] = deque()
        self._tasks: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._busy = False
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._committed = 0
        self._thread = Thread(target=self._work, name="headcount-commit", daemon=True)
        self._thread.start()

    async def submit(self, job: Job, *, is_large: bool = False) -> Any:
        """Carries out a job durably; raises what the job raises, and StoreError when the commit fails."""
        if self._closed:
            raise StoreError("the store is closed")
        queued = _Queued(job, is_large, self._loop.create_future())
        self._queue.append(queued)
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._begin)  # whatever else this turn of the loop brings, goes along
        return await queued.future

    async def close(self) -> None:
        """Finishes what is queued, and takes nothing more."""
        self._closed = True
        await self._idle.wait()
        self._tasks.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _begin(self) -> None:
        """Takes the write lock, without waiting if nobody holds it."""
        try:
            self._connection.execute("PRAGMA busy_timeout = 0")
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            self._tasks.put(self._begin_patiently)
        else:
            self._execute()

    def _begin_patiently(self) -> None:
        """In the thread: another process is writing."""
        try:
            self._connection.execute("PRAGMA busy_timeout = 10000")
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            self._loop.call_soon_threadsafe(self._fail, list(self._take()), error)
        else:
            self._loop.call_soon_threadsafe(self._execute)

    def _take(self) -> list[_Queued]:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]
        return [queued for queued in batch if not queued.future.cancelled()]

    def _execute(self) -> None:
        batch = self._take()
        if any(queued.is_large for queued in batch):
            self._tasks.put(lambda: self._run_and_commit(batch))
            return
        self._run(batch)
        self._tasks.put(lambda: self._commit(batch))

    def _run_and_commit(self, batch: list[_Queued]) -> None:
        self._run(batch)
        self._commit(batch)

    def _run(self, batch: list[_Queued]) -> None:
        connection = self._connection
        for queued in batch:
            try:
                connection.execute("SAVEPOINT one")
                queued.result = queued.job(connection)
                connection.execute("RELEASE one")
            except Exception as error:  # noqa: BLE001  handed to whoever waits
                queued.error = error
                if not connection.in_transaction:
                    return  # a full disk costs the whole transaction: the commit will fail
                connection.execute("ROLLBACK TO one")
                connection.execute("RELEASE one")

    def _commit(self, batch: list[_Queued]) -> None:
        """In the thread: waits for the disk."""
        try:
            self._check()
            self._connection.execute("COMMIT")
        except (sqlite3.Error, StoreError) as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self._loop.call_soon_threadsafe(self._fail, batch, error)
        else:
            self._bound_log()
            self._loop.call_soon_threadsafe(self._succeed, batch)

    def _bound_log(self) -> None:
        self._committed += 1
        if self._committed % _CHECKPOINT_EVERY:
            return
        with suppress(sqlite3.Error):  # what is committed stands, and the next look tries again
            pages = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
            if pages * 4096 > LARGE_WAL:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _succeed(self, batch: list[_Queued]) -> None:
        for queued in batch:
            if queued.future.cancelled():
                continue
            if queued.error is None:
                queued.future.set_result(queued.result)
            elif isinstance(queued.error, sqlite3.Error):
                queued.future.set_exception(StoreError(f"the database refused a write: {queued.error}"))
            else:
                queued.future.set_exception(queued.error)
        self._go_on()

    def _fail(self, batch: list[_Queued], error: Exception) -> None:
        for queued in batch:
            if not queued.future.cancelled():
                queued.future.set_exception(StoreError(f"the database could not commit: {error}"))
        self._go_on()

    def _go_on(self) -> None:
        if self._queue:
            self._begin()
        else:
            self._busy = False
            self._idle.set()
