"""No tenant sees, changes or learns anything of another (RFC 7644 §6)."""

import time

import pytest

from serving import ENTERPRISE, PATCH_OP, group, user


@pytest.fixture(scope="module")
def other(server):
    """A tenant with a user and a group, whom the tenant under test tries to reach."""
    with server.new_tenant() as made:
        yield made


@pytest.fixture(scope="module")
def victim(other):
    return other.new_user(userName="victim@example.com", externalId="V-1", displayName="Victim", title="Secret")


@pytest.fixture(scope="module")
def target(other, victim):
    return other.new_group(victim["id"], displayName="Target")


def same_but_for_the_id(answer, wanted, made_up):
    """Whether two answers are equal but for the ids that were asked for."""
    return (answer.status, answer.body.replace(wanted.encode(), b"")) == (
        made_up[0].status,
        made_up[0].body.replace(made_up[1].encode(), b""),
    )


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("tag", [None, "*", 'W/"1"'])
def test_an_id_of_another_tenant_is_an_id_that_is_not_there(client, other, victim, method, tag):
    patch = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": "Stolen"}]}
    body = {"GET": None, "PUT": user(), "PATCH": patch, "DELETE": None}[method]
    headers = {"If-Match": tag, "If-None-Match": tag}
    made_up = "01a21094-e1d9-7ea9-aba4-000000000000"
    answer, nobody = (client.send(method, f"/Users/{each}", body, headers=headers) for each in (victim["id"], made_up))
    assert answer.error == (404, None)
    assert same_but_for_the_id(answer, victim["id"], (nobody, made_up))
    assert other.get(f"/Users/{victim['id']}").ok()["title"] == "Secret"


def test_no_search_finds_what_another_tenant_has(client, victim, target):
    mine = client.new_user(displayName="Mine")
    texts = [
        f'id eq "{victim["id"]}"',
        'userName eq "victim@example.com"',
        'externalId eq "V-1"',
        'title eq "Secret"',
        'title co "ecre"',
        f'groups.value eq "{target["id"]}"',
        'groups.display eq "Target"',
        'emails co "victim"',
        'displayName eq "Victim" or displayName eq "Target"',
    ]
    for endpoint in ("/Users", ""):
        for text in texts:
            assert client.found(text, endpoint) == []
            assert victim["id"] not in client.found(f"not ({text})", endpoint)
        everything = client.get(endpoint, count=1000).ok()
        assert mine["id"] in [item["id"] for item in everything["Resources"]]
        assert victim["id"] not in str(everything)
        assert everything["totalResults"] == len(everything["Resources"])


def test_unique_values_are_unique_within_a_tenant(client, victim):
    """RFC 7643 §7: the tenancy is the scope; a conflict would be an oracle."""
    there = client.new_user(userName=victim["userName"], externalId=victim["externalId"])
    assert client.post("/Users", user(userName=victim["userName"])).error == (409, "uniqueness")
    client.delete(f"/Users/{there['id']}").ok(204)


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "bulk"])
def test_nobody_of_another_tenant_can_be_a_member(client, other, victim, target, verb):
    there = client.new_group()
    made_up = "01a21094-e1d9-7ea9-aba4-000000000000"

    def attempt(member):
        path, body = f"/Groups/{there['id']}", group(member, displayName="G")
        if verb == "POST":
            return client.post("/Groups", body)
        if verb == "PUT":
            return client.put(path, body)
        if verb == "PATCH":
            return client.patch(path, {"op": "add", "path": "members", "value": [{"value": member}]})
        return client.bulk({"method": "PUT", "path": path, "data": body})

    answer, nobody = attempt(victim["id"]), attempt(made_up)
    assert answer.status in (200, 400)
    assert same_but_for_the_id(answer, victim["id"], (nobody, made_up))
    assert b"Victim" not in answer.body
    assert client.get(f"/Groups/{there['id']}").ok() == there
    assert len(other.get(f"/Users/{victim['id']}").ok()["groups"]) == 1


