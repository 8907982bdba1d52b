"""`headcount db copy`: a whole installation from one database into another, in real processes."""

import asyncio
import json
import sqlite3
import subprocess
from contextlib import closing
from datetime import timedelta
from itertools import count

import asyncpg
import pytest

from headcount.assembly import open_installation, store_of
from headcount.settings import Settings
from headcount.store.copying import Tally
from headcount.store.keeping import Line, Put, Task
from headcount.store.postgresql.keeping import MARK
from headcount.store.sqlite import database as sqlite_database
from headcount.store.tables import TABLES
from headcount.testing.postgresql import temporary_postgresql
from processes import COMMAND, answer, environment, eventually, refusal, run, server
from serving import Client

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
DEVICE = "urn:example:scim:schemas:Device"
EARLY, LATE = "2026-01-05T08:30:00.000000Z", "2026-02-05T08:30:00.000000Z"
ODD = "Zoë \u0131\u017f ﷺ 𝒳 \U0001f469\u200d\U0001f4bb \u202e \\u0041 ' \" % _ \\"
NUMBERS = [0, 1, -1, 1.0, 2.5, -0.0, 1e16, 1e300, 2**53 + 1, 2**63 - 1]
DOCUMENTS = [
    {
        "id": DEVICE,
        "name": "Device",
        "attributes": [
            {"name": "serial", "type": "string", "uniqueness": "server", "caseExact": True},
            {"name": "weights", "type": "decimal", "multiValued": True},
            {"name": "pin", "type": "string", "mutability": "writeOnly", "returned": "never"},
        ],
    },
    {"name": "Device", "endpoint": "/Devices", "schema": DEVICE},
]
DATABASES = count(1)


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        yield running


@pytest.fixture
def new_database(postgresql):
    return postgresql.create_database(f"copy{next(DATABASES)}")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The URL of a SQLite database that holds something of everything, and a token for its tenant `acme`."""
    folder = tmp_path_factory.mktemp("original")
    url = f"sqlite:///{folder}/headcount.db"
    token = asyncio.run(fill(url))
    with server(folder, "--database", url) as running, Client(running.url, "/t/acme/scim/v2", token) as client:
        populate(client)
    return url, token


async def fill(url):
    async with open_installation(Settings(database=url)) as installation:
        for name in ("acme", "other", "gone"):
            await installation.tenants.create(name, display_name=ODD, passwords="hash")
            token, _ = await installation.tokens.create(name, "test", lifetime=timedelta(days=1))
            if name == "acme":
                kept = token
        await installation.schemas.add("acme", DOCUMENTS)
        await installation.tenants.delete("gone")
        await keep(installation.store.for_tenant("acme"))
        return kept


async def keep(tenant):
    """Something of all that is kept beside resources."""
    await tenant.put([Put("settings", ODD, b"\x00\xff"), Put("settings", "b", b"2")])
    await tenant.put([Put("settings", "b", b"3")])
    await tenant.append("log", [Line(EARLY, b"1", ODD), Line(EARLY, b"2"), Line(EARLY, b"3")])
    await tenant.trim("log", keep=2)
    await tenant.enqueue("queue", [Task(key, b"\x00", EARLY) for key in ("k", "k", "", "", "l")])
    first, second, _ = (await tenant.take("queue", ODD, now=EARLY, until=LATE))[:3]
    await tenant.park("queue", ODD, first.id, reason=ODD)
    await tenant.put_off("queue", ODD, second.id, due=LATE, reason="")
    await tenant.lease("lease", ODD, seconds=3600)
    await tenant.mark("mark", b"\x00", at=EARLY, actor="cli", request_id="")


def populate(client):
    ada = client.new_user(userName=ODD, displayName=ODD, password="secret", externalId="ä")["id"]
    bob = client.new_user(
        userName="bob", active=False, emails=[{"value": "b@x.org"}], **{ENTERPRISE: {"manager": {"value": ada}}}
    )["id"]
    inner = client.new_group(ada, bob, displayName="inner")["id"]
    client.new_group(inner, displayName="outer", externalId="1")
    client.patch(f"/Groups/{inner}", {"op": "remove", "path": f'members[value eq "{bob}"]'}).ok()
    client.patch(f"/Users/{bob}", {"op": "add", "path": "title", "value": ODD}).ok()
    client.delete(f"/Users/{client.new_user(userName='leaver')['id']}")
    device = {"schemas": [DEVICE], "serial": "Ä1", "pin": "1234", "weights": NUMBERS}
    client.post("/Devices", device).ok(201)


def copied(origin, target):
    return answer(".", "db", "copy", "--from", origin, "--to", target)["rows"]


async def tally_of(url):
    """Counts and digests of everything in a database."""
    tally = Tally()
    async with store_of(Settings(database=url)).snapshot() as snapshot:
        for table in TABLES:
            async for rows in snapshot.rows(table):
                tally.add(table, rows)
    return tally


def rows_in_order(url, statement):
    """The rows of a statement on a SQLite database."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        return connection.execute(statement).fetchall()


