"""What the ledger holds after a change, and how it is kept."""

from dataclasses import replace

from headcount.provisioning.links import Link, link_after, link_from_json, link_to_json
from headcount.provisioning.plan import Action, Change, ValueChange, Values
from planning import NOW, PERSON

CREATE = Change(
    Action.CREATE,
    PERSON,
    "7",
    "ada",
    "",
    values=Values(
        [
            ValueChange("userName", None, "ada"),
            ValueChange("title", None, "Engineer"),
            ValueChange("manager.value", None, {"$key": "8"}),
        ]
    ),
    fingerprint="f1",
)
LINK = link_after(CREATE, None, target_id="id1", now=NOW, answered={"userName": "ada", "title": "Engineer", "manager": {"value": "id8"}}, etag='W/"1"', ids={"8": "id8"})  # fmt: skip


def test_a_create_leaves_what_was_sent_and_the_entity_tag():
    assert LINK.sent_values == {"userName": "ada", "title": "Engineer", "manager.value": {"$key": "8"}}
    assert (LINK.answered, LINK.target_id, LINK.fingerprint, LINK.etag, LINK.label) == (
        b"{}",
        "id1",
        "f1",
        'W/"1"',
        "ada",
    )


def test_what_the_target_made_different_is_kept_beside_what_was_sent():
    answered = {"userName": "ADA", "title": "Eng.", "manager": {"value": "id8"}}
    link = link_after(CREATE, None, target_id="id1", now=NOW, answered=answered, ids={"8": "id8"})
    assert link.answered == b'{"title":"Eng."}'
    assert link.known_values["title"] == "Eng."
    assert link.sent_values["title"] == "Engineer"


def test_what_the_target_did_not_give_back_is_not_known():
    link = link_after(CREATE, None, target_id="id1", now=NOW, answered={"userName": "ada"})
    assert link.known_values["title"] is None


def test_an_answer_without_a_body_says_nothing_of_what_was_sent_and_leaves_the_rest():
    before = replace(LINK, answered=b'{"title":"Eng.","userName":"ADA."}')
    change = Change(
        Action.UPDATE, PERSON, "7", "ada", "", values=Values([ValueChange("title", "Eng.", "Boss")]), fingerprint="f2"
    )
    link = link_after(change, before, target_id="id1", now=NOW)
    assert (link.sent_values["title"], link.answered, link.fingerprint) == ("Boss", b'{"userName":"ADA."}', "f2")


def test_a_removed_value_was_not_sent():
    change = Change(Action.UPDATE, PERSON, "7", "ada", "", values=Values([ValueChange("title", "Engineer", None)]))
    assert "title" not in link_after(change, LINK, target_id="id1", now=NOW).sent_values


def test_a_leaver_has_left_once_and_is_back_when_they_are():
    leave = Change(
        Action.DEACTIVATE,
        PERSON,
        "7",
        "ada",
        "",
        values=Values([ValueChange("active", old=True, new=False)]),
        is_leaver=True,
    )
    left = link_after(leave, LINK, target_id="id1", now=NOW)
    assert left.left == NOW
    assert link_after(leave, left, target_id="id1", now="2027-01-01T00:00:00.000000Z").left == NOW
    back = Change(
        Action.REACTIVATE, PERSON, "7", "ada", "", values=Values([ValueChange("active", old=False, new=True)])
    )
    assert link_after(back, left, target_id="id1", now=NOW).left == ""


def test_members_change_and_leave_the_rest_as_it_is():
    before = replace(LINK, members=("a", "b"))
    link = link_after(
        Change(Action.MEMBERS, PERSON, "7", "ada", "", added=("c",), removed=("a",)), before, target_id="", now=NOW
    )
    assert (link.members, link.fingerprint, link.target_id) == (("b", "c"), "f1", "id1")


def test_nothing_is_left_of_a_deletion():
    assert link_after(Change(Action.DELETE, PERSON, "7", "ada", ""), LINK, target_id="id1", now=NOW) is None


def test_a_link_comes_back_from_json_as_it_was():
    link = replace(LINK, members=("a", "b"), left=NOW, answered=b'{"title":null}', version=9)
    assert link_from_json(link_to_json(link), version=9) == link
    assert isinstance(link, Link)
