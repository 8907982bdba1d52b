"""For every source: somebody who leaves, somebody who leaves a group, and a group that goes, all incrementally."""

import asyncio
import json

import pytest

from headcount.provisioning.sources.scim import ScimSource
from headcount.provisioning.targets.client import Connection
from headcount.testing.simulated_target import Habits, SimulatedTarget
from serving import running_server
from syncing import World, done, groups_at, people_at

NAMES = ("ann", "bob", "cid", "dan")
TEAMS = {"red": ("ann", "bob"), "blue": ("bob", "cid"), "old": ("dan",)}
FROM_FILE = {"userName": "record.name", "title": "record.title"}
FROM_SCIM = {"userName": "record.userName", "title": "record.title"}


class Files:
    """Two files; each reading is of everybody."""

    mappings = FROM_FILE
    is_incremental = False

    def __init__(self, world):
        self.world = world
        self.people = dict.fromkeys(NAMES, "Employee")
        self.groups = {name: list(members) for name, members in TEAMS.items()}
        self.write()

    def leave(self, name):
        del self.people[name]
        self.write()

    def leave_group(self, group, name):
        self.groups[group].remove(name)
        self.write()

    def promote(self, name):
        self.people[name] = "Senior"
        self.write()

    def close_group(self, group):
        del self.groups[group]
        self.write()


class Csv(Files):
    source = "{type: csv, path: p.csv, key: id, groups: {path: g.csv, key: id}}"

    def write(self):
        rows = [{"id": f"k-{name}", "name": name, "title": title} for name, title in self.people.items()]
        self.world.write(*rows, name="p.csv", columns=("id", "name", "title"))
        groups = [
            {"id": f"g-{name}", "name": name, "members": ";".join(f"k-{member}" for member in members)}
            for name, members in self.groups.items()
        ]
        self.world.write(*groups, name="g.csv", columns=("id", "name", "members"))


class Ndjson(Files):
    source = "{type: ndjson, path: p, key: id, groups: {path: g, key: id}}"

    def write(self):
        people = [{"id": f"k-{name}", "name": name, "title": title} for name, title in self.people.items()]
        groups = [
            {"id": f"g-{name}", "name": name, "members": [f"k-{member}" for member in members]}
            for name, members in self.groups.items()
        ]
        for file, lines in (("p", people), ("g", groups)):
            (self.world.folder / file).write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


class Tenant:
    """A tenant of the installation itself, changed over HTTP; its change log tells what happened."""

    mappings = FROM_SCIM
    is_incremental = True
    source = "{type: headcount, tenant: TENANT}"

    def __init__(self, client):
        self.client = client
        self.source = self.source.replace("TENANT", client.path.split("/")[2])
        self.ids = {
            name: client.new_user(userName=name, title="Employee", externalId=f"x-{name}")["id"] for name in NAMES
        }
        self.groups = {
            name: client.new_group(*(self.ids[member] for member in members), displayName=name)["id"]
            for name, members in TEAMS.items()
        }

    def leave(self, name):
        self.client.delete(f"/Users/{self.ids[name]}").ok(204)

    def leave_group(self, group, name):
        path = f'members[value eq "{self.ids[name]}"]'
        self.client.patch(f"/Groups/{self.groups[group]}", {"op": "remove", "path": path}).ok(200)

    def promote(self, name):
        self.client.patch(f"/Users/{self.ids[name]}", {"op": "replace", "path": "title", "value": "Senior"}).ok(200)

    def close_group(self, group):
        self.client.delete(f"/Groups/{self.groups[group]}").ok(204)


class TenantByExternalId(Tenant):
    source = "{type: headcount, tenant: TENANT, key: externalId}"


class Scim(Tenant):
    """The same over SCIM: somebody else's server."""

    def __init__(self, client):
        super().__init__(client)
        self.source = (
            f'{{type: scim, url: "{client.base_url}", pack: PACK, authentication: {{bearer: "${{SOURCE}}"}}KEY}}'
        )


class ScimByIndex(Scim):
    def __init__(self, client):
        super().__init__(client)
        self.source = self.source.replace("PACK", "generic").replace("KEY", "")


