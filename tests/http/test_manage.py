"""`/manage`: what an operator's token opens, what a scope of it closes, and a document that tells all of it."""

import time

import pytest

from headcount.store.interface import OPERATOR_TENANT
from serving import ENTERPRISE, running_server, tenant_of

BADGE = "urn:example:badge:2.0:User"
DOCUMENT = {"id": BADGE, "name": "Badge", "attributes": [{"name": "number"}]}
JSON = {"Content-Type": "application/json", "Accept": "application/json"}


@pytest.fixture(scope="module")
def serving_briefly(tmp_path_factory):
    """A server that waits for no request longer than a moment, so that indexes are complete soon."""
    with running_server(tmp_path_factory.mktemp("manage"), body_deadline="0.5") as running:
        yield running


@pytest.fixture(scope="module")
def acme(serving_briefly):
    with serving_briefly.new_tenant() as client:
        yield client


def operator(server, **options):
    """A client of `/manage` with an operator's token."""

    async def create(installation):
        token, _ = await installation.tokens.create(OPERATOR_TENANT, "test", lifetime=None, **options)
        return token

    return server.client("/manage", server.administer(create))


@pytest.fixture(scope="module")
def manager(serving_briefly):
    with operator(serving_briefly) as client:
        yield client


def eventually(condition):
    until = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < until


def test_schemas_come_change_and_go(manager, acme):
    name = tenant_of(acme)
    listed = manager.send("POST", f"/tenants/{name}/schemas", DOCUMENT, headers=JSON).ok()["schemas"]
    assert {"id": BADGE, "name": "Badge", "resourceTypes": ["User"], "builtIn": False} in listed
    eventually(lambda: acme.get(f"/Schemas/{BADGE}").status == 200)
    ada = acme.new_user(**{BADGE: {"number": "7"}})
    used = manager.get(f"/tenants/{name}/schemas/{BADGE}/usage").ok()
    assert used == {"attributes": [{"type": "User", "path": f"{BADGE}:number", "resources": 1}]}
    narrower = {**DOCUMENT, "attributes": [{"name": "number", "type": "integer"}]}
    refused = manager.post(f"/tenants/{name}/schemas", [narrower])
    assert refused.error == (409, None)
    assert ada["id"] in refused.json["detail"]
    assert manager.delete(f"/tenants/{name}/schemas/{BADGE}").error == (409, None)
    acme.delete(f"/Users/{ada['id']}").ok(204)
    manager.delete(f"/tenants/{name}/schemas/{BADGE}").ok(204)
    eventually(lambda: acme.get(f"/Schemas/{BADGE}").status == 404)
    assert manager.delete(f"/tenants/{name}/schemas/{BADGE}").error == (404, None)


def test_an_index_is_built_in_the_background_and_forgotten(manager, acme):
    path, indexes = f"{ENTERPRISE}:department", f"/tenants/{tenant_of(acme)}/indexes"
    ada = acme.new_user(**{ENTERPRISE: {"department": "Sales"}})["id"]

    def state():
        return [row["state"] for row in manager.get(indexes).ok()["indexes"] if row["path"] == path]

    assert manager.post(indexes, {"path": path}).status == 202
    assert state() in (["building"], ["complete"])
    eventually(lambda: state() == ["complete"])
    assert acme.found(f'{path} eq "sales"') == [ada]
    assert manager.post(indexes, {"path": "active"}).error == (400, "invalidValue")
    assert manager.post(indexes, {}).error == (400, "invalidValue")
    manager.delete(f"{indexes}?path={path}").ok(204)
    assert state() == []
    assert manager.delete(f"{indexes}?path={path}").error == (404, None)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/tenants/nobody/schemas", 404),
        ("GET", "/tenants", 404),
        ("GET", "", 404),
        ("PUT", "/tenants/acme/schemas", 405),
        ("GET", "/tenants/acme/schemas?nothing=1", 400),
    ],
)
def test_what_is_not_there_is_a_scim_error(manager, method, path, status):
    assert manager.send(method, path).error[0] == status


def test_nothing_opens_without_an_operators_token(manager, acme):
    path = f"/tenants/{tenant_of(acme)}/schemas"
    for token in (None, "nothing", acme.token):
        assert manager.with_token(token).get(path).error == (401, None)


