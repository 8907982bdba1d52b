"""Filters of every operator over attributes of every kind; the meaning is RFC 7644 §3.4.2.2."""

from typing import Final

import pytest

from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.urns import GROUP as GROUP_URN
from headcount.store.interface import TenantStore, Write
from headcount.testing.store_contract.examples import (
    BADGE,
    BASE_URL,
    EARLY,
    EXTRA_URN,
    LATE,
    LATEST,
    USER,
    create,
    replacement,
)
from headcount.testing.store_contract.harness import Harness, House, Snapshot, query_of

LAST: Final = "\U0010ffff"
"""The last character there is: no string is greater than all that begin with it by one more."""
MANAGER: Final = f"{ENTERPRISE_USER}:manager"

_CYD = {
    "userName": f"c{LAST}",
    "displayName": "STRASSE",
    "active": True,
    ENTERPRISE_USER: {"manager": {"value": "gone"}, "department": "r&d"},
    EXTRA_URN: {"vip": False, "tags": ["green"], "card": {"code": "x", "until": "2026-06-01T09:30:00+01:00"}},
}
DIRECTORY: Final[tuple[Write, ...]] = (
    create(
        USER,
        "ada",
        {
            "externalId": "A1",
            "userName": "Ada",
            "displayName": "Ada %",
            "title": "",
            "active": False,
            "nickName": "a_b\\c",
            "name": {"familyName": "O'Neil", "givenName": "Ada"},
            "emails": [
                {"value": "Ada@Work.example", "type": "work"},
                {"value": "ada@home.example", "type": "home", "primary": True},
            ],
            EXTRA_URN: {
                "number": "N1",
                "seats": 7,
                "vip": True,
                "tags": ["red", "Blue", ""],
                "card": {"code": "X", "until": "2026-06-01T08:30:00Z"},
            },
        },
    ),
    create(
        USER,
        "bob",
        {
            "externalId": "a1",
            "userName": "bob_b",
            "displayName": "Straße",
            "title": "100%",
            "nickName": "axb",
            "emails": [{"value": "bob@work.example"}],
            ENTERPRISE_USER: {"manager": {"value": "ada"}, "department": "R&D"},
        },
        at=LATE,
    ),
    create(USER, "cyd", _CYD, at=LATE),
    replacement(USER, create(USER, "cyd", _CYD), _CYD, at=LATEST),
    create(GROUP, "eng", {"displayName": "Engineers"}, members=("ada",)),
    create(GROUP, "all", {"displayName": "Everyone"}, members=("eng", "bob")),
    create(GROUP, "none", {"displayName": "Nobody"}),
    create(
        BADGE,
        "b1",
        {
            "displayName": "ada %",
            "code": "x",
            "level": 2**53 + 1,
            "weight": 0.5,
            "issued": "2026-06-01T08:30:00.5Z",
            "valid": True,
            "home": "https://a/B",
            "seal": "QQ==",
            "scores": [3, 30],
            "days": ["2026-01-05T00:00:00-08:30"],
            "places": [
                {"value": "Rome", "exact": "Rome", "size": 2, "since": "2025-12-31T24:00:00Z"},
                {"value": "Oslo", "exact": "oslo", "size": 1.5, "primary": True},
            ],
        },
    ),
    create(BADGE, "b2", {"code": "X", "level": -1, "weight": 3, "valid": False, "scores": [20], "home": "https://a/b"}),
    create(BADGE, "b3", {"issued": "2026-06-01T10:30:00+02:00", "seal": "qq==", "places": [{"exact": "Oslo"}]}),
)

