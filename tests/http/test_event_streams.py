"""Streams of events: what they are resumed by, how they stay alive, and when they end; and the operator's feed."""

import asyncio
import json
import random
import socket
import time
from contextlib import contextmanager
from datetime import timedelta

from headcount.client import Copy, EventClient
from processes import eventually
from serving import running_server, tenant_of


class Stream:
    """A client of server-sent events that keeps what it reads."""

    def __init__(self, connection):
        self.connection = connection
        self.text = b""

    def until(self, word):
        """All that came, once it holds a text."""
        while word not in self.text:
            piece = self.connection.recv(65536)
            assert piece, self.text
            self.text += piece
        return self.text

    def rest(self):
        """All that came, once the server has ended it."""
        while piece := self.connection.recv(65536):
            self.text += piece
        return self.text


@contextmanager
def streaming(client, query="", path=None, **headers):
    """A stream of a client's tenant."""
    path = path or f"/t/{tenant_of(client)}/events"
    lines = [f"GET {path}{query} HTTP/1.1", "Host: x", "Accept: text/event-stream", "Connection: close"]
    lines += [
        f"Authorization: Bearer {client.token}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection(client.address, timeout=15) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield Stream(connection)


def new_token(server, client):
    """The id and text of a further token."""

    async def create(installation):
        token, shown = await installation.tokens.create(tenant_of(client), "listener", lifetime=timedelta(days=1))
        return shown["id"], token

    return server.administer(create)


def feed(client):
    return client.at(f"/t/{tenant_of(client)}/events")


def test_a_stream_without_events_says_that_it_is_alive(new_tenant):
    client = new_tenant()
    with streaming(client, "?wait=1") as stream:
        began = time.monotonic()
        eventually(lambda: stream.until(b": nothing") and stream.text.count(b": nothing") >= 1)
        while stream.text.count(b": nothing") < 3:
            stream.text += stream.connection.recv(65536)
        assert 1.5 < time.monotonic() - began < 10


def test_a_stream_is_resumed_behind_a_whole_write(new_tenant):
    """A group is told as two events of one position: whoever had only the first of them is told both again."""
    client = new_tenant()
    ada = client.new_user()["id"]
    client.new_group(ada)
    with streaming(client) as stream:
        blocks = stream.until(b'"added"').split(b"\n\n")
    created = next(block for block in blocks if b"event: group.created" in block)
    assert b"id: " not in created
    resumed = next(block for block in blocks if b"event: user.created" in block).split(b"id: ")[1].split(b"\n")[0]
    with streaming(client, last_event_id=resumed.decode()) as stream:
        text = stream.until(b'"added"')
        assert b"group.created" in text
        assert b"user.created" not in text


def test_a_stream_ends_with_the_token_that_opened_it(server, new_tenant):
    client = new_tenant()
    token_id, token = new_token(server, client)
    with streaming(client.with_token(token), "?wait=1") as stream:
        stream.until(b"retry")
        server.administer(lambda installation: installation.tokens.revoke(token_id))
        assert b"user.created" not in stream.rest()
        client.new_user()
    assert feed(client).with_token(token).get("").status == 401


def test_whoever_lost_his_scopes_hears_no_more_than_those_he_has(server, new_tenant):
    client = new_tenant()
    operator = server.client("/scim/v2", server.operator_token())
    token_id, token = new_token(server, client)
    with streaming(client.with_token(token), "?wait=1") as stream:
        stream.until(b"retry")
        scope = {"type": "User", "operations": ["read"], "readable": ["userName"]}
        operator.patch(f"/AccessTokens/{token_id}", {"op": "add", "path": "scopes", "value": [scope]}).ok()
        for _ in range(2):  # beats of a second, after which every process knows
            stream.text = b""
            stream.until(b": nothing")
        client.new_user(title="secret")
        assert b"secret" not in stream.until(b"user.created")
    operator.close()


def test_a_server_that_stops_ends_streams_and_whoever_waits(tmp_path):
    with running_server(tmp_path) as running:
        client = running.new_tenant()
        client.new_user()
        with streaming(client, "?wait=30") as stream, streaming(client, "?after=now&wait=30") as silent:
            stream.until(b"user.created")
            silent.until(b"retry")
            began = time.monotonic()
            running.process.terminate()
            stream.rest()
            silent.rest()
            assert running.process.wait(10) == 0
            assert time.monotonic() - began < 5, "streams would hold it for twenty seconds"
        client.close()


def test_a_reader_that_takes_nothing_holds_up_nobody(new_tenant):
    client = new_tenant()
    done = client.bulk(
        *({"method": "POST", "bulkId": str(number), "path": "/Users", "data": _large(number)} for number in range(30))
    )
    assert {item["status"] for item in done.ok()["Operations"]} == {"201"}
    with streaming(client) as deaf:
        deaf.until(b"retry")
        with streaming(client) as stream:
            stream.until(b"large29")
        client.new_user()


def _large(number):
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": f"large{number}",
        "entitlements": [{"value": f"{place}{'x' * 1_900}"} for place in range(16)],
    }


