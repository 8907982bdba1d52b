"""Targets that use names where an id belongs: in `Location`, and as the value of a member."""

from dataclasses import replace

import pytest

from headcount.provisioning.targets.steps import Done, Member, Refused, Unknown
from headcount.testing.simulated_target import Habits
from simulated import carry_out, joiner, member_ids, person, regroup, those


@pytest.mark.parametrize("ends_with", ["id", "name"])
def test_an_account_that_is_created_without_a_body_is_known_by_its_id(becomes, ends_with):
    simulated = becomes(Habits(locations=ends_with))
    people = [person() for _ in range(5)]

    outcomes = carry_out(simulated.url, *(joiner(somebody) for somebody in people), connects=False)

    ids = {user["userName"]: user["id"] for user in simulated.users}
    assert [outcome.target_id for outcome in outcomes] == [ids[somebody["userName"]] for somebody in people]


def test_a_location_is_checked_once_and_then_believed(becomes):
    simulated = becomes(Habits(locations="id"))

    carry_out(simulated.url, *(joiner() for _ in range(5)), connects=False)

    assert [request.method for request in simulated.requests] == ["POST", "GET", "POST", "POST", "POST", "POST"]


def test_a_name_for_a_location_is_no_id_when_nobody_can_be_found(becomes):
    simulated = becomes(Habits(locations="name", lag=100))

    assert isinstance(carry_out(simulated.url, joiner(), connects=False), Unknown)


def staffed(simulated):
    """A group of three; (its id, their ids, their names)."""
    people = [person() for _ in range(3)]
    ids = [simulated.put("User", somebody) for somebody in people]
    group = simulated.put("Group", {"displayName": "Staff", "members": [{"value": one} for one in ids]})
    return group, ids, [somebody["userName"] for somebody in people]


def without_first(group, ids, names):
    return replace(regroup(group, members=those(ids[1:])), removed=(Member(ids[0], display=names[0]),))


def test_a_group_that_removes_no_member_by_id_is_replaced(becomes):
    simulated = becomes(Habits(members_by_name=True))
    group, ids, names = staffed(simulated)

    outcome = carry_out(simulated.url, without_first(group, ids, names), connects=False)

    assert isinstance(outcome, Done)
    assert member_ids(simulated.groups[0]) == set(ids[1:])


def test_a_member_who_cannot_be_removed_is_never_said_to_be_gone(becomes):
    simulated = becomes(Habits(members_by_name=True, group_put=False))
    group, ids, names = staffed(simulated)

    outcome = carry_out(simulated.url, without_first(group, ids, names), override={"groups": {"put": False}})

    assert isinstance(outcome, Refused)
    assert outcome.so_far is None
    assert member_ids(simulated.groups[0]) == set(ids)


def test_who_is_no_member_any_more_is_removed_already(becomes):
    simulated = becomes(Habits(members_by_name=True))
    group, ids, _ = staffed(simulated)

    outcome = carry_out(simulated.url, regroup(group, removed=["somebody-else"]), connects=False)

    assert isinstance(outcome, Done)
    assert member_ids(simulated.groups[0]) == set(ids)
