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


def test_the_document_tells_of_every_route(manager):
    document = manager.get("/openapi.json").ok()
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/tenants/{tenant}/schemas/{urn}"]["delete"]
    assert [parameter["name"] for parameter in operation["parameters"]] == ["tenant", "urn"]
    assert list(operation["responses"]) == ["204"]
    assert document["paths"]["/tenants/{tenant}/schemas"]["post"]["requestBody"]["required"] is True
