"""Runs of a job against a simulated target: joiners, movers, leavers, and everything that may stand in the way."""

from collections import Counter

import pytest

from headcount.provisioning.ledger import Status
from headcount.provisioning.plan import Action
from headcount.provisioning.runs import Run
from headcount.testing.simulated_target import Habits, SimulatedTarget
from syncing import World, briefly, done, groups_at, one, people_at, person

STAFF = [
    person(number, manager="1" if number > 1 else "", teams="All;Red" if number % 2 else "All")
    for number in range(1, 9)
]


@pytest.fixture(scope="module")
def server():
    with SimulatedTarget().running() as target:
        yield target


@pytest.fixture
def target(server):
    server.become(Habits())
    return server


@pytest.fixture
def world(tmp_path, target):
    """Eight people, all of them provisioned already."""
    world = World(tmp_path)
    world.describe(target.url)
    world.write(*STAFF)
    assert done(world.run()) == {"create": 10, "update": 7}
    return world


def without(*numbers):
    return [one for one in STAFF if one["number"] not in map(str, numbers)]


def test_a_first_run_makes_accounts_groups_and_managers(world, target):
    assert people_at(target) == {f"p{number}@example.com": (True, "Employee") for number in range(1, 9)}
    assert groups_at(target) == {
        "All": {f"p{number}@example.com" for number in range(1, 9)},
        "Red": {f"p{number}@example.com" for number in (1, 3, 5, 7)},
    }
    ids = {user["userName"]: user["id"] for user in target.users}
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    assert {user.get(enterprise, {}).get("manager", {}).get("value") for user in target.users[1:]} == {
        ids["p1@example.com"]
    }


class Counting:
    """A store that counts what is put into the collections of a ledger."""

    def __init__(self, store, counts):
        self._store = store
        self._counts = counts

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def put(self, puts):
        self._counts.update(part for put in puts for part in put.collection.split("/") if part in PARTS)
        await self._store.put(puts)


PARTS = ("links", "begun", "outcomes", "intents", "parked", "reviews")


def test_changes_that_travel_together_have_one_entry_that_they_begin_and_one_of_what_became_of_them(tmp_path, server):
    server.become(Habits(bulk=100))
    world, counts = World(tmp_path), Counter()
    world.describe(("app", f'{{type: scim, url: "{server.url}", concurrency: 1, groups: false}}'))
    world.write(*[person(number) for number in range(1, 41)])
    world.wrap = lambda store: Counting(store, counts)
    assert done(world.run()) == {"create": 40}
    assert counts == {"links": 40, "begun": 2, "outcomes": 2}


def test_the_next_plan_is_empty(world):
    plan = world.plan()
    assert (plan.changes, plan.held, plan.unchanged) == ((), (), 10)


def test_joiners_movers_leavers_and_a_new_name(world, target):
    rows = [dict(one) for one in without(4, 6)]
    rows[1] |= {"email": "married@example.com", "last": "Byron"}
    rows[2] |= {"teams": "All"}
    world.write(*rows, person(9, teams="All;Red"))
    plan = world.plan()
    assert briefly(plan.changes) == [
        ("create", "9"),
        ("deactivate", "4"),
        ("deactivate", "6"),
        ("members", "teams=All"),
        ("members", "teams=Red"),
        ("update", "2"),
    ]
    assert done(world.run()) == {"create": 1, "update": 1, "deactivate": 2, "members": 2}
    people = people_at(target)
    assert "p2@example.com" not in people
    assert people["married@example.com"] == (True, "Employee")
    assert {name for name, (active, _) in people.items() if not active} == {"p4@example.com", "p6@example.com"}
    assert groups_at(target)["Red"] == {f"p{number}@example.com" for number in (1, 5, 7, 9)}
    assert "p4@example.com" not in groups_at(target)["All"]
    assert world.plan().changes == ()


