"""Writes as parameters of the server function, and its answers as values or refusals."""

from collections.abc import Sequence
from typing import Any, Final

import asyncpg
import orjson

from headcount.store.interface import (
    Create,
    Delete,
    Keys,
    MembershipChange,
    MembershipCycleError,
    MissingError,
    NotUniqueError,
    Origin,
    StoreError,
    UnknownMemberError,
    Update,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.postgresql.database import Connection
from headcount.store.tables import OF_TENANTS

CARRY_OUT: Final = "SELECT * FROM carry_out_2($1, $2::write_2[])"
CREATE_ALONE: Final = "SELECT * FROM create_alone_1($1, $2::write_2)"
CARRY_OUT_WITH: Final = "SELECT * FROM carry_out_with_2($1, $2::write_2, $3, $4, $5, $6)"
PUT_RECORD: Final = """INSERT INTO record VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, kind, key) DO UPDATE SET value = excluded.value"""
REMOVE_RECORD: Final = "DELETE FROM record WHERE tenant = $1 AND kind = $2 AND key = $3"
RECORDS: Final = "records"
COUNT_RECORDS: Final = """INSERT INTO counter AS c (tenant, name, shard, value) VALUES ($1, 'records', 0, 1)
ON CONFLICT (tenant, name, shard) DO UPDATE SET value = c.value + 1 RETURNING value"""
CLEAR: Final = tuple(f"DELETE FROM {table} WHERE tenant = $1" for table in OF_TENANTS)
HOLD_TENANT: Final = "SELECT 1 FROM resource WHERE tenant = $1 AND type = $2 AND id = $3 FOR KEY SHARE"
"""Nobody deletes it until the transaction ends; a change of it is not held up."""


class ValueFreedError(StoreError):
    """Whoever had the unique value gave it up between the refusal and the look: the write may be tried again."""


def call_of(writes: Sequence[Write]) -> tuple[str, Any]:
    """The statement that carries out some writes, and what it is given beside the tenant."""
    items = [parameters_of(write) for write in writes]
    if len(writes) == 1 and _can_go_alone(writes[0]):
        return CREATE_ALONE, items[0]
    return CARRY_OUT, items


async def rehearse(connection: Connection) -> None:
    """Creates, changes and deletes somebody in a tenant that cannot be, and undoes it."""
    origin, keys = Origin("", "", ""), Keys("nobody", values=(("emails.value", 0, "nobody"),))
    transaction = connection.transaction()
    await transaction.start()
    try:
        for write in (
            Create("User", "nobody", b"{}", b"{}", None, keys, origin),
            Update("User", "nobody", origin, 1, b"{}", b"{}", keys=keys),
            Delete("User", "nobody", origin, 2),
        ):
            statement, parameter = call_of([write])
            await connection.fetch(statement, "", parameter)
    finally:
        await transaction.rollback()


def parameters_of(write: Write) -> tuple[Any, ...]:
    """A write as the composite type `write_2`."""
    origin = write.origin
    document = compare = private = before = None
    keys: Keys | None = None
    members: MembershipChange | None = None
    expected, has_other_keys = None, False
    if isinstance(write, Create):
        kind = "create"
        document, compare, private, keys, members = (
            write.document,
            write.compare,
            write.private,
            write.keys,
            write.members,
        )
    elif isinstance(write, Update):
        kind, expected = "update", write.expected_version
        document, compare, private, before = write.document, write.compare, write.private, write.before
        keys, members = write.keys, write.members
        has_other_keys = keys is not None and _other(keys) != (
            None if write.previous is None else _other(write.previous)
        )
    else:
        kind, expected = "delete", write.expected_version
    keys = keys or Keys()
    return (
        kind, write.type, write.id, origin.at, origin.actor, origin.request_id, origin.connection, expected,
        document, None if compare is None else compare.decode(), private, before,
        keys.label, keys.folded_label, keys.manager, keys.user_name, keys.display_name, keys.title, keys.active,
        keys.external_id, has_other_keys,
        orjson.dumps(keys.unique).decode() if keys.unique else None,
        orjson.dumps(keys.values).decode() if keys.values else None,
        list(members.added) if members else None,
        list(members.removed) if members else None,
        members.clear if members else None,
    )  # fmt: skip


def answer_of(row: "asyncpg.Record", write: Write) -> Written | Exception:
    """What became of a write: its outcome, or the refusal to raise."""
    match row["refusal"]:
        case None:
            return Written(row["version"], row["created"], row["modified"], row["changed"], row["member_count"])
        case "missing":
            return MissingError(write.id)
        case "version":
            return VersionConflictError(write.id)
        case "member":
            return UnknownMemberError(row["value"])
        case "cycle":
            return MembershipCycleError(row["value"])
        case "unique" if row["owner"] is not None:
            return NotUniqueError(row["attribute"], row["value"], row["owner"])
        case _:
            return ValueFreedError(write.id)


def _can_go_alone(write: Write) -> bool:
    """Whether nothing of it can be refused but its userName."""
    return isinstance(write, Create) and write.members is None and not write.keys.unique


def _other(keys: Keys) -> tuple[Any, ...]:
    return keys.external_id, keys.unique, keys.values
