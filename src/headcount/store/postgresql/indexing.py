"""Indexes of values filled in PostgreSQL after the resources that they lead to."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from headcount.store.interface import Found, NotUniqueError
from headcount.store.postgresql.database import Connection

CURRENT: Final = """SELECT r.id FROM resource AS r JOIN unnest($3::text[], $4::bigint[]) AS asked (id, version)
ON r.id = asked.id AND r.version = asked.version
WHERE r.tenant = $1 AND r.type = $2 ORDER BY r.id FOR NO KEY UPDATE OF r"""
"""Locked, in the order that writers lock them in."""
FORGET_VALUES: Final = "DELETE FROM indexed_value WHERE tenant = $1 AND type = $2 AND path = $3 AND id = ANY ($4)"
PUT_VALUES: Final = """INSERT INTO indexed_value (tenant, type, path, value, id, element)
SELECT $1, $2, $3, * FROM unnest($4::text[], $5::text[], $6::integer[])"""
FORGET_UNIQUE: Final = "DELETE FROM unique_value WHERE tenant = $1 AND attribute = $2 AND id = ANY ($3)"
PUT_UNIQUE: Final = """INSERT INTO unique_value (tenant, attribute, value, id)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[]) ORDER BY 3"""
OWNERS: Final = "SELECT value, id FROM unique_value WHERE tenant = $1 AND attribute = $2 AND value = ANY ($3)"
FORGET_ALL: Final = {
    False: "DELETE FROM indexed_value WHERE tenant = $1 AND type = $2 AND path = $3",
    True: "DELETE FROM unique_value WHERE tenant = $1 AND $2 <> '' AND attribute = $3",
}


async def index(
    connection: Connection, tenant: str, type_name: str, path: str, found: Sequence[Found], *, unique: bool
) -> list[str]:
    """Replaces what resources are found by; gives those that have another version."""
    asked = [one.id for one in found], [one.version for one in found]
    try:
        async with connection.transaction():
            current = {row["id"] for row in await connection.fetch(CURRENT, tenant, type_name, *asked)}
            rows = [(value, one.id, number) for one in found if one.id in current for number, value in one.values]
            values, ids, numbers = ([row[place] for row in rows] for place in range(3))
            if unique:
                await connection.execute(FORGET_UNIQUE, tenant, path, list(current))
                await connection.execute(PUT_UNIQUE, tenant, path, values, ids)
            else:
                await connection.execute(FORGET_VALUES, tenant, type_name, path, list(current))
                await connection.execute(PUT_VALUES, tenant, type_name, path, values, ids, numbers)
    except asyncpg.UniqueViolationError as error:
        raise await _refusal(connection, tenant, path, found) from error
    return [one.id for one in found if one.id not in current]


async def forget(connection: Connection, tenant: str, type_name: str, path: str, *, unique: bool) -> None:
    """Removes all that is found by a path."""
    await connection.execute(FORGET_ALL[unique], tenant, type_name, path)


async def _refusal(connection: Connection, tenant: str, path: str, found: Sequence[Found]) -> NotUniqueError:
    """Which value two resources have: one of these and another, or two of these."""
    asked = [(value, one.id) for one in found for _, value in one.values]
    rows = await connection.fetch(OWNERS, tenant, path, [value for value, _ in asked])
    owners = {row["value"]: row["id"] for row in rows}
    for value, resource_id in asked:
        owner = owners.setdefault(value, resource_id)
        if owner != resource_id:
            return NotUniqueError(path, value, owner)
    return NotUniqueError(path, *asked[0])
