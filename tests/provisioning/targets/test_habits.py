"""Each habit of a target, and what is made of it."""

import asyncio
from dataclasses import replace

import pytest

from headcount.provisioning.plan import Action
from headcount.provisioning.targets.errors import TargetError, UnreachableError
from headcount.provisioning.targets.steps import (
    Conflict,
    Done,
    Gone,
    Member,
    Moved,
    Refused,
    Step,
    Unknown,
    Unreachable,
)
from headcount.testing.simulated_target import Habits, SimulatedTarget
from simulated import carry_out, joiner, leaver, member_ids, new_group, person, regroup, run, those, update


def added(simulated, number):
    return [simulated.put("User", person()) for _ in range(number)]


@pytest.mark.parametrize("members", [100, 101, 250])
def test_members_come_in_batches_of_the_allowed_size(becomes, members):
    simulated = becomes(Habits(members_per_request=100, members_on_create=100, members_returned=False))
    ids = added(simulated, members)
    override = {"members": {"batch": 100, "onCreate": 100, "returned": False}}

    outcome = carry_out(simulated.url, new_group("Staff", *ids), override=override, connects=False)

    assert isinstance(outcome, Done)
    assert set(outcome.added) == set(ids) == member_ids(simulated.groups[0])
    assert len(simulated.requests) == -(-members // 100)


def test_one_member_whom_the_target_refuses_does_not_stop_the_others(becomes):
    simulated = becomes(Habits())
    ids = added(simulated, 20)
    group = simulated.put("Group", {"displayName": "Staff"})

    outcome = carry_out(simulated.url, regroup(group, [*ids[:7], "nobody", *ids[7:]]), connects=False)

    assert isinstance(outcome, Refused)
    assert "nobody" in outcome.reason
    assert set(outcome.so_far.added) == set(ids) == member_ids(simulated.groups[0])


@pytest.mark.parametrize("habit", ["put", "patch"])
def test_a_missing_method_is_replaced_by_the_other_one(becomes, habit):
    simulated = becomes(replace(Habits(), **{habit: False}))
    user = simulated.put("User", person(displayName="Ada"))
    override = {"users": {"update": habit}}

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Ada L.")), override=override)

    assert isinstance(outcome, Done)
    assert simulated.users[0]["displayName"] == "Ada L."


def test_a_put_that_answers_404_for_want_of_the_method_makes_nobody_gone(becomes):
    simulated = becomes(Habits(put=False, patch=False, missing_as_html=True))
    user = simulated.put("User", person(displayName="Ada"))

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve")), connects=False)

    assert isinstance(outcome, Refused)
    assert len(simulated.users) == 1


def test_a_put_keeps_what_the_step_says_nothing_of(becomes):
    simulated = becomes(Habits(patch=False))
    user = simulated.put("User", person(displayName="Ada", title="Countess", nickName="Al"))

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve"), ("nickName", "Al", None)))

    assert isinstance(outcome, Done)
    assert simulated.users[0]["title"] == "Countess"
    assert "nickName" not in simulated.users[0]


def test_a_group_that_can_only_be_replaced_is_not_emptied_when_its_members_are_hidden(becomes):
    simulated = becomes(Habits(patch=False, members_returned=False))
    ids = added(simulated, 3)
    group = simulated.put("Group", {"displayName": "Staff", "members": [{"value": item} for item in ids[:2]]})
    override = {"members": {"returned": False}}

    blind, told = carry_out(
        simulated.url,
        regroup(group, added=ids[2:]),
        regroup(group, added=ids[2:], members=those(ids)),
        override=override,
    )

    assert isinstance(blind, Refused)
    assert isinstance(told, Done)
    assert member_ids(simulated.groups[0]) == set(ids)


@pytest.mark.parametrize("after", ["0", "date"])
def test_a_storm_of_429_is_waited_out(becomes, after):
    simulated = becomes(Habits(storm=4, retry_after=after))

    outcome = carry_out(simulated.url, joiner(), connects=False)

    assert isinstance(outcome, Done)
    assert [request.status for request in simulated.requests] == [429, 429, 429, 429, 201]


def test_a_target_that_wants_more_patience_than_there_is_is_left_alone_until_then(becomes):
    simulated = becomes(Habits(storm=1, retry_after="3600"))

    outcome = carry_out(simulated.url, joiner(), connects=False)

    assert isinstance(outcome, Refused)
    assert (outcome.status, outcome.retry_after) == (429, 3600.0)
    assert len(simulated.requests) == 1


@pytest.mark.parametrize("habit", ["lost_responses", "failing_after_success"])
def test_a_create_whose_answer_is_lost_is_found_and_not_repeated(becomes, habit):
    simulated = becomes(replace(Habits(), **{habit: 1.0}))

    outcome = carry_out(simulated.url, joiner(), connects=False)

    assert isinstance(outcome, Done)
    assert [user["id"] for user in simulated.users] == [outcome.target_id]
    assert simulated.counted("POST") == 1


def test_a_lost_create_is_unknown_where_neither_lookup_nor_uniqueness_tells(becomes):
    simulated = becomes(Habits(lost_responses=1.0, unique_names=False, lag=50))
    step = joiner()

    async def action(target):
        outcome = await target.carry_out(step)
        early = await target.settle(step)
        simulated.become_quiet()
        return outcome, early, await target.settle(step)

    outcome, early, late = run(simulated.url, action, override={"users": {"unique": []}, "settle": 30}, connects=False)

    assert isinstance(outcome, Unknown)
    assert outcome.settle_after == 30
    assert isinstance(early, Refused)
    assert isinstance(late, Done)
    assert len(simulated.users) == 1


def test_a_lost_create_is_repeated_where_the_target_keeps_names_unique(becomes):
    simulated = becomes(Habits(lost_requests=0.5), seed=3)

    outcome = carry_out(simulated.url, joiner(), connects=False)

    assert isinstance(outcome, Done)
    assert len(simulated.users) == 1
    assert simulated.counted("POST") > 1


def test_a_change_whose_answer_is_lost_is_done_when_a_read_shows_it(becomes):
    simulated = becomes(Habits(lost_responses=1.0))
    user = simulated.put("User", person(displayName="Ada"))

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve")), connects=False)

    assert isinstance(outcome, Done)
    assert outcome.resource["displayName"] == "Eve"


def test_a_conditional_change_that_is_repeated_is_not_taken_for_somebody_elses(becomes):
    simulated = becomes(Habits(failing_after_success=0.5, etags=True), seed=1)
    user = simulated.put("User", person(displayName="Ada"))

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve"), version='W/"1"'))

    assert isinstance(outcome, Done)
    assert [request.status for request in simulated.requests if request.method == "PATCH"][-2:] == [500, 412]


def test_what_somebody_else_changed_is_moved(becomes):
    simulated = becomes(Habits(etags=True))
    user = simulated.put("User", person(displayName="Ada"))
    simulated.change("User", user, title="Countess")

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve"), version='W/"1"'))

    assert isinstance(outcome, Moved)
    assert outcome.current.resource["title"] == "Countess"
    assert simulated.users[0]["displayName"] == "Ada"


@pytest.mark.parametrize("action", [Action.DELETE, Action.DEACTIVATE])
def test_nobody_is_removed_who_is_somebody_else_by_now(becomes, action):
    simulated = becomes(Habits())
    user = simulated.put("User", person(userName="ada@example.com"))
    simulated.change("User", user, userName="eve@example.com")

    outcome = carry_out(simulated.url, leaver(user, action, expected={"userName": "ada@example.com"}))

    assert isinstance(outcome, Moved)
    assert simulated.users[0]["active"] is True


def test_a_group_is_not_emptied_when_it_is_another_one_by_now(becomes):
    simulated = becomes(Habits())
    [user] = added(simulated, 1)
    group = simulated.put("Group", {"displayName": "Finance", "members": [{"value": user}]})

    outcome = carry_out(simulated.url, regroup(group, removed=[user], empties=True, expected={"displayName": "Guests"}))

    assert isinstance(outcome, Moved)
    assert member_ids(simulated.groups[0]) == {user}


def test_who_is_gone_is_said_to_be_gone_and_a_second_delete_is_done(becomes):
    simulated = becomes(Habits())
    user = simulated.put("User", person())
    simulated.remove("User", user)

    change, delete = carry_out(simulated.url, update(user, ("title", None, "Boss")), leaver(user))

    assert isinstance(change, Gone)
    assert isinstance(delete, Done)
    assert delete.note == "was gone already"


def test_what_was_created_a_moment_ago_is_not_taken_for_gone(becomes):
    simulated = becomes(Habits(lag=50))

    async def action(target):
        created = await target.carry_out(joiner())
        simulated.remove("User", created.target_id)
        return await target.carry_out(update(created.target_id, ("title", None, "Boss")))

    assert isinstance(run(simulated.url, action, connects=False), Unknown)


def test_a_conflict_names_who_has_the_value(becomes):
    simulated = becomes(Habits())
    ada = simulated.put("User", person(userName="ada@example.com"))
    eve = simulated.put("User", person(userName="eve@example.com"))

    create, rename = carry_out(
        simulated.url,
        joiner(person(userName="Ada@example.com")),
        update(eve, ("userName", "eve@example.com", "ada@example.com")),
    )

    for outcome in (create, rename):
        assert isinstance(outcome, Conflict)
        assert [record.id for record in outcome.candidates] == [ada]


def test_an_adoption_writes_only_what_differs(becomes):
    simulated = becomes(Habits())
    ada = person(displayName="Ada")
    user = simulated.put("User", {**ada, "displayName": "A.", "nickName": "Al"})
    step = Step(Action.ADOPT, "User", "ada", target_id=user, resource=ada)

    first, second = carry_out(simulated.url, step, step)

    assert isinstance(first, Done)
    assert second.note == "has everything already"
    patches = [request.body["Operations"] for request in simulated.requests if request.method == "PATCH"]
    assert patches[-1] == [{"op": "replace", "path": "displayName", "value": "Ada"}]
    assert simulated.users[0]["nickName"] == "Al"


@pytest.mark.parametrize("filters", ["heeded", "ignored", "refused"])
def test_a_lookup_gives_only_whom_it_asks_for(becomes, filters):
    simulated = becomes(Habits(filters=filters, count_refused=True, largest_page=3))
    ids = [simulated.put("User", person(userName=f"u{number}@example.com")) for number in range(10)]

    async def action(target):
        names = ["U7@example.com", "nobody@example.com", "u1@example.com"]
        return [[record.id for record in await target.find("User", "userName", name)] for name in names]

    assert run(simulated.url, action) == [[ids[7]], [], [ids[1]]]


def test_lookups_without_filters_read_everybody_once_and_know_what_was_done_since(becomes):
    simulated = becomes(Habits(filters="ignored"))
    old, leaving = added(simulated, 2)
    names = {user["id"]: user["userName"] for user in simulated.users}

    async def action(target):
        await target.find("User", "userName", names[old])
        new = (await target.carry_out(joiner(person(userName="new@example.com")))).target_id
        await target.carry_out(update(old, ("userName", names[old], "renamed@example.com")))
        await target.carry_out(leaver(leaving))
        reads = simulated.counted("GET", "/Users")
        asked = ["new@example.com", "renamed@example.com", names[old], names[leaving]]
        found = await asyncio.gather(*(target.find("User", "userName", name) for name in asked))
        return new, [[record.id for record in records] for records in found], simulated.counted("GET", "/Users") - reads

    new, found, reads = run(simulated.url, action)

    assert found == [[new], [old], [], []]
    assert reads == 0


@pytest.mark.parametrize(
    "habits", [Habits(largest_page=3), Habits(largest_page=3, cursors=True)], ids=["index", "cursor"]
)
def test_a_list_goes_on_to_its_end(becomes, habits):
    simulated = becomes(habits)
    ids = added(simulated, 10)

    async def action(target):
        return [record.id async for record in target.everything("User")]

    assert run(simulated.url, action) == ids


def test_a_list_that_ends_too_early_is_an_error(becomes):
    simulated = becomes(Habits(largest_page=3, start_ignored=True))
    added(simulated, 10)

    async def action(target):
        return [record.id async for record in target.everything("User")]

    with pytest.raises(TargetError, match="ended after 3 of 10"):
        run(simulated.url, action)


def test_a_target_that_cannot_be_listed_to_the_end_finds_nobody_by_mistake(becomes):
    simulated = becomes(Habits(filters="ignored", largest_page=3, start_ignored=True))
    added(simulated, 10)

    with pytest.raises(TargetError):
        run(simulated.url, lambda target: target.find("User", "userName", "new@example.com"))


@pytest.mark.parametrize(
    ("habits", "finding"),
    [
        (Habits(filters="ignored"), "It ignores filters."),
        (Habits(filters="refused"), "It refuses filters."),
        (Habits(count_refused=True), "It refuses count."),
        (Habits(count_fails=True), "It refuses count."),
        (Habits(put=False), "Users have no PUT."),
        (Habits(group_put=False), "Groups have no PUT."),
        (Habits(put=False, missing_as_html=True), "Users have no PUT."),
    ],
)
def test_probing_finds_what_is_not_said(becomes, habits, finding):
    simulated = becomes(habits)
    before = added(simulated, 2)

    async def action(target):
        return target.findings

    assert finding in run(simulated.url, action)
    assert [user["id"] for user in simulated.users] == before


def test_a_target_without_bad_habits_has_no_findings(becomes):
    simulated = becomes(Habits())
    added(simulated, 2)

    async def action(target):
        return target.findings

    assert run(simulated.url, action) == ()


def test_an_external_id_that_is_kept_back_is_noticed_with_the_first_create(becomes):
    simulated = becomes(Habits(external_id_returned=False))

    async def action(target):
        await target.carry_out(joiner())
        return target.findings

    assert run(simulated.url, action) == ("It never returns externalId.",)


@pytest.mark.parametrize(
    "habits",
    [
        Habits(html_errors=True),
        Habits(html_errors=True, put=False, missing_as_html=True),
        Habits(html_errors=True, bulk=10),
    ],
)
def test_a_page_of_html_teaches_nothing(becomes, habits):
    simulated = becomes(habits)
    user = simulated.put("User", person(displayName="Ada"))
    group = simulated.put("Group", {"displayName": "Staff"})

    async def action(target):
        outcomes = [
            await target.carry_out(regroup(group, ["nobody"])),
            await target.carry_out(update(user, ("displayName", "Ada", "Ada L."))),
            await target.carry_out(regroup(group, [user])),
        ]
        return outcomes, target.findings

    outcomes, findings = run(simulated.url, action)

    assert [type(outcome) for outcome in outcomes] == [Refused, Done, Done]
    assert findings == ()


def test_a_change_that_is_answered_with_a_page_is_refused_and_says_what_to_do(becomes):
    simulated = becomes(Habits(patch=False, missing_as_html=True, html_errors=True))
    user = simulated.put("User", person(displayName="Ada"))

    outcome = carry_out(simulated.url, update(user, ("displayName", "Ada", "Eve")), connects=False)

    assert isinstance(outcome, Refused)
    assert "If it has no PATCH, say so" in outcome.reason


def test_filters_that_are_refused_by_a_page_are_done_without(becomes):
    simulated = becomes(Habits(filters="refused", html_errors=True))
    ids = added(simulated, 2)
    name = simulated.users[1]["userName"]

    async def action(target):
        return [record.id for record in await target.find("User", "userName", name)], target.findings

    assert run(simulated.url, action) == ([ids[1]], ())


def test_a_human_knows_better_than_what_is_seen(becomes):
    simulated = becomes(Habits(put=False, filters="ignored"))

    async def action(target):
        return target.profile

    profile = run(simulated.url, action, override={"filters": True, "users": {"put": True}})
    assert (profile.filters, profile.users.put, profile.groups.put) == (True, True, False)


def test_a_value_that_the_target_keeps_in_spite_of_its_success_is_refused(becomes):
    simulated = becomes(Habits(keeps_names=True))
    user = simulated.put("User", person(userName="ada@example.com"))

    outcome = carry_out(simulated.url, update(user, ("userName", "ada@example.com", "eve@example.com")))

    assert isinstance(outcome, Refused)
    assert "userName" in outcome.reason


def test_a_normalised_value_is_done_and_told(becomes):
    simulated = becomes(Habits(normalises=True))

    outcome = carry_out(simulated.url, joiner(person(userName="Ada@Example.com")))

    assert isinstance(outcome, Done)
    assert outcome.resource["userName"] == "ada@example.com"


def test_a_refusal_in_html_is_put_into_words(becomes):
    simulated = becomes(Habits(html_errors=True))
    simulated.put("User", person(userName="ada@example.com"))

    outcome = carry_out(simulated.url, new_group("Staff", "nobody"))

    assert isinstance(outcome, Refused)
    assert "404 Not today" in outcome.reason
    assert "<" not in outcome.reason


def test_wrong_credentials_make_the_target_unreachable():
    with SimulatedTarget(token="right").running() as simulated:
        outcome = carry_out(simulated.url, joiner(), connects=False)
        assert isinstance(outcome, Unreachable)
        with pytest.raises(UnreachableError, match="credentials"):
            carry_out(simulated.url, joiner())


def test_a_target_that_is_not_there_is_unreachable():
    with SimulatedTarget().running() as simulated:
        pass

    outcome = carry_out(simulated.url, joiner(), connects=False)

    assert isinstance(outcome, Unreachable)
    assert outcome.so_far is None


def test_several_steps_travel_in_one_bulk_request(becomes):
    simulated = becomes(Habits(bulk=100))
    user = simulated.put("User", person(displayName="Ada"))
    taken = person(userName="taken@example.com")
    simulated.put("User", taken)
    steps = [*(joiner() for _ in range(20)), update(user, ("displayName", "Ada", "Eve")), joiner(taken)]

    outcomes = run(simulated.url, lambda target: target.carry_out_together(steps))

    assert [type(outcome) for outcome in outcomes] == [Done] * 21 + [Conflict]
    assert len(simulated.users) == 22
    assert [user["displayName"] for user in simulated.users if user["id"] == outcomes[20].target_id] == ["Eve"]
    assert (simulated.counted("POST", "/Bulk"), simulated.counted("POST", "/Users")) == (1, 1)


def test_a_lost_bulk_request_makes_nobody_twice(becomes):
    simulated = becomes(Habits(bulk=100, lost_responses=1.0))
    steps = [joiner() for _ in range(5)]

    outcomes = run(simulated.url, lambda target: target.carry_out_together(steps))

    assert [type(outcome) for outcome in outcomes] == [Done] * 5
    assert len(simulated.users) == 5


@pytest.mark.parametrize("action", [Action.REVIEW, Action.PARK])
def test_what_no_target_is_asked_to_do_is_an_error_of_the_caller(becomes, action):
    simulated = becomes(Habits())

    with pytest.raises(ValueError, match=action):
        carry_out(simulated.url, Step(action, "User", "ada"), connects=False)


def test_an_estimate_counts_the_requests_that_are_sent(becomes):
    simulated = becomes(Habits())
    ids = added(simulated, 250)
    group = simulated.put("Group", {"displayName": "Staff"})
    steps = [joiner(), update(ids[0], ("title", None, "Boss")), regroup(group, ids), leaver(ids[1])]
    override = {"members": {"batch": 100}, "budgets": [{"requests": 2, "seconds": 1, "burst": 1}]}

    async def action(target):
        estimated = target.estimate(steps)
        for step in steps:
            await target.carry_out(replace(step, action=step.action))
        return estimated, target.tally

    (requests, _), tally = run(simulated.url, action, override={"members": {"batch": 100}}, connects=False)
    assert (requests, tally.requests, tally.retries) == (6, 6, 0)
    (_, seconds), _ = run(
        simulated.url, lambda target: estimated_only(target, steps), override=override, connects=False
    )
    assert seconds == (6 + 1 - 1) / 2


async def estimated_only(target, steps):
    return target.estimate(steps), None


def test_a_group_inside_a_group_is_sent_with_its_type(becomes):
    simulated = becomes(Habits())
    inner, outer = (simulated.put("Group", {"displayName": name}) for name in ("Inner", "Outer"))
    step = replace(regroup(outer), added=(Member(inner, "Group"),))

    assert isinstance(carry_out(simulated.url, step, connects=False), Done)
    [operation] = simulated.requests[0].body["Operations"]
    assert operation["value"] == [{"value": inner, "type": "Group"}]
