"""Point reads, and pages of resources by their row numbers."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from headcount.store.interface import KeyName, Member, StoredResource
from headcount.store.search.sql import Sql
from headcount.store.tables import OF_TENANTS

_COLUMNS: Final = "r.type, r.id, r.version, r.created, r.modified, r.document, r.member_count, r.connection"

_GROUPS: Final = """(
    SELECT json_group_array(json_object(
        'value', g.id, '$ref', '/Groups/' || g.id, 'display', g.label, 'type', 'direct'))
    FROM membership AS m JOIN resource AS g ON g.tenant = m.tenant AND g.type = 'Group' AND g.id = m.group_id
    WHERE m.tenant = r.tenant AND m.member_id = r.id)"""

_MANAGER: Final = """CASE WHEN r.manager IS NOT NULL THEN (
    SELECT CASE u.label WHEN '' THEN json_object('$ref', '/Users/' || u.id)
        ELSE json_object('$ref', '/Users/' || u.id, 'displayName', u.label) END
    FROM resource AS u WHERE u.tenant = r.tenant AND u.type = 'User' AND u.id = r.manager) END"""

_NESTED: Final = "(SELECT value FROM counter WHERE tenant = ?1 AND name = 'nested')"

READ: Final = f"""SELECT {_COLUMNS}, {_MANAGER}, {_GROUPS}, {_NESTED}
FROM resource AS r WHERE r.tenant = ?1 AND r.type = ?2 AND r.id = ?3"""
READ_WITHOUT_GROUPS: Final = f"""SELECT {_COLUMNS}, {_MANAGER}, NULL, 0
FROM resource AS r WHERE r.tenant = ?1 AND r.type = ?2 AND r.id = ?3"""
MATCHING: Final = f"""SELECT {_COLUMNS}, {_MANAGER}, {_GROUPS}, {_NESTED}
FROM resource AS r WHERE r.tenant = ?1 AND r.type = ?2 AND """
MATCHING_WITHOUT_GROUPS: Final = f"""SELECT {_COLUMNS}, {_MANAGER}, NULL, 0
FROM resource AS r WHERE r.tenant = ?1 AND r.type = ?2 AND """
READ_PRIVATE: Final = "SELECT private FROM resource WHERE tenant = ? AND type = ? AND id = ?"

_PAGE: Final = "FROM json_each(?2) AS picked CROSS JOIN resource AS r ON r.rowid = picked.value WHERE r.tenant = ?1"
READ_PAGE: Final = f"SELECT {_COLUMNS}, {_MANAGER}, {_GROUPS}, {_NESTED} {_PAGE} ORDER BY picked.key"
READ_PAGE_WITHOUT_GROUPS: Final = f"SELECT {_COLUMNS}, {_MANAGER}, NULL, 0 {_PAGE} ORDER BY picked.key"

ALL_GROUPS: Final = """
WITH RECURSIVE above (member, id, direct) AS (
    SELECT member_id, group_id, 1 FROM membership
    WHERE tenant = ?1 AND member_id IN (SELECT value FROM json_each(?2))
    UNION
    SELECT above.member, m.group_id, 0 FROM above JOIN membership AS m ON m.tenant = ?1 AND m.member_id = above.id
)
SELECT above.member, json_group_array(json_object(
    'value', g.id, '$ref', '/Groups/' || g.id, 'display', g.label,
    'type', CASE above.direct WHEN 1 THEN 'direct' ELSE 'indirect' END))
FROM (SELECT member, id, max(direct) AS direct FROM above GROUP BY member, id ORDER BY member, id) AS above
JOIN resource AS g ON g.tenant = ?1 AND g.type = 'Group' AND g.id = above.id
GROUP BY above.member"""

MEMBERS: Final = """SELECT m.member_id, m.member_type, r.label
FROM membership AS m JOIN resource AS r ON r.tenant = m.tenant AND r.type = m.member_type AND r.id = m.member_id
WHERE m.tenant = ? AND m.group_id = ? AND m.member_id > ? ORDER BY m.member_id LIMIT ?"""
SOME_MEMBERS: Final = """SELECT m.member_id, m.member_type, r.label
FROM membership AS m JOIN resource AS r ON r.tenant = m.tenant AND r.type = m.member_type AND r.id = m.member_id
WHERE m.tenant = ? AND m.group_id = ? AND +m.member_id > ? AND m.member_id IN (SELECT value FROM json_each(?))
ORDER BY m.member_id LIMIT ?"""

_ASKED: Final = "FROM json_each(?3) AS asked CROSS JOIN"
IDS: Final[Mapping[KeyName, str]] = {
    "user_name": f"""SELECT r.user_name, r.id {_ASKED} resource AS r
ON r.tenant = ?1 AND r.type = ?2 AND r.user_name = asked.value""",
    "display_name": f"""SELECT r.display_name, r.id {_ASKED} resource AS r
ON r.tenant = ?1 AND r.type = ?2 AND r.display_name = asked.value""",
    "external_id": f"""SELECT DISTINCT x.value, x.id {_ASKED} external_id AS x
