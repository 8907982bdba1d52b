"""Projections work on every answer that holds a resource (RFC 7644 §3.9)."""

import pytest

from serving import ENTERPRISE, SEARCH, USER, group, user

PERSON = {
    "name": {"familyName": "Jensen", "givenName": "Barbara"},
    "emails": [{"value": "a@example.com", "type": "work"}, {"value": "b@example.com", "type": "home"}],
    "title": "T",
    ENTERPRISE: {"department": "D", "employeeNumber": "7"},
}
ALWAYS = {"schemas", "id"}


@pytest.fixture(scope="module")
def person(client):
    return client.new_user(**PERSON)


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ("userName", {"userName"}),
        ("USERNAME,title", {"userName", "title"}),
        (" title , title", {"title"}),
        (f"{USER}:title", {"title"}),
        ("unknown", set()),
        ("password", set()),
        ("id", set()),
        ("meta", {"meta"}),
        (ENTERPRISE, {ENTERPRISE}),
    ],
)
def test_attributes_show_what_is_named_and_what_is_always_returned(client, person, attributes, shown):
    """Q16, Q04."""
    got = client.get(f"/Users/{person['id']}", attributes=attributes).ok()
    assert got.keys() == ALWAYS | shown
    assert all(got[name] == person[name] for name in shown)


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        ("NAME.givenname", "name", {"givenName": "Barbara"}),
        ("emails.type", "emails", [{"type": "work"}, {"type": "home"}]),
        (f"{USER}:name.familyName", "name", {"familyName": "Jensen"}),
        (f"{ENTERPRISE}:department", ENTERPRISE, {"department": "D"}),
        ("meta.resourceType", "meta", {"resourceType": "User"}),
    ],
)
def test_a_sub_attribute_shows_that_part_alone(client, person, attributes, name, value):
    """Q17."""
    got = client.get(f"/Users/{person['id']}", attributes=attributes).ok()
    assert got.keys() == ALWAYS | {name}
    assert got[name] == value


def test_an_attribute_of_an_extension_is_shown_below_its_urn(client):
    """Q18."""
    boss = client.new_user(displayName="Boss")
    person = client.new_user(**{ENTERPRISE: {"manager": {"value": boss["id"]}, "department": "D"}})
    got = client.get(f"/Users/{person['id']}", attributes=f"{ENTERPRISE}:manager.value").ok()
    assert got.keys() == ALWAYS | {ENTERPRISE}
    assert got[ENTERPRISE] == {"manager": {"value": boss["id"]}}


@pytest.mark.parametrize(
    ("excluded", "gone"),
    [
        ("title", {"title"}),
        ("TITLE,meta", {"title", "meta"}),
        ("id,schemas", set()),
        ("unknown", set()),
        (ENTERPRISE, {ENTERPRISE}),
        (f"{USER}:title", {"title"}),
    ],
)
def test_excluded_attributes_are_left_out_unless_always_returned(client, person, excluded, gone):
    got = client.get(f"/Users/{person['id']}", excludedAttributes=excluded).ok()
    assert got == {name: value for name, value in person.items() if name not in gone}


def test_an_excluded_sub_attribute_leaves_the_rest_of_the_element(client, person):
    got = client.get(f"/Users/{person['id']}", excludedAttributes="emails.value,name.familyName").ok()
    assert got["emails"] == [{"type": "work"}, {"type": "home"}]
    assert got["name"] == {"givenName": "Barbara"}
    assert got["title"] == "T"


def test_excluding_all_parts_drops_the_attribute(client, person):
    got = client.get(f"/Users/{person['id']}", excludedAttributes="name.familyName,name.givenName").ok()
    assert "name" not in got


