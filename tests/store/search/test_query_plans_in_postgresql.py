"""In a directory of 50,000 people that the planner knows, every statement of the hot set is led by an index.

The plans are those of the statements as they really ran, also inside the server function, the first time and once
the server has settled on a plan for all parameters.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import md5
from itertools import cycle
from typing import Any

import pytest

from headcount.directory.identifiers import new_id
from headcount.scim.registry import GROUP, ResourceType
from headcount.store.interface import (
    Create,
    Delete,
    KeyName,
    Keys,
    MembershipChange,
    Origin,
    Position,
    Query,
    Update,
    Write,
)
from headcount.store.keys import ordered_text
from headcount.store.postgresql import database, reads, writes
from headcount.store.postgresql.dialect import numbered
from headcount.store.postgresql.look_ups import look_ups, parameters_of, shape_of, statement_of
from headcount.store.postgresql.pool import Pool
from headcount.store.postgresql.search import search
from headcount.store.postgresql.store import PostgresqlStore
from headcount.store.search.sql import Sql
from store.search.searchable import BASE_URL, EXTRA_URN, TENANT, USER, query_of

PEOPLE, TEAMS, LARGE = 50_000, 1_000, 20_000
EXECUTIONS = 7
"""After the fifth a server may settle on a plan for all parameters."""
MANY_NAMES = [f"person{number}@a.example" for number in range(1, 101)]
MANY_LABELS = [f"person {md5(str(number).encode(), usedforsecurity=False).hexdigest()[:8]}" for number in range(1, 101)]
MANY_IDS = [f"external{number}" for number in range(1, 101)]
SMALL = frozenset({"counter", "record"})
"""Tables of a page or two, which are read whole faster than by an index."""

FILL = f"""
INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, user_name, display_name,
    title, active, document, compare)
SELECT '{TENANT}', 'User', 'u' || lpad(n::text, 6, '0'), 1, at, at, name, lower(name), 'person' || n || '@a.example',
    lower(name), 'title ' || n % 500, n % 10 > 0, convert_to(document::text, 'UTF8'), document
FROM (
    SELECT n, to_char(timestamp '2026-01-01' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at,
        'Person ' || left(md5(n::text), 8) AS name,
        jsonb_build_object('userName', 'person' || n, 'nickName', 'n' || n, 'text', repeat(md5(n::text), 16), 'emails',
            jsonb_build_array(jsonb_build_object('type', 'work', 'value', n || '@' || n % 1000 || '.example'))) AS document
    FROM generate_series(1, {PEOPLE}) AS n) AS people;
INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, display_name, member_count,
    document, compare)
SELECT '{TENANT}', 'Group', 'g' || lpad(n::text, 6, '0'), 1, at, at, 'Team ' || n, 'team ' || n, 'team ' || n,
    CASE n WHEN 0 THEN {LARGE} ELSE 25 END, '{{}}', '{{}}'
FROM (SELECT n, to_char(timestamp '2026-02-01' + n * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at
    FROM generate_series(0, {TEAMS}) AS n) AS teams;
INSERT INTO membership SELECT '{TENANT}', 'g000000', 'u' || lpad(n::text, 6, '0'), 'User'
FROM generate_series(1, {LARGE}) AS n;
INSERT INTO membership SELECT '{TENANT}', 'g' || lpad((1 + n / 25)::text, 6, '0'), 'u' || lpad((1 + n)::text, 6, '0'),
    'User' FROM generate_series(0, {TEAMS} * 25 - 1) AS n;
INSERT INTO external_id SELECT '{TENANT}', 'default', 'User', 'external' || n, 'u' || lpad(n::text, 6, '0')
FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO unique_value SELECT '{TENANT}', '{EXTRA_URN}:number', n::text, 'u' || lpad(n::text, 6, '0')
FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO indexed_value
SELECT '{TENANT}', 'User', 'emails.value', n || '@' || n % 1000 || '.example', 'u' || lpad(n::text, 6, '0'), 0
FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO indexed_value
SELECT '{TENANT}', 'User', path, value, 'u' || lpad(n::text, 6, '0'), 0
FROM generate_series(1, {PEOPLE}) AS n CROSS JOIN LATERAL (VALUES
    ('{EXTRA_URN}:level', (ARRAY{[ordered_text(number) for number in range(1_000)]})[1 + n % 1000]),
    ('{EXTRA_URN}:vip', CASE n % 1000 WHEN 0 THEN 'true' ELSE 'false' END)) AS found (path, value);
INSERT INTO change (tenant, type, id, version, kind, at, actor, request_id)
SELECT '{TENANT}', 'User', 'u' || lpad(n::text, 6, '0'), 1, 'create', '2026-01-01T00:00:00.000000Z', 'a', 'r'
FROM generate_series(1, {PEOPLE}) AS n;
INSERT INTO counter VALUES ('{TENANT}', 'User', 0, {PEOPLE}), ('{TENANT}', 'Group', 0, {TEAMS + 1});
"""  # noqa: S608  constants
SMALL_NAME = "person-{:012}@example.com"
FILL_SMALL = f"""
INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, user_name, display_name,
    document, compare)
