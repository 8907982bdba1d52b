"""Pages are stretches of one order, whichever way they are asked for."""

from typing import Any, Final

import orjson
import pytest

from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import Create, Delete, Page, Position, Query, Write
from headcount.testing.store_contract.examples import (
    BADGE,
    EARLY,
    EXTRA_URN,
    LATE,
    LATEST,
    USER,
    create,
    member_change,
    origin,
    replacement,
)
from headcount.testing.store_contract.harness import Harness, query_of

DIRECTORY: Final[tuple[Write, ...]] = (
    create(
        USER,
        "a",
        {
            "userName": "delta",
            "title": "b",
            "active": True,
            "emails": [{"value": "z@x"}, {"value": "C@x", "primary": True}],
            EXTRA_URN: {"seats": 10, "tags": ["m"]},
        },
        at=LATE,
    ),
    create(USER, "b", {"userName": "Charlie", "title": "B", "externalId": "z", "name": {"familyName": "Y"}}),
    create(USER, "c", {"userName": "bravo", "active": False, "emails": [{"value": "b@x"}]}, at=LATEST),
    create(
        USER,
        "d",
        {
            "userName": "Alpha",
            "title": "",
            "active": True,
            "externalId": "Z",
            ENTERPRISE_USER: {"manager": {"value": "b"}, "department": "k"},
            EXTRA_URN: {"seats": 9, "card": {"until": "2026-06-01T08:30:00Z"}},
        },
    ),
    create(
        USER,
        "e",
        {"userName": "echo", "title": "ß", EXTRA_URN: {"card": {"until": "2026-06-01T10:00:00+02:00"}, "tags": ["A"]}},
    ),
    create(GROUP, "g", {"displayName": "late"}, members=("c",)),
    create(GROUP, "h", {"displayName": "Early"}, members=("g", "a")),
    create(BADGE, "i", {"displayName": "middle", "weight": 2.5, "scores": [7, 1]}),
    create(BADGE, "j", {"weight": 10, "scores": [5], "places": [{"size": 1}, {"size": 4, "primary": True}]}),
    create(BADGE, "k", {"displayName": "EARLY", "weight": -1, "places": [{"size": 3}, {"size": 0}]}),
)

ORDERS: Final[list[tuple[tuple[ResourceType, ...], str | None, str]]] = [
    ((USER,), None, "a b c d e"),
    ((USER,), "id", "a b c d e"),
    ((USER,), "userName", "d c b a e"),
    ((USER,), "title", "d a b e c"),
    ((USER,), "active", "c a d b e"),
    ((USER,), "externalId", "d b a c e"),
    ((USER,), "name.familyName", "b a c d e"),
    ((USER,), "emails", "c a b d e"),
    ((USER,), "emails.value", "c a b d e"),
    ((USER,), "meta.lastModified", "b d e a c"),
    ((USER,), "meta.version", "a b c d e"),
    ((USER,), f"{EXTRA_URN}:seats", "d a b c e"),
    ((USER,), f"{EXTRA_URN}:card.until", "e d a b c"),
    ((USER,), f"{EXTRA_URN}:tags", "e a b c d"),
    ((USER,), f"{ENTERPRISE_USER}:manager", "d a b c e"),
    ((USER,), "groups.display", "a c b d e"),
    ((GROUP,), "displayName", "h g"),
    ((GROUP,), "members", "h g"),
    ((BADGE,), "displayName", "k i j"),
    ((BADGE,), "weight", "k i j"),
    ((BADGE,), "scores", "j i k"),
    ((BADGE,), "places.size", "k j i"),
    ((USER, GROUP, BADGE), None, "a b c d e g h i j k"),
    ((USER, GROUP, BADGE), "displayName", "h k g i a b c d e j"),
    ((USER, GROUP, BADGE), "meta.resourceType", "i j k g h a b c d e"),
    ((USER, GROUP, BADGE), "weight", "k i j a b c d e g h"),
]
"""Types, the sort path, and the ids in ascending order.

Strings by code point of their folded form, instants by time, multi-valued attributes by their primary value or else
the first, missing values last, equals by id (RFC 7644 §3.4.2.3).
"""


