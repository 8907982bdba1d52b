"""What somebody else changed at the target: reported apart, or overwritten; and who belongs to nobody."""

import pytest

from headcount.provisioning.drift import orphans
from headcount.provisioning.records import TargetRecord
from planning import Model, desired_of, did, group, job_of, person

MAPPINGS = """mappings:
  userName: record.user_name
  title: record.title
  nickName: {cel: record.title, owner: target}
groups: {from: source, mappings: {displayName: record.name}}
"""
REPORTING = job_of(mappings=MAPPINGS)
OVERWRITING = job_of("policies: {drift: overwrite}\n", mappings=MAPPINGS)
RECORDS = [person("ada", title="Engineer"), person("bo", title="Singer"), group("g", ["ada"], name="Team")]


def populated(job):
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, RECORDS)))
    return model


def actual(model):
    return {
        one: TargetRecord(kind, one, resource)
        for kind, side in (("User", model.users), ("Group", model.groups))
        for one, (resource, _) in side.items()
    }


def plan(job, model):
    return model.plan(job, desired_of(job, RECORDS), actual=actual(model))


def changes_of(change):
    return {value.path: (value.old, value.new) for value in change.values}


def test_a_target_as_it_was_left_has_not_drifted():
    model = populated(REPORTING)
    assert (plan(REPORTING, model).changes, plan(REPORTING, model).drift) == ((), ())


def test_drift_is_reported_apart_from_what_is_to_be_done():
    model = populated(REPORTING)
    model.users["id1"][0]["title"] = "Countess"
    made = plan(REPORTING, model)
    assert made.changes == ()
    assert [changes_of(change) for change in made.drift] == [{"title": ("Countess", "Engineer")}]


def test_drift_is_overwritten_where_the_policy_says_so():
    model = populated(OVERWRITING)
    model.users["id1"][0]["title"] = "Countess"
    model.groups["id3"][0]["displayName"] = "Crew"
    made = plan(OVERWRITING, model)
    assert did(made) == [("update", "ada"), ("update", "g")]
    model.carry_out(made)
    assert (model.users["id1"][0]["title"], model.groups["id3"][0]["displayName"]) == ("Engineer", "Team")
    assert plan(OVERWRITING, model).drift == ()


def test_what_the_target_owns_does_not_drift():
    model = populated(REPORTING)
    model.users["id1"][0]["nickName"] = "Countess"
    assert plan(REPORTING, model).drift == ()


@pytest.mark.parametrize("job", [REPORTING, OVERWRITING])
def test_an_account_that_is_gone_at_the_target_goes_to_a_human(job):
    model = populated(job)
    del model.users["id2"]
    made = plan(job, model)
    assert [(change.action, change.key, change.reason) for change in made.drift] == [
        ("review", "bo", "the account is gone at the target")
    ]
    assert made.changes == ()


def test_a_value_that_was_normalised_when_it_was_sent_has_not_drifted():
    class Shouting(Model):
        def put(self, resource, members=()):
            return super().put(
                {**resource, **({"title": resource["title"].upper() + "!"} if "title" in resource else {})}, members
            )

    model = Shouting()
    model.carry_out(model.plan(REPORTING, desired_of(REPORTING, RECORDS)))
    assert model.users["id1"][0]["title"] == "ENGINEER!"
    made = plan(REPORTING, model)
    assert (made.changes, made.drift) == ((), ())
    model.users["id1"][0]["title"] = "Countess"
    assert [change.key for change in plan(REPORTING, model).drift] == ["ada"]


def test_who_belongs_to_nobody_is_an_orphan():
    model = populated(REPORTING)
    stranger = model.put({"userName": "stranger"})
    situation = model.situation(REPORTING, desired_of(REPORTING, RECORDS), actual=actual(model))
    assert [record.id for record in orphans(situation)] == [stranger]
