"""Migrations: a database that grew is the same as one that was made today, whoever migrates it together with others."""

import asyncio
import re
import sqlite3
import subprocess
from contextlib import closing
from itertools import count

import asyncpg
import pytest

from headcount.store.migrations import Migration, indexes_of
from headcount.store.postgresql import database as postgresql_database
from headcount.store.sqlite import database as sqlite_database
from processes import COMMAND, answer, environment, refusal, run

NUMBERS = count(1)
SQLITE, POSTGRESQL = sqlite_database.migrations(), postgresql_database.migrations()


@pytest.fixture
def empty(postgresql):
    return postgresql.create_database(f"migrations{next(NUMBERS)}")


async def begin(url, until):
    """What an earlier version, which knew the first migrations only, has left behind."""
    connection = await asyncpg.connect(url)
    for migration in POSTGRESQL[:until]:
        await postgresql_database._apply(connection, migration)
    if until:
        await connection.execute("INSERT INTO installation VALUES ($1, 'then')", bytes(32))
    await connection.close()


async def grow(url):
    connection = await asyncpg.connect(url)
    applied = await postgresql_database.migrate(connection, upgrade=True)
    await connection.close()
    return [migration.number for migration in applied]


def schema_of(postgresql, url):
    command = [postgresql.program("pg_dump"), "--schema-only", "--no-owner", "--restrict-key=same", url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_postgresql_database_that_grew_is_the_same_as_a_new_one(postgresql, empty):
    asyncio.run(grow(empty))
    new = schema_of(postgresql, empty)
    assert re.findall(r"CREATE TABLE public\.(\w+)", new).count("resource") == 1
    for until in range(len(POSTGRESQL) + 1):
        url = postgresql.create_database(f"migrations{next(NUMBERS)}")
        asyncio.run(begin(url, until))
        assert asyncio.run(grow(url)) == [migration.number for migration in POSTGRESQL[until:]]
        assert schema_of(postgresql, url) == new


def sqlite_schema(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def test_a_sqlite_database_that_grew_is_the_same_as_a_new_one(tmp_path):
    schemas = []
    for until in range(len(SQLITE) + 1):
        with closing(sqlite_database.connect(tmp_path / f"{until}.db")) as connection:
            if until:
                connection.execute(
                    "CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, applied TEXT NOT NULL)"
                )
            for migration in SQLITE[:until]:
                connection.executescript(migration.script)
                connection.execute("INSERT INTO migration VALUES (?, ?, 'then')", (migration.number, migration.name))
            applied = sqlite_database.migrate(connection, upgrade=True)
        assert [migration.number for migration in applied] == [migration.number for migration in SQLITE[until:]]
        schemas.append(sqlite_schema(tmp_path / f"{until}.db"))
    assert all(schema == schemas[0] for schema in schemas)
    assert ("table", "resource") in [row[:2] for row in schemas[0]]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_processes_that_migrate_at_once_one_applies_everything_and_all_succeed(request, tmp_path, kind):
    url = "sqlite:///new.db" if kind == "sqlite" else request.getfixturevalue("empty")
    command = [*COMMAND, "db", "migrate", "--json", "--database", url]
    options = {
        "cwd": tmp_path,
        "env": environment(),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }
    processes = [subprocess.Popen(command, **options) for _ in range(4)]
    said = [(*process.communicate(timeout=60), process.returncode) for process in processes]
    labels = [migration.label for migration in (SQLITE if kind == "sqlite" else POSTGRESQL)]
    expected = ['{"applied": []}\n'] * 3 + ['{"applied": ["' + '", "'.join(labels) + '"]}\n']
    assert sorted(said) == sorted((output, "", 0) for output in expected)


def test_status_and_migrate_work_on_postgresql_as_on_sqlite(tmp_path, empty):
    labels = [migration.label for migration in POSTGRESQL]

    def states():
        return [(row["migration"], row["state"]) for row in answer(tmp_path, "db", "status", "--database", empty)]

    assert states() == [(label, "due") for label in labels]
    asyncio.run(begin(empty, 1))
    assert states() == [(labels[0], "applied"), *((label, "due") for label in labels[1:])]
    assert answer(tmp_path, "db", "migrate", "--database", empty) == {"applied": labels[1:]}
    assert answer(tmp_path, "db", "migrate", "--database", empty) == {"applied": []}
    assert states() == [(label, "applied") for label in labels]


def test_an_older_postgresql_database_is_refused_by_other_commands(tmp_path, empty):
    asyncio.run(begin(empty, 1))
    message = (
        f"error: the database needs {len(POSTGRESQL) - 1} migrations; run 'headcount db migrate' or start the server"
    )
    assert refusal(run(tmp_path, "tenant", "list", "--database", empty)) == (1, message)
    answer(tmp_path, "db", "migrate", "--database", empty)
    assert answer(tmp_path, "tenant", "list", "--database", empty) == []


def test_a_newer_postgresql_database_is_refused_by_every_command(tmp_path, empty, postgresql):
    answer(tmp_path, "db", "migrate", "--database", empty)
    postgresql.sql("INSERT INTO migration VALUES (9999, 'future', 'then')", empty.rpartition("/")[2])
    message = "error: the database has migration 9999, which this version does not know; upgrade Headcount"
    for command in (["tenant", "list"], ["db", "migrate"], ["db", "status"]):
        assert refusal(run(tmp_path, *command, "--database", empty)) == (1, message)


def test_the_indexes_of_a_current_database_are_those_that_were_made_and_not_dropped_since():
    first = Migration(
        1,
        "one",
        "CREATE INDEX a ON t (x);\nCREATE UNIQUE INDEX b ON t\n    (y, z) WHERE y > 0;\nCREATE INDEX c ON t (c);",
    )
    second = Migration(2, "two", "DROP INDEX a;\nDROP INDEX IF EXISTS c;\nCREATE INDEX c ON t (d);")
    assert indexes_of((first, second)) == {
        "b": "CREATE UNIQUE INDEX b ON t (y, z) WHERE y > 0",
        "c": "CREATE INDEX c ON t (d)",
    }
