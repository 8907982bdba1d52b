"""A tenant's own schemas and resource types: every characteristic holds (RFC 7643 §2.2, §7)."""

import time
from datetime import UTC, datetime

import pytest

from serving import ENTERPRISE, SEARCH, USER, user

BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
DEVICE = "urn:example:params:scim:schemas:core:2.0:Device"
SITE = "urn:example:params:scim:schemas:extension:site:2.0:Device"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"


def attribute(name, kind="string", **characteristics):
    return {"name": name, "type": kind, "multiValued": False, **characteristics}


BADGE_SCHEMA = {
    "schemas": [SCHEMA],
    "id": BADGE,
    "name": "Badge",
    "attributes": [
        attribute("plain"),
        attribute("fixed", mutability="immutable"),
        attribute("given", mutability="readOnly"),
        attribute("pin", mutability="writeOnly", returned="never"),
        attribute("hidden", returned="never"),
        attribute("onRequest", returned="request"),
        attribute("constant", returned="always"),
        attribute("number", uniqueness="server", caseExact=True),
        attribute("tag", uniqueness="server"),
        attribute("exact", caseExact=True),
        attribute("count", "integer"),
        attribute("ratio", "decimal"),
        attribute("since", "dateTime"),
        attribute("seal", "binary"),
        attribute("link", "reference", referenceTypes=["external"]),
        attribute("on", "boolean"),
        attribute("colours", multiValued=True, canonicalValues=["red", "green"]),
        attribute(
            "door",
            "complex",
            multiValued=True,
            subAttributes=[
                attribute("value"),
                attribute("note", returned="request"),
                attribute("code", returned="never"),
            ],
        ),
    ],
}
DEVICE_SCHEMA = {
    "schemas": [SCHEMA],
    "id": DEVICE,
    "name": "Device",
    "attributes": [attribute("serial", required=True, uniqueness="server"), attribute("model", mutability="immutable")],
}
SITE_SCHEMA = {
    "schemas": [SCHEMA],
    "id": SITE,
    "name": "Site",
    "attributes": [attribute("city", required=True), attribute("floor", "integer")],
}
DEVICE_TYPE = {
    "schemas": [RESOURCE_TYPE],
    "name": "Device",
    "endpoint": "/Devices",
    "schema": DEVICE,
    "schemaExtensions": [{"schema": SITE, "required": True}],
}


@pytest.fixture(scope="module", params=["strict", "tolerant"])
def client(request, server):
    with server.new_tenant(request.param) as made:
        server.add_schemas(made, BADGE_SCHEMA, DEVICE_SCHEMA, SITE_SCHEMA, DEVICE_TYPE)
        yield made


def badge(**values):
    return user(schemas=[USER, BADGE], **{BADGE: values})


def created(client, **values):
    return client.post("/Users", badge(**values)).ok(201)


def read(client, there, **query):
    return client.get(f"/Users/{there['id']}", **query).ok().get(BADGE, {})


def set_to(name, value):
    return {"op": "replace", "path": f"{BADGE}:{name}", "value": value}


def test_a_schema_that_is_added_while_the_server_runs_is_known_within_a_second(server, new_tenant):
    client = new_tenant("strict")
    assert client.post("/Users", badge(plain="x")).error == (400, "invalidValue")
    server.add_schemas(client, BADGE_SCHEMA)
    deadline = time.monotonic() + 1
    while (answer := client.post("/Users", badge(plain="x"))).status != 201:
        assert time.monotonic() < deadline
    assert answer.json[BADGE] == {"plain": "x"}


