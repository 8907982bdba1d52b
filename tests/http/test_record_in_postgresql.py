"""The guard, the audit chain and several connections where the database is a PostgreSQL that two processes serve."""

import asyncio
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import asyncpg
import pytest

from headcount.assembly import open_installation
from headcount.directory.retention import forget
from headcount.settings import Settings
from headcount.testing.postgresql import temporary_postgresql
from serving import Server, group, running_server, tenant_of, user

OFF = {"op": "replace", "path": "active", "value": False}


@dataclasses.dataclass(frozen=True)
class OnPostgresql(Server):
    """A server of which tests know the database's URL."""

    database_url: str = ""

    def administer(self, action):
        async def run():
            settings = Settings(database=self.database_url, public_url=self.url)
            async with open_installation(settings) as installation:
                return await action(installation)

        return asyncio.run(run())


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Two processes on one database."""
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        url = running.create_database("record")
        folders = [tmp_path_factory.mktemp(name) for name in ("first", "second")]
        with (
            running_server(folders[0], "--database", url) as first,
            running_server(folders[1], "--database", url) as second,
        ):
            yield [
                OnPostgresql(*dataclasses.astuple(dataclasses.replace(each, process=None))[:3], each.process, url)
                for each in (first, second)
            ]


@pytest.fixture
def server(servers):
    return servers[0]


@pytest.fixture
def watched(server):
    """Makes clients of tenants with policies."""
    made = []

    def make(**policies):
        client = server.new_tenant()
        made.append(client)
        server.administer(lambda installation: installation.tenants.update(tenant_of(client), policies))
        return client

    yield make
    for client in made:
        client.close()


def rule(kind, reaction, **limits):
    return [{"kind": kind, "reaction": reaction, **limits}]


def reviewing(server, client, name, *arguments, **options):
    return server.administer(
        lambda installation: getattr(installation.reviewing, name)(tenant_of(client), *arguments, **options)
    )


def verified(server, client):
    async def verify(installation):
        await installation.audit.seal(tenant_of(client))
        return await installation.audit.verify(tenant_of(client))

    return server.administer(verify)[0]


def execute(server, statement, *parameters):
    async def run():
        connection = await asyncpg.connect(server.database_url)
        try:
            return await connection.execute(statement, *parameters)
        finally:
            await connection.close()

    return asyncio.run(run())


def test_processes_count_removals_together(servers, watched):
    """Sixteen clients of two processes delete at once, and six may: exactly six do."""
    client = watched(guard=rule("delete", "refuse", number=6))
    people = [client.new_user()["id"] for _ in range(16)]

    def delete(number):
        with servers[number % 2].client(client.path, client.token) as apart:
            return apart.delete(f"/Users/{people[number]}").status

    with ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(delete, range(16)))
    assert sorted(statuses) == [204] * 6 + [429] * 10
    assert client.get("/Users").ok()["totalResults"] == 10


def test_a_held_change_is_released_by_another_process(server, watched):
    client = watched(guard=rule("leave", "hold", number=0) + rule("deactivate", "hold", number=0))
    people = [client.new_user()["id"] for _ in range(2)]
    team = client.new_group(*people)
    client.patch(f"/Users/{people[0]}", OFF).ok()
    client.put(f"/Groups/{team['id']}", group(people[0], displayName=team["displayName"])).ok()
    assert len(client.get(f"/Groups/{team['id']}").ok()["members"]) == 2
    held = reviewing(server, client, "held")
    assert {item["removal"] for item in held} == {"leave", "deactivate"}
    for item in held:
        reviewing(server, client, "release", item["id"])
    assert client.get(f"/Users/{people[0]}").ok()["active"] is False
    members = client.get(f"/Groups/{team['id']}").ok()["members"]
    assert [member["value"] for member in members] == [people[0]]


def test_the_record_is_sealed_erased_and_verified(server, watched):
    client = watched()
    ada = client.new_user(userName="ada", displayName="Ada ☃")
    team = client.new_group(ada["id"])
    client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Countess"}).ok()
    assert (verified(server, client)["problems"], verified(server, client)["records"]) == ([], 3)
    client.delete(f"/Users/{ada['id']}").ok(204)
    erased = server.administer(
        lambda installation: installation.audit.erase(tenant_of(client), "User", ada["id"], actor="cli")
    )
    found = verified(server, client)
    assert (erased, found["problems"], found["erased"], found["unsealed"]) == (3, [], 3, 0)
    execute(server, "UPDATE change SET actor = 'me' WHERE tenant = $1 AND id = $2", tenant_of(client), team["id"])
    assert "the record was changed" in str(verified(server, client)["problems"])


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM change WHERE tenant = $1 AND kind = 'update'", "removed"),
        ("UPDATE change SET after = before WHERE tenant = $1 AND kind = 'update'", "content"),
        ("DELETE FROM entry WHERE tenant = $1 AND collection = 'audit block' AND key LIKE '%1'", "a block before it"),
    ],
)
def test_tampering_is_found(server, watched, statement, message):
    client = watched()
    ada = client.new_user(title="Countess")
    verified(server, client)
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Boss"}).ok()
    assert verified(server, client)["problems"] == []
    execute(server, statement, tenant_of(client))
    assert message in str(verified(server, client)["problems"])


def test_processes_seal_one_chain(server, watched):
    client = watched()
    for _ in range(4):
        client.new_user()

    async def seal_together(installation):
        return await asyncio.gather(*(installation.audit.seal(tenant_of(client)) for _ in range(4)))

    server.administer(seal_together)
    found = verified(server, client)
    assert (found["problems"], found["records"], found["unsealed"]) == ([], 4, 0)


def test_retention_leaves_a_chain_that_verifies(server, watched):
    client = watched()
    client.new_user()
    client.new_user()
    assert verified(server, client)["records"] == 2

    async def run(installation):
        return await forget(installation.tenants, installation.store, installation.audit, 0)

    server.administer(run)
    client.new_user()
    found = verified(server, client)
    assert (found["problems"], found["records"]) == ([], 1)


def test_connections_have_externalids_of_their_own(server, watched):
    client = watched(adoption="sameExternalId", rehire="sameId")

    async def create(installation):
        for connection in ("okta", "entra"):
            await installation.connections.create(tenant_of(client), connection, {})

    server.administer(create)
    okta, entra = (
        client.with_token(server.new_token(client, connection=name, lifetime=timedelta(days=1)))
        for name in ("okta", "entra")
    )
    ada = okta.new_user(userName="ada", externalId="o-1")
    assert entra.post("/Users", user(userName="ada", externalId="e-1")).error == (409, "uniqueness")
    (review,) = reviewing(server, client, "reviews")
    reviewing(server, client, "link", review["id"])
    assert entra.post("/Users", user(userName="ada", externalId="e-1", title="Boss")).ok(200)["externalId"] == "e-1"
    assert entra.found('externalId eq "e-1"') == okta.found('externalId eq "o-1"') == [ada["id"]]
    assert entra.found('externalId co "o"') == okta.found('externalId co "e"') == []
    okta.delete(f"/Users/{ada['id']}").ok(204)
    assert okta.new_user(userName="ada", externalId="o-1")["id"] == ada["id"]
