"""The operator's API: tenants, connections and access tokens managed with SCIM itself, at /scim/v2."""

import time
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from headcount.store.interface import OPERATOR_TENANT
from processes import eventually
from serving import PATCH_OP, Client, running_server, user

TENANT = "urn:headcount:params:scim:schemas:core:1.0:Tenant"
CONNECTION = "urn:headcount:params:scim:schemas:core:1.0:Connection"
TOKEN = "urn:headcount:params:scim:schemas:core:1.0:AccessToken"
NUMBERS = count(1)
DAY = timedelta(days=1)


def operator_token(server, **options):
    async def create(installation):
        token, _ = await installation.tokens.create(OPERATOR_TENANT, "operator", lifetime=DAY, **options)
        return token

    return server.administer(create)


@pytest.fixture(scope="module")
def operator(server):
    """A client of the operator's API that may do everything."""
    with server.client("/scim/v2", operator_token(server)) as made:
        yield made


@pytest.fixture
def restricted(server, operator):
    """Makes clients of the operator's API with scopes."""
    return lambda *scopes: operator.with_token(operator_token(server, scopes=scopes))


def tenant(**attributes):
    return {"schemas": [TENANT], "name": f"customer-{next(NUMBERS)}", **attributes}


def connection(tenant_name, name="okta", **attributes):
    return {"schemas": [CONNECTION], "tenant": tenant_name, "name": name, **attributes}


def token(tenant_name, **attributes):
    return {"schemas": [TOKEN], "tenant": tenant_name, "name": "test", **attributes}


@pytest.fixture
def acme(operator):
    """A tenant."""
    return operator.post("/Tenants", tenant(displayName="Acme")).ok(201)


@pytest.fixture
def client_of(operator):
    """Makes clients of a tenant by a token that the API makes."""
    made = []

    def make(tenant_name, **attributes):
        created = operator.post("/AccessTokens", token(tenant_name, **attributes)).ok(201)
        made.append(Client(operator.url, f"/t/{tenant_name}/scim/v2", created["token"]))
        return made[-1]

    yield make
    for client in made:
        client.close()


def soon(attempt, status):
    """The answer of an attempt, once it has a status: within a second, and a little for a slow machine."""
    started = time.monotonic()
    answer = eventually(lambda: (got := attempt()).status == status and got, seconds=3)
    assert time.monotonic() - started < 2
    return answer


# the protocol


def test_the_operators_resources_are_discovered(operator):
    types = operator.get("/ResourceTypes").ok()["Resources"]
    assert [(item["name"], item["endpoint"]) for item in types][:3] == [
        ("Tenant", "/Tenants"),
        ("Connection", "/Connections"),
        ("AccessToken", "/AccessTokens"),
    ]
    ids = {item["id"] for item in operator.get("/Schemas").ok()["Resources"]}
    assert {TENANT, CONNECTION, TOKEN} <= ids


def test_a_token_of_a_tenant_does_not_open_the_operators_api(operator, acme, client_of):
    client = client_of(acme["name"])
    assert client.at("/scim/v2").get("/Tenants").error == (401, None)
    assert client.at("/t/operator/scim/v2").get("/Tenants").status == 401
    assert operator.at(client.path).get("/Users").error == (401, None)


def test_a_tenant_is_created_read_changed_and_deleted(operator):
    created = operator.post("/Tenants", tenant(displayName="Quay", profile="strict"))
    made = created.ok(201)
    path = f"/Tenants/{made['id']}"
    assert created.headers["location"] == made["meta"]["location"] == operator.base_url + path
    assert (made["state"], made["profile"], made["passwords"]) == ("active", "strict", "discard")
    read = operator.get(path)
    assert read.ok() == made
    assert operator.send("GET", path, headers={"If-None-Match": read.headers["etag"]}).status == 304
    changed = operator.patch(path, {"op": "replace", "path": "displayName", "value": "Quay Ltd."}).ok()
    assert changed["displayName"] == "Quay Ltd."
    stale = {"If-Match": read.headers["etag"]}
    assert operator.send("PUT", path, tenant(name=made["name"]), headers=stale).error == (412, None)
    assert operator.send("DELETE", path, headers=stale).error == (412, None)
    replaced = operator.put(path, tenant(name=made["name"], state="suspended")).ok()
    assert "displayName" not in replaced
    assert operator.put(path, tenant(name="another")).error == (400, "mutability")
    operator.delete(path).ok(204)
    assert operator.get(path).error == (404, None)


