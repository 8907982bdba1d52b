"""Schemas that change while people are kept: what is refused, what every process knows, and indexes built meanwhile."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count

import orjson
import pytest

from headcount.assembly import open_installation
from headcount.directory.passwords import Passwords
from headcount.directory.registries import Declared, keep_index
from headcount.directory.resources import Request, Resources
from headcount.directory.schema_guard import check_changes
from headcount.directory.tenant_schemas import TenantSchemas
from headcount.directory.value_indexes import ValueIndexes
from headcount.directory.walks import silent
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError, UniquenessError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import build_registry
from headcount.settings import Settings
from headcount.store.interface import Query, Target
from headcount.testing.postgresql import temporary_postgresql
from serving import ENTERPRISE, PATCH_OP, Client, running_server, user

BADGE = "urn:example:params:scim:schemas:extension:badge:2.0:User"
PATH = f"{ENTERPRISE}:department"
REQUEST = Request(actor="test", request_id="")
NAMES = count(1)


def badge(*attributes):
    """The Schema document of the extension."""
    return {"id": BADGE, "name": "Badge", "attributes": list(attributes)}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two server processes on one database."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    database = f"sqlite:///{folders[0]}/headcount.db"
    with running_server(folders[0]) as one, running_server(folders[1], "--database", database) as other:
        yield one, other


@pytest.fixture
def clients(two):
    """The same tenant in both processes."""
    one, other = two
    client = one.new_tenant()
    twin = Client(other.url, client.path, client.token)
    yield client, twin
    client.close()
    twin.close()


def within_a_second(condition):
    """Asks again until it is so; servers have a second, and the test machine as much again."""
    until = time.monotonic() + 2
    while not condition():
        assert time.monotonic() < until, "not within a second"


def attributes_of(client):
    """The names in the extension, as a client discovers them."""
    answer = client.get(f"/Schemas/{BADGE}")
    return [attribute["name"] for attribute in answer.json["attributes"]] if answer.status == 200 else []


def test_every_process_discovers_and_keeps_what_is_added_within_a_second(two, clients):
    both = clients
    both[1].get("/Users").ok()
    two[0].add_schemas(both[0], badge({"name": "number"}))
    for client in both:
        within_a_second(lambda client=client: attributes_of(client) == ["number"])
    two[0].add_schemas(both[0], badge({"name": "number"}, {"name": "level", "type": "integer"}))
    for client in both:
        within_a_second(lambda client=client: attributes_of(client) == ["number", "level"])
        assert client.new_user(**{BADGE: {"level": 3}})[BADGE] == {"level": 3}
    extensions = both[1].get("/ResourceTypes/User").ok()["schemaExtensions"]
    assert {"schema": BADGE, "required": False} in extensions


NUMBER = {"name": "number"}
REFUSED = {
    "removed": [],
    "another type": [{"name": "number", "type": "integer"}],
    "several values": [{"name": "number", "multiValued": True}],
    "new and required": [NUMBER, {"name": "level", "required": True}],
    "unique": [{"name": "number", "uniqueness": "server"}],
}


@pytest.mark.parametrize("change", REFUSED)
def test_a_change_that_stored_people_would_not_survive_is_refused_with_count_and_example(two, clients, change):
    client, server = clients[0], two[0]
    server.add_schemas(client, badge(NUMBER, {"name": "other"}))
    within_a_second(lambda: attributes_of(client) == ["number", "other"])
    people = [client.new_user(**{BADGE: {"number": "7"}}) for _ in range(2)]
    with pytest.raises(ConflictError) as refusal:
        server.add_schemas(client, badge(*REFUSED[change], {"name": "other"}))
    expected = 1 if change == "unique" else 2  # the first one may keep the value
    assert f"{expected} resources of type User" in str(refusal.value)
    assert any(person["id"] in str(refusal.value) for person in people)
    assert client.get(f"/Users/{people[0]['id']}").ok()[BADGE] == {"number": "7"}
    assert attributes_of(client) == ["number", "other"]


def test_an_attribute_that_nobody_uses_may_go(two, clients):
    client, server = clients[0], two[0]
    server.add_schemas(client, badge(NUMBER, {"name": "other"}))
    within_a_second(lambda: attributes_of(client) == ["number", "other"])
    client.new_user(**{BADGE: {"number": "7"}})
    server.add_schemas(client, badge(NUMBER))
    within_a_second(lambda: attributes_of(client) == ["number"])


def test_how_many_use_an_attribute_is_counted(two, clients):
    client, server = clients[0], two[0]
    server.add_schemas(client, badge(NUMBER, {"name": "other"}))
    within_a_second(lambda: attributes_of(client) == ["number", "other"])
    for number in range(3):
        client.new_user(**{BADGE: {"number": str(number)}})
    client.new_user()
    name = client.path.split("/")[2]
    rows = server.administer(lambda installation: installation.schemas.usage(name, BADGE.upper()))
    assert rows == [
        {"type": "User", "path": f"{BADGE}:number", "resources": 3},
        {"type": "User", "path": f"{BADGE}:other", "resources": 0},
    ]
    with pytest.raises(NotFoundError):
        server.administer(lambda installation: installation.schemas.usage(name, "urn:example:nothing"))


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path):
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/headcount.db"
    return request.getfixturevalue("postgresql").create_database(f"changes{next(NAMES)}")


@asynccontextmanager
async def acme(database, *, settle_seconds=0.0):
    """An installation with a tenant; nobody else is there, so that no request has to be waited for."""
    async with open_installation(Settings(database=database)) as opened:
        indexes = ValueIndexes(opened.store, opened.tenants, settle_seconds=settle_seconds)
        schemas = TenantSchemas(opened.store, opened.tenants, indexes)
        await opened.tenants.create("acme")
        yield replace(opened, indexes=indexes, schemas=schemas)


async def resources_of(installation):
    """What serves the tenant, as it is now."""
    tenant = await installation.tenants.load("acme", "http://localhost")
    return Resources(tenant, installation.store.for_tenant("acme"), Passwords())


async def hire(resources, number, department):
    """One more person."""
    body = user(userName=f"person{number}", **{ENTERPRISE: {"department": department}})
    return (await resources.create(resources.tenant.registry.by_name["User"], body, REQUEST)).id


async def found(resources, text):
    """Who matches a filter."""
    kind = resources.tenant.registry.by_name["User"]
    bound = bind_filter(parse_filter(text), kind, TOLERANT)
    return {row.id for row in (await resources.store.search(Query((Target(kind, bound),), 10_000))).resources}


def test_an_index_is_built_while_people_come_move_and_go(database):
    async def run():
        async with acme(database, settle_seconds=3) as installation:
            before = await resources_of(installation)  # a request under way, which knows of no index
            kind = before.tenant.registry.by_name["User"]
            people = await asyncio.gather(*(hire(before, number, f"d{number % 7}") for number in range(700)))

            async def live(resources, first):
                for number in range(first, first + 60):
                    await hire(resources, 1000 + number, "D1")
                    patch = {"op": "replace", "path": PATH, "value": "d2"}
                    body = {"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [patch]}
                    await resources.patch(kind, people[number], body, REQUEST)
                    await resources.delete(kind, people[300 + number], REQUEST)

            declared = await installation.indexes.declare("acme", PATH)
            after = await resources_of(installation)
            reports = []
            building = installation.indexes.build("acme", declared, lambda amount, _text: reports.append(amount))
            await asyncio.gather(building, live(before, 0), live(after, 100))

            ready = await resources_of(installation)
            assert not after.tenant.registry.by_name["User"].indexed[PATH].serves_searches
            assert ready.tenant.registry.by_name["User"].indexed[PATH].serves_searches
            for name in ("d1", "D2", "d3", "nothing"):
                assert await found(ready, f'{PATH} eq "{name}"') == await found(before, f'{PATH} eq "{name}"')
            assert await found(ready, f'not ({PATH} eq "d1")') == await found(before, f'not ({PATH} eq "d1")')
            assert len(await found(ready, f'{PATH} eq "d1"')) > 100
            assert sum(reports) >= 700
            await installation.indexes.drop("acme", PATH)
            assert PATH not in (await resources_of(installation)).tenant.registry.by_name["User"].indexed

    asyncio.run(run())


ORDERED = {
    "level": ("integer", [7, -7, 0, 2**53 + 1, 100], ["7", "7.0", "-7", "99.5", "9007199254740992"]),
    "rate": ("decimal", [0.5, -2.25, 3, 1e-7, 12.0], ["0.5", "3.0", "12", "-2.3", "0"]),
    "until": ("dateTime", ["2026-05-01T10:00:00+02:00", "2026-05-01T08:00:00.5Z"], ['"2026-05-01T08:00:00Z"']),
    "vip": ("boolean", [True, False], ["true", "false"]),
}
"""Attributes with their types, values, and what they are compared with."""


def test_numbers_instants_and_booleans_are_found_by_their_index_as_they_are_without(database):
    async def run():
        async with acme(database) as installation:
            attributes = [{"name": name, "type": kind} for name, (kind, *_) in ORDERED.items()]
            await installation.schemas.add("acme", [badge(*attributes)], extends="User")
            before = await resources_of(installation)
            kind = before.tenant.registry.by_name["User"]
            for number in range(5):
                values = {name: values[number] for name, (_, values, _) in ORDERED.items() if number < len(values)}
                await before.create(kind, user(userName=f"person{number}", **{BADGE: values}), REQUEST)
            await before.create(kind, user(userName="nobody"), REQUEST)
            for name in ORDERED:
                declared = await installation.indexes.declare("acme", f"{BADGE}:{name}")
                await installation.indexes.build("acme", declared, lambda _amount, _text: None)
            ready = await resources_of(installation)
            for name, (kind_of_value, _, literals) in ORDERED.items():
                assert ready.tenant.registry.by_name["User"].indexed[f"{BADGE}:{name}"].serves_searches
                for operator in ("eq", "ne") if kind_of_value == "boolean" else ("eq", "ne", "gt", "ge", "lt", "le"):
                    for text in (f"{BADGE}:{name} {operator} {literal}" for literal in literals):
                        assert await found(ready, text) == await found(before, text), text
            assert len(await found(ready, f"{BADGE}:level gt 9007199254740992")) == 1

    asyncio.run(run())


def test_a_build_that_was_interrupted_goes_on_where_it_stood(database):
    async def run():
        async with acme(database) as installation:
            people = await resources_of(installation)
            await asyncio.gather(*(hire(people, number, "x") for number in range(600)))
            declared = await installation.indexes.declare("acme", PATH)
            first = asyncio.Event()

            def report(amount, _text):
                if amount:
                    first.set()
                    task.cancel()

            task = asyncio.create_task(installation.indexes.build("acme", declared, report))
            with pytest.raises(asyncio.CancelledError):
                await task
            (row,) = [row for row in await installation.indexes.list("acme") if row["path"] == PATH]
            assert (row["state"], row["done"]) == ("building", 250)
            assert len(await found(await resources_of(installation), f'{PATH} eq "X"')) == 600

            again = []
            declared = await installation.indexes.declare("acme", PATH)
            await installation.indexes.build("acme", declared, lambda amount, _text: again.append(amount))
            assert again[:3] == [250, 250, 100]
            (row,) = [row for row in await installation.indexes.list("acme") if row["path"] == PATH]
            assert row["state"] == "complete"
            assert len(await found(await resources_of(installation), f'{PATH} eq "X"')) == 600

    asyncio.run(run())


def test_what_becomes_unique_is_unique_for_those_who_came_before(database):
    async def run():
        async with acme(database) as installation:
            await installation.schemas.add("acme", [badge(NUMBER)])
            people = await resources_of(installation)
            kind = people.tenant.registry.by_name["User"]
            await people.create(kind, user(**{BADGE: {"number": "Seven"}}), REQUEST)
            await installation.schemas.add("acme", [badge({"name": "number", "uniqueness": "server"})])
            unique = await resources_of(installation)
            kind = unique.tenant.registry.by_name["User"]
            assert len(await found(unique, f'{BADGE}:number eq "seven"')) == 1
            with pytest.raises(UniquenessError, match="number"):
                await unique.create(kind, user(**{BADGE: {"number": "SEVEN"}}), REQUEST)
            await unique.create(kind, user(**{BADGE: {"number": "eight"}}), REQUEST)

    asyncio.run(run())


def test_an_index_that_is_forgotten_while_it_is_built_stays_forgotten(tmp_path):
    async def run():
        async with acme(f"sqlite:///{tmp_path}/headcount.db") as installation:
            people = await resources_of(installation)
            await asyncio.gather(*(hire(people, number, "x") for number in range(10)))
            declared = await installation.indexes.declare("acme", PATH)
            await installation.indexes.drop("acme", PATH)
            with pytest.raises(NotFoundError):
                await installation.indexes.build("acme", declared, lambda _amount, _text: None)
            assert PATH not in [row["path"] for row in await installation.indexes.list("acme")]

    asyncio.run(run())


class Meddling:
    """A store in which somebody is faster: after the first page of a walk he acts."""

    def __init__(self, store, act):
        self._store, self._act = store, act

    async def search(self, query):
        page, act = await self._store.search(query), self._act
        if act is not None and page.resources:
            self._act = None
            await act()
        return page


@pytest.mark.parametrize("narrower", [badge({"name": "y"}), badge({"name": "x", "type": "integer"})])
def test_what_is_written_behind_the_look_at_stored_people_is_in_the_way_as_well(database, narrower):
    async def run():
        async with acme(database) as installation:
            await installation.schemas.add("acme", [badge({"name": "x"}, {"name": "y"})], extends="User")
            people = await resources_of(installation)
            kind = people.tenant.registry.by_name["User"]
            first, *_ = [await people.create(kind, user(userName=f"person{number}"), REQUEST) for number in range(260)]

            async def give_a_value():
                patch = {"op": "add", "path": f"{BADGE}:x", "value": "7"}
                await people.patch(kind, first.id, {"schemas": [PATCH_OP], "Operations": [patch]}, REQUEST)

            types = {"name": "User", "schemaExtensions": [{"schema": BADGE}]}
            store = Meddling(people.store, give_a_value)
            with pytest.raises(ConflictError, match=f"1 resources of type User have a value .*{first.id}"):
                await check_changes(store, people.tenant.registry, build_registry([narrower, types]), silent)

    asyncio.run(run())


def test_what_was_written_while_its_attribute_went_stands_in_nobodys_way(tmp_path):
    desk = {"name": "desk", "type": "complex", "subAttributes": [{"name": "floor"}, {"name": "room"}]}
    smaller = {**desk, "subAttributes": [{"name": "floor"}]}
    other = {"id": f"{BADGE}:other", "name": "Other", "attributes": [{"name": "x"}]}
    title = {"op": "replace", "path": "title", "value": "Dr"}
    cleared = {"op": "remove", "path": BADGE}

    async def run():
        async with acme(f"sqlite:///{tmp_path}/headcount.db") as installation:
            await installation.schemas.add("acme", [badge({"name": "x"}, {"name": "y"}, desk), other], extends="User")
            before = await resources_of(installation)  # a request under way, which knows the old schema
            await installation.schemas.add("acme", [badge({"name": "y"}, smaller)], extends="User")
            await installation.schemas.remove("acme", other["id"])
            after = await resources_of(installation)
            kind = after.tenant.registry.by_name["User"]
            late = {BADGE: {"x": "1", "y": "2", "desk": {"floor": "3", "room": "4"}}, other["id"]: {"x": "5"}}
            for number, operation in enumerate(
                (title, {"op": "add", "path": f"{BADGE}:desk.floor", "value": "7"}, cleared)
            ):
                body = user(userName=f"person{number}", **late)
                person = await before.create(before.tenant.registry.by_name["User"], body, REQUEST)
                shown = await after.read(kind, person.id, REQUEST._replace(excluded_attributes=("title",)))
                assert orjson.loads(shown.body)[BADGE] == {"y": "2", "desk": {"floor": "3"}}
                patch = {"schemas": [PATCH_OP], "Operations": [operation]}
                left = orjson.loads((await after.patch(kind, person.id, patch, REQUEST)).body)
                assert left.get(BADGE, {}).keys() == (set() if operation is cleared else {"y", "desk"})
                assert other["id"] not in left
                assert await found(after, f'{BADGE}:y eq "2"') == (set() if operation is cleared else {person.id})
                await after.delete(kind, person.id, REQUEST)

    asyncio.run(run())


def test_an_attribute_that_becomes_another_leaves_its_index_behind(tmp_path):
    words = {"name": "x", "type": "complex", "subAttributes": [{"name": "a", "multiValued": True}]}

    async def run():
        async with acme(f"sqlite:///{tmp_path}/headcount.db") as installation:
            await installation.schemas.add("acme", [badge({"name": "x"})], extends="User")
            declared = await installation.indexes.declare("acme", f"{BADGE}:x")
            await installation.indexes.build("acme", declared, lambda _amount, _text: None)
            await installation.schemas.add("acme", [badge(words)], extends="User")
            people = await resources_of(installation)
            body = user(userName="ada", **{BADGE: {"x": {"a": ["1", "2"]}}})
            ada = await people.create(people.tenant.registry.by_name["User"], body, REQUEST)
            assert await found(people, f'{BADGE}:x.a eq "2"') == {ada.id}
            assert [row["path"] for row in await installation.indexes.list("acme")] == ["emails.value"]

    asyncio.run(run())


def test_what_is_becoming_unique_cannot_be_forgotten_halfway(tmp_path):
    async def run():
        async with acme(f"sqlite:///{tmp_path}/headcount.db") as installation:
            await installation.schemas.add("acme", [badge({"name": "number", "uniqueness": "server"})])
            halfway = Declared("User", f"{BADGE}:number", "2026-01-31T08:30:00.000000Z", is_unique=True)
            await keep_index(installation.store.for_tenant("acme"), halfway)
            with pytest.raises(NotFoundError):
                await installation.indexes.drop("acme", f"{BADGE}:number")
            declared = await installation.indexes.declare("acme", f"{BADGE}:number")
            await installation.indexes.build("acme", declared, lambda _amount, _text: None)
            assert f"{BADGE}:number" not in [row["path"] for row in await installation.indexes.list("acme")]

    asyncio.run(run())


NO_INDEX = {
    "userName": "indexed in every tenant",
    "emails.value": "indexed in every tenant",
    "externalId": "indexed in every tenant",
    "name": "complex",
    "active": "indexed in every tenant",
    "password": "never returned",
    f"{ENTERPRISE}:manager.displayName": "indexed in every tenant",
    "nothing": "not an attribute",
}


def test_what_cannot_be_indexed_is_refused_in_words(tmp_path):
    async def run():
        async with acme(f"sqlite:///{tmp_path}/headcount.db") as installation:
            for path, words in NO_INDEX.items():
                with pytest.raises(InvalidValueError) as refusal:
                    await installation.indexes.declare("acme", path, "User")
                assert words in str(refusal.value)
            people = await resources_of(installation)
            await hire(people, 1, "x" * 2_001)
            declared = await installation.indexes.declare("acme", PATH)
            with pytest.raises(ConflictError) as conflict:
                await installation.indexes.build("acme", declared, lambda _amount, _text: None)
            assert "2000 bytes" in str(conflict.value)
            assert PATH not in [row["path"] for row in await installation.indexes.list("acme")]
            await hire(people, 2, "y" * 2_001)

    asyncio.run(run())