SELECT '{TENANT}', 'User', 'u' || lpad(n::text, 6, '0'), 1, '', '', '', '', name, name, '{{}}', '{{}}'
FROM (SELECT n, 'person-' || lpad(n::text, 12, '0') || '@example.com' AS name FROM generate_series(1, 2000) AS n) AS p;
INSERT INTO indexed_value SELECT tenant, type, 'emails.value', user_name, id, 0 FROM resource;
ANALYZE;
"""  # noqa: S608  constants
BEFORE = "before"
FILL_UNKNOWN = f"""
{FILL_SMALL.replace(TENANT, BEFORE).replace("ANALYZE", "ANALYZE resource, indexed_value")}
{FILL}
REINDEX INDEX resource_active;
"""  # what is smallest looks best to a planner that takes the tenant for empty
TWENTY_TIMES = "UPDATE pg_class SET reltuples = reltuples * 20 WHERE relnamespace = 'public'::regnamespace"
"""The planner takes a directory for one of a million: rows are what it counts by."""
WATCH = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_format = json;
SET client_min_messages = log;
"""
COUNT_PLANS_FOR_ALL = """
SELECT coalesce(sum(generic_plans), 0) AS plans FROM pg_prepared_statements WHERE parameter_types <> '{}'
"""

Node = dict[str, Any]


class Watched:
    """A connection whose statements are run several times, with the plans that they had."""

    def __init__(self, url: str, runner: asyncio.Runner, *fill: str) -> None:
        self.run = runner.run
        self.messages: list[str] = []
        self.connection = self.run(self._connected(url, fill))

    async def _connected(self, url: str, fill: Iterable[str]) -> database.Connection:
        await PostgresqlStore(url).migrate()
        connection = await database.connect(url)
        for statement in fill:
            await connection.execute(statement, timeout=60)
        await connection.prepare(writes.CARRY_OUT)  # the driver learns the types now, which is no part of a write
        connection.add_log_listener(lambda _connection, message: self.messages.append(message.message))
        await connection.execute(WATCH)
        return connection

    def plans(self, action: Callable[[], Awaitable[Any]]) -> list[Node]:
        """The roots of all plans that the action had."""
        self.messages.clear()
        for _ in range(EXECUTIONS):
            self.run(action())
        self.run(self.connection.execute("SELECT"))  # the last messages have come before its answer
        plans = [message.partition("plan:\n")[2] for message in self.messages]
        return [json.loads(plan)["Plan"] for plan in plans if plan]

    def of_search(self, query: Query, tenant: str = TENANT) -> list[Node]:
        """The plans of a search."""

        async def fetch(statement: Sql) -> list[Any]:
            return await self.connection.fetch(numbered(statement.text), *statement.parameters)

        return self.plans(lambda: search(fetch, tenant, query))

    def of_look_ups(self, path: str, kind: ResourceType, values: list[str]) -> list[Node]:
        """The plans of look-ups that travel together."""
        return self.of_statement(*look_ups_of(path, kind, values))

    def of_statement(self, statement: str, *parameters: Any) -> list[Node]:
        """The plans of a statement."""
        return self.plans(lambda: self.connection.fetch(statement, *parameters))

    def of_write(self, make: Callable[[], Write]) -> list[Node]:
        """The plans of everything that a write does, which must not be refused."""

        async def write() -> None:
            (row,) = await self.connection.fetch(writes.CARRY_OUT, TENANT, [writes.parameters_of(make())])
            assert row["refusal"] is None
            assert row["changed"]

        return self.plans(write)


