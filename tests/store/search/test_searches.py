"""What searches give in cases that are easily got wrong."""

import sqlite3
from collections.abc import Iterator

import pytest

from headcount.scim import urns
from headcount.scim.registry import GROUP
from headcount.store.interface import Position
from headcount.store.sqlite.search import is_point, search
from store.search.searchable import BADGE, BASE_URL, EXTRA_URN, TENANT, TYPES, USER, Directory, ids, query_of

MANAGER = f"{urns.ENTERPRISE_USER}:manager"
LETTERS = "\U0010ffff"


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    directory = Directory()
    ada = {"value": "Ada@Work.example", "type": "work"}
    home = {"value": "ada@home.example", "type": "home", "primary": True}
    directory.add(
        USER,
        "ada",
        {
            "externalId": "A1",
            "userName": "Ada",
            "displayName": "Ada %",
            "title": "",
            "active": False,
            "emails": [ada, home],
            EXTRA_URN: {"number": "N1", "seats": 7},
        },
    )
    directory.add(
        USER,
        "bob",
        {
            "externalId": "a1",
            "userName": "bob_b",
            "displayName": "Straße",
            "title": "100%",
            urns.ENTERPRISE_USER: {"manager": {"value": "ada"}},
        },
    )
    directory.add(
        USER,
        "cyd",
        {
            "userName": "c" + LETTERS,
            "displayName": "STRASSE",
            "active": True,
            urns.ENTERPRISE_USER: {"manager": {"value": "gone"}},
        },
    )
    directory.add(GROUP, "eng", {"displayName": "Engineers"})
    directory.add(GROUP, "all", {"displayName": "Everyone"})
    directory.members = {"eng": ["ada"], "all": ["eng", "bob"]}
    directory.add(BADGE, "b1", {"code": "x", "level": 2**53 + 1, "displayName": "ada %"})
    opened = directory.connection()
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("filter_text", "found"),
    [
        ('userName eq "ADA"', ["ada"]),
        ('externalId eq "a1"', ["bob"]),
        ('displayName eq "strasse"', ["bob", "cyd"]),
        ('displayName sw "STRASS"', ["bob", "cyd"]),
        ('displayName co "%"', ["ada"]),
        ('title ew "%"', ["bob"]),
        ('userName co "_"', ["bob"]),
        (f'userName sw "c{LETTERS}"', ["cyd"]),
        ("title pr", ["bob"]),
        ('title eq ""', ["ada"]),
        ('title co ""', ["ada", "bob"]),
        ("title eq null", ["ada", "cyd"]),
        ('not (title eq "100%")', ["ada", "cyd"]),
        ('not (not (title eq "100%"))', ["bob"]),
        ("active pr", ["ada", "cyd"]),
        ("active ne true", ["ada", "bob"]),
        ('emails eq "ada@work.example"', ["ada"]),
        ('emails[type eq "work" and value ew "home.example"]', []),
        ('emails.type eq "work" and emails.value ew "home.example"', ["ada"]),
        ('emails[type eq "work"] and emails[primary eq true]', ["ada"]),
        ('emails.type ne "work"', ["bob", "cyd"]),
        ('emails[type ne "work"]', ["ada"]),
        ('meta.lastModified gt "1999-12-31T23:59:59+14:00"', ["ada", "bob", "cyd"]),
        (f'meta.location eq "{BASE_URL}/Users/bob"', ["bob"]),
        ('meta.location eq "/Users/bob"', []),
        ('meta.resourceType eq "Group"', []),
        (f'{EXTRA_URN}:number eq "n1"', ["ada"]),
        (f"{EXTRA_URN}:seats eq 7.0", ["ada"]),
        (f'schemas eq "{EXTRA_URN}"', ["ada"]),
        (f'{MANAGER}.value eq "gone"', ["cyd"]),
        (f'{MANAGER}.displayName eq "ADA %"', ["bob"]),
        (f'{MANAGER}.$ref eq "{BASE_URL}/Users/gone"', []),
        (f'{MANAGER}.$ref ew "/ada"', ["bob"]),
        ('groups.value eq "all"', ["ada", "bob"]),
        ('groups[value eq "all" and type eq "direct"]', ["bob"]),
        ('groups[value eq "all" and type eq "indirect"]', ["ada"]),
        ('groups.display sw "ENG"', ["ada"]),
        (f'groups.$ref eq "{BASE_URL}/Groups/all"', ["ada", "bob"]),
        ('not (groups.display eq "everyone")', ["cyd"]),
        ("not (groups pr)", ["cyd"]),
    ],
)
def test_a_filter_finds_these_users(connection: sqlite3.Connection, filter_text: str, found: list[str]) -> None:
    assert ids(connection, query_of(filter_text)) == found


