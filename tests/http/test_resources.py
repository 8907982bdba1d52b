"""Resources are created, read, replaced and deleted as RFC 7644 §3.3 to §3.6 have it."""

import pytest

from serving import ENTERPRISE, GROUP, LIST, PATCH_OP, USER, group, user

EVERYTHING = {
    "externalId": "A-1",
    "name": {"formatted": "Ms. Barbara J Jensen III", "familyName": "Jensen", "givenName": "Barbara"},
    "displayName": "Babs Jensen",
    "profileUrl": "https://login.example.com/bjensen",
    "emails": [
        {"value": "bjensen@example.com", "type": "work", "primary": True},
        {"value": "babs@jensen.org", "type": "home"},
    ],
    "addresses": [{"type": "work", "streetAddress": "100 Universal City Plaza", "country": "US"}],
    "phoneNumbers": [{"value": "555-555-5555", "type": "work"}],
    "preferredLanguage": "en-US",
    "active": True,
    "x509Certificates": [{"value": "MIIDQzCC"}],
    ENTERPRISE: {"employeeNumber": "701984", "department": "Tour Operations"},
}


def test_a_created_resource_comes_back_whole_with_its_location_and_version(client):
    body = user(**EVERYTHING)
    answer = client.post("/Users", body)
    created = answer.ok(201)

    location = f"{client.base_url}/Users/{created['id']}"
    assert answer.headers["location"] == answer.headers["content-location"] == created["meta"]["location"] == location
    assert answer.headers["etag"] == created["meta"]["version"]
    assert answer.headers["content-type"] == "application/scim+json"
    assert created["meta"]["resourceType"] == "User"
    assert created["meta"]["created"] == created["meta"]["lastModified"]
    assert sorted(created["schemas"]) == sorted([USER, ENTERPRISE])
    for name, value in body.items():
        assert name == "schemas" or created[name] == value
    assert created.keys() - body.keys() == {"id", "meta"}


def test_a_resource_reads_as_it_was_created(client):
    created = client.new_user(**EVERYTHING)
    answer = client.get(f"/Users/{created['id']}")
    assert answer.ok() == created
    assert answer.headers["etag"] == created["meta"]["version"]
    assert answer.headers["content-location"] == created["meta"]["location"]


def test_the_server_ignores_id_meta_and_groups_of_a_new_user(client):
    """Q01."""
    sent = {"id": "x", "meta": {"resourceType": "Group", "version": 'W/"99"'}, "groups": [{"value": "y"}]}
    created = client.new_user(**sent)
    assert created["id"] != "x"
    assert created["meta"]["resourceType"] == "User"
    assert created["meta"]["version"] != 'W/"99"'
    assert "groups" not in created
    assert "bulkId" not in created["id"]


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
def test_a_user_name_is_unique_without_regard_to_case(client, verb):
    """Q02; 409 for every verb."""
    taken = client.new_user()["userName"].upper()
    other = client.new_user()
    if verb == "POST":
        answer = client.post("/Users", user(userName=taken))
    elif verb == "PUT":
        answer = client.put(f"/Users/{other['id']}", user(userName=taken))
    else:
        answer = client.patch(f"/Users/{other['id']}", {"op": "replace", "path": "userName", "value": taken})
    assert answer.error == (409, "uniqueness")
    assert client.get(f"/Users/{other['id']}").ok() == other


def test_user_names_that_unicode_folding_equates_are_the_same(client):
    client.new_user(userName="Straße@example.com")
    assert client.post("/Users", user(userName="STRASSE@example.com")).error == (409, "uniqueness")


def test_external_ids_are_case_exact_and_need_not_be_unique(client):
    """Q03."""
    upper, lower, again = (client.new_user(externalId=text)["id"] for text in ("Q03-A", "q03-a", "q03-a"))
    assert client.found('externalId eq "Q03-A"') == [upper]
    assert sorted(client.found('externalId eq "q03-a"')) == sorted([lower, again])


def test_null_and_empty_lists_leave_attributes_unassigned(client):
    """Q06."""
    created = client.new_user(emails=[], title=None, name={"givenName": None}, **{ENTERPRISE: {}})
    assert created.keys() == {"schemas", "id", "userName", "meta"}
    assert created["schemas"] == [USER]
    assert client.get(f"/Users/{created['id']}").ok() == created