@contextmanager
def filled(url: str, *fill: str) -> Iterator[Watched]:
    """A connection to a directory, filled by these statements."""
    with asyncio.Runner() as runner:
        directory = Watched(url, runner, *fill)
        yield directory
        runner.run(directory.connection.close())


@pytest.fixture(scope="module")
def url(every_postgresql) -> str:
    return every_postgresql.create_database("plans")


@pytest.fixture(scope="module")
def small(every_postgresql) -> Iterator[Watched]:
    """2,000 people with names that have much in common, whom no vacuum has met yet."""
    with filled(every_postgresql.create_database("small"), FILL_SMALL) as directory:
        yield directory


@pytest.fixture(scope="module")
def unknown(every_postgresql) -> Iterator[Watched]:
    """A directory that was filled after the planner last looked, when another tenant had everything."""
    with filled(every_postgresql.create_database("unknown"), FILL_UNKNOWN) as directory:
        yield directory


@pytest.fixture(scope="module")
def watched(url: str) -> Iterator[Watched]:
    with filled(url, FILL, "VACUUM ANALYZE") as directory:
        yield directory


def look_ups_of(path: str, kind: ResourceType, values: list[str]) -> tuple[Any, ...]:
    """The statement that looks for these strings, and its parameters."""
    query = query_of(f'{path} eq "x"', (kind,))
    equality = look_ups(TENANT).equality(query)
    assert equality is not None
    shape, _ = shape_of(TENANT, query, equality)
    return statement_of(shape), TENANT, *parameters_of(shape, values)


@pytest.fixture(scope="module")
def million(every_postgresql) -> Iterator[Watched]:
    """The same directory, taken for one of a million."""
    with filled(every_postgresql.create_database("million"), FILL, "VACUUM ANALYZE", TWENTY_TIMES) as directory:
        yield directory


