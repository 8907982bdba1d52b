"""Values that only one resource of the tenant can have."""

from typing import Any

import pytest

from headcount.scim.registry import ResourceType
from headcount.store.interface import Delete, NotUniqueError
from headcount.testing.store_contract.examples import (
    BADGE,
    BADGE_URN,
    EXTRA_URN,
    STAFF,
    USER,
    create,
    origin,
    replacement,
)
from headcount.testing.store_contract.harness import Harness, query_of

Attributes = dict[str, Any]

CLASHES: dict[str, tuple[ResourceType, Attributes, Attributes, str, str]] = {
    "userName in another case": (USER, {"userName": "Straße"}, {"userName": "STRASSE"}, "userName", "strasse"),
    "a string of an extension": (
        USER,
        {EXTRA_URN: {"number": "n1"}},
        {EXTRA_URN: {"number": "N1"}},
        f"{EXTRA_URN}:number",
        "n1",
    ),
    "an integer": (USER, {EXTRA_URN: {"seats": 7}}, {EXTRA_URN: {"seats": 7}}, f"{EXTRA_URN}:seats", "7"),
    "a sub-attribute": (
        USER,
        {EXTRA_URN: {"card": {"code": "x"}}},
        {EXTRA_URN: {"card": {"code": "x"}}},
        f"{EXTRA_URN}:card.code",
        "x",
    ),
    "an attribute of a custom type": (BADGE, {"code": "b"}, {"code": "b"}, f"{BADGE_URN}:code", "b"),
}
"""Type, what one has, what another would have, the attribute and the value of the refusal."""

HARMLESS: dict[str, tuple[ResourceType, Attributes, Attributes]] = {
    "case-exact values in another case": (BADGE, {"code": "b"}, {"code": "B"}),
    "externalId": (USER, {"externalId": "e"}, {"externalId": "e"}),
    "no value at all": (BADGE, {}, {}),
    "the same value in different attributes": (USER, {EXTRA_URN: {"number": "7"}}, {EXTRA_URN: {"seats": 7}}),
    "emails": (USER, {"emails": [{"value": "a@b"}]}, {"emails": [{"value": "a@b"}]}),
    "displayName": (USER, {"displayName": "x"}, {"displayName": "x"}),
}


class UniqueValues(Harness):
    """One owner for each."""

    @pytest.mark.parametrize("clash", CLASHES)
    def test_a_new_resource_cannot_have_the_value_of_another(self, clash: str) -> None:
        kind, one, other, attribute, value = CLASHES[clash]
        self.write(create(kind, "owner", one))
        with pytest.raises(NotUniqueError) as refusal:
            self.write(create(kind, "second", other))
        assert (refusal.value.attribute, refusal.value.value, refusal.value.owner) == (attribute, value, "owner")
        assert not self.exists(kind, "second")

    @pytest.mark.parametrize("clash", CLASHES)
    def test_an_update_cannot_take_the_value_of_another(self, clash: str) -> None:
        kind, one, other, attribute, value = CLASHES[clash]
        second = create(kind, "second")
        self.write(create(kind, "owner", one), second)
        with pytest.raises(NotUniqueError) as refusal:
            self.write(replacement(kind, second, other))
        assert (refusal.value.attribute, refusal.value.value, refusal.value.owner) == (attribute, value, "owner")
        assert self.read(kind, "second").document == second.document

    @pytest.mark.parametrize("clash", CLASHES)
    def test_an_update_keeps_a_value_of_its_own(self, clash: str) -> None:
        kind, one, other, *_ = CLASHES[clash]
        owner = create(kind, "owner", one)
        self.write(owner, replacement(kind, owner, other))
        with pytest.raises(NotUniqueError) as refusal:
            self.write(create(kind, "second", one))
        assert refusal.value.owner == "owner"

    @pytest.mark.parametrize("clash", CLASHES)
    def test_a_value_is_free_once_its_owner_has_another(self, clash: str) -> None:
        kind, one, other, *_ = CLASHES[clash]
        owner = create(kind, "owner", one)
        self.write(owner, replacement(kind, owner, {}), create(kind, "second", other))
        assert self.exists(kind, "second")

    @pytest.mark.parametrize("clash", CLASHES)
    def test_a_value_is_free_once_its_owner_is_deleted(self, clash: str) -> None:
        kind, one, other, *_ = CLASHES[clash]
        self.write(
            create(kind, "owner", one), Delete(kind.name, "owner", origin(), None), create(kind, "second", other)
        )
        assert self.exists(kind, "second")

    @pytest.mark.parametrize("clash", CLASHES)
    def test_an_update_that_does_not_say_what_it_replaces_moves_the_values_too(self, clash: str) -> None:
        kind, one, other, _, value = CLASHES[clash]
        owner = create(kind, "owner")
        update = replacement(kind, owner, one)
        self.write(owner, update._replace(previous=None))
        with pytest.raises(NotUniqueError) as refusal:
            self.write(create(kind, "second", other))
        assert (refusal.value.value, refusal.value.owner) == (value, "owner")

    @pytest.mark.parametrize("harmless", HARMLESS)
    def test_several_resources_can_have_in_common(self, harmless: str) -> None:
        kind, one, other = HARMLESS[harmless]
        self.write(create(kind, "one", one), create(kind, "two", other))
        assert self.ids(query_of(kinds=(kind,))) == ["one", "two"]

    def test_user_names_are_unique_within_their_type(self) -> None:
        self.write(create(USER, "ada", {"userName": "ada"}), create(STAFF, "boss", {"userName": "ada"}))
        with pytest.raises(NotUniqueError) as refusal:
            self.write(create(STAFF, "second", {"userName": "Ada"}))
        assert refusal.value.owner == "boss"

    def test_the_values_of_an_extension_are_unique_over_all_types_that_have_it(self) -> None:
        self.write(create(USER, "ada", {EXTRA_URN: {"number": "n1"}}))
        with pytest.raises(NotUniqueError) as refusal:
            self.write(create(BADGE, "badge", {EXTRA_URN: {"number": "N1"}}))
        assert refusal.value.owner == "ada"