ON x.tenant = ?1 AND x.type = ?2 AND x.value = asked.value WHERE ?4 IS NULL OR x.connection = ?4""",
}

RECORDS: Final = "SELECT key, value FROM record WHERE tenant = ? AND kind = ? ORDER BY key"
_HAS_ROWS: Final = "EXISTS (SELECT 1 FROM {} WHERE tenant = ?1)"
IS_EMPTY: Final = "SELECT NOT (" + " OR ".join(_HAS_ROWS.format(table) for table in OF_TENANTS) + ")"
COUNTER: Final = "SELECT value FROM counter WHERE tenant = ? AND name = ?"
CHANGES: Final = """SELECT sequence, type, id, version, kind, at, actor, request_id, before, after, added, removed
FROM change WHERE +tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?"""
_CHANGE_COLUMNS: Final = (
    "sequence",
    "type",
    "id",
    "version",
    "kind",
    "at",
    "actor",
    "requestId",
    "before",
    "after",
    "added",
    "removed",
)

_Row = tuple[str, str, int, str, str, bytes, int, str, str | None, str | None, int | None]


def read(connection: sqlite3.Connection, tenant: str, key: tuple[str, str], *, groups: bool) -> StoredResource | None:
    """The resource of that (type, id), or None."""
    statement = READ if groups else READ_WITHOUT_GROUPS
    row: _Row | None = connection.execute(statement, (tenant, *key)).fetchone()
    if row is None:
        return None
    if row[10]:
        return _resource(row, _all_groups(connection, tenant, [row]))
    return _resource(row, None)


def read_private(connection: sqlite3.Connection, tenant: str, key: tuple[str, str]) -> bytes | None:
    """The attributes of a resource that are never returned."""
    row = connection.execute(READ_PRIVATE, (tenant, *key)).fetchone()
    return None if row is None else row[0]


def read_page(
    connection: sqlite3.Connection, tenant: str, row_ids: Sequence[int], *, groups: bool
) -> tuple[StoredResource, ...]:
    """The resources in these rows, in this order, in one statement."""
    if not row_ids:
        return ()
    statement = READ_PAGE if groups else READ_PAGE_WITHOUT_GROUPS
    return _resources(connection, tenant, connection.execute(statement, (tenant, str(list(row_ids)))).fetchall())


def read_matching(
    connection: sqlite3.Connection,
    tenant: str,
    type_name: str,
    matching: Sql,
    limit: int,
    *,
    groups: bool,
    descending: bool,
) -> tuple[StoredResource, ...]:
    """The first resources of a type that fulfil a condition, in the order of ids, in one statement."""
    statement = _matching(matching.text, groups, descending)
    parameters = (tenant, type_name, *matching.parameters, limit)
    return _resources(connection, tenant, connection.execute(statement, parameters).fetchall())


@lru_cache(maxsize=512)
def _matching(condition: str, groups: bool, descending: bool) -> str:  # noqa: FBT001
    """The statement, as one and the same object, whose text is hashed once."""
    columns = MATCHING if groups else MATCHING_WITHOUT_GROUPS
    return f"{columns}{condition} ORDER BY r.id {'DESC' if descending else 'ASC'} LIMIT ?"


def members(
    connection: sqlite3.Connection, tenant: str, group_id: str, *, after: str, limit: int, only: Sequence[str]
) -> list[Member]:
    """Members of a group in the order of their ids."""
    if only:
        rows = connection.execute(SOME_MEMBERS, (tenant, group_id, after, json.dumps(list(only)), limit))
    else:
        rows = connection.execute(MEMBERS, (tenant, group_id, after, limit))
    return [Member(*row) for row in rows]


def ids_of(
    connection: sqlite3.Connection, tenant: str, type_name: str, key: KeyName, values: Sequence[str], owner: str | None
) -> list[tuple[str, str]]:
    """The (value, id) of resources that have one of these values; externalIds of one connection, or of all."""
    owners = (owner,) if key == "external_id" else ()
    return connection.execute(IDS[key], (tenant, type_name, json.dumps(list(values)), *owners)).fetchall()


def records(connection: sqlite3.Connection, tenant: str, kind: str) -> Mapping[str, bytes]:
    """The records of a kind, by key."""
    return dict(connection.execute(RECORDS, (tenant, kind)).fetchall())


def counter(connection: sqlite3.Connection, tenant: str, name: str) -> int:
    """The value of a counter; 0 for one that never counted."""
    row: tuple[int] | None = connection.execute(COUNTER, (tenant, name)).fetchone()
    return 0 if row is None else row[0]


def is_empty(connection: sqlite3.Connection, tenant: str) -> bool:
    """Whether no table has a row of a tenant."""
    row: tuple[int] = connection.execute(IS_EMPTY, (tenant,)).fetchone()
    return bool(row[0])


def changes(connection: sqlite3.Connection, tenant: str, after: int, limit: int) -> list[Mapping[str, object]]:
    """Rows of the change log; member lists are lists of ids."""
    return [_change(row) for row in connection.execute(CHANGES, (tenant, after, limit)).fetchall()]


def _change(row: tuple[object, ...]) -> Mapping[str, object]:
    change = dict(zip(_CHANGE_COLUMNS, row, strict=True))
    return change | {name: json.loads(str(change[name] or "[]")) for name in ("added", "removed")}


def _all_groups(connection: sqlite3.Connection, tenant: str, rows: Sequence[_Row]) -> dict[str, str]:
    """Direct and indirect groups by member, in tenants that nest groups."""
    ids = json.dumps([row[1] for row in rows if row[0] == "User"])
    return dict(connection.execute(ALL_GROUPS, (tenant, ids)).fetchall())


def _resources(connection: sqlite3.Connection, tenant: str, rows: Sequence[_Row]) -> tuple[StoredResource, ...]:
    derived = _all_groups(connection, tenant, rows) if rows and rows[0][10] else None
    return tuple([_resource(row, derived) for row in rows])


def _resource(row: _Row, derived: Mapping[str, str] | None) -> StoredResource:
    groups = row[9] if derived is None else derived.get(row[1])
    return StoredResource(
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        row[5],
        groups.encode() if groups and groups != "[]" and row[0] == "User" else None,
        row[8][1:-1].encode() if row[8] else None,
        row[6],
        None,
        row[7],
    )
