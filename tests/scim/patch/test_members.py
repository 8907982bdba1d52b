"""PATCH on `members`, as additions and removals: RFC 7644 §3.5.2, RFC 7643 §4.2."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import (
    InvalidFilterError,
    InvalidPathError,
    InvalidValueError,
    MutabilityError,
    NoTargetError,
    ScimError,
)
from headcount.scim.patch import MembershipDelta, MembersNeededError
from headcount.scim.profiles import STRICT, TOLERANT, Profile
from headcount.scim.registry import GROUP
from scim.patch.patching import add, apply, remove, replace

CREW: dict[str, Any] = {"schemas": [urns.GROUP], "id": "g", "displayName": "Crew"}
KNOWN = [{"value": "1", "type": "User"}, {"value": "2", "type": "User"}, {"value": "G3", "type": "Group"}]
BOTH = pytest.mark.parametrize("profile", [STRICT, TOLERANT])


def member(*ids: str) -> list[dict[str, str]]:
    return [{"value": each} for each in ids]


def delta(
    *operations: dict[str, Any], profile: Profile = STRICT, known: Any = None
) -> tuple[bool, list[str], list[str]]:
    result = apply(operations, CREW, profile, GROUP, members=known)
    assert result.resource == CREW
    assert result.members is not None
    return result.members.clear, list(result.members.added), sorted(result.members.removed)


RESULTS = [
    # what comes and goes needs no look at who is there
    ([add("members", member("1"))], (False, ["1"], [])),
    ([add("members", member("1", "2", "1"))], (False, ["1", "2"], [])),
    ([add("members", {"value": "1"})], (False, ["1"], [])),
    ([add(None, {"members": member("1")})], (False, ["1"], [])),
    ([add("Members", [{"VALUE": "1", "display": "Ada", "type": "user"}])], (False, ["1"], [])),
    ([add(f"{urns.GROUP}:members", member("1"))], (False, ["1"], [])),
    ([add("members", [{"$ref": "https://example.com/v2/Users/1"}])], (False, ["1"], [])),
    ([add("members", [{"$ref": None, "value": "1"}])], (False, ["1"], [])),
    ([add("members", [])], (False, [], [])),
    ([add("members", [{}, None])], (False, [], [])),
    ([remove('members[value eq "1"]')], (False, [], ["1"])),
    ([remove('members[VALUE EQ "1" or value eq "2"]')], (False, [], ["1", "2"])),
    ([remove('members eq "1"')], (False, [], ["1"])),
    ([remove("members")], (True, [], [])),
    ([replace("members", member("1", "2"))], (True, ["1", "2"], [])),
    ([replace("members", [])], (True, [], [])),
    ([replace("members", None)], (True, [], [])),
    ([replace(None, {"members": member("1")})], (True, ["1"], [])),
    # a removal with a value is never more than that value
    ([remove("members", value=member("1"))], (False, [], ["1"])),
    ([remove("members", value={"value": "1"})], (False, [], ["1"])),
    ([remove("members", value=[{"$ref": None, "value": "1"}])], (False, [], ["1"])),
    ([remove("members", value=[])], (False, [], [])),
    ([remove("members", value=[{}])], (False, [], [])),
    ([remove('members[value eq "1"]', value=member("2"))], (False, [], [])),
    ([remove('members[value eq "1" or value eq "2"]', value=member("2", "4"))], (False, [], ["2"])),
    # in order
    ([add("members", member("1")), remove('members[value eq "1"]')], (False, [], ["1"])),
    ([remove('members[value eq "1"]'), add("members", member("1"))], (False, ["1"], [])),
    ([remove("members"), add("members", member("1"))], (True, ["1"], [])),
    ([add("members", member("1")), remove("members")], (True, [], [])),
    ([remove("members"), add("members", member("1", "2")), remove('members[value eq "1"]')], (True, ["2"], [])),
    ([add("members", member("1")), replace("members", member("2"))], (True, ["2"], [])),
    # nobody is added by null
    ([add("members", None)], None),
]


@BOTH
@pytest.mark.parametrize(("operations", "expected"), RESULTS)
def test_members_come_and_go(operations: list[dict[str, Any]], expected: Any, profile: Profile) -> None:
    if expected is None:
        assert apply(operations, CREW, profile, GROUP).members is None
    else:
        assert delta(*operations, profile=profile) == expected


NEEDING = [
    (remove('members[type eq "Group"]'), (False, [], ["G3"])),
    (remove('members[type eq "user" and value sw "1"]'), (False, [], ["1"])),
    (remove('members[not (value eq "1")]'), (False, [], ["2", "G3"])),
    (remove('members[value eq "1" and type eq "Group"]'), (False, [], [])),
    (remove('members[type eq "User"]', value=member("2", "G3")), (False, [], ["2"])),
    (replace('members[value eq "1"]', {"value": "4"}), (False, ["4"], ["1"])),
    (replace('members[type eq "User"]', {"value": "4"}), (False, ["4"], ["1", "2"])),
    (replace('members[value eq "1"]', None), (False, [], ["1"])),
    (add('members[value eq "1"]', {"value": "1"}), (False, [], [])),
    (add('members[value eq "1"]', {"type": "User", "value": "1"}), (False, [], [])),
]


@BOTH
@pytest.mark.parametrize(("operation", "expected"), NEEDING)
def test_an_operation_that_depends_on_who_is_a_member_asks_for_the_members(
    operation: dict[str, Any], expected: tuple[bool, list[str], list[str]], profile: Profile
) -> None:
    with pytest.raises(MembersNeededError):
        delta(operation, profile=profile)
    assert delta(operation, profile=profile, known=KNOWN) == expected


def test_a_filter_sees_what_operations_before_it_did() -> None:
    gone_first = (remove('members[value eq "1"]'), remove('members[type eq "User"]'))
    assert delta(*gone_first, known=KNOWN) == (False, [], ["1", "2"])
    assert delta(remove("members"), remove('members[type eq "User"]'), known=KNOWN) == (True, [], [])
    with pytest.raises(NoTargetError):
        delta(remove('members[value eq "1"]'), replace('members[value eq "1"]', {"value": "4"}), known=KNOWN)


@BOTH
@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (replace('members[value eq "1"].value', "2"), MutabilityError),
        (add('members[value eq "1"].type', "Group"), MutabilityError),
        (replace('members[value eq "1"].$ref', "../Users/2"), MutabilityError),
        (replace('members[value eq "1"].display', "x"), MutabilityError),
        (replace("members.value", "2"), MutabilityError),
        (remove('members[value eq "1"].type'), MutabilityError),
        (add('members[value eq "1"]', {"value": "4"}), MutabilityError),
        (replace('members[value eq "9"]', {"value": "4"}), NoTargetError),
        (add('members[value eq "9"]', {"value": "9"}), NoTargetError),
        (add("members", [{"type": "User"}]), InvalidValueError),
        (add("members", [{"value": ""}]), InvalidValueError),
        (add("members", [{"value": 1}]), InvalidValueError),
        (add("members", [1]), InvalidValueError),
        (remove("members", value=[1]), InvalidValueError),
        (add("members[value eq '1']", {"value": "1"}), InvalidFilterError),
        (remove('members[email eq "1"]'), InvalidFilterError),
        (remove('members[value eq "1"].nosuch'), InvalidPathError),
        (replace("members[value gt 1]", {"value": "4"}), InvalidFilterError),
    ],
)
def test_what_cannot_be_done_to_members_is_refused(
    operation: dict[str, Any], error: type[ScimError], profile: Profile
) -> None:
    with pytest.raises(error):
        delta(operation, profile=profile, known=KNOWN)


def test_a_patch_without_members_has_no_delta() -> None:
    result = apply([replace("displayName", "Crew North")], CREW, STRICT, GROUP)
    assert (result.resource["displayName"], result.members) == ("Crew North", None)
    with pytest.raises(MutabilityError):
        apply([remove("displayName")], CREW, STRICT, GROUP)


def test_thousands_of_members_are_added_and_removed_in_one_operation() -> None:
    ids = [str(number) for number in range(20_000)]
    clear, added, removed = delta(add("members", member(*ids)), remove("members", value=member(*ids[:10_000])))
    assert (clear, added, len(removed)) == (False, ids[10_000:], 10_000)


def test_a_delta_knows_who_is_a_member_afterwards() -> None:
    change = MembershipDelta()
    change.add(["1"])
    change.remove(["2"])
    asked = [("1", False), ("2", True), ("3", True), ("3", False)]
    assert [change.is_member(who, before=before) for who, before in asked] == [True, False, True, False]
    change.replace(["4"])
    assert [change.is_member(who, before=True) for who in "1234"] == [False, False, False, True]


NESTED = {"members": member("1")}
TOLERATED = [
    (add("members", NESTED), (False, ["1"], [])),
    (remove("members", value=NESTED), (False, [], ["1"])),
    (add("members", ["1", "2"]), (False, ["1", "2"], [])),
    (add("members", "1"), (False, ["1"], [])),
    (remove("members", value=["1"]), (False, [], ["1"])),
    (replace("members", "1"), (True, ["1"], [])),
    (
        add("members", [{"value": "1", "operation": "Delete"}, {"value": "2"}]),
        (False, ["2"], ["1"]),
    ),
    (add(None, {"members": [{"value": "1", "operation": "delete"}]}), (False, [], ["1"])),
]


@pytest.mark.parametrize(("operation", "expected"), TOLERATED)
def test_forms_of_members_that_clients_send_are_taken_by_the_tolerant_profile_only(
    operation: dict[str, Any], expected: tuple[bool, list[str], list[str]]
) -> None:
    assert delta(operation, profile=TOLERANT) == expected
    try:
        strictly = delta(operation, profile=STRICT)
    except InvalidValueError:
        return
    assert strictly != expected
    assert not strictly[0]  # and never everybody
