"""The SQLite store: reads inline on the event loop, one writer with group commit, long searches in threads.

A point read takes a few microseconds, a hop to a thread ten times that. What can scan runs in reader threads
under a time budget.
"""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Concatenate, Final, ParamSpec, TypeVar

from headcount.store.administration import Finding, Loading, Pulse, Snapshot
from headcount.store.interface import (
    REFUSALS,
    Found,
    KeyName,
    Member,
    Page,
    Query,
    StoredResource,
    StoreError,
    TimeBudgetError,
    Write,
    Written,
)
from headcount.store.sqlite import copying, database, feed, health, indexing, reads, writes
from headcount.store.sqlite import queues as tasks
from headcount.store.sqlite.keeping import SqliteKeeping
from headcount.store.sqlite.search import is_point, look_up, look_ups, search
from headcount.store.sqlite.writer import Job, Writer

READERS: Final = 2
"""Threads for searches that can scan."""
_CHANGES_A_PAGE: Final = 500
_STEPS: Final = 10_000
"""Virtual machine steps between two looks at the clock."""

_Result = TypeVar("_Result")
_P = ParamSpec("_P")


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

    async def migrate(self) -> Sequence[str]:
        """Brings the schema up to date; gives the migrations that were applied."""
        with closing(database.connect(self._path)) as connection:
            return [migration.label for migration in database.migrate(connection, upgrade=True)]

    async def migrations(self) -> Mapping[str, bool]:
        """All migrations, and whether each is applied."""
        if not self._path.exists():
            raise StoreError(f"there is no database {self._path}; 'headcount db migrate' creates it")
        with closing(database.connect(self._path, read_only=True)) as connection:
            return database.state(connection).by_label(database.migrations())

    async def open(self) -> None:
        """Opens the file; a missing or empty one is created, an older one migrated when `upgrade` says so."""
        writing = self._connect()
        try:
            database.migrate(writing, upgrade=self._upgrade)
        except BaseException:
            await self.close()
            raise
        self._writing = writing
        self._place = database.place_of(self._path)
        self.writer = Writer(writing, self._check_place)
        self.reading = self._connect(read_only=True)
        for _ in range(READERS):
            self._readers.put(self._connect(read_only=True))

    async def close(self) -> None:
        """Finishes what is under way."""
        if self._writing is not None:
            await self.writer.close()
            with suppress(sqlite3.Error):  # somebody else writes, or nobody can
                self._writing.execute("PRAGMA busy_timeout = 0")
                database.analyze(self._writing, anew=False)
            self._writing = None
        self._threads.shutdown()
        while self._open:
            self._open.pop().close()

    async def ready(self) -> None:
        """Raises StoreError unless the database answers, is current, and is still the file that was opened."""
        self._check_place()
        if database.state(self.reading).pending:
            raise StoreError("migrations are pending")

    async def installation_key(self) -> bytes:
        """The random bytes that the first migration made."""
        return self.at_once(database.installation_key)

    async def pulses(self, tenants: Sequence[str]) -> Mapping[str, Pulse]:
        """What tells that something happened in these tenants."""
        return self.at_once(feed.pulses, tenants)

    async def due(self, queues: Sequence[tuple[str, str]], now: str, *, most: int = 1) -> Mapping[tuple[str, str], int]:
        """How many tasks of each of these queues may be taken, of those with any."""
        return self.at_once(tasks.due, queues, now, most)

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The whole file as of now."""
        return copying.snapshot(self._path)

    def loading(self) -> AbstractAsyncContextManager[Loading]:
        """Fills an empty file."""
        return copying.loading(self._path)

    def adding(self) -> AbstractAsyncContextManager[Loading]:
        """Adds to a database in use."""
        return copying.adding(self._path)

    async def analyze(self) -> None:
        """Lets the planner look at what was loaded."""
        await asyncio.to_thread(self._analyze)

    def _analyze(self) -> None:
        with closing(database.connect(self._path)) as connection, database.as_store_errors("cannot analyze"):
            database.analyze(connection, anew=True)

    async def rehearse(self) -> None:
        """A file is as fast the first time."""

    async def examine(self, processes: int) -> Sequence[Finding]:  # noqa: ARG002  any number may open a file
        """What is to be said of the file."""
        return health.examine(self._path)

    async def repair(self) -> Sequence[str]:
        """Makes missing indexes."""
        return health.repair(self._path)

    async def distribute(self, *, dry_run: bool) -> Sequence[str]:  # noqa: ARG002  neither is possible
        """A file is on one machine."""
        raise StoreError("SQLite is one file on one machine; only a PostgreSQL with the extension citus is spread")

    def at_once(
        self, read: Callable[Concatenate[sqlite3.Connection, _P], _Result], *args: _P.args, **kwargs: _P.kwargs
    ) -> _Result:
        """Runs a point read on the event loop."""
        try:
            return read(self.reading, *args, **kwargs)
        except sqlite3.Error as error:
            raise StoreError(f"the database cannot be read: {error}") from error

    def for_tenant(self, tenant: str) -> "SqliteTenantStore":
        """The part of the tenant with that name."""
        return SqliteTenantStore(self, tenant)

    async def in_reader(self, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Runs a search in a thread, within its time budget."""
        if self._writing is None:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, read)

    def _read(self, read: Callable[[sqlite3.Connection], _Result]) -> _Result:
        connection = self._readers.get()
        deadline = time.monotonic() + self._budget
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        try:
            return read(connection)
        except sqlite3.Error as error:
            if "interrupted" in str(error):
                raise TimeBudgetError(
                    f"The search took longer than {self._budget:g} seconds; compare an indexed attribute."
                ) from error
            raise StoreError(f"the database cannot be read: {error}") from error
        finally:
            connection.set_progress_handler(None, 0)
            self._readers.put(connection)

    def _check_place(self) -> None:
        """Raises StoreError when the file was moved or replaced: what is written to it now would be lost."""
        if database.place_of(self._path) != self._place:
            raise StoreError(f"the database is no longer at {self._path}; restart the server")

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        connection = database.connect(self._path, read_only=read_only)
        self._open.append(connection)
        return connection


