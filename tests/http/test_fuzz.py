"""Generated bodies, filters, paths and whole requests: whatever comes, the answer is never a failure of the server."""

import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving import BULK, ENTERPRISE, PATCH_OP, SEARCH, USER, Wire

BOUNDED = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))

NAMES = st.sampled_from(
    ["schemas", "userName", "name", "emails", "active", "title", "password", "groups", "id", "meta", "members", "manager",
     "displayName", "externalId", "USERNAME", "name.givenName", "emails.value", "$ref", "value", "primary", "type", "",
     USER, ENTERPRISE, f"{ENTERPRISE}:manager", "urn:ietf:params", "a.b.c", "😀"]
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | NAMES
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=5),
    max_leaves=15,
)
OPERATORS = st.sampled_from(["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "EQ", "regex"])
LITERALS = SCALARS.map(lambda value: json.dumps(value, ensure_ascii=False)) | st.text(max_size=10)
TERMS = st.tuples(NAMES, OPERATORS, LITERALS).map(" ".join)
FILTERS = st.recursive(
    TERMS | st.text(max_size=20),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or ", " AND "]), inner).map("".join),
        inner.map(lambda text: f"not ({text})"),
        inner.map(lambda text: f"({text})"),
        st.tuples(NAMES, inner).map(lambda pair: f"{pair[0]}[{pair[1]}]"),
    ),
    max_leaves=8,
)
PATHS = NAMES | FILTERS | st.tuples(NAMES, FILTERS, NAMES).map(lambda parts: f"{parts[0]}[{parts[1]}].{parts[2]}")
OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add"])}, optional={"path": PATHS, "value": VALUES}
)


def encoded(value):
    return json.dumps(value).encode("utf-8", "surrogatepass")


def check(answer):
    """A success, or an error of the client in SCIM."""
    assert answer.status < 500 or answer.error == (501, None), answer.body
    if answer.status >= 400:
        assert answer.error[0] == answer.status


@pytest.fixture(scope="module")
def there(client):
    return client.new_user(emails=[{"value": "a@example.com", "type": "work"}], title="T")


@given(body=VALUES)
@BOUNDED
def test_any_json_is_taken_or_refused_as_a_resource(client, there, body):
    if isinstance(body, dict):
        body |= {"schemas": [USER]}
    for method, path in (("POST", "/Users"), ("POST", "/Groups"), ("PUT", f"/Users/{there['id']}")):
        check(client.send(method, path, encoded(body)))


@given(operations=st.lists(OPERATIONS, min_size=1, max_size=4))
@BOUNDED
def test_any_operations_are_carried_out_or_refused_as_a_patch(client, there, operations):
    before = client.get(f"/Users/{there['id']}").ok()
    answer = client.send("PATCH", f"/Users/{there['id']}", encoded({"schemas": [PATCH_OP], "Operations": operations}))
    check(answer)
    if answer.status != 200:
        assert client.get(f"/Users/{there['id']}").ok() == before


@given(text=FILTERS, sort_by=NAMES | st.text(max_size=10))
@BOUNDED
def test_any_filter_is_answered_or_refused(client, there, text, sort_by):
    body = {"schemas": [SEARCH], "filter": text, "sortBy": sort_by, "attributes": [sort_by]}
    for endpoint in ("/Users", "/Groups", ""):
        check(client.post(f"{endpoint}/.search", encoded(body)))
    check(client.send("GET", "/Users?filter=" + quote(text.encode("utf-8", "surrogatepass"))))


@given(members=st.dictionaries(st.sampled_from(["count", "startIndex", "cursor", "sortOrder", "filter"]), VALUES))
@BOUNDED
def test_any_search_message_is_answered_or_refused(client, members):
    check(client.post("/.search", encoded({"schemas": [SEARCH], **members})))


@given(
    operations=st.lists(
        st.fixed_dictionaries(
            {
                "method": st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]),
                "path": st.sampled_from(["/Users", "/Groups", "/Users/x", "/Users/bulkId:a", "//", "/Bulk"])
                | st.text(max_size=9),
                "bulkId": st.sampled_from(["a", "b", "c"]),
                "data": VALUES | st.dictionaries(NAMES, st.sampled_from(["bulkId:a", "bulkId:b", "bulkId:", "x"])),
            }
        ),
        max_size=3,
        unique_by=lambda operation: operation["bulkId"],
    )
)
@BOUNDED
def test_any_bulk_job_is_carried_out_or_refused(client, operations):
    answer = client.post("/Bulk", encoded({"schemas": [BULK], "Operations": operations}))
    check(answer)
    if answer.status == 200:
        assert all(int(done["status"]) < 500 for done in answer.json["Operations"])


@given(body=st.binary(max_size=200))
@BOUNDED
def test_any_bytes_are_refused_as_a_body(client, body):
    answer = client.post("/Bulk", body)
    assert answer.error in {(400, "invalidSyntax"), (400, "invalidValue")}


TARGETS = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"], exclude_characters="#?"), max_size=30)


@given(path=TARGETS, query=TARGETS, method=st.sampled_from(["GET", "POST", "DELETE", "OPTIONS"]))
@BOUNDED
def test_any_path_and_query_string_is_answered(client, path, query, method):
    check(client.send(method, f"/{path}?{query}"))


@given(
    raw=st.binary(max_size=100)
    | st.tuples(TARGETS, st.binary(max_size=60)).map(
        lambda pair: b"GET /t/%s HTTP/1.1\r\n%s\r\n\r\n" % (pair[0].encode(), pair[1])
    )
)
@settings(BOUNDED, max_examples=40)
def test_any_bytes_on_a_connection_leave_the_server_alive(client, raw):
    with Wire(client.address) as wire:
        wire.say(raw)
    assert client.get("/Users", count=0).status == 200