class Paging(Harness):
    """By offset and by position, in both directions."""

    @pytest.fixture(params=ORDERS, ids=lambda order: f"{len(order[0])}-{order[1]}")
    def order(self, request: pytest.FixtureRequest, _own_tenant: None) -> tuple[Query, list[str]]:
        """A search without a limit, and what it should give."""
        self.write(*DIRECTORY)
        kinds, path, ids = request.param
        return query_of(None, kinds, path), ids.split()

    def test_results_are_in_order_and_descending_is_the_reverse(self, order: tuple[Query, list[str]]) -> None:
        query, ids = order
        assert self.ids(query) == ids
        assert self.ids(query._replace(descending=True)) == ids[::-1]

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("limit", [1, 2])
    def test_a_walk_by_positions_gives_all_in_order(
        self, order: tuple[Query, list[str]], limit: int, *, descending: bool
    ) -> None:
        query, ids = order
        walked = self.walk(query._replace(limit=limit, descending=descending))
        assert walked == (ids[::-1] if descending else ids)

    @pytest.mark.parametrize("offset", [0, 1, 3, 20])
    def test_an_offset_skips_that_many_and_the_total_counts_all(
        self, order: tuple[Query, list[str]], offset: int
    ) -> None:
        query, ids = order
        page = self.search(query._replace(offset=offset, limit=2))
        assert [row.id for row in page.resources] == ids[offset : offset + 2]
        assert page.total == len(ids)
        assert (page.last is not None) is (offset + 2 < len(ids))

    def walk(self, query: Query) -> list[str]:
        """The ids of all pages; positions go through JSON, as cursors do."""
        page = self.search(query)
        seen = [row.id for row in page.resources]
        while page.last is not None:
            assert page.last.id == seen[-1]
            position = Position(*orjson.loads(orjson.dumps([page.last.value, page.last.id])))
            page = self.search(query._replace(after=position, total=False))
            assert page.total is None
            seen += [row.id for row in page.resources]
        return seen

    @pytest.mark.parametrize(
        ("text", "limit", "offset", "ids", "total", "has_more"),
        [
            (None, 5, 0, "a b c d e", 5, False),
            (None, 4, 0, "a b c d", 5, True),
            (None, 4, 1, "b c d e", 5, False),
            (None, 0, 0, "", 5, False),
            (None, 2, 5, "", 5, False),
            (None, 2, 50_000, "", 5, False),
            ("title pr", 3, 0, "a b e", 3, False),
            ("title pr", 2, 0, "a b", 3, True),
            ("title pr", 2, 2, "e", 3, False),
            ("title pr", 0, 0, "", 3, False),
            ("title pr", 2, 9, "", 3, False),
            ('userName eq "echo"', 1, 0, "e", 1, False),
            ('userName eq "echo"', 0, 0, "", 1, False),
            ('userName eq "nobody"', 1, 0, "", 0, False),
        ],
    )
    def test_a_page_holds_at_most_its_limit(
        self, text: str | None, limit: int, offset: int, ids: str, total: int, *, has_more: bool
    ) -> None:
        self.write(*DIRECTORY)
        page = self.search(query_of(text, limit=limit, offset=offset))
        assert ([row.id for row in page.resources], page.total, page.last is not None) == (ids.split(), total, has_more)
        assert self.search(query_of(text, limit=limit, offset=offset, total=False)).total is None

    def test_a_position_names_the_sort_value_and_the_id_of_the_last_resource(self) -> None:
        self.write(*DIRECTORY)
        assert self.search(query_of(limit=2, sort="userName")).last == Position("bravo", "c")
        assert self.search(query_of(limit=2)).last == Position(None, "b")
        assert self.search(query_of(limit=4, sort="externalId")).last == Position(None, "c")
        assert self.search(query_of(limit=1, sort="active")).last == Position(False, "c")
        assert self.search(query_of(limit=1, sort=f"{EXTRA_URN}:seats")).last == Position(9, "d")

    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize("sort", [None, "userName", "title", "active", "nickName", "meta.created", "emails"])
    def test_who_stays_through_a_walk_is_seen_exactly_once(self, sort: str | None, *, descending: bool) -> None:
        staying = [_walker(f"s{number:02}", number) for number in range(20)]
        leaving = [_walker(f"l{number:02}", number) for number in range(20)]
        self.write_together([*staying, *leaving])
        query = query_of(None, (USER,), sort, limit=3, descending=descending)
        seen: list[str] = []
        page = self.search(query)
        for turn in range(len(staying)):
            seen += [row.id for row in page.resources]
            if page.last is None:
                break
            stays = staying[turn]
            moved = {**_attributes(turn), "displayName": f"changed {turn}"}
            self.write(
                Delete("User", f"l{(turn * 7) % 20:02}", origin(), None),
                _walker(f"n{turn:02}", turn),
                replacement(USER, stays, moved, at=EARLY),
            )
            page = self.search(query._replace(after=page.last, total=False))
        seen += self.rest(query, page)
        assert sorted(name for name in seen if name.startswith("s")) == [write.id for write in staying]
        assert len(set(seen)) == len(seen)

    def rest(self, query: Query, page: Page) -> list[str]:
        """The ids behind a page."""
        seen: list[str] = []
        while page.last is not None:
            page = self.search(query._replace(after=page.last, total=False))
            seen += [row.id for row in page.resources]
        return seen

    def test_a_walk_goes_on_when_the_resource_at_its_position_is_gone(self) -> None:
        self.write(*DIRECTORY)
        query = query_of(limit=2, sort="title")
        position = self.search(query).last
        assert position == Position("b", "a")
        self.write(Delete("User", "a", origin(), None))
        assert self.ids(query._replace(after=position)) == ["b", "e"]

    def test_an_attribute_whose_kind_differs_between_types_orders_them_all(self) -> None:
        """`weight` of a badge is a number; another type may call a string so."""
        self.write(*DIRECTORY)
        numbers, strings = query_of(None, (BADGE,), "weight"), query_of(None, (GROUP,), "displayName")
        mixed = Query(numbers.targets + strings.targets, limit=2)
        for descending in (False, True):
            walked = self.walk(mixed._replace(descending=descending))
            assert sorted(walked) == ["g", "h", "i", "j", "k"]

    def test_totals_follow_creations_deletions_and_refusals(self) -> None:
        def totals(text: str | None = None) -> list[int | None]:
            return [self.search(query_of(text, (kind,), limit=1)).total for kind in (USER, GROUP, BADGE)]

        assert totals() == [0, 0, 0]
        self.write(*DIRECTORY)
        assert totals() == totals("id pr") == [5, 2, 3]
        self.write_together([DIRECTORY[0], create(USER, "new", {"userName": "ECHO"}), create(USER, "f")])
        self.write(Delete("Badge", "i", origin(), None), member_change("g", removed=["c"]))
        assert totals() == totals("id pr") == [6, 2, 2]


def _attributes(number: int) -> dict[str, Any]:
    """Values that many have in common, and some lack."""
    attributes: dict[str, Any] = {"title": "xyz"[number % 3], "active": number % 2 == 0}
    if number % 4:
        attributes |= {"nickName": f"n{number % 5}", "emails": [{"value": f"{number % 6}@x"}]}
    return attributes


def _walker(name: str, number: int) -> Create:
    return create(USER, name, _attributes(number), at=(EARLY, LATE, LATEST)[number % 3])