class ScimByCursor(Scim):
    def __init__(self, client):
        super().__init__(client)
        self.source = self.source.replace("PACK", "headcount").replace("KEY", ", key: externalId")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_server(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def client(server):
    with server.new_tenant() as client:
        yield client


@pytest.fixture(scope="module")
def simulated():
    with SimulatedTarget().running() as target:
        yield target


@pytest.fixture(
    params=[Csv, Ndjson, Tenant, TenantByExternalId, ScimByIndex, ScimByCursor], ids=lambda kind: kind.__name__
)
def company(request, tmp_path, server, simulated):
    simulated.become(Habits())
    if issubclass(request.param, Files):
        world = World(tmp_path)
        company = request.param(world)
    else:
        client = request.getfixturevalue("client")
        world = World(tmp_path, database=f"sqlite:///{server.database}", tenant=f"sync-{client.path.split('/')[2]}")
        company = request.param(client)
        world.environment["SOURCE"] = client.token
    company.world = world
    world.describe(simulated.url, source=company.source, groups="{from: source}")
    mappings = "\n".join(f"  {path}: {expression}" for path, expression in company.mappings.items())
    before, _, rest = world.text.partition("mappings:")
    guard = "policies: {guard: {deactivate: false, delete: false, members: false, emptying: false}}"
    world.text = f"{before}mappings:\n{mappings}\ngroups:{rest.partition('groups:')[2]}\n{guard}\n"
    return company


def full_at(world):
    return world.ledger(lambda ledger: ledger.state()).full_at


def test_leavers_and_group_leavers(company, simulated):
    world = company.world
    assert done(world.run()) == {"create": 7}
    first = full_at(world)
    world.later(minutes=5)
    assert done(world.run()) == {}
    assert people_at(simulated) == dict.fromkeys(NAMES, (True, "Employee"))
    assert groups_at(simulated) == {name: set(members) for name, members in TEAMS.items()}

    world.later(minutes=5)
    company.leave("cid")
    company.leave_group("red", "ann")
    company.promote("bob")
    company.close_group("old")
    assert done(world.run()) == {"deactivate": 1, "members": 2, "update": 1, "delete": 1}
    assert people_at(simulated) == {
        "ann": (True, "Employee"),
        "bob": (True, "Senior"),
        "cid": (False, "Employee"),
        "dan": (True, "Employee"),
    }
    assert groups_at(simulated) == {"red": {"bob"}, "blue": {"bob"}}
    assert (full_at(world) == first) is company.is_incremental
    world.later(minutes=5)
    assert world.plan().changes == ()
    assert world.plan(is_full=True).changes == ()


def test_a_deleted_person_is_gone_even_while_the_watermark_has_not_moved(company, simulated):
    world = company.world
    world.run()
    company.leave("dan")
    assert done(world.run()) == {"deactivate": 1, "members": 1}
    assert not people_at(simulated)["dan"][0]


def test_what_a_server_cannot_filter_is_read_in_whole(simulated):
    simulated.become(Habits(filters="ignored"))
    simulated.put("User", {"userName": "ann"})

    async def within():
        source = ScimSource(Connection(simulated.url))
        reading = await source.read("2026-01-01T00:00:00Z")
        found = [record.attributes["userName"] async for record in reading.records]
        await source.close()
        return reading.is_complete, found

    assert asyncio.run(within()) == (True, ["ann"])


def test_who_leaves_the_scope_of_the_source_is_gone(tmp_path, client, simulated):
    simulated.become(Habits())
    ann = client.new_user(userName="ann", title="Employee")["id"]
    client.new_user(userName="bob", title="Employee")
    world = World(tmp_path)
    world.environment["SOURCE"] = client.token
    source = f'{{type: scim, url: "{client.base_url}", authentication: {{bearer: "${{SOURCE}}"}}, filter: title eq "Employee"}}'
    world.describe(simulated.url, source=source, groups="{from: source}")
    world.text = world.text.replace("record.email", "record.userName").replace("record.first", "record.title")
    world.text = world.text.replace("record.last", "record.title").replace(
        "reference(record.manager)", "{cel: record.none}"
    )
    assert done(world.run()) == {"create": 2}
    client.patch(f"/Users/{ann}", {"op": "replace", "path": "title", "value": "Contractor"}).ok(200)
    assert done(world.run()) == {"deactivate": 1}
    assert not people_at(simulated)["ann"][0]