def test_who_comes_back_gets_the_same_account(world, target):
    before = {user["userName"]: user["id"] for user in target.users}
    world.write(*without(8))
    assert done(world.run())["deactivate"] == 1
    world.write(*STAFF)
    assert briefly(world.plan().changes) == [("members", "teams=All"), ("reactivate", "8")]
    assert done(world.run()) == {"reactivate": 1, "members": 1}
    assert {user["userName"]: user["id"] for user in target.users} == before
    assert people_at(target)["p8@example.com"] == (True, "Employee")
    assert world.plan().changes == ()


def test_a_leaver_is_deleted_when_the_time_has_come_and_not_before(world, target):
    world.describe(target.url, more="policies: {leaver: {deactivate-then-delete: 30d}}")
    world.write(*without(8))
    world.run()
    world.later(days=29)
    assert world.run().plan.changes == ()
    world.later(days=2)
    assert done(world.run()) == {"delete": 1}
    assert "p8@example.com" not in people_at(target)
    assert world.plan().changes == ()


def test_a_run_sends_one_request_for_each_person_who_changed(world, target):
    rows = [dict(one, title="Senior") if one["number"] in ("2", "3") else one for one in STAFF]
    world.write(*rows)
    report = world.run()
    assert done(report) == {"update": 2}
    assert report.requests["requests"] == 2
    assert report.requests["retries"] == 0


def test_an_empty_source_removes_nobody(world, target):
    world.write()
    report = world.run()
    assert done(report) == {}
    assert any("nobody" in warning or "none of them" in warning for warning in report.warnings)
    assert all(active for active, _ in people_at(target).values())


def test_a_source_that_cannot_be_read_removes_nobody(world, target):
    (world.folder / "people.csv").write_bytes(b'number,email\n1,"never closed')
    with pytest.raises(Exception, match="no CSV"):
        world.run()
    assert all(active for active, _ in people_at(target).values())


def test_a_line_whose_owner_is_unknown_removes_nobody(world, target):
    world.write(*without(8), {**person(8), "number": ""})
    report = world.run()
    assert done(report) == {}
    assert "nobody knows whose they are" in report.warnings[0]


def test_a_line_that_is_broken_leaves_its_owner_alone(world, target):
    text = (world.folder / "people.csv").read_text()
    (world.folder / "people.csv").write_text(text.replace("8,p8@example.com,First8", "8,p8@example.com"))
    report = world.run()
    assert report.applied.counts == {}
    assert briefly(report.plan.changes) == [("park", "8")]
    assert people_at(target)["p8@example.com"][0]


def test_many_leavers_are_held_while_the_rest_goes_on_and_released_for_a_reason(world, target):
    world.write(*without(1, 2, 3, 4, 5, 6), person(9))
    report = world.run()
    assert report.exit_code == 3
    held = report.plan.held[0]
    assert (held.kind, held.count) == ("deactivate", 6)
    people = people_at(target)
    assert people["p9@example.com"] == (True, "Employee")
    assert all(active for active, _ in people.values())
    assert world.plan().held

    release = world.command(lambda jobs: jobs.release(str(world.folder / "hr.yaml"), "app", ()))
    assert release.over == []
    reports = world.command(lambda jobs: jobs.apply(release.planned.name, released_because="the office closes"))
    assert one(reports).exit_code == 0
    assert sum(not active for active, _ in people_at(target).values()) == 6
    last = world.ledger(lambda ledger: ledger.runs(1))[0]
    assert (last["kind"], last["note"]) == ("release", "the office closes")
    plan = world.plan()
    assert (plan.changes, plan.held) == ((), ())


def test_the_guard_adds_runs_up(world, target):
    world.write(*without(1, 2, 3))
    assert world.run().exit_code == 0
    world.write(*without(1, 2, 3, 4, 5, 6))
    held = world.run()
    assert (held.exit_code, held.plan.held[0].count) == (3, 6)
    world.later(hours=25)
    assert world.run().exit_code == 0