@pytest.mark.parametrize(
    ("filter_text", "found"),
    [
        ('members.value eq "ada"', ["eng"]),
        ('members[type eq "Group"]', ["all"]),
        (f'members.$ref eq "{BASE_URL}/Users/bob"', ["all"]),
        (f'members.$ref eq "{BASE_URL}/Groups/bob"', []),
        ('members.display eq "STRASSE"', ["all"]),
        ('not (members.value eq "ada")', ["all"]),
    ],
)
def test_a_filter_finds_these_groups(connection: sqlite3.Connection, filter_text: str, found: list[str]) -> None:
    assert ids(connection, query_of(filter_text, (GROUP,))) == found


@pytest.mark.parametrize(
    ("filter_text", "found"),
    [
        ('displayName eq "ada %"', ["ada", "b1"]),
        ("userName pr", ["ada", "bob", "cyd"]),
        ("not (userName pr)", ["all", "b1", "eng"]),
        ("level gt 9007199254740992", ["b1"]),
        ("level lt 99999999999999999999", ["b1"]),
        ('meta.resourceType eq "Group" or code eq "x"', ["all", "b1", "eng"]),
    ],
)
def test_a_filter_over_all_types_finds_these(
    connection: sqlite3.Connection, filter_text: str, found: list[str]
) -> None:
    assert ids(connection, query_of(filter_text, TYPES)) == found


@pytest.mark.parametrize(
    "hostile", ["' OR 1=1 --", '\\" OR 1=1 --', "?", "?1", ":a", "%", "'; DROP TABLE resource; --"]
)
@pytest.mark.parametrize("path", ["userName", "displayName", "nickName", "emails.value", "externalId", "meta.version"])
@pytest.mark.parametrize("operator", ["eq", "co", "sw", "ew", "gt"])
def test_no_value_is_taken_for_sql(connection: sqlite3.Connection, path: str, operator: str, hostile: str) -> None:
    found = ids(connection, query_of(f'{path} {operator} "{hostile}"'))
    assert found == [] or operator == "gt" or hostile == "%"
    assert ids(connection, query_of()) == ["ada", "bob", "cyd"]


def test_a_limit_of_zero_gives_the_total_alone(connection: sqlite3.Connection) -> None:
    page = search(connection, TENANT, query_of("title pr or active eq true", limit=0))
    assert (page.resources, page.total, page.last) == ((), 2, None)


def test_an_offset_behind_the_end_gives_the_true_total(connection: sqlite3.Connection) -> None:
    page = search(connection, TENANT, query_of(kinds=TYPES, offset=50))
    assert (page.resources, page.total) == ((), 6)


def test_the_position_of_a_page_is_that_of_its_last_resource(connection: sqlite3.Connection) -> None:
    page = search(connection, TENANT, query_of(sort="displayName", limit=2))
    assert page.last == Position("strasse", "bob")


def test_a_search_leaves_no_transaction_open(connection: sqlite3.Connection) -> None:
    search(connection, TENANT, query_of())
    assert not connection.in_transaction


@pytest.mark.parametrize(
    "filter_text",
    [
        'id eq "ada"',
        'userName eq "x"',
        'displayName eq "x"',
        'externalId eq "x"',
        'emails.value eq "x"',
        'emails eq "x"',
        'emails[type eq "work" and value eq "x"]',
        'userName eq "x" and title co "y"',
        'userName eq "x" or emails eq "y"',
        f'{EXTRA_URN}:number eq "x"',
        f"{EXTRA_URN}:seats eq 7",
        f'meta.location eq "{BASE_URL}/Users/ada"',
        None,
    ],
)
def test_a_search_by_an_indexed_value_is_a_point_search(filter_text: str | None) -> None:
    assert is_point(query_of(filter_text))


@pytest.mark.parametrize(
    "filter_text",
    [
        'userName ne "x"',
        'userName sw "x"',
        "active eq true",
        'userName eq "x" or title eq "y"',
        'emails.value co "x"',
        'not (not (userName eq "x"))',
        'groups.value eq "eng"',
        'nickName eq "x"',
        'emails[not (value eq "x")]',
        f"{EXTRA_URN}:level eq 7",
        'title eq "x"',
    ],
)
def test_a_search_that_may_find_many_is_none(filter_text: str) -> None:
    assert not is_point(query_of(filter_text))


def test_deep_pages_and_unindexed_orders_are_no_point_searches() -> None:
    assert is_point(query_of(offset=100, sort="meta.lastModified"))
    assert not is_point(query_of(offset=100_000))
    assert not is_point(query_of(sort="nickName"))
    assert not is_point(query_of(sort="meta.created"))
    assert is_point(query_of('userName eq "x"', (USER, GROUP)))
    assert not is_point(query_of('id eq "x" or level gt 1', (USER, BADGE), offset=5_000, sort="code"))
