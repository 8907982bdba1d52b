"""Statements that read, and rows as values."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import asyncpg

from headcount.store.interface import KeyName, Member, StoredResource
from headcount.store.tables import OF_TENANTS

# An array whose length is a limit as well is taken for one row where a statement is planned for all parameters, so that
# such a plan seems no dearer than one for these and is made once. To plan takes four times as long as to read one row.
#
# `(SELECT $1)` hides the tenant from the planner, for the reason that `dialect.numbered` has to do so in searches.


def _group(tenant: str, group_id: str) -> str:
    """The group with an id, looked up for each row: a planner that knows little would go through all groups at once."""
    return f"""(SELECT id, label FROM resource
    WHERE tenant = {tenant} AND type = (SELECT 'Group') AND id = {group_id} OFFSET 0) AS g"""


_GROUP: Final = """'{"value":"' || g.id || '","$ref":"/Groups/' || g.id || '","display":' || to_json(g.label)::text
    || ',"type":"'"""
_GROUPS: Final = f"""CASE WHEN r.type = 'User' THEN (
    SELECT '[' || string_agg({_GROUP} || 'direct"}}', ',' ORDER BY m.group_id) || ']'
    FROM membership AS m CROSS JOIN LATERAL {_group("m.tenant", "m.group_id")}
    WHERE m.tenant = r.tenant AND m.member_id = r.id) END"""
_MANAGER: Final = """CASE WHEN r.manager IS NOT NULL THEN (
    SELECT '"$ref":"/Users/' || u.id
        || CASE u.label WHEN '' THEN '"' ELSE '","displayName":' || to_json(u.label)::text END
    FROM resource AS u WHERE u.tenant = r.tenant AND u.type = 'User' AND u.id = r.manager) END"""
_NESTED: Final = "coalesce((SELECT value FROM counter WHERE tenant = {} AND name = 'nested' AND shard = 0), 0)"

_STORED: Final = (
    f"r.type, r.id, r.version, r.created, r.modified, r.document, r.member_count, r.connection, {_MANAGER} AS manager"
)
COLUMNS: Final = f"{_STORED}, {_GROUPS} AS groups, {_NESTED.format('?')} AS nested"
"""One placeholder: the tenant."""
COLUMNS_WITHOUT_GROUPS: Final = f"{_STORED}, NULL AS groups, 0 AS nested"

_ASKED: Final = """FROM (SELECT * FROM unnest($2::text[], $3::text[]) WITH ORDINALITY LIMIT cardinality($3))
    AS k (type, id, place)
JOIN resource AS r ON r.tenant = (SELECT $1) AND r.type = k.type AND r.id = k.id"""
READ: Final = f"SELECT {COLUMNS.replace('?', '$1')}, k.place {_ASKED}"
READ_WITHOUT_GROUPS: Final = f"SELECT {COLUMNS_WITHOUT_GROUPS}, k.place {_ASKED}"
READ_PRIVATE: Final = "SELECT private FROM resource WHERE tenant = $1 AND type = $2 AND id = $3"

ALL_GROUPS: Final = f"""
WITH RECURSIVE above (member, id, direct) AS (
    SELECT m.member_id, m.group_id, 1 FROM (SELECT * FROM unnest($2::text[]) LIMIT cardinality($2)) AS k (id)
    JOIN membership AS m ON m.tenant = (SELECT $1) AND m.member_id = k.id
    UNION
    SELECT above.member, m.group_id, 0
    FROM above JOIN membership AS m ON m.tenant = (SELECT $1) AND m.member_id = above.id
)
SELECT a.member, '[' || string_agg({_GROUP}
    || CASE a.direct WHEN 1 THEN 'direct"}}' ELSE 'indirect"}}' END, ',' ORDER BY g.id) || ']' AS groups
FROM (SELECT member, id, max(direct) AS direct FROM above GROUP BY member, id) AS a
CROSS JOIN LATERAL {_group("(SELECT $1)", "a.id")}
GROUP BY a.member"""

_WITH_LABELS: Final = """
CROSS JOIN LATERAL (SELECT label FROM resource
    WHERE tenant = m.tenant AND type = m.member_type AND id = m.member_id OFFSET 0) AS r
