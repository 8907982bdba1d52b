"""The token endpoint: clients with a secret and clients with a key, their tokens, and how these end."""

import base64
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import quote_plus, urlencode
from uuid import uuid4

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import KeySet

from headcount.directory.operator_schemas import CONNECTION_SCHEMA
from headcount.store.interface import OPERATOR_TENANT
from issuers import new_key, running_issuer, signed
from serving import tenant_of, user

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
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


class Robot:
    """A client of a tenant with a secret: a token and its id."""

    def __init__(self, server, tenant, **options):
        async def create(installation):
            options.setdefault("lifetime", timedelta(days=1))
            return await installation.tokens.create(tenant_of(tenant), "robot", **options)

        self.secret, resource = server.administer(create)
        self.id = resource["id"]
        self.form = {"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret}


@pytest.fixture
def robot(server, tenant):
    return Robot(server, tenant)


def ask(tenant, form, **headers):
    """The answer of the token endpoint of a tenant to a form: pairs, or bytes as they are."""
    body = form if isinstance(form, bytes) else urlencode(form).encode()
    with tenant.apart().at(f"/t/{tenant_of(tenant)}").with_token(None) as client:
        return client.send("POST", "/oauth/token", body, headers=FORM | headers)


def said(server, path, method="GET"):
    """The answer to a stranger."""
    with server.client() as client:
        return client.send(method, path, b"" if method == "POST" else None, headers=FORM)


def granted(tenant, form, **headers):
    return ask(tenant, form, **headers).ok()["access_token"]


def refused(answer):
    """Status and error code of a refusal in OAuth's terms (RFC 6749 §5.2)."""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json.keys() == {"error", "error_description"}
    return answer.status, answer.json["error"]


def basic(name, secret):
    return "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def within(seconds, holds):
    """Whether something comes to hold within so many seconds."""
    until = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < until:
        time.sleep(0.02)
    return held


def test_a_client_with_a_secret_gets_a_token_that_opens_the_tenant(tenant, robot):
    answer = ask(tenant, robot.form)
    assert answer.ok().keys() == {"access_token", "token_type", "expires_in"}
    assert answer.json["token_type"] == "Bearer"
    assert 3590 <= answer.json["expires_in"] <= 3600
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    client = tenant.with_token(answer.json["access_token"])
    assert client.get(f"/Users/{client.new_user()['id']}").status == 200


def test_the_secret_may_come_as_basic(tenant, robot):
    token = granted(tenant, {"grant_type": "client_credentials"}, Authorization=basic(robot.id, robot.secret))
    assert tenant.with_token(token).get("/Users").status == 200


def test_a_token_is_accepted_wherever_a_lasting_one_is(tenant, robot):
    token = granted(tenant, robot.form)
    for value in (f"Bearer {token}", f"bearer {token}", token, basic("anyone", token)):
        assert tenant.send("GET", "/Users", headers={"Authorization": value}).status == 200


def test_a_kept_client_library_gets_a_token(tenant, robot):
    """Authlib, with each of the ways to send a secret."""
    url = f"{tenant.url}/t/{tenant_of(tenant)}/oauth/token"
    for method in ("client_secret_basic", "client_secret_post"):
        with OAuth2Client(robot.id, robot.secret, token_endpoint_auth_method=method, scope="User:read") as client:
            token = client.fetch_token(url, grant_type="client_credentials")
            assert client.get(f"{tenant.base_url}/Users").status_code == 200
            assert token["scope"] == "User:read"


def test_metadata_say_where_and_how(server, tenant):
    name = tenant_of(tenant)
    issuer = f"{server.url}/t/{name}"
    expected = {
        "issuer": issuer,
        "token_endpoint": f"{issuer}/oauth/token",
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt"],
    }
    for path in (
        f"/.well-known/oauth-authorization-server/t/{name}",
        f"/t/{name}/.well-known/oauth-authorization-server",
    ):
        answer = said(server, path)
        assert answer.headers["content-type"] == "application/json"
        metadata = answer.ok()
        assert set(metadata.pop("token_endpoint_auth_signing_alg_values_supported")) >= {"RS256", "ES256", "EdDSA"}
        assert metadata == expected


def test_metadata_do_not_tell_which_tenants_exist(server, tenant):
    known, unknown = tenant_of(tenant), "nobody"
    path = "/t/{}/.well-known/oauth-authorization-server"
    answers = {name: said(server, path.format(name)) for name in (known, unknown)}
    assert answers[unknown].body == answers[known].body.replace(known.encode(), unknown.encode())


def test_metadata_and_audience_follow_the_url_of_a_tenant_of_its_own(server, tenant, operator):
    found = operator.get("/Tenants", filter=f'name eq "{tenant_of(tenant)}"').ok()["Resources"][0]
    operator.patch(
        f"/Tenants/{found['id']}", {"op": "add", "path": "publicUrl", "value": "https://scim.acme.example"}
    ).ok()
    issuer = f"https://scim.acme.example/t/{tenant_of(tenant)}"
    metadata = said(server, f"/t/{tenant_of(tenant)}/.well-known/oauth-authorization-server").ok()
    assert (metadata["issuer"], metadata["token_endpoint"]) == (issuer, f"{issuer}/oauth/token")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/t/acme/oauth/token", 405),
        ("POST", "/t/acme/.well-known/oauth-authorization-server", 405),
        ("POST", "/t/acme/oauth/tokens", 404),
        ("POST", "/t/acme/oauth", 404),
        ("GET", "/.well-known/openid-configuration/t/acme", 404),
        ("GET", "/oauth/token", 405),
        ("POST", "/oauth/tokens", 404),
        ("POST", "/oauth/", 404),
        ("POST", "/t/_operator/oauth/token", 404),
        ("GET", "/.well-known/oauth-authorization-server/t/_operator", 404),
        ("GET", "/.well-known/oauth-authorization-server/t/", 404),
        ("GET", "/.well-known/oauth-authorization-server/t/a%20b", 404),
        ("GET", "/.well-known/oauth-authorization-server/t/acme/x", 404),
        ("GET", "/.well-known/", 404),
    ],
)
def test_what_is_not_there_is_said_so(server, method, path, status):
    assert said(server, path, method).status == status


GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def back_office(server):
    """A client of the operator's, made with scopes for tenants and the record."""

    async def create(installation):
        scopes = [{"type": "Tenant"}, {"type": "Audit", "operations": ["read"]}]
        options = {"lifetime": timedelta(days=1), "scopes": scopes}
        return await installation.tokens.create(OPERATOR_TENANT, "back office", **options)

    secret, resource = server.administer(create)
    return GRANT | {"client_id": resource["id"], "client_secret": secret}


def asked_of_the_operator(server, form):
    with server.client() as client:
        return client.send("POST", "/oauth/token", urlencode(form).encode(), headers=FORM)


def test_the_operators_clients_get_tokens_as_well(server, tenant, back_office):
    token = asked_of_the_operator(server, back_office).ok()["access_token"]
    with server.client("/scim/v2", token) as operator:
        assert operator.get("/Tenants").status == 200
        assert operator.get("/AccessTokens").status == 403
        assert operator.at("/manage").get(f"/tenants/{tenant_of(tenant)}/audit").status == 200
    assert tenant.with_token(token).get("/Users").status == 401


def test_a_scope_narrows_an_operators_token_to_what_is_managed(server, tenant, back_office):
    answer = asked_of_the_operator(server, back_office | {"scope": "Audit:read"}).ok()
    with server.client("/scim/v2", answer["access_token"]) as operator:
        assert operator.get("/Tenants").status == 403
        assert operator.at("/manage").get(f"/tenants/{tenant_of(tenant)}/audit").status == 200
    for scope in ("AccessToken", "Schema:read", "User"):
        assert refused(asked_of_the_operator(server, back_office | {"scope": scope})) == (400, "invalid_scope")


def test_a_tenants_client_gets_nothing_of_the_operators_endpoint(server, tenant, robot, back_office):
    assert refused(asked_of_the_operator(server, robot.form)) == (401, "invalid_client")
    assert refused(ask(tenant, back_office)) == (401, "invalid_client")


def test_the_operators_metadata_name_its_issuer(server):
    metadata = said(server, "/.well-known/oauth-authorization-server").ok()
    assert (metadata["issuer"], metadata["token_endpoint"]) == (server.url, f"{server.url}/oauth/token")
    assert metadata["token_endpoint_auth_methods_supported"] == ["client_secret_basic", "client_secret_post"]


