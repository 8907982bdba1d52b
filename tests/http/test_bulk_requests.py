"""Bulk requests over HTTP (RFC 7644 §3.7)."""

import json

import pytest

from serving import BULK, BULK_RESPONSE, ENTERPRISE, ERROR, PATCH_OP, group, user


def post(bulk_id, data, path="/Users"):
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": data}


def outcomes(answer):
    body = answer.ok()
    assert body.keys() == {"schemas", "Operations"}
    assert body["schemas"] == [BULK_RESPONSE]
    return body["Operations"]


def id_of(outcome):
    return outcome["location"].rsplit("/", 1)[1]


def test_every_method_is_carried_out_as_a_request_of_its_own_would_be(client):
    there, doomed = client.new_user(), client.new_user()
    patch = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "P"}]}
    created, replaced, patched, deleted = outcomes(
        client.bulk(
            post("a", user(title="C")),
            {"method": "PUT", "path": f"/Users/{there['id']}", "data": {**there, "nickName": "N"}},
            {"method": "PATCH", "path": f"/Users/{there['id']}", "data": patch},
            {"method": "DELETE", "path": f"/Users/{doomed['id']}"},
        )
    )
    assert created.keys() == {"method", "bulkId", "location", "version", "status"}
    assert (created["method"], created["bulkId"], created["status"]) == ("POST", "a", "201")
    assert client.get(f"/Users/{id_of(created)}").ok()["meta"]["version"] == created["version"]
    assert replaced["location"] == patched["location"] == there["meta"]["location"]
    assert (replaced["status"], patched["status"], deleted["status"]) == ("200", "200", "204")
    got = client.get(f"/Users/{there['id']}").ok()
    assert (got["nickName"], got["title"], got["meta"]["version"]) == ("N", "P", patched["version"])
    assert client.get(f"/Users/{doomed['id']}").status == 404
    assert deleted == {"method": "DELETE", "location": doomed["meta"]["location"], "status": "204"}


def test_a_job_whose_operations_all_fail_is_a_success_that_says_so(client):
    """Q60, Q64."""
    taken = client.new_user()
    failed, missing = outcomes(
        client.bulk(
            post("a", user(userName=taken["userName"])),
            {"method": "DELETE", "path": "/Users/nobody"},
        )
    )
    assert failed.keys() == {"method", "bulkId", "status", "response"}
    assert (failed["bulkId"], failed["status"]) == ("a", "409")
    assert failed["response"]["schemas"] == [ERROR]
    assert (failed["response"]["status"], failed["response"]["scimType"]) == ("409", "uniqueness")
    assert missing["status"] == missing["response"]["status"] == "404"
    assert missing["location"] == f"{client.base_url}/Users/nobody"


@pytest.mark.parametrize(("limit", "processed"), [(1, 2), (2, 3), (3, 5), (None, 5)])
def test_a_job_stops_once_it_has_as_many_errors_as_it_may(client, limit, processed):
    """Q61."""
    bad = {"method": "DELETE", "path": "/Users/nobody"}
    operations = [post("a", user()), bad, bad, post("b", user()), bad]
    members = {} if limit is None else {"failOnErrors": limit}
    statuses = [outcome["status"] for outcome in outcomes(client.bulk(*operations, **members))]
    assert statuses == ["201", "404", "404", "201", "404"][:processed]


def test_a_job_that_may_fail_once_stops_at_its_first_operation(client):
    """Q61."""
    assert len(outcomes(client.bulk({"method": "DELETE", "path": "/Users/x"}, post("a", user()), failOnErrors=1))) == 1


def test_what_is_referred_to_may_be_created_later_in_the_job(client):
    """Q62; the outcomes keep the order of the request."""
    team, person = outcomes(client.bulk(post("g", group("bulkId:u"), "/Groups"), post("u", user())))
    assert (team["bulkId"], person["bulkId"]) == ("g", "u")
    (member,) = client.get(f"/Groups/{id_of(team)}").ok()["members"]
    assert member["value"] == id_of(person)


def test_a_reference_may_stand_in_an_extension_a_patch_a_filter_and_a_path(client):
    person = user(**{ENTERPRISE: {"manager": {"value": "bulkId:boss"}}})
    there = client.new_group()
    add = {"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}, {"value": "bulkId:p"}]}
    drop = {"op": "remove", "path": 'members[value eq "bulkId:p"]'}
    title = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "title", "value": "T"}]}
    created, boss, *others = outcomes(
        client.bulk(
            post("p", person),
            post("boss", user(displayName="Boss")),
            {
                "method": "PATCH",
                "path": f"/Groups/{there['id']}",
                "data": {"schemas": [PATCH_OP], "Operations": [add, drop]},
            },
            {"method": "PATCH", "path": "/Users/bulkId:boss", "data": title},
        )
    )
    assert [outcome["status"] for outcome in others] == ["200", "200"]
    manager = client.get(f"/Users/{id_of(created)}").ok()[ENTERPRISE]["manager"]
    assert (manager["value"], manager["displayName"]) == (id_of(boss), "Boss")
    assert [item["value"] for item in client.get(f"/Groups/{there['id']}").ok()["members"]] == [id_of(boss)]
    assert client.get(f"/Users/{id_of(boss)}").ok()["title"] == "T"


def test_users_who_manage_each_other_are_created(client):
    """RFC 7644 §3.7.1: circular references."""
    bodies = [user(**{ENTERPRISE: {"manager": {"value": f"bulkId:{other}"}}}) for other in ("b", "a")]
    first, second = outcomes(client.bulk(post("a", bodies[0]), post("b", bodies[1])))
    for one, other in ((first, second), (second, first)):
        assert one["status"] == "201"
        got = client.get(f"/Users/{id_of(one)}").ok()
        assert got[ENTERPRISE]["manager"]["value"] == id_of(other)
        assert got["meta"]["version"] == one["version"]