def test_tenants_are_searched_sorted_and_paged(operator):
    prefix = f"many-{next(NUMBERS)}"
    names = [f"{prefix}-{letter}" for letter in "cab"]
    for name in names:
        operator.post("/Tenants", tenant(name=name, displayName=name.upper())).ok(201)
    mine = f'name sw "{prefix}"'
    found = operator.get("/Tenants", filter=mine, sortBy="name", sortOrder="descending").ok()["Resources"]
    assert [item["name"] for item in found] == sorted(names, reverse=True)
    page = operator.get("/Tenants", filter=mine, sortBy="name", startIndex=2, count=1).ok()
    assert ([item["name"] for item in page["Resources"]], page["totalResults"]) == ([f"{prefix}-b"], 3)
    cursor = operator.get("/Tenants", filter=mine, sortBy="name", cursor="", count=2).ok()["nextCursor"]
    (last,) = operator.get("/Tenants", filter=mine, sortBy="name", cursor=cursor, count=2).ok()["Resources"]
    assert last["name"] == f"{prefix}-c"
    assert operator.get("/Tenants", filter='nosuch eq "a"').error == (400, "invalidFilter")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "Upper"},
        {"name": "-a"},
        {"name": "a" * 64},
        {"name": ""},
        {"name": None},
        {"profile": "lenient"},
        {"state": "gone"},
        {"passwords": "plain"},
        {"publicUrl": "scim.example.com"},
        {"publicUrl": "https://user@scim.example.com"},
        {"publicUrl": "https://scim.example.com?a=b"},
        {"limits": {"users": -1}},
        {"limits": {"requestsPerSecond": -0.5}},
        {"limits": {"users": "many"}},
    ],
)
def test_a_tenant_that_could_not_be_served_is_refused(operator, acme, wrong):
    assert operator.post("/Tenants", tenant(**wrong)).error == (400, "invalidValue")
    if "name" not in wrong:
        (name, value), path = wrong.popitem(), f"/Tenants/{acme['id']}"
        assert operator.patch(path, {"op": "replace", "path": name, "value": value}).error == (400, "invalidValue")
        assert operator.get(path).ok() == acme


def test_a_name_is_taken_once(operator, acme):
    answer = operator.post("/Tenants", tenant(name=acme["name"]))
    assert answer.error == (409, "uniqueness")
    assert answer.json["detail"] == f"The tenant '{acme['name']}' exists already."
    operator.post("/Connections", connection(acme["name"])).ok(201)
    assert operator.post("/Connections", connection(acme["name"])).error == (409, "uniqueness")


def test_what_no_schema_has_is_refused(operator):
    assert operator.post("/Tenants", tenant(stat="suspended")).error == (400, "invalidSyntax")


def test_a_suspended_tenant_turns_its_clients_away_and_keeps_its_data(operator, acme, client_of):
    client, path = client_of(acme["name"]), f"/Tenants/{acme['id']}"
    there = client.new_user()
    assert operator.delete(path).error == (409, None)
    operator.patch(path, {"op": "replace", "path": "state", "value": "suspended"}).ok()
    refused = soon(lambda: client.get(f"/Users/{there['id']}"), 403)
    assert refused.json["detail"] == "The tenant is suspended."
    assert client.get("/Schemas").error == (403, None)
    operator.patch(path, {"op": "replace", "path": "state", "value": "active"}).ok()
    assert soon(lambda: client.get(f"/Users/{there['id']}"), 200).json == there


def test_a_deleted_tenant_takes_its_tokens_and_connections_along(operator, acme, client_of):
    operator.post("/Connections", connection(acme["name"])).ok(201)
    client = client_of(acme["name"], connection="okta")
    path = f"/Tenants/{acme['id']}"
    operator.patch(path, {"op": "replace", "path": "state", "value": "suspended"}).ok()
    operator.delete(path).ok(204)
    assert operator.get("", filter=f'tenant eq "{acme["name"]}"').ok()["totalResults"] == 0
    assert soon(lambda: client.get("/Users"), 401).error == (401, None)