class SqliteTenantStore(SqliteKeeping):
    """One tenant's part; the tenant leads every key that is named here."""

    __slots__ = ("_look_ups",)

    _store: SqliteStore

    def __init__(self, store: SqliteStore, tenant: str) -> None:
        super().__init__(store, tenant)
        self._look_ups = look_ups(tenant, lambda: store.at_once(reads.counter, tenant, "nested") > 0)

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        key = (type_name, resource_id)
        row = self._store.at_once(reads.read, self._tenant, key, groups=groups)
        if row is None or not private:
            return row
        secret = self._store.at_once(reads.read_private, self._tenant, key)
        return row._replace(private=secret)

    async def write(self, write: Write) -> Written:
        """Carries out one write, durably, or nothing of it."""
        tenant = self._tenant
        written: Written = await self._submit(
            lambda connection: writes.carry_out(connection, tenant, write), is_large=writes.is_large(write)
        )
        return written

    async def write_many(self, batch: Sequence[Write]) -> Sequence[Written | StoreError]:
        """Carries out each write, durably, or nothing of it."""
        outcomes: list[Written | StoreError] = []
        for answer in await asyncio.gather(*map(self.write, batch), return_exceptions=True):
            if isinstance(answer, BaseException) and not isinstance(answer, REFUSALS):
                raise answer
            outcomes.append(answer)
        return outcomes

    async def ids_of(
        self, type_name: str, key: KeyName, values: Sequence[str], *, connection: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """The (value, id) of resources that have one of these values."""
        return self._store.at_once(reads.ids_of, self._tenant, type_name, key, values, connection)

    async def search(self, query: Query) -> Page:
        """A page of the resources that match."""
        matching = self._look_ups.condition(query)
        if matching is not None:
            page = self._store.at_once(look_up, self._tenant, query, matching)
            if page is not None:
                return page
        if is_point(query):
            return self._store.at_once(search, self._tenant, query)
        return await self._store.in_reader(lambda connection: search(connection, self._tenant, query))

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids."""
        return self._store.at_once(reads.members, self._tenant, group_id, after=after, limit=limit, only=only)

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The records of a kind, by key."""
        return self._store.at_once(reads.records, self._tenant, kind)

    async def change_records(
        self, kind: str, changes: Mapping[str, bytes | None], *, expected_revision: int | None = None
    ) -> None:
        """Keeps and forgets records, all or none."""
        await self._submit(
            lambda connection: writes.change_records(connection, self._tenant, kind, changes, expected_revision)
        )

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        return self._store.at_once(reads.counter, self._tenant, writes.RECORDS)

    async def index(self, type_name: str, path: str, found: Sequence[Found], *, unique: bool) -> Sequence[str]:
        """Replaces what resources are found by under a path."""
        others: list[str] = await self._submit(
            lambda connection: indexing.index(connection, self._tenant, type_name, path, found, unique=unique),
            is_large=True,
        )
        return others

    async def forget_index(self, type_name: str, path: str, *, unique: bool) -> None:
        """Removes everything that is found by a path."""
        await self._submit(
            lambda connection: indexing.forget(connection, self._tenant, type_name, path, unique=unique), is_large=True
        )

    async def is_empty(self) -> bool:
        """Whether nothing of the tenant is kept."""
        return self._store.at_once(reads.is_empty, self._tenant)

    async def clear(self, *, registration: str | None = None) -> None:
        """Removes everything of the tenant."""
        await self._submit(lambda connection: writes.clear(connection, self._tenant, registration), is_large=True)

    async def changes(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """The rows of the change log behind a sequence number."""
        while True:
            page = self._store.at_once(reads.changes, self._tenant, after, _CHANGES_A_PAGE)
            for change in page:
                yield change
                after = int(str(change["sequence"]))
            if len(page) < _CHANGES_A_PAGE:
                return

    async def _submit(self, job: Job, *, is_large: bool = False):  # type: ignore[no-untyped-def]  # noqa: ANN202
        return await self._store.writer.submit(job, is_large=is_large)
