"""Access tokens of issuers outside: a real OAuth server, workload identities, and everything that is not quite one."""

import json
import socket
import subprocess
import sys
import time
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from headcount.directory.operator_schemas import CONNECTION_SCHEMA
from headcount.scim.errors import InvalidValueError
from issuers import new_key, running_issuer, signed, signed_with_secret, unsigned
from serving import tenant_of, user

CANAILLE = Path(__file__).parents[1] / "canaille_server.py"
HOLDS_WITHIN = 1.0
"""Seconds within which what is decided in one place holds everywhere."""


@pytest.fixture(scope="module")
def server(outgoing):
    return outgoing


@pytest.fixture(scope="module")
def operator(outgoing_operator):
    return outgoing_operator


@pytest.fixture
def tenant(server):
    with server.new_tenant() as client:
        yield client


@pytest.fixture
def issuer():
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def canaille():
    """The URL of a running Canaille."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(CANAILLE), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def connect(operator, tenant, issuer, **attributes):
    """A new connection of a tenant that trusts an issuer: the members of `issuer`, and other attributes."""
    body = {"schemas": [CONNECTION_SCHEMA.id], "tenant": tenant_of(tenant), "name": f"c-{uuid4().hex[:12]}"}
    return operator.post("/Connections", body | {"issuer": issuer} | attributes)


def trusting(operator, tenant, issuer, *, algorithms=None, **rules):
    """A connection that trusts what an issuer of the tests signs."""
    members = {"issuer": issuer.url, "audiences": ["headcount"], "subjects": ["robot"]} | rules
    members |= {"algorithms": algorithms} if algorithms else {}
    return connect(operator, tenant, members).ok(201)


def status(tenant, token):
    return tenant.with_token(token).get("/Users", count=0).status


def within(seconds, holds):
    """Whether something comes to hold within so many seconds."""
    until = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.02)
    return held


def test_a_token_of_a_real_authorization_server_opens_the_tenant(tenant, operator, canaille):
    form = {"grant_type": "password", "username": "ada", "password": "lovelace", "scope": "openid"}
    answer = httpx.post(f"{canaille}/oauth/token", data=form, auth=("robot", "r2d2")).raise_for_status().json()
    token = answer["access_token"]
    assert status(tenant, token) == 401
    rules = {"issuer": canaille, "audiences": ["robot"], "subjects": ["ada"], "algorithms": ["RS512"]}
    connection = connect(operator, tenant, rules, scopes=[{"type": "User", "operations": ["read", "create"]}]).ok(201)
    client = tenant.with_token(token)
    created = client.new_user()
    assert client.get(f"/Users/{created['id']}").status == 200
    assert client.delete(f"/Users/{created['id']}").status == 403
    operator.patch(
        f"/Connections/{connection['id']}", {"op": "replace", "path": "issuer.subjects", "value": ["bob"]}
    ).ok()
    assert within(HOLDS_WITHIN + 0.5, lambda: client.get("/Users").status == 401)


def test_a_good_token_opens_the_tenant_however_it_is_sent(tenant, operator, issuer):
    trusting(operator, tenant, issuer)
    token = issuer.token()
    basic = b64encode(f"anyone:{token}".encode()).decode()
    for value in (f"Bearer {token}", f"bearer  {token}", token, f"Basic {basic}"):
        assert tenant.send("GET", "/Users", headers={"Authorization": value}).status == 200
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_what_it_opens_is_what_its_connection_says(tenant, operator, issuer):
    members = {"issuer": issuer.url, "audiences": ["headcount"], "subjects": ["robot"]}
    connect(operator, tenant, members, scopes=[{"type": "User", "operations": ["create"]}]).ok(201)
    client = tenant.with_token(issuer.token())
    created = client.post("/Users", user(externalId="7")).ok(201)
    assert created.keys() <= {"schemas", "id", "meta"}
    assert client.get(f"/Users/{created['id']}").status == 403


def test_a_client_comes_from_where_the_connection_says(tenant, operator, issuer):
    members = {"issuer": issuer.url, "audiences": ["headcount"], "subjects": ["robot"]}
    connect(operator, tenant, members, networks=["192.0.2.0/24"]).ok(201)
    assert status(tenant, issuer.token()) == 401


def seconds(offset):
    return int(time.time() + offset)


def twice(issuer):
    """Claims of which one stands twice, the first time as it should."""
    return json.dumps(issuer.claims())[:-1] + ',"sub":"robot"}'


BAD_TOKENS = {
    "issuer with a slash": lambda it: it.token(iss=it.url + "/"),
    "another issuer": lambda it: it.token(iss="https://idp.example.com"),
    "no issuer": lambda it: it.token(iss=None),
    "a list of issuers": lambda it: it.token(iss=[it.url]),
    "an issuer with NUL": lambda it: it.token(iss=it.url + "\0"),
    "half a surrogate for an issuer": lambda it: it.token(iss="\ud800"),
    "another audience": lambda it: it.token(aud="elsewhere"),
    "no audience": lambda it: it.token(aud=None),
    "another subject": lambda it: it.token(sub="someone"),
    "a list of subjects": lambda it: it.token(sub=["robot"]),
    "no subject": lambda it: it.token(sub=None),
    "expired": lambda it: it.token(exp=seconds(-61)),
    "no end": lambda it: it.token(exp=None),
    "an end in words": lambda it: it.token(exp="tomorrow"),
    "not yet": lambda it: it.token(nbf=seconds(70)),
    "made tomorrow": lambda it: it.token(iat=seconds(86_400)),
    "unsigned": lambda it: unsigned({"alg": "none", "typ": "JWT"}, it.claims()) + ".",
    "unsigned, with something": lambda it: unsigned({"alg": "none", "kid": it.key.kid}, it.claims()) + ".AAAA",
    "signed with the public key as a secret": lambda it: signed_with_secret(
        it.key.as_pem(private=False), it.claims(), it.key.kid
    ),
    "an algorithm that is not allowed": lambda it: signed(it.keys[1], "RS384", it.claims()),
    "another key": lambda it: signed(new_key("ES256"), "ES256", it.claims()),
    "another key with the same id": lambda it: signed(new_key("ES256", it.key.kid), "ES256", it.claims()),
    "a key that it brings along": lambda it: signed(
        (other := new_key("ES256", it.key.kid)), "ES256", it.claims(), jwk=other.as_dict(private=False)
    ),
    "another kind": lambda it: signed(it.key, "ES256", it.claims(), typ="logout+jwt"),
    "an extension": lambda it: signed(it.key, "ES256", it.claims(), crit=["exp"]),
    "a claim twice": lambda it: signed(it.key, "ES256", twice(it)),
    "no object": lambda it: signed(it.key, "ES256", "[1]"),
    "huge": lambda it: it.token(pad="x" * 16_000),
    "tampered with": lambda it: it.token()[:-4] + "AAAA",
    "cut off": lambda it: it.token().rpartition(".")[0],
    "a fourth part": lambda it: it.token() + ".AAAA",
    "padded": lambda it: it.token() + "=",
}


@pytest.fixture(scope="module")
def trusted(server, operator):
    """A tenant and the issuer that a connection of it trusts."""
    with server.new_tenant() as tenant, running_issuer() as issuer:
        issuer.keys.append(new_key("RS256"))
        trusting(operator, tenant, issuer)
        assert status(tenant, issuer.token()) == 200
        yield tenant, issuer


@pytest.mark.parametrize("name", BAD_TOKENS)
def test_what_is_not_quite_a_token_of_the_issuer_opens_nothing(trusted, name):
    tenant, issuer = trusted
    token = BAD_TOKENS[name](issuer)
    answer = tenant.with_token(token).get("/Users")
    assert answer.error == (401, None)
    assert answer.json["detail"] == "The access token is not valid here."
    assert status(tenant, issuer.token()) == 200


@pytest.mark.parametrize("path", ["/scim/v2", "/t/nobody/scim/v2"])
def test_a_token_opens_its_tenant_alone(trusted, path):
    tenant, issuer = trusted
    with tenant.apart().at(path) as elsewhere:
        assert status(elsewhere, issuer.token()) == 401


def test_a_tenant_that_does_not_trust_the_issuer_is_shut_also_while_another_is_open(server, trusted):
    tenant, issuer = trusted
    token = issuer.token()
    with server.new_tenant() as other:
        for _ in range(2):
            assert status(tenant, token) == 200
            assert status(other, token) == 401


def test_several_connections_may_trust_one_issuer(tenant, operator, issuer):
    """Two pipelines of one platform, told apart by what it says of them."""
    rules = {"issuer": issuer.url, "audiences": ["headcount"]}
    hr = {"claims": ["repository=acme/hr", "ref=main", "ref=release"]}
    connect(operator, tenant, rules | hr, scopes=[{"type": "User"}]).ok(201)
    connect(operator, tenant, rules | {"claims": ["repository=acme/it"]}, scopes=[{"type": "Group"}]).ok(201)
    users = tenant.with_token(issuer.token(repository="acme/hr", ref="release"))
    groups = tenant.with_token(issuer.token(repository="acme/it"))
    assert [client.get(path).status for client in (users, groups) for path in ("/Users", "/Groups")] == [
        200,
        403,
        403,
        200,
    ]
    assert status(tenant, issuer.token(repository="acme/hr", ref="dev")) == 401
    assert status(tenant, issuer.token(repository="acme/hr")) == 401


def test_a_new_key_of_the_issuer_is_believed(tenant, operator, issuer):
    """Here its first keys were never asked for; that a later one is noticed, and when, needs a clock to turn."""
    issuer.keys.insert(0, new_key("RS256"))
    trusting(operator, tenant, issuer)
    assert status(tenant, signed(issuer.keys[0], "RS256", issuer.claims())) == 200
    assert status(tenant, issuer.token()) == 200


def test_keys_may_be_given_with_the_connection(tenant, operator, issuer):
    """For a cluster whose issuer cannot be reached from here."""
    keys = json.dumps({"keys": [issuer.key.as_dict(private=False)]})
    trusting(operator, tenant, issuer, jwks=keys)
    assert status(tenant, issuer.token()) == 200
    assert issuer.asked == []


def test_keys_may_be_at_a_url_of_their_own(tenant, operator, issuer):
    trusting(operator, tenant, issuer, jwksUri=f"{issuer.url}/keys")
    assert status(tenant, issuer.token()) == 200
    assert issuer.asked == ["/keys"]


CHANGES = [
    {"op": "replace", "path": "active", "value": False},
    {"op": "replace", "path": "issuer.subjects", "value": ["someone"]},
    {"op": "replace", "path": "issuer.audiences", "value": ["elsewhere"]},
    {"op": "add", "path": "issuer.claims", "value": ["repository=acme/hr"]},
    {"op": "replace", "path": "issuer.algorithms", "value": ["RS256"]},
    {"op": "remove", "path": "issuer"},
]


def test_tokens_end_within_a_second_of_their_connection_in_every_process(server, beside, operator, issuer):
    """Also those that were verified before: shut, other rules, no issuer, deleted."""
    tenants = [server.new_tenant() for _ in range(len(CHANGES) + 1)]
    token = issuer.token()
    connections = [trusting(operator, tenant, issuer)["id"] for tenant in tenants]
    clients = [tenant.with_token(token) for tenant in tenants]
    clients += [beside.client(tenant.path, token) for tenant in tenants]
    assert {client.get("/Users").status for client in clients} == {200}
    for connection, change in zip(connections, CHANGES, strict=False):
        operator.patch(f"/Connections/{connection}", change).ok()
    operator.delete(f"/Connections/{connections[-1]}").ok(204)
    ended = within(HOLDS_WITHIN + 0.5, lambda: {client.get("/Users", count=0).status for client in clients} == {401})
    for client in clients:
        client.close()
    assert ended


@pytest.mark.parametrize(
    ("rules", "word"),
    [
        ({"issuer": "http://10.0.0.1"}, "HEADCOUNT_PRIVATE_NETWORKS"),
        ({"issuer": "idp.example.com"}, "https://host/path"),
        ({"jwksUri": "https://169.254.169.254/keys"}, "HEADCOUNT_PRIVATE_NETWORKS"),
        ({"jwksUri": "file:///etc/passwd"}, "https://host/path"),
        ({"jwks": "{}"}, "key set"),
        ({"algorithms": ["HS256"]}, "HS256"),
        ({"algorithms": ["none"]}, "none"),
        ({"audiences": []}, "audiences"),
        ({"audiences": None}, "audiences"),
        ({"subjects": None}, "subjects"),
        ({"claims": ["repository"]}, "name=value"),
    ],
)
def test_an_issuer_that_nobody_should_trust_cannot_be_configured(tenant, operator, rules, word):
    members = {"issuer": "https://idp.example.com", "audiences": ["headcount"], "subjects": ["robot"]} | rules
    answer = connect(operator, tenant, {name: value for name, value in members.items() if value is not None})
    assert answer.error == (400, "invalidValue")
    assert word in answer.json["detail"]


def test_a_connection_can_be_shut_where_its_issuer_may_not_be_called_any_more(server, tenant, operator, issuer):
    """The commands of this process know of no private network."""
    name = trusting(operator, tenant, issuer)["name"]

    async def change(installation, **changes):
        return await installation.connections.update(tenant_of(tenant), name, changes)

    with pytest.raises(InvalidValueError, match="HEADCOUNT_PRIVATE_NETWORKS|secured"):
        server.administer(lambda it: change(it, **{"issuer.subjects": ["someone"]}))
    assert server.administer(lambda it: change(it, active=False))["active"] is False


def test_a_connection_is_found_by_its_issuer_and_shows_it(tenant, operator, issuer):
    made = trusting(operator, tenant, issuer, claims=["ref=main"])
    assert operator.found(f'issuer.issuer eq "{issuer.url}"', "/Connections") == [made["id"]]
    assert operator.get(f"/Connections/{made['id']}").ok()["issuer"]["claims"] == ["ref=main"]


def test_a_verified_token_costs_no_signature_again(tenant, operator, issuer):
    """The issuer may go: what was verified holds until it ends, and costs what a lasting token costs."""
    trusting(operator, tenant, issuer)
    client = tenant.with_token(issuer.token())
    assert client.get("/Users").status == 200
    asked = list(issuer.asked)
    issuer.pages.clear()
    assert not within(HOLDS_WITHIN + 0.2, lambda: client.get("/Users", count=0).status != 200)
    assert issuer.asked == asked


def test_a_refused_token_tells_the_operator_why_and_is_not_logged(server, tenant, operator, issuer):
    connection = trusting(operator, tenant, issuer)
    token = issuer.token(aud="elsewhere")
    assert status(tenant, token) == 401
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    refused = [line for line in lines if line["event"] == "token_refused" and line["tenant"] == tenant_of(tenant)]
    assert [(line["connection"], line["reason"]) for line in refused] == [
        (connection["name"], "'aud' names none of the audiences.")
    ]
    assert token not in server.log.read_text()


def test_the_record_names_whom_the_issuer_speaks_of(server, tenant, operator, issuer):
    """In the change log, with refused attempts and in the request log; a consumer of events sees the connection alone."""
    connection = trusting(operator, tenant, issuer, subjects=None, claims=["team=hr"])["id"]
    detail = {"issuer": issuer.url, "subject": "robot"}
    client = tenant.with_token(issuer.token(team="hr"))
    ada = client.new_user(userName="ada")["id"]
    client.patch(f"/Users/{ada}", {"op": "add", "path": "title", "value": "x"}).ok()  # with the token remembered
    assert client.post("/Users", user(userName="ada")).status == 409
    tenant.with_token(issuer.token(sub="Zoë\0" * 100, team="hr")).delete(f"/Users/{ada}").ok(204)
    manager = operator.at("/manage")
    record = f"/tenants/{tenant_of(tenant)}/audit"
    deleted, updated, created = manager.get(record).ok()["entries"]
    assert {entry["actor"] for entry in (deleted, updated, created)} == {connection}
    assert [entry["actorDetail"] for entry in (updated, created)] == [detail, detail]
    assert deleted["actorDetail"]["subject"] == ("Zoë\0" * 100)[:255]
    assert manager.get(record, actor="robot").ok()["entries"] == [updated, created]
    assert len(manager.get(record, actor=connection).ok()["entries"]) == 3
    exported = [json.loads(line) for line in manager.get(f"{record}/export").body.splitlines()]
    assert [entry["actorDetail"] for entry in exported[:2]] == [detail, detail]
    refused = eventually(lambda: manager.get(record, outcome="refused", actor="robot").ok()["entries"])
    assert [(entry["status"], entry["actorDetail"]) for entry in refused] == [(409, detail)]
    logged = eventually(lambda: manager.get(f"/tenants/{tenant_of(tenant)}/requests").ok()["requests"])
    assert (logged[0]["actor"], logged[0]["actorDetail"]) == (connection, detail)
    told = tenant.at(f"/t/{tenant_of(tenant)}").get("/events", position=0).ok()
    assert {event["data"]["actor"] for event in told["events"]} == {connection}
    assert all(chain["problems"] == [] for chain in manager.get(f"{record}/verification").ok()["chains"])


def eventually(found, seconds=15):
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value


def test_a_lasting_token_beside_an_issuer_still_works(server, tenant, operator, issuer):
    trusting(operator, tenant, issuer)
    assert status(tenant, server.new_token(tenant, lifetime=timedelta(days=1))) == 200
    assert issuer.asked == []