def test_what_is_returned_on_request_is_shown_when_asked_for_and_to_who_wrote_it(client):
    """Q19."""
    there = created(client, onRequest="r", plain="p")
    path = f"/Users/{there['id']}"
    assert there[BADGE] == {"plain": "p", "onRequest": "r"}
    assert read(client, there) == {"plain": "p"}
    mine = {"filter": f'id eq "{there["id"]}"'}
    assert client.get("/Users", **mine).ok()["Resources"][0][BADGE] == {"plain": "p"}
    assert read(client, there, attributes=f"{BADGE}:onRequest") == {"onRequest": "r"}
    message = {"schemas": [SEARCH], **mine, "attributes": [f"{BADGE}:onRequest"]}
    assert client.post("/Users/.search", message).ok()["Resources"][0][BADGE] == {"onRequest": "r"}
    assert client.patch(path, set_to("plain", "q")).ok()[BADGE] == {"plain": "q"}
    assert client.patch(path, set_to("onRequest", "s")).ok()[BADGE] == {"plain": "q", "onRequest": "s"}
    replaced = client.put(path, {**badge(onRequest="t"), "userName": there["userName"]}).ok()
    assert replaced[BADGE] == {"onRequest": "t"}
    assert client.found(f'{BADGE}:onRequest eq "t"') == [there["id"]]


@pytest.mark.parametrize("name", ["pin", "hidden"])
def test_what_is_never_returned_is_in_no_answer_of_any_kind(client, name):
    secret = f"secret-{name}"
    body = badge(plain="p", **{name: secret})
    answer = client.post("/Users", body)
    path = f"/Users/{answer.ok(201)['id']}"
    asked = f"{BADGE}:{name}"
    answers = [
        answer,
        client.get(path),
        client.get(path, attributes=asked),
        client.get("/Users", attributes=asked),
        client.post("/.search", {"schemas": [SEARCH], "attributes": [asked]}),
        client.put(path, body, attributes=asked),
        client.patch(path, set_to(name, secret)),
        client.patch(path, set_to(name, 5)),
        client.get("/Users", filter=f'{asked} eq "{secret}"'),
        client.get("/Users", sortBy=asked),
    ]
    assert [each.status for each in answers] == [201, 200, 200, 200, 200, 200, 200, 400, 400, 400]
    # the filter's own text may be quoted in the refusal of the filter, and nowhere else
    assert [secret in each.body.decode() for each in answers[:-2]] == [False] * 8


def test_what_is_always_returned_is_there_whatever_is_asked_for(client):
    there = created(client, constant="c", plain="p")
    assert read(client, there, attributes="userName") == {"constant": "c"}
    assert read(client, there, excludedAttributes=f"{BADGE}:constant") == {"constant": "c", "plain": "p"}
    assert read(client, there, excludedAttributes=BADGE) == {"constant": "c"}


def test_sub_attributes_have_their_own_rules_of_return(client):
    there = created(client, door=[{"value": "d", "note": "n", "code": "secret"}])
    assert read(client, there)["door"] == [{"value": "d"}]
    assert read(client, there, attributes=f"{BADGE}:door.note")["door"] == [{"note": "n"}]
    assert "door" not in read(client, there, attributes=f"{BADGE}:door.code")


MUTABILITY = [
    # attribute, first value, PUT with another, PUT without, PATCH with another
    ("plain", "p", "other", None, "other"),
    ("fixed", "f", (400, "mutability"), "f", (400, "mutability")),
]


@pytest.mark.parametrize(("name", "first", "put", "omitted", "patched"), MUTABILITY)
def test_mutability_decides_what_a_replacement_and_a_patch_do(client, name, first, put, omitted, patched):
    """Q10."""
    there = created(client, **{name: first})
    path, same = f"/Users/{there['id']}", {"userName": there["userName"]}
    equal = client.put(path, {**badge(**{name: first}), **same})
    assert equal.ok() == there
    answer = client.put(path, {**badge(**{name: "other"}), **same})
    if answer.status == 200:
        assert answer.ok()[BADGE][name] == put
    else:
        assert answer.error == put
    assert client.put(path, {**badge(), **same}).ok().get(BADGE, {}).get(name) == omitted
    again = created(client, **{name: first})
    answer = client.patch(f"/Users/{again['id']}", set_to(name, "other"))
    if answer.status == 200:
        assert answer.ok()[BADGE][name] == patched
    else:
        assert answer.error == patched