@pytest.mark.parametrize(
    ("form", "headers", "error"),
    [
        ({}, {}, (400, "invalid_request")),
        ({"grant_type": ""}, {}, (400, "invalid_request")),
        ({"grant_type": "password"}, {}, (400, "unsupported_grant_type")),
        (GRANT, {}, (401, "invalid_client")),
        (GRANT | {"client_id": "ID"}, {}, (401, "invalid_client")),
        (GRANT | {"client_id": "ID", "client_secret": "wrong"}, {}, (401, "invalid_client")),
        (GRANT | {"client_id": str(uuid4()), "client_secret": "SECRET"}, {}, (401, "invalid_client")),
        (GRANT | {"client_id": "a' OR 1=1", "client_secret": "SECRET"}, {}, (401, "invalid_client")),
        (GRANT | {"client_id": "\0", "client_secret": "\0"}, {}, (401, "invalid_client")),
        (GRANT, {"Authorization": "Basic !"}, (401, "invalid_client")),
        (GRANT, {"Authorization": "Bearer SECRET"}, (401, "invalid_client")),
        (GRANT, {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()}, (401, "invalid_client")),
        (GRANT | {"client_assertion_type": "x", "client_assertion": "y"}, {}, (400, "invalid_request")),
        (GRANT | {"client_assertion": "y"}, {}, (400, "invalid_request")),
        (GRANT | {"client_assertion_type": ASSERTION}, {}, (401, "invalid_client")),
        (GRANT | {"client_assertion_type": ASSERTION, "client_assertion": "y"}, {}, (401, "invalid_client")),
        (
            GRANT | {"client_assertion_type": ASSERTION, "client_assertion": "y", "client_secret": "z"},
            {},
            (400, "invalid_request"),
        ),
        ("GOOD" + "&grant_type=client_credentials", {}, (400, "invalid_request")),
        ("GOOD" + "&scope=User&scope=Group", {}, (400, "invalid_request")),
        ("GOOD" + "&%FF=x", {}, (400, "invalid_request")),
        ("GOOD" + "".join(f"&p{number}=" for number in range(18)), {}, (400, "invalid_request")),
        ("GOOD" + "&scope=Robot", {}, (400, "invalid_scope")),
        ("GOOD" + "&scope=User:write", {}, (400, "invalid_scope")),
        ("GOOD" + "&scope=%22%5C%C3%A9", {}, (400, "invalid_scope")),
        ("GOOD", {"Content-Type": "application/json"}, (400, "invalid_request")),
        ("GOOD", {"Content-Type": None}, (400, "invalid_request")),
    ],
)
def test_a_request_that_is_not_right_is_refused_in_terms_of_oauth(tenant, robot, form, headers, error):
    if isinstance(form, str):
        form = form.replace("GOOD", urlencode(robot.form)).encode()
    else:
        form = {name: value.replace("ID", robot.id).replace("SECRET", robot.secret) for name, value in form.items()}
    answer = ask(tenant, form, **headers)
    assert refused(answer) == error
    assert ("www-authenticate" in answer.headers) == (error[0] == 401)
    said = answer.json["error_description"]
    assert all(character.isascii() and character.isprintable() and character not in '"\\' for character in said)


def test_parameters_that_mean_nothing_here_are_ignored(tenant, robot):
    assert ask(tenant, robot.form | {"resource": "x", "audience": "y", "scope": ""}).status == 200


def test_a_request_is_bounded(tenant, robot):
    assert ask(tenant, robot.form | {"pad": "x" * 30_000}).status == 200
    assert ask(tenant, robot.form | {"pad": "x" * 33_000}).status == 413


def test_a_client_of_another_tenant_is_a_stranger(server, tenant, robot):
    with server.new_tenant() as other:
        assert refused(ask(other, robot.form)) == (401, "invalid_client")
        assert other.with_token(granted(tenant, robot.form)).get("/Users").status == 401
    assert ask(tenant, robot.form).status == 200


