"""Joiners, movers, leavers, those who come back, and who is whom."""

import pytest

from headcount.provisioning.correlation import Decision, Verdict
from headcount.provisioning.stepping import desired_resource
from planning import NOW, PERSON, Model, desired_of, did, job_of, person

JOB = job_of()
ADA = person("ada", family_name="Lovelace", title="Engineer")
BO = person("bo", family_name="Diddley", title="Singer")
URN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def policies(text):
    return job_of(f"policies: {{{text}}}\n")


def populated(*records, job=JOB):
    model = Model()
    model.carry_out(model.plan(job, desired_of(job, records)))
    return model


def only(plan):
    assert len(plan.changes) == 1
    return plan.changes[0]


def changes_of(change):
    return {value.path: (value.old, value.new) for value in change.values}


def test_a_joiner_is_created_with_everything_that_is_mapped():
    change = only(Model().plan(JOB, desired_of(JOB, [ADA])))
    assert (change.action, change.key, change.label) == ("create", "ada", "ada")
    assert desired_resource(change, {}) == {
        "active": True,
        "externalId": "ada",
        "name": {"familyName": "Lovelace"},
        "title": "Engineer",
        "userName": "ada",
    }
    assert change.reason == "joined: no account, in scope"
    assert change.source_digest == ADA.digest


def test_a_mover_is_sent_what_changed_and_nothing_else():
    model = populated(ADA, BO)
    plan = model.plan(JOB, desired_of(JOB, [person("ada", family_name="Lovelace", title="Boss"), BO]))
    change = only(plan)
    assert (change.action, change.target_id) == ("update", model.links.persons["ada"].target_id)
    assert changes_of(change) == {"title": ("Engineer", "Boss")}
    assert plan.unchanged == 1


def test_a_value_that_is_gone_is_removed():
    model = populated(ADA)
    change = only(model.plan(JOB, desired_of(JOB, [person("ada", family_name="Lovelace", title="")])))
    assert changes_of(change) == {"title": ("Engineer", None)}


def test_a_rename_keeps_the_account():
    model = populated(ADA)
    change = only(
        model.plan(JOB, desired_of(JOB, [person("ada", user_name="augusta", family_name="Lovelace", title="Engineer")]))
    )
    assert (change.action, change.label, change.target_id) == ("update", "augusta", "id1")


def test_a_value_that_the_target_made_different_is_not_sent_again():
    model = populated(ADA)
    model.users["id1"][0]["title"] = "ENGINEER"
    link = model.links.persons["ada"]
    model.carry_out(model.plan(JOB, desired_of(JOB, [person("ada", family_name="Byron", title="Engineer")])))
    assert model.links.persons["ada"].answered == b"{}" or link
    assert did(model.plan(JOB, desired_of(JOB, [person("ada", family_name="Byron", title="Engineer")]))) == []


LEAVERS = [
    ("leaver: deactivate", [("deactivate", "bo")]),
    ("leaver: delete", [("delete", "bo")]),
    ("leaver: keep", []),
    ("leaver: {deactivate-then-delete: 30d}", [("deactivate", "bo")]),
]


@pytest.mark.parametrize(("policy", "expected"), LEAVERS)
def test_a_leaver_is_treated_as_the_policy_says(policy, expected):
    job = policies(policy)
    model = populated(ADA, BO, job=job)
    plan = model.plan(job, desired_of(job, [ADA]))
    assert did(plan) == expected
    model.carry_out(plan)
    assert did(model.plan(job, desired_of(job, [ADA]))) == []


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-03-02T07:59:59", []), ("2026-03-02T08:00:00", [("delete", "bo")])]
)
def test_a_leaver_is_deleted_once_the_time_has_come(day, expected):
    job = policies("leaver: {deactivate-then-delete: 30d}")
    model = populated(ADA, BO, job=job)
    model.carry_out(model.plan(job, desired_of(job, [ADA])))
    assert did(model.plan(job, desired_of(job, [ADA]), now=f"{day}.000000Z")) == expected


def test_who_is_out_of_scope_is_a_leaver_and_who_never_was_in_it_is_nobody():
    job = job_of('scope: title ne "External"\n')
    model = populated(ADA, BO, job=job)
    desired = desired_of(job, [ADA, person("bo", title="External"), person("eve", title="External")])
    change = only(model.plan(job, desired))
    assert (change.action, change.key, change.reason) == ("deactivate", "bo", "left: out of scope")


def test_who_comes_back_gets_the_same_account():
    model = populated(ADA, BO)
    model.carry_out(model.plan(JOB, desired_of(JOB, [ADA])))
    change = only(model.plan(JOB, desired_of(JOB, [ADA, person("bo", family_name="Diddley", title="Boss")])))
    assert (change.action, change.target_id) == ("reactivate", model.links.persons["bo"].target_id)
    assert changes_of(change) == {"active": (False, True), "title": ("Singer", "Boss")}