def test_the_operator_hears_of_tenants_connections_and_tokens(server, new_tenant):
    operator = server.client("/scim", server.operator_token())
    after = operator.get("/events", after="now").ok()["next"]
    client = new_tenant()
    told = [
        event
        for event in operator.get("/events", after=after, limit=1000).ok()["events"]
        if event["data"].get("after", {}).get("name") in (tenant_of(client), "test")
    ]
    assert {"tenant.created", "accessToken.created"} <= {event["type"] for event in told}
    token = next(event for event in told if event["type"] == "accessToken.created")
    assert token["data"]["tenant"] == "_operator"
    assert "digest" not in json.dumps(told)
    assert client.token not in json.dumps(told)
    assert operator.get("/events", types="accessToken.*,tenant.deleted", limit=1).status == 200
    snapshot = operator.get("/events/snapshot", types="AccessToken", limit=1000).ok()
    assert "digest" not in json.dumps(snapshot)
    assert {item["type"] for item in snapshot["resources"]} == {"AccessToken"}
    for stranger in (client.at("/scim"), operator.with_token(None)):
        assert stranger.get("/events").status == 401
    assert client.at("/t/_operator").get("/events").status == 404
    assert operator.at(f"/t/{tenant_of(client)}").get("/events").status == 401
    with streaming(operator, "?after=now", path="/scim/events") as stream:
        stream.until(b"retry")
        server.new_token(client)
        stream.until(b"accessToken.created")
    operator.close()


def test_a_tenant_may_be_called_events(server):
    async def create(installation):
        await installation.tenants.create("events")
        token, _ = await installation.tokens.create("events", "test", lifetime=timedelta(days=1))
        return token

    client = server.client("/t/events/scim/v2", server.administer(create))
    client.new_user()
    assert [event["type"] for event in feed(client).get("").ok()["events"]] == ["user.created"]
    client.close()


GROUPS_AND_PEOPLE = [{"type": "User", "operations": ["read"]}, {"type": "Group", "operations": ["read"]}]


def test_what_belongs_to_no_resource_is_told_to_those_without_scopes(server, new_tenant):
    client = new_tenant()
    client.new_group(client.new_user()["id"])

    async def mark(installation):
        store = installation.store.for_tenant(tenant_of(client))
        for kind in ("change.held", "snapshot.needed"):
            await store.mark(kind, b'{"id":"User/secret"}', at="2026-01-01T00:00:00.000000Z", actor="a", request_id="r")

    server.administer(mark)
    everything = feed(client).get("").ok()["events"]
    assert [event["type"] for event in everything][-2:] == ["change.held", "snapshot.needed"]
    listener = client.with_token(server.new_token(client, scopes=GROUPS_AND_PEOPLE))
    told = feed(listener).get("").ok()["events"]
    assert [event["type"] for event in told] == ["user.created", "group.created", "group.members", "snapshot.needed"]
    assert "User/secret" not in json.dumps(told)


def fenced(server, client, **fences):
    """A client whose token sees the users and groups that match."""
    scopes = [
        {**scope, **({"filter": fences[scope["type"]]} if scope["type"] in fences else {})}
        for scope in GROUPS_AND_PEOPLE
    ]
    return client.with_token(server.new_token(client, scopes=scopes))


def moves(told):
    """(group, who came, who went, reason) of events about members."""
    found = [event["data"] for event in told if event["type"] == "group.members"]
    return [(data["resource"]["id"], data["added"], data["removed"], data.get("reason")) for data in found]


def test_memberships_are_told_of_people_and_groups_that_are_seen(server, new_tenant):
    client = new_tenant()
    ada, bob = (client.new_user(userName=name)["id"] for name in ("ada", "bob"))
    app, other = (client.new_group(ada, bob, displayName=name)["id"] for name in ("App-Admins", "Other"))
    client.patch(f"/Groups/{app}", {"op": "remove", "path": f'members[value eq "{ada}"]'})
    cases = {
        (): [(app, {ada, bob}, set()), (other, {ada, bob}, set()), (app, set(), {ada})],
        (("User", 'userName sw "a"'),): [(app, {ada}, set()), (other, {ada}, set()), (app, set(), {ada})],
        (("User", 'userName sw "z"'),): [],
        (("Group", 'displayName sw "App-"'),): [(app, {ada, bob}, set()), (app, set(), {ada})],
        (("User", 'userName sw "b"'), ("Group", 'displayName sw "App-"')): [(app, {bob}, set())],
    }  # fmt: skip
    for fences, expected in cases.items():
        listener = fenced(server, client, **dict(fences))
        told = feed(listener).get("").ok()["events"]
        assert [(group, set(came), set(went)) for group, came, went, _ in moves(told)] == expected, fences
        snapshot = {
            item["id"]: set(item["members"])
            for item in feed(listener).get("/snapshot", types="Group").ok()["resources"]
        }
        shown = {
            group["id"]: {member["value"] for member in group.get("members", ())}
            for group in listener.get("/Groups").ok()["Resources"]
        }
        assert snapshot == shown, fences


