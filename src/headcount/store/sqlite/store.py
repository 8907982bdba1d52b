"""The SQLite store: reads inline on the event loop, one writer with group commit, long searches in threads.

A point read takes a few microseconds, a hop to a thread ten times that. What can scan runs in reader threads
under a time budget.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeVar

from headcount.store.interface import (
    Member,
    Page,
    Query,
    StoredResource,
    StoreError,
    TimeBudgetError,
    Update,
    Write,
    Written,
)
from headcount.store.sqlite import database, reads, writes
from headcount.store.sqlite.search import is_point, search
from headcount.store.sqlite.writer import Job, Writer

READERS: Final = 2
"""Threads for searches that can scan."""
_LARGE: Final = 500
"""Members changed in one write past which it leaves the event loop."""
_CHANGES_A_PAGE: Final = 500
_STEPS: Final = 10_000
"""Virtual machine steps between two looks at the clock."""

_Result = TypeVar("_Result")


class SqliteStore:
    """One installation in one SQLite file."""

    def __init__(self, path: Path, *, search_budget: float = 5.0, upgrade: bool = False) -> None:
        self._path = path
        self._budget = search_budget
        self._upgrade = upgrade
        self._writing: sqlite3.Connection | None = None
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(READERS, "headcount-read")
        self._open: list[sqlite3.Connection] = []

    async def open(self) -> None:
        """Opens the file; a missing or empty one is created, an older one migrated when `upgrade` says so."""
        writing = self._connect()
        try:
            database.migrate(writing, upgrade=self._upgrade)
        except BaseException:
            await self.close()
            raise
        self._writing = writing
        self.writer = Writer(writing)
        self.reading = self._connect(read_only=True)
        for _ in range(READERS):
            self._readers.put(self._connect(read_only=True))

    async def close(self) -> None:
        """Finishes what is under way."""
        if self._writing is not None:
            await self.writer.close()
            self._writing.execute("PRAGMA optimize")
            self._writing = None
        self._threads.shutdown()
        while self._open:
            self._open.pop().close()

    async def ready(self) -> None:
        """Raises StoreError unless the database answers and is current."""
        try:
            if database.state(self.reading).pending:
                raise StoreError("migrations are pending")
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    async def installation_key(self) -> bytes:
        """The random bytes that the first migration made."""
        return database.installation_key(self.reading)

    def for_tenant(self, tenant: str) -> "SqliteTenantStore":
        """The part of the tenant with that name."""
        return SqliteTenantStore(self, tenant)

    async def in_reader(self, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Runs a search in a thread, within its time budget."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        connection = self._readers.get()
        deadline = time.monotonic() + self._budget
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            return read(connection)
        except sqlite3.OperationalError as error:
            if "interrupted" in str(error):
                raise TimeBudgetError(
                    f"The search took longer than {self._budget:g} seconds; compare an indexed attribute."
                ) from error
            raise StoreError(str(error)) from error
        finally:
            connection.set_progress_handler(None, 0)
            self._readers.put(connection)

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        connection = database.connect(self._path, read_only=read_only)
        self._open.append(connection)
        return connection


class SqliteTenantStore:
    """One tenant's part; the tenant leads every key that is named here."""

    __slots__ = ("_store", "_tenant")

    def __init__(self, store: SqliteStore, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        key = (type_name, resource_id)
        row = reads.read(self._store.reading, self._tenant, key, groups=groups)
        if row is None or not private:
            return row
        secret = reads.read_private(self._store.reading, self._tenant, key)
        return StoredResource(
            row.type,
            row.id,
            row.version,
            row.created,
            row.modified,
            row.document,
            row.groups,
            row.manager,
            row.member_count,
            secret,
        )

    async def write(self, write: Write) -> Written:
        """Carries out one write, durably, or nothing of it."""
        tenant = self._tenant
        written: Written = await self._submit(
            lambda connection: writes.carry_out(connection, tenant, write), is_large=_is_large(write)
        )
        return written

    async def search(self, query: Query) -> Page:
        """A page of the resources that match."""
        if is_point(query):
            return search(self._store.reading, self._tenant, query)
        return await self._store.in_reader(lambda connection: search(connection, self._tenant, query))

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids."""
        return reads.members(self._store.reading, self._tenant, group_id, after=after, limit=limit, only=only)

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The records of a kind, by key."""
        return dict(self._store.reading.execute(reads.RECORDS, (self._tenant, kind)).fetchall())

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """Keeps a record."""
        await self._submit(lambda connection: writes.put_record(connection, self._tenant, kind, key, value))

    async def remove_record(self, kind: str, key: str) -> bool:
        """Forgets a record; whether there was one."""
        removed: bool = await self._submit(lambda connection: writes.remove_record(connection, self._tenant, kind, key))
        return removed

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        row = self._store.reading.execute(reads.COUNTER, (self._tenant, writes.RECORDS)).fetchone()
        return 0 if row is None else row[0]

    async def clear(self) -> None:
        """Removes everything of the tenant."""
        await self._submit(lambda connection: writes.clear(connection, self._tenant), is_large=True)

    async def changes(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """The rows of the change log behind a sequence number."""
        while True:
            page = list(reads.changes(self._store.reading, self._tenant, after, _CHANGES_A_PAGE))
            for change in page:
                yield change
                after = int(str(change["sequence"]))
            if len(page) < _CHANGES_A_PAGE:
                return

    async def _submit(self, job: Job, *, is_large: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return await self._store.writer.submit(job, is_large=is_large)


def _is_large(write: Write) -> bool:
    members = getattr(write, "members", None)
    if members is not None:
        return len(members.added) + len(members.removed) > _LARGE or members.clear
    return not isinstance(write, Update) and getattr(write, "document", None) is None  # a deletion may empty a group