USERS: Final = ("ada", "bob", "cyd")
CASES: Final[dict[ResourceType, dict[str, str]]] = {
    USER: {
        # equality: folded, except where case counts
        'id eq "ada"': "ada",
        'id eq "ADA"': "",
        'userName eq "ADA"': "ada",
        'userName ne "ADA"': "bob cyd",
        'externalId eq "a1"': "bob",
        'displayName eq "strasse"': "bob cyd",
        'name.familyName eq "o\'neil"': "ada",
        'nickName eq "A_B\\\\C"': "ada",
        'title eq ""': "ada",
        f'{EXTRA_URN}:number eq "n1"': "ada",
        f"{EXTRA_URN}:seats eq 7": "ada",
        f"{EXTRA_URN}:seats eq 7.0": "ada",
        f"{EXTRA_URN}:seats eq 8": "",
        f'{EXTRA_URN}:card.code eq "x"': "cyd",
        f'{ENTERPRISE_USER}:department eq "R&d"': "bob cyd",
        # text: no wildcards
        'displayName co "%"': "ada",
        'displayName co "strass"': "bob cyd",
        'displayName sw "STRASS"': "bob cyd",
        'displayName ew "asse"': "bob cyd",
        'nickName co "_"': "ada",
        'nickName co "\\\\"': "ada",
        'nickName sw "a_"': "ada",
        'userName co "_"': "bob",
        f'userName sw "C{LAST}"': "cyd",
        f'userName sw "{LAST}"': "",
        'title ew "%"': "bob",
        'title co ""': "ada bob",
        'title sw ""': "ada bob",
        'title ew ""': "ada bob",
        'name.familyName co "\'"': "ada",
        # order: by code point of the folded string
        'userName gt "ada"': "bob cyd",
        'userName ge "ada"': "ada bob cyd",
        'userName lt "BOB_B"': "ada",
        'userName le "BOB_B"': "ada bob",
        'title gt ""': "bob",
        'nickName lt "ax"': "ada",
        # presence, absence and null
        "title pr": "bob",
        "not (title pr)": "ada cyd",
        "title eq null": "ada cyd",
        "title ne null": "bob",
        "active pr": "ada cyd",
        "name pr": "ada",
        "emails pr": "ada bob",
        "emails.primary pr": "ada",
        "meta pr": "ada bob cyd",
        f"{MANAGER} pr": "bob cyd",
        f"{EXTRA_URN}:tags pr": "ada cyd",
        f"{EXTRA_URN}:card pr": "ada cyd",
        # a missing value is unequal to everything
        'title ne "100%"': "ada cyd",
        'not (title eq "100%")': "ada cyd",
        'not (not (title eq "100%"))': "bob",
        'not (title gt "")': "ada cyd",
        # booleans
        "active eq true": "cyd",
        "active eq false": "ada",
        "active ne true": "ada bob",
        f"{EXTRA_URN}:vip eq true": "ada",
        f"{EXTRA_URN}:vip ne true": "bob cyd",
        # instants, whatever their zone
        f'{EXTRA_URN}:card.until eq "2026-06-01T08:30:00Z"': "ada cyd",
        f'{EXTRA_URN}:card.until gt "2026-06-01T10:29:59+02:00"': "ada cyd",
        f'{EXTRA_URN}:card.until lt "2026-06-01T08:30:00Z"': "",
        f'meta.created eq "{EARLY}"': "ada",
        f'meta.created gt "{EARLY}"': "bob cyd",
        f'meta.lastModified ge "{LATE}"': "bob cyd",
        f'meta.lastModified gt "{LATE}"': "cyd",
        'meta.lastModified lt "2026-02-05T09:30:00.000001+01:00"': "ada bob",
        # meta and schemas
        'meta.version eq "W/\\"2\\""': "cyd",
        'meta.resourceType eq "User"': "ada bob cyd",
        'meta.resourceType eq "Group"': "",
        f'meta.location eq "{BASE_URL}/Users/bob"': "bob",
        'meta.location eq "/Users/bob"': "",
        'meta.location ew "/bob"': "bob",
        f'schemas eq "{EXTRA_URN}"': "ada cyd",
        f'schemas ne "{EXTRA_URN}"': "bob",
        'schemas co "enterprise"': "bob cyd",
        # multi-valued: one value is enough, and one element in brackets
        'emails eq "ada@work.example"': "ada",
        'emails.value ew "WORK.EXAMPLE"': "ada bob",
        'emails.type eq "work" and emails.value ew "home.example"': "ada",
        'emails[type eq "work" and value ew "home.example"]': "",
        'emails[type eq "work" and value ew "work.example"]': "ada",
        'emails[type eq "work"] and emails[primary eq true]': "ada",
        'emails[value eq "BOB@work.example"]': "bob",
        'emails[not (type eq "work")]': "ada bob",
        'not (emails[type eq "work"])': "bob cyd",
        'emails.type ne "work"': "bob cyd",
        'emails[type ne "work"]': "ada bob",
        'emails[type eq "home" or value sw "bob"]': "ada bob",
        'emails[primary eq true and type eq "home"]': "ada",
        f'{EXTRA_URN}:tags eq "BLUE"': "ada",
        f'{EXTRA_URN}:tags[value eq "red" or value eq "green"]': "ada cyd",
        f'{EXTRA_URN}:tags[value sw "r" and value ew "e"]': "",
        f'{EXTRA_URN}:tags gt "green"': "ada",
        # references and what is derived
        f'{MANAGER}.value eq "gone"': "cyd",
        f'{MANAGER}.displayName eq "ADA %"': "bob",
        f'{MANAGER}.displayName co "%"': "bob",
        f"{MANAGER}.displayName pr": "bob",
        f'{MANAGER}.$ref eq "{BASE_URL}/Users/ada"': "bob",
        f'{MANAGER}.$ref eq "{BASE_URL}/Users/gone"': "",
        f'{MANAGER}.$ref ew "/ada"': "bob",
        'groups eq "eng"': "ada",
        'groups.value eq "all"': "ada bob",
        'groups[value eq "all" and type eq "direct"]': "bob",
        'groups[value eq "all" and type eq "indirect"]': "ada",
        'groups.type eq "DIRECT"': "ada bob",
        'groups.display sw "ENG"': "ada",
        f'groups.$ref eq "{BASE_URL}/Groups/all"': "ada bob",
        'groups.$ref ew "/eng"': "ada",
        'not (groups.display eq "everyone")': "cyd",
        "groups pr": "ada bob",
        "not (groups pr)": "cyd",
        # precedence: not, and, or
        'userName eq "ada" or title pr and active eq true': "ada",
        '(userName eq "ada" or title pr) and active eq false': "ada",
        'not (userName eq "ada") and not (title pr)': "cyd",
    },
    GROUP: {
        'displayName eq "ENGINEERS"': "eng",
        'members eq "ada"': "eng",
        'members.value eq "ada"': "eng",
        'members[type eq "Group"]': "all",
        'members[type eq "user" and value eq "bob"]': "all",
        'members[type eq "group" and value eq "bob"]': "",
        f'members.$ref eq "{BASE_URL}/Users/bob"': "all",
        f'members.$ref eq "{BASE_URL}/Groups/bob"': "",
        f'members.$ref eq "{BASE_URL}/Groups/eng"': "all",
        'members.display eq "STRASSE"': "all",
        'members.display sw "engin"': "all",
        'not (members.value eq "ada")': "all none",
        "members pr": "all eng",
        "not (members pr)": "none",
        'members.value eq "outsider"': "",
        f'schemas eq "{GROUP_URN}"': "all eng none",
    },
    BADGE: {
        'code eq "x"': "b1",
        'code eq "X"': "b2",
        'code gt "X"': "b1",
        'displayName sw "ADA"': "b1",
        f"level eq {2**53 + 1}": "b1",
        f"level gt {2**53}": "b1",
        "level lt 0": "b2",
        f"level lt 1{'0' * 30}": "b1 b2",
        "level ne -1": "b1 b3",
        "weight eq 0.5": "b1",
        "weight ge 3": "b2",
        "weight lt 3.0": "b1",
        'issued eq "2026-06-01T08:30:00Z"': "b3",
        'issued gt "2026-06-01T08:30:00Z"': "b1",
        'issued eq "2026-06-01T08:30:00.500Z"': "b1",
        "valid eq true": "b1",
        "valid ne true": "b2 b3",
        'home eq "https://a/B"': "b1",
        'home sw "https://a/"': "b1 b2",
        'home co "A/"': "",
        'seal eq "QQ=="': "b1",
        'seal ne "QQ=="': "b2 b3",
        "scores eq 30": "b1",
        "scores gt 25": "b1",
        "scores lt 25": "b1 b2",
        "scores[value gt 5 and value lt 25]": "b2",
        "scores gt 5 and scores lt 25": "b1 b2",
        'days eq "2026-01-05T08:30:00Z"': "b1",
        'days[value ge "2026-01-05T08:30:01Z"]': "",
        'places eq "rome"': "b1",
        'places.exact eq "oslo"': "b1",
        'places.exact eq "Oslo"': "b3",
        'places[exact eq "oslo" and size gt 1]': "b1",
        'places[value eq "rome" and size lt 2]': "",
        'places.since eq "2026-01-01T00:00:00Z"': "b1",
        "places[primary eq true and size eq 1.5]": "b1",
        "places[not (size pr)]": "b3",
        'meta.resourceType eq "badge"': "",
    },
}
"""Type → filter → the ids of those that match, in order."""

