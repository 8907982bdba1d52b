"""The guard: limits in number and share, across runs; what depends on what is held is held with it."""

from dataclasses import replace

import pytest

from headcount.provisioning.guard import HANDFUL, Past, counted, guard, is_too_much
from headcount.provisioning.jobs import Limit
from headcount.provisioning.plan import GuardKind
from planning import NOW, Model, desired_of, did, group, job_of, person

SOURCE = "groups: {from: source, mappings: {displayName: record.name}}\n"
KEYS = [f"p{number:02}" for number in range(40)]


def limited(**limits):
    text = ", ".join(f"{kind}: {limit}" for kind, limit in limits.items())
    return job_of(f"{SOURCE}policies: {{guard: {{{text}}}}}\n")


def people(keys):
    return [person(key) for key in keys]


def planned(job, before, after):
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, before)))
    return model.plan(job, desired_of(job, after))


def held(plan):
    return {item.kind: did(replace(plan, changes=item.changes)) for item in plan.held}


LIMITS = [
    (Limit(), 1_000_000, 1, False),
    (Limit(number=10), 10, 0, False),
    (Limit(number=10), 11, 0, True),
    (Limit(share=0.1), 100, 1_000, False),
    (Limit(share=0.1), 101, 1_000, True),
    (Limit(share=0.1), HANDFUL, 8, False),
    (Limit(share=0.1), HANDFUL + 1, 8, True),
    (Limit(number=3, share=0.1), 4, 8, True),
]


@pytest.mark.parametrize(("limit", "count", "linked", "expected"), LIMITS)
def test_a_limit_holds_from_the_next_one_on(limit, count, linked, expected):
    assert is_too_much(count, limit, linked) is expected


def test_a_source_that_lost_half_of_its_people_removes_nobody():
    job = job_of()
    plan = guard(planned(job, people(KEYS), people(KEYS[:20])), job.targets["app"], ())
    assert plan.changes == ()
    assert held(plan) == {GuardKind.DEACTIVATE: [("deactivate", key) for key in KEYS[20:]]}
    assert plan.held[0].limit == "more than 500 or 10% of 40 linked accounts in 24 h"


def test_other_kinds_go_on():
    job = limited(deactivate="{number: 1}")
    after = [*people(KEYS[:2]), person("p02", title="Boss"), person("new")]
    plan = guard(planned(job, people(KEYS[:6]), after), job.targets["app"], ())
    assert did(plan) == [("update", "p02"), ("create", "new")]
    assert held(plan) == {"deactivate": [("deactivate", "p03"), ("deactivate", "p04"), ("deactivate", "p05")]}


def test_all_or_nothing_stops_everything():
    job = limited(deactivate="{number: 1}")
    plan = guard(
        planned(job, people(KEYS[:4]), [*people(KEYS[:2]), person("new")]), job.targets["app"], (), all_or_nothing=True
    )
    assert plan.changes == ()
    assert held(plan) == {"deactivate": [("deactivate", "p02"), ("deactivate", "p03"), ("create", "new")]}


PAST = [
    ([Past("2026-01-31T07:00:00.000000Z", GuardKind.DEACTIVATE, 2)], True),
    ([Past("2026-01-30T08:00:00.000001Z", GuardKind.DEACTIVATE, 2)], True),
    ([Past("2026-01-30T08:00:00.000000Z", GuardKind.DEACTIVATE, 2)], False),
    ([Past("2026-01-31T07:00:00.000000Z", GuardKind.DELETE, 2)], False),
    ([], False),
]


@pytest.mark.parametrize(("history", "is_held"), PAST)
def test_runs_within_the_window_are_added_up(history, is_held):
    job = limited(deactivate="{number: 2, window: 24h}")
    plan = planned(job, people(KEYS[:3]), people(KEYS[:2]))
    assert plan.made == NOW
    assert bool(guard(plan, job.targets["app"], history).held) is is_held


def test_what_a_run_adds_to_the_history_is_what_the_guard_counts():
    before = [*people(KEYS[:4]), group("g", KEYS[:3], name="Team")]
    after = [person("p00", title="Boss"), *people(KEYS[1:3]), person("new"), group("g", [], name="Team")]
    plan = planned(job_of(SOURCE), before, after)
    assert counted(plan.changes) == {"update": 1, "create": 1, "deactivate": 1, "members": 3, "emptying": 1}


def test_who_is_not_switched_off_keeps_their_groups():
    job = limited(deactivate="{number: 1}")
    before = [*people(KEYS[:5]), group("g", KEYS[:5], name="Team")]
    after = [*people(KEYS[:3]), group("g", KEYS[:2], name="Team")]
    plan = guard(planned(job, before, after), job.targets["app"], ())
    assert did(plan) == [("members", "g")]
    assert plan.changes[0].removed == ("p02",)
    assert plan.held[0].changes[-1].removed == ("p03", "p04")


def test_who_is_not_created_is_in_no_group_and_nobodys_manager():
    job = limited(create="{number: 2}")
    after = [person("ada"), person("boss"), person("bo", manager="boss"), group("g", ["ada", "boss"], name="Team")]
    before = [person("ada"), group("g", ["ada"], name="Team"), person("bo")]
    plan = guard(planned(limited(create="{number: 0}"), before, []), job.targets["app"], ())
    assert plan.held == ()
    plan = guard(planned(job, before, after), limited(create="{number: 0}").targets["app"], ())
    assert did(plan) == []
    assert held(plan) == {"create": [("create", "boss"), ("update", "bo"), ("members", "g")]}


@pytest.mark.parametrize("limits", [{"members": "{number: 1}"}, {"emptying": "{number: 0}"}])
def test_memberships_that_end_are_held_and_new_ones_are_not(limits):
    job = limited(**limits)
    before = [*people(KEYS[:4]), group("g", KEYS[:2], name="Team"), group("h", [], name="Crew")]
    after = [*people(KEYS[:4]), group("g", [], name="Team"), group("h", KEYS[2:3], name="Crew")]
    plan = guard(planned(job, before, after), job.targets["app"], ())
    assert {change.key: (change.added, change.removed) for change in plan.changes} == {"h": (("p02",), ())}
    assert [change.removed for change in plan.held[0].changes] == [("p00", "p01")]


def test_a_released_kind_passes():
    job = limited(deactivate="{number: 1}")
    plan = planned(job, people(KEYS[:6]), people(KEYS[:2]))
    assert guard(plan, job.targets["app"], (), released={GuardKind.DEACTIVATE}) == plan


def test_a_first_load_passes_by_default():
    job = job_of(SOURCE)
    plan = Model().plan(job, desired_of(job, [*(person(k, manager="p00") for k in KEYS), group("g", KEYS, name="All")]))
    assert guard(plan, job.targets["app"], ()).held == ()
