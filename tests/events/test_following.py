"""A consumer's copy is the directory: snapshot, then feed, while others write without pause."""

import asyncio
import json
import random
import threading
from contextlib import contextmanager

import pytest

from headcount.client import EventClient, RefusedError, ResnapshotNeededError
from headcount.embed import Portal
from processes import answer, eventually, server
from serving import Client
from torture.deployments import administer, new_tenant

WRITERS = 3
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def served(database, tmp_path):
    """A tenant on each kind of database, and a client of it."""
    token = new_tenant(database)
    with server(tmp_path, settings={"HEADCOUNT_DATABASE": database}) as running:
        client = Client(running.url, "/t/acme/scim/v2", token)
        yield client
        client.close()


def url_of(client):
    return f"{client.url}/t/acme"


class Writer(threading.Thread):
    """Somebody who hires, changes, groups and lets go, as chance has it, until told to stop."""

    def __init__(self, client, seed):
        super().__init__()
        self._client = client.apart()
        self._random = random.Random(seed)  # noqa: S311  chance, not secrecy
        self._stop_soon = threading.Event()
        self._people, self._groups = [], []
        self.writes = 0

    def run(self):
        actions = [self._hire, self._hire, self._change, self._change, self._change, self._let_go, self._group]
        while not self._stop_soon.is_set():
            self._random.choice([*actions, self._move, self._move, self._dissolve])()
            self.writes += 1
        self._client.close()

    def finish(self):
        self._stop_soon.set()
        self.join()

    def _hire(self):
        self._people.append(self._client.new_user(title="new", active=True)["id"])

    def _change(self):
        if self._people:
            value = {"title": f"t{self._random.random()}", "active": self._random.random() < 0.8}
            person = self._random.choice(self._people)
            self._client.patch(f"/Users/{person}", {"op": "replace", "value": value}).ok()

    def _let_go(self):
        if len(self._people) > 5:
            person = self._people.pop(self._random.randrange(len(self._people)))
            self._client.delete(f"/Users/{person}").ok(204)

    def _group(self):
        if len(self._groups) < 5:
            members = self._random.sample(self._people, min(3, len(self._people)))
            self._groups.append(self._client.new_group(*members)["id"])

    def _move(self):
        if self._people and self._groups:
            group, person = self._random.choice(self._groups), self._random.choice(self._people)
            path, value = f'members[value eq "{person}"]', [{"value": person}]
            operations = [{"op": "remove", "path": path}, {"op": "add", "path": "members", "value": value}]
            title = {"op": "replace", "path": "displayName", "value": f"g{self._random.random()}"}
            self._client.patch(f"/Groups/{group}", self._random.choice([*operations, title]))

    def _dissolve(self):
        if len(self._groups) > 3:
            self._client.delete(f"/Groups/{self._groups.pop()}").ok(204)


