"""`headcount schema usage`, `index`, `unindex`, `indexes`, `unknown` and `adopt`, for people and for scripts."""

import json

import pytest

from processes import answer, refusal, run, server, user

DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
BRIEF = {"HEADCOUNT_BODY_DEADLINE": "1"}
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


@pytest.fixture
def people(token, tmp_path):
    """A folder with a tenant of two people, one of whom was sent with an attribute that is not known."""
    with server(tmp_path) as running, running.client(token) as client:
        client.post("/Users", json=user("ada", shoeSize=43)).raise_for_status()
        client.post("/Users", json=user("bob")).raise_for_status()
        assert running.stop() == 0
    return tmp_path


def test_the_upkeep_of_a_schema(people):
    acme = ("--tenant", "acme")
    uses = {row["path"]: row["resources"] for row in answer(people, "schema", "usage", USER, *acme)}
    assert (uses["userName"], uses["nickName"]) == (2, 0)
    assert "shoeSize  " in run(people, "schema", "unknown", *acme).stdout

    (seen,) = answer(people, "schema", "unknown", *acme)
    assert (seen["path"], seen["looks"], seen["count"]) == ("shoeSize", "integer", 1)
    own = "urn:ietf:params:scim:schemas:extension:acme:2.0:User"
    added = answer(people, "schema", "adopt", "shoeSize", *acme)
    assert [row["resourceTypes"] for row in added if row["id"] == own] == [["User"]]
    assert run(people, "schema", "unknown", *acme).stdout == "No client has sent an attribute that is not known.\n"

    listed = answer(people, "schema", "index", DEPARTMENT, *acme, settings=BRIEF)
    row = {"type": "User", "path": DEPARTMENT, "state": "complete", "builtIn": False}
    assert row in listed
    assert row in answer(people, "schema", "indexes", *acme)
    assert answer(people, "schema", "unindex", DEPARTMENT, *acme) == {"unindexed": DEPARTMENT}
    assert row not in answer(people, "schema", "indexes", *acme)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("usage", "urn:x"), "error: The tenant 'acme' has no schema urn:x."),
        (("index", "nothing"), "error: 'nothing' is not an attribute of User, Group."),
        (("index", "userName", "--type", "Robot"), "error: There is no resource type 'Robot'."),
        (("unindex", DEPARTMENT), f"error: '{DEPARTMENT}' is not declared as indexed."),
        (("adopt", "nothing"), "error: No client sent 'nothing'; see 'headcount schema unknown'."),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(acme, arguments, said):
    assert refusal(run(acme, "schema", *arguments, "--tenant", "acme")) == (1, said)


def test_a_refused_change_says_how_many_and_who(people):
    with_size = {"id": "urn:example:size:2.0:User", "name": "Size", "attributes": [{"name": "size"}]}
    (people / "size.json").write_text(json.dumps(with_size))
    answer(people, "schema", "add", "size.json", "--tenant", "acme")
    required = [{"name": "User", "schemaExtensions": [{"schema": with_size["id"], "required": True}]}]
    (people / "required.json").write_text(json.dumps(required))
    code, line = refusal(run(people, "schema", "add", "required.json", "--tenant", "acme"))
    assert code == 1
    assert f"2 resources of type User do not have {with_size['id']} (such as " in line