def test_a_tenants_public_url_is_in_everything_that_its_clients_are_told(operator, acme, client_of):
    client = client_of(acme["name"])
    value = "https://people.example.com/"
    operator.patch(f"/Tenants/{acme['id']}", {"op": "add", "path": "publicUrl", "value": value}).ok()
    base = f"https://people.example.com{client.path}"
    eventually(lambda: client.get("/Users", count=0) and client.get("/Schemas").body.count(base.encode()) > 0)
    made = client.post("/Users", user())
    assert made.headers["location"] == made.json["meta"]["location"] == f"{base}/Users/{made.json['id']}"
    for path in ("/Schemas", "/ResourceTypes"):
        for item in client.get(path).ok()["Resources"]:
            assert item["meta"]["location"].startswith(base + path)
    assert client.get("/ServiceProviderConfig").ok()["meta"]["location"] == f"{base}/ServiceProviderConfig"
    stranger = client.with_token(None).get("/ServiceProviderConfig").ok()
    assert stranger["meta"]["location"] == f"{client.base_url}/ServiceProviderConfig"


# tokens


def test_a_token_shows_in_the_answer_to_its_creation_and_nowhere_else(operator, acme):
    created = operator.post("/AccessTokens", token(acme["name"])).ok(201)
    text, path = created.pop("token"), f"/AccessTokens/{created['id']}"
    assert text.startswith("hc_")
    assert created["active"] is True
    lifetime = datetime.fromisoformat(created["expires"]) - datetime.now(UTC)
    assert timedelta(days=364) < lifetime <= timedelta(days=365)
    assert operator.get(path).ok() == created
    assert operator.get("/AccessTokens", filter=f'id eq "{created["id"]}"').ok()["Resources"] == [created]
    changed = operator.patch(path, {"op": "replace", "path": "name", "value": "Okta"}).ok()
    replaced = operator.put(path, changed).ok()
    assert replaced == changed
    for answer in (created, changed, replaced, operator.get(path, attributes="token,name").ok()):
        assert "token" not in answer
        assert text not in str(answer)
    with Client(operator.url, f"/t/{acme['name']}/scim/v2", text) as client:
        assert client.get("/Users").status == 200, "neither PATCH nor PUT has changed what opens it"


def test_a_projection_does_not_hide_a_new_token(operator, acme):
    for query in ({"attributes": "name"}, {"excludedAttributes": "name,token"}):
        assert operator.post("/AccessTokens", token(acme["name"]), **query).ok(201)["token"].startswith("hc_")


def test_nobody_chooses_a_token_or_its_digest(operator, acme):
    chosen = token(acme["name"], token="hc_chosen", digest="0" * 64)
    created = operator.post("/AccessTokens", chosen, attributes="digest").ok(201)
    assert created["token"] != "hc_chosen"
    assert created["digest"] != "0" * 64
    path = f"/AccessTokens/{created['id']}"
    for name in ("digest", "token"):
        assert operator.patch(path, {"op": "replace", "path": name, "value": "0" * 64}).error == (400, "mutability")


def test_a_token_is_not_created_in_bulk_where_nobody_would_see_it(operator, acme):
    answer = operator.bulk(
        {"method": "POST", "path": "/Tenants", "bulkId": "t", "data": tenant()},
        {"method": "POST", "path": "/AccessTokens", "bulkId": "a", "data": token(acme["name"])},
    ).ok()
    created, refused = answer["Operations"]
    assert (created["status"], refused["status"]) == ("201", "403")
    assert "POST of its own" in refused["response"]["detail"]
    assert operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens") == []


@pytest.mark.parametrize("how", ["patch", "put", "delete", "bulk"])
def test_a_token_is_revoked_within_a_second(operator, acme, client_of, how):
    client = client_of(acme["name"])
    assert client.get("/Users").status == 200
    (there,) = operator.get("/AccessTokens", filter=f'tenant eq "{acme["name"]}"').ok()["Resources"]
    path, off = f"/AccessTokens/{there['id']}", {"op": "replace", "path": "active", "value": False}
    if how == "patch":
        assert operator.patch(path, off).ok()["active"] is False
    elif how == "put":
        operator.put(path, there | {"active": False}).ok()
    elif how == "delete":
        operator.delete(path).ok(204)
    else:
        operator.bulk({"method": "PATCH", "path": path, "data": {"schemas": [PATCH_OP], "Operations": [off]}}).ok()
    soon(lambda: client.get("/Users"), 401)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"tenant": "nobody"}, (404, None)),
        ({"connection": "nothing"}, (404, None)),
        ({"networks": ["198.51.100.0/40"]}, (400, "invalidValue")),
        ({"networks": ["here"]}, (400, "invalidValue")),
        ({"scopes": [{"type": "Device"}]}, (400, "invalidValue")),
        ({"scopes": [{"type": "User"}, {"type": "User", "operations": ["read"]}]}, (400, "invalidValue")),
        ({"scopes": [{"type": "User", "operations": ["fly"]}]}, (400, "invalidValue")),
        ({"scopes": [{"type": "User", "readable": ["nosuch"]}]}, (400, "invalidValue")),
        ({"scopes": [{"type": "User", "filter": "title"}]}, (400, "invalidValue")),
        ({"scopes": [{"operations": ["read"]}]}, (400, "invalidValue")),
        ({"expires": "2020-01-01T00:00:00Z"}, (400, "invalidValue")),
        ({"expires": "2099-01-01T00:00:00Z"}, (400, "invalidValue")),
        ({"expires": "tomorrow"}, (400, "invalidValue")),
        ({"requestsPerSecond": -1}, (400, "invalidValue")),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(operator, acme, wrong, error):
    assert operator.post("/AccessTokens", token(acme["name"]) | wrong).error == error
    assert operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens") == []