def test_a_token_is_no_secret_of_a_client(tenant, robot):
    """A short-lived token cannot be turned into another one, and so on for ever."""
    token = granted(tenant, robot.form)
    assert refused(ask(tenant, robot.form | {"client_secret": token})) == (401, "invalid_client")


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token[:20] + "AAAA" + token[24:],
        lambda _token: "hca_",
        lambda _token: "hca_é",
    ],
)
def test_a_token_that_was_tampered_with_opens_nothing(tenant, robot, change):
    token = change(granted(tenant, robot.form)).encode("utf-8").decode("latin-1")
    assert tenant.send("GET", "/Users", headers={"Authorization": f"Bearer {token}"}).status == 401


def test_a_scope_narrows_the_token(tenant, robot):
    answer = ask(tenant, robot.form | {"scope": "User:read  User:create"}).ok()
    assert answer["scope"] == "User:create User:read"
    client = tenant.with_token(answer["access_token"])
    created = client.new_user()
    assert client.get(f"/Users/{created['id']}").status == 200
    assert client.delete(f"/Users/{created['id']}").status == 403
    assert client.get("/Groups").status == 403


def test_a_scope_never_widens_the_token(server, tenant):
    scopes = [{"type": "User", "operations": ["read"], "readable": ["userName"], "filter": 'userName sw "a"'}]
    robot = Robot(server, tenant, scopes=scopes)
    tenant.post("/Users", user(userName="ada", title="Countess")).ok(201)
    tenant.post("/Users", user(userName="bob")).ok(201)
    for scope in ("", "User", "*", "User:read", "*:read User:read"):
        client = tenant.with_token(granted(tenant, robot.form | {"scope": scope}))
        found = client.get("/Users").ok()["Resources"]
        assert [one["userName"] for one in found] == ["ada"]
        assert "title" not in found[0]
        assert client.post("/Users", user(userName="amy")).status == 403
        assert client.get("/Groups").status == 403
    for scope in ("User:create", "Group", "User:read Group:read"):
        assert refused(ask(tenant, robot.form | {"scope": scope})) == (400, "invalid_scope")


def test_a_token_ends_with_its_client_if_that_is_sooner(server, tenant):
    robot = Robot(server, tenant, lifetime=timedelta(seconds=90))
    assert 80 <= ask(tenant, robot.form).ok()["expires_in"] <= 90


def test_a_token_ends_after_its_time(beside, tenant, robot):
    with beside.client(tenant.path) as elsewhere:
        token = granted(elsewhere, robot.form)
        client = elsewhere.with_token(token)
        assert client.get("/Users").status == 200
        assert within(5.0, lambda: client.get("/Users").status == 401)
    assert tenant.with_token(token).get("/Users").status == 401


def test_an_expired_client_gets_no_token(server, tenant):
    robot = Robot(server, tenant, lifetime=timedelta(seconds=0.2))
    time.sleep(0.3)
    assert refused(ask(tenant, robot.form)) == (401, "invalid_client")


def test_a_client_from_elsewhere_gets_no_token(server, tenant):
    robot = Robot(server, tenant, networks=["192.0.2.0/24"])
    assert refused(ask(tenant, robot.form)) == (401, "invalid_client")


def test_a_client_of_a_suspended_tenant_gets_no_token(server, tenant, robot):
    server.administer(lambda installation: installation.tenants.update(tenant_of(tenant), {"state": "suspended"}))
    assert refused(ask(tenant, robot.form)) == (400, "unauthorized_client")
    assert refused(ask(tenant, robot.form | {"client_secret": "wrong"})) == (401, "invalid_client")


def end_everywhere(*clients):
    """Whether the tokens of all clients cease to open anything within a second from now."""
    return within(HOLDS_WITHIN + 0.5, lambda: all(client.get("/Users", count=0).status == 401 for client in clients))


def test_a_token_ends_within_a_second_of_its_client_in_every_process(server, beside, tenant, robot):
    token = granted(tenant, robot.form)
    with beside.client(tenant.path, token) as elsewhere:
        assert elsewhere.get("/Users").status == 200
        server.administer(lambda installation: installation.tokens.revoke(robot.id))
        assert end_everywhere(elsewhere, tenant.with_token(token))
    assert refused(ask(tenant, robot.form)) == (401, "invalid_client")