def test_all_or_nothing_holds_everything(world, target):
    world.write(*without(1, 2, 3, 4, 5, 6), person(9))
    report = world.run(all_or_nothing=True)
    assert report.exit_code == 3
    assert report.plan.changes == ()
    assert "p9@example.com" not in people_at(target)


def test_a_name_that_the_target_says_is_taken_waits_for_a_human(world, target):
    target.put("User", {"userName": "taken@example.com", "externalId": "someone-else", "active": True})
    rows = [dict(one, email="taken@example.com") if one["number"] == "3" else one for one in STAFF]
    world.write(*rows, person(9))
    report = world.run()
    assert report.applied.actions == {Action.CREATE: 1, Action.MEMBERS: 1}
    assert [(change.key, status) for change, status, _ in report.applied.problems] == [("3", Status.CONFLICT)]
    sent = len(target.requests)
    again = world.run()
    assert briefly(again.plan.changes) == [("park", "3")]
    assert changes_since(target, sent) == []
    job = str(world.folder / "hr.yaml")
    assert [row["isConflict"] for row in world.command(lambda jobs: jobs.reviews(job))] == [True]


def test_a_refused_record_waits_for_its_own_clock_or_for_another_record(tmp_path, target):
    target.become(Habits(elements=0))
    world = World(tmp_path)
    phone = 'phoneNumbers[type eq "work"].value: {cel: record.title}\n'
    world.describe(target.url)
    world.text = world.text.replace("  title: ", "  " + phone + "  title: ")
    world.write(person(1, title=""), person(2, title="555"))
    report = world.run()
    assert [(change.key, status) for change, status, _ in report.applied.problems] == [("2", Status.REFUSED)]
    assert people_at(target).keys() == {"p1@example.com"}
    sent = len(target.requests)
    world.later(minutes=14)
    assert briefly(world.run().plan.changes) == [("park", "2")]
    assert changes_since(target, sent) == []
    world.later(minutes=2)
    assert [change.key for change, _, _ in world.run().applied.problems] == ["2"]
    world.later(minutes=16)
    assert briefly(world.run().plan.changes) == [("park", "2")]  # the second time it waits twice as long
    world.write(person(1, title=""), person(2, title=""))
    assert done(world.run()) == {"create": 1, "members": 1}
    assert world.ledger(lambda ledger: ledger.parked()) == {}


def test_a_saved_plan_skips_what_has_moved_and_does_the_rest(world, target):
    job = str(world.folder / "hr.yaml")
    rows = [dict(one, title="Senior") if one["number"] in ("2", "3") else one for one in STAFF]
    world.write(*rows)
    planned = world.command(lambda jobs: jobs.plan(job))
    rows[1]["title"] = "Principal"
    world.write(*rows)

    strict = one(world.command(lambda jobs: jobs.apply(planned.name, is_strict=True)))
    assert strict.exit_code == 1
    assert people_at(target)["p3@example.com"] == (True, "Employee")

    applied = one(world.command(lambda jobs: jobs.apply(planned.name))).applied
    assert applied.actions == {Action.UPDATE: 1}
    assert [(change.key, status) for change, status, _ in applied.problems] == [("2", Status.MOVED)]
    assert people_at(target)["p3@example.com"] == (True, "Senior")
    assert done(world.run()) == {"update": 1}
    assert people_at(target)["p2@example.com"] == (True, "Principal")


def test_applying_a_plan_twice_equals_applying_it_once(world, target):
    job = str(world.folder / "hr.yaml")
    world.write(*without(8), person(9))
    planned = world.command(lambda jobs: jobs.plan(job))
    once = one(world.command(lambda jobs: jobs.apply(planned.name)))
    after, sent = target.users, len(target.requests)
    twice = one(world.command(lambda jobs: jobs.apply(planned.name)))
    assert once.applied.counts == twice.applied.counts
    assert target.users == after
    assert changes_since(target, sent) == []