def test_what_comes_within_a_fence_brings_its_memberships(server, new_tenant):
    client = new_tenant()
    ada, bob = (client.new_user(userName=name, title="Pilot")["id"] for name in ("ada", "bob"))
    app, other = (client.new_group(ada, bob, displayName=name)["id"] for name in ("App-Admins", "Other"))
    listener = fenced(server, client, User='title eq "Boss"', Group='displayName sw "App-"')
    stream = feed(listener)
    position = stream.get("").ok()["next"]

    def told():
        nonlocal position
        answer = stream.get("", after=position).ok()
        position = answer["next"]
        return [event["type"] for event in answer["events"]], moves(answer["events"])

    client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": "Boss"})
    assert told() == (["user.created", "group.members"], [(app, [ada], [], "entered")])
    client.patch(f"/Groups/{other}", {"op": "replace", "path": "displayName", "value": "App-Others"})
    assert told() == (["group.created", "group.members"], [(other, [ada], [], "entered")])
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": "Pilot"})
    assert told() == (["user.deleted"], [])
    client.delete(f"/Users/{bob}").ok(204)
    assert told() == ([], []), "who was never seen is gone without a trace"


def test_a_stream_tells_memberships_within_the_fence(server, new_tenant):
    client = new_tenant()
    ada, bob = (client.new_user(userName=name)["id"] for name in ("ada", "bob"))
    with streaming(fenced(server, client, User='userName sw "a"')) as stream:
        stream.until(ada.encode())
        team = client.new_group(ada, bob, displayName="team")["id"]
        client.delete(f"/Groups/{team}").ok(204)
        text = stream.until(b"group.deleted")
        assert f'"added":["{ada}"]'.encode() in text
        assert bob.encode() not in text


def test_the_copy_of_a_fenced_listener_is_what_it_may_read(server, new_tenant):
    """People and groups come, go and change sides; the copy follows, from the beginning and from a snapshot."""
    client = new_tenant()
    chance = random.Random(5)  # noqa: S311  no secret
    people = [client.new_user(userName=f"p{number}", title=chance.choice("ab"))["id"] for number in range(6)]
    teams = [
        client.new_group(*chance.sample(people, 3), displayName=f"{chance.choice('ab')}{number}")["id"]
        for number in range(4)
    ]
    listener = fenced(server, client, User='title eq "a"', Group='displayName sw "a"')
    stream = feed(listener)
    copies = [Copy(), *(asyncio.run(snapshot_of(listener)) for _ in range(1))]
    for step in range(60):
        person, team = chance.choice(people), chance.choice(teams)
        value = [{"value": person}]
        operation = chance.choice([
            (f"/Users/{person}", {"op": "replace", "path": "title", "value": chance.choice("ab")}),
            (f"/Groups/{team}", {"op": "replace", "path": "displayName", "value": f"{chance.choice('ab')}{step}"}),
            (f"/Groups/{team}", {"op": "add", "path": "members", "value": value}),
            (f"/Groups/{team}", {"op": "remove", "path": f'members[value eq "{person}"]'}),
        ])  # fmt: skip
        client.patch(*operation)
        if step == 40:
            people.remove(person)
            client.delete(f"/Users/{person}").ok(204)
        if step % 7 == 0:
            follow(stream, copies[1])
    for copy in copies:
        follow(stream, copy)
    shown = asyncio.run(snapshot_of(listener))
    wanted = {key: (known.resource, known.members) for key, known in shown.resources.items()}
    for copy in copies:
        assert {key: (known.resource, known.members) for key, known in copy.resources.items()} == wanted


def follow(stream, copy):
    """Takes in all that has happened."""
    more = True
    while more:
        answer = stream.get("", after=copy.position).ok()
        for event in answer["events"]:
            copy.apply(event)
        copy.position, more = answer["next"], answer["more"]


async def snapshot_of(client):
    """A copy, as the library makes it."""
    host, port = client.address
    async with EventClient(f"http://{host}:{port}/t/{tenant_of(client)}", client.token) as events:
        return await events.snapshot()