def test_what_a_client_may_do_changes_what_its_tokens_may(tenant, operator, robot):
    client = tenant.with_token(granted(tenant, robot.form))
    assert client.get("/Groups").status == 200
    scopes = [{"type": "User", "operations": ["read"]}]
    operator.patch(f"/AccessTokens/{robot.id}", {"op": "replace", "path": "scopes", "value": scopes}).ok()
    assert within(HOLDS_WITHIN + 0.5, lambda: client.get("/Groups").status == 403)
    assert client.get("/Users").status == 200


class Signer:
    """A client that has registered keys, as a connection of a tenant."""

    def __init__(self, operator, tenant, key=None, **attributes):
        self.key = key or new_key("ES256")
        body = {
            "schemas": [CONNECTION_SCHEMA.id],
            "tenant": tenant_of(tenant),
            "name": f"c-{uuid4().hex[:12]}",
            "jwks": KeySet([self.key]).as_dict(private=False),
            **attributes,
        }
        if isinstance(body["jwks"], dict):
            body["jwks"] = jwks_text(body["jwks"])
        self.resource = operator.post(
            "/Connections", {name: value for name, value in body.items() if value is not None}
        ).ok(201)
        self.id = self.resource["id"]
        self.endpoint = f"{tenant.url}/t/{tenant_of(tenant)}/oauth/token"

    def claims(self, **changed):
        now = time.time()
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": self.endpoint,
            "jti": uuid4().hex,
            "iat": int(now),
            "exp": int(now + 60),
        }
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def form(self, claims=None, *, key=None, **more):
        key = key or self.key
        assertion = signed(key, "ES256", self.claims() if claims is None else claims)
        return GRANT | {"client_assertion_type": ASSERTION, "client_assertion": assertion} | more


def jwks_text(document):
    return str(document).replace("'", '"')


@pytest.fixture
def signer(operator, tenant):
    return Signer(operator, tenant)


def test_a_client_with_a_key_gets_a_token(tenant, signer):
    client = tenant.with_token(granted(tenant, signer.form()))
    assert client.get(f"/Users/{client.new_user()['id']}").status == 200


def test_a_kept_client_library_signs(tenant, operator):
    key = new_key("RS256")
    signer = Signer(operator, tenant, key)
    with OAuth2Client(
        signer.id, key.as_pem(private=True).decode(), token_endpoint_auth_method="private_key_jwt"
    ) as client:
        client.register_client_auth_method(PrivateKeyJWT(signer.endpoint, alg="RS256", headers={"kid": key.kid}))
        client.fetch_token(signer.endpoint, grant_type="client_credentials")
        assert client.get(f"{tenant.base_url}/Users").status_code == 200


def test_the_audience_may_be_the_issuer_too(tenant, signer):
    issuer = signer.endpoint.removesuffix("/oauth/token")
    assert ask(tenant, signer.form(signer.claims(aud=issuer))).status == 200
    assert ask(tenant, signer.form(signer.claims(aud=["x", issuer]))).status == 200
    assert ask(tenant, signer.form(client_id=signer.id)).status == 200


def seconds(offset):
    return int(time.time() + offset)


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": None},
        {"iss": "someone"},
        {"sub": None},
        {"sub": "someone"},
        {"aud": None},
        {"aud": "https://elsewhere.example.com/oauth/token"},
        {"jti": None},
        {"jti": ""},
        {"jti": 1},
        {"exp": None},
        {"exp": -61},
        {"exp": 3_661},
        {"nbf": 61},
        {"iat": 61},
    ],
)
def test_an_assertion_that_says_something_else_shows_nobody(tenant, signer, changed):
    times = {
        name: seconds(value) for name, value in changed.items() if name in ("exp", "nbf", "iat") and value is not None
    }
    assert refused(ask(tenant, signer.form(signer.claims(**changed | times)))) == (401, "invalid_client")


def test_an_assertion_by_another_key_shows_nobody(tenant, operator, signer):
    other = Signer(operator, tenant)
    assert refused(ask(tenant, signer.form(key=other.key))) == (401, "invalid_client")
    assert refused(ask(tenant, signer.form(client_id=other.id))) == (401, "invalid_client")


def test_an_assertion_is_for_one_tenant(server, tenant, signer):
    with server.new_tenant() as other:
        endpoint = signer.endpoint.replace(tenant_of(tenant), tenant_of(other))
        assert refused(ask(other, signer.form(signer.claims(aud=endpoint)))) == (401, "invalid_client")
        assert refused(ask(tenant, signer.form(signer.claims(aud=endpoint)))) == (401, "invalid_client")


