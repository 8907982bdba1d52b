"""Input that makes no sense gets a clear answer, leaves nothing behind, and the server lives on."""

import json
import socket
import threading

import pytest

from serving import BULK, PATCH_OP, SEARCH, USER, exchange, parsed, user

MEBIBYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def nothing_is_stored(client):
    """Whatever a test of this file sends, the directory is as before, and answers."""
    before = client.get("", count=0).ok()["totalResults"]
    yield
    assert client.get("", count=0).ok()["totalResults"] == before


def body_with(name, text):
    """A user whose attribute is this JSON text."""
    return b'{"schemas":["%s"],"userName":"bad@example.com",%s:%s}' % (USER.encode(), json.dumps(name).encode(), text)


NOT_JSON = [
    b"",
    b" ",
    b"{",
    b"}",
    b"nul",
    b"{'userName':'x'}",
    b'{"userName":"x",}',
    b'{"userName":"x"} {}',
    b"\xff\xfe{\x00}\x00",
    b"\xc3\x28",
    b'{"userName":"\xff"}',
    b'{"userName":"a\nb"}',
    b'{"userName":"\\ud800"}',
    b'{"userName":"\\udc00\\ud800"}',
    b'{"\\ud800":1}',
    b'{"userName":NaN}',
    b'{"userName":Infinity}',
    b'{"userName":01}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 65 + b"]" * 65,
    b'{"a":1,"a":1}',
    b'{"name":{"givenName":"a","givenName":"b"}}',
    b'{"userName":"a","user\\u004eame":"b"}',
]


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_a_body_that_is_no_strict_json_is_refused_wherever_one_is_read(client, body):
    for method, path in (
        ("POST", "/Users"),
        ("POST", "/Groups"),
        ("PUT", "/Users/x"),
        ("PATCH", "/Users/x"),
        ("POST", "/.search"),
        ("POST", "/Bulk"),
    ):
        assert client.send(method, path, body).error == (400, "invalidSyntax")


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"1", b"true", b"null", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(client, body):
    there = client.new_user()
    path = f"/Users/{there['id']}"
    for method, target in (("POST", "/Users"), ("PUT", path), ("PATCH", path), ("POST", "/.search"), ("POST", "/Bulk")):
        assert client.send(method, target, body).error == (400, "invalidSyntax")
    client.delete(path).ok(204)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("title", b'"a\\u0000b"'),
        ("title", b"1e400"),
        ("title", b"1" * 5000),
        ("active", b"123456789012345678901234567890"),
        ("emails", b'[[[["x"]]]]'),
        ("emails", b'[{"value":{"value":"x"}}]'),
        ("name", b'"x"'),
        ("externalId", b"7"),
        ("externalId", b'["x","y"]'),
    ],
)
def test_a_value_that_no_attribute_takes_is_refused(client, name, text):
    assert client.post("/Users", body_with(name, text)).error in ((400, "invalidValue"), (400, "invalidSyntax"))


@pytest.mark.parametrize("place", ["POST", "PATCH", "path", "search", "filter", "id"])
def test_nul_is_refused_wherever_it_stands(client, place):
    there = client.new_user()
    path = f"/Users/{there['id']}"
    answers = {
        "POST": lambda: client.post("/Users", user(title="a\0b")),
        "PATCH": lambda: client.patch(path, {"op": "add", "path": "title", "value": "a\0b"}),
        "path": lambda: client.patch(path, {"op": "add", "path": "ti\0tle", "value": "x"}),
        "search": lambda: client.post("/.search", {"schemas": [SEARCH], "filter": 'title eq "a\0b"'}),
        "filter": lambda: client.send("GET", "/Users?filter=title%20eq%20%22a%00b%22"),
        "id": lambda: client.send("GET", "/Users/a%00b"),
    }
    answer = answers[place]()
    assert answer.error[0] == (404 if place == "id" else 400)
    assert client.get(path).ok() == there
    client.delete(path).ok(204)


@pytest.mark.parametrize(
    ("text", "status"),
    [("\\u0000", 400), ("\\ud800", 400), ("\\udbff\\udfff", 200), ("\\ud83d\\ude00", 200), ("\\u0001", 200)],
)
def test_escapes_in_the_string_of_a_filter_are_those_of_json(client, text, status):
    assert client.get("/Users", filter=f'title eq "{text}"').status == status


