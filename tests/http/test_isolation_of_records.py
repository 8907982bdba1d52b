"""No tenant's records, held changes, reviews, requests or groups are reached through another tenant's entrance."""

import time
from datetime import timedelta

import pytest

from serving import tenant_of, user

OFF = {"op": "replace", "path": "active", "value": False}
NOBODY = "01a21094-e1d9-7ea9-aba4-000000000000"


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def other(server):
    """A tenant with something of everything."""
    with server.new_tenant() as made:
        name = tenant_of(made)

        async def prepare(installation):
            rules = [{"kind": "deactivate", "number": 0, "reaction": "hold"}]
            await installation.tenants.update(name, {"guard": rules, "adoption": "sameExternalId"})

        server.administer(prepare)
        yield made


@pytest.fixture(scope="module")
def operator(server):
    with server.client("/manage", server.operator_token()) as client:
        yield client


@pytest.fixture(scope="module")
def theirs(server, other, operator):
    """The ids of what is the other tenant's."""
    ada = other.new_user(userName="ada")
    other.post("/Users", user(userName="ada"))
    other.patch(f"/Users/{ada['id']}", OFF).ok()
    there = f"/tenants/{tenant_of(other)}"
    request = until(lambda: operator.get(f"{there}/requests").ok()["requests"])[0]
    return {
        "held": operator.get(f"{there}/held").ok()["held"][0]["id"],
        "review": operator.get(f"{there}/reviews").ok()["reviews"][0]["id"],
        "request": request["requestId"],
        "group": other.new_group(ada["id"])["id"],
        "user": ada["id"],
    }


ENTRANCES = {
    "release": ("POST", "/held/release", lambda ids: {"id": ids["held"]}, "held"),
    "force": ("POST", "/held/release", lambda ids: {"id": ids["held"], "force": True}, "held"),
    "reject": ("POST", "/held/reject", lambda ids: {"id": ids["held"]}, "held"),
    "link": ("POST", "/reviews/link", lambda ids: {"id": ids["review"]}, "review"),
    "dismiss": ("POST", "/reviews/dismiss", lambda ids: {"id": ids["review"]}, "review"),
    "request": ("GET", "/requests/{request}", lambda _: None, "request"),
    "restore": ("POST", "/groups/{group}/restore", lambda _: {"before": "2026-01-31T08:30:00Z"}, "group"),
    "lock-out": ("GET", "/lockouts/{user}", lambda _: None, "user"),
}


@pytest.mark.parametrize("name", ENTRANCES)
def test_ids_of_another_tenant_are_ids_that_are_not_there(client, operator, theirs, name):
    """The answer for an id of another tenant is the one for an id of nobody, to the letter."""
    method, path, body_of, kind = ENTRANCES[name]
    made_up = dict.fromkeys(theirs, NOBODY)
    answers = [
        operator.send(method, f"/tenants/{tenant_of(client)}{path.format(**ids)}", body_of(ids))
        for ids in (theirs, made_up)
    ]
    bodies = [
        answer.body.replace(ids[kind].encode(), b"") for answer, ids in zip(answers, (theirs, made_up), strict=True)
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    "path", ["/audit", "/audit/export", "/audit/verification", "/requests", "/held", "/warnings", "/reviews"]
)
def test_what_is_listed_is_the_tenants_own(server, client, operator, other, theirs, path):
    mine, there = tenant_of(client), tenant_of(other)
    listed = operator.get(f"/tenants/{mine}{path}")
    assert listed.status == 200
    for hidden in (*theirs.values(), there):
        assert hidden.encode() not in listed.body
    types = ("Audit", "RequestLog", "Review")
    fenced = [{"type": name, "filter": f'tenant eq "{mine}"'} for name in types]
    mine_only = operator.with_token(server.operator_token(scopes=fenced, lifetime=timedelta(days=1)))
    assert mine_only.get(f"/tenants/{mine}{path}").status == 200
    refused = mine_only.get(f"/tenants/{there}{path}")
    nobody = mine_only.get(f"/tenants/nobody{path}")
    assert (
        (refused.status, refused.body.replace(there.encode(), b"nobody"))
        == (nobody.status, nobody.body)
        == (404, nobody.body)
    )


@pytest.mark.parametrize("path", ["/audit", "/requests", "/held", "/reviews"])
def test_a_tenants_token_opens_nothing_of_the_operators(client, other, path):
    for name in (tenant_of(client), tenant_of(other)):
        assert client.at("/manage").get(f"/tenants/{name}{path}").status == 401


def test_the_audit_is_filtered_within_the_tenant(client, operator, theirs):
    mine = tenant_of(client)
    assert operator.get(f"/tenants/{mine}/audit", id=theirs["user"]).ok()["entries"] == []
    assert operator.get(f"/tenants/{mine}/audit", outcome="refused", id=theirs["user"]).ok()["entries"] == []
    everything = operator.get(f"/tenants/{mine}/audit", before=10**17).ok()["entries"]
    assert theirs["user"] not in {entry["id"] for entry in everything}