@pytest.mark.parametrize(
    ("change", "scim_type"),
    [
        ({"userName": None}, "invalidValue"),
        ({"userName": ""}, "invalidValue"),
        ({"userName": 7}, "invalidValue"),
        ({"active": "yes"}, "invalidValue"),
        ({"active": 1}, "invalidValue"),
        ({"name": [1, 2]}, "invalidValue"),
        ({"emails": [{"value": 3}]}, "invalidValue"),
        (
            {"emails": [{"value": "a@b.c", "primary": True}, {"value": "d@e.f", "primary": True}]},
            "invalidValue",
        ),
        ({"x509Certificates": [{"value": "no base64!"}]}, "invalidValue"),
        ({"USERNAME": "again"}, "invalidSyntax"),
        ({"schemas": "text"}, "invalidSyntax"),
        ({"schemas": [1]}, "invalidSyntax"),
        ({ENTERPRISE: "text"}, "invalidValue"),
        ({ENTERPRISE: {"department": 5}}, "invalidValue"),
    ],
)
def test_a_body_that_does_not_fit_the_schema_is_refused_and_nothing_is_stored(client, change, scim_type):
    """Q07 among others."""
    before = client.get("/Users", count=0).ok()["totalResults"]
    assert client.post("/Users", user(**change)).error == (400, scim_type)
    there = client.new_user()
    assert client.put(f"/Users/{there['id']}", user(**change)).error == (400, scim_type)
    assert client.get(f"/Users/{there['id']}").ok() == there
    assert client.get("/Users", count=0).ok()["totalResults"] == before + 1


@pytest.mark.parametrize("change", [{"active": "true"}, {"active": "True"}, {"emails": [{"primary": "false"}]}])
def test_a_string_is_no_boolean_for_a_strict_tenant(strict, tolerant, change):
    """Q05."""
    assert strict.post("/Users", user(**change)).error == (400, "invalidValue")
    created = tolerant.post("/Users", user(**change)).ok(201)
    assert created.get("active", True) is True


@pytest.mark.parametrize(("schemas", "scim_type"), [([], "invalidSyntax"), (["urn:example:none"], "invalidValue")])
def test_schemas_are_required_and_known_in_a_strict_tenant(strict, schemas, scim_type):
    assert strict.post("/Users", user(schemas=schemas)).error == (400, scim_type)


def test_unknown_attributes_are_ignored_unless_the_tenant_refuses_them(client, new_tenant):
    created = client.new_user(shoeSize=43, **{"urn:example:none": {"a": 1}})
    assert created.keys() == {"schemas", "id", "userName", "meta"}
    refusing = new_tenant("strict", refuse_unknown=True)
    assert refusing.post("/Users", user(shoeSize=43)).error == (400, "invalidSyntax")


def test_schema_uris_are_compared_without_regard_to_case_and_counted_once(client):
    created = client.new_user(schemas=[USER.upper(), USER])
    assert created["schemas"] == [USER]


def test_an_extension_that_schemas_does_not_list_is_accepted_and_listed(client):
    created = client.new_user(schemas=[USER], **{ENTERPRISE: {"costCenter": "4130"}})
    assert sorted(created["schemas"]) == sorted([USER, ENTERPRISE])


def test_attribute_names_are_case_insensitive_and_shown_as_declared(client):
    created = client.post("/Users", {"SCHEMAS": [USER], "USERname": "q-case@example.com", "NICKname": "Q"}).ok(201)
    assert (created["userName"], created["nickName"]) == ("q-case@example.com", "Q")


def test_replacing_ignores_id_meta_and_groups(client):
    """Q08."""
    there = client.new_user()
    change = user(userName=there["userName"], title="T", id="other", meta={"version": "x"}, groups=[{"value": "g"}])
    replaced = client.put(f"/Users/{there['id']}", change).ok()
    assert replaced["id"] == there["id"]
    assert replaced["meta"]["created"] == there["meta"]["created"]
    assert replaced["title"] == "T"
    assert "groups" not in replaced


def test_replacing_clears_what_is_left_out_extensions_included(client):
    """Q12."""
    there = client.new_user(title="T", **{ENTERPRISE: {"division": "D"}})
    replaced = client.put(f"/Users/{there['id']}", user(userName=there["userName"])).ok()
    assert replaced.keys() == {"schemas", "id", "userName", "meta"}
    assert replaced["schemas"] == [USER]


@pytest.mark.parametrize("left_out", ["userName", "schemas"])
def test_a_replacement_needs_what_is_required(strict, left_out):
    """Q09."""
    there = strict.new_user()
    body = user()
    del body[left_out]
    expected = "invalidValue" if left_out == "userName" else "invalidSyntax"
    assert strict.put(f"/Users/{there['id']}", body).error == (400, expected)
    assert strict.get(f"/Users/{there['id']}").ok() == there


