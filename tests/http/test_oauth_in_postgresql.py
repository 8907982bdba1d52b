"""OAuth where the database is a PostgreSQL: what it looks up and keeps there is the same."""

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from headcount.assembly import open_installation
from headcount.directory.operator_schemas import CONNECTION_SCHEMA
from headcount.settings import Settings
from headcount.store.interface import OPERATOR_TENANT
from headcount.testing.postgresql import temporary_postgresql
from issuers import new_key, running_issuer, signed
from serving import running_server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = {"grant_type": "client_credentials"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def database():
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        yield running.create_database("oauth")


@pytest.fixture(scope="module")
def secrets(database):
    """A token of the operator; a tenant's client, its id and secret."""

    async def create():
        async with open_installation(Settings(database=database)) as installation:
            await installation.tenants.create("acme")
            operator, _ = await installation.tokens.create(OPERATOR_TENANT, "test", lifetime=timedelta(days=1))
            secret, robot = await installation.tokens.create("acme", "robot", lifetime=timedelta(days=1))
            return operator, robot["id"], secret

    return asyncio.run(create())


@pytest.fixture(scope="module")
def server(database, secrets, tmp_path_factory):
    arguments = ("--database", database)
    with running_server(tmp_path_factory.mktemp("oauth"), *arguments, private_networks="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def tenant(server):
    with server.client("/t/acme/scim/v2") as client:
        yield client


@pytest.fixture
def operator(server, secrets):
    with server.client("/scim/v2", secrets[0]) as client:
        yield client


def ask(server, form):
    with server.client("/t/acme") as client:
        return client.send("POST", "/oauth/token", urlencode(form).encode(), headers=FORM)


def test_a_client_with_a_secret_gets_a_token(server, tenant, secrets):
    _, client_id, secret = secrets
    answer = ask(server, GRANT | {"client_id": client_id, "client_secret": secret, "scope": "User"})
    client = tenant.with_token(answer.ok()["access_token"])
    assert client.get(f"/Users/{client.new_user()['id']}").status == 200
    assert client.get("/Groups").status == 403


def test_an_assertion_is_used_once(server, operator):
    key = new_key("ES256")
    body = {"schemas": [CONNECTION_SCHEMA.id], "tenant": "acme", "name": "signs"}
    keys = json.dumps({"keys": [key.as_dict(private=False)]})
    client_id = operator.post("/Connections", body | {"jwks": keys}).ok(201)["id"]
    issuer = f"{server.url}/t/acme"
    claims = {"iss": client_id, "sub": client_id, "aud": issuer, "jti": uuid4().hex, "exp": int(time.time()) + 60}
    form = GRANT | {"client_assertion_type": ASSERTION, "client_assertion": signed(key, "ES256", claims)}
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda _: ask(server, form).status, range(8)))
    assert sorted(answers) == [200, *[401] * 7]


def test_a_token_of_an_issuer_outside_opens_the_tenant(tenant, operator):
    with running_issuer() as issuer:
        trusted = {"issuer": issuer.url, "audiences": ["headcount"], "subjects": ["robot"]}
        by_claim = {"issuer": issuer.url, "audiences": ["headcount"], "claims": ["team=hr"]}
        body = {"schemas": [CONNECTION_SCHEMA.id], "tenant": "acme"}
        operator.post("/Connections", body | {"name": "trusts", "issuer": trusted}).ok(201)
        operator.post("/Connections", body | {"name": "believes", "issuer": by_claim}).ok(201)
        assert tenant.with_token(issuer.token()).get("/Users").status == 200
        robot = issuer.token(sub="a\0\ud800☃", team="hr")
        ada = tenant.with_token(robot).new_user()["id"]
        (entry,) = operator.at("/manage").get("/tenants/acme/audit", id=ada).ok()["entries"]
        assert entry["actorDetail"] == {"issuer": issuer.url, "subject": "a\0?☃"}
        for stranger in (issuer.token(sub="someone"), issuer.token(iss="\0"), issuer.token(iss="\ud800")):
            assert tenant.with_token(stranger).get("/Users").status == 401