def nodes(plan: Node) -> Iterator[Node]:
    """A plan with everything below it."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def of_all(plans: list[Node]) -> list[Node]:
    return [node for plan in plans for node in nodes(plan)]


def indexes(plans: list[Node]) -> set[str]:
    return {node["Index Name"] for node in of_all(plans) if "Index Name" in node}


def read_whole(plans: list[Node]) -> set[str]:
    """The tables that were read from one end to the other, but for the small ones."""
    return {node["Relation Name"] for node in of_all(plans) if node["Node Type"] == "Seq Scan"} - SMALL


def most_rows(plans: list[Node]) -> int:
    """Of all nodes the most rows that one passed on or passed over."""
    rows = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    return max(int(sum(node.get(name, 0) for name in rows) * node["Actual Loops"]) for node in of_all(plans))


def picking(plans: list[Node]) -> list[Node]:
    """The parts that choose the rows of a page."""
    return [node for node in of_all(plans) if node.get("Subplan Name") == "CTE picked"]


RECENT = "2026-01-01T13:53:00.000000Z"  # twenty people were modified after it, all in the last of 50,000 seconds
EARLY = "2026-01-01T07:00:00.000000Z"  # half of them were


@pytest.mark.parametrize(
    ("filter_text", "kinds", "index"),
    [
        ('id eq "u000017"', (USER,), "resource_pkey"),
        ('userName eq "person17@a.example"', (USER,), "resource_user_name"),
        ('userName eq "person17@a.example" and active eq true', (USER,), "resource_user_name"),
        ('userName eq "person17@a.example"', (USER, GROUP), "resource_user_name"),
        ('userName sw "person1234"', (USER,), "resource_user_name"),
        ('displayName eq "team 17"', (GROUP,), "resource_display_name"),
        ('displayName sw "team 17"', (GROUP,), "resource_display_name"),
        ('displayName co "70efdf2e"', (USER,), "resource_display_name_trigram"),
        ('userName co "rson1234"', (USER,), "resource_user_name_trigram"),
        ('externalId eq "external17"', (USER,), "external_id_pkey"),
        ('emails.value eq "17@17.example"', (USER,), "indexed_value_pkey"),
        ('emails[value eq "17@17.example" and type eq "work"]', (USER,), "indexed_value_pkey"),
        ('emails.value sw "1234"', (USER,), "indexed_value_pkey"),
        ('emails[type eq "work" and value co "@123."]', (USER,), "indexed_value_trigram"),
        ('emails.value ew "@123.example"', (USER,), "indexed_value_trigram"),
        ('active eq true and title eq "title 17"', (USER,), "resource_title"),
        ("active eq false", (USER,), "resource_active"),
        (f'meta.lastModified gt "{RECENT}"', (USER,), "resource_modified"),
        (f'{EXTRA_URN}:number eq "17"', (USER,), "unique_value_pkey"),
        (f"{EXTRA_URN}:seats eq 17", (USER,), "unique_value_pkey"),
        (f"{EXTRA_URN}:level eq 17.0", (USER,), "indexed_value_pkey"),
        (f"{EXTRA_URN}:level gt 995", (USER,), "indexed_value_pkey"),
        (f"{EXTRA_URN}:level ge 995.5", (USER,), "indexed_value_pkey"),
        (f"{EXTRA_URN}:level lt 3", (USER,), "indexed_value_pkey"),
        (f"{EXTRA_URN}:level le -0.5", (USER,), "indexed_value_pkey"),
        (f"{EXTRA_URN}:vip eq true", (USER,), "indexed_value_pkey"),
        (f'{EXTRA_URN}:vip eq false and userName eq "person17@a.example"', (USER,), "resource_user_name"),
        (f'meta.location eq "{BASE_URL}/Users/u000017"', (USER,), "resource_pkey"),
        ('userName eq "person17@a.example" or emails.value eq "18@18.example"', (USER,), "resource_user_name"),
        ('userName eq "person17@a.example" or emails.value eq "18@18.example"', (USER,), "indexed_value_pkey"),
        ('groups.value eq "g000017"', (USER,), "membership_pkey"),
        ('groups.display eq "team 17"', (USER,), "resource_display_name"),
        ('members.value eq "u000017"', (GROUP,), "membership_member"),
        (f'members.$ref eq "{BASE_URL}/Users/u000017"', (GROUP,), "membership_member"),
    ],
)
def test_a_filter_is_led_by_its_index(
    watched: Watched, filter_text: str, kinds: tuple[ResourceType, ...], index: str
) -> None:
    plans = watched.of_search(query_of(filter_text, kinds))
    assert index in indexes(plans)
    assert not read_whole(plans)


def test_a_walk_passes_over_what_was_not_modified_lately_without_reading_it(watched: Watched) -> None:
    (chosen, *_) = picking(watched.of_search(query_of(f'meta.lastModified gt "{EARLY}"', total=False)))
    scan = next(node for node in nodes(chosen) if "Index Name" in node)
    assert (scan["Node Type"], scan["Index Name"]) == ("Index Only Scan", "resource_pkey")
    assert scan["Heap Fetches"] == 0


@pytest.mark.usefixtures("watched")
def test_a_search_for_a_part_of_a_name_is_planned_for_that_part_every_time(url: str) -> None:
    async def plans_for_all() -> int:
        pool = Pool(url, connections=1, pooler=False, search_budget=5.0, timeout=15.0)
        await pool.open()
        for _ in range(EXECUTIONS):
            await search(pool.run_bounded, TENANT, query_of('displayName co "person"', limit=1))
        (row,) = await pool.run(Sql(COUNT_PLANS_FOR_ALL))
        await pool.close()
        return int(row["plans"])

    assert asyncio.run(plans_for_all()) == 0


LOOKED_UP = [
    ("id", USER, "u{:06d}", "resource_pkey"),
    ("userName", USER, "person{}@a.example", "resource_user_name"),
    ("displayName", GROUP, "team {}", "resource_display_name"),
    ("externalId", USER, "external{}", "external_id_pkey"),
    ("emails.value", USER, "{0}@{0}.example", "indexed_value_pkey"),
    ("members.value", GROUP, "u{:06d}", "membership_member"),
    (f"{EXTRA_URN}:number", USER, "{}", "unique_value_pkey"),
]


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("path", "kind", "values", "index"), LOOKED_UP, ids=[path for path, *_ in LOOKED_UP])
def test_look_ups_that_travel_together_read_what_they_find(
    watched: Watched, million: Watched, path: str, kind: ResourceType, values: str, index: str, count: int
) -> None:
    for directory in (watched, million):
        plans = directory.of_look_ups(path, kind, [values.format(number) for number in range(1, count + 1)])
        assert index in indexes(plans)
        assert not {name for name in indexes(plans) if name.endswith("trigram")}
        assert not read_whole(plans)
        assert most_rows(plans) <= 2 * count


@pytest.mark.parametrize("count", [1, 64])
@pytest.mark.parametrize(("path", "kind", "values", "index"), LOOKED_UP, ids=[path for path, *_ in LOOKED_UP])
def test_look_ups_in_an_unknown_tenant_read_what_they_find(
    unknown: Watched, path: str, kind: ResourceType, values: str, index: str, count: int
) -> None:
    plans = unknown.of_look_ups(path, kind, [values.format(number) for number in range(1, count + 1)])
    assert index in indexes(plans)
    assert not read_whole(plans)
    assert most_rows(plans) <= 2 * count


@pytest.mark.parametrize("count", [1, 8, 64])
@pytest.mark.parametrize(("path", "kind", "values", "index"), LOOKED_UP, ids=[path for path, *_ in LOOKED_UP])
def test_look_ups_that_travel_together_are_not_planned_anew_each_time(
    watched: Watched, million: Watched, path: str, kind: ResourceType, values: str, index: str, count: int
) -> None:
    assert index
    statement, *parameters = look_ups_of(path, kind, [values.format(number) for number in range(1, count + 1)])
    for directory in (watched, million):
        planned_for_all = _planned_for_all(directory.connection, f"{statement} -- {count}", parameters)
        assert directory.run(planned_for_all) == EXECUTIONS - 5


@pytest.mark.parametrize("count", [1, 8, 64])
@pytest.mark.parametrize("statement", [reads.READ, reads.ALL_GROUPS], ids=["read", "all groups"])
def test_reads_that_travel_together_are_not_planned_anew_each_time(
    watched: Watched, million: Watched, statement: str, count: int
) -> None:
    ids = [f"u{number:06d}" for number in range(1, count + 1)]
    parameters = (TENANT, ["User"] * count, ids) if statement == reads.READ else (TENANT, ids)

    for directory in (watched, million):
        planned_for_all = _planned_for_all(directory.connection, f"{statement} -- {count}", parameters)
        assert directory.run(planned_for_all) == EXECUTIONS - 5  # five are planned for their own values in any case


async def _planned_for_all(connection: database.Connection, statement: str, parameters: Iterable[Any]) -> int:
    """How often a statement is run with the plan for all parameters, of several times."""
    for _ in range(EXECUTIONS):
        await connection.fetch(statement, *parameters)
    return int(await connection.fetchval(f"{COUNT_PLANS_FOR_ALL} AND statement = $1", statement))


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sort", "value", "index"),
    [
        (None, None, "resource_pkey"),
        ("userName", "person25000@a.example", "resource_user_name"),
        ("displayName", "person 8", "resource_display_name"),
        ("title", "title 25", "resource_title"),
        ("meta.lastModified", EARLY, "resource_modified"),
    ],
)
def test_a_page_of_a_walk_reads_a_page_of_the_index_and_sorts_nothing(
    watched: Watched, sort: str | None, value: str | None, index: str, descending: bool
) -> None:
    position = Position(value, "u025000")
    plans = picking(watched.of_search(query_of(sort=sort, after=position, descending=descending, total=False)))
    assert indexes(plans) == {index}
    assert not read_whole(plans)
    assert "Sort" not in {node["Node Type"] for node in of_all(plans)}
    assert most_rows(plans) <= 102  # a page, one to know whether there is more, and one where the index is entered


def test_a_page_of_an_unknown_tenant_reads_a_page(unknown: Watched) -> None:
    plans = unknown.of_search(query_of(after=Position(None, "u025000"), total=False))
    assert not read_whole(plans)
    assert most_rows(plans) <= 202  # two groups of everybody


def test_what_no_index_leads_to_is_looked_for_among_the_tenants_own(unknown: Watched) -> None:
    """A small tenant beside a large one, which is all that the planner hears of."""
    plans = unknown.of_search(query_of('nickName eq "nobody"', limit=0), BEFORE)
    assert not read_whole(plans)
    assert most_rows(plans) <= 2_000


@pytest.mark.parametrize(
    ("filter_text", "kind"),
    [
        ('userName eq "person17@a.example"', USER),
        ('displayName eq "team 17"', GROUP),
        ('externalId eq "external17"', USER),
        ('emails.value eq "17@17.example"', USER),
        ('members.value eq "u000017"', GROUP),
    ],
)
def test_what_is_looked_for_in_an_unknown_tenant_is_found_at_once(
    unknown: Watched, filter_text: str, kind: ResourceType
) -> None:
    plans = unknown.of_search(query_of(filter_text, (kind,)))
    assert not read_whole(plans)
    assert most_rows(plans) <= 100


@pytest.mark.parametrize(
    ("statement", "parameters", "most"),
    [
        (reads.READ, (["User"], ["u000017"]), 2),
        (reads.IDS["user_name"], ("User", MANY_NAMES), 100),
        (reads.IDS["display_name"], ("User", MANY_LABELS), 100),
        (reads.IDS["external_id"], ("User", MANY_IDS, "default"), 100),
        (reads.MEMBERS, ("g000000", "u010000", 1_000), 1_001),
        (reads.SOME_MEMBERS, ("g000000", "", 1_000, ["u000017", "u019999"]), 2),
        (reads.ALL_GROUPS, (["u000017"],), 4),
    ],
    ids=["read", "names", "display names", "external ids", "members", "some members", "all groups"],
)
def test_a_read_in_an_unknown_tenant_touches_what_it_gives(
    unknown: Watched, statement: str, parameters: tuple[Any, ...], most: int
) -> None:
    plans = unknown.of_statement(statement, TENANT, *parameters)
    assert not read_whole(plans)
    assert most_rows(plans) <= most


@pytest.mark.parametrize("descending", [False, True])
def test_a_page_by_index_skips_along_the_index(watched: Watched, descending: bool) -> None:
    plans = picking(watched.of_search(query_of(offset=PEOPLE - 100, descending=descending, total=False)))
    scans = [node for node in of_all(plans) if "Index Name" in node]
    assert {(scan["Node Type"], scan["Index Name"]) for scan in scans} == {("Index Only Scan", "resource_pkey")}
    assert "Sort" not in {node["Node Type"] for node in of_all(plans)}


@pytest.mark.parametrize("kinds", [(USER,), (USER, GROUP)])
def test_an_unfiltered_total_counts_no_resource(watched: Watched, kinds: tuple[ResourceType, ...]) -> None:
    plans = watched.of_search(query_of(None, kinds, limit=10))
    assert not read_whole(plans)
    assert most_rows(plans) <= 11 * 25  # a page, with the groups of everybody in it


@pytest.mark.parametrize(
    ("statement", "parameters", "index", "most"),
    [
        (reads.READ, (TENANT, ["User"], ["u000017"]), "resource_pkey", 2),
        (reads.READ, (TENANT, ["User"] * 64, [f"u{n:06d}" for n in range(1, 65)]), "resource_pkey", 128),
        (reads.READ_WITHOUT_GROUPS, (TENANT, ["Group"], ["g000000"]), "resource_pkey", 1),
        (reads.IDS["user_name"], (TENANT, "User", MANY_NAMES), "resource_user_name", 100),
        (reads.IDS["display_name"], (TENANT, "User", MANY_LABELS), "resource_display_name", 100),
        (reads.IDS["external_id"], (TENANT, "User", MANY_IDS, "default"), "external_id_pkey", 100),
        (reads.READ_PRIVATE, (TENANT, "User", "u000017"), "resource_pkey", 1),
        (reads.MEMBERS, (TENANT, "g000000", "u010000", 1_000), "membership_pkey", 1_001),
        (reads.SOME_MEMBERS, (TENANT, "g000000", "", 1_000, ["u000017", "u049999"]), "resource_pkey", 2),
        (reads.ALL_GROUPS, (TENANT, ["u000017"]), "membership_member", 4),
        (reads.CHANGES, (TENANT, 40_000, 500), "change_pkey", 500),
    ],
    ids=[
        "one",
        "many",
        "group",
        "names",
        "display names",
        "external ids",
        "private",
        "members",
        "some members",
        "all groups",
        "changes",
    ],
)
def test_a_read_touches_what_it_gives_and_nothing_else(
    watched: Watched, statement: str, parameters: tuple[Any, ...], index: str, most: int
) -> None:
    plans = watched.of_statement(statement, *parameters)
    assert index in indexes(plans)
    assert not read_whole(plans)
    assert most_rows(plans) <= most


@pytest.mark.parametrize("key", ["user_name", "display_name"])
def test_many_names_are_not_looked_for_by_their_parts(key: KeyName, small: Watched) -> None:
    plans = small.of_statement(reads.IDS[key], TENANT, "User", [*map(SMALL_NAME.format, range(1, 101)), "nobody"])
    assert indexes(plans) == {f"resource_{key}"}
    assert most_rows(plans) <= 101


@pytest.mark.parametrize("path", ["userName", "displayName", "emails.value"])
def test_many_names_are_not_looked_up_by_their_parts(path: str, small: Watched) -> None:
    plans = small.of_look_ups(path, USER, [*map(SMALL_NAME.format, range(1, 65)), "nobody"])
    assert not {name for name in indexes(plans) if name.endswith("trigram")}
    assert most_rows(plans) <= 65


@pytest.mark.parametrize("path", ["userName", "displayName", "emails.value"])
def test_one_name_is_not_looked_for_by_its_parts(path: str, small: Watched) -> None:
    plans = small.of_search(query_of(f'{path} eq "{SMALL_NAME.format(1)}"'))
    assert not {name for name in indexes(plans) if name.endswith("trigram")}
    assert most_rows(plans) <= 3


ORIGIN = Origin("2026-03-01T00:00:00.000000Z", "test", "request")


def _create() -> Write:
    name = new_id()
    keys = Keys(name, name, "title 17", True, name, unique=((f"{EXTRA_URN}:number", name),))
    return Create("User", name, b"{}", b"{}", None, keys, ORIGIN)


def _patch() -> Write:
    name = new_id()
    keys = Keys(user_name=name, display_name=name, external_id=name, values=(("emails.value", 0, name),))
    return Update("User", "u049999", ORIGIN, None, b"{}", b"{}", keys=keys, previous=Keys(external_id="x"))


def _changes_of(group: str) -> Iterator[Write]:
    """Takes turns in adding and removing somebody, so that each is a change."""
    who = ("u045000",)
    for change in cycle((MembershipChange(added=who), MembershipChange(removed=who))):
        yield Update("Group", group, ORIGIN, None, members=change)


def _deletions() -> Iterator[Write]:
    """People who are in the large group and in a small one."""
    for number in range(1, LARGE):
        yield Delete("User", f"u{number:06d}", ORIGIN, None)


WRITES: dict[str, Callable[[], Iterator[Write]]] = {
    "create": lambda: iter(_create, None),
    "patch": lambda: iter(_patch, None),
    "large group": lambda: _changes_of("g000000"),
    "small group": lambda: _changes_of("g000017"),
    "delete": _deletions,
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_touches_what_it_changes_and_nothing_else(watched: Watched, kind: str) -> None:
    _touches_little(watched, kind)


@pytest.mark.parametrize("kind", WRITES)
def test_a_write_in_an_unknown_tenant_touches_what_it_changes(unknown: Watched, kind: str) -> None:
    _touches_little(unknown, kind)


def _touches_little(directory: Watched, kind: str) -> None:
    plans = directory.of_write(partial(next, WRITES[kind]()))
    assert len(plans) > EXECUTIONS  # what the function does inside is among them
    assert not read_whole(plans)
    assert most_rows(plans) <= 10
