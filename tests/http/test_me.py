"""`/Me` stands for the user of the token (RFC 7644 §3.11)."""

import pytest

from serving import PATCH_OP, user


@pytest.fixture
def me(server, client):
    """A client whose token stands for a user, and that user."""
    there = client.new_user()
    return client.with_token(server.new_token(client, user=there["userName"])), there


def test_me_is_read_replaced_patched_and_deleted_with_its_real_location(me):
    """Q67."""
    client, there = me
    location = there["meta"]["location"]
    got = client.get("/Me")
    assert got.ok() == there
    patch = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "path": "nickName", "value": "N"}]}
    replaced = client.put("/Me", {**there, "title": "T"})
    patched = client.send("PATCH", "/Me", patch)
    head = client.send("HEAD", "/Me")
    unchanged = client.send("GET", "/Me", headers={"If-None-Match": patched.headers["etag"]})
    assert replaced.ok()["meta"]["location"] == patched.ok()["meta"]["location"] == location
    assert (patched.json["title"], patched.json["nickName"]) == ("T", "N")
    assert unchanged.status == 304
    deleted = client.delete("/Me")
    assert deleted.status == 204
    for answer in (got, head, unchanged, replaced, patched, deleted):
        assert answer.headers["location"] == location
    assert client.get("/Me").error == (404, None)


def test_a_refusal_at_me_carries_the_location_too(me):
    """RFC 7644 §3.11: every response."""
    client, there = me
    stale = client.send("PUT", "/Me", there, headers={"If-Match": 'W/"0"'})
    wrong = client.put("/Me", {**there, "active": 5})
    assert (stale.error, wrong.error) == ((412, None), (400, "invalidValue"))
    assert stale.headers["location"] == wrong.headers["location"] == there["meta"]["location"]


def test_me_is_projected_like_its_user(me):
    client, there = me
    assert client.get("/Me", attributes="userName").ok() == {
        name: there[name] for name in ("schemas", "id", "userName")
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_token_without_a_user_has_no_me(client, method):
    """Q67."""
    assert client.send(method, "/Me", None if method in ("GET", "DELETE") else user()).error == (501, None)


def test_me_cannot_be_created(me):
    client, _ = me
    assert client.post("/Me", user()).error == (501, None)


def test_nothing_stands_below_me(me):
    client, there = me
    assert client.get(f"/Me/{there['id']}").error == (404, None)


def test_a_token_with_a_user_is_good_for_everything_else(me):
    client, there = me
    assert client.get(f"/Users/{there['id']}").ok() == there
