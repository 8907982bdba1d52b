"""Every write that was acknowledged is there after `kill -9`, and nothing that depends on it disagrees."""

import json
import sqlite3
from contextlib import closing
from threading import Thread

import httpx

from processes import LONG, eventually, patch, quickstart, user

WRITERS = 4


class Writer(Thread):
    """A client that writes without pause until the server is gone, and remembers what was acknowledged."""

    def __init__(self, running, number, group):
        super().__init__()
        self.running, self.number, self.group = running, number, group
        self.users = {}
        self.asked = None
        self.members = set()

    def run(self):
        with self.running.client() as client:
            try:
                while True:
                    self.write(client, f"writer{self.number}-{len(self.users)}")
            except httpx.TransportError:
                return

    def write(self, client, name):
        """A user is created, renamed and added to the group; `asked` is what is not acknowledged yet."""
        made = client.post("/Users", json=user(name, displayName="new"))
        assert made.status_code == 201, made.text
        identifier = made.json()["id"]
        self.users[identifier] = "new"
        self.asked = identifier
        renamed = client.patch(
            f"/Users/{identifier}", json=patch({"op": "replace", "path": "displayName", "value": name})
        )
        assert renamed.status_code == 200, renamed.text
        self.users[identifier] = name
        joining = patch({"op": "add", "path": "members", "value": [{"value": identifier}]})
        joined = client.patch(f"/Groups/{self.group}", json=joining, params={"attributes": "displayName"})
        assert joined.status_code == 200, joined.text
        self.members.add(identifier)


def everything(client, path, **parameters):
    """All resources of a type, page by page."""
    found, answer = [], client.get(path, params={"cursor": "", "count": 500, **parameters}).json()
    found += answer["Resources"]
    while "nextCursor" in answer:
        answer = client.get(path, params={"cursor": answer["nextCursor"], "count": 500, **parameters}).json()
        found += answer["Resources"]
    return found, answer["totalResults"]


def check_database(file):
    """Side tables, counters and change log say what the resources say."""
    with closing(sqlite3.connect(file)) as connection:

        def rows(statement):
            return connection.execute(statement).fetchall()

        assert rows("PRAGMA integrity_check") == [("ok",)]
        assert rows(
            "SELECT name, value FROM counter WHERE tenant = 'acme' AND name IN ('User', 'Group') ORDER BY name"
        ) == rows("SELECT type, count(*) FROM resource WHERE tenant = 'acme' GROUP BY type ORDER BY type")
        assert rows("SELECT id, version FROM resource WHERE tenant = 'acme' ORDER BY id") == rows(
            "SELECT id, max(version) FROM change WHERE tenant = 'acme' GROUP BY id ORDER BY id"
        )
        assert rows("SELECT count(*), sum(version) FROM change WHERE tenant = 'acme'") == rows(
            "SELECT sum(version), sum(version * (version + 1) / 2) FROM resource WHERE tenant = 'acme'"
        )
        assert rows("SELECT id, document FROM resource WHERE type = 'User' ORDER BY id") == rows(
            "SELECT id, after FROM change AS c WHERE type = 'User' AND version = "
            "(SELECT max(version) FROM change WHERE id = c.id) ORDER BY id"
        )
        logged = {
            member
            for (added,) in rows("SELECT added FROM change WHERE added IS NOT NULL")
            for member in json.loads(added)
        }
        stored = {member for (member,) in rows("SELECT member_id FROM membership")}
        assert logged == stored
        assert rows("SELECT member_count FROM resource WHERE type = 'Group'") == [(len(stored),)]


def test_every_acknowledged_write_survives_kill_9(tmp_path):
    with quickstart(tmp_path) as running:
        with running.client() as client:
            group = client.post("/Groups", json={"schemas": [], "displayName": "all"} | GROUP_SCHEMA).json()["id"]
        writers = [Writer(running, number, group) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        eventually(lambda: sum(len(writer.users) for writer in writers) >= 200)
        running.process.kill()
        assert running.process.wait(LONG) == -9
        for writer in writers:
            writer.join(LONG)
    acknowledged = {key: value for writer in writers for key, value in writer.users.items()}
    in_doubt = {writer.asked for writer in writers}
    members = set().union(*(writer.members for writer in writers))
    check_database(tmp_path / "headcount.db")

    with quickstart(tmp_path) as running, running.client() as client:
        users, total = everything(client, "/Users")
        found = {one["id"]: one["displayName"] for one in users}
        kept = {one["value"] for one in client.get(f"/Groups/{group}").json()["members"]}
        of_members = {one["id"] for one in users if any(of["value"] == group for of in one.get("groups", ()))}

    assert total == len(found)
    # of each writer, the last write may have been carried out without having been acknowledged any more
    lost = {key: value for key, value in acknowledged.items() if found.get(key) != value and key not in in_doubt}
    assert lost == {}
    assert in_doubt <= found.keys()
    assert len(found) - len(acknowledged) in range(WRITERS + 1)
    assert members <= kept <= members | in_doubt
    assert of_members == kept


GROUP_SCHEMA = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"]}
