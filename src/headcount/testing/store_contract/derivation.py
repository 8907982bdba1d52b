"""What is never stored: the groups of a user, the name of a manager."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from headcount.scim.registry import GROUP
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import Create, Delete
from headcount.testing.store_contract.examples import USER, create, member_change, origin, replacement
from headcount.testing.store_contract.harness import Harness, query_of

ADA = create(USER, "ada")
LABELS = ["Engineers", 'quote " and \\ backslash', "control \x01\n", "ünïcode 😀", '"$ref":"/']


def reference(group: str, display: str, kind: str) -> dict[str, str]:
    """One of the groups of a user."""
    return {"value": group, "$ref": f"/Groups/{group}", "display": display, "type": kind}


def group(name: str, members: Sequence[str] | None = None) -> Create:
    """A group whose id is its name."""
    return create(GROUP, name, {"displayName": name}, members=members)


def managed_by(manager: str) -> dict[str, Any]:
    """The attributes of somebody with a manager."""
    return {ENTERPRISE_USER: {"manager": {"value": manager}}}


class Derivation(Harness):
    """Derived values are read as of now."""

    def groups(self, user: str) -> list[dict[str, str]]:
        """The groups of a user by id; a read and a search agree on them."""
        text = self.read(USER, user).groups
        (found,) = self.search(query_of(f'id eq "{user}"')).resources
        assert found.groups == text
        groups: list[dict[str, str]] = [] if text is None else orjson.loads(text)
        assert (text or b"").count(b'"$ref":"/') == len(groups), "a base URL cannot be spliced in"
        return sorted(groups, key=lambda group: group["value"])

    def manager(self, user: str) -> dict[str, str]:
        """What is known of the manager of a user; a read and a search agree on it."""
        text = self.read(USER, user).manager
        (found,) = self.search(query_of(f'id eq "{user}"')).resources
        assert found.manager == text
        return {} if text is None else orjson.loads(b"{" + text + b"}")

    def test_who_is_in_no_group_has_no_groups(self) -> None:
        self.write(ADA, group("eng"))
        assert self.read(USER, "ada").groups is None

    def test_groups_that_somebody_is_a_member_of_are_direct(self) -> None:
        self.write(ADA, create(GROUP, "eng", {"displayName": "Engineers"}, members=("ada",)))
        self.write(group("all", members=("ada",)))
        assert self.groups("ada") == [reference("all", "all", "direct"), reference("eng", "Engineers", "direct")]

    def test_groups_above_groups_are_indirect(self) -> None:
        self.write(ADA, group("a", members=("ada",)), group("b", members=("a",)))
        self.write(group("c", members=("b",)), group("d"))
        assert self.groups("ada") == [
            reference("a", "a", "direct"),
            reference("b", "b", "indirect"),
            reference("c", "c", "indirect"),
        ]

    def test_a_group_that_is_reached_in_both_ways_is_direct_and_stands_once(self) -> None:
        self.write(ADA, group("eng", members=("ada",)), group("all", members=("eng", "ada")))
        assert self.groups("ada") == [reference("all", "all", "direct"), reference("eng", "eng", "direct")]

    def test_indirect_groups_go_with_the_membership_that_led_to_them(self) -> None:
        self.write(ADA, group("eng", members=("ada",)), group("all", members=("eng",)))
        self.write(member_change("all", removed=["eng"]))
        assert self.groups("ada") == [reference("eng", "eng", "direct")]

    def test_indirect_groups_go_with_the_group_that_led_to_them(self) -> None:
        self.write(ADA, group("eng", members=("ada",)), group("all", members=("eng",)))
        self.write(Delete("Group", "eng", origin(), None))
        assert self.groups("ada") == []

    def test_each_user_on_a_page_has_their_own_groups(self) -> None:
        self.write(ADA, create(USER, "bob"), create(USER, "cyd"), group("eng", members=("ada",)))
        self.write(group("all", members=("eng", "bob")))
        rows = self.search(query_of()).resources
        found = {row.id: {group["value"] for group in orjson.loads(row.groups or b"[]")} for row in rows}
        assert found == {"ada": {"eng", "all"}, "bob": {"all"}, "cyd": set()}

    def test_groups_are_left_out_when_they_are_not_asked_for(self) -> None:
        self.write(ADA, group("eng", members=("ada",)), group("all", members=("eng",)))
        assert self.read(USER, "ada", groups=False).groups is None
        assert [row.groups for row in self.search(query_of(groups=False)).resources] == [None]

    def test_a_group_has_no_groups(self) -> None:
        self.write(group("eng"), group("all", members=("eng",)))
        assert self.read(GROUP, "eng").groups is None
        assert [row.groups for row in self.search(query_of(kinds=(GROUP,))).resources] == [None, None]

    @pytest.mark.parametrize("label", LABELS)
    def test_labels_are_those_of_now_whatever_they_hold(self, label: str) -> None:
        eng = create(GROUP, "eng", {"displayName": "before"}, members=("ada",))
        bob = create(USER, "bob", {"displayName": "before"})
        self.write(create(USER, "ada", managed_by("bob")), bob, eng, group("all", members=("ada", "eng", "bob")))
        self.write(replacement(GROUP, eng, {"displayName": label}), replacement(USER, bob, {"displayName": label}))
        assert self.groups("ada") == [reference("all", "all", "direct"), reference("eng", label, "direct")]
        assert self.manager("ada") == {"$ref": "/Users/bob", "displayName": label}
        assert [member.display for member in self.members("all")] == ["", label, label]

    @pytest.mark.parametrize(
        ("attributes", "displayed"),
        [
            ({"displayName": "Bob", "name": {"formatted": "Robert Roe"}}, "Bob"),
            ({"name": {"formatted": "Roe Robert", "givenName": "Robert", "familyName": "Roe"}}, "Roe Robert"),
            ({"name": {"givenName": "Robert", "familyName": "Roe"}}, "Robert Roe"),
            ({"name": {"familyName": "Roe", "honorificPrefix": "Dr."}}, "Roe"),
            ({"name": {"honorificPrefix": "Dr."}}, None),
            ({}, None),
        ],
    )
    def test_who_has_no_name_is_referred_to_without_one(
        self, attributes: Mapping[str, Json], displayed: str | None
    ) -> None:
        self.write(create(USER, "bob", attributes), create(USER, "ada", managed_by("bob")))
        self.write(group("all", members=("bob",)))
        assert self.manager("ada") == {"$ref": "/Users/bob", **({"displayName": displayed} if displayed else {})}
        assert [member.display for member in self.members("all")] == [displayed or ""]
        for kind, path, holder in (
            (USER, f"{ENTERPRISE_USER}:manager.displayName", "ada"),
            (GROUP, "members.display", "all"),
        ):
            found = self.search(query_of(f"{path} pr", kinds=(kind,))).resources
            assert [row.id for row in found] == ([holder] if displayed else [])

    @pytest.mark.parametrize("manager", ["nobody", "eng", "outsider"])
    def test_only_a_user_of_the_tenant_is_known_as_a_manager(self, manager: str) -> None:
        self.write(create(USER, "ada", managed_by(manager)), group("eng"))
        assert self.read(USER, "ada").manager is None

    def test_who_manages_himself_is_known(self) -> None:
        self.write(create(USER, "ada", managed_by("ada")))
        assert self.manager("ada") == {"$ref": "/Users/ada"}

    def test_a_manager_is_known_from_when_he_comes_until_he_goes(self) -> None:
        self.write(create(USER, "ada", managed_by("bob")))
        assert self.manager("ada") == {}
        self.write(create(USER, "bob"))
        assert self.manager("ada") == {"$ref": "/Users/bob"}
        self.write(Delete("User", "bob", origin(), None))
        assert self.manager("ada") == {}
        assert self.read(USER, "ada").version == 1

    def test_another_manager_is_known_after_an_update(self) -> None:
        ada = create(USER, "ada", managed_by("bob"))
        self.write(ada, create(USER, "bob"), create(USER, "cyd"), replacement(USER, ada, managed_by("cyd")))
        assert self.manager("ada") == {"$ref": "/Users/cyd"}
        self.write(replacement(USER, replacement(USER, ada, managed_by("cyd")), {}, 2))
        assert self.manager("ada") == {}