def test_a_plan_is_not_applied_for_another_version_of_the_job_or_after_a_day(world, target):
    job = str(world.folder / "hr.yaml")
    world.write(*STAFF, person(9))
    planned = world.command(lambda jobs: jobs.plan(job))
    world.describe(target.url, more="description: changed")
    assert "has changed" in one(world.command(lambda jobs: jobs.apply(planned.name))).failure
    world.describe(target.url)
    world.later(hours=25)
    assert "expired" in one(world.command(lambda jobs: jobs.apply(planned.name))).failure
    assert "p9@example.com" not in people_at(target)


def test_somebody_who_vanished_at_the_target_is_made_anew(world, target):
    gone = next(user["id"] for user in target.users if user["userName"] == "p3@example.com")
    target.remove("User", gone)
    rows = [dict(one, title="Senior") if one["number"] == "3" else one for one in STAFF]
    world.write(*rows)
    first = world.run()
    assert [(change.key, status) for change, status, _ in first.applied.problems] == [("3", Status.GONE)]
    assert world.run().applied.actions[Action.CREATE] == 1
    assert people_at(target)["p3@example.com"] == (True, "Senior")
    assert world.plan().changes == ()


def test_one_dead_target_never_stops_the_others_and_ends_in_quarantine(world, target):
    dead = "http://127.0.0.1:9/scim/v2"
    world.describe(target.url, dead)
    for _ in range(3):
        world.write(*STAFF, person(9))
        alive, gone = world.do(lambda runs: runs.run((), Run("run")))
        assert alive.exit_code == 0
        assert gone.exit_code == 1
    assert "p9@example.com" in people_at(target)
    _, gone = world.do(lambda runs: runs.run((), Run("run")))
    assert gone.failure.startswith("quarantined until 2026-03-02T08:15:00Z after 3 failures")
    world.later(minutes=16)
    _, gone = world.do(lambda runs: runs.run((), Run("run")))
    assert not gone.failure.startswith("quarantined")
    _, gone = world.do(lambda runs: runs.run((), Run("run")))
    assert gone.failure.startswith("quarantined until 2026-03-02T08:46:00Z after 4 failures")
    world.command(lambda jobs: jobs.restart(str(world.folder / "hr.yaml"), ["app1"]))
    _, gone = world.do(lambda runs: runs.run((), Run("run")))
    assert not gone.failure.startswith("quarantined")


def test_one_run_at_a_time(world):
    async def both(runs):
        assert await runs.store.lease("sync/hr/app", "another machine", seconds=60)
        return await runs.run((), Run("run"))

    assert one(world.do(both)).failure == "another run is under way"


def test_an_account_that_is_there_already_is_adopted_by_a_rule_that_may(world, target):
    target.put("User", {"userName": "p9@example.com", "active": True, "title": "Old"})
    world.write(*STAFF, person(9))
    report = world.run()
    assert done(report)["adopt"] == 1
    assert len(target.users) == 9
    assert people_at(target)["p9@example.com"] == (True, "Employee")
    assert world.plan().changes == ()


def test_what_is_ambiguous_waits_for_a_human(world, target):
    mine = target.put("User", {"userName": "p9@example.com", "active": True, "externalId": "old"})
    target.put("User", {"userName": "other@example.com", "active": True, "externalId": "9"})
    world.write(*STAFF, person(9))
    report = world.run()
    assert [change.key for change in report.plan.changes if change.action is Action.REVIEW] == ["9"]
    assert len(target.users) == 10
    job = str(world.folder / "hr.yaml")
    waiting = world.command(lambda jobs: jobs.reviews(job))
    assert [(row["key"], sorted(one["userName"] for one in row["candidates"])) for row in waiting] == [
        ("9", ["other@example.com", "p9@example.com"])
    ]
    assert briefly(world.plan().changes) == [("review", "9")]
    world.command(lambda jobs: jobs.decide(job, "app", "9", "link", mine))
    assert done(world.run())["adopt"] == 1
    assert world.command(lambda jobs: jobs.reviews(job)) == []
    assert world.plan().changes == ()
    assert {user["externalId"] for user in target.users if user["id"] == mine} == {"9"}