OVER_ALL: Final = {
    'displayName eq "ada %"': "ada b1",
    "userName pr": "ada bob cyd",
    "not (userName pr)": "all b1 b2 b3 eng none",
    "userName eq null": "all b1 b2 b3 eng none",
    'userName ne "ada"': "all b1 b2 b3 bob cyd eng none",
    "level gt 0": "b1",
    'meta.resourceType eq "Group" or code eq "x"': "all b1 eng none",
    'members[value eq "bob"] or groups[value eq "eng"]': "ada all",
    f'schemas eq "{EXTRA_URN}"': "ada cyd",
    f'{EXTRA_URN}:tags eq "green"': "cyd",
}
"""The same over users, groups and badges: an attribute that a type lacks has no value (RFC 7644 §3.4.2.1)."""

HOSTILE: Final = ("' OR 1=1 --", '\\" OR 1=1 --', "?", "$1", ":a", "%", "'; DROP TABLE resource; --", "{}")
HOSTILE_PATHS: Final = ("userName", "displayName", "nickName", "emails.value", "externalId", "groups.display")


class Filtering(Harness):
    """One directory, many filters."""

    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, open_house: tuple[House, Snapshot]) -> TenantStore:
        """The tenant that is searched."""
        house, _ = open_house
        tenant = house.new_tenant()
        for write in DIRECTORY:
            house.runner.run(tenant.write(write))
        return tenant

    @pytest.fixture
    def _in_directory(self, directory: TenantStore, _own_tenant: None) -> None:
        self.tenant = directory

    @pytest.mark.usefixtures("_in_directory")
    @pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, cases in CASES.items() for text in cases])
    def test_a_filter_finds_exactly_those_that_match(self, kind: ResourceType, text: str) -> None:
        page = self.search(query_of(text, (kind,)))
        found = CASES[kind][text].split()
        assert ([row.id for row in page.resources], page.total, page.last) == (found, len(found), None)
        assert {row.type for row in page.resources} <= {kind.name}

    @pytest.mark.usefixtures("_in_directory")
    @pytest.mark.parametrize("text", OVER_ALL)
    def test_a_filter_over_several_types_finds_exactly_those_that_match(self, text: str) -> None:
        page = self.search(query_of(text, (USER, GROUP, BADGE)))
        found = OVER_ALL[text].split()
        assert ([row.id for row in page.resources], page.total, page.last) == (found, len(found), None)

    @pytest.mark.usefixtures("_in_directory")
    @pytest.mark.parametrize("hostile", HOSTILE)
    @pytest.mark.parametrize("path", HOSTILE_PATHS)
    def test_no_value_is_taken_for_part_of_a_statement(self, path: str, hostile: str) -> None:
        for operator in ("eq", "co", "sw", "ew"):
            found = self.ids(query_of(f'{path} {operator} "{hostile}"'))
            assert found == (["ada"] if (path, hostile) == ("displayName", "%") and operator in ("co", "ew") else [])
        assert self.ids(query_of()) == list(USERS)

    @pytest.mark.usefixtures("_in_directory")
    def test_a_search_gives_whole_resources(self) -> None:
        page = self.search(query_of(kinds=(USER, GROUP, BADGE)))
        for row in page.resources:
            kind = {"User": USER, "Group": GROUP, "Badge": BADGE}[row.type]
            assert row == self.read(kind, row.id)
        assert [row.version for row in page.resources if row.id == "cyd"] == [2]

    def test_an_empty_tenant_has_nothing_to_find(self) -> None:
        for text in (None, "userName pr", "not (title pr)", 'groups.value eq "eng"', 'externalId eq "e1"'):
            page = self.search(query_of(text, (USER, GROUP, BADGE)[: 1 if text else 3]))
            assert (page.resources, page.total, page.last) == ((), 0, None)

    def test_what_is_found_follows_every_write(self) -> None:
        user = create(USER, "ada", {"externalId": "e", "title": "x", "emails": [{"value": "a@b"}]})
        searches = ('externalId eq "e"', 'title eq "x"', 'emails.value eq "a@b"', 'emails[value eq "a@b"]')
        self.write(user)
        assert [self.ids(query_of(text)) for text in searches] == [["ada"]] * 4
        self.write(replacement(USER, user, {"externalId": "f", "emails": [{"value": "c@d"}]}))
        assert [self.ids(query_of(text)) for text in searches] == [[]] * 4
        assert self.ids(query_of('externalId eq "f" and emails.value eq "c@d"')) == ["ada"]