def test_a_replacement_that_changes_nothing_leaves_the_version_alone(client):
    there = client.new_user(**EVERYTHING)
    answer = client.put(f"/Users/{there['id']}", there)
    assert answer.ok() == there
    assert answer.headers["etag"] == there["meta"]["version"]


def test_a_replacement_that_changes_something_makes_a_new_version(client):
    there = client.new_user()
    replaced = client.put(f"/Users/{there['id']}", {**there, "title": "T"}).ok()
    assert replaced["meta"]["version"] != there["meta"]["version"]
    assert replaced["meta"]["lastModified"] > there["meta"]["lastModified"]
    assert replaced["meta"]["created"] == there["meta"]["created"]


@pytest.mark.parametrize("endpoint", ["/Users", "/Groups"])
def test_replacing_what_is_not_there_creates_nothing(client, endpoint):
    """Q13."""
    body = user() if endpoint == "/Users" else group()
    before = client.get(endpoint, count=0).ok()["totalResults"]
    assert client.put(f"{endpoint}/unknown", body).error == (404, None)
    assert client.get(endpoint, count=0).ok()["totalResults"] == before


def test_a_deleted_resource_is_gone_for_every_method_and_search(client):
    """Q14."""
    there = client.new_user()
    path = f"/Users/{there['id']}"
    answer = client.delete(path)
    assert (answer.status, answer.body) == (204, b"")
    assert "content-type" not in answer.headers
    assert client.get(path).error == (404, None)
    assert client.put(path, user()).error == (404, None)
    assert client.patch(path, {"op": "add", "path": "title", "value": "T"}).error == (404, None)
    assert client.delete(path).error == (404, None)
    assert client.get("/Users", filter=f'id eq "{there["id"]}"').ok()["totalResults"] == 0


def test_the_name_of_a_deleted_user_can_be_given_again_and_the_id_is_new(client):
    """Q15."""
    there = client.new_user()
    client.delete(f"/Users/{there['id']}").ok(204)
    again = client.new_user(userName=there["userName"])
    assert again["id"] != there["id"]


def test_a_resource_of_another_type_is_not_found_by_its_id(client):
    there = client.new_user()
    assert client.get(f"/Groups/{there['id']}").error == (404, None)
    assert client.delete(f"/Groups/{there['id']}").error == (404, None)
    assert client.get(f"/Users/{there['id']}").ok() == there


def test_the_type_of_a_resource_is_that_of_its_endpoint(client):
    created = client.new_group(meta={"resourceType": "User"})
    assert created["meta"]["resourceType"] == "Group"
    assert created["schemas"] == [GROUP]
    assert created["meta"]["location"] == f"{client.base_url}/Groups/{created['id']}"


def test_what_the_store_cannot_change_is_never_lost_in_a_round_trip_of_unicode(client):
    text = 'Zoë "Ω" \\ \U0001f600 \u202e \u0301 </script> 名前'
    created = client.new_user(displayName=text)
    assert client.get(f"/Users/{created['id']}").ok()["displayName"] == text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    assert created["id"] in client.found(f'displayName eq "{escaped}"')


def test_a_slash_at_the_end_of_a_path_changes_nothing(client):
    created = client.post("/Users/", user()).ok(201)
    assert client.get(f"/Users/{created['id']}/").ok() == created
    assert client.get("/Users/", count=0).ok()["schemas"] == [LIST]


def test_a_head_request_answers_as_get_would_without_the_body(client):
    created = client.new_user()
    got, head = (client.send(method, f"/Users/{created['id']}") for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    same = ("etag", "location", "content-type", "content-length", "cache-control")
    assert [head.headers[name] for name in same] == [got.headers[name] for name in same]
    assert client.send("HEAD", "/Users/unknown").status == 404


def test_the_newest_version_of_the_protocol_may_go_unnamed_and_others_are_refused(client):
    """RFC 7644 §3.13."""
    created = client.new_user()
    without = client.path.removesuffix("/v2")
    assert client.at(without).get(f"/Users/{created['id']}").ok() == created
    for version in ("v1", "v3", "V10"):
        assert client.at(f"{without}/{version}").get("/Users").error == (400, "invalidVers")


def test_unknown_query_parameters_are_ignored(client):
    created = client.new_user()
    assert client.get(f"/Users/{created['id']}", aadOptscim062020="", trace="1").ok() == created


def test_a_patch_message_of_another_case_is_the_same_message(client):
    created = client.new_user()
    body = {"schemas": [PATCH_OP.upper()], "Operations": [{"op": "add", "path": "title", "value": "T"}]}
    assert client.send("PATCH", f"/Users/{created['id']}", body).ok()["title"] == "T"
