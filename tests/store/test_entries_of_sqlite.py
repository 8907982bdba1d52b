"""Entries in SQLite: where they stand, and those of an older database."""

import asyncio
from contextlib import closing

import pytest

from headcount.store.keeping import Entry
from headcount.store.sqlite import database
from headcount.store.sqlite.store import SqliteStore


async def look_up_one(path):
    store = SqliteStore(path, upgrade=True)
    await store.open()
    found = await store.for_tenant("acme").entry("trouble", "they")
    await store.close()
    return found


@pytest.mark.parametrize("table", ["entry", "line"])
def test_what_may_be_large_stands_beside_the_tree_that_is_searched(tmp_path, table):
    path = tmp_path / "new.db"
    asyncio.run(look_up_one(path))
    with closing(database.connect(path)) as connection:
        (without_rowid,) = connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (table,)).fetchone()
    assert not without_rowid


def test_entries_of_an_older_database_are_kept(tmp_path):
    path = tmp_path / "older.db"
    with closing(database.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)"
        )
        for migration in database.migrations()[:2]:
            connection.executescript(migration.script)
            connection.execute("INSERT INTO migration VALUES (?, ?, 'then')", (migration.number, migration.name))
        connection.execute("INSERT INTO installation VALUES (?, 'then')", (bytes(32),))
        connection.execute("INSERT INTO entry VALUES ('acme', 'trouble', 'they', 7, x'31')")
    assert asyncio.run(look_up_one(path)) == Entry("they", b"1", 7)
