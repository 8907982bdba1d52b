"""What a tenant keeps in PostgreSQL beside resources: one statement or one call of a server function each."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncpg

from headcount.store import kept
from headcount.store.administration import Pulse
from headcount.store.interface import VersionConflictError, Write, Written
from headcount.store.keeping import ChangeRow, Entry, Line, Put, Task
from headcount.store.kept import check_puts
from headcount.store.postgresql import writes
from headcount.store.postgresql.coalescing import Coalescer
from headcount.store.postgresql.pool import Pool

ENTRY: Final = "SELECT key, value, version FROM entry WHERE tenant = $1 AND collection = $2 AND key = $3"
ENTRIES_OF: Final = "SELECT key, value, version FROM entry WHERE tenant = $1 AND collection = $2 AND key = ANY ($3)"
PUT: Final = "SELECT put_1($1, $2, $3, $4, $5)"

APPEND: Final = "SELECT append_1($1, $2, $3, $4, $5)"
TRIM: Final = """WITH old AS (
    DELETE FROM line WHERE tenant = $1 AND log = $2 AND (at < $3 OR sequence <= (
        SELECT sequence FROM line WHERE tenant = $1 AND log = $2 ORDER BY sequence DESC LIMIT 1 OFFSET $4))
    RETURNING 1)
SELECT count(*) FROM old"""

ENQUEUE: Final = "SELECT enqueue_1($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_WITHOUT_WAITING: Final = "(SELECT set_config('synchronous_commit', 'off', true)) AS setting"
"""Does not wait for the disk: what is lost with a server that falls is taken, or delivered, once more."""
TAKE: Final = f"SELECT taken.* FROM {_WITHOUT_WAITING} CROSS JOIN LATERAL take_1($1, $2, $3, $4, $5, $6) AS taken"
FINISH: Final = f"SELECT finish_1($1, $2, $3, $4) FROM {_WITHOUT_WAITING}"
PUT_OFF: Final = """UPDATE task SET held_by = NULL, due = $5, reason = $6
WHERE tenant = $1 AND queue = $2 AND id = $4 AND held_by = $3"""
PARK: Final = "SELECT park_1($1, $2, $3, $4, $5)"
REQUEUE: Final = "SELECT requeue_1($1, $2, $3, $4)"
QUEUED: Final = "SELECT count(*) FROM task WHERE tenant = $1 AND queue = $2 AND state <> 'parked'"

_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
LEASE: Final = f"""INSERT INTO lease AS l (tenant, name, holder, until) VALUES ($1, $2, $3, {_NOW} + $4)
ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, until = {_NOW} + $4
WHERE l.holder = excluded.holder OR l.until <= {_NOW} RETURNING true"""
RELEASE: Final = "DELETE FROM lease WHERE tenant = $1 AND name = $2 AND holder = $3"

MARK: Final = """INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, after)
VALUES ($1, '', '', 0, $2, $3, $4, $5, $6)"""
_WITHOUT_POSITION: Final = """(SELECT c.sequence FROM change AS c
WHERE c.tenant = {tenant} AND c.position IS NULL ORDER BY c.sequence LIMIT 1) IS NOT NULL"""
SEQUENCE: Final = f"SELECT sequence_1($1, $2), {_WITHOUT_POSITION.format(tenant='$1')}"
PULSES: Final = f"""SELECT t.tenant, coalesce((SELECT max(c.position) FROM change AS c WHERE c.tenant = t.tenant), 0),
    {_WITHOUT_POSITION.format(tenant="t.tenant")},
    coalesce((SELECT sum(c.value)::bigint FROM counter AS c WHERE c.tenant = t.tenant AND c.name = $2), 0)
FROM unnest($1::text[]) AS t (tenant)"""
DUE: Final = """SELECT q.tenant, q.queue, (SELECT count(*) FROM (
        SELECT 1 FROM task AS t WHERE t.tenant = q.tenant AND t.queue = q.queue
        AND t.state = 'ready' AND t.due <= $3 ORDER BY t.due LIMIT $4) AS due)
FROM unnest($1::text[], $2::text[]) AS q (tenant, queue)"""
_FORGOTTEN: Final = "coalesce((SELECT value FROM counter WHERE tenant = $1 AND name = '_forgotten' AND shard = 0), 0)"
LAST: Final = f"SELECT greatest({_FORGOTTEN}, (SELECT max(position) FROM change WHERE tenant = $1))"
FORGOTTEN: Final = f"SELECT {_FORGOTTEN}"
FORGET: Final = "SELECT forget_1($1, $2, $3)"
ERASE: Final = """WITH erased AS (
    UPDATE change SET before = NULL, after = NULL
    WHERE tenant = $1 AND id = $3 AND type = $2 AND (before IS NOT NULL OR after IS NOT NULL) RETURNING 1)
