"""The PostgreSQL store: point reads and writes that wait together travel together, everything else by itself."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import asyncpg

from headcount.store.interface import (
    Member,
    Page,
    Query,
    StoredResource,
    StoreError,
    TimeBudgetError,
    Write,
    Written,
)
from headcount.store.migrations import Migration
from headcount.store.postgresql import database, reads, writes
from headcount.store.postgresql.coalescing import Coalescer
from headcount.store.postgresql.database import Connection
from headcount.store.postgresql.dialect import numbered
from headcount.store.postgresql.search import all_groups, is_point, search
from headcount.store.search.sql import Sql

_FLIGHTS: Final = 3
"""Calls for one tenant at a time, of reads and of writes."""
_READS_AT_ONCE: Final = 64
_WRITES_AT_ONCE: Final = 32
_CHANGES_A_PAGE: Final = 500
_ATTEMPTS: Final = 4
_COMMAND_SECONDS: Final = 15.0
"""After which a statement, and whoever waits for it, gives up."""
_ACQUIRE_SECONDS: Final = 5.0
_CLEAR_SECONDS: Final = 3_600.0
"""For a statement that removes everything of a tenant."""

_Result = TypeVar("_Result")
_TRANSIENT: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_MOVED: Final = (asyncpg.ReadOnlySQLTransactionError,)
_DISCONNECTED: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
)


class PostgresqlStore:
    """One installation in one PostgreSQL database."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        pooler: bool = False,
        search_budget: float = 5.0,
        upgrade: bool = False,
    ) -> None:
        self._url = url
        self._connections = connections
        self._pooler = pooler
        self._budget = search_budget
        self._upgrade = upgrade
        self._pool: asyncpg.Pool[Any] | None = None
        self.reads: Coalescer[tuple[str, str, bool], StoredResource | None] = Coalescer(
            self._read_many, flights=_FLIGHTS, most=_READS_AT_ONCE
        )
        self.writes: Coalescer[Write, Written] = Coalescer(self._write_many, flights=_FLIGHTS, most=_WRITES_AT_ONCE)

    async def migrate(self) -> Sequence[str]:
        """Brings the schema up to date; gives the migrations that were applied."""
        return [migration.label for migration in await self._migrate(upgrade=True)]

    async def migrations(self) -> Mapping[str, bool]:
        """All migrations, and whether each is applied."""
        connection = await database.connect(self._url, pooler=self._pooler)
        try:
            return (await database.state(connection)).by_label(database.migrations())
        finally:
            await connection.close()

    async def open(self) -> None:
        """Connects; an empty database is given its schema, an older one is migrated when `upgrade` says so."""
        await self._migrate(upgrade=self._upgrade)
        self._pool = await asyncpg.create_pool(
            **database.connect_arguments(self._url, pooler=self._pooler),
            min_size=1,
            max_size=self._connections,
            command_timeout=_COMMAND_SECONDS,
            reset=_keep,
        )

    async def _migrate(self, *, upgrade: bool) -> Sequence[Migration]:
        connection = await database.connect(self._url, pooler=self._pooler)
        try:
            return await database.migrate(connection, upgrade=upgrade)
        finally:
            await connection.close()

    async def close(self) -> None:
        """Finishes what is under way."""
        await self.writes.finish()
        await self.reads.finish()
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def ready(self) -> None:
        """Raises StoreError unless the database answers and is current."""
        found = await self.call(database.state)
        if found.pending:
            raise StoreError("migrations are pending")

    async def installation_key(self) -> bytes:
        """The random bytes that the first migration made."""
        return bytes(await self.call(lambda connection: connection.fetchval("SELECT key FROM installation")))

    def for_tenant(self, tenant: str) -> "PostgresqlTenantStore":
        """The part of the tenant with that name."""
        return PostgresqlTenantStore(self, tenant)

    async def call(self, action: Callable[[Connection], Awaitable[_Result]], *, again: bool = True) -> _Result:
        """What an action gives on a connection; `again` says that it may be repeated when the connection was lost.

        Raises StoreError when the database cannot be reached or does not answer in time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(action)
            except _TRANSIENT as error:
                if attempt == _ATTEMPTS - 1:
                    raise StoreError(str(error)) from error
            except _MOVED as error:
                await self._forget_connections()
                raise StoreError("the database has become read-only") from error
            except _DISCONNECTED as error:
                if not again or attempt == _ATTEMPTS - 1:
                    raise StoreError(f"the database cannot be reached: {error or type(error).__name__}") from error
        raise AssertionError("unreachable")

    async def _once(self, action: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        if self._pool is None:
            raise StoreError("the store is closed")
        try:
            connection = await self._pool.acquire(timeout=_ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise StoreError("no connection to the database became free in time") from error
        try:
            return await action(connection)
        except TimeoutError as error:
            raise StoreError("the database did not answer in time") from error
        finally:
            await self._pool.release(connection)

    async def _forget_connections(self) -> None:
        """Another server has become the primary: whoever asks next looks for it."""
        if self._pool is not None:
            await self._pool.expire_connections()

    async def run(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement."""
        text = numbered(statement)
        return await self.call(lambda connection: connection.fetch(text, *statement.parameters))

    async def run_bounded(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement that may have to read much; raises TimeBudgetError."""
        text = numbered(statement)

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            try:
                return await connection.fetch(text, *statement.parameters, timeout=self._budget)
            except TimeoutError as error:
                raise TimeBudgetError(
                    f"The search took longer than {self._budget:g} seconds; compare an indexed attribute."
                ) from error

        return await self.call(fetch)

    async def _read_many(
        self, tenant: str, asked: list[tuple[str, str, bool]]
    ) -> Sequence[StoredResource | Exception | None]:
        statement = reads.READ if any(groups for *_, groups in asked) else reads.READ_WITHOUT_GROUPS
        types, ids = [kind for kind, *_ in asked], [resource_id for _, resource_id, _ in asked]
        rows = await self.call(lambda connection: connection.fetch(statement, tenant, types, ids))
        users = reads.users_among(rows)
        derived = await all_groups(self.run, tenant, users) if users else None
        found: list[StoredResource | None] = [None] * len(asked)
        for row in rows:
            found[row["place"] - 1] = reads.resource_of(row, derived)
        return found

    async def _write_many(self, tenant: str, batch: list[Write]) -> Sequence[Written | Exception]:
        """In the order of their keys, so that batches that meet wait for each other instead of locking up."""
        order = sorted(range(len(batch)), key=lambda place: (batch[place].type, batch[place].id))
        items = [writes.parameters_of(batch[place]) for place in order]
        rows = await self.call(lambda connection: connection.fetch(writes.CARRY_OUT, tenant, items), again=False)
        answers: list[Written | Exception] = [StoreError("no answer")] * len(batch)
        for row in rows:
            place = order[row["number"] - 1]
            answers[place] = writes.answer_of(row, batch[place])
        return answers


class PostgresqlTenantStore:
    """One tenant's part; the tenant leads every key that is named here."""

    __slots__ = ("_store", "_tenant")

    def __init__(self, store: PostgresqlStore, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        row = await self._store.reads.submit(self._tenant, (type_name, resource_id, groups))
        if row is None or not private:
            return row
        key = (self._tenant, type_name, resource_id)
        secret = await self._store.call(lambda connection: connection.fetchval(reads.READ_PRIVATE, *key))
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
        for _ in range(_ATTEMPTS):
            try:
                return await self._store.writes.submit(self._tenant, write)
            except writes.ValueFreedError:
                continue
        raise StoreError("a unique value changes hands too often")

    async def search(self, query: Query) -> Page:
        """A page of the resources that match."""
        run = self._store.run if is_point(query) else self._store.run_bounded
        return await search(run, self._tenant, query)

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids."""
        statement = reads.SOME_MEMBERS if only else reads.MEMBERS
        parameters: list[Any] = [self._tenant, group_id, after, limit]
        parameters += [list(only)] if only else []
        rows = await self._store.call(lambda connection: connection.fetch(statement, *parameters))
        return [reads.member_of(row) for row in rows]

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The records of a kind, by key."""
        rows = await self._store.call(lambda connection: connection.fetch(reads.RECORDS, self._tenant, kind))
        return {row["key"]: row["value"] for row in rows}

    async def put_record(self, kind: str, key: str, value: bytes) -> None:
        """Keeps a record."""

        async def put(connection: Connection) -> None:
            async with connection.transaction():
                await connection.execute(writes.COUNT_RECORDS, self._tenant)
                await connection.execute(writes.PUT_RECORD, self._tenant, kind, key, value)

        await self._store.call(put)

    async def remove_record(self, kind: str, key: str) -> bool:
        """Forgets a record; whether there was one."""

        async def remove(connection: Connection) -> bool:
            async with connection.transaction():
                await connection.execute(writes.COUNT_RECORDS, self._tenant)
                return await connection.execute(writes.REMOVE_RECORD, self._tenant, kind, key) != "DELETE 0"

        return await self._store.call(remove)

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        rows = await self._store.call(
            lambda connection: connection.fetch(reads.COUNTERS, self._tenant, [writes.RECORDS])
        )
        return rows[0][1] if rows else 0

    async def clear(self) -> None:
        """Removes everything of the tenant."""

        async def clear(connection: Connection) -> None:
            async with connection.transaction():
                for statement in writes.CLEAR:
                    await connection.execute(statement, self._tenant, timeout=_CLEAR_SECONDS)

        await self._store.call(clear)

    async def changes(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """The rows of the change log behind a sequence number."""
        while True:
            page = await self._changes(after)
            for row in page:
                yield reads.change_of(row)
                after = row["sequence"]
            if len(page) < _CHANGES_A_PAGE:
                return

    async def _changes(self, after: int) -> list["asyncpg.Record"]:
        return await self._store.call(
            lambda connection: connection.fetch(reads.CHANGES, self._tenant, after, _CHANGES_A_PAGE)
        )


async def _keep(_connection: Connection) -> None:
    """No session state is ever set, so that a connection needs no reset, which would cost a round trip."""