def test_an_immutable_attribute_can_be_given_a_value_once(client):
    for give in (
        lambda there: client.put(f"/Users/{there['id']}", {**badge(fixed="f"), "userName": there["userName"]}),
        lambda there: client.patch(f"/Users/{there['id']}", {"op": "add", "path": f"{BADGE}:fixed", "value": "f"}),
    ):
        there = created(client)
        assert give(there).ok()[BADGE]["fixed"] == "f"
        path = f"/Users/{there['id']}"
        for operation in (set_to("fixed", "g"), {"op": "remove", "path": f"{BADGE}:fixed"}):
            assert client.patch(path, operation).error == (400, "mutability")
        assert client.patch(path, set_to("fixed", "f")).status == 200


def test_a_read_only_attribute_is_ignored_in_a_body_and_refused_in_a_patch(client):
    there = created(client, given="g", plain="p")
    assert there[BADGE] == {"plain": "p"}
    assert (
        client.put(f"/Users/{there['id']}", {**badge(given="g"), "userName": there["userName"]}).ok().get(BADGE) is None
    )
    assert client.patch(f"/Users/{there['id']}", set_to("given", "g")).error == (400, "mutability")


@pytest.mark.parametrize(
    ("name", "first", "conflicting", "other"), [("number", "N-1", "N-1", "n-1"), ("tag", "T-1", "t-1", "t-2")]
)
def test_a_unique_attribute_is_unique_by_its_own_idea_of_case(client, name, first, conflicting, other):
    created(client, **{name: first})
    assert client.post("/Users", badge(**{name: conflicting})).error == (409, "uniqueness")
    there = created(client, **{name: other})
    path = f"/Users/{there['id']}"
    assert client.patch(path, set_to(name, conflicting)).error == (409, "uniqueness")
    client.patch(path, {"op": "remove", "path": f"{BADGE}:{name}"}).ok()
    assert created(client, **{name: other})[BADGE][name] == other


def test_case_exact_decides_how_values_are_compared(client):
    upper, lower = (created(client, exact=text, plain=text)["id"] for text in ("CASE", "case"))
    assert client.found(f'{BADGE}:exact eq "case"') == [lower]
    assert sorted(client.found(f'{BADGE}:plain eq "case"')) == sorted([upper, lower])


@pytest.mark.parametrize(
    ("name", "accepted", "shown"),
    [
        ("count", 7, 7),
        ("count", -(2**53), -(2**53)),
        ("ratio", 0.5, 0.5),
        ("ratio", 3, 3),
        ("seal", "AQID", "AQID"),
        ("link", "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        ("on", False, False),
        ("colours", ["red", "blue"], ["red", "blue"]),
    ],
)
def test_a_value_of_the_right_type_is_kept(client, name, accepted, shown):
    value = read(client, created(client, **{name: accepted}))[name]
    assert value == shown
    assert type(value) is type(shown)


@pytest.mark.parametrize(
    "text", ["2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00", "2024-01-01T00:00:00Z", "2023-12-31T24:00:00Z"]
)
def test_an_instant_is_shown_in_utc(client, text):
    value = read(client, created(client, since=text))["since"]
    assert value.endswith("Z")
    assert datetime.fromisoformat(value) == datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("count", 1.0),
        ("count", 1.5),
        ("count", "7"),
        ("count", True),
        ("ratio", "0.5"),
        ("ratio", True),
        ("since", "yesterday"),
        ("since", "2024-01-01"),
        ("since", "2024-02-30T00:00:00Z"),
        ("since", 1704067200),
        ("seal", "***"),
        ("seal", 5),
        ("link", 5),
        ("on", 0),
        ("colours", [1]),
        ("colours", [["red"]]),
        ("door", [{"value": {"value": "x"}}]),
        ("door", [7]),
        ("plain", {"value": "x"}),
        ("plain", ["x", "y"]),
    ],
)
def test_a_value_of_another_type_is_refused(client, name, refused):
    assert client.post("/Users", badge(**{name: refused})).error == (400, "invalidValue")


