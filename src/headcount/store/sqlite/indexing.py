"""Indexes of values filled in SQLite after the resources that they lead to."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from headcount.store.interface import Found, NotUniqueError

CURRENT: Final = """SELECT r.id FROM json_each(?3) AS asked CROSS JOIN resource AS r
ON r.tenant = ?1 AND r.type = ?2 AND r.id = asked.value ->> 0 AND r.version = asked.value ->> 1"""
REPLACE_VALUES: Final = (
    """DELETE FROM indexed_value WHERE tenant = ?1 AND type = ?2 AND path = ?3
    AND id IN (SELECT value ->> 0 FROM json_each(?4))""",
    """INSERT INTO indexed_value SELECT ?1, ?2, ?3, item.value ->> 1, asked.value ->> 0, item.value ->> 0
    FROM json_each(?4) AS asked, json_each(asked.value, '$[2]') AS item WHERE true""",
)
FORGET_UNIQUE: Final = "DELETE FROM unique_value WHERE tenant = ?1 AND attribute = ?2 AND id = ?3"
PUT_UNIQUE: Final = "INSERT INTO unique_value VALUES (?1, ?2, ?3, ?4)"
OWNER: Final = "SELECT id FROM unique_value WHERE tenant = ?1 AND attribute = ?2 AND value = ?3"
FORGET_ALL: Final = {
    False: "DELETE FROM indexed_value WHERE tenant = ?1 AND type = ?2 AND path = ?3",
    True: "DELETE FROM unique_value WHERE tenant = ?1 AND ?2 <> '' AND attribute = ?3",
}


def index(
    connection: sqlite3.Connection, tenant: str, type_name: str, path: str, found: Sequence[Found], *, unique: bool
) -> list[str]:
    """Replaces what resources are found by; gives those that have another version."""
    rows = [(one.id, one.version, one.values) for one in found]
    current = {row[0] for row in connection.execute(CURRENT, (tenant, type_name, json.dumps(rows))).fetchall()}
    rows = [row for row in rows if row[0] in current]
    if unique:
        _keep_unique(connection, tenant, path, [(row[0], [value for _, value in row[2]]) for row in rows])
    else:
        for statement in REPLACE_VALUES:
            connection.execute(statement, (tenant, type_name, path, json.dumps(rows)))
    return [one.id for one in found if one.id not in current]


def forget(connection: sqlite3.Connection, tenant: str, type_name: str, path: str, *, unique: bool) -> None:
    """Removes all that is found by a path."""
    connection.execute(FORGET_ALL[unique], (tenant, type_name, path))


def _keep_unique(
    connection: sqlite3.Connection, tenant: str, path: str, rows: Sequence[tuple[str, Sequence[str]]]
) -> None:
    for resource_id, _ in rows:
        connection.execute(FORGET_UNIQUE, (tenant, path, resource_id))
    for resource_id, values in rows:
        for value in values:
            try:
                connection.execute(PUT_UNIQUE, (tenant, path, value, resource_id))
            except sqlite3.IntegrityError as error:
                (owner,) = connection.execute(OWNER, (tenant, path, value)).fetchone()
                raise NotUniqueError(path, value, owner) from error