@pytest.mark.parametrize(
    "change",
    [
        {"scopes": [{"type": "Device"}]},
        {"scopes": [{"type": "User", "operations": ["fly"]}]},
        {"networks": ["here"]},
        {"neverExpires": True},
        {"connection": "nothing"},
        {"tenant": "another"},
        {"expires": "2027-01-01T00:00:00Z"},
    ],
)
def test_a_token_is_not_changed_into_one_that_makes_no_sense(operator, acme, change):
    there = operator.post("/AccessTokens", token(acme["name"])).ok(201)
    del there["token"]
    answer = operator.patch(f"/AccessTokens/{there['id']}", {"op": "add", "value": change})
    assert answer.status in (400, 404)
    assert operator.get(f"/AccessTokens/{there['id']}").ok() == there


def test_a_token_without_an_end_is_asked_for(operator, acme):
    made = operator.post("/AccessTokens", token(acme["name"], neverExpires=True)).ok(201)
    assert "expires" not in made


def test_scopes_that_change_hold_within_a_second(operator, acme, client_of):
    client = client_of(acme["name"])
    client.new_user()
    (there,) = operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens")
    scopes = [{"type": "User", "operations": ["read"], "readable": ["userName"]}]
    operator.patch(f"/AccessTokens/{there}", {"op": "add", "path": "scopes", "value": scopes}).ok()
    soon(lambda: client.post("/Users", user()), 403)
    operator.patch(f"/AccessTokens/{there}", {"op": "remove", "path": "scopes"}).ok()
    soon(lambda: client.post("/Users", user()), 201)


# rights at the operator's API


def test_a_token_fenced_to_one_tenant_reaches_nothing_of_another(operator, restricted, acme):
    other = operator.post("/Tenants", tenant()).ok(201)
    theirs = operator.post("/AccessTokens", token(other["name"])).ok(201)
    operator.post("/AccessTokens", token(acme["name"])).ok(201)
    fence = f'tenant eq "{acme["name"]}"'
    client = restricted({"type": "AccessToken", "filter": fence}, {"type": "Connection", "filter": fence})
    assert {item["tenant"] for item in client.get("/AccessTokens", count=1000).ok()["Resources"]} == {acme["name"]}
    assert client.get(f"/AccessTokens/{theirs['id']}").error == (404, None)
    off = {"op": "replace", "path": "active", "value": False}
    assert client.patch(f"/AccessTokens/{theirs['id']}", off).error == (404, None)
    assert client.delete(f"/AccessTokens/{theirs['id']}").error == (404, None)
    assert client.get("/Tenants").error == (403, None)
    assert client.delete(f"/Tenants/{other['id']}").error == (403, None)
    absent, present = (client.post("/AccessTokens", token(name)) for name in ("nobody-here", other["name"]))
    assert absent.error == present.error == (403, None)
    assert absent.body == present.body, "which tenants there are is not said"
    assert client.post("/Connections", connection(other["name"])).error == (403, None)
    client.post("/Connections", connection(acme["name"])).ok(201)
    assert client.post("/AccessTokens", token(acme["name"])).ok(201)["token"].startswith("hc_")


def test_a_token_with_scopes_makes_no_operators_token_and_widens_none(operator, restricted, server):
    client = restricted({"type": "AccessToken"})
    assert client.post("/AccessTokens", token(OPERATOR_TENANT)).error == (403, None)
    for there in operator.found(f'tenant eq "{OPERATOR_TENANT}"', "/AccessTokens"):
        widen = client.patch(f"/AccessTokens/{there}", {"op": "replace", "path": "scopes", "value": [{"type": "*"}]})
        assert widen.error == (403, None)
        assert client.patch(f"/AccessTokens/{there}", {"op": "remove", "path": "scopes"}).status in (200, 403)
    assert operator.post("/AccessTokens", token(OPERATOR_TENANT)).status == 201