def test_a_scope_closes_what_it_does_not_name(serving_briefly, acme):
    name = tenant_of(acme)
    with (
        operator(serving_briefly, scopes=[{"type": "Tenant"}]) as tenants_only,
        operator(serving_briefly, scopes=[{"type": "Schema", "operations": ["read"]}]) as reader,
        operator(serving_briefly, scopes=[{"type": "Schema", "filter": f'tenant eq "{name}"'}]) as fenced,
        operator(serving_briefly, scopes=[{"type": "Schema", "filter": 'tenant eq "other"'}]) as elsewhere,
    ):
        path = f"/tenants/{name}/schemas"
        assert tenants_only.get(path).error == (403, None)
        reader.get(path).ok()
        assert reader.post(path, DOCUMENT).error == (403, None)
        fenced.get(path).ok()
        hidden, missing = elsewhere.get(path), elsewhere.get("/tenants/nobody/schemas")
        assert (hidden.error, missing.error) == ((404, None), (404, None))
        assert hidden.json["detail"].replace(name, "nobody") == missing.json["detail"]


def test_tokens_are_explained(manager, serving_briefly, acme):
    name = tenant_of(acme)
    serving_briefly.new_token(acme, scopes=[{"type": "User", "filter": "active eq true"}])
    listed = manager.get(f"/tenants/{name}/tokens").ok()["tokens"]
    assert [token["state"] for token in listed] == ["active", "active"]
    assert "digest" not in str(listed)
    ada = acme.new_user(active=False)["id"]
    path = f"/tenants/{name}/tokens/{listed[1]['id']}"
    report = manager.get(path, resource=f"Users/{ada}").ok()
    assert (report["restricted"], report["resource"]["reached"]) == (True, False)
    assert manager.get(path.replace(name, OPERATOR_TENANT)).error == (404, None)
    assert manager.get(f"/tenants/{name}/tokens/nothing").error == (404, None)
    assert manager.get("/tenants/nobody/tokens").error == (404, None)
    mine = manager.get(f"/tenants/{OPERATOR_TENANT}/tokens").ok()["tokens"]
    assert OPERATOR_TENANT in {token["tenant"] for token in mine}


def test_deliveries_are_looked_at_and_sent_again(manager, serving_briefly, acme):
    """Nobody listens there; and an address within is not called anyway."""
    name = tenant_of(acme)
    made = serving_briefly.administer(
        lambda installation: installation.webhooks.create(name, "hook", "https://hooks.example", events=["user.*"])
    )
    path = f"/tenants/{name}/webhooks/{made['id']}"
    acme.new_user()
    assert manager.get(f"{path}/parked").ok() == {"parked": []}
    assert isinstance(manager.get(f"{path}/deliveries", limit=5).ok()["deliveries"], list)
    assert manager.post(f"{path}/redeliveries", {}).ok(202) == {"queued": 0}
    assert manager.post(f"{path}/redeliveries", {"tasks": [7]}).ok(202) == {"queued": 0}
    assert manager.post(f"{path}/redeliveries", {"after": 0, "until": 10**6}).ok(202)["queued"] >= 1
    assert manager.send("POST", f"{path}/test").ok(202)["webhookId"].startswith(f"{made['id']}.test.")
    assert manager.send("POST", f"{path}/rotation").ok()["secret"] != made["secret"]
    for body in ([], {"tasks": "7"}, {"tasks": [True]}, {"until": 3}, {"tasks": [1], "after": 1}, {"after": -1}):
        assert manager.post(f"{path}/redeliveries", body).error == (400, "invalidValue")
    with serving_briefly.new_tenant() as other:
        for call in ("deliveries", "parked"):
            assert manager.get(f"{path}/{call}".replace(name, tenant_of(other))).error == (404, None)


def test_the_document_tells_of_every_route(manager):
    document = manager.get("/openapi.json").ok()
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/tenants/{tenant}/schemas/{urn}"]["delete"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["tenant", "urn"]
    assert list(operation["responses"]) == ["204"]
    assert document["paths"]["/tenants/{tenant}/schemas"]["post"]["requestBody"]["required"] is True