def test_an_account_that_the_source_calls_inactive_is_deactivated_and_no_leaver():
    job = job_of(mappings="mappings: {userName: record.user_name, active: record.status == 'on'}\n")
    model = populated(person("ada", status="on"), job=job)
    change = only(model.plan(job, desired_of(job, [person("ada", status="off")])))
    assert (change.action, change.is_leaver) == ("deactivate", False)
    model.carry_out(model.plan(job, desired_of(job, [person("ada", status="off")])))
    assert only(model.plan(job, desired_of(job, [person("ada", status="on")]))).action == "reactivate"


@pytest.mark.parametrize("how", [{"gone": [(PERSON, "bo")]}, {"complete": [PERSON]}])
def test_absence_is_a_tombstone_or_a_complete_reading(how):
    model = populated(ADA, BO)
    assert did(model.plan(JOB, desired_of(JOB, [], **{"complete": (), "gone": (), **how})))[-1] == ("deactivate", "bo")


def test_what_changed_since_a_watermark_proves_nobody_gone():
    model = populated(ADA, BO)
    assert did(model.plan(JOB, desired_of(JOB, [], complete=()))) == []


def test_a_record_that_cannot_be_mapped_parks_its_person_and_stops_nobody_else():
    job = job_of(mappings="mappings: {userName: normalizeEmail(record.email)}\n")
    model = populated(person("ada", email="ada@example.com"), job=job)
    plan = model.plan(job, desired_of(job, [person("ada", email="ada"), person("bo", email="bo@example.com")]))
    assert did(plan) == [("create", "bo"), ("park", "ada")]
    assert "userName: 'ada' is no e-mail address" in plan.changes[1].reason


def test_two_people_with_one_user_name_are_both_parked_unless_one_has_it_already():
    twins = [person("a", user_name="same"), person("b", user_name="SAME")]
    assert did(Model().plan(JOB, desired_of(JOB, twins))) == [("park", "a"), ("park", "b")]
    model = populated(twins[0])
    assert did(model.plan(JOB, desired_of(JOB, twins))) == [("park", "b")]


ON = [
    ("{cel: record.title}", "Boss", True),
    ("{cel: record.title, on: create}", "Boss", False),
    ("{cel: record.title, on: if-empty}", "Boss", False),
    ("{cel: record.title, owner: target}", "Boss", False),
]


@pytest.mark.parametrize(("mapping", "title", "is_sent"), ON)
def test_a_value_is_sent_again_as_the_mapping_says(mapping, title, is_sent):
    job = job_of(mappings=f"mappings: {{userName: record.user_name, title: {mapping}}}\n")
    model = populated(person("ada", title="Engineer"), job=job)
    assert model.users["id1"][0]["title"] == "Engineer"
    plan = model.plan(job, desired_of(job, [person("ada", title=title)]))
    assert did(plan) == ([("update", "ada")] if is_sent else [])


def test_if_empty_is_sent_where_the_target_has_nothing():
    job = job_of(mappings="mappings: {userName: record.user_name, title: {cel: record.title, on: if-empty}}\n")
    model = populated(person("ada", title=""), job=job)
    assert did(model.plan(job, desired_of(job, [person("ada", title="Boss")]))) == [("update", "ada")]


CORRELATION = "correlation: [externalId, userName, email, {attribute: displayName, expression: record.full_name}]\n"
MAPPED = """mappings:
  userName: record.user_name
  emails[type eq "work"].value: record.email
"""
WHO = job_of(CORRELATION, mappings=MAPPED)
JOINER = person("7", user_name="ada", email="ada@example.com", full_name="Ada Lovelace")


def email(address):
    return {"userName": "other", "emails": [{"type": "home", "value": address}]}


FOUND = [
    ({"userName": "other", "externalId": "7"}, "adopt", "externalId"),
    ({"userName": "ADA"}, "adopt", "userName"),
    (email("ada@example.com"), "review", ""),
    ({"userName": "other", "displayName": "Ada Lovelace"}, "review", ""),
    ({"userName": "other", "externalId": "8"}, "create", ""),
]


@pytest.mark.parametrize(("account", "action", "rule"), FOUND)
def test_an_account_that_is_there_is_recognised_by_the_rules(account, action, rule):
    model = Model()
    model.put(account)
    change = only(model.plan(WHO, desired_of(WHO, [JOINER])))
    assert (change.action, change.rule) == (action, rule)


