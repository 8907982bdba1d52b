"""What a target never takes is in no plan for it: a plan shows what is sent, and nothing else."""

from dataclasses import replace

from headcount.provisioning.stepping import desired_resource
from planning import Model, desired_of, job_of, person

JOB = job_of()
MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
ADA = person("ada", title="Engineer")
BO = person("bo", title="Singer", manager="ada")
UNTAKEN = frozenset({"title", MANAGER.lower()})


def test_a_joiner_is_created_without_it_and_nothing_follows():
    model = Model()
    plan = model.plan(JOB, desired_of(JOB, [ADA, BO]), untaken=UNTAKEN)
    assert [(change.action, change.key, sorted(desired_resource(change, {}))) for change in plan.changes] == [
        ("create", "ada", ["active", "externalId", "userName"]),
        ("create", "bo", ["active", "externalId", "userName"]),
    ]
    model.carry_out(plan)
    assert model.plan(JOB, desired_of(JOB, [ADA, BO]), untaken=UNTAKEN).changes == ()


def test_a_mover_whose_change_is_not_taken_has_not_changed():
    model = Model()
    model.carry_out(model.plan(JOB, desired_of(JOB, [ADA]), untaken=UNTAKEN))
    plan = model.plan(JOB, desired_of(JOB, [person("ada", title="Boss")]), untaken=UNTAKEN)
    assert (plan.changes, plan.unchanged) == ((), 1)


def test_an_account_that_is_there_keeps_what_it_has_of_it():
    model = Model()
    model.put({"userName": "ada", "externalId": "ada", "active": True, "title": "Their own"})
    [change] = model.plan(JOB, desired_of(JOB, [ADA]), untaken=UNTAKEN).changes
    assert (change.action, change.values) == ("adopt", ())


def test_what_was_sent_is_shown_as_the_old_value_where_the_target_never_gave_it_back():
    model = Model()
    model.carry_out(model.plan(JOB, desired_of(JOB, [ADA])))
    link = replace(model.links.persons["ada"], answered=b'{"title":null}')
    model.links = replace(model.links, persons={"ada": link})
    [change] = model.plan(JOB, desired_of(JOB, [person("ada", title="Boss")])).changes
    assert [(value.path, value.old, value.new) for value in change.values] == [("title", "Engineer", "Boss")]
