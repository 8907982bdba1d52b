"""Many writes in one call, and ids found by keys in one call."""

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import REFUSALS, KeyName, Write, Written
from headcount.testing.store_contract.examples import BADGE, USER, create, member_change, replacement
from headcount.testing.store_contract.harness import Harness
from headcount.testing.store_contract.writing import ADA, BOB, ENG, REFUSED

REFUSED_ALONE = [case for case, (_, error) in REFUSED.items() if issubclass(error, REFUSALS)]

FOUND: dict[str, tuple[str, KeyName, list[str], list[tuple[str, str]]]] = {
    "folded userNames": ("User", "user_name", ["ada", "nobody", "strasse"], [("ada", "ada"), ("strasse", "street")]),
    "one that several have": ("User", "external_id", ["E"], [("E", "ada"), ("E", "street")]),
    "one in another case": ("User", "external_id", ["e"], []),
    "a group's name": ("Group", "display_name", ["the engineers"], [("the engineers", "eng")]),
    "another type's": ("Group", "external_id", ["E"], []),
    "none asked for": ("User", "user_name", [], []),
}
"""Type, key, values asked for, (value, id) that are found."""


class ManyAtOnce(Harness):
    """As each alone would be."""

    def test_no_writes_have_no_outcomes(self) -> None:
        assert list(self.run(self.tenant.write_many([]))) == []

    def test_writes_of_all_kinds_go_together_and_are_answered_in_order(self) -> None:
        self.write(ADA, ENG)
        batch: list[Write] = [
            create(USER, "zoe"),
            replacement(USER, ADA, {"title": "y"}),
            create(USER, "amy"),
            member_change("eng", removed=["ada"]),
        ]
        outcomes = self.run(self.tenant.write_many(batch))

        assert [isinstance(outcome, Written) for outcome in outcomes] == [True] * 4
        assert [outcome.version for outcome in outcomes if isinstance(outcome, Written)] == [1, 2, 1, 2]
        assert self.member_ids("eng") == []
        assert {change["id"] for change in self.changes()} == {"ada", "eng", "zoe", "amy"}

    @pytest.mark.parametrize("case", REFUSED_ALONE)
    def test_a_refused_write_leaves_nothing_and_the_others_stand(self, case: str) -> None:
        write, error = REFUSED[case]
        self.write(ADA, BOB, ENG, create(GROUP, "all", members=("eng",)))
        before = len(self.changes())
        first, refused, last = self.run(self.tenant.write_many([create(USER, "first"), write, create(USER, "last")]))

        assert isinstance(first, Written)
        assert isinstance(refused, error)
        assert isinstance(last, Written)
        assert [change["id"] for change in self.changes()[before:]] == ["first", "last"]

    def test_of_two_that_want_one_value_one_is_refused_and_names_the_other(self) -> None:
        batch = [create(BADGE, "one", {"code": "x"}), create(BADGE, "two", {"code": "x"})]
        first, second = self.run(self.tenant.write_many(batch))
        assert isinstance(first, Written)
        assert str(second).endswith("belongs to one")

    @pytest.mark.parametrize("case", FOUND)
    def test_ids_are_found_by_keys(self, case: str) -> None:
        kind, key, values, found = FOUND[case]
        self.write(
            create(USER, "ada", {"externalId": "E"}),
            create(USER, "street", {"userName": "Straße", "externalId": "E"}),
            create(GROUP, "eng", {"displayName": "The Engineers"}),
        )
        assert sorted(self.run(self.tenant.ids_of(kind, key, values))) == found
