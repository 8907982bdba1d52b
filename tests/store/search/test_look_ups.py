"""Look-ups in one statement find what searches find."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headcount.scim.registry import GROUP, ResourceType, SchemaExtension
from headcount.scim.schemas import Attribute, Schema
from headcount.store.interface import DEFAULT_CONNECTION, Page, Position, Query
from headcount.store.search.look_ups import LookUps
from headcount.store.sqlite.search import look_up, look_ups, search
from headcount.store.sqlite.store import SqliteStore
from store.search.searchable import BADGE, BASE_URL, EXTRA_URN, TENANT, TYPES, USER, Directory, expected, query_of
from store.search.strategies import directories

POINTS = {
    "User": (
        "id",
        "userName",
        "displayName",
        "externalId",
        "emails.value",
        "emails",
        "meta.location",
        f"{EXTRA_URN}:number",
        f"{EXTRA_URN}:card.code",
    ),
    "Group": ("id", "displayName", "externalId", "meta.location", "members.value", "members.$ref"),
    "Badge": ("id", "code", "externalId", "meta.location"),
}
"""What an index leads to few resources by."""
OTHERS = {
    "User": ("nickName", "name.familyName", "groups.value", "groups", f"{EXTRA_URN}:nick$name", "meta.version"),
    "Group": ("members.display", "meta.resourceType"),
    "Badge": ("userName", "displayName", "places.exact"),
}


def found_at_once(connection: sqlite3.Connection, known: LookUps, query: Query) -> Page | None:
    """The page of a look-up; None when the search is none."""
    matching = known.condition(query)
    return None if matching is None else look_up(connection, TENANT, query, matching)


def known_of(connection: sqlite3.Connection) -> LookUps:
    counted = "SELECT value FROM counter WHERE tenant = ? AND name = 'nested'"
    return look_ups(TENANT, lambda: (connection.execute(counted, (TENANT,)).fetchone() or (0,))[0] > 0)


def values_in(directory: Directory, kind: ResourceType, path: str) -> list[str]:
    """The strings that the resources have there, and some that nobody has."""
    names = [part for part in path.removeprefix(EXTRA_URN).lstrip(":").split(".") if part]
    found = ["", "nobody", f"{BASE_URL}/Users/nobody", f"{BASE_URL}{kind.endpoint}/u0"]
    for resource_id in directory.resources:
        values = [directory.whole(resource_id)]
        values = [value.get(EXTRA_URN, {}) for value in values] if path.startswith(EXTRA_URN) else values
        for name in names if path != "emails" else ["emails", "value"]:
            held = [value[name] for value in values if isinstance(value, dict) and name in value]
            values = [item for value in held for item in (value if isinstance(value, list) else [value])]
        found += [value for value in values if isinstance(value, str)]
    return found


@st.composite
def searches(draw: st.DrawFn) -> tuple[Directory, list[Query]]:
    directory = draw(directories())
    queries = []
    for _ in range(draw(st.integers(6, 16))):
        kind = draw(st.sampled_from(TYPES))
        path = draw(st.sampled_from(POINTS[kind.name] * 3 + OTHERS[kind.name]))
        value = draw(st.sampled_from(values_in(directory, kind, path)))
        text = f"{path} eq {json.dumps(value)}"
        more = draw(st.sampled_from(["", "", "", " and meta.created pr", ' and not (id eq "u0")', ' or id eq "u1"']))
        queries.append(
            query_of(
                text + more,
                (kind,),
                limit=draw(st.sampled_from([100, 100, 1, 2])),
                descending=draw(st.booleans()),
                total=draw(st.booleans()),
                groups=draw(st.booleans()),
                connection=draw(st.sampled_from([None, None, "default", "another"])),
            )
        )
    return directory, queries


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(searches())
def test_a_look_up_gives_the_page_that_a_search_gives(case: tuple[Directory, list[Query]]) -> None:
    directory, queries = case
    connection = directory.connection()
    known = known_of(connection)
    for query in (*queries, *reversed(queries)):
        page = found_at_once(connection, known, query)
        if page is not None:
            assert page == search(connection, TENANT, query)
            if query.connection is None:
                assert [row.id for row in page.resources] == expected(directory, query)
    connection.close()


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    directory = Directory()
    for number, name in enumerate(("ada", "bob", "cyd")):
        email = {"value": f"{name}@example.com"}
        extra = {"number": f"n{number}", "card": {"code": f"C{number}"}}
        attributes = {"externalId": f"x{number}", "userName": name, "displayName": "Somebody", "emails": [email]}
        directory.add(USER, name, {**attributes, EXTRA_URN: extra})
    directory.add(GROUP, "eng", {"displayName": "Engineers"})
    directory.add(BADGE, "b1", {"code": "B1", "displayName": "Somebody"})
    directory.members = {"eng": ["ada"]}
    opened = directory.connection()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('id eq "bob"', ["bob"]),
        ('userName eq "ADA"', ["ada"]),
        ('displayName eq "somebody"', ["ada", "bob", "cyd"]),
        ('externalId eq "x1"', ["bob"]),
        ('externalId eq "X1"', []),
        ('emails.value eq "Cyd@example.com"', ["cyd"]),
        (f'{EXTRA_URN}:number eq "N2"', ["cyd"]),
        (f'{EXTRA_URN}:card.code eq "C0"', ["ada"]),
        (f'{EXTRA_URN}:card.code eq "c0"', []),
        (f'meta.location eq "{BASE_URL}/Users/ada"', ["ada"]),
        ('userName eq "ada" and title pr', []),
        ('userName eq "ada" or userName eq "bob"', ["ada", "bob"]),
        ('userName eq "ada" and groups.value eq "eng"', ["ada"]),
    ],
)
def test_what_an_index_leads_to_is_looked_up(connection: sqlite3.Connection, text: str, found: list[str]) -> None:
    known = known_of(connection)
    for _ in range(2):
        page = found_at_once(connection, known, query_of(text))
        assert page is not None
        assert [row.id for row in page.resources] == found
        assert (page.total, page.last) == (len(found), None)


@pytest.mark.parametrize(
    "query",
    [
        query_of(None),
        query_of('nickName eq "ada"'),
        query_of('groups.value eq "eng"'),
        query_of("active eq true"),
        query_of('userName sw "a"'),
        query_of('not (userName eq "ada")'),
        query_of('userName eq "ada" or title eq "x"'),
        query_of('displayName eq "Somebody"', TYPES),
        query_of('displayName eq "Somebody"', (BADGE,)),
        query_of('displayName eq "Somebody"', sort="userName"),
        query_of('displayName eq "Somebody"', offset=1),
        query_of('displayName eq "Somebody"', limit=0),
        query_of('displayName eq "Somebody"', after=Position(None, "ada")),
        query_of('displayName eq "Somebody"', limit=2),
    ],
)
def test_every_other_search_is_left_to_the_search(connection: sqlite3.Connection, query: Query) -> None:
    assert found_at_once(connection, known_of(connection), query) is None


def test_nothing_is_remembered_of_a_type_that_was_another_one_before(connection: sqlite3.Connection) -> None:
    known = known_of(connection)
    plain = replace(USER, extensions=tuple(part for part in USER.extensions if part.schema.id != EXTRA_URN))
    number = Attribute("number", case_exact=True)  # neither unique nor folded
    changed = replace(plain, extensions=(SchemaExtension(Schema(EXTRA_URN, "Extra", "", (number,))),))
    text = f'{EXTRA_URN}:number eq "N1"'
    for kind, found in ((USER, ["bob"]), (changed, None), (USER, ["bob"]), (changed, None)):
        page = found_at_once(connection, known, query_of(text, (kind,)))
        assert (None if page is None else [row.id for row in page.resources]) == found


def test_attributes_within_one_attribute_are_kept_apart(connection: sqlite3.Connection) -> None:
    known = known_of(connection)
    for text, found in (
        ('emails.value eq "ada@example.com"', ["ada"]),
        ('emails.type eq "ada@example.com"', None),
        (f'{EXTRA_URN}:card.code eq "C1"', ["bob"]),
        (f'{EXTRA_URN}:card.aliases eq "C1"', None),
    ):
        page = found_at_once(connection, known, query_of(text))
        assert (None if page is None else [row.id for row in page.resources]) == found


def test_an_external_id_is_that_of_the_connection_asked_for(connection: sqlite3.Connection) -> None:
    known = known_of(connection)
    for owner, found in (
        (None, ["ada"]),
        (DEFAULT_CONNECTION, ["ada"]),
        ("another", []),
        (DEFAULT_CONNECTION, ["ada"]),
    ):
        page = found_at_once(connection, known, query_of('externalId eq "x0"', connection=owner))
        assert page is not None
        assert [row.id for row in page.resources] == found


def test_the_base_url_of_the_search_is_the_one_that_counts(connection: sqlite3.Connection) -> None:
    known = known_of(connection)
    text = f'meta.location eq "{BASE_URL}/Users/ada"'
    for base_url, found in ((BASE_URL, ["ada"]), ("https://elsewhere.example", []), (BASE_URL, ["ada"])):
        page = found_at_once(connection, known, query_of(text, base_url=base_url))
        assert page is not None
        assert [row.id for row in page.resources] == found


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    ("kind", "path"), [(kind, path) for kind in TYPES for path in POINTS[kind.name] if path != "meta.location"]
)
def test_a_look_up_reads_along_indexes_and_sorts_nothing(
    connection: sqlite3.Connection, kind: ResourceType, path: str, *, descending: bool
) -> None:
    statements: list[str] = []
    query = query_of(f'{path} eq "x"', (kind,), descending=descending)
    connection.set_trace_callback(statements.append)
    assert found_at_once(connection, known_of(connection), query) is not None
    connection.set_trace_callback(None)
    (statement,) = statements
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    assert not [step for step in steps if step.startswith("SCAN") or "TEMP B-TREE" in step], steps


def test_a_store_answers_with_one_statement(tmp_path: Path) -> None:
    async def statements_of(query: Query) -> list[str]:
        store = SqliteStore(tmp_path / "headcount.db")
        await store.open()
        try:
            statements: list[str] = []
            store.reading.set_trace_callback(statements.append)
            page = await store.for_tenant(TENANT).search(query)
            assert (page.resources, page.total) == ((), 0)
        finally:
            await store.close()
        return statements

    (statement,) = asyncio.run(statements_of(query_of('userName eq "ada"')))
    assert "r.user_name = 'ada'" in statement
