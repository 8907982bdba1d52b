"""PATCH over HTTP: atomic, versioned, and answered with the resource (RFC 7644 §3.5.2)."""

import pytest

from serving import ENTERPRISE, PATCH_OP, USER, user

PERSON = {
    "title": "T",
    "name": {"givenName": "Barbara", "familyName": "Jensen"},
    "emails": [{"value": "a@example.com", "type": "work", "primary": True}],
}


@pytest.fixture
def person(client):
    return client.new_user(**PERSON)


def add(path, value):
    return {"op": "add", "path": path, "value": value}


def replace(path, value):
    return {"op": "replace", "path": path, "value": value}


def remove(path):
    return {"op": "remove", "path": path}


CHANGES = [
    ([replace("title", "N")], {"title": "N"}),
    ([replace("nickName", "N")], {"nickName": "N"}),
    ([remove("title")], {"title": None}),
    ([remove("nickName")], {}),
    ([replace("name", {"givenName": "X"})], {"name": {"givenName": "X", "familyName": "Jensen"}}),
    ([replace("name.givenName", "X")], {"name": {"givenName": "X", "familyName": "Jensen"}}),
    ([remove("name.givenName")], {"name": {"familyName": "Jensen"}}),
    (
        [add("emails", [{"value": "b@example.com", "primary": True}])],
        {
            "emails": [
                {"value": "a@example.com", "type": "work", "primary": False},
                {"value": "b@example.com", "primary": True},
            ]
        },
    ),
    (
        [add("emails", {"value": "b@example.com"})],
        {"emails": [*PERSON["emails"], {"value": "b@example.com"}]},
    ),
    ([replace("emails", [{"value": "c@example.com"}])], {"emails": [{"value": "c@example.com"}]}),
    ([remove("emails")], {"emails": None}),
    ([remove('emails[type eq "work"]')], {"emails": None}),
    (
        [replace('emails[type eq "work"].value', "d@example.com")],
        {"emails": [{"value": "d@example.com", "type": "work", "primary": True}]},
    ),
    ([remove('emails[type eq "home"]')], {}),
    ([add(f"{ENTERPRISE}:employeeNumber", "7")], {"schemas": [USER, ENTERPRISE], ENTERPRISE: {"employeeNumber": "7"}}),
    ([{"op": "add", "value": {"title": "N", "nickName": "B"}}], {"title": "N", "nickName": "B"}),
    ([{"op": "REPLACE", "path": "TITLE", "value": "N"}], {"title": "N"}),
    ([replace(f"{USER}:title", "N")], {"title": "N"}),
    (
        [
            add("emails", [{"value": "n@example.com", "type": "new"}]),
            replace('emails[type eq "new"].value', "m@example.com"),
        ],
        {"emails": [*PERSON["emails"], {"value": "m@example.com", "type": "new"}]},
    ),
    ([add("title", "A"), remove("title"), add("title", "B")], {"title": "B"}),
    ([replace("title", None)], {"title": None}),
    ([replace("emails", [])], {"emails": None}),
]


@pytest.mark.parametrize(("operations", "change"), CHANGES)
def test_a_patch_changes_what_it_names_and_answers_with_the_resource(client, person, operations, change):
    """Q47, Q48, Q49, Q51, Q54, Q58."""
    path = f"/Users/{person['id']}"
    answer = client.patch(path, *operations)
    patched = answer.ok()
    expected = {name: value for name, value in {**person, **change}.items() if value is not None}
    assert {**patched, "meta": None} == {**expected, "meta": None}
    assert (patched["meta"]["version"] != person["meta"]["version"]) is bool(change)
    assert (patched["meta"]["lastModified"] > person["meta"]["lastModified"]) is bool(change)
    assert patched["meta"]["created"] == person["meta"]["created"]
    assert answer.headers["etag"] == patched["meta"]["version"]
    assert answer.headers["location"] == answer.headers["content-location"] == person["meta"]["location"]
    assert client.get(path).ok() == patched


