"""Groups and who is in them: from the source, from attributes, nested, flattened, incrementally."""

import pytest

from headcount.provisioning.stepping import desired_resource
from planning import GROUP, PERSON, Model, desired_of, did, group, job_of, person

SOURCE = "groups: {from: source, mappings: {displayName: record.name}}\n"
JOB = job_of(SOURCE)
ATTRIBUTE = job_of("groups: {from: attribute, attribute: team, separator: ';'}\n")
PEOPLE = [person("ada"), person("bo"), person("cy")]


def populated(job, *records):
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, records)))
    return model


def members(model, name):
    return model.state()[1][name]


def memberships(plan):
    return {change.key: (change.added, change.removed) for change in plan.changes if change.action == "members"}


def test_a_group_is_created_with_the_members_who_are_there():
    plan = Model().plan(JOB, desired_of(JOB, [*PEOPLE, group("g", ["ada", "bo", "ghost"], name="Team")]))
    change = plan.changes[-1]
    assert (change.action, change.label, change.added) == ("create", "Team", ("ada", "bo"))
    assert desired_resource(change, {}) == {"displayName": "Team", "externalId": "g"}


def test_members_come_and_go_by_difference():
    model = populated(JOB, *PEOPLE, group("g", ["ada", "bo"], name="Team"))
    plan = model.plan(JOB, desired_of(JOB, [*PEOPLE, group("g", ["bo", "cy"], name="Team")]))
    assert memberships(plan) == {"g": (("cy",), ("ada",))}
    assert not plan.changes[0].is_emptying
    model.carry_out(plan)
    assert members(model, "Team") == ["bo", "cy"]


def test_a_renamed_group_is_updated_and_keeps_its_members():
    model = populated(JOB, *PEOPLE, group("g", ["ada"], name="Team"))
    plan = model.plan(JOB, desired_of(JOB, [*PEOPLE, group("g", ["ada"], name="Crew")]))
    assert did(plan) == [("update", "g")]
    model.carry_out(plan)
    assert members(model, "Crew") == ["ada"]


def test_a_group_that_is_gone_is_deleted_or_kept():
    keeping = job_of(
        SOURCE, targets='targets: {app: {type: scim, url: "https://a.example.com", groups: {gone: keep}}}\n'
    )
    for job, expected in ((JOB, [("delete", "g")]), (keeping, [])):
        model = populated(job, *PEOPLE, group("g", ["ada"], name="Team"))
        assert did(model.plan(job, desired_of(job, PEOPLE))) == expected


def test_a_target_can_do_without_groups():
    job = job_of(SOURCE, targets='targets: {app: {type: scim, url: "https://a.example.com", groups: false}}\n')
    assert did(Model().plan(job, desired_of(job, [person("ada"), group("g", ["ada"], name="Team")]))) == [
        ("create", "ada")
    ]


def test_groups_have_a_scope():
    job = job_of("groups: {from: source, mappings: {displayName: record.name}, scope: 'displayName sw \"App-\"'}\n")
    records = [group("a", [], name="App-Admins"), group("b", [], name="Canteen")]
    assert did(Model().plan(job, desired_of(job, records))) == [("create", "a")]


def test_a_leaver_leaves_the_groups_before_the_account_goes():
    job = job_of(SOURCE + "policies: {leaver: delete}\n")
    model = populated(job, *PEOPLE, group("g", ["ada", "bo"], name="Team"))
    plan = model.plan(job, desired_of(job, [person("bo"), person("cy"), group("g", ["ada", "bo"], name="Team")]))
    assert did(plan) == [("members", "g"), ("delete", "ada")]
    assert memberships(plan) == {"g": ((), ("ada",))}


def test_the_last_member_to_leave_empties_the_group():
    model = populated(JOB, *PEOPLE, group("g", ["ada"], name="Team"))
    plan = model.plan(JOB, desired_of(JOB, [*PEOPLE, group("g", [], name="Team")]))
    assert plan.changes[0].is_emptying


NESTED = [
    group("top", ["ada", "mid"], name="Top"),
    group("mid", ["bo", "low"], name="Mid"),
    group("low", ["cy", "top"], name="Low"),
]


def test_nested_groups_are_kept_and_become_members_when_all_are_there():
    model = Model()
    plan = model.plan(JOB, desired_of(JOB, [*PEOPLE, *NESTED]))
    assert {change.key: change.nested for change in plan.changes if change.action == "members"} == {
        "low": ("top",),
        "mid": ("low",),
        "top": ("mid",),
    }
    model.carry_out(plan)
    assert members(model, "Top") == ["Mid", "ada"]
    assert did(model.plan(JOB, desired_of(JOB, [*PEOPLE, *NESTED]))) == []


@pytest.mark.parametrize("more", ["nested: flatten", "nested: keep"])
def test_nested_groups_are_flattened_where_the_job_says_so_or_the_target_cannot_nest(more):
    job = job_of(SOURCE.replace("from: source", f"from: source, {more}"))
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, [*PEOPLE, *NESTED]), has_nested_groups=more.endswith("flatten")))
    assert members(model, "Top") == members(model, "Mid") == members(model, "Low") == ["ada", "bo", "cy"]


def test_values_of_an_attribute_are_groups():
    model = Model()
    model.carry_out(
        model.plan(
            ATTRIBUTE,
            desired_of(ATTRIBUTE, [person("ada", team="Red; Blue"), person("bo", team=["Red"]), person("cy")]),
        )
    )
    assert model.state()[1] == {"Red": ["ada", "bo"], "Blue": ["ada"]}


def test_an_incremental_reading_moves_the_people_it_has_and_leaves_the_others():
    model = populated(ATTRIBUTE, person("ada", team="Red"), person("bo", team="Red"), person("cy", team="Blue"))
    desired = desired_of(ATTRIBUTE, [person("ada", team="Blue")], gone=[(PERSON, "cy")], complete=())
    plan = model.plan(ATTRIBUTE, desired)
    assert memberships(plan) == {"team=Red": ((), ("ada",)), "team=Blue": (("ada",), ("cy",))}
    assert ("deactivate", "cy") in did(plan)
    assert "delete" not in {action for action, _ in did(plan)}


def test_an_incremental_reading_with_a_group_of_the_source():
    model = populated(JOB, *PEOPLE, group("g", ["ada", "bo"], name="Team"), group("h", ["cy"], name="Crew"))
    plan = model.plan(JOB, desired_of(JOB, [group("g", ["bo"], name="Team")], complete=()))
    assert memberships(plan) == {"g": ((), ("ada",))}
    gone = model.plan(JOB, desired_of(JOB, [], gone=[(GROUP, "h")], complete=()))
    assert did(gone) == [("delete", "h")]


def test_a_group_that_is_there_is_adopted_and_strangers_are_left_in_it():
    model = populated(JOB, *PEOPLE)
    ids = {key: link.target_id for key, link in model.links.persons.items()}
    found = model.put({"displayName": "team"}, [ids["cy"], "stranger"])
    desired = desired_of(JOB, [*PEOPLE, group("g", ["ada"], name="Team")])
    plan = model.plan(JOB, desired)
    change = plan.changes[-1]
    assert (change.action, change.rule, change.added, change.removed) == ("adopt", "displayName", ("ada",), ("cy",))
    model.carry_out(plan)
    assert model.groups[found][1] == {ids["ada"], "stranger"}
    assert did(model.plan(JOB, desired)) == []


def test_a_group_without_a_name_is_parked():
    plan = Model().plan(JOB, desired_of(JOB, [group("g", [], name="")]))
    assert did(plan) == [("park", "g")]