ORDER BY m.member_id"""
MEMBERS: Final = f"""SELECT m.member_id, m.member_type, r.label
FROM (SELECT * FROM membership WHERE tenant = (SELECT $1) AND group_id = $2 AND (group_id, member_id) > ($2, $3)
      ORDER BY group_id, member_id LIMIT $4) AS m {_WITH_LABELS}"""
SOME_MEMBERS: Final = f"""SELECT m.member_id, m.member_type, r.label
FROM (SELECT DISTINCT unnest($5::text[]) LIMIT cardinality($5)) AS k (id)
CROSS JOIN LATERAL (SELECT * FROM membership
    WHERE tenant = (SELECT $1) AND group_id = $2 AND member_id = k.id AND member_id > $3 OFFSET 0) AS m
{_WITH_LABELS} LIMIT $4"""

_VALUES: Final = "(SELECT DISTINCT unnest($3::text[]) LIMIT cardinality($3)) AS k (value)"
# Before version 16 the planner takes it for cheap to look for many equal values in an index of trigrams that was never
# vacuumed, which takes a thousand times as long. Only an ordinary index serves a range, such as this one of one value.
_BY_COLUMN: Final = f"""SELECT k.value, r.id FROM {_VALUES} CROSS JOIN LATERAL
(SELECT id FROM resource WHERE tenant = (SELECT $1) AND type = (SELECT $2)
    AND {{0}} >= k.value AND {{0}} <= k.value OFFSET 0) AS r"""
IDS: Final[Mapping[KeyName, str]] = {
    "user_name": _BY_COLUMN.format("user_name"),
    "display_name": _BY_COLUMN.format("display_name"),
    "external_id": f"""SELECT DISTINCT x.value, x.id FROM {_VALUES}
CROSS JOIN LATERAL (SELECT value, id FROM external_id WHERE tenant = (SELECT $1) AND type = (SELECT $2)
    AND value = k.value AND ($4::text IS NULL OR connection = $4) OFFSET 0) AS x""",
}

_HAS_ROWS: Final = "EXISTS (SELECT FROM {} WHERE tenant = $1)"
IS_EMPTY: Final = "SELECT NOT (" + " OR ".join(_HAS_ROWS.format(table) for table in OF_TENANTS) + ")"
RECORDS: Final = "SELECT key, value FROM record WHERE tenant = $1 AND kind = $2 ORDER BY key"
COUNTERS: Final = "SELECT name, sum(value)::bigint FROM counter WHERE tenant = $1 AND name = ANY ($2) GROUP BY name"
CHANGES: Final = """SELECT sequence, type, id, version, kind, at, actor, request_id AS "requestId", before, after,
    added, removed
FROM change WHERE tenant = $1 AND sequence > $2 ORDER BY sequence LIMIT $3"""


def resource_of(row: "asyncpg.Record", derived: Mapping[str, str] | None) -> StoredResource:
    """A row of `COLUMNS` as a value; `derived` has the groups of users in tenants with groups within groups."""
    groups = row["groups"] if derived is None else derived.get(row["id"])
    manager = row["manager"]
    return StoredResource(
        row["type"],
        row["id"],
        row["version"],
        row["created"],
        row["modified"],
        row["document"],
        groups.encode() if groups and row["type"] == "User" else None,
        manager.encode() if manager else None,
        row["member_count"],
        None,
        row["connection"],
    )


def member_of(row: "asyncpg.Record") -> Member:
    """A member's row as a value."""
    return Member(row["member_id"], row["member_type"], row["label"])


def change_of(row: "asyncpg.Record") -> dict[str, Any]:
    """A row of the change log; member lists are lists of ids."""
    change = dict(row)
    for name in ("added", "removed"):
        change[name] = list(change[name] or ())
    return change


def users_among(rows: Sequence["asyncpg.Record"]) -> list[str]:
    """The ids of the users in rows of a tenant with groups within groups; none in any other."""
    return [row["id"] for row in rows if row["nested"] and row["type"] == "User"]