@contextmanager
def writing(client):
    writers = [Writer(client, seed) for seed in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield writers
    finally:
        for writer in writers:
            writer.finish()


def written(copy):
    """A copy as bytes: every document and every membership."""
    return {
        key: (json.dumps(known.resource, sort_keys=True), sorted(known.members))
        for key, known in copy.resources.items()
    }


def directory(client):
    """The directory as SCIM tells it: who there is with which title and state, and who is in which group."""
    people = client.get("/Users", count=1000).ok()["Resources"]
    groups = client.get("/Groups", count=1000).ok()["Resources"]
    told = {("User", item["id"]): (item["userName"], item["title"], item["active"]) for item in people}
    members = {
        ("Group", item["id"]): (item["displayName"], sorted(member["value"] for member in item.get("members", ())))
        for item in groups
    }
    return told | members


def as_told(copy):
    """The same of a copy."""
    return {
        key: (item.resource["displayName"], sorted(item.members))
        if key[0] == "Group"
        else (item.resource["userName"], item.resource["title"], item.resource["active"])
        for key, item in copy.resources.items()
    }


async def catch_up(client, copy, enough):
    """Follows until `enough` says that nothing is missing."""
    async with asyncio.timeout(30):
        async for _ in client.follow(copy):
            if enough():
                return


def test_a_copy_that_follows_is_the_directory(served):
    async def story():
        async with EventClient(url_of(served), served.token) as client:
            with writing(served) as writers:
                await asyncio.to_thread(eventually, lambda: sum(writer.writes for writer in writers) > 60)
                copy = await client.snapshot()
                before = sum(writer.writes for writer in writers)
                await catch_up(client, copy, lambda: sum(writer.writes for writer in writers) > before + 200)
            last = served.new_user(title="last", active=True)["id"]
            await catch_up(client, copy, lambda: ("User", last) in copy.resources)
            assert written(copy) == written(await client.snapshot())
            assert as_told(copy) == directory(served)

    asyncio.run(story())


@ON_SQLITE
def test_synchronous_programs_follow_through_the_portal(served):
    with Portal() as portal:
        client = EventClient(url_of(served), served.token)
        served.new_group(served.new_user(title="a", active=True)["id"])
        copy = portal.run(client.snapshot())
        ada = served.new_user(title="b", active=True)["id"]
        team = served.new_group(ada)["id"]
        events = portal.iterate(client.follow(copy))
        assert [next(events)["type"] for _ in range(3)] == ["user.created", "group.created", "group.members"]
        events.close()
        assert copy.resources["Group", team].members == {ada}
        assert as_told(copy) == directory(served)
        portal.run(client.acknowledge("payroll", copy.position))
        portal.run(client.close())


def test_who_comes_back_too_late_takes_a_new_snapshot(served, database):
    ada = served.new_user()["id"]
    feed = served.at("/t/acme/events")
    old = feed.get("").ok()["next"]
    served.delete(f"/Users/{ada}").ok(204)
    assert feed.get("", after=old).status == 200

    async def forget(installation):
        return await installation.store.for_tenant("acme").forget_changes("9999")

    assert administer(database, forget) == 2
    refused = feed.get("", after=0)
    assert refused.error == (410, None)
    assert "resnapshot" in refused.json["detail"]
    behind_the_end = feed.get("", after=10**9)
    assert behind_the_end.error == (410, None), "positions of a database that was put back to what it was before"

    async def story():
        async with EventClient(url_of(served), served.token) as client:
            with pytest.raises(ResnapshotNeededError):
                await anext(client.events(after=0))
            copy = await client.snapshot()
            bob = served.new_user(title="c", active=True)["id"]
            assert (await anext(client.follow(copy)))["data"]["resource"]["id"] == bob
            stranger = EventClient(url_of(served), "nothing")
            with pytest.raises(RefusedError):
                await anext(stranger.events())
            await stranger.close()

    asyncio.run(story())


@ON_SQLITE
def test_an_import_asks_for_a_new_snapshot(served, database, tmp_path):
    lines = [
        json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"u{n}"}) for n in range(3)
    ]
    (tmp_path / "people.ndjson").write_text("\n".join(lines) + "\n")
    answer(tmp_path, "import", "--tenant", "acme", "people.ndjson", "--database", database)
    told = served.at("/t/acme/events").get("", types="snapshot.needed").ok()["events"]
    assert [(event["type"], event["data"]["after"]) for event in told] == [("snapshot.needed", {"created": 3})]

    async def story():
        async with EventClient(url_of(served), served.token) as client:
            copy = await client.snapshot()
            assert len(copy.resources) == 3
            copy.position = 0
            with pytest.raises(ResnapshotNeededError):
                async for _ in client.follow(copy):
                    pass

    asyncio.run(story())


def test_a_client_waits_for_a_server_that_is_away(tmp_path):
    database = f"sqlite:///{tmp_path / 'headcount.db'}"
    token = new_tenant(database)
    settings = {"HEADCOUNT_DATABASE": database}

    async def story():
        with server(tmp_path, settings=settings) as running:
            port = running.url.rpartition(":")[2]
            client = EventClient(f"{running.url}/t/acme", token)
            events = client.events()
            with Client(running.url, "/t/acme/scim/v2", token) as writer:
                writer.new_user(userName="before")
            assert (await anext(events))["data"]["after"]["userName"] == "before"
            coming = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        with server(tmp_path, "--port", port, settings=settings) as running:
            with Client(running.url, "/t/acme/scim/v2", token) as writer:
                writer.new_user(userName="after")
            async with asyncio.timeout(30):
                assert (await coming)["data"]["after"]["userName"] == "after"
            await client.close()

    asyncio.run(story())
