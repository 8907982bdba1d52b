"""`headcount schema`: documents in, a tenant's registry out, and every refusal before anything is kept."""

import json

import pytest

from processes import answer, eventually, refusal, run, server, user

BADGE_URN = "urn:example:params:scim:schemas:extension:badge:2.0:User"
BADGE = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
    "id": BADGE_URN,
    "name": "Badge",
    "attributes": [{"name": "number", "type": "string", "caseExact": True, "uniqueness": "server"}],
}
DEVICE_URN = "urn:example:schemas:Device"
DEVICE_SCHEMA = {"id": DEVICE_URN, "name": "Device", "attributes": [{"name": "serial", "required": True}]}
DEVICE_TYPE = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
    "name": "Device",
    "endpoint": "/Devices",
    "schema": DEVICE_URN,
}
LIST = {
    "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
    "totalResults": 2,
    "Resources": [DEVICE_SCHEMA, DEVICE_TYPE],
}


def add(folder, content, *arguments):
    """Adds what standard input says."""
    text = content if isinstance(content, str) else json.dumps(content)
    return run(folder, "schema", "add", "-", "--tenant", "acme", *arguments, stdin=text)


def own(folder):
    """The tenant's own schemas, with the resource types that use them."""
    listed = answer(folder, "schema", "list", "--tenant", "acme")
    return {row["id"]: row["resourceTypes"] for row in listed if not row["builtIn"]}


@pytest.mark.parametrize(
    ("content", "arguments", "expected"),
    [
        (BADGE, [], {BADGE_URN: ["User"]}),
        (BADGE | {"id": "urn:example:badge"}, ["--extends", "Group"], {"urn:example:badge": ["Group"]}),
        ([DEVICE_SCHEMA, DEVICE_TYPE], [], {DEVICE_URN: ["Device"]}),
        (LIST, [], {DEVICE_URN: ["Device"]}),
    ],
    ids=["the last part of the URN", "--extends", "an array", "a ListResponse"],
)
def test_documents_say_what_they_are_for(acme, content, arguments, expected):
    listed = json.loads(add(acme, content, *arguments, "--json").stdout)
    for urn in expected:
        answer(acme, "schema", "remove", urn, "--tenant", "acme")

    assert {row["id"]: row["resourceTypes"] for row in listed if not row["builtIn"]} == expected


@pytest.mark.parametrize(
    ("content", "arguments", "exit_code", "word"),
    [
        ("{", [], 2, "not valid JSON"),
        ("[" * 5000, [], 2, "nested"),
        ('{"id": "urn:a", "id": "urn:b", "name": "A", "attributes": []}', [], 2, "id"),
        ("[]", [], 2, "There is no Schema or ResourceType document in it"),
        ("[5]", [], 1, "A schema is a JSON object."),
        (DEVICE_TYPE, [], 1, DEVICE_URN),
        (BADGE | {"id": "urn:ietf:params:scim:schemas:core:2.0:User"}, [], 1, "core:2.0:User"),
        (BADGE, ["--extends", "Robot"], 1, "Robot"),
        (BADGE | {"attributes": [{"name": "number", "type": "text"}]}, [], 1, "text"),
    ],
    ids=[
        "no JSON",
        "too deep",
        "a member twice",
        "nothing",
        "no object",
        "a type without its schema",
        "built in",
        "unknown type",
        "bad attribute",
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(acme, content, arguments, exit_code, word):
    code, line = refusal(add(acme, content, *arguments))

    assert code == exit_code
    assert line.startswith("error: ")
    assert word in line


def test_a_refused_set_of_documents_leaves_nothing_behind_and_a_missing_file_is_said(acme):
    assert add(acme, [BADGE, DEVICE_TYPE]).returncode == 1
    assert own(acme) == {}
    missing = refusal(run(acme, "schema", "add", "badge.json", "--tenant", "acme"))
    assert missing == (2, "error: badge.json: No such file or directory")


def test_a_schema_is_live_at_once_and_cannot_be_removed_while_resources_use_it(tmp_path, token):
    (tmp_path / "badge.json").write_text(json.dumps(BADGE))
    with server(tmp_path) as running, running.client(token) as client:
        assert client.get(f"/Schemas/{BADGE_URN}").status_code == 404
        answer(tmp_path, "schema", "add", "badge.json", "--tenant", "acme")
        eventually(lambda: client.get(f"/Schemas/{BADGE_URN}").status_code == 200, seconds=3)
        ada = client.post("/Users", json=user("ada", **{BADGE_URN: {"number": "7"}})).json()
        assert ada[BADGE_URN] == {"number": "7"}

        used = refusal(run(tmp_path, "schema", "remove", BADGE_URN, "--tenant", "acme"))
        in_the_way = f"1 resources of type User use {BADGE_URN} (such as {ada['id']})"
        assert used == (1, f"error: The schemas cannot change so: {in_the_way}.")

        assert client.delete(f"/Users/{ada['id']}").status_code == 204
        assert answer(tmp_path, "schema", "remove", BADGE_URN, "--tenant", "acme") == {"removed": BADGE_URN}
        eventually(lambda: client.get(f"/Schemas/{BADGE_URN}").status_code == 404, seconds=3)
    again = refusal(run(tmp_path, "schema", "remove", BADGE_URN, "--tenant", "acme"))
    assert again == (1, f"error: The tenant 'acme' has no schema {BADGE_URN} of its own.")
