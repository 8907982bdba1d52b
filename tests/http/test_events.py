"""The change feed over HTTP: order, waiting, streams, snapshots, and what a listener may know."""

import json
import socket
import threading
import time

import pytest

from serving import tenant_of


def events(client, path="", **query):
    """The answer of the feed."""
    return client.at(f"/t/{tenant_of(client)}/events").get(path, **query)


def types_of(answer):
    return [event["type"] for event in answer["events"]]


def test_a_life_is_told_in_order(new_tenant):
    client = new_tenant()
    ada = client.new_user(userName="ada", title="Countess", externalId="hr-1")
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Mathematician"})
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": False})
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": True})
    team = client.new_group(ada["id"])
    client.patch(f"/Groups/{team['id']}", {"op": "remove", "path": "members"})
    client.delete(f"/Users/{ada['id']}").ok(204)
    client.delete(f"/Groups/{team['id']}").ok(204)
    answer = events(client).ok()
    assert types_of(answer) == [
        "user.created", "user.updated", "user.deactivated", "user.reactivated",
        "group.created", "group.members", "group.members", "user.deleted", "group.deleted",
    ]  # fmt: skip
    positions = [event["data"]["position"] for event in answer["events"]]
    assert positions == sorted(positions)
    assert answer["next"] == positions[-1]
    assert answer["more"] is False
    created, updated = (event["data"] for event in answer["events"][:2])
    assert created["resource"] == {"type": "User", "id": ada["id"], "version": 1, "externalId": "hr-1"}
    assert created["after"]["userName"] == "ada"
    assert "previous" not in created
    assert (updated["previous"]["title"], updated["after"]["title"]) == ("Countess", "Mathematician")
    assert answer["events"][5]["data"]["added"] == [ada["id"]]
    assert answer["events"][6]["data"]["removed"] == [ada["id"]]
    assert "after" not in answer["events"][7]["data"]
    assert len({event["data"]["id"] for event in answer["events"]}) == len(answer["events"])


def test_what_changes_nothing_is_not_told(new_tenant):
    client = new_tenant()
    ada = client.new_user(title="x")
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "x"}).ok()
    assert types_of(events(client).ok()) == ["user.created"]


def test_a_password_is_told_to_nobody(new_tenant):
    client = new_tenant(passwords="hash")
    client.new_user(password="correct horse battery")
    assert b"password" not in events(client).body


def test_the_feed_goes_on_from_a_position_and_filters(new_tenant):
    client = new_tenant()
    ada, team = client.new_user(), client.new_group()
    first = events(client, limit=1).ok()
    assert (types_of(first), first["more"]) == (["user.created"], True)
    assert types_of(events(client, after=first["next"]).ok()) == ["group.created"]
    assert types_of(events(client, types="group.*").ok()) == ["group.created"]
    assert types_of(events(client, types="user.created,user.deleted").ok()) == ["user.created"]
    assert types_of(events(client, resource=team["id"]).ok()) == ["group.created"]
    assert types_of(events(client, resource=ada["id"]).ok()) == ["user.created"]
    assert events(client, after="now").ok()["events"] == []
    assert events(client, types="nothing").error == (400, "invalidValue")
    assert events(client, after="-1").error == (400, "invalidValue")


def test_lock_outs_are_read_past_everything_else(new_tenant):
    client = new_tenant()
    ada, bob, eve = (client.new_user(userName=name)["id"] for name in ("ada", "bob", "eve"))
    client.new_user(active=False)
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "active", "value": False})
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": "x"})
    client.delete(f"/Users/{bob}").ok(204)
    client.delete(f"/Groups/{client.new_group(eve)['id']}").ok(204)
    told = events(client, types="user.lockedOut").ok()
    assert [(event["type"], event["data"]["resource"]["id"]) for event in told["events"]] == [
        ("user.lockedOut", ada),
        ("user.lockedOut", bob),
    ]
    assert "previous" not in told["events"][1]["data"]
    assert (told["next"], told["more"]) == (events(client, limit=1000).ok()["next"], False)
    assert events(client, types="user.lockedOut", after=told["next"]).ok()["events"] == []
    first = events(client, types="user.lockedOut", limit=1).ok()
    assert (len(first["events"]), first["more"]) == (1, True)
    assert len(events(client, types="user.lockedOut", after=first["next"]).ok()["events"]) == 1
    assert len(events(client, types="user.lockedOut", resource=bob).ok()["events"]) == 1
    assert events(client, types="user.lockedOut", after=told["next"] + 99).status == 410
    assert events(client, types="user.lockedOut,user.created").error == (400, "invalidValue")


def test_whoever_waits_is_woken(new_tenant):
    client = new_tenant()
    other = client.apart()
    timer = threading.Timer(0.3, other.new_user)
    timer.start()
    started = time.monotonic()
    answer = events(client, after="now", wait=20).ok()
    timer.join()
    other.close()
    assert types_of(answer) == ["user.created"]
    assert time.monotonic() - started < 5


