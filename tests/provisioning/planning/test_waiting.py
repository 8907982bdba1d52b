"""Groups whose members are set aside are looked at again, also where only what changed is read."""

from headcount.provisioning.plan_json import plan_from_json, plan_to_json
from planning import Model, desired_of, group, job_of, person

JOB = job_of("groups: {from: source, mappings: {displayName: record.name}}\n")
ADA, BO = person("ada"), person("bo")
STAFF, OTHERS = group("staff", ["ada", "bo"], name="Staff"), group("others", ["ada"], name="Others")


def test_a_group_waits_for_a_member_in_the_review():
    model = Model()
    model.put({"userName": "bo", "externalId": "else"})
    model.put({"userName": "else", "externalId": "bo"})
    plan = model.plan(JOB, desired_of(JOB, [ADA, BO, STAFF, OTHERS]))
    assert [(change.action, change.key) for change in plan.changes if change.action == "review"] == [("review", "bo")]
    assert plan.waiting == ("staff",)
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_group_does_not_wait_for_who_is_out_of_scope():
    job = job_of('groups: {from: source, mappings: {displayName: record.name}}\nscope: userName ne "bo"\n')
    assert Model().plan(job, desired_of(job, [ADA, BO, STAFF])).waiting == ()
