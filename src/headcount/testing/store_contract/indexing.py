"""Indexes that are filled after the resources that they lead to."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from headcount.scim.definitions import ENTERPRISE_USER
from headcount.scim.registry import ResourceType, ValueIndex
from headcount.scim.urns import ENTERPRISE_USER as ENTERPRISE
from headcount.store.interface import Delete, Found, NotUniqueError
from headcount.testing.store_contract.examples import BADGE, USER, create, origin, replacement
from headcount.testing.store_contract.harness import Harness, query_of

PATH = f"{ENTERPRISE}:department"
KEY = f"{ENTERPRISE_USER.id}:employeeNumber"


def indexed(*, is_complete: bool = True, path: str = PATH) -> ResourceType:
    """Users whose departments are indexed."""
    return replace(USER, indexes=(ValueIndex(path, is_complete=is_complete),))


def found(resource_id: str, *values: str, version: int = 1) -> Found:
    """A resource that is to be found by these values."""
    return Found(resource_id, version, tuple(enumerate(values)))


class Indexing(Harness):
    """Values to search by, and unique ones."""

    def index(self, *resources: Found, path: str = PATH, unique: bool = False) -> list[str]:
        """The ids of those that have other versions."""
        return list(self.run(self.tenant.index("User", path, resources, unique=unique)))

    def in_department(self, name: str, kind: ResourceType) -> Sequence[str]:
        """Who is found by a department."""
        return self.ids(query_of(f'{PATH} eq "{name}"', (kind,)))

    def test_searches_find_what_was_written_before_the_index_once_it_is_complete(self) -> None:
        self.write(
            create(USER, "ada", {ENTERPRISE: {"department": "Sales"}}),
            create(USER, "bob", {ENTERPRISE: {"department": "Tours"}}),
        )
        assert self.in_department("sales", indexed(is_complete=False)) == ["ada"]
        assert self.index(found("ada", "sales"), found("bob", "tours")) == []
        assert self.in_department("SALES", indexed()) == ["ada"]
        assert self.ids(query_of(f'{PATH} sw "t"', (indexed(),))) == ["bob"]
        assert self.ids(query_of(f'not ({PATH} co "al")', (indexed(),))) == ["bob"]

    def test_writes_keep_an_index_that_is_not_complete(self) -> None:
        building = indexed(is_complete=False)
        ada = create(building, "ada", {"userName": "ada", ENTERPRISE: {"department": "Sales"}})
        bob = create(building, "bob", {"userName": "bob", ENTERPRISE: {"department": "Sales"}})
        eve = create(building, "eve", {"userName": "eve", ENTERPRISE: {"department": "Sales"}})
        self.write(ada, bob, eve, Delete("User", "eve", origin(), None))
        self.write(replacement(building, bob, {"userName": "bob", ENTERPRISE: {"department": "Tours"}}))
        assert self.in_department("sales", indexed()) == ["ada"]
        assert self.in_department("tours", indexed()) == ["bob"]

    def test_a_resource_that_changed_meanwhile_is_left_alone_and_named(self) -> None:
        ada = create(USER, "ada", {ENTERPRISE: {"department": "Sales"}})
        self.write(ada, create(USER, "bob"), replacement(USER, ada, {}))
        assert sorted(self.index(found("ada", "sales"), found("bob", "tours"), found("nobody", "x"))) == [
            "ada",
            "nobody",
        ]
        assert self.ids(query_of(f'{PATH} eq "sales"', (indexed(),))) == []
        assert self.index(found("ada", version=2)) == []

    def test_what_a_resource_was_found_by_before_is_replaced(self) -> None:
        self.write(create(USER, "ada", {ENTERPRISE: {"department": "Sales"}}))
        self.index(found("ada", "old", "older"))
        self.index(found("ada", "sales"))
        self.write(replacement(USER, create(USER, "ada"), {ENTERPRISE: {"department": "Sales"}}))
        self.index(found("ada", "sales", version=2))
        assert self.in_department("sales", indexed()) == ["ada"]

    def test_an_index_that_is_forgotten_is_empty_for_the_next_one(self) -> None:
        self.write(create(USER, "ada", {ENTERPRISE: {"department": "Sales"}}))
        self.index(found("ada", "sales"))
        self.run(self.tenant.forget_index("User", PATH, unique=False))
        self.index(found("ada"))
        assert self.in_department("sales", USER) == ["ada"]

    def test_unique_values_that_come_later_keep_others_from_taking_them(self) -> None:
        self.write(create(USER, "ada"), create(USER, "bob"))
        assert self.index(found("ada", "7"), found("bob", "8"), path=KEY, unique=True) == []
        with pytest.raises(NotUniqueError) as refusal:
            self.index(found("bob", "7"), path=KEY, unique=True)
        assert (refusal.value.attribute, refusal.value.value, refusal.value.owner) == (KEY, "7", "ada")
        self.run(self.tenant.forget_index("User", KEY, unique=True))
        assert self.index(found("bob", "7"), path=KEY, unique=True) == []

    def test_two_resources_of_one_call_cannot_share_a_unique_value(self) -> None:
        self.write(create(USER, "ada"), create(USER, "bob"))
        with pytest.raises(NotUniqueError) as refusal:
            self.index(found("ada", "7"), found("bob", "7"), path=KEY, unique=True)
        assert (refusal.value.value, refusal.value.owner in ("ada", "bob")) == ("7", True)
        assert self.index(found("bob", "7"), path=KEY, unique=True) == []

    def test_unique_values_may_change_hands_within_a_call(self) -> None:
        self.write(create(USER, "ada"), create(USER, "bob"))
        self.index(found("ada", "7"), found("bob", "8"), path=KEY, unique=True)
        assert self.index(found("ada", "8"), found("bob", "7"), path=KEY, unique=True) == []

    def test_resources_of_another_type_keep_their_values(self) -> None:
        self.write(create(BADGE, "badge", {"code": "7"}), create(USER, "ada"))
        self.index(found("ada", "7"))
        self.run(self.tenant.forget_index("User", PATH, unique=False))
        assert self.ids(query_of('code eq "7"', (BADGE,))) == ["badge"]
