"""The PostgreSQL store: reads, look-ups and writes that wait together travel together, everything else by itself."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, Final

import asyncpg

from headcount.store.administration import Finding, Loading, Pulse, Snapshot
from headcount.store.interface import (
    OPERATOR_TENANT,
    REFUSALS,
    TENANT_TYPE,
    Found,
    KeyName,
    Member,
    MissingError,
    Page,
    Query,
    StoredResource,
    StoreError,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.keeping import Line
from headcount.store.migrations import Migration
from headcount.store.postgresql import copying, database, distribution, health, indexing, keeping, reads, writes
from headcount.store.postgresql.coalescing import Coalescer
from headcount.store.postgresql.database import Connection
from headcount.store.postgresql.keeping import PostgresqlKeeping, append_all, sequence_all
from headcount.store.postgresql.look_ups import Shape, look_ups, page_of, parameters_of, shape_of, statement_of
from headcount.store.postgresql.pool import Pool
from headcount.store.postgresql.replica import Replica
from headcount.store.postgresql.search import all_groups, is_point, search

_FLIGHTS: Final = 3
"""Calls for one tenant at a time, of reads and of writes."""
_READS_AT_ONCE: Final = 64
_HEADWAY: Final = 0.05
"""Seconds that a read waits for the one before it: to ask the database costs several times what another row does, and
under load, when that counts, it takes long to answer."""
_WRITES_AT_ONCE: Final = 32
_PATIENCE: Final = 5.0
"""Seconds that a request waits for others to come back before it goes; past them it is refused."""
_CHANGES_A_PAGE: Final = 500
_ATTEMPTS: Final = 4
_LONG_SECONDS: Final = 3_600.0
"""For a statement that goes through everything of a tenant, or of all."""


class PostgresqlStore:
    """One installation in one PostgreSQL database."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 8,
        pooler: bool = False,
        search_budget: float = 5.0,
        timeout: float = 15.0,
        replica_url: str = "",
        upgrade: bool = False,
    ) -> None:
        self._url = url
        self._connections = connections
        self._pooler = pooler
        self._upgrade = upgrade

        def pool(target: str) -> Pool:
            return Pool(target, connections=connections, pooler=pooler, search_budget=search_budget, timeout=timeout)

        self.primary = pool(url)
        self._replica = Replica(pool(replica_url), self.primary) if replica_url else None
        patience = min(_PATIENCE, timeout)
        self.reads: Coalescer[str, tuple[str, str, bool], StoredResource | None] = Coalescer(
            self._read_many, flights=_FLIGHTS, most=_READS_AT_ONCE, patience=patience, headway=_HEADWAY
        )
        self.look_ups: Coalescer[Shape, str, list[StoredResource]] = Coalescer(
            self._look_up_many, flights=_FLIGHTS, most=_READS_AT_ONCE, patience=patience, headway=_HEADWAY
        )
        self.writes: Coalescer[str, Write, Written] = Coalescer(
            self.write_many, flights=_FLIGHTS, most=_WRITES_AT_ONCE, patience=patience
        )
        self.appends: Coalescer[str, tuple[str, Sequence[Line]], None] = Coalescer(
            partial(append_all, self.primary), flights=1, most=_WRITES_AT_ONCE, patience=patience
        )

        self.sequences: Coalescer[str, int, int] = Coalescer(
            partial(sequence_all, self.primary), flights=1, most=_READS_AT_ONCE, patience=patience
        )

    @property
    def searching(self) -> Pool | Replica:
        """Where searches run that read much."""
        return self._replica or self.primary

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
        await self.primary.open()
        if self._replica is not None:
            await self._replica.open()

    async def _migrate(self, *, upgrade: bool) -> Sequence[Migration]:
        connection = await database.connect(self._url, pooler=self._pooler)
        try:
            return await database.migrate(connection, upgrade=upgrade)
        finally:
            await connection.close()

    async def close(self) -> None:
        """Finishes what is under way."""
        await self.writes.finish()
        await self.appends.finish()
        await self.sequences.finish()
        await self.reads.finish()
        await self.look_ups.finish()
        if self._replica is not None:
            await self._replica.close()
        await self.primary.close()

    async def ready(self) -> None:
        """Raises StoreError unless the database answers and is current."""
        found = await self.primary.call(database.state)
        if found.pending:
            raise StoreError("migrations are pending")

    async def installation_key(self) -> bytes:
        """The random bytes that the first migration made."""
        return bytes(await self.primary.call(lambda connection: connection.fetchval("SELECT key FROM installation")))

    async def pulses(self, tenants: Sequence[str]) -> Mapping[str, Pulse]:
        """What tells that something happened in these tenants."""
        return await keeping.pulses(self.primary, tenants)

    async def due(self, queues: Sequence[tuple[str, str]], now: str, *, most: int = 1) -> Mapping[tuple[str, str], int]:
        """How many tasks of each of these queues may be taken, of those with any."""
        return await keeping.due(self.primary, queues, now, most)

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The whole database as of now."""
        return copying.snapshot(self._url, pooler=self._pooler)

    def loading(self) -> AbstractAsyncContextManager[Loading]:
        """Fills an empty database."""
        return copying.loading(self._url, pooler=self._pooler)

    def adding(self) -> AbstractAsyncContextManager[Loading]:
        """Adds to a database in use."""
        return copying.adding(self._url, pooler=self._pooler)

    async def analyze(self) -> None:
        """Lets the planner look at what was loaded."""
        await self.primary.call(partial(database.analyze, seconds=_LONG_SECONDS))

    async def rehearse(self) -> None:
        """Makes all connections; the first write on each takes ten times as long as another."""
        await self.primary.rehearse(writes.rehearse)

    async def examine(self, processes: int) -> Sequence[Finding]:
        """What is to be said of the database."""
        return await health.examine(self._url, pooler=self._pooler, connections=processes * self._connections)

    async def repair(self) -> Sequence[str]:
        """Makes missing indexes, concurrently."""
        return await health.repair(self._url, pooler=self._pooler)

    async def distribute(self, *, dry_run: bool) -> Sequence[str]:
        """Spreads the tenants over a Citus cluster."""
        connection = await database.connect(self._url, pooler=self._pooler)
        try:
            return await distribution.distribute(connection, dry_run=dry_run)
        except asyncpg.PostgresError as error:
            raise StoreError(f"cannot distribute the database: {error}") from error
        finally:
            await connection.close()

    def for_tenant(self, tenant: str) -> "PostgresqlTenantStore":
        """The part of the tenant with that name."""
        return PostgresqlTenantStore(self, tenant)

    async def _read_many(
        self, tenant: str, asked: list[tuple[str, str, bool]]
    ) -> Sequence[StoredResource | Exception | None]:
        statement = reads.READ if any(groups for *_, groups in asked) else reads.READ_WITHOUT_GROUPS
        types, ids = [kind for kind, *_ in asked], [resource_id for _, resource_id, _ in asked]
        rows, derived = await self._fetch_resources(tenant, statement, types, ids)
        found: list[StoredResource | None] = [None] * len(asked)
        for row in rows:
            found[row["place"] - 1] = reads.resource_of(row, derived)
        return found

    async def _look_up_many(self, shape: Shape, values: list[str]) -> Sequence[list[StoredResource] | Exception]:
        rows, derived = await self._fetch_resources(shape.tenant, statement_of(shape), *parameters_of(shape, values))
        found: list[list[StoredResource]] = [[] for _ in values]
        for row in rows:
            found[row["place"] - 1].append(reads.resource_of(row, derived))
        return found

    async def _fetch_resources(
        self, tenant: str, statement: str, *parameters: object
    ) -> tuple[list["asyncpg.Record"], Mapping[str, str] | None]:
        """The rows of a statement, and the groups of users in a tenant with groups within groups."""
        rows = await self.primary.call(lambda connection: connection.fetch(statement, tenant, *parameters))
        users = reads.users_among(rows)
        return rows, await all_groups(self.primary.run, tenant, users) if users else None

    async def write_many(self, tenant: str, batch: list[Write]) -> Sequence[Written | Exception]:
        """In the order of their keys, so that batches that meet wait for each other instead of locking up."""
        order = sorted(range(len(batch)), key=lambda place: (batch[place].type, batch[place].id))
        statement, parameter = writes.call_of([batch[place] for place in order])
        rows = await self.primary.call(lambda connection: connection.fetch(statement, tenant, parameter), again=False)
        answers: list[Written | Exception] = [StoreError("no answer")] * len(batch)
        for row in rows:
            place = order[row["number"] - 1]
            answers[place] = writes.answer_of(row, batch[place])
        return answers


class PostgresqlTenantStore(PostgresqlKeeping):
    """One tenant's part; the tenant leads every key that is named here."""

    __slots__ = ("_look_ups",)

    _store: PostgresqlStore

    def __init__(self, store: PostgresqlStore, tenant: str) -> None:
        super().__init__(store, tenant)
        self._look_ups = look_ups(tenant)

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        row = await self._store.reads.submit(self._tenant, (type_name, resource_id, groups))
        if row is None or not private:
            return row
        key = (self._tenant, type_name, resource_id)
        secret = await self._store.primary.call(lambda connection: connection.fetchval(reads.READ_PRIVATE, *key))
        return row._replace(private=secret)

    async def write(self, write: Write) -> Written:
        """Carries out one write, durably, or nothing of it."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._store.writes.submit(self._tenant, write)
            except writes.ValueFreedError:
                continue
        raise StoreError("a unique value changes hands too often")

    async def write_many(self, batch: Sequence[Write]) -> Sequence[Written | StoreError]:
        """Carries out each write, durably, or nothing of it, in one call."""
        outcomes: list[Written | StoreError] = []
        for write, answer in zip(batch, await self._store.write_many(self._tenant, list(batch)), strict=True):
            if isinstance(answer, writes.ValueFreedError):
                answer = await self._tried(write)  # noqa: PLW2901
            elif isinstance(answer, Exception) and not isinstance(answer, REFUSALS):
                raise answer
            outcomes.append(answer)
        return outcomes

    async def _tried(self, write: Write) -> Written | StoreError:
        try:
            return await self.write(write)
        except REFUSALS as refusal:
            return refusal

    async def ids_of(
        self, type_name: str, key: KeyName, values: Sequence[str], *, connection: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """The (value, id) of resources that have one of these values."""
        owners = (connection,) if key == "external_id" else ()
        statement, parameters = reads.IDS[key], (self._tenant, type_name, list(values), *owners)
        rows = await self._store.primary.call(lambda connection: connection.fetch(statement, *parameters))
        return [(row["value"], row["id"]) for row in rows]

    async def search(self, query: Query) -> Page:
        """A page of the resources that match."""
        equality = self._look_ups.equality(query)
        if equality is not None:
            shape, value = shape_of(self._tenant, query, equality)
            page = page_of(await self._store.look_ups.submit(shape, value), query)
            if page is not None:
                return page
        run = self._store.primary.run if is_point(query) else self._store.searching.run_bounded
        return await search(run, self._tenant, query)

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids."""
        statement = reads.SOME_MEMBERS if only else reads.MEMBERS
        parameters: list[Any] = [self._tenant, group_id, after, limit]
        parameters += [list(only)] if only else []
        rows = await self._store.primary.call(lambda connection: connection.fetch(statement, *parameters))
        return [reads.member_of(row) for row in rows]

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The records of a kind, by key."""
        rows = await self._store.primary.call(lambda connection: connection.fetch(reads.RECORDS, self._tenant, kind))
        return {row["key"]: row["value"] for row in rows}

    async def change_records(
        self, kind: str, changes: Mapping[str, bytes | None], *, expected_revision: int | None = None
    ) -> None:
        """Keeps and forgets records, all or none."""

        async def change(connection: Connection) -> None:
            async with connection.transaction():
                revision = await connection.fetchval(writes.COUNT_RECORDS, self._tenant)
                if expected_revision is not None and revision != expected_revision + 1:
                    raise VersionConflictError(f"the records have revision {revision - 1}")
                for key, value in changes.items():
                    if value is None:
                        await connection.execute(writes.REMOVE_RECORD, self._tenant, kind, key)
                    else:
                        await connection.execute(writes.PUT_RECORD, self._tenant, kind, key, value)

        await self._store.primary.call(change, again=expected_revision is None)

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        rows = await self._store.primary.call(
            lambda connection: connection.fetch(reads.COUNTERS, self._tenant, [writes.RECORDS])
        )
        return rows[0][1] if rows else 0

    async def index(self, type_name: str, path: str, found: Sequence[Found], *, unique: bool) -> Sequence[str]:
        """Replaces what resources are found by under a path."""
        return await self._store.primary.call(
            lambda connection: indexing.index(connection, self._tenant, type_name, path, found, unique=unique)
        )

    async def forget_index(self, type_name: str, path: str, *, unique: bool) -> None:
        """Removes everything that is found by a path."""
        await self._store.primary.call(
            lambda connection: indexing.forget(connection, self._tenant, type_name, path, unique=unique)
        )

    async def is_empty(self) -> bool:
        """Whether nothing of the tenant is kept."""
        return bool(
            await self._store.primary.call(lambda connection: connection.fetchval(reads.IS_EMPTY, self._tenant))
        )

    async def clear(self, *, registration: str | None = None) -> None:
        """Removes everything of the tenant."""

        async def clear(connection: Connection) -> None:
            async with connection.transaction():
                if registration is not None:
                    key = (OPERATOR_TENANT, TENANT_TYPE, registration)
                    if await connection.fetchval(writes.HOLD_TENANT, *key) is None:
                        raise MissingError(registration)
                for statement in writes.CLEAR:
                    await connection.execute(statement, self._tenant, timeout=_LONG_SECONDS)

        await self._store.primary.call(clear)

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
        return await self._store.primary.call(
            lambda connection: connection.fetch(reads.CHANGES, self._tenant, after, _CHANGES_A_PAGE)
        )
