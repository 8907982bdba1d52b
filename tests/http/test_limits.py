"""Rate limits and quotas: off until they are set, exact in what they say."""

import pytest

from headcount.directory.operator import request_of
from headcount.directory.operator_schemas import ACCESS_TOKEN, TENANT
from headcount.http.rates import Rates
from serving import PATCH_OP, group, tenant_of, user

RATE_HEADERS = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}


def limit(server, client, **limits):
    """Sets limits of a client's tenant."""

    async def change(installation):
        row = await installation.tenants.get(tenant_of(client))
        patch = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "limits", "value": limits}]}
        await installation.operator.patch(TENANT, row["id"], patch, request_of("test"))

    server.administer(change)


def test_without_limits_nothing_is_said_of_any(new_tenant):
    assert not RATE_HEADERS & new_tenant().get("/Users").headers.keys()


def test_a_token_beyond_its_rate_is_told_when_to_come_again(server, new_tenant):
    client = new_tenant()

    async def restrict(installation):
        (token,) = await installation.tokens.list(tenant_of(client))
        patch = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "requestsPerSecond", "value": 0.01}]}
        await installation.operator.patch(ACCESS_TOKEN, token["id"], patch, request_of("test"))

    server.administer(restrict)
    first = client.get("/Users")
    assert (first.status, first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == (200, "1", "0")
    assert 90 <= int(first.headers["ratelimit-reset"]) <= 100
    refused = client.get("/Users")
    assert refused.error == (429, None)
    assert 90 <= int(refused.headers["retry-after"]) <= 100
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("1", "0")


def test_the_tenants_rate_counts_all_its_tokens(server, new_tenant):
    client = new_tenant()
    limit(server, client, requestsPerSecond=0.02)
    assert client.get("/Users").status == 200
    assert client.with_token(server.new_token(client)).get("/Users").status == 429


def test_a_bucket_holds_its_rate_and_no_more():
    rates = Rates(processes=1)
    assert [rates.take([("a", 3.0)]).remaining for _ in range(3)] == [2, 1, 0]
    assert rates.take([("a", 3.0)]).wait == 1
    assert rates.take([("b", 3.0)]).remaining == 2, "limits are apart"


def test_a_refused_request_uses_nothing_up():
    rates = Rates(processes=1)
    rates.take([("narrow", 0.001)])
    for _ in range(5):
        assert rates.take([("wide", 2.0), ("narrow", 0.001)]).wait > 0
    assert rates.take([("wide", 2.0)]).remaining == 1


def test_several_processes_share_a_limit():
    assert Rates(processes=4).take([("a", 20.0)]).limit == 5


@pytest.mark.parametrize(
    ("quota", "path", "body"), [("users", "/Users", user), ("groups", "/Groups", group)], ids=["users", "groups"]
)
def test_a_tenant_holds_as_many_as_it_may(server, new_tenant, quota, path, body):
    client = new_tenant()
    limit(server, client, **{quota: 2})
    made = [client.post(path, body()).ok(201) for _ in range(2)]
    refused = client.post(path, body())
    assert refused.error == (403, None)
    assert "may hold 2" in refused.json["detail"]
    client.delete(f"{path}/{made[0]['id']}").ok(204)
    client.post(path, body()).ok(201)


def test_a_quota_counts_what_bulk_creates(server, new_tenant):
    client = new_tenant()
    limit(server, client, users=1)
    operations = [{"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": user()} for n in range(3)]
    answer = client.bulk(*operations).ok()
    assert [item["status"] for item in answer["Operations"]] == ["201", "403", "403"]