def rows_of(url, table, columns="*"):
    """All rows of a SQLite table as they are, in no order."""
    return sorted(map(repr, rows_in_order(url, f"SELECT {columns} FROM {table}")))  # noqa: S608  our own tables


def test_a_copy_there_and_back_is_the_same_row_by_row(original, new_database, tmp_path):
    origin, back = original[0], f"sqlite:///{tmp_path}/back.db"
    there = copied(origin, new_database)
    assert copied(new_database, back) == there
    assert there["installation"] == 1
    assert (there["resource"], there["membership"], there["external_id"]) == (9, 2, 2)

    assert asyncio.run(tally_of(origin)) == asyncio.run(tally_of(new_database)) == asyncio.run(tally_of(back))
    for table in (
        "installation",
        "external_id",
        "unique_value",
        "indexed_value",
        "membership",
        "counter",
        "record",
        "entry",
        "line",
        "task",
        "lease",
    ):
        assert rows_of(back, table) == rows_of(origin, table)
    columns = {table.name: list(table.columns) for table in TABLES}
    but_compare = ", ".join(column for column in columns["resource"] if column != "compare")
    assert rows_of(back, "resource", but_compare) == rows_of(origin, "resource", but_compare)
    but_position = ", ".join(column for column in columns["change"] if column != "position")
    assert rows_of(back, "change", but_position) == rows_of(origin, "change", but_position)


def test_compare_documents_hold_the_same_values_in_the_copy(original, tmp_path):
    back = f"sqlite:///{tmp_path}/back.db"
    copied(original[0], back)
    values = [
        [json.loads(text) for (text,) in rows_in_order(url, "SELECT compare FROM resource ORDER BY tenant, type, id")]
        for url in (original[0], back)
    ]
    assert values[0] == values[1]
    assert {"weights", "serial"} <= next(value for value in values[1] if "serial" in value).keys()


def test_the_change_log_counts_on_where_the_original_stood(original, new_database, tmp_path):
    origin = original[0]
    copied(origin, new_database)
    ((last,),) = rows_in_order(origin, "SELECT seq FROM sqlite_sequence WHERE name = 'change'")
    back = f"sqlite:///{tmp_path}/back.db"
    copied(new_database, back)
    for url in (new_database, back):
        answer(tmp_path, "tenant", "create", "new", "--database", url)
        assert asyncio.run(last_change(url)) == last + 1


def test_positions_of_the_feed_are_the_same_in_the_copy_and_go_on_growing(original, new_database, tmp_path):
    there = [row.position for row in asyncio.run(feed_of(original[0]))]
    copied(original[0], new_database)
    back = f"sqlite:///{tmp_path}/back.db"
    asyncio.run(write_and_sequence(new_database, "in-between"))
    copied(new_database, back)
    asyncio.run(write_and_sequence(back, "at-last"))
    rows = asyncio.run(feed_of(back))
    assert [row.position for row in rows[:-2]] == there
    assert [row.kind for row in rows[-2:]] == ["in-between", "at-last"]
    assert there[-1] < rows[-2].position < rows[-1].position


def test_rows_that_have_no_position_yet_are_copied_with_one_behind_all_others(new_database, tmp_path):
    asyncio.run(store_of(Settings(database=new_database)).migrate())
    asyncio.run(write_and_sequence(new_database, "first", before="late"))
    back = f"sqlite:///{tmp_path}/back.db"
    copied(new_database, back)
    asyncio.run(write_and_sequence(back, "last"))
    assert [row.kind for row in asyncio.run(feed_of(back))] == ["first", "late", "last"]


async def write_and_sequence(url, kind, before=None):
    """Adds a mark to the feed; with `before`, another one with a smaller sequence that commits later."""
    async with open_installation(Settings(database=url)) as installation:
        tenant = installation.store.for_tenant("acme")
        if before:
            late = await asyncpg.connect(url)
            transaction = late.transaction()
            await transaction.start()
            await late.execute(MARK, "acme", before, EARLY, "", "", b"")
        await tenant.mark(kind, b"", at=EARLY, actor="", request_id="")
        await tenant.sequence_changes()
        if before:
            await transaction.commit()
            await late.close()


async def feed_of(url):
    async with open_installation(Settings(database=url)) as installation:
        return await installation.store.for_tenant("acme").changes_after(0)


async def last_change(url):
    async with open_installation(Settings(database=url)) as installation:
        operator = installation.store.for_tenant("_operator")
        return [change["sequence"] async for change in operator.changes()][-1]


PATHS = (
    "/Users?sortBy=userName",
    "/Groups?sortBy=displayName",
    "/Devices",
    "/Schemas",
    "/ResourceTypes",
    "/Users?filter=userName%20co%20%22zo%C3%AB%22%20or%20title%20pr",
    "/Users?filter=groups.display%20eq%20%22outer%22",
    "/Devices?filter=weights%20eq%201&attributes=weights",
    "/Users?filter=externalId%20eq%20%22%C3%A4%22",
)  # fmt: skip


