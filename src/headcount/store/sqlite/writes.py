"""What one write does to the database, within a transaction that the caller holds."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import ne
from typing import Final

import orjson

from headcount.store.interface import (
    OPERATOR_TENANT,
    TENANT_TYPE,
    Create,
    Delete,
    Keys,
    MembershipChange,
    MembershipCycleError,
    MissingError,
    NotUniqueError,
    Origin,
    UnknownMemberError,
    Update,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.tables import OF_TENANTS

INSERT_RESOURCE: Final = """INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label,
    manager, user_name, display_name, title, active, document, compare, private, connection)
VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"""
COLUMNS: Final = ("label", "folded_label", "manager", "user_name", "display_name", "title", "active")
"""Those that hold keys, in the order of `_columns`; the parameters from ?5 on."""
UPDATE_RESOURCE: Final = """UPDATE resource SET version = version + 1, modified = max(modified, ?4), {}document = ?12,
    compare = ?13, private = coalesce(?14, private)
WHERE tenant = ?1 AND type = ?2 AND id = ?3 AND version = ?15
RETURNING version, created, modified, member_count"""
"""Of the columns, those that change: what is set to the value that it has is written to every index all the same."""
TOUCH_RESOURCE: Final = """UPDATE resource SET version = version + 1, modified = max(modified, ?4),
    member_count = member_count + ?5
WHERE tenant = ?1 AND type = ?2 AND id = ?3
RETURNING version, created, modified, member_count"""
LEFT_BY_MEMBER: Final = """UPDATE resource SET version = version + 1, modified = max(modified, ?3),
    member_count = member_count - 1
WHERE tenant = ?1 AND type IN (SELECT name FROM counter WHERE tenant = ?1) AND id = ?2
RETURNING type, version"""
COUNT_MEMBERS: Final = """UPDATE resource SET member_count = member_count + ?4
WHERE tenant = ?1 AND type = ?2 AND id = ?3
RETURNING member_count"""
READ_VERSION: Final = """SELECT version, created, modified, member_count FROM resource
WHERE tenant = ? AND type = ? AND id = ?"""
READ_COLUMNS: Final = READ_VERSION.replace(" FROM", f", {', '.join(COLUMNS)} FROM")
DELETE_RESOURCE: Final = """DELETE FROM resource WHERE tenant = ? AND type = ? AND id = ? RETURNING version, document"""

INSERT_EXTERNAL_ID: Final = "INSERT INTO external_id VALUES (?, ?, ?, ?, ?)"
DELETE_EXTERNAL_IDS: Final = "DELETE FROM external_id WHERE tenant = ? AND type = ? AND id = ?"
DELETE_EXTERNAL_ID: Final = f"{DELETE_EXTERNAL_IDS} AND connection = ?"
INSERT_UNIQUE: Final = "INSERT INTO unique_value VALUES (?, ?, ?, ?)"
DELETE_UNIQUE: Final = "DELETE FROM unique_value WHERE tenant = ? AND id = ?"
INSERT_VALUES: Final = """INSERT INTO indexed_value
SELECT ?1, ?2, value ->> 0, value ->> 2, ?3, value ->> 1 FROM json_each(?4)"""
DELETE_VALUES: Final = "DELETE FROM indexed_value WHERE tenant = ? AND type = ? AND id = ?"
OWNER_OF_USER_NAME: Final = "SELECT id FROM resource WHERE tenant = ? AND type = ? AND user_name = ?"
OWNER_OF_VALUE: Final = "SELECT id FROM unique_value WHERE tenant = ? AND attribute = ? AND value = ?"
COUNT: Final = """INSERT INTO counter VALUES (?, ?, ?)
ON CONFLICT (tenant, name) DO UPDATE SET value = value + excluded.value"""
INSERT_CHANGE: Final = """INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id, connection,
    before, after, added, removed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

ADD_MEMBERS: Final = """INSERT INTO membership
SELECT r.tenant, ?2, r.id, r.type FROM json_each(?3) AS added
CROSS JOIN resource AS r ON r.tenant = ?1 AND r.type IN ('User', 'Group') AND r.id = added.value
WHERE true ON CONFLICT DO NOTHING RETURNING member_id, member_type"""
UNKNOWN_MEMBER: Final = """SELECT added.value FROM json_each(?2) AS added WHERE NOT EXISTS (
    SELECT 1 FROM resource AS r WHERE r.tenant = ?1 AND r.type IN ('User', 'Group') AND r.id = added.value) LIMIT 1"""