@pytest.mark.parametrize("rule", ["email", "displayName"])
def test_a_rule_adopts_when_the_target_says_so(rule):
    job = job_of(CORRELATION + f"policies: {{adopt: [{rule}]}}\n", mappings=MAPPED)
    model = Model()
    model.put({**email("ada@example.com"), "displayName": "Ada Lovelace"})
    change = only(model.plan(job, desired_of(job, [JOINER])))
    assert (change.action, change.rule) == ("adopt", rule)
    model.carry_out(model.plan(job, desired_of(job, [JOINER])))
    assert model.users["id1"][0]["userName"] == "ada"
    assert did(model.plan(job, desired_of(job, [JOINER]))) == []


def test_an_adoption_sends_what_the_account_does_not_have():
    model = Model()
    model.put({"userName": "ada", "externalId": "7", "active": False, "title": "stays"})
    change = only(model.plan(WHO, desired_of(WHO, [JOINER])))
    assert changes_of(change) == {"active": (False, True), 'emails[type eq "work"].value': (None, "ada@example.com")}
    assert change.agreed == {"externalId": "7", "userName": "ada"}


UNCLEAR = [
    ([{"userName": "x", "displayName": "Ada Lovelace"}, {"userName": "y", "displayName": "Ada Lovelace"}], "several accounts match"),
    ([{"userName": "ada"}, {"userName": "x", "externalId": "7"}], "the rules point to different accounts"),
]  # fmt: skip


@pytest.mark.parametrize(("accounts", "reason"), UNCLEAR)
def test_what_is_not_plain_goes_to_a_human(accounts, reason):
    model = Model()
    for account in accounts:
        model.put(account)
    change = only(model.plan(WHO, desired_of(WHO, [JOINER])))
    assert change.action == "review"
    assert reason in change.reason
    assert [candidate["id"] for candidate in change.candidates] == ["id1", "id2"] or len(change.candidates) == 2


def test_an_account_that_belongs_to_somebody_is_not_given_to_another():
    model = populated(person("6", user_name="ada"), job=WHO)
    change = only(model.plan(WHO, desired_of(WHO, [JOINER], complete=())))
    assert change.action == "review"
    assert "belongs to 6" in change.reason


def test_one_account_is_not_given_to_two():
    model = Model()
    model.put({"userName": "ada", "externalId": "8"})
    plan = model.plan(WHO, desired_of(WHO, [JOINER, person("8", user_name="eve")]))
    assert did(plan) == [("review", "7"), ("review", "8")]


DECISIONS = [
    (Decision(Verdict.LINK, "id1"), [("adopt", "7")]),
    (Decision(Verdict.CREATE), [("create", "7")]),
    (Decision(Verdict.IGNORE), []),
    (Decision(Verdict.LINK, "nobody"), [("review", "7")]),
]


@pytest.mark.parametrize(("decision", "expected"), DECISIONS)
def test_what_a_human_has_decided_is_done(decision, expected):
    model = Model()
    model.put({"userName": "other", "displayName": "Ada Lovelace"})
    plan = model.plan(WHO, desired_of(WHO, [JOINER]), decisions={(PERSON, "7"): decision})
    assert did(plan) == expected


def test_an_answer_of_a_server_that_ignores_filters_is_not_believed():
    class Liar(Model):
        def find(self, question):
            return tuple(
                record for one in self.users for record in super(Liar, self).find(type(question)("User", "id", one))
            )

    model = Liar()
    model.put({"userName": "somebody else"})
    assert did(model.plan(WHO, desired_of(WHO, [JOINER]))) == [("create", "7")]


UNIQUE = job_of(mappings="mappings: {userName: 'unique(lower(record.family_name) + \"@example.com\")'}\n")


def test_a_taken_name_gets_a_number_and_keeps_it():
    model = Model()
    model.put({"userName": "Lovelace2@example.com"})
    people = [
        person("2", family_name="Lovelace"),
        person("1", family_name="Lovelace"),
        person("3", family_name="Byron"),
    ]
    plan = model.plan(UNIQUE, desired_of(UNIQUE, people))
    names = {change.key: change.label for change in plan.changes}
    assert names == {"1": "lovelace@example.com", "2": "lovelace3@example.com", "3": "byron@example.com"}
    model.carry_out(plan)
    assert did(model.plan(UNIQUE, desired_of(UNIQUE, people))) == []
    model.carry_out(model.plan(UNIQUE, desired_of(UNIQUE, people[::2])))
    assert did(model.plan(UNIQUE, desired_of(UNIQUE, people[::2]))) == []


def test_who_has_a_number_keeps_it_when_the_plain_name_becomes_free():
    job = job_of(
        "policies: {leaver: delete}\n",
        mappings="mappings: {userName: unique(record.family_name), title: record.title}\n",
    )
    model = populated(person("1", family_name="Byron"), person("2", family_name="Byron", title="Lady"), job=job)
    model.carry_out(model.plan(job, desired_of(job, [person("2", family_name="Byron", title="Lady")])))
    change = only(model.plan(job, desired_of(job, [person("2", family_name="Byron", title="Countess")])))
    assert (change.label, changes_of(change)) == ("Byron2", {"title": ("Lady", "Countess")})


