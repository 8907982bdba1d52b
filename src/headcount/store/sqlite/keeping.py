"""What a tenant keeps in SQLite beside resources: reads inline on the event loop, writes through the one writer."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from headcount.store import kept
from headcount.store.interface import Write, Written
from headcount.store.keeping import ChangeRow, Entry, Line, Put, Task
from headcount.store.kept import check_puts
from headcount.store.sqlite import entries, feed, queues, writes
from headcount.store.sqlite.writer import Writer

_MANY: Final = 100
"""Rows written at once past which a write leaves the event loop."""
_FORGOTTEN_AT_ONCE: Final = 1_000

_Result = TypeVar("_Result")
_P = ParamSpec("_P")


class Access(Protocol):
    """How the database is read and written."""

    writer: Writer

    def at_once(
        self, read: Callable[Concatenate[sqlite3.Connection, _P], _Result], *args: _P.args, **kwargs: _P.kwargs
    ) -> _Result:
        """Runs a point read."""
        ...


class SqliteKeeping:
    """One tenant's entries, logs, queues, leases and feed."""

    __slots__ = ("_store", "_tenant")

    def __init__(self, store: Access, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def write_with(self, write: Write, puts: Sequence[Put]) -> Written:
        """Carries out a write and the puts, or nothing."""
        check_puts(puts)

        def both(connection: sqlite3.Connection) -> Written:
            written = writes.carry_out(connection, self._tenant, write)
            entries.put(connection, self._tenant, puts)
            return written

        written: Written = await self._store.writer.submit(both, is_large=writes.is_large(write))
        return written

    async def entry(self, collection: str, key: str) -> Entry | None:
        """The entry, or None."""
        return self._store.at_once(entries.entry, self._tenant, collection, key)

    async def entries(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Entry]:
        """Entries in the order of their keys."""
        return self._store.at_once(entries.entries, self._tenant, collection, prefix, after, limit)

    async def entries_of(self, collection: str, keys: Sequence[str]) -> Sequence[Entry]:
        """Those of these entries that exist."""
        return self._store.at_once(entries.entries_of, self._tenant, collection, keys)

    async def put(self, puts: Sequence[Put]) -> None:
        """Carries out all puts, or none."""
        check_puts(puts)
        await self._write(entries.put, puts, size=len(puts))

    async def append(self, log: str, lines: Sequence[Line]) -> None:
        """Adds lines to a log."""
        await self._write(entries.append, log, lines, size=len(lines))

    async def lines(
        self,
        log: str,
        *,
        key: str | None = None,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> Sequence[Line]:
        """Lines between two sequences."""
        bounds = (after, before)
        return self._store.at_once(entries.lines, self._tenant, log, key, bounds, limit, descending=newest_first)

    async def trim(self, log: str, *, before: str = "", keep: int | None = None) -> int:
        """Removes old lines; gives how many went."""
        gone: int = await self._write(entries.trim, log, before, keep, size=_MANY + 1)
        return gone

    async def enqueue(self, queue: str, tasks: Sequence[Task], puts: Sequence[Put] = ()) -> None:
        """Adds tasks, together with the puts."""
        check_puts(puts)
        await self._write(queues.enqueue, queue, tasks, puts, size=len(tasks) + len(puts))

    async def take(self, queue: str, holder: str, *, now: str, until: str, limit: int = 100) -> Sequence[Task]:
        """Tasks that are due, now held."""
        taken: list[Task] = await self._write(queues.take, queue, holder, now, until, limit, size=limit)
        return taken

    async def finish(self, queue: str, holder: str, tasks: Sequence[int]) -> Sequence[int]:
        """Removes tasks that are still held."""
        gone: list[int] = await self._write(queues.finish, queue, holder, tasks, size=len(tasks))
        return gone

    async def put_off(self, queue: str, holder: str, task: int, *, due: str, reason: str) -> None:
        """Lets go of a task until an instant."""
        await self._write(queues.put_off, queue, holder, task, due, reason)

    async def park(self, queue: str, holder: str, task: int, *, reason: str) -> None:
        """Sets a task aside."""
        await self._write(queues.park, queue, holder, task, reason)

    async def parked(self, queue: str, *, after: int = 0, limit: int = 100) -> Sequence[Task]:
        """Parked tasks in the order of their ids."""
        return self._store.at_once(queues.parked, self._tenant, queue, after, limit)

    async def requeue(self, queue: str, tasks: Sequence[int], *, due: str) -> int:
        """Makes parked tasks due again."""
        number: int = await self._write(queues.requeue, queue, tasks, due, size=len(tasks))
        return number

    async def queued(self, queue: str) -> int:
        """How many tasks wait or are held."""
        return self._store.at_once(queues.queued, self._tenant, queue)

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Takes or renews a lease."""
        is_ours: bool = await self._write(entries.lease, name, holder, seconds)
        return is_ours

    async def release(self, name: str, holder: str) -> None:
        """Gives a lease back."""
        await self._write(entries.release, name, holder)

    async def mark(self, kind: str, value: bytes, *, at: str, actor: str, request_id: str) -> None:
        """Adds a row to the change log that belongs to no resource."""
        await self._write(feed.mark, kind, value, (at, actor, request_id))

    async def sequence_changes(self, limit: int = 10_000) -> int:  # noqa: ARG002
        """Every row has its position from the start."""
        return 0

    async def changes_after(
        self,
        position: int,
        *,
        limit: int = 1000,
        types: Sequence[str] = (),
        resource_id: str = "",
        until: int = 0,
        marked: bytes = b"",
    ) -> Sequence[ChangeRow]:
        """Rows in the order of their positions."""
        statement = kept.changes(
            self._tenant,
            feed.POSITION,
            (position, until),
            limit,
            types=types,
            resource_id=resource_id,
            marked=(feed.HOLDS, marked),
        )
        return self._store.at_once(feed.changes, statement)

    async def last_position(self) -> int:
        """The largest position given so far."""
        return self._store.at_once(feed.last_position, self._tenant)

    async def first_position(self) -> int:
        """The smallest position that is still kept."""
        return self._store.at_once(feed.first_position, self._tenant)

    async def forget_changes(self, before: str) -> int:
        """Removes rows that are older than an instant, some at a time; gives how many went."""
        gone = 0
        while True:
            some: int = await self._write(feed.forget_changes, before, _FORGOTTEN_AT_ONCE, size=_FORGOTTEN_AT_ONCE)
            gone += some
            if some < _FORGOTTEN_AT_ONCE:
                return gone

    async def erase_changes(self, type_name: str, resource_id: str) -> int:
        """Empties what rows of a resource hold of it; gives how many held anything."""
        number: int = await self._write(feed.erase_changes, type_name, resource_id)
        return number

    async def _write(
        self, change: Callable[Concatenate[sqlite3.Connection, str, ...], Any], *args: Any, size: int = 1
    ) -> Any:
        def job(connection: sqlite3.Connection) -> Any:
            return change(connection, self._tenant, *args)

        return await self._store.writer.submit(job, is_large=size > _MANY)
