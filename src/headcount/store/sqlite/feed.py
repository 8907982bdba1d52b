"""The change log in SQLite as a feed.

Writers come one after the other, so that the order of sequences is the order of commits and every row has its place
from the start. Rows that were copied from another database keep the positions that they had there, which are smaller
than all sequences to come.
"""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from headcount.store.administration import Pulse
from headcount.store.keeping import ChangeRow
from headcount.store.search.sql import Sql
from headcount.store.sqlite.writes import RECORDS

_MEMBERS: Final = 12
"""Where in a row the lists of members stand."""
POSITION: Final = "coalesce(position, sequence)"
HOLDS: Final = "instr(after, ?) > 0"
PULSES: Final = f"""SELECT t.value, coalesce((
        SELECT {POSITION} FROM change WHERE tenant = t.value ORDER BY {POSITION} DESC LIMIT 1), 0),
    coalesce((SELECT value FROM counter WHERE tenant = t.value AND name = ?2), 0)
FROM json_each(?1) AS t"""
MARK: Final = """INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, after)
VALUES (?, '', '', 0, ?, ?, ?, ?, ?)"""
_FORGOTTEN: Final = "coalesce((SELECT value FROM counter WHERE tenant = ?1 AND name = '_forgotten'), 0)"
LAST: Final = f"""SELECT max({_FORGOTTEN}, coalesce((
    SELECT {POSITION} FROM change WHERE tenant = ?1 ORDER BY {POSITION} DESC LIMIT 1), 0))"""
FORGOTTEN: Final = f"SELECT {_FORGOTTEN}"
FORGET: Final = f"""DELETE FROM change WHERE sequence IN (
    SELECT sequence FROM change WHERE tenant = ? AND {POSITION} > 0 AND at < ? ORDER BY {POSITION} LIMIT ?)
RETURNING {POSITION}"""
REMEMBER: Final = """INSERT INTO counter VALUES (?, '_forgotten', ?)
ON CONFLICT (tenant, name) DO UPDATE SET value = max(value, excluded.value)"""
ERASE: Final = """UPDATE change SET before = NULL, after = NULL
WHERE tenant = ? AND id = ? AND type = ? AND (before IS NOT NULL OR after IS NOT NULL)"""


def mark(connection: sqlite3.Connection, tenant: str, kind: str, value: bytes, origin: tuple[str, str, str]) -> None:
    """Adds a row that belongs to no resource; `origin` is (at, actor, request_id)."""
    connection.execute(MARK, (tenant, kind, *origin, value))


def changes(connection: sqlite3.Connection, statement: Sql) -> list[ChangeRow]:
    """Rows of a page."""
    rows = connection.execute(statement.text, statement.parameters).fetchall()
    return [ChangeRow(*row[:_MEMBERS], *map(_ids, row[_MEMBERS:])) for row in rows]


def pulses(connection: sqlite3.Connection, tenants: Sequence[str]) -> dict[str, Pulse]:
    """What tells that something happened in these tenants."""
    rows = connection.execute(PULSES, (json.dumps(list(tenants)), RECORDS))
    return {tenant: Pulse(position, waits=False, revision=revision) for tenant, position, revision in rows}


def last_position(connection: sqlite3.Connection, tenant: str) -> int:
    """The largest position."""
    (position,) = connection.execute(LAST, (tenant,)).fetchone()
    return int(position)


def first_position(connection: sqlite3.Connection, tenant: str) -> int:
    """The position behind the last row that was forgotten; 0 when none was."""
    (forgotten,) = connection.execute(FORGOTTEN, (tenant,)).fetchone()
    return int(forgotten) + 1 if forgotten else 0


def forget_changes(connection: sqlite3.Connection, tenant: str, before: str, limit: int) -> int:
    """Removes some of the rows that are older than an instant, those with the smallest positions first."""
    gone = [position for (position,) in connection.execute(FORGET, (tenant, before, limit)).fetchall()]
    if gone:
        connection.execute(REMEMBER, (tenant, max(gone)))
    return len(gone)


def erase_changes(connection: sqlite3.Connection, tenant: str, type_name: str, resource_id: str) -> int:
    """Empties what rows of a resource hold of it."""
    return connection.execute(ERASE, (tenant, resource_id, type_name)).rowcount


def _ids(members: str | None) -> tuple[str, ...]:
    return tuple(json.loads(members)) if members else ()
