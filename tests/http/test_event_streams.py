"""Streams of events: what they are resumed by, how they stay alive, and when they end; and the operator's feed."""

import json
import socket
import time
from contextlib import contextmanager
from datetime import timedelta

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


def test_memberships_are_told_to_whom_no_fence_hides_people_or_groups(server, new_tenant):
    client = new_tenant()
    ada = client.new_user(userName="ada")["id"]
    team = client.new_group(ada, displayName="App-Admins")["id"]
    client.patch(f"/Groups/{team}", {"op": "remove", "path": "members"})
    fences = {"User": 'userName sw "z"', "Group": 'displayName sw "App-"'}
    for name, fence in fences.items():
        scopes = [{**scope, **({"filter": fence} if scope["type"] == name else {})} for scope in GROUPS_AND_PEOPLE]
        listener = client.with_token(server.new_token(client, scopes=scopes))
        told = feed(listener).get("").ok()["events"]
        assert "group.created" in [event["type"] for event in told]
        assert not [event for event in told if event["type"] == "group.members"]
        snapshot = feed(listener).get("/snapshot", types="Group").ok()["resources"]
        assert [("members" in item) for item in snapshot] == [False]
    unfenced = client.with_token(server.new_token(client, scopes=GROUPS_AND_PEOPLE))
    assert [event["type"] for event in feed(unfenced).get("", types="group.members").ok()["events"]] == [
        "group.members"
    ] * 2