REMOVE_MEMBERS: Final = """DELETE FROM membership
WHERE tenant = ?1 AND group_id = ?2 AND member_id IN (SELECT value FROM json_each(?3))
RETURNING member_id, member_type"""
KEEP_MEMBERS: Final = """DELETE FROM membership
WHERE tenant = ?1 AND group_id = ?2 AND member_id NOT IN (SELECT value FROM json_each(?3))
RETURNING member_id, member_type"""
BELOW: Final = """
WITH RECURSIVE below (id, top) AS (
    SELECT value, value FROM json_each(?3)
    UNION
    SELECT m.member_id, below.top FROM below JOIN membership AS m
    ON m.tenant = ?1 AND m.group_id = below.id AND m.member_type = 'Group'
)
SELECT top FROM below WHERE id = ?2 LIMIT 1"""
GROUPS_OF: Final = "SELECT group_id FROM membership WHERE tenant = ? AND member_id = ?"
LEAVE_GROUPS: Final = "DELETE FROM membership WHERE tenant = ? AND member_id = ?"
NESTED_MEMBERS: Final = "SELECT count(*) FROM membership WHERE tenant = ? AND group_id = ? AND member_type = 'Group'"
EMPTY_GROUP: Final = "DELETE FROM membership WHERE tenant = ? AND group_id = ?"

PUT_RECORD: Final = """INSERT INTO record VALUES (?, ?, ?, ?)
ON CONFLICT (tenant, kind, key) DO UPDATE SET value = excluded.value"""
COUNTER: Final = "SELECT value FROM counter WHERE tenant = ? AND name = ?"
REMOVE_RECORD: Final = "DELETE FROM record WHERE tenant = ? AND kind = ? AND key = ?"
CLEAR: Final = tuple(f"DELETE FROM {table} WHERE tenant = ?" for table in OF_TENANTS)
HAS_TENANT: Final = "SELECT 1 FROM resource WHERE tenant = ? AND type = ? AND id = ?"

LARGE: Final = 500
"""Members changed in one write past which it leaves the event loop."""
NESTED: Final = "nested"
RECORDS: Final = "records"


def carry_out(connection: sqlite3.Connection, tenant: str, write: Write) -> Written:
    """One write with its row in the change log; raises what the interface says."""
    if isinstance(write, Create):
        return _create(connection, tenant, write)
    if isinstance(write, Update):
        return _update(connection, tenant, write)
    return _delete(connection, tenant, write)


def is_large(write: Write) -> bool:
    """Whether a write takes long enough to be carried out beside the event loop."""
    members = getattr(write, "members", None)
    if members is not None:
        return len(members.added) + len(members.removed) > LARGE or members.clear
    return isinstance(write, Delete)  # which may empty a group


def change_records(
    connection: sqlite3.Connection, tenant: str, kind: str, changes: Mapping[str, bytes | None], expected: int | None
) -> None:
    """Keeps and forgets records, unless they have another revision than expected."""
    connection.execute(COUNT, (tenant, RECORDS, 1))
    (revision,) = connection.execute(COUNTER, (tenant, RECORDS)).fetchone()
    if expected is not None and revision != expected + 1:
        raise VersionConflictError(f"the records have revision {revision - 1}")
    for key, value in changes.items():
        if value is None:
            connection.execute(REMOVE_RECORD, (tenant, kind, key))
        else:
            connection.execute(PUT_RECORD, (tenant, kind, key, value))


def clear(connection: sqlite3.Connection, tenant: str, registration: str | None) -> None:
    """Removes everything of a tenant; with its id at the operator, only while it is there."""
    if registration is not None:
        key = (OPERATOR_TENANT, TENANT_TYPE, registration)
        if connection.execute(HAS_TENANT, key).fetchone() is None:
            raise MissingError(registration)
    for statement in CLEAR:
        connection.execute(statement, (tenant,))