def test_one_person_at_once(world, target):
    rows = [dict(one, title="Senior") if one["number"] in ("2", "3") else one for one in STAFF]
    world.write(*rows)
    job = str(world.folder / "hr.yaml")
    report = one(world.command(lambda jobs: jobs.now(job, "2")))
    assert done(report) == {"update": 1}
    assert report.trace[0] == "read: 1 record"
    assert '      title : "Employee" → "Senior"' in report.trace
    assert report.trace[-1] == "update p2@example.com: done"
    [patch] = [exchange for exchange in report.exchanges if exchange.path.startswith("/Users/id-")]
    assert (patch.method, patch.status, patch.milliseconds > 0) == ("PATCH", 200, True)
    assert "Senior" in patch.sent
    assert "Senior" in patch.received
    assert f"  PATCH {patch.path} → 200, " in report.in_words()
    assert patch.sent not in report.in_words()
    assert f"    > {patch.sent}" in report.in_words(with_bodies=True)
    assert people_at(target)["p2@example.com"] == (True, "Senior")
    assert people_at(target)["p3@example.com"] == (True, "Employee")
    assert briefly(world.plan().changes) == [("update", "3")]


def test_explain_tells_everything_about_one_person(world):
    rows = [dict(one, title="Senior") if one["number"] == "2" else one for one in STAFF]
    world.write(*rows)
    found = world.command(lambda jobs: jobs.explain(str(world.folder / "hr.yaml"), "2"))
    there = found.as_json()["targets"]["app"]
    assert found.as_json()["record"]["place"] == "line 3"
    assert there["inScope"] is True
    assert there["values"]["title"] == "Senior"
    assert there["link"]["known"]["title"] == "Employee"
    assert [change["action"] for change in there["changes"]] == ["update"]
    assert "would update: changed: title" in found.in_words()


def test_a_target_is_left_with_its_accounts_switched_off_or_as_they_are(world, target):
    job = str(world.folder / "hr.yaml")
    report = world.command(lambda jobs: jobs.detach(job, "app", disables=True))
    assert report.exit_code == 0
    assert not any(active for active, _ in people_at(target).values())
    assert "detached" in world.run().failure
    world.command(lambda jobs: jobs.restart(job, ["app"]))
    assert done(world.run())["adopt"] == 10
    assert world.command(lambda jobs: jobs.detach(job, "app", disables=False)).exit_code == 0
    assert all(active for active, _ in people_at(target).values())
    assert world.command(lambda jobs: jobs.status(job))[0]["persons"] == 0


class Probing:
    """How often a target was probed: its methods are asked of ids that nobody has."""

    def __init__(self, target):
        self._target = target
        self._before = 0
        self.again()

    def again(self):
        probes = sum(item.path.startswith("/Users/headcount-probe") for item in self._target.requests)
        is_probed, self._before = probes > self._before, probes
        return is_probed


def test_a_target_is_probed_once_a_day_and_when_it_has_changed(world, target):
    probing = Probing(target)
    job = str(world.folder / "hr.yaml")
    for happens, is_probed in (
        (lambda: None, False),
        (lambda: world.later(hours=25), True),
        (lambda: world.later(hours=23), False),
        (lambda: target.take_on(etags=True), True),
        (lambda: None, False),
        (lambda: world.describe(("app", f'{{type: scim, url: "{target.url}", capabilities: {{count: false}}}}')), True),
        (lambda: world.command(lambda jobs: jobs.check(job)), True),
        (lambda: world.command(lambda jobs: jobs.restart(job, ["app"])), True),
    ):
        happens()
        world.plan()
        assert probing.again() is is_probed, happens