REFUSED = [
    ({"op": "remove"}, 400, "noTarget"),
    (remove("userName"), 400, "mutability"),
    (replace("userName", None), 400, "mutability"),
    (replace('emails[type sw "home"].value', "x"), 400, "noTarget"),
    (replace('emails[type sw "home"]', {"value": "x"}), 400, "noTarget"),
    (replace("id", "x"), 400, "mutability"),
    (replace("groups", [{"value": "x"}]), 400, "mutability"),
    (add("groups", [{"value": "x"}]), 400, "mutability"),
    (remove("groups"), 400, "mutability"),
    (replace("unknown", 1), 400, "invalidPath"),
    (replace("title.", 1), 400, "invalidPath"),
    (replace("name..givenName", "x"), 400, "invalidPath"),
    (replace("urn:example:none:title", "x"), 400, "invalidPath"),
    (replace("emails[", "x"), 400, "invalidFilter"),
    (replace("emails[0].value", "x"), 400, "invalidFilter"),
    (replace('emails[unknown eq "x"].value', "x"), 400, "invalidFilter"),
    (replace('title[value eq "x"]', "x"), 400, "invalidFilter"),
    (replace("title", 5), 400, "invalidValue"),
    (replace("active", "perhaps"), 400, "invalidValue"),
    ({"op": "add", "path": "title"}, 400, "invalidValue"),
    ({"op": "move", "path": "title", "value": "x"}, 400, "invalidSyntax"),
    ({"path": "title", "value": "x"}, 400, "invalidSyntax"),
    ({"op": 1, "path": "title", "value": "x"}, 400, "invalidSyntax"),
    ({"op": "add", "path": 1, "value": "x"}, 400, "invalidSyntax"),
    ({"op": "add", "value": "x"}, 400, "invalidValue"),
    (add("emails", [{"value": "x", "primary": True}, {"value": "y", "primary": True}]), 400, "invalidValue"),
]


@pytest.mark.parametrize(("operation", "status", "scim_type"), REFUSED)
def test_a_refused_operation_undoes_those_before_it(client, person, operation, status, scim_type):
    """Q44, Q45, Q53, Q55."""
    path = f"/Users/{person['id']}"
    answer = client.patch(path, replace("title", "lost"), add("emails", {"value": "lost@example.com"}), operation)
    assert answer.error == (status, scim_type)
    assert client.get(path).ok() == person


def test_two_values_cannot_be_primary_at_once_after_a_patch_either(client, person):
    patched = client.patch(
        f"/Users/{person['id']}",
        add("emails", [{"value": "b@example.com", "primary": True}]),
        add("emails", [{"value": "c@example.com", "primary": True}]),
    ).ok()
    assert [item["value"] for item in patched["emails"] if item.get("primary")] == ["c@example.com"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": {}},
        {"schemas": [PATCH_OP], "Operations": [1]},
        {"schemas": [USER], "Operations": [add("title", "x")]},
        [],
        "text",
        None,
    ],
)
def test_a_body_that_is_no_patch_message_is_refused(client, person, body):
    answer = client.send("PATCH", f"/Users/{person['id']}", b"null" if body is None else body)
    assert answer.error == (400, "invalidSyntax")
    assert client.get(f"/Users/{person['id']}").ok() == person


def test_a_patch_has_a_bound_on_its_operations(client, person):
    path = f"/Users/{person['id']}"
    operations = [replace("title", str(number)) for number in range(1001)]
    assert client.patch(path, *operations[:1000]).ok()["title"] == "999"
    answer = client.patch(path, *operations)
    assert answer.error == (413, None)
    assert "1000" in answer.json["detail"].replace(",", "")
    assert client.get(path).ok()["title"] == "999"


@pytest.mark.parametrize("path", ['emails[type eq "home"].value', 'emails[type eq "home"]'])
def test_a_replacement_through_a_filter_that_matches_nothing_is_refused_by_a_strict_tenant(strict, path):
    """Q46."""
    there = strict.new_user(**PERSON)
    value = "x@example.com" if path.endswith("value") else {"value": "x@example.com"}
    answer = strict.patch(f"/Users/{there['id']}", replace("title", "lost"), replace(path, value))
    assert answer.error == (400, "noTarget")
    assert strict.get(f"/Users/{there['id']}").ok() == there


def test_a_string_boolean_and_a_filter_miss_depend_on_the_profile(strict, tolerant):
    """Q57, Q59."""
    operations = ({"op": "Replace", "value": {"active": "False"}}, add('emails[type eq "work"].value', "x@example.com"))
    path = f"/Users/{strict.new_user()['id']}"
    assert strict.patch(path, operations[0]).error == (400, "invalidValue")
    assert strict.patch(path, operations[1]).error == (400, "noTarget")
    patched = tolerant.patch(f"/Users/{tolerant.new_user()['id']}", *operations).ok()
    assert patched["active"] is False
    assert patched["emails"] == [{"type": "work", "value": "x@example.com"}]


def test_a_patch_to_a_taken_user_name_is_a_conflict(client, person):
    other = client.new_user()
    answer = client.patch(f"/Users/{person['id']}", replace("userName", other["userName"].upper()))
    assert answer.error == (409, "uniqueness")


def test_a_user_may_change_the_case_of_its_own_name(client):
    there = client.new_user(userName="own-case@example.com")
    assert client.patch(f"/Users/{there['id']}", replace("userName", "Own-Case@example.com")).ok()["userName"] == (
        "Own-Case@example.com"
    )


def test_a_name_that_a_patch_gave_up_is_free(client, person):
    client.patch(f"/Users/{person['id']}", replace("userName", f"new-{person['userName']}")).ok()
    assert client.post("/Users", user(userName=person["userName"])).status == 201