def _create(connection: sqlite3.Connection, tenant: str, write: Create) -> Written:
    keys = write.keys
    resource = (
        tenant,
        write.type,
        write.id,
        write.origin.at,
        *_columns(keys),
        write.document,
        write.compare.decode(),
        write.private,
        write.origin.connection,
    )
    try:
        connection.execute(INSERT_RESOURCE, resource)
    except sqlite3.IntegrityError as error:
        raise _user_name_taken(connection, tenant, write.type, keys, error) from error
    _add_keys(connection, (tenant, write.type, write.id), keys, write.origin.connection)
    connection.execute(COUNT, (tenant, write.type, 1))
    added: list[str] = []
    if write.members is not None:
        added, _ = _change_members(connection, tenant, write.id, write.members)
        connection.execute(COUNT_MEMBERS, (tenant, write.type, write.id, len(added))).fetchall()
    _log(connection, tenant, write, 1, "create", None, write.document, added, [])
    return Written(1, write.origin.at, write.origin.at, changed=True, member_count=len(added))


def _update(connection: sqlite3.Connection, tenant: str, write: Update) -> Written:
    target = (tenant, write.type, write.id)
    row = connection.execute(READ_COLUMNS, target).fetchone()
    if row is None:
        raise MissingError(write.id)
    if write.expected_version is not None and row[0] != write.expected_version:
        raise VersionConflictError(write.id)
    added: list[str] = []
    removed: list[str] = []
    if write.members is not None:
        added, removed = _change_members(connection, tenant, write.id, write.members)
    if write.document is not None:
        row = _replace_document(connection, target, write, row[0], row[4:])
        if len(added) != len(removed):
            (count,) = connection.execute(COUNT_MEMBERS, (*target, len(added) - len(removed))).fetchone()
            row = (*row[:3], count)
    elif added or removed:
        (row,) = connection.execute(TOUCH_RESOURCE, (*target, write.origin.at, len(added) - len(removed))).fetchall()
    else:
        return Written(row[0], row[1], row[2], changed=False, member_count=row[3])
    _log(connection, tenant, write, row[0], "update", write.before, write.document, added, removed)
    return Written(row[0], row[1], row[2], changed=True, member_count=row[3])


def _replace_document(
    connection: sqlite3.Connection,
    target: tuple[str, str, str],
    write: Update,
    version: int,
    current: tuple[object, ...],
) -> tuple[int, str, str, int]:
    keys = write.keys or Keys()
    columns = _columns(keys)
    values = (
        *target,
        write.origin.at,
        *columns,
        write.document,
        (write.compare or b"").decode(),
        write.private,
        version,
    )
    try:
        (row,) = connection.execute(_update_of(tuple(map(ne, columns, current))), values).fetchall()
    except sqlite3.IntegrityError as error:
        raise _user_name_taken(connection, target[0], write.type, keys, error) from error
    previous = write.previous
    if previous is None or (keys.external_id, keys.unique, keys.values) != (
        previous.external_id,
        previous.unique,
        previous.values,
    ):
        connection.execute(DELETE_EXTERNAL_ID, (*target, write.origin.connection))
        _remove_keys(connection, target)
        _add_keys(connection, target, keys, write.origin.connection)
    version, created, modified, member_count = row
    return version, created, modified, member_count


def _delete(connection: sqlite3.Connection, tenant: str, write: Delete) -> Written:
    target = (tenant, write.type, write.id)
    row = connection.execute(READ_VERSION, target).fetchone()
    if row is None:
        raise MissingError(write.id)
    if write.expected_version is not None and row[0] != write.expected_version:
        raise VersionConflictError(write.id)
    (deleted,) = connection.execute(DELETE_RESOURCE, target).fetchall()
    connection.execute(DELETE_EXTERNAL_IDS, target)
    _remove_keys(connection, target)
    connection.execute(COUNT, (tenant, write.type, -1))
    left = [group for (group,) in connection.execute(GROUPS_OF, (tenant, write.id)).fetchall()]
    nested = -len(left) if write.type == "Group" else 0
    if left:
        connection.execute(LEAVE_GROUPS, (tenant, write.id))
        for group in left:
            _left(connection, tenant, group, write)
    if row[3]:
        nested -= connection.execute(NESTED_MEMBERS, (tenant, write.id)).fetchone()[0]
        connection.execute(EMPTY_GROUP, (tenant, write.id))
    if nested:
        connection.execute(COUNT, (tenant, NESTED, nested))
    _log(connection, tenant, write, row[0], "delete", deleted[1], None, [], [])
    return Written(row[0], row[1], row[2], changed=True)


def _left(connection: sqlite3.Connection, tenant: str, group_id: str, write: Delete) -> None:
    """A group that a deleted resource was a member of has a new version, and a row in the log."""
    ((type_name, version),) = connection.execute(LEFT_BY_MEMBER, (tenant, group_id, write.origin.at)).fetchall()
    group = Delete(type_name, group_id, write.origin, None)
    _log(connection, tenant, group, version, "update", None, None, [], [write.id])


