"""Searches that must stay fast in large directories use an index, and sort nothing that it has sorted."""

import sqlite3
from collections.abc import Iterator

import pytest

from headcount.scim import urns
from headcount.scim.registry import GROUP
from headcount.store.interface import Position, Query
from headcount.store.sqlite import reads
from headcount.store.sqlite.search import search
from store.search.searchable import BADGE, BASE_URL, EXTRA_URN, TENANT, USER, Directory, query_of

DATE = "2026-01-05T08:30:00.000000Z"


PEOPLE = 50_000
FILL = f"""
WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {PEOPLE})
INSERT INTO resource (tenant, type, id, version, created, modified, label, folded_label, user_name, display_name,
    title, active, document, compare)
SELECT '{TENANT}', 'User', printf('u%06d', n), 1, at, at, 'Person ' || n, 'person ' || n, 'person' || n, 'person ' || n,
    'title ' || n % 500, n % 10 > 0, '{{}}', json_object('userName', 'person' || n, 'nickName', 'n' || n)
FROM (SELECT n, strftime('%Y-%m-%dT%H:%M:%S', '2026-01-01', n || ' seconds') || '.000000Z' AS at FROM number);
INSERT INTO external_id SELECT tenant, 'default', type, 'external' || id, id FROM resource WHERE length(id) = 7;
INSERT INTO unique_value SELECT tenant, '{EXTRA_URN}:number', id, id FROM resource WHERE length(id) = 7;
INSERT INTO indexed_value SELECT tenant, type, 'emails.value', id || '@example.com', id, 0 FROM resource
WHERE length(id) = 7;
INSERT INTO membership SELECT tenant, 'g0', id, type FROM resource WHERE length(id) = 7 AND id < 'u020000';
INSERT INTO membership SELECT tenant, 'g' || substr(id, 2, 4), id, type FROM resource WHERE length(id) = 7;
UPDATE counter SET value = value + {PEOPLE} WHERE tenant = '{TENANT}' AND name = 'User';
ANALYZE;
"""  # noqa: S608  constants


