"""The token endpoint is asked no more than it bears: failures are bounded, and what is granted counts as requests do."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest

from headcount.http.rates import Failures
from serving import running_server, tenant_of

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
MOST = 3
"""Failures a minute of one client at one address, here."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server behind a proxy, so that a test says where it is."""
    settings = {"token_failures": MOST, "behind_proxy": "true"}
    with running_server(tmp_path_factory.mktemp("attempts"), **settings) as running:
        yield running


@pytest.fixture
def tenant(server):
    with server.new_tenant() as client:
        yield client


def robot(server, tenant, **options):
    async def create(installation):
        return await installation.tokens.create(tenant_of(tenant), "robot", lifetime=timedelta(days=1), **options)

    secret, resource = server.administer(create)
    return {"grant_type": "client_credentials", "client_id": resource["id"], "client_secret": secret}


def ask(tenant, form, address):
    headers = FORM | {"X-Forwarded-For": address}
    client = tenant.at(f"/t/{tenant_of(tenant)}").with_token(None)
    return client.send("POST", "/oauth/token", urlencode(form).encode(), headers=headers)


def test_who_fails_too_often_is_told_when_to_come_again(server, tenant):
    good = robot(server, tenant)
    wrong = good | {"client_secret": "wrong"}
    assert [ask(tenant, wrong, "192.0.2.1").status for _ in range(MOST)] == [401] * MOST
    for form in (wrong, good):
        answer = ask(tenant, form, "192.0.2.1")
        assert (answer.status, answer.json["error"]) == (429, "temporarily_unavailable")
        assert 1 <= int(answer.headers["retry-after"]) <= 60 / MOST
        assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == (str(MOST), "0")
        assert answer.headers["cache-control"] == "no-store"


def test_nobody_elsewhere_shuts_a_client_out(server, tenant):
    good, other = robot(server, tenant), robot(server, tenant)
    for _ in range(MOST + 1):
        ask(tenant, good | {"client_secret": "wrong"}, "192.0.2.2")
    assert ask(tenant, good, "192.0.2.3").status == 200
    assert ask(tenant, other, "192.0.2.2").status == 200


def test_an_address_that_tries_one_client_after_the_other_is_stopped(tenant):
    form = {"grant_type": "client_credentials", "client_secret": "wrong"}
    statuses = [ask(tenant, form | {"client_id": f"c{number}"}, "192.0.2.4").status for number in range(MOST * 10 + 2)]
    assert statuses == [401] * MOST * 10 + [429] * 2


def test_assertions_are_counted_by_whom_they_name(tenant):
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    form = {"grant_type": "client_credentials", "client_assertion_type": kind}
    named = form | {"client_assertion": "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJyb2JvdCJ9.AA"}
    assert [ask(tenant, named, "192.0.2.5").status for _ in range(MOST + 1)] == [401] * MOST + [429]
    assert ask(tenant, form | {"client_assertion": "nothing"}, "192.0.2.5").status == 401


def test_who_does_not_fail_is_not_counted(server, tenant):
    good = robot(server, tenant)
    answers = [ask(tenant, good, "192.0.2.6") for _ in range(MOST * 12)]
    assert {answer.status for answer in answers} == {200}
    assert "ratelimit-limit" not in answers[0].headers
    assert ask(tenant, {"grant_type": "password"}, "192.0.2.6").status == 400


def test_what_is_granted_counts_against_the_tenants_rate(server, tenant):
    good = robot(server, tenant)

    async def limit(installation):
        await installation.tenants.update(tenant_of(tenant), {"limits": {"requestsPerSecond": 0.02}})

    server.administer(limit)
    first = ask(tenant, good, "192.0.2.7")
    assert (first.status, first.headers["ratelimit-remaining"]) == (200, "0")
    refused = ask(tenant, good, "192.0.2.7")
    assert (refused.status, refused.json["error"]) == (429, "temporarily_unavailable")
    assert 40 <= int(refused.headers["retry-after"]) <= 50
    assert tenant.with_token(first.json["access_token"]).get("/Users").error == (429, None)


def test_a_refusal_stands_in_the_record_with_its_reason(server, tenant):
    ask(tenant, robot(server, tenant) | {"client_secret": "wrong"}, "192.0.2.8")
    with server.client("/manage", server.operator_token()) as manager:
        found = []
        while not found:
            entries = manager.get("/tenants/_operator/audit", outcome="refused").ok()["entries"]
            found = [entry for entry in entries if entry["address"] == "192.0.2.8"]
    assert "secret or assertion is not valid" in found[0]["reason"]


def test_without_a_bound_nothing_is_counted():
    failures = Failures.of(0, processes=1)
    failures.rates.count(failures.limits("192.0.2.9", "robot"))
    assert failures.rates.check(failures.limits("192.0.2.9", "robot")) is None
