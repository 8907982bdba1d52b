"""What SQLite's planner believes of tables: it must not take one that was small when it looked for a small one."""

import asyncio
from contextlib import closing

import pytest

from headcount.store.sqlite import database, reads, writes
from headcount.store.sqlite.store import SqliteStore
from headcount.testing.store_contract.examples import GROUP, USER, create
from headcount.testing.store_contract.harness import query_of

STATEMENTS = {
    "a resource": (reads.READ, 3),
    "a page": (reads.READ_PAGE, 2),
    "members": (reads.MEMBERS, 4),
    "ids by userName": (reads.IDS["user_name"], 3),
    "ids by displayName": (reads.IDS["display_name"], 3),
    "a member who leaves": (writes.LEFT_BY_MEMBER, 3),
    "members to add": (writes.ADD_MEMBERS, 3),
}


async def small_directory(path):
    store = SqliteStore(path)
    await store.open()
    tenant = store.for_tenant("acme")
    for write in (create(USER, "ada"), create(GROUP, "eng", members=("ada",))):
        await tenant.write(write)
    await tenant.search(query_of(kinds=(USER, GROUP)))
    await store.close()


def scans_of(path, statement, parameters):
    with closing(database.connect(path, read_only=True)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", ["[]"] * parameters).fetchall()
    return [row[3] for row in plan if row[3].startswith("SCAN") and "VIRTUAL" not in row[3]]


@pytest.mark.parametrize("case", STATEMENTS)
def test_no_table_is_read_as_a_whole_after_a_small_one_was_closed(tmp_path, case):
    asyncio.run(small_directory(tmp_path / "headcount.db"))
    assert scans_of(tmp_path / "headcount.db", *STATEMENTS[case]) == []


@pytest.mark.parametrize(("rows", "is_known"), [(database.FEW, False), (database.FEW + 1, True)])
def test_the_planner_learns_of_tables_with_more_than_a_few_rows_only(tmp_path, rows, is_known):
    asyncio.run(small_directory(tmp_path / "headcount.db"))
    with closing(database.connect(tmp_path / "headcount.db")) as connection:
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO unique_value SELECT 'acme', 'x', i, i FROM n",
            (rows,),
        )
        database.analyze(connection, anew=False)
        exists = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetchone()
        tables = {table for (table,) in connection.execute("SELECT tbl FROM sqlite_stat1")} if exists else set()
    assert tables == ({"unique_value"} if is_known else set())