@pytest.fixture(scope="module", params=["new", "large"])
def connection(request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    """A new database, without statistics, where rules decide and not sizes; and one of 50,000 people that has them."""
    directory = Directory()
    directory.add(USER, "u0", {"userName": "ada"})
    directory.add(GROUP, "g0", {"displayName": "Engineers"})
    directory.members["g0"] = ["u0"]
    opened = directory.connection()
    if request.param == "large":
        opened.executescript(FILL)
    yield opened
    opened.close()


def plan(connection: sqlite3.Connection, query: Query) -> str:
    """The plan of the statement that picks the page, and of those that follow it."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    search(connection, TENANT, query)
    connection.set_trace_callback(None)
    picking = [statement for statement in statements if " AS s FROM resource AS r" in statement]
    assert all(f"r.tenant = '{TENANT}' AND r.type = " in statement for statement in picking)
    return "\n".join(row[3] for statement in picking for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}"))


BY_ID = "INDEX resource_id (tenant=? AND type=? AND id=?)"


@pytest.mark.parametrize(
    ("filter_text", "uses"),
    [
        ('id eq "u0"', BY_ID),
        ('userName eq "ada"', "INDEX resource_user_name (tenant=? AND type=? AND user_name=?)"),
        ('userName sw "ad"', "INDEX resource_user_name (tenant=? AND type=? AND user_name>? AND user_name<?)"),
        ('userName eq "ada" and active eq true', "INDEX resource_user_name (tenant=? AND type=? AND user_name=?)"),
        ('active eq true and title eq "x"', "INDEX resource_title (tenant=? AND type=? AND title=?)"),
        ("active eq true", "COVERING INDEX resource_active (tenant=? AND type=? AND active=?)"),
        ('displayName eq "x"', "INDEX resource_display_name (tenant=? AND type=? AND display_name=?)"),
        (f'meta.lastModified gt "{DATE}"', "INDEX resource_modified (tenant=? AND type=? AND modified>?)"),
        ('displayName co "x"', "COVERING INDEX resource_display_name (tenant=? AND type=?)"),
        ('externalId eq "x"', BY_ID),
        ('externalId eq "x"', "external_id USING PRIMARY KEY (tenant=? AND type=? AND value=?)"),
        ('emails.value eq "x"', BY_ID),
        ('emails.value eq "x"', "indexed_value USING PRIMARY KEY (tenant=? AND type=? AND path=? AND value=?)"),
        (
            'emails.value sw "x"',
            "SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND path=? AND value>? AND value<?)",
        ),
        ('emails.value co "x"', "SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND path=?)"),
        ('emails[type eq "work" and value eq "x"]', BY_ID),
        ('userName eq "x" or emails.value eq "y"', BY_ID),
        ('title pr and (userName eq "x" or externalId eq "y")', BY_ID),
        (f'{EXTRA_URN}:number eq "x"', "unique_value USING PRIMARY KEY (tenant=? AND attribute=? AND value=?)"),
        (f"{EXTRA_URN}:seats eq 7", "unique_value USING PRIMARY KEY (tenant=? AND attribute=? AND value=?)"),
        (f"{EXTRA_URN}:vip eq true", "SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND path=? AND value=?)"),
        (
            f'{EXTRA_URN}:card.until gt "2026-01-05T08:30:00Z"',
            "SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND path=? AND value>?)",
        ),
        (f'meta.location eq "{BASE_URL}/Users/u0"', BY_ID),
        ('groups.value eq "g0"', "SEARCH m USING PRIMARY KEY (tenant=? AND group_id=?)"),
        (f'groups.$ref eq "{BASE_URL}/Groups/g0"', "SEARCH m USING PRIMARY KEY (tenant=? AND group_id=?)"),
        ('groups.display eq "engineers"', "SEARCH m USING PRIMARY KEY (tenant=? AND group_id=?)"),
    ],
)
def test_a_filter_over_users_uses_the_index(connection: sqlite3.Connection, filter_text: str, uses: str) -> None:
    assert uses in plan(connection, query_of(filter_text))


@pytest.mark.parametrize("path", ["level", "price", "issued", "scores", "places.size"])
@pytest.mark.parametrize(
    ("operator", "bound"),
    [("eq", "value=?"), ("gt", "value>?"), ("ge", "value>?"), ("lt", "value<?"), ("le", "value<?")],
)
def test_numbers_and_instants_that_are_declared_are_found_by_their_order(
    connection: sqlite3.Connection, path: str, operator: str, bound: str
) -> None:
    literal = f'"{DATE}"' if path == "issued" else "7.5"
    text = plan(connection, query_of(f"{path} {operator} {literal}", (BADGE,)))
    assert f"SEARCH v USING PRIMARY KEY (tenant=? AND type=? AND path=? AND {bound})" in text
    assert BY_ID in text


@pytest.mark.parametrize("few", ['userName eq "ada"', 'emails.value eq "x"', f"{EXTRA_URN}:seats eq 7"])
@pytest.mark.parametrize("many", [f"{EXTRA_URN}:vip eq false", 'name.familyName sw "o"', "emails.primary eq true"])
def test_what_many_have_is_not_collected_beside_what_few_have(
    connection: sqlite3.Connection, few: str, many: str
) -> None:
    text = plan(connection, query_of(f"{many} and {few}"))
    assert "SEARCH v " not in text


@pytest.mark.parametrize("filter_text", ['members.value eq "u0"', f'members.$ref eq "{BASE_URL}/Users/u0"'])
def test_the_groups_of_a_member_are_found_by_the_member(connection: sqlite3.Connection, filter_text: str) -> None:
    text = plan(connection, query_of(filter_text, (GROUP,)))
    assert BY_ID in text
    assert "INDEX membership_member (tenant=? AND member_id=?)" in text


def test_one_type_that_has_the_attribute_is_searched_by_its_index_among_several(
    connection: sqlite3.Connection,
) -> None:
    text = plan(connection, query_of('userName eq "ada"', (USER, GROUP)))
    assert "INDEX resource_user_name (tenant=? AND type=? AND user_name=?)" in text


@pytest.mark.parametrize("kinds", [(USER,), (GROUP,), (USER, GROUP)])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("sort", "column"),
    [
        (None, "id"),
        ("displayName", "display_name"),
        ("meta.lastModified", "modified"),
    ],
)
def test_an_order_walks_the_index(
    connection: sqlite3.Connection, kinds: tuple, sort: str | None, column: str, descending: bool
) -> None:
    text = plan(connection, query_of(None, kinds, sort, descending=descending))
    assert text.count(f"INDEX resource_{column} (tenant=? AND type=?)") == len(kinds)
    assert "TEMP B-TREE" not in text


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(("sort", "column"), [("userName", "user_name"), ("title", "title"), ("active", "active")])
def test_an_order_that_users_alone_have_walks_the_index(
    connection: sqlite3.Connection, sort: str, column: str, descending: bool
) -> None:
    text = plan(connection, query_of(sort=sort, descending=descending))
    assert f"INDEX resource_{column} (tenant=? AND type=?)" in text
    assert "TEMP B-TREE" not in text


@pytest.mark.parametrize(
    ("sort", "value", "descending", "seeks"),
    [
        (None, None, False, "resource_id (tenant=? AND type=? AND id>?)"),
        (None, None, True, "resource_id (tenant=? AND type=? AND id<?)"),
        ("userName", "a", False, "resource_user_name (tenant=? AND type=? AND user_name>?)"),
        ("title", "a", False, "resource_title (tenant=? AND type=? AND (title,id)>(?,?))"),
        ("title", "a", True, "resource_title (tenant=? AND type=? AND (title,id)<(?,?))"),
        ("title", None, False, "resource_title (tenant=? AND type=? AND title=? AND id>?)"),
        ("meta.lastModified", DATE, True, "resource_modified (tenant=? AND type=? AND (modified,id)<(?,?))"),
    ],
)
def test_a_walk_goes_on_where_it_stood(
    connection: sqlite3.Connection, sort: str | None, value: str | None, descending: bool, seeks: str
) -> None:
    position = Position(value, "u")
    text = plan(connection, query_of(sort=sort, after=position, descending=descending, total=False))
    assert seeks in text
    assert "TEMP B-TREE" not in text


def test_some_members_are_looked_up_one_by_one_however_many_the_group_has(connection: sqlite3.Connection) -> None:
    values = (TENANT, "g0", "", '["u000001"]', 100)
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {reads.SOME_MEMBERS}", values)]
    assert any(step.startswith("SEARCH m ") and "member_id=?" in step for step in plan)


def test_an_unfiltered_total_comes_from_the_counter(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    page = search(connection, TENANT, query_of(None, (USER, GROUP), limit=1))
    connection.set_trace_callback(None)
    assert page.total in (2, 2 + PEOPLE)
    assert not any("count(*)" in statement for statement in statements)


def test_the_manager_is_a_column(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    search(connection, TENANT, query_of(f'{urns.ENTERPRISE_USER}:manager.value eq "u0"'))
    connection.set_trace_callback(None)
    assert any("r.manager = 'u0'" in statement for statement in statements)