def test_an_assertion_is_used_once_in_all_processes_together(tenant, beside, signer):
    elsewhere = beside.client(tenant.path)
    form = signer.form(signer.claims(aud=[signer.endpoint, signer.endpoint.replace(tenant.url, beside.url)]))
    with ThreadPoolExecutor(8) as together:
        answers = list(together.map(lambda number: ask(tenant if number % 2 else elsewhere, form), range(8)))
    assert sorted(answer.status for answer in answers) == [200, *[401] * 7]
    assert refused(ask(tenant, form)) == (401, "invalid_client")


def test_two_clients_may_use_the_same_jti(tenant, operator, signer):
    other = Signer(operator, tenant)
    claims = {"jti": "1", "exp": seconds(60)}
    assert ask(tenant, signer.form(signer.claims(**claims))).status == 200
    assert ask(tenant, other.form(other.claims(**claims))).status == 200


def test_keys_may_be_where_the_client_publishes_them(tenant, operator):
    with running_issuer() as published:
        signer = Signer(operator, tenant, published.key, jwks=None, jwksUri=f"{published.url}/keys")
        assert ask(tenant, signer.form()).status == 200
        assert published.asked == ["/keys"]


def test_a_connection_with_its_scopes_and_profile_is_what_the_token_opens(tenant, operator):
    scopes = [{"type": "User", "operations": ["read"]}]
    signer = Signer(operator, tenant, scopes=scopes)
    client = tenant.with_token(granted(tenant, signer.form()))
    assert client.get("/Users").status == 200
    assert client.post("/Users", user()).status == 403
    assert refused(ask(tenant, signer.form(scope="User:create"))) == (400, "invalid_scope")


CHANGES = [
    {"op": "replace", "path": "active", "value": False},
    {"op": "replace", "path": "jwks", "value": jwks_text(KeySet([new_key("ES256")]).as_dict(private=False))},
    {"op": "remove", "path": "jwks"},
]


def test_tokens_end_within_a_second_of_their_connection_and_its_keys(beside, tenant, operator):
    """Shut, given other keys, left without keys, deleted."""
    signers = [Signer(operator, tenant) for _ in range(4)]
    tokens = [granted(tenant, signer.form()) for signer in signers]
    with beside.client(tenant.path) as elsewhere:
        clients = [client.with_token(token) for client in (tenant, elsewhere) for token in tokens]
        assert [client.get("/Users").status for client in clients] == [200] * 8
        for signer, change in zip(signers, CHANGES, strict=False):
            operator.patch(f"/Connections/{signer.id}", change).ok()
        operator.delete(f"/Connections/{signers[-1].id}").ok(204)
        assert end_everywhere(*clients)
    for signer in signers:
        assert refused(ask(tenant, signer.form())) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("attributes", "word"),
    [
        ({"jwks": "{"}, "JSON"),
        ({"jwks": jwks_text(KeySet([new_key("ES256")]).as_dict(private=True))}, "private"),
        ({"jwks": None, "jwksUri": "http://192.168.0.1/keys"}, "HEADCOUNT_PRIVATE_NETWORKS"),
        ({"jwksUri": "https://client.example.com/keys"}, "exclude"),
    ],
)
def test_keys_that_cannot_be_used_are_refused_when_they_are_registered(tenant, operator, attributes, word):
    body = {"schemas": [CONNECTION_SCHEMA.id], "tenant": tenant_of(tenant), "name": "bad"}
    keys = {"jwks": jwks_text(KeySet([new_key("ES256")]).as_dict(private=False))} | attributes
    answer = operator.post("/Connections", body | {name: value for name, value in keys.items() if value is not None})
    assert answer.error == (400, "invalidValue")
    assert word in answer.json["detail"]


def test_no_secret_stands_in_the_log(server, tenant, robot, signer):
    token = granted(tenant, robot.form)
    form = signer.form()
    ask(tenant, form)
    ask(tenant, form)
    tenant.with_token(token).get("/Users").ok()
    log = server.log.read_text()
    assert robot.secret not in log
    assert token not in log
    assert form["client_assertion"] not in log