def test_a_token_that_reads_tenants_does_nothing_else(operator, restricted, acme):
    client = restricted({"type": "Tenant", "operations": ["read"], "readable": ["name"]})
    path = f"/Tenants/{acme['id']}"
    assert client.get(path).ok().keys() == {"schemas", "id", "name", "meta"}
    for answer in (
        client.post("/Tenants", tenant()),
        client.put(path, tenant(name=acme["name"])),
        client.patch(path, {"op": "replace", "path": "state", "value": "suspended"}),
        client.delete(path),
        client.get("/AccessTokens"),
    ):
        assert answer.error == (403, None)
    assert operator.get(path).ok() == acme


def test_a_token_that_writes_some_attributes_creates_what_the_server_completes(restricted, acme):
    writes = ["tenant", "name"]
    client = restricted({"type": "AccessToken", "writable": writes}, {"type": "Connection", "writable": writes})
    made = client.post("/AccessTokens", token(acme["name"])).ok(201)
    assert made["active"] is True
    assert client.post("/Connections", connection(acme["name"])).ok(201)["qualifiedName"] == f"{acme['name']}/okta"
    assert client.post("/AccessTokens", token(acme["name"], scopes=[{"type": "User"}])).error == (403, None)


def test_a_tenant_is_deleted_with_the_right_to_delete_tenants_alone(operator, restricted, acme):
    operator.post("/AccessTokens", token(acme["name"])).ok(201)
    path = f"/Tenants/{acme['id']}"
    operator.patch(path, {"op": "replace", "path": "state", "value": "suspended"}).ok()
    assert restricted({"type": "AccessToken"}).delete(path).error == (403, None)
    assert restricted({"type": "Tenant", "filter": 'name eq "another"'}).delete(path).error == (404, None)
    assert len(operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens")) == 1
    restricted({"type": "Tenant", "operations": ["delete"]}).delete(path).ok(204)
    assert operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens") == []


# connections


def test_a_connection_has_a_profile_scopes_and_networks_for_its_tokens(operator, acme, client_of):
    name = acme["name"]
    made = operator.post("/Connections", connection(name, profile="strict")).ok(201)
    assert (made["qualifiedName"], made["active"]) == (f"{name}/okta", True)
    strict, tolerant = client_of(name, connection="okta"), client_of(name)
    body = user(active="True")
    assert strict.post("/Users", body).error == (400, "invalidValue")
    assert tolerant.post("/Users", body).status == 201
    path = f"/Connections/{made['id']}"
    operator.patch(path, {"op": "add", "path": "scopes", "value": [{"type": "Group"}]}).ok()
    soon(lambda: strict.get("/Users"), 403)
    assert tolerant.get("/Users").status == 200
    own = client_of(name, connection="okta", scopes=[{"type": "User"}])
    assert own.get("/Users").status == 200, "a token's own scopes take their place"
    operator.patch(
        path, {"op": "remove", "path": "scopes"}, {"op": "add", "path": "networks", "value": ["192.0.2.0/24"]}
    ).ok()
    soon(lambda: strict.get("/Users"), 401)


def test_a_connection_that_is_shut_lets_nobody_in(operator, acme, client_of):
    made = operator.post("/Connections", connection(acme["name"])).ok(201)
    client, path = client_of(acme["name"], connection="okta"), f"/Connections/{made['id']}"
    assert client.get("/Users").status == 200
    operator.patch(path, {"op": "replace", "path": "active", "value": False}).ok()
    soon(lambda: client.get("/Users"), 401)
    operator.patch(path, {"op": "replace", "path": "active", "value": True}).ok()
    soon(lambda: client.get("/Users"), 200)
    operator.delete(path).ok(204)
    soon(lambda: client.get("/Users"), 401)
    assert operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens") == [], "its tokens are gone with it"


@pytest.mark.parametrize(
    ("tenant_name", "name", "error"),
    [
        ("nobody", "okta", (404, None)),
        (OPERATOR_TENANT, "okta", (400, "invalidValue")),
        (None, "Okta", (400, "invalidValue")),
        (None, "", (400, "invalidValue")),
    ],
)
def test_a_connection_that_makes_no_sense_is_refused(operator, acme, tenant_name, name, error):
    assert operator.post("/Connections", connection(tenant_name or acme["name"], name)).error == error


def test_connections_of_one_name_in_two_tenants_are_two(operator, acme, client_of):
    other = operator.post("/Tenants", tenant()).ok(201)
    for name in (acme["name"], other["name"]):
        operator.post("/Connections", connection(name)).ok(201)
    client = client_of(acme["name"], connection="okta")
    assert client.at(f"/t/{other['name']}/scim/v2").get("/Users").error == (401, None)
    (there,) = operator.found(f'qualifiedName eq "{other["name"]}/okta"', "/Connections")
    operator.patch(f"/Connections/{there}", {"op": "replace", "path": "active", "value": False}).ok()
    operator.delete(f"/Connections/{there}").ok(204)
    assert client.get("/Users").status == 200
    fresh = client_of(acme["name"], connection="okta")
    assert fresh.get("/Users").status == 200


# where clients come from, and how they say who they are


def test_a_token_is_the_password_of_anybody_in_basic(operator, acme, client_of):
    client = client_of(acme["name"])

    def basic(text):
        return {"Authorization": "Basic " + b64encode(text.encode()).decode()}

    assert client.send("GET", "/Users", headers=basic(f"scim:{client.token}")).status == 200
    assert client.send("GET", "/Users", headers=basic(f":{client.token}")).status == 200
    for wrong in (f"{client.token}:", "scim:wrong", client.token, f"{client.token}:wrong"):
        assert client.send("GET", "/Users", headers=basic(wrong)).error == (401, None)
    assert client.send("GET", "/Users", headers={"Authorization": "Basic ?"}).error == (401, None)


def test_a_token_is_good_in_its_networks(operator, acme, client_of):
    assert client_of(acme["name"], networks=["127.0.0.0/8"]).get("/Users").status == 200
    assert client_of(acme["name"], networks=["192.0.2.0/24", "::1/128", "127.0.0.1"]).get("/Users").status == 200
    elsewhere = client_of(acme["name"], networks=["192.0.2.0/24"])
    refused = elsewhere.get("/Users")
    assert refused.error == (401, None)
    assert refused.body == elsewhere.with_token("hc_wrong").get("/Users").body, "it is not said why"
    forged = elsewhere.send("GET", "/Users", headers={"X-Forwarded-For": "192.0.2.1"})
    assert forged.error == (401, None), "a header that no proxy has set"


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory):
    """A server that a proxy stands before, and a client whose token is good in one network."""
    with running_server(tmp_path_factory.mktemp("proxy"), "--behind-proxy") as server, server.new_tenant() as client:
        yield client.with_token(server.new_token(client, networks=["192.0.2.0/24", "2001:db8::/32"]))


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.1", 200),
        ("203.0.113.9, 192.0.2.1", 200),
        ("192.0.2.1, 203.0.113.9", 401),
        ("2001:db8::7", 200),
        ("::ffff:192.0.2.1", 200),
        ("2001:db9::7", 401),
        ("unknown", 401),
        ("", 401),
        (None, 401),
    ],
)
def test_behind_a_proxy_the_last_address_counts(behind_proxy, forwarded, status):
    """The proxy adds the address that it saw at the end; whatever stands before, the client has made up."""
    assert behind_proxy.send("GET", "/Users", headers={"X-Forwarded-For": forwarded}).status == status


def test_a_second_server_on_the_same_database_follows_within_a_second(server, operator, acme, client_of, tmp_path):
    client = client_of(acme["name"])
    with running_server(tmp_path, "--database", f"sqlite:///{server.database}") as second:
        there = Client(second.url, client.path, client.token)
        assert there.get("/Users").status == 200
        (found,) = operator.found(f'tenant eq "{acme["name"]}"', "/AccessTokens")
        narrow = [{"type": "Group"}]
        operator.patch(f"/AccessTokens/{found}", {"op": "add", "path": "scopes", "value": narrow}).ok()
        soon(lambda: there.get("/Users"), 403)
        operator.patch(f"/AccessTokens/{found}", {"op": "replace", "path": "active", "value": False}).ok()
        soon(lambda: there.get("/Users"), 401)
        cursor = client_of(acme["name"], scopes=[{"type": "*", "operations": ["read", "create", "delete"]}])
        for _ in range(2):
            cursor.new_user()
        page = cursor.get("/Users", cursor="", count=1).ok()
        elsewhere = Client(second.url, cursor.path, cursor.token)
        assert elsewhere.get("/Users", cursor=page["nextCursor"], count=1).status == 200
        there.close()
        elsewhere.close()