def test_a_number_is_an_integer_by_how_it_is_written(client):
    """RFC 7643 §2.3.4: neither fraction nor exponent."""
    for text in (b"1.0", b"1e2", b"1E0"):
        body = b'{"schemas":["%s"],"userName":"exp@example.com","%s":{"count":%s}}' % (
            USER.encode(),
            BADGE.encode(),
            text,
        )
        assert client.post("/Users", body).error == (400, "invalidValue")


def test_a_resource_type_has_all_operations_and_searches(client):
    body = {"schemas": [DEVICE, SITE], "serial": "S-1", "model": "M", SITE: {"city": "Oslo", "floor": 3}}
    answer = client.post("/Devices", body)
    there = answer.ok(201)
    path = f"/Devices/{there['id']}"
    assert answer.headers["location"] == there["meta"]["location"] == client.base_url + path
    assert there["meta"]["resourceType"] == "Device"
    assert client.get(path).ok() == there
    assert client.found('serial eq "s-1"', "/Devices") == [there["id"]]
    assert client.found(f"{SITE}:floor ge 3", "/Devices") == [there["id"]]
    assert there["id"] in client.found("serial pr", "")
    assert client.post("/Devices", {**body, "serial": "s-1"}).error == (409, "uniqueness")
    assert (
        client.patch(path, {"op": "replace", "path": f"{SITE}:city", "value": "Bergen"}).ok()[SITE]["city"] == "Bergen"
    )
    assert client.patch(path, {"op": "replace", "path": "model", "value": "N"}).error == (400, "mutability")
    (done,) = client.bulk({"method": "DELETE", "path": path}).ok()["Operations"]
    assert done["status"] == "204"


def test_a_required_extension_and_what_it_requires_must_be_there(client):
    body = {"schemas": [DEVICE, SITE], "serial": "S-2", SITE: {"city": "Oslo"}}
    without = {name: value for name, value in body.items() if name != SITE}
    assert client.post("/Devices", without).error == (400, "invalidValue")
    assert client.post("/Devices", {**body, SITE: {"floor": 1}}).error == (400, "invalidValue")
    assert client.post("/Devices", {**body, "serial": None}).error == (400, "invalidValue")
    there = client.post("/Devices", body).ok(201)
    path = f"/Devices/{there['id']}"
    assert client.put(path, without).error == (400, "invalidValue")
    for target in (SITE, f"{SITE}:city", "serial"):
        assert client.patch(path, {"op": "remove", "path": target}).error == (400, "mutability")
    assert client.get(path).ok() == there


def test_discovery_describes_the_tenant_to_who_holds_a_token_of_it(client):
    schemas = {item["id"]: item for item in client.get("/Schemas").ok()["Resources"]}
    assert {BADGE, DEVICE, SITE, USER, ENTERPRISE} <= schemas.keys()
    declared = {item["name"]: item for item in client.get(f"/Schemas/{BADGE}").ok()["attributes"]}
    assert declared["fixed"]["mutability"] == "immutable"
    assert (declared["onRequest"]["returned"], declared["tag"]["uniqueness"]) == ("request", "server")
    kind = client.get("/ResourceTypes/Device").ok()
    assert (kind["endpoint"], kind["schema"]) == ("/Devices", DEVICE)
    assert kind["schemaExtensions"] == [{"schema": SITE, "required": True}]
    stranger = client.with_token(None)
    assert BADGE not in stranger.get("/Schemas").body.decode()
    assert stranger.get(f"/Schemas/{BADGE}").error == (404, None)


def test_a_schema_of_one_tenant_means_nothing_in_another(client, new_tenant):
    other = new_tenant("strict")
    assert other.post("/Users", badge(plain="x")).error == (400, "invalidValue")
    assert other.get("/Devices").error == (404, None)
    assert other.get("/Users", filter=f'{BADGE}:plain eq "x"').error == (400, "invalidFilter")
    assert other.get(f"/Schemas/{BADGE}").error == (404, None)