def test_nobody_is_made_to_refer_to_an_account_that_the_same_plan_deletes():
    job = policies("leaver: delete")
    model = populated(person("ada"), person("bo"), job=job)
    plan = model.plan(job, desired_of(job, [person("ada", manager="bo")]))
    assert did(plan) == [("delete", "bo"), ("park", "ada")]


def test_a_manager_is_set_once_both_are_there_and_a_missing_one_is_parked():
    people = [person("ada", manager="bo"), person("bo", manager="ghost")]
    model = Model()
    plan = model.plan(JOB, desired_of(JOB, people))
    assert did(plan) == [("create", "ada"), ("create", "bo"), ("update", "ada"), ("park", "bo")]
    assert plan.changes[2].references == ("bo",)
    assert "ghost has no account there yet" in plan.changes[3].reason
    model.carry_out(plan)
    assert model.users["id1"][0][URN] == {"manager": {"value": "id2"}}
    assert did(model.plan(JOB, desired_of(JOB, people))) == [("park", "bo")]
    people.append(person("ghost"))
    assert did(model.plan(JOB, desired_of(JOB, people))) == [("create", "ghost"), ("update", "bo")]


def test_a_manager_with_a_new_account_is_told_to_those_who_knew_the_old_one():
    job = policies("leaver: delete")
    people = [person("ada", manager="bo"), person("bo")]
    model = populated(*people, job=job)
    model.carry_out(model.plan(job, desired_of(job, people[:1])))
    plan = model.plan(job, desired_of(job, people))
    assert did(plan) == [("create", "bo"), ("update", "ada")]
    model.carry_out(plan)
    assert (
        model.users[model.links.persons["ada"].target_id][0][URN]["manager"]["value"]
        == model.links.persons["bo"].target_id
    )


def test_a_plan_says_when_it_was_made_and_how_long_it_is_good():
    plan = Model().plan(JOB, desired_of(JOB, []))
    assert (plan.made, plan.expires) == (NOW, "2026-02-01T08:00:00.000000Z")
    assert (plan.job, plan.target, plan.job_digest) == ("hr", "app", JOB.digest)


TWO = """
targets:
  one: {type: scim, url: "https://one.example.com", mappings: {title: null, displayName: record.family_name}}
  two: {type: scim, url: "https://two.example.com", scope: 'title eq "Engineer"'}
"""


def test_each_target_has_its_own_mappings_and_scope_out_of_one_evaluation():
    job = job_of(targets=TWO)
    desired = desired_of(job, [ADA, BO])
    one = Model().plan(job, desired, target=job.targets["one"])
    two = Model().plan(job, desired, target=job.targets["two"])
    assert did(one) == [("create", "ada"), ("create", "bo")]
    assert did(two) == [("create", "ada")]
    assert "title" not in desired_resource(one.changes[0], {})
    assert desired_resource(one.changes[0], {})["displayName"] == "Lovelace"
    assert desired_resource(two.changes[0], {})["title"] == "Engineer"
    assert "displayName" not in desired_resource(two.changes[0], {})


def test_an_element_without_its_value_is_not_there():
    job = job_of(
        mappings="""
mappings:
  userName: record.user_name
  emails[type eq "work"].value: record.email
  emails[type eq "work"].primary: {constant: true}
"""
    )
    model = populated(person("ada", email="ada@example.com"), person("bo", email=""), job=job)
    assert model.users["id1"][0]["emails"] == [{"type": "work", "value": "ada@example.com", "primary": True}]
    assert "emails" not in model.users["id2"][0]
    change = only(model.plan(job, desired_of(job, [person("ada", email=""), person("bo", email="")])))
    assert set(changes_of(change)) == {'emails[type eq "work"].value', 'emails[type eq "work"].primary'}


def test_a_manager_who_is_made_anew_is_told_to_who_changes_in_the_same_plan():
    job = job_of("policies: {leaver: delete}\n")
    model = Model()
    ada, boss = person("ada", manager="boss"), person("boss")
    for records in ([ada, boss], [ada], [person("ada", manager="boss", title="Engineer"), boss]):
        model.carry_out(model.plan(job, desired_of(job, records)))
    users = {resource["userName"]: resource for resource, _ in model.users.values()}
    enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
    assert users["ada"][enterprise]["manager"]["value"] == users["boss"]["id"]
    assert users["ada"]["title"] == "Engineer"
    assert model.plan(job, desired_of(job, records)).changes == ()