def test_a_body_may_be_nested_64_levels_deep(client):
    fits, exceeds = (body_with("unknown", b"[" * depth + b"]" * depth) for depth in (63, 64))
    created = client.post("/Users", fits).ok(201)
    client.delete(f"/Users/{created['id']}").ok(204)
    assert client.post("/Users", exceeds).error == (400, "invalidSyntax")


LIMITS = [("/Users", MEBIBYTE), ("/.search", MEBIBYTE), ("/Groups", 16 * MEBIBYTE)]


@pytest.mark.parametrize(("path", "limit"), LIMITS)
def test_a_body_has_a_bound_and_the_refusal_names_it(client, path, limit):
    """The whole body is read by nobody, and the answer arrives all the same."""
    assert client.post(path, b"[]" + b" " * (limit - 2)).error == (400, "invalidSyntax")
    for size in (limit + 1, limit + 5 * MEBIBYTE):
        answer = client.post(path, b"[]" + b" " * (size - 2))
        assert answer.error == (413, None)
        assert str(limit) in answer.json["detail"]
    assert client.get(path.replace("/.search", "/Users"), count=0).status == 200


def chunked(client, path, pieces):
    head = (
        f"POST {client.path}{path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\nConnection: close\r\n"
    )
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    framed = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return parsed(exchange(client.address, head.encode(), *framed, b"0\r\n\r\n"))


def test_a_chunked_body_is_counted_as_it_comes(client):
    body = json.dumps(user()).encode()
    created = chunked(client, "/Users", [body[:20], body[20:]]).ok(201)
    client.delete(f"/Users/{created['id']}").ok(204)
    piece = b" " * 65536
    assert chunked(client, "/Users", [b"[]", *[piece] * 15, b" " * 65534]).error == (400, "invalidSyntax")
    assert chunked(client, "/Users", [b"[]", *[piece] * 15, b" " * 65535]).error == (413, None)


@pytest.mark.parametrize(
    "path",
    [
        "/Users/%2e%2e/Users",
        "/Users/..%2f..%2fUsers",
        "/Users%2f",
        "/Users/a%2Fb",
        "/Users/%ff",
        "/Users/%c0%af",
        "/Users/%",
        "/Users/%zz",
        "/Users/%252e%252e",
        "/Users/..;/Users",
        "/Users/../Groups",
        "//Users",
        "/Users//x",
        "/Users\\x",
        "/%55sers%00",
        "/Users/.scim",
        "/Users/" + "x" * 10_000,
        "/" + "/".join(["x"] * 2000),
    ],
)
def test_a_path_that_hides_another_is_not_found(client, path):
    assert client.send("GET", path).error[0] == 404


def test_a_path_may_be_percent_encoded(client):
    created = client.new_user()
    encoded = "".join(f"%{byte:02x}" for byte in created["id"].encode())
    assert client.get(f"/%55sers/{encoded}").ok() == created
    client.delete(f"/Users/{created['id']}").ok(204)


@pytest.mark.parametrize("query", ["filter=title+pr&filter=title+pr", "count=1&count=2", "attributes=a&attributes=b"])
def test_a_parameter_that_stands_twice_is_refused(client, query):
    assert client.send("GET", f"/Users?{query}").error == (400, "invalidValue")


@pytest.mark.parametrize("query", ["filter=%ff", "filter=%00", "%ff=1", "sortBy=%c3%28"])
def test_a_query_string_that_is_no_utf8_is_refused(client, query):
    assert client.send("GET", f"/Users?{query}").error == (400, "invalidValue")


def test_a_query_string_has_a_bound_on_its_parameters(client):
    assert client.send("GET", "/Users?" + "&".join(f"x{number}=1" for number in range(100))).status == 200
    answer = client.send("GET", "/Users?" + "&".join(f"x{number}=1" for number in range(101)))
    assert answer.error == (400, "invalidValue")