SELECT count(*) FROM erased"""

_CONFLICT: Final = "HC412"
"""The SQLSTATE of a put that expects another version."""
_ALL: Final = 2**63 - 1
_FORGOTTEN_AT_ONCE: Final = 10_000
_PAUSES: Final = (0.002, 0.004, 0.008, 0.016, 0.0)
"""Seconds between looks whether somebody else has given positions."""


class Access(Protocol):
    """How the database is read and written."""

    primary: Pool
    appends: Coalescer[str, tuple[str, Sequence[Line]], None]
    sequences: Coalescer[str, int, int]


class PostgresqlKeeping:
    """One tenant's entries, logs, queues, leases and feed."""

    __slots__ = ("_store", "_tenant")

    def __init__(self, store: Access, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def write_with(self, write: Write, puts: Sequence[Put]) -> Written:
        """Carries out a write and the puts, or nothing."""
        row = await self._row(writes.CARRY_OUT_WITH, writes.parameters_of(write), *_columns(puts))
        answer = writes.answer_of(row, write)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def entry(self, collection: str, key: str) -> Entry | None:
        """The entry, or None."""
        row = await self._row(ENTRY, collection, key, again=True)
        return None if row is None else Entry(*row)

    async def entries(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Entry]:
        """Entries in the order of their keys."""
        rows = await self._store.primary.run(kept.entries(self._tenant, collection, prefix, after, limit))
        return [Entry(*row) for row in rows]

    async def entries_of(self, collection: str, keys: Sequence[str]) -> Sequence[Entry]:
        """Those of these entries that exist."""
        return [Entry(*row) for row in await self._rows(ENTRIES_OF, collection, list(keys), again=True)]

    async def put(self, puts: Sequence[Put]) -> None:
        """Carries out all puts, or none."""
        await self._row(PUT, *_columns(puts), again=all(put.expected is None for put in puts))

    async def append(self, log: str, lines: Sequence[Line]) -> None:
        """Adds lines to a log."""
        await self._store.appends.submit(self._tenant, (log, tuple(lines)))

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
        statement = kept.lines(self._tenant, log, key, (after, before), limit, descending=newest_first)
        return [Line(*row) for row in await self._store.primary.run(statement)]

    async def trim(self, log: str, *, before: str = "", keep: int | None = None) -> int:
        """Removes old lines; gives how many went."""
        return await self._number(TRIM, log, before, _ALL if keep is None else keep)

    async def enqueue(self, queue: str, tasks: Sequence[Task], puts: Sequence[Put] = ()) -> None:
        """Adds tasks, together with the puts."""
        columns = [task.order_key for task in tasks], [task.due for task in tasks], [task.value for task in tasks]
        await self._row(ENQUEUE, queue, *columns, *_columns(puts))

    async def take(self, queue: str, holder: str, *, now: str, until: str, limit: int = 100) -> Sequence[Task]:
        """Tasks that are due, now held."""
        tasks = [Task(*row) for row in await self._rows(TAKE, queue, holder, now, until, limit)]
        return sorted(tasks, key=lambda task: (task.due, task.id))

    async def finish(self, queue: str, holder: str, tasks: Sequence[int]) -> Sequence[int]:
        """Removes tasks that are still held."""
        gone: list[int] = (await self._row(FINISH, queue, holder, list(tasks)))[0]
        return gone

    async def put_off(self, queue: str, holder: str, task: int, *, due: str, reason: str) -> None:
        """Lets go of a task until an instant."""
        await self._row(PUT_OFF, queue, holder, task, due, reason, again=True)

    async def park(self, queue: str, holder: str, task: int, *, reason: str) -> None:
        """Sets a task aside."""
        await self._row(PARK, queue, holder, task, reason, again=True)

    async def parked(self, queue: str, *, after: int = 0, limit: int = 100) -> Sequence[Task]:
        """Parked tasks in the order of their ids."""
        rows = await self._store.primary.run(kept.parked(self._tenant, queue, after, limit))
        return [Task(*row) for row in rows]

    async def requeue(self, queue: str, tasks: Sequence[int], *, due: str) -> int:
        """Makes parked tasks due again."""
        return await self._number(REQUEUE, queue, list(tasks), due)

    async def queued(self, queue: str) -> int:
        """How many tasks wait or are held."""
        return await self._number(QUEUED, queue)

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Takes or renews a lease."""
        return await self._row(LEASE, name, holder, round(seconds * 1000), again=True) is not None

    async def release(self, name: str, holder: str) -> None:
        """Gives a lease back."""
        await self._row(RELEASE, name, holder, again=True)

    async def mark(self, kind: str, value: bytes, *, at: str, actor: str, request_id: str) -> None:
        """Adds a row to the change log that belongs to no resource."""
        await self._row(MARK, kind, at, actor, request_id, value)

    async def sequence_changes(self, limit: int = 10_000) -> int:
        """Gives positions to committed rows that have none."""
        return await self._store.sequences.submit(self._tenant, limit)

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
            "position",
            (position, until),
            limit,
            types=types,
            resource_id=resource_id,
            marked=("position(? IN after) > 0", marked),
        )
        return [_change_of(row) for row in await self._store.primary.run(statement)]

    async def last_position(self) -> int:
        """The largest position given so far."""
        return await self._number(LAST)

    async def first_position(self) -> int:
        """The smallest position that is still kept."""
        forgotten = await self._number(FORGOTTEN)
        return forgotten + 1 if forgotten else 0

    async def forget_changes(self, before: str) -> int:
        """Removes rows that are older than an instant, some at a time; gives how many went."""
        gone = 0
        while True:
            some = await self._number(FORGET, before, _FORGOTTEN_AT_ONCE)
            gone += some
            if some < _FORGOTTEN_AT_ONCE:
                return gone

    async def erase_changes(self, type_name: str, resource_id: str) -> int:
        """Empties what rows of a resource hold of it; gives how many held anything."""
        return await self._number(ERASE, type_name, resource_id)

    async def _rows(self, statement: str, *parameters: Any, again: bool = False) -> list["asyncpg.Record"]:
        try:
            return await self._store.primary.call(
                lambda connection: connection.fetch(statement, self._tenant, *parameters), again=again
            )
        except asyncpg.PostgresError as error:
            if error.sqlstate == _CONFLICT:
                raise VersionConflictError(str(error)) from error
            raise

    async def _row(self, statement: str, *parameters: Any, again: bool = False) -> Any:
        rows = await self._rows(statement, *parameters, again=again)
        return rows[0] if rows else None

    async def _number(self, statement: str, *parameters: Any) -> int:
        return int((await self._row(statement, *parameters))[0])


async def append_all(pool: Pool, tenant: str, batch: Sequence[tuple[str, Sequence[Line]]]) -> list[None]:
    """Adds lines to logs, in one transaction."""
    added = [(log, line) for log, lines in batch for line in lines]
    columns = [log for log, _ in added], [line.at for _, line in added], [line.key for _, line in added]
    values = [line.value for _, line in added]
    await pool.call(lambda connection: connection.fetch(APPEND, tenant, *columns, values), again=False)
    return [None] * len(batch)


async def sequence_all(pool: Pool, tenant: str, limits: Sequence[int]) -> list[int]:
    """Gives positions, at once for all who ask: what was committed before has one then, as far as the limits allow.

    Somebody else may be at it, who has not committed them yet.
    """
    number = 0
    for pause in _PAUSES:
        ((number, waits),) = await pool.call(lambda connection: connection.fetch(SEQUENCE, tenant, min(limits)))
        if number or not waits:
            break
        await asyncio.sleep(pause)
    return [number] * len(limits)


async def pulses(pool: Pool, tenants: Sequence[str]) -> dict[str, Pulse]:
    """What tells that something happened in these tenants."""
    rows = await pool.call(lambda connection: connection.fetch(PULSES, list(tenants), writes.RECORDS))
    return {tenant: Pulse(*values) for tenant, *values in rows}


async def due(pool: Pool, queues: Sequence[tuple[str, str]], now: str, most: int) -> dict[tuple[str, str], int]:
    """How many tasks of each of these queues may be taken, of those with any."""
    tenants, names = [tenant for tenant, _ in queues], [queue for _, queue in queues]
    rows = await pool.call(lambda connection: connection.fetch(DUE, tenants, names, now, most))
    return {(tenant, queue): number for tenant, queue, number in rows if number}


def _change_of(row: "asyncpg.Record") -> ChangeRow:
    *values, added, removed = row
    return ChangeRow(*values, *(tuple(members or ()) for members in (added, removed)))


def _columns(puts: Sequence[Put]) -> tuple[list[Any], ...]:
    """Puts as the parameters of `put_1`."""
    check_puts(puts)
    return (
        [put.collection for put in puts],
        [put.key for put in puts],
        [put.value for put in puts],
        [put.expected for put in puts],
    )