def test_a_server_on_the_copy_answers_the_same_bytes(original, new_database, tmp_path):
    origin, token = original
    copied(origin, new_database)
    answers = [answers_of(tmp_path, url, token) for url in (origin, new_database)]
    assert answers[0] == answers[1]
    assert [status for status, *_ in answers[0]] == [200] * len(PATHS)


def answers_of(folder, url, token):
    settings = {"HEADCOUNT_PUBLIC_URL": "https://scim.example.com"}
    with server(folder, "--database", url, settings=settings) as running:
        client = Client(running.url, "/t/acme/scim/v2", token)
        found = [client.get(path) for path in PATHS]
        client.close()
    return [(item.status, item.headers.get("etag"), item.body) for item in found]


def test_every_column_of_every_table_is_copied_but_the_list_of_migrations_and_the_shards_of_counters(
    new_database, tmp_path
):
    with closing(sqlite_database.connect(tmp_path / "new.db")) as connection:
        sqlite_database.migrate(connection, upgrade=True)
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        in_sqlite = {
            (table, row[1])
            for table in tables
            if table != "migration" and not table.startswith("sqlite_")
            for row in connection.execute(f"PRAGMA table_info({table})")
        }
    known = {(table.name, column) for table in TABLES if table.name != "sequence" for column in table.columns}
    assert in_sqlite == known
    asyncio.run(store_of(Settings(database=new_database)).migrate())
    assert asyncio.run(columns_of(new_database)) == known | {("counter", "shard")}


async def columns_of(url):
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name <> 'migration'"
    )
    await connection.close()
    return {tuple(row) for row in rows}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_target_that_is_not_empty_is_refused_and_left_alone(original, request, tmp_path, kind):
    target = f"sqlite:///{tmp_path}/busy.db" if kind == "sqlite" else request.getfixturevalue("new_database")
    answer(tmp_path, "tenant", "create", "mine", "--database", target)
    before = asyncio.run(tally_of(target))
    exit_code, line = refusal(run(tmp_path, "db", "copy", "--from", original[0], "--to", target))
    assert exit_code == 1
    assert "is not empty: 1 in resource" in line
    assert asyncio.run(tally_of(target)) == before


@pytest.mark.parametrize(
    ("origin", "message"),
    [
        ("sqlite:///none.db", "there is no database none.db"),
        ("sqlite:///older.db", "needs migrations"),
        ("mysql://x", "must be a URL such as"),
    ],
)
def test_an_origin_that_is_not_there_or_not_current_is_refused_and_nothing_is_created(tmp_path, origin, message):
    with closing(sqlite3.connect(tmp_path / "older.db")) as connection:
        connection.execute("CREATE TABLE migration (number INTEGER PRIMARY KEY, name TEXT, applied TEXT)")
        connection.execute("CREATE TABLE installation (key BLOB, created TEXT)")
    exit_code, line = refusal(run(tmp_path, "db", "copy", "--from", origin, "--to", "sqlite:///new.db"))
    assert exit_code == 1
    assert message in line or "holds nothing of Headcount" in line
    assert not (tmp_path / "new.db").exists()
    assert not (tmp_path / "none.db").exists()


FILLED = """WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 59999)
INSERT INTO indexed_value SELECT 'acme', 'User', 'emails.value', printf('%d', n), printf('%d', n), 0 FROM numbers"""


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_copy_that_is_killed_leaves_an_empty_target_into_which_it_can_be_repeated(request, tmp_path, kind):
    origin = f"sqlite:///{tmp_path}/large.db"
    answer(tmp_path, "tenant", "create", "acme", "--database", origin)
    with closing(sqlite3.connect(tmp_path / "large.db", isolation_level=None)) as connection:
        connection.execute(FILLED)
    target = f"sqlite:///{tmp_path}/target.db" if kind == "sqlite" else request.getfixturevalue("new_database")
    answer(tmp_path, "db", "migrate", "--database", target)
    command = [*COMMAND, "db", "copy", "--from", origin, "--to", target]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE) as process:
        eventually(lambda: process.poll() is not None or is_filling(target))
        assert process.poll() is None, "it was over before it could be killed"
        process.kill()
    eventually(lambda: not is_filling(target))  # PostgreSQL has to notice that its client is gone
    assert answer(tmp_path, "tenant", "list", "--database", target) == []
    assert copied(origin, target)["indexed_value"] == 60_000
    assert asyncio.run(tally_of(target)) == asyncio.run(tally_of(origin))


def is_filling(url):
    """Whether somebody holds the target's lock."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False
    return asyncio.run(lock_modes(url))


async def lock_modes(url):
    connection = await asyncpg.connect(url)
    held = await connection.fetch(
        "SELECT 1 FROM pg_locks WHERE mode = 'ExclusiveLock' AND relation = 'resource'::regclass"
    )
    await connection.close()
    return bool(held)