@pytest.mark.parametrize("query", ["", "?", "&", "?&&", "?=", "?=x", "?a", "?count=1&", "?%20=%20"])
def test_an_odd_query_string_without_a_meaning_is_ignored(client, query):
    path = "/Users" + (query if query != "&" else "?&")
    assert client.send("GET", path).status == 200


def test_a_request_without_a_body_is_told_that_it_needs_one(client):
    for method, path in (("POST", "/Users"), ("PUT", "/Users/x"), ("PATCH", "/Users/x"), ("POST", "/Bulk")):
        assert client.send(method, path).error == (400, "invalidSyntax")


HUGE = [
    lambda: user(emails=[{"value": f"{number}@x.com"} for number in range(20_000)]),
    lambda: user(title="x" * 900_000),
    lambda: user(**{"x" * 900_000: 1}),
    lambda: user(schemas=[USER] * 10_000),
    lambda: user(schemas=[f"{USER}{number}" for number in range(10_000)]),
]


@pytest.mark.parametrize("make", HUGE, ids=range(len(HUGE)))
def test_a_large_body_within_the_bound_is_answered(client, make):
    answer = client.post("/Users", make())
    assert answer.status in (201, 400)
    if answer.status == 201:
        client.delete(f"/Users/{answer.json['id']}").ok(204)


@pytest.mark.parametrize(
    "path",
    ["emails[" * 50, "a." * 5000, "(" * 5000, 'emails[value eq "' + "x" * 20_000 + '"]', ":" * 5000, "\ud7ff" * 3000],
    ids=range(6),
)
def test_an_absurd_path_of_a_patch_is_refused(client, path):
    there = client.new_user()
    answer = client.patch(f"/Users/{there['id']}", {"op": "add", "path": path, "value": "x"})
    assert answer.error[0] == 400
    client.delete(f"/Users/{there['id']}").ok(204)


@pytest.mark.parametrize(
    "text",
    [
        "not(" * 1000 + "title pr" + ")" * 1000,
        "title pr and " * 500 + "title pr",
        "(" * 100_000,
        '"' * 8000,
        "title eq 1e999",
    ],
    ids=range(5),
)
def test_an_absurd_filter_is_refused(client, text):
    assert client.post("/Users/.search", {"schemas": [SEARCH], "filter": text}).error == (400, "invalidFilter")


def test_a_long_chain_of_bulk_references_is_walked(client):
    operations = [
        {
            "method": "POST",
            "path": "/Groups",
            "bulkId": f"g{number}",
            "data": {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                "displayName": "G",
                "members": [{"value": f"bulkId:g{number + 1}"}],
            },
        }
        for number in range(300)
    ]
    operations[-1]["data"]["members"] = []
    done = client.bulk(*operations).ok()["Operations"]
    assert {operation["status"] for operation in done} == {"201"}
    paths = [operation["location"].removeprefix(client.base_url) for operation in done]
    cleanup = client.bulk(*({"method": "DELETE", "path": path} for path in paths)).ok()["Operations"]
    assert {operation["status"] for operation in cleanup} == {"204"}


def test_a_client_that_goes_away_in_the_middle_of_a_body_leaves_nothing(client):
    head = f"POST {client.path}/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(client.address) as connection:
            connection.sendall(head.encode() + json.dumps(user()).encode())
    assert client.get("/Users", count=0).status == 200


def test_messages_sent_to_the_wrong_endpoint_are_refused(client):
    there = client.new_user()
    for message in ({"schemas": [PATCH_OP], "Operations": []}, {"schemas": [SEARCH]}, {"schemas": [BULK]}):
        assert client.post("/Users", message).error[0] == 400
        assert client.put(f"/Users/{there['id']}", message).error[0] == 400
    client.delete(f"/Users/{there['id']}").ok(204)


def test_many_bad_requests_at_once_do_not_keep_good_ones_from_being_answered(client):
    failures = []

    def storm():
        with client.apart() as other:
            for _ in range(20):
                bodies = (b"{", b"[" * 1000, b'{"a":1,"a":2}')
                failures.extend(body for body in bodies if other.post("/Users", body).status != 400)

    threads = [threading.Thread(target=storm) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert client.get("/Users", count=1).status == 200
    assert failures == []
