"""Entries, logs and leases in SQLite."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from headcount.store import kept
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, Entry, Line, Put

ENTRY: Final = "SELECT key, value, version FROM entry WHERE tenant = ? AND collection = ? AND key = ?"
ENTRIES_OF: Final = """SELECT e.key, e.value, e.version FROM json_each(?3) AS asked
CROSS JOIN entry AS e ON e.tenant = ?1 AND e.collection = ?2 AND e.key = asked.value"""
PUT: Final = """INSERT INTO entry (tenant, collection, key, version, value) VALUES (?, ?, ?, 1, ?)
ON CONFLICT (tenant, collection, key) DO UPDATE SET version = version + 1, value = excluded.value"""
VERSION: Final = "SELECT version FROM entry WHERE tenant = ? AND collection = ? AND key = ?"
REMOVE: Final = "DELETE FROM entry WHERE tenant = ? AND collection = ? AND key = ?"

APPEND: Final = "INSERT INTO line (tenant, log, at, key, value) VALUES (?, ?, ?, ?, ?)"
TRIM_BEFORE: Final = "DELETE FROM line WHERE tenant = ? AND log = ? AND at < ?"
TRIM_TO: Final = """DELETE FROM line WHERE tenant = ?1 AND log = ?2 AND sequence <= (
    SELECT sequence FROM line WHERE tenant = ?1 AND log = ?2 ORDER BY sequence DESC LIMIT 1 OFFSET ?3)"""

_NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"
LEASE: Final = f"""INSERT INTO lease (tenant, name, holder, until) VALUES (?, ?, ?, {_NOW} + ?)
ON CONFLICT (tenant, name) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE holder = excluded.holder OR until <= {_NOW}"""
RELEASE: Final = "DELETE FROM lease WHERE tenant = ? AND name = ? AND holder = ?"


def entry(connection: sqlite3.Connection, tenant: str, collection: str, key: str) -> Entry | None:
    """The entry, or None."""
    row = connection.execute(ENTRY, (tenant, collection, key)).fetchone()
    return None if row is None else Entry(*row)


def entries(
    connection: sqlite3.Connection, tenant: str, collection: str, prefix: str, after: str, limit: int
) -> list[Entry]:
    """Entries in the order of their keys."""
    statement = kept.entries(tenant, collection, prefix, after, limit)
    return [Entry(*row) for row in connection.execute(statement.text, statement.parameters)]


def entries_of(connection: sqlite3.Connection, tenant: str, collection: str, keys: Sequence[str]) -> list[Entry]:
    """Those of these entries that exist."""
    rows = connection.execute(ENTRIES_OF, (tenant, collection, json.dumps(list(dict.fromkeys(keys)))))
    return [Entry(*row) for row in rows]


def put(connection: sqlite3.Connection, tenant: str, puts: Sequence[Put]) -> None:
    """Carries out all puts; raises VersionConflictError, after which the caller undoes them."""
    for one in puts:
        key = (tenant, one.collection, one.key)
        if one.expected is not None:
            row = connection.execute(VERSION, key).fetchone()
            if one.expected != (ABSENT if row is None else row[0]):
                raise VersionConflictError(one.key)
        if one.value is None:
            connection.execute(REMOVE, key)
        else:
            connection.execute(PUT, (*key, one.value))


def append(connection: sqlite3.Connection, tenant: str, log: str, added: Sequence[Line]) -> None:
    """Adds lines."""
    connection.executemany(APPEND, [(tenant, log, line.at, line.key, line.value) for line in added])


def lines(
    connection: sqlite3.Connection,
    tenant: str,
    log: str,
    key: str | None,
    bounds: tuple[int, int | None],
    limit: int,
    *,
    descending: bool,
) -> list[Line]:
    """Lines between two sequences."""
    statement = kept.lines(tenant, log, key, bounds, limit, descending=descending)
    return [Line(*row) for row in connection.execute(statement.text, statement.parameters)]


def trim(connection: sqlite3.Connection, tenant: str, log: str, before: str, keep: int | None) -> int:
    """Removes old lines; gives how many went."""
    gone = connection.execute(TRIM_BEFORE, (tenant, log, before)).rowcount
    if keep is not None:
        gone += connection.execute(TRIM_TO, (tenant, log, keep)).rowcount
    return gone


def lease(connection: sqlite3.Connection, tenant: str, name: str, holder: str, seconds: float) -> bool:
    """Takes or renews a lease."""
    return connection.execute(LEASE, (tenant, name, holder, round(seconds * 1000))).rowcount == 1


def release(connection: sqlite3.Connection, tenant: str, name: str, holder: str) -> None:
    """Gives a lease back."""
    connection.execute(RELEASE, (tenant, name, holder))
