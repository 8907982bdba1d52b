"""Whether everything that a database keeps twice agrees: change log, counters, member counts and memberships."""

import asyncio
import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing

import asyncpg

TABLES = ("resource", "membership", "counter", "change", "indexed_value", "external_id", "unique_value")


def tables_of(database):
    """The rows of one tenant, by table, from either kind of database."""
    if database.startswith("sqlite:///"):
        return _from_sqlite(database.removeprefix("sqlite:///"))
    return asyncio.run(_from_postgresql(database))


def _from_sqlite(file):
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        assert [tuple(row) for row in connection.execute("PRAGMA integrity_check")] == [("ok",)]
        statement = "SELECT * FROM {} WHERE tenant = 'acme'"
        tables = {name: [dict(row) for row in connection.execute(statement.format(name))] for name in TABLES}
    for row in tables["change"]:
        row["added"], row["removed"] = json.loads(row["added"] or "[]"), json.loads(row["removed"] or "[]")
    return tables


async def _from_postgresql(url):
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read"):
            statement = "SELECT * FROM {} WHERE tenant = 'acme'"
            return {name: [dict(row) for row in await connection.fetch(statement.format(name))] for name in TABLES}
    finally:
        await connection.close()


def check_agreement(database):
    """Fails where two things that say the same say different things."""
    tables = tables_of(database)
    resources = {row["id"]: row for row in tables["resource"]}
    log = sorted(tables["change"], key=lambda row: row["sequence"])

    members = defaultdict(set)
    for row in tables["membership"]:
        members[row["group_id"]].add(row["member_id"])
    assert {key: row["member_count"] for key, row in resources.items() if row["member_count"]} == {
        group: len(some) for group, some in members.items()
    }
    assert set().union(*members.values()) <= resources.keys()
    assert members.keys() <= resources.keys()

    counted = Counter()
    for row in tables["counter"]:
        if row["name"] not in ("records", "nested"):
            counted[row["name"]] += row["value"]
    assert +counted == Counter(row["type"] for row in resources.values())

    _check_log(log, resources, members)
    for name in ("indexed_value", "external_id", "unique_value"):
        assert {row["id"] for row in tables[name]} <= resources.keys()
    return tables


def _check_log(log, resources, members):
    """Replayed from the beginning, the change log leads to what is stored: every version once, in order."""
    versions, documents, replayed = {}, {}, defaultdict(set)
    for row in log:
        key = row["id"]
        if row["kind"] == "delete":
            assert row["version"] == versions.pop(key)
            assert bytes(row["before"]) == documents.pop(key)
            replayed.pop(key, None)
            continue
        assert row["version"] == versions.get(key, 0) + 1
        assert (row["kind"] == "create") is (row["version"] == 1)
        versions[key] = row["version"]
        if row["after"] is not None:
            documents[key] = bytes(row["after"])
        assert not replayed[key] & set(row["added"] or ())
        assert set(row["removed"] or ()) <= replayed[key]
        replayed[key] = (replayed[key] - set(row["removed"] or ())) | set(row["added"] or ())
    assert versions == {key: row["version"] for key, row in resources.items()}
    assert documents == {key: bytes(row["document"]) for key, row in resources.items()}
    assert {key: some for key, some in replayed.items() if some} == members