def test_what_was_learned_on_the_way_is_known_to_the_next_run_and_a_human_knows_better(world, target):
    target.take_on(group_patch=False)
    in_red, not_in_red = (person(2, manager="1", teams=teams) for teams in ("All;Red", "All"))
    for row, methods in ((in_red, ["PATCH", "GET", "PUT"]), (not_in_red, ["GET", "PUT"])):
        world.write(STAFF[0], row, *STAFF[2:])
        sent = len(target.requests)
        assert done(world.run()) == {"members": 1}
        assert [item.method for item in target.requests[sent:] if item.path.startswith("/Groups/id-")] == methods
    world.describe(("app", f'{{type: scim, url: "{target.url}", capabilities: {{groups: {{put: false}}}}}}'))
    world.write(STAFF[0], in_red, *STAFF[2:])
    assert world.run().applied.problems[0][2] == "The target changes nothing: it has neither PATCH nor PUT."


def test_drift_and_orphans_are_told_and_left_alone(world, target):
    job = str(world.folder / "hr.yaml")
    drifted = next(user["id"] for user in target.users if user["userName"] == "p2@example.com")
    target.change("User", drifted, title="Emperor")
    target.put("User", {"userName": "nobody@example.com"})
    assert world.plan().changes == ()
    plan = one(world.command(lambda jobs: jobs.drift(job))).plan
    assert [(change.key, change.values[0].path, change.values[0].old) for change in plan.drift] == [
        ("2", "title", "Emperor")
    ]
    assert [row["userName"] for row in world.command(lambda jobs: jobs.orphans(job, ()))] == ["nobody@example.com"]
    assert done(world.run()) == {}


def test_drift_is_overwritten_where_the_job_says_so(world, target):
    world.describe(target.url, more="policies: {drift: overwrite}")
    drifted = next(user["id"] for user in target.users if user["userName"] == "p2@example.com")
    target.change("User", drifted, title="Emperor")
    assert done(world.run(with_drift=True)) == {"update": 1}
    assert people_at(target)["p2@example.com"] == (True, "Employee")


def test_members_who_came_and_went_behind_our_back_are_drift_and_strangers_stay(world, target):
    world.describe(target.url, more="policies: {drift: overwrite}")
    ids = {user["userName"]: user["id"] for user in target.users}
    stranger = target.put("User", {"userName": "nobody@example.com"})
    red = next(group for group in target.groups if group["displayName"] == "Red")
    there = [ids[f"p{number}@example.com"] for number in (1, 2, 5, 7)] + [stranger]
    target.change("Group", red["id"], members=[{"value": one} for one in there])

    [change] = one(world.command(lambda jobs: jobs.drift(str(world.folder / "hr.yaml")))).plan.drift

    assert (change.key, change.added, change.removed) == ("teams=Red", ("3",), ("2",))
    assert change.reason == f"changed at the target: members: 1 missing, 1 added, 1 unknown ({stranger})"
    assert done(world.run(with_drift=True)) == {"members": 1}
    assert groups_at(target)["Red"] == {f"p{number}@example.com" for number in (1, 3, 5, 7)} | {"nobody@example.com"}
    left = one(world.command(lambda jobs: jobs.drift(str(world.folder / "hr.yaml")))).plan.drift
    assert [(change.added, change.removed) for change in left] == [((), ())]
    assert done(world.run(with_drift=True)) == {}


def test_a_group_that_was_emptied_behind_our_back_has_drifted(world, target):
    red = next(group for group in target.groups if group["displayName"] == "Red")
    target.change("Group", red["id"], members=[])

    [change] = one(world.command(lambda jobs: jobs.drift(str(world.folder / "hr.yaml")))).plan.drift

    assert change.added == ("1", "3", "5", "7")


@pytest.mark.parametrize("habits", [{"members_returned": False}, {"members_by_name": True}])
def test_members_that_are_hidden_or_shown_by_name_have_not_drifted(world, target, habits):
    target.take_on(**habits)

    assert one(world.command(lambda jobs: jobs.drift(str(world.folder / "hr.yaml")))).plan.drift == ()


def changes_since(target, sent):
    """Requests that changed something; probing asks for what cannot be."""
    return [item.method for item in target.requests[sent:] if item.method != "GET" and item.status < 300]