def test_naming_both_is_refused_on_every_operation(client, person):
    """Q20."""
    both = {"attributes": "userName", "excludedAttributes": "title"}
    path = f"/Users/{person['id']}"
    message = {"schemas": [SEARCH], "attributes": ["userName"], "excludedAttributes": ["title"]}
    before = client.get("/Users", count=0).ok()["totalResults"]
    for answer in (
        client.get(path, **both),
        client.get("/Users", **both),
        client.get("", **both),
        client.post("/Users", user(), **both),
        client.put(path, user(), **both),
        client.patch(path, {"op": "add", "path": "title", "value": "N"}, **both),
        client.post("/Users/.search", message),
    ):
        assert answer.error == (400, "invalidValue")
    assert client.get("/Users", count=0).ok()["totalResults"] == before
    assert client.get(path).ok() == person


def test_an_empty_list_counts_as_none(client, person):
    assert client.get(f"/Users/{person['id']}", attributes="", excludedAttributes="").ok() == person


@pytest.mark.parametrize("query", [{"attributes": "title"}, {"excludedAttributes": "meta,name,emails,userName"}])
def test_every_operation_that_returns_a_resource_projects_it(client, query):
    """Q21 among others."""
    wanted = ALWAYS | {"title"}
    created = client.post("/Users", user(title="A", name={"givenName": "B"}), **query).ok(201)
    path = f"/Users/{created['id']}"
    whole = client.get(path).ok()
    assert created.keys() == wanted
    assert client.get(path, **query).ok().keys() == wanted
    assert client.put(path, {**whole, "title": "C"}, **query).ok().keys() == wanted
    patched = client.patch(path, {"op": "replace", "path": "title", "value": "D"}, **query).ok()
    assert (patched.keys(), patched["title"]) == (wanted, "D")
    mine = {"filter": f'id eq "{created["id"]}"'}
    (listed,) = client.get("/Users", **mine, **query).ok()["Resources"]
    (rooted,) = client.get("", **mine, **query).ok()["Resources"]
    names = {name: value.split(",") for name, value in query.items()}
    (searched,) = client.post("/Users/.search", {"schemas": [SEARCH], **mine, **names}).ok()["Resources"]
    assert listed == rooted == searched == patched


def test_the_version_is_that_of_the_resource_whatever_is_shown(client, person):
    answer = client.get(f"/Users/{person['id']}", attributes="userName")
    assert answer.headers["etag"] == person["meta"]["version"]
    answer = client.send(
        "GET", f"/Users/{person['id']}?attributes=userName", headers={"If-None-Match": person["meta"]["version"]}
    )
    assert (answer.status, answer.body) == (304, b"")


def test_members_are_left_out_and_narrowed_like_any_attribute(client, person):
    there = client.new_group(person["id"])
    path = f"/Groups/{there['id']}"
    assert client.get(path, excludedAttributes="members").ok().keys() == {"schemas", "id", "displayName", "meta"}
    assert client.get(path, attributes="members.value").ok()["members"] == [{"value": person["id"]}]
    assert client.get(path, attributes="members.type").ok()["members"] == [{"type": "User"}]
    (member,) = client.get(path, excludedAttributes="members.value").ok()["members"]
    assert member.keys() == {"$ref", "type", "display"}
    listed = client.get("/Groups", filter=f'id eq "{there["id"]}"', attributes="members.value").ok()
    assert listed["Resources"][0] == {
        "schemas": there["schemas"],
        "id": there["id"],
        "members": [{"value": person["id"]}],
    }


@pytest.mark.parametrize("parameter", ["attributes", "excludedAttributes"])
def test_a_list_of_names_has_a_bound(client, person, parameter):
    """Bounded at 200 names, however they are sent."""
    path = f"/Users/{person['id']}"
    fits, exceeds = ["title"] * 200, ["title"] * 201
    assert client.get(path, **{parameter: ",".join(fits)}).status == 200
    assert client.post("/Users/.search", {"schemas": [SEARCH], parameter: fits, "count": 1}).status == 200
    text = ",".join(exceeds)
    for answer in (
        client.get(path, **{parameter: text}),
        client.get("/Users", **{parameter: text}),
        client.post("/Users", user(), **{parameter: text}),
        client.post("/Groups", group(), **{parameter: text}),
        client.post("/.search", {"schemas": [SEARCH], parameter: exceeds}),
    ):
        assert answer.error == (400, "invalidValue")
        assert "200" in answer.json["detail"]