def test_groups_that_would_contain_each_other_are_a_conflict(client):
    """Q62: resolved or 409; groups may not form a circle here."""
    before = client.get("/Groups", count=0).ok()["totalResults"]
    done = outcomes(client.bulk(post("a", group("bulkId:b"), "/Groups"), post("b", group("bulkId:a"), "/Groups")))
    assert "409" in [outcome["status"] for outcome in done]
    survived = sum(outcome["status"] == "201" for outcome in done)
    assert client.get("/Groups", count=0).ok()["totalResults"] == before + survived


def test_a_reference_to_nothing_fails_that_operation_alone(client):
    unknown, failed, dependent, fine = outcomes(
        client.bulk(
            post("g", group("bulkId:nothing"), "/Groups"),
            post("bad", {"schemas": []}),
            post("d", group("bulkId:bad"), "/Groups"),
            post("u", user()),
        )
    )
    assert (unknown["status"], unknown["response"]["scimType"]) == ("400", "invalidValue")
    assert failed["status"] == "400"
    assert dependent["status"] == "409"
    assert fine["status"] == "201"


def test_the_version_of_an_operation_is_its_precondition(client):
    there = client.new_user()
    path = f"/Users/{there['id']}"
    current, stale = there["meta"]["version"], 'W/"0"'
    data = {**there, "title": "T"}
    refused, done, late = outcomes(
        client.bulk(
            {"method": "PUT", "path": path, "version": stale, "data": data},
            {"method": "PUT", "path": path, "version": current, "data": data},
            {"method": "DELETE", "path": path, "version": current},
        )
    )
    assert (refused["status"], refused["response"]["status"]) == ("412", "412")
    assert done["status"] == "200"
    assert late["status"] == "412"
    assert client.get(path).ok()["title"] == "T"


def test_an_if_match_header_does_not_apply_to_the_operations_within(client):
    there = client.new_user()
    body = {"schemas": [BULK], "Operations": [{"method": "DELETE", "path": f"/Users/{there['id']}"}]}
    (done,) = outcomes(client.send("POST", "/Bulk", body, headers={"If-Match": 'W/"0"'}))
    assert done["status"] == "204"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/Bulk", "404"),
        ("/Me", "404"),
        ("/.search", "404"),
        ("/Schemas", "404"),
        ("/Unknown", "404"),
        ("https://elsewhere.example/Users", "404"),
        ("/Users/x", "405"),
    ],
)
def test_what_is_no_endpoint_of_resources_cannot_be_called_from_a_job(client, path, status):
    (done,) = outcomes(client.bulk(post("a", user(), path)))
    assert done["status"] == done["response"]["status"] == status


def test_a_path_may_carry_the_version_or_the_base_url(client):
    done = outcomes(
        client.bulk(
            post("a", user(), "/v2/Users"), post("b", user(), f"{client.base_url}/Users"), post("c", user(), "Users")
        )
    )
    assert [outcome["status"] for outcome in done] == ["201"] * 3


@pytest.mark.parametrize(
    "change",
    [
        {"Operations": []},
        {"Operations": None},
        {"Operations": [1]},
        {"Operations": [{"method": "GET", "path": "/Users"}]},
        {"Operations": [{"method": "POST", "path": "/Users", "data": {}}]},
        {"Operations": [{"method": "POST", "path": "/Users", "bulkId": "a"}]},
        {"Operations": [{"method": "POST", "bulkId": "a", "data": {}}]},
        {"Operations": [{"method": "PUT", "path": "/Users/x", "data": []}]},
        {"Operations": [{"method": "DELETE", "path": "/Users/x", "version": 1}]},
        {"Operations": [post("a", {}), post("a", {})]},
        {"failOnErrors": 0},
        {"failOnErrors": -1},
        {"failOnErrors": "1"},
        {"failOnErrors": True},
        {"schemas": ["urn:example:none"]},
    ],
)
def test_a_job_of_a_wrong_structure_is_refused_as_a_whole(client, change):
    before = client.get("/Users", count=0).ok()["totalResults"]
    body = {"schemas": [BULK], "Operations": [post("ok", user())], **change}
    assert client.post("/Bulk", body).error == (400, "invalidSyntax")
    assert client.get("/Users", count=0).ok()["totalResults"] == before


def test_a_job_has_a_bound_on_its_operations_and_the_refusal_names_it(client):
    """Q63."""
    operation = {"method": "DELETE", "path": "/Users/nobody"}
    assert len(outcomes(client.bulk(*[operation] * 1000))) == 1000
    answer = client.bulk(*[operation] * 1001)
    assert answer.error == (413, None)
    assert "maxOperations is 1000" in answer.json["detail"].replace(",", "")


def test_a_job_has_a_bound_on_its_bytes_and_the_refusal_names_it(client):
    most = client.get("/ServiceProviderConfig").ok()["bulk"]["maxPayloadSize"]
    body = json.dumps({"schemas": [BULK], "Operations": [{"method": "DELETE", "path": "/Users/nobody"}]}).encode()
    assert len(outcomes(client.post("/Bulk", body + b" " * (most - len(body))))) == 1
    answer = client.post("/Bulk", body + b" " * (most - len(body) + 1))
    assert answer.error == (413, None)
    assert str(most) in answer.json["detail"]


def test_nothing_stands_at_bulk_but_post(client):
    answer = client.get("/Bulk")
    assert answer.error == (405, None)
    assert answer.headers["allow"] == "POST"