def test_a_group_of_another_tenant_cannot_be_joined_left_or_nested(client, other, victim, target):
    mine = client.new_user()
    path = f"/Groups/{target['id']}"
    for operation in (
        {"op": "add", "path": "members", "value": [{"value": mine["id"]}]},
        {"op": "remove", "path": f'members[value eq "{victim["id"]}"]'},
        {"op": "remove", "path": "members"},
    ):
        assert client.patch(path, operation).error == (404, None)
    assert client.post("/Groups", group(target["id"])).error == (400, "invalidValue")
    assert other.get(path).ok() == target


def test_a_manager_of_another_tenant_is_not_shown(client, victim):
    """A manager is a value that a client may set freely; what is derived from it stays within the tenant."""
    there = client.new_user(**{ENTERPRISE: {"manager": {"value": victim["id"]}}})
    got = client.get(f"/Users/{there['id']}").ok()
    assert got[ENTERPRISE]["manager"].get("displayName") is None
    assert "Victim" not in str(got)


def test_a_bulk_job_cannot_reach_into_another_tenant(client, other, victim):
    tenant_path = other.path
    paths = [
        f"/Users/{victim['id']}",
        f"{other.base_url}/Users/{victim['id']}",
        f"{tenant_path}/Users/{victim['id']}",
        f"/../../../{tenant_path}/Users/{victim['id']}",
        f"/Users/../../../../{tenant_path}/Users/{victim['id']}",
    ]
    done = client.bulk(*({"method": "DELETE", "path": path} for path in paths)).ok()["Operations"]
    assert {operation["status"] for operation in done} <= {"400", "404"}
    assert other.get(f"/Users/{victim['id']}").ok()["title"] == "Secret"


def test_a_token_opens_its_own_tenant_alone_and_says_nothing_of_others(client, other, victim):
    """Q74; the answers are the same to the byte for another tenant, an unknown one and a wrong token."""
    intruder = client.at(other.path)
    lost = client.at("/t/there-is-no-such-tenant/scim/v2")
    wrong = client.at(other.path).with_token("hc_wrong")
    for method, path in [
        ("GET", "/Users"),
        ("GET", f"/Users/{victim['id']}"),
        ("DELETE", f"/Users/{victim['id']}"),
        ("GET", "/Users/unknown"),
        ("POST", "/Bulk"),
        ("GET", "/Me"),
        ("GET", "/Nothing"),
        ("GET", "/Schemas"),
        ("GET", "/ServiceProviderConfig"),
        ("GET", "?filter=broken"),
    ]:
        answers = [each.send(method, path) for each in (intruder, lost, wrong)]
        assert [answer.error for answer in answers] == [(401, None)] * 3
        assert len({answer.body for answer in answers}) == 1
        varying = {"date", "x-request-id"}
        assert len({frozenset((k, v) for k, v in each.headers.items() if k not in varying) for each in answers}) == 1
    assert other.get(f"/Users/{victim['id']}").status == 200


@pytest.mark.parametrize("name", ["operator", "OPERATOR", "-operator", "$operator", "", "%", "a" * 64, "A", "é"])
def test_the_operators_own_tenant_and_impossible_names_are_closed(client, name):
    stranger = client.at(f"/t/{name.encode().hex() if name == 'é' else name}/scim/v2")
    assert stranger.get("/Users").status in (401, 404)
    assert stranger.with_token(None).get("/Users").status in (401, 404)


def test_a_deleted_tenant_is_closed_within_a_second_and_its_name_starts_anew(server, new_tenant):
    client = new_tenant()
    there = client.new_user()
    name = client.path.split("/")[2]
    server.administer(lambda installation: installation.tenants.delete(name))
    deadline = time.monotonic() + 1
    while (answer := client.get(f"/Users/{there['id']}")).status != 401:
        assert time.monotonic() < deadline
    assert answer.error == (401, None)
    server.administer(lambda installation: installation.tenants.create(name))
    assert client.get("/Users").error == (401, None)
    again = client.with_token(server.new_token(client))
    while (answer := again.get("/Users")).status == 401:
        pass
    assert answer.ok()["totalResults"] == 0
    assert again.get(f"/Users/{there['id']}").error == (404, None)