def test_a_stream_tells_what_happens_and_can_be_resumed(server, new_tenant):
    client = new_tenant()
    ada = client.new_user()
    head = (
        f"GET /t/{tenant_of(client)}/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {client.token}\r\n"
    )
    with socket.create_connection(client.address, timeout=10) as stream:
        stream.sendall((head + "\r\n").encode())
        first = _read_until(stream, b"user.created")
        assert b"content-type: text/event-stream" in first
        client.delete(f"/Users/{ada['id']}").ok(204)
        _read_until(stream, b"user.deleted")
    position = events(client).ok()["events"][0]["data"]["position"]
    with socket.create_connection(client.address, timeout=10) as stream:
        stream.sendall((head + f"Last-Event-ID: {position}\r\n\r\n").encode())
        assert b"user.created" not in _read_until(stream, b"user.deleted")


def test_a_snapshot_and_the_feed_give_the_directory(new_tenant):
    client = new_tenant()
    people = [client.new_user() for _ in range(5)]
    team = client.new_group(people[0]["id"], people[1]["id"])
    pages, cursor, copy, position = 0, None, {}, None
    while pages == 0 or cursor:
        page = events(client, "/snapshot", limit=2, **({"cursor": cursor} if cursor else {})).ok()
        position = page["position"] if position is None else position
        assert page["position"] == position
        for item in page["resources"]:
            copy[item["type"], item["id"]] = item
        cursor = page.get("nextCursor")
        if pages == 1:  # what happens meanwhile is in the feed
            client.patch(f"/Users/{people[0]['id']}", {"op": "add", "path": "title", "value": "Boss"})
            client.delete(f"/Users/{people[4]['id']}")
        pages += 1
    for event in events(client, after=position).ok()["events"]:
        _apply(copy, event)
    titles = {item["id"]: item.get("title") for item in client.get("/Users").ok()["Resources"]}
    assert {key[1]: item["resource"].get("title") for key, item in copy.items() if key[0] == "User"} == titles
    assert sorted(copy["Group", team["id"]]["members"]) == sorted([people[0]["id"], people[1]["id"]])


def test_named_consumers_acknowledge(new_tenant):
    client = new_tenant()
    client.new_user()
    position = events(client).ok()["next"]
    feed = client.at(f"/t/{tenant_of(client)}/events")
    feed.post("/ack", {"consumer": "app", "position": position}).ok(204)
    (consumer,) = feed.get("/consumers").ok()["consumers"]
    assert (consumer["consumer"], consumer["position"]) == ("app", position)
    for wrong in ({"consumer": "app", "position": position + 99}, {"consumer": "a b", "position": 1}, {"position": 1}):
        assert feed.post("/ack", wrong).error == (400, "invalidValue")
    assert feed.post("/ack", b"[]").error == (400, "invalidSyntax")


@pytest.mark.parametrize("path", ["", "/snapshot", "/consumers"])
def test_strangers_and_other_tenants_hear_nothing(new_tenant, path):
    client, other = new_tenant(), new_tenant()
    client.new_user()
    feed = client.at(f"/t/{tenant_of(client)}/events")
    assert feed.with_token(None).get(path).error == (401, None)
    assert feed.with_token(other.token).get(path).error == (401, None)
    assert events(other).ok()["events"] == []


PHONE_BOOK = [{"type": "User", "operations": ["read"], "readable": ["userName"], "filter": 'userName sw "a"'}]


def test_scopes_hold_for_events_and_snapshots(server, new_tenant):
    client = new_tenant()
    ada = client.new_user(userName="ada", title="Countess")
    client.new_user(userName="bob", title="Builder")
    client.new_group(ada["id"])
    listener = client.with_token(server.new_token(client, scopes=PHONE_BOOK))
    (created,) = events(listener).ok()["events"]
    assert (created["type"], created["data"]["after"]["userName"]) == ("user.created", "ada")
    assert "title" not in created["data"]["after"]
    (item,) = events(listener, "/snapshot").ok()["resources"]
    assert item["resource"].keys() == {"schemas", "id", "userName"}
    after = events(listener).ok()["next"]
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "secret"})
    assert events(listener, after=after).ok()["events"] == [], "what it may not read has changed"
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "userName", "value": "zoe"})
    (left,) = events(listener, after=after).ok()["events"]
    assert (left["type"], left["data"]["reason"]) == ("user.deleted", "left")
    assert "zoe" not in json.dumps(left)


def test_bulk_and_a_deletion_that_empties_groups_are_told(new_tenant):
    client = new_tenant()
    ada = client.new_user()
    team = client.new_group(ada["id"])
    after = events(client).ok()["next"]
    client.bulk({"method": "DELETE", "path": f"/Users/{ada['id']}"}).ok()
    told = events(client, after=after).ok()["events"]
    assert [(event["type"], event["data"]["resource"]["id"]) for event in told] == [
        ("group.members", team["id"]),
        ("user.deleted", ada["id"]),
    ]
    assert {event["data"]["txn"] for event in told} == {told[0]["data"]["requestId"]}


def _apply(copy, event):
    """What a consumer does with an event."""
    data = event["data"]
    key = data["resource"]["type"], data["resource"]["id"]
    known = copy.get(key)
    if known is not None and data["resource"]["version"] <= known["version"] and event["type"] != "user.deleted":
        return
    if event["type"].endswith(".deleted"):
        copy.pop(key, None)
    elif event["type"] == "group.members":
        known["members"] = sorted({*known["members"], *data["added"]} - set(data["removed"]))
    else:
        copy[key] = {"version": data["resource"]["version"], "resource": data["after"], "members": []}


def _read_until(stream, word):
    text = b""
    while word not in text:
        piece = stream.recv(65536)
        assert piece, text
        text += piece
    return text
