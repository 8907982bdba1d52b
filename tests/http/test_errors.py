"""Errors have a SCIM body wherever the application answers (RFC 7644 §3.12), and say nothing of the server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from serving import PATCH_OP, running_server, user

NOT_HERE = "01a21094-e1d9-7ea9-aba4-1036d9ca04ce"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/Users/unknown", 404),
        ("GET", f"/Users/{NOT_HERE}", 404),
        ("GET", "/users", 404),
        ("GET", "/Unknown", 404),
        ("GET", "/Users/x/y", 404),
        ("GET", "/Users//", 404),
        ("GET", "/Bulk/x", 404),
        ("POST", "/Unknown", 404),
        ("GET", "/Bulk", 405),
        ("GET", "/.search", 405),
        ("PUT", "/Users", 405),
        ("PATCH", "/Users", 405),
        ("DELETE", "/Users", 405),
        ("POST", "/Users/x", 405),
        ("POST", "", 405),
        ("DELETE", "", 405),
        ("OPTIONS", "/Users", 405),
        ("TRACE", "/Users", 405),
        ("PROPFIND", "/Users", 405),
        ("GET", "/Me", 501),
    ],
)
def test_a_path_or_method_that_is_not_served_is_refused_in_scim(client, method, path, status):
    assert client.send(method, path).error == (status, None)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/Users", {"GET", "HEAD", "POST"}),
        ("/Users/x", {"GET", "HEAD", "PUT", "PATCH", "DELETE"}),
        ("/Users/.search", {"POST"}),
        ("/.search", {"POST"}),
        ("/Bulk", {"POST"}),
        ("", {"GET", "HEAD"}),
    ],
)
def test_a_refused_method_comes_with_those_that_are_allowed(client, path, allowed):
    answer = client.send("OPTIONS", path)
    assert answer.error == (405, None)
    assert set(answer.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override"])
def test_no_header_makes_another_method_of_a_request(client, header):
    there = client.new_user()
    assert client.send("GET", f"/Users/{there['id']}", headers={header: "DELETE"}).ok() == there
    assert client.get(f"/Users/{there['id']}").ok() == there


@pytest.mark.parametrize(
    ("authorization", "challenge"),
    [
        (None, 'Bearer realm="SCIM"'),
        ("", 'Bearer realm="SCIM", error="invalid_token"'),
        ("Bearer", 'Bearer realm="SCIM", error="invalid_token"'),
        ("Bearer wrong", 'Bearer realm="SCIM", error="invalid_token"'),
        ("Basic YTpi", 'Bearer realm="SCIM", error="invalid_token"'),
        ("Bearer \xff\xfe", 'Bearer realm="SCIM", error="invalid_token"'),
        ("Bearer " + "x" * 10_000, 'Bearer realm="SCIM", error="invalid_token"'),
    ],
)
def test_who_is_not_known_is_told_how_to_authenticate(client, authorization, challenge):
    """Q68."""
    for path in ("/Users", "/Users/x", "", "/.search", "/Bulk", "/Me", "/Unknown"):
        answer = client.send("GET", path, headers={"Authorization": authorization})
        assert answer.error == (401, None)
        assert answer.headers["www-authenticate"] == challenge


def test_the_scheme_is_read_in_any_case_and_a_bare_token_is_taken(client):
    for authorization in (f"bearer {client.token}", f"BEARER   {client.token}", client.token):
        assert client.send("GET", "/Users", headers={"Authorization": authorization}).status == 200


def test_a_token_in_the_query_string_or_the_body_is_none(client):
    """RFC 6750 §2.2 and §2.3 are not supported."""
    stranger = client.with_token(None)
    assert stranger.get("/Users", access_token=client.token).error == (401, None)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = stranger.send("POST", "/Users", f"access_token={client.token}".encode(), headers=form)
    assert answer.error == (401, None)


def test_an_expired_and_a_revoked_token_are_invalid(server, new_tenant):
    client = new_tenant()

    async def revoke(installation):
        (token,) = await installation.tokens.list(client.path.split("/")[2])
        await installation.tokens.revoke(token["id"])

    assert client.get("/Users").status == 200
    server.administer(revoke)
    while (answer := client.get("/Users")).status == 200:
        pass
    assert answer.error == (401, None)
    assert answer.headers["www-authenticate"] == 'Bearer realm="SCIM", error="invalid_token"'


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/scim+json", 200),
        ("application/json", 200),
        ("*/*", 200),
        (None, 200),
        ("text/html, application/json;q=0.1", 200),
        ("text/html", 406),
        ("application/xml", 406),
        ("application/json;q=0", 406),
    ],
)
def test_who_takes_no_json_is_refused_and_others_get_scim(client, accept, status):
    answer = client.send("GET", "/Users?count=0", headers={"Accept": accept})
    assert answer.status == status
    assert answer.headers["content-type"] == "application/scim+json"
    if status == 406:
        assert answer.error == (406, None)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/scim+json", 201),
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        (None, 415),
    ],
)
def test_a_body_has_to_be_json_and_to_say_so(client, content_type, status):
    before = client.get("/Users", count=0).ok()["totalResults"]
    answer = client.send("POST", "/Users", user(), headers={"Content-Type": content_type})
    assert answer.status == status
    if status == 415:
        assert answer.error == (415, None)
        for path, method in (("/.search", "POST"), ("/Bulk", "POST"), ("/Users/x", "PUT"), ("/Users/x", "PATCH")):
            assert client.send(method, path, {}, headers={"Content-Type": content_type}).error == (415, None)
    assert client.get("/Users", count=0).ok()["totalResults"] == before + (status == 201)


def test_simultaneous_requests_are_let_in_or_refused_each_by_its_own_token(client):
    wrong = client.with_token("hc_no_such_token")
    crowd = [(side, status) for _ in range(12) for side, status in ((client, 200), (wrong, 401))]

    def ask(side):
        with side.apart() as one:
            return [one.get("/Users?count=0").status for _ in range(5)]

    with ThreadPoolExecutor(len(crowd)) as pool:
        told = list(pool.map(ask, (side for side, _ in crowd)))
    assert told == [[status] * 5 for _, status in crowd]


def test_a_refusal_for_want_of_a_token_comes_before_every_other(client):
    """401 before 404, 405, 406, 413, 415 and 400."""
    stranger = client.with_token(None)
    for answer in (
        stranger.get("/Unknown"),
        stranger.send("DELETE", "/Users"),
        stranger.send("GET", "/Users", headers={"Accept": "text/html"}),
        stranger.send("POST", "/Users", b"{}", headers={"Content-Type": "text/plain"}),
        stranger.send("POST", "/Users", b"{"),
        stranger.get("/Users", filter="("),
    ):
        assert answer.error == (401, None)


def test_a_precondition_is_judged_before_what_a_patch_would_do(client):
    there = client.new_user()
    body = {"schemas": [PATCH_OP], "Operations": [{"op": "remove", "path": "userName"}]}
    answer = client.send("PATCH", f"/Users/{there['id']}", body, headers={"If-Match": 'W/"0"'})
    assert answer.error == (412, None)


@pytest.mark.parametrize(
    "path", ["/", "/t", "/t/", "/t/acme", "/t/acme/scim", "/x", "/scim/v2/Users", "/t/acme/other/Users"]
)
def test_what_is_outside_of_every_base_url_is_not_found_in_scim(client, path):
    answer = client.at(path).with_token(None).get("")
    assert answer.error in ((404, None), (401, None))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_needs_no_token(client, path):
    stranger = client.at(path).with_token(None)
    assert stranger.get("").status == 200
    assert stranger.send("POST", "", {}).error == (405, None)
    assert stranger.send("HEAD", "").body == b""


def test_a_request_id_is_taken_over_if_fit_and_made_if_not(client):
    assert client.send("GET", "/Users", headers={"X-Request-Id": "abc-1/2"}).headers["x-request-id"] == "abc-1/2"
    made = {
        client.send("GET", "/Users", headers={"X-Request-Id": text}).headers["x-request-id"]
        for text in ("a b", "x" * 129, "<script>", "")
    }
    assert len(made) == 4
    assert not made & {"a b", "x" * 129, "<script>", ""}


def test_the_location_is_made_from_the_public_url_and_from_nothing_that_a_client_sends(tmp_path):
    public = "https://scim.example.com/base"
    forged = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-For": "203.0.113.9",
        "Forwarded": "host=evil.example;proto=gopher",
    }
    for arguments in ([], ["--behind-proxy"]):
        with running_server(tmp_path, *arguments, public_url=public + "/") as server, server.new_tenant() as client:
            answer = client.send("POST", "/Users", user(), headers=forged)
            location = f"{public}{client.path}/Users/{answer.ok(201)['id']}"
            assert answer.headers["location"] == answer.json["meta"]["location"] == location
            config = client.send("GET", "/ServiceProviderConfig", headers=forged)
            assert b"evil" not in answer.body + config.body
            assert client.send("GET", "/Users", headers=forged).ok()["Resources"][0]["meta"]["location"] == location


def test_answers_do_not_name_the_software_that_gave_them(client):
    for answer in (client.get("/Users"), client.get("/Unknown"), client.with_token(None).get("/Users")):
        assert not {"server", "x-powered-by"} & answer.headers.keys()
