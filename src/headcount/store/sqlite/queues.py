"""Queues in SQLite: nobody else writes meanwhile."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from headcount.store import kept
from headcount.store.keeping import Put, Task
from headcount.store.sqlite.entries import put

ENQUEUE: Final = "INSERT INTO task (tenant, queue, order_key, state, due, value) VALUES (?, ?, ?, ?, ?, ?)"
PROMOTE: Final = """UPDATE task SET state = 'ready' WHERE id IN (
    SELECT (
        SELECT b.id FROM task AS b WHERE b.tenant = ?1 AND b.queue = ?2 AND b.order_key <> ''
        AND b.order_key = k.value AND b.state = 'behind' ORDER BY b.id LIMIT 1)
    FROM json_each(?3) AS k WHERE NOT EXISTS (
        SELECT 1 FROM task AS r WHERE r.tenant = ?1 AND r.queue = ?2 AND r.order_key <> ''
        AND r.order_key = k.value AND r.state = 'ready'))"""
"""The first of the tasks behind becomes ready where none is."""
DUE: Final = """SELECT order_key, value, due, id, attempts, reason FROM task
WHERE tenant = ? AND queue = ? AND state = 'ready' AND due <= ? ORDER BY due, id LIMIT ?"""
HOW_MANY: Final = """SELECT q.value ->> 0, q.value ->> 1, (SELECT count(*) FROM (
        SELECT 1 FROM task AS t WHERE t.tenant = q.value ->> 0 AND t.queue = q.value ->> 1
        AND t.state = 'ready' AND t.due <= ?2 ORDER BY t.due LIMIT ?3))
FROM json_each(?1) AS q"""
HOLD: Final = """UPDATE task SET held_by = ?, due = ?, attempts = attempts + 1
WHERE id IN (SELECT value FROM json_each(?))"""

_OURS: Final = "WHERE tenant = ?1 AND queue = ?2 AND id IN (SELECT value FROM json_each(?3))"
FINISH: Final = f"DELETE FROM task {_OURS} AND held_by = ?4 RETURNING id, order_key"
PUT_OFF: Final = f"UPDATE task SET held_by = NULL, due = ?5, reason = ?6 {_OURS} AND held_by = ?4"
PARK: Final = (
    f"UPDATE task SET held_by = NULL, state = 'parked', reason = ?5 {_OURS} AND held_by = ?4 RETURNING order_key"
)
REQUEUE: Final = f"""UPDATE task
SET state = CASE order_key WHEN '' THEN 'ready' ELSE 'behind' END, due = ?4, attempts = 0
{_OURS} AND state = 'parked' RETURNING order_key"""
STEP_BACK: Final = """UPDATE task SET state = 'behind' WHERE id IN (
    SELECT r.id FROM json_each(?3) AS k CROSS JOIN task AS r ON r.tenant = ?1 AND r.queue = ?2 AND r.order_key <> ''
    AND r.order_key = k.value AND r.state = 'ready'
    WHERE r.held_by IS NULL AND EXISTS (
        SELECT 1 FROM task AS b WHERE b.tenant = ?1 AND b.queue = ?2 AND b.order_key <> ''
        AND b.order_key = k.value AND b.state = 'behind' AND b.id < r.id))"""
"""Who is not held gives way to what came before it."""
QUEUED: Final = """SELECT
    (SELECT count(*) FROM task WHERE tenant = ?1 AND queue = ?2 AND state = 'ready')
    + (SELECT count(*) FROM task WHERE tenant = ?1 AND queue = ?2 AND order_key <> '' AND state = 'behind')"""


def enqueue(
    connection: sqlite3.Connection, tenant: str, queue: str, tasks: Sequence[Task], puts: Sequence[Put]
) -> None:
    """Adds tasks, together with the puts."""
    put(connection, tenant, puts)
    rows = [
        (tenant, queue, task.order_key, "behind" if task.order_key else "ready", task.due, task.value) for task in tasks
    ]
    connection.executemany(ENQUEUE, rows)
    _promote(connection, tenant, queue, (task.order_key for task in tasks))


def take(
    connection: sqlite3.Connection, tenant: str, queue: str, holder: str, now: str, until: str, limit: int
) -> list[Task]:
    """Tasks that are due, now held until an instant."""
    tasks = [Task(*row) for row in connection.execute(DUE, (tenant, queue, now, limit))]
    connection.execute(HOLD, (holder, until, json.dumps([task.id for task in tasks])))
    return tasks


def due(
    connection: sqlite3.Connection, queues: Sequence[tuple[str, str]], now: str, most: int
) -> dict[tuple[str, str], int]:
    """How many tasks of each of these queues may be taken, of those with any."""
    rows = connection.execute(HOW_MANY, (json.dumps(queues), now, most))
    return {(tenant, queue): number for tenant, queue, number in rows if number}


def finish(connection: sqlite3.Connection, tenant: str, queue: str, holder: str, tasks: Sequence[int]) -> list[int]:
    """Removes tasks that the holder still holds; gives their ids."""
    gone = connection.execute(FINISH, (tenant, queue, json.dumps(list(tasks)), holder)).fetchall()
    _promote(connection, tenant, queue, (order_key for _, order_key in gone))
    return [task for task, _ in gone]


def put_off(
    connection: sqlite3.Connection, tenant: str, queue: str, holder: str, task: int, due: str, reason: str
) -> None:
    """Lets go of a task until an instant."""
    connection.execute(PUT_OFF, (tenant, queue, json.dumps([task]), holder, due, reason))


def park(connection: sqlite3.Connection, tenant: str, queue: str, holder: str, task: int, reason: str) -> None:
    """Sets a task aside."""
    rows = connection.execute(PARK, (tenant, queue, json.dumps([task]), holder, reason)).fetchall()
    _promote(connection, tenant, queue, (order_key for (order_key,) in rows))


def requeue(connection: sqlite3.Connection, tenant: str, queue: str, tasks: Sequence[int], due: str) -> int:
    """Makes parked tasks due again; gives how many were parked."""
    rows = connection.execute(REQUEUE, (tenant, queue, json.dumps(list(tasks)), due)).fetchall()
    keys = {order_key for (order_key,) in rows}
    connection.execute(STEP_BACK, (tenant, queue, json.dumps(list(keys))))
    _promote(connection, tenant, queue, keys)
    return len(rows)


def parked(connection: sqlite3.Connection, tenant: str, queue: str, after: int, limit: int) -> list[Task]:
    """Parked tasks in the order of their ids."""
    statement = kept.parked(tenant, queue, after, limit)
    return [Task(*row) for row in connection.execute(statement.text, statement.parameters)]


def queued(connection: sqlite3.Connection, tenant: str, queue: str) -> int:
    """How many tasks wait or are held."""
    (number,) = connection.execute(QUEUED, (tenant, queue)).fetchone()
    return int(number)


def _promote(connection: sqlite3.Connection, tenant: str, queue: str, keys: Iterable[str]) -> None:
    concerned = list(set(keys) - {""})
    if concerned:
        connection.execute(PROMOTE, (tenant, queue, json.dumps(concerned)))