def _change_members(
    connection: sqlite3.Connection, tenant: str, group_id: str, change: MembershipChange
) -> tuple[list[str], list[str]]:
    """The ids that were really added and removed, with statements over sets: cost does not grow with the group."""
    removed: list[tuple[str, str]] = []
    added: list[tuple[str, str]] = []
    ids = json.dumps(change.added)
    if change.clear:
        removed = connection.execute(KEEP_MEMBERS, (tenant, group_id, ids)).fetchall()
    elif change.removed:
        removed = connection.execute(REMOVE_MEMBERS, (tenant, group_id, json.dumps(change.removed))).fetchall()
    if change.added:
        added = connection.execute(ADD_MEMBERS, (tenant, group_id, ids)).fetchall()
        if len(added) < len(change.added):
            unknown = connection.execute(UNKNOWN_MEMBER, (tenant, ids)).fetchone()
            if unknown is not None:
                raise UnknownMemberError(unknown[0])
        _refuse_cycles(connection, tenant, group_id, [member for member, kind in added if kind == "Group"])
    nested = _groups_among(added) - _groups_among(removed)
    if nested:
        connection.execute(COUNT, (tenant, NESTED, nested))
    return [member for member, _ in added], [member for member, _ in removed]


def _groups_among(members: Sequence[tuple[str, str]]) -> int:
    return sum(1 for _, kind in members if kind == "Group")


def _refuse_cycles(connection: sqlite3.Connection, tenant: str, group_id: str, groups: Sequence[str]) -> None:
    if groups:
        found = connection.execute(BELOW, (tenant, group_id, json.dumps(groups))).fetchone()
        if found is not None:
            raise MembershipCycleError(found[0])


@lru_cache(maxsize=128)
def _update_of(changed: tuple[bool, ...]) -> str:
    """The statement that updates a resource, for which of the columns change."""
    assigned = (
        f"{name} = ?{place}, "
        for place, (name, is_other) in enumerate(zip(COLUMNS, changed, strict=True), 5)
        if is_other
    )
    return UPDATE_RESOURCE.format("".join(assigned))


def _columns(keys: Keys) -> tuple[object, ...]:
    return keys.label, keys.folded_label, keys.manager, keys.user_name, keys.display_name, keys.title, keys.active


def _add_keys(connection: sqlite3.Connection, target: tuple[str, str, str], keys: Keys, owner: str) -> None:
    tenant, type_name, resource_id = target
    if keys.external_id is not None:
        values = (tenant, owner, type_name, keys.external_id, resource_id)
        connection.execute(INSERT_EXTERNAL_ID, values)
    for attribute, value in keys.unique:
        try:
            connection.execute(INSERT_UNIQUE, (tenant, attribute, value, resource_id))
        except sqlite3.IntegrityError as error:
            (owner,) = connection.execute(OWNER_OF_VALUE, (tenant, attribute, value)).fetchone()
            raise NotUniqueError(attribute, value, owner) from error
    if keys.values:
        connection.execute(INSERT_VALUES, (tenant, type_name, resource_id, orjson.dumps(keys.values).decode()))


def _remove_keys(connection: sqlite3.Connection, target: tuple[str, str, str]) -> None:
    tenant, _, resource_id = target
    connection.execute(DELETE_UNIQUE, (tenant, resource_id))
    connection.execute(DELETE_VALUES, target)


def _user_name_taken(
    connection: sqlite3.Connection, tenant: str, type_name: str, keys: Keys, error: sqlite3.IntegrityError
) -> Exception:
    row = connection.execute(OWNER_OF_USER_NAME, (tenant, type_name, keys.user_name)).fetchone()
    return error if row is None else NotUniqueError("userName", keys.user_name or "", row[0])


def _log(
    connection: sqlite3.Connection,
    tenant: str,
    write: Write,
    version: int,
    kind: str,
    before: bytes | None,
    after: bytes | None,
    added: list[str],
    removed: list[str],
) -> None:
    origin: Origin = write.origin
    connection.execute(
        INSERT_CHANGE,
        (
            tenant,
            write.type,
            write.id,
            version,
            kind,
            origin.at,
            origin.actor,
            origin.request_id,
            origin.connection,
            before,
            after,
            json.dumps(added) if added else None,
            json.dumps(removed) if removed else None,
        ),
    )
