"""Tenants exported and imported below `/manage`, between a SQLite and a PostgreSQL: whole or not at all."""

import asyncio
import io
import json
import threading
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest

from headcount.assembly import open_installation
from headcount.settings import Settings
from headcount.store.interface import OPERATOR_TENANT
from headcount.testing.postgresql import temporary_postgresql
from serving import Client, running_server, user

ZIP = {"Content-Type": "application/zip", "Accept": None}
MOST = 2_000_000
"""Bytes of an archive that these servers take."""
NAMES = count(1)


@dataclass(frozen=True)
class Place:
    """A server, and a client of `/manage` with an operator's token."""

    database: str
    manager: Client

    def token(self, tenant, **options):
        """A further token of a tenant."""

        async def create():
            async with open_installation(Settings(database=self.database)) as installation:
                token, _ = await installation.tokens.create(tenant, "t", lifetime=timedelta(days=1), **options)
                return token

        return asyncio.run(create())

    def tenant(self, name):
        """A client of a tenant that is there."""
        return self.manager.at(f"/t/{name}/scim/v2").with_token(self.token(name))

    def new_tenant(self, **settings):
        """A client of a new tenant, and its name."""
        name = f"harbour-{next(NAMES)}"

        async def create():
            async with open_installation(Settings(database=self.database)) as installation:
                await installation.tenants.create(name, **settings)

        asyncio.run(create())
        return self.tenant(name), name

    def operator(self, **options):
        """A client of `/manage` with another operator's token."""
        return self.manager.with_token(self.token(OPERATOR_TENANT, **options))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A server on each kind of database."""
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        urls = {
            "sqlite": f"sqlite:///{tmp_path_factory.mktemp('archives')}/headcount.db",
            "postgresql": running.create_database("archives"),
        }
        folders = [tmp_path_factory.mktemp(kind) for kind in urls]
        with (
            running_server(folders[0], "--database", urls["sqlite"], archive_bytes=MOST) as first,
            running_server(folders[1], "--database", urls["postgresql"], archive_bytes=MOST) as second,
        ):
            found = {}
            for (kind, url), server in zip(urls.items(), (first, second), strict=True):
                stranger = Place(url, server.client("/manage"))
                found[kind] = Place(url, stranger.operator())
            yield found
            for place in found.values():
                place.manager.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(places, request):
    return places[request.param]


@pytest.fixture(params=[("sqlite", "postgresql"), ("postgresql", "sqlite")], ids="-".join)
def journey(places, request):
    return [places[kind] for kind in request.param]


def path(name):
    return f"/tenants/{name}/archive"


def exported(manager, name, **query):
    answer = manager.get(path(name), **query)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/zip")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.zip"'
    assert answer.headers["cache-control"] == "no-store"
    return answer.body


def send(manager, name, archive):
    return manager.send("PUT", path(name), archive, headers=ZIP)


def seen(client):
    pages = {
        endpoint: client.get(endpoint, count=1000, sortBy="id").ok()["Resources"] for endpoint in ("/Users", "/Groups")
    }
    return json.loads(json.dumps(pages).replace(client.base_url, "BASE"))


def manifest(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return json.loads(opened.read("manifest.json"))


def names(place):
    found = place.manager.at("/scim/v2").get("/Tenants", count=1000).ok()["Resources"]
    return {tenant["name"] for tenant in found}


def test_a_tenant_moves_over_http(journey):
    here, there = journey
    client, name = here.new_tenant(display_name="Zoë's")
    people = [client.new_user(externalId=f"x{number}", title="ı" * number)["id"] for number in range(1, 6)]
    client.new_group(*people, displayName="all")
    client.patch(f"/Users/{people[0]}", {"op": "add", "path": "nickName", "value": "Z"}).ok()
    archive = exported(here.manager, name, changes="true")
    assert manifest(archive)["parts"]["changes"]["lines"] == 7
    made = send(there.manager, name, archive).ok(201)
    assert (made["name"], made["displayName"], made["state"]) == (name, "Zoë's", "active")
    assert seen(there.tenant(name)) == seen(client)
    again = exported(there.manager, name, changes="true")
    assert manifest(again)["parts"] == manifest(archive)["parts"]
    assert "changes" not in manifest(exported(there.manager, name))["parts"]


def test_a_copy_has_another_name_and_a_name_that_is_taken_is_a_conflict(place):
    client, name = place.new_tenant()
    ada = client.new_user()["id"]
    archive = exported(place.manager, name)
    assert send(place.manager, name, archive).error == (409, "uniqueness")
    send(place.manager, f"{name}-copy", archive).ok(201)
    assert place.tenant(f"{name}-copy").get(f"/Users/{ada}").status == 200
    assert client.get(f"/Users/{ada}").status == 200


def test_who_made_a_tenant_of_an_archive_stands_in_the_record(place):
    _, name = place.new_tenant()
    answer = send(place.manager, f"{name}-copy", exported(place.manager, name))
    entries = place.manager.get(f"/tenants/{OPERATOR_TENANT}/audit", id=answer.ok(201)["id"], action="create").ok()
    (entry,) = entries["entries"]
    assert entry["requestId"] == answer.headers["x-request-id"]
    assert entry["actor"] not in ("", "cli")


def rewritten(archive, **files):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, files.get(name.partition(".")[0], old.read(name)))
    return out.getvalue()


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda _archive: b"x" * 1000, "no archive of a tenant"),
        (lambda archive: archive[:-100], "no archive of a tenant"),
        (lambda archive: rewritten(archive, resources=b""), "does not tell what resources is"),
        (lambda archive: rewritten(archive, manifest=b"{}"), "no archive of a tenant"),
    ],
    ids=["no ZIP", "torn", "a part changed", "no manifest"],
)
def test_what_is_no_whole_archive_leaves_nothing_behind(place, spoil, word):
    client, name = place.new_tenant()
    client.new_user()
    answer = send(place.manager, f"{name}-bad", spoil(exported(place.manager, name)))
    assert answer.error == (400, "invalidValue")
    assert word in answer.json["detail"]
    assert f"{name}-bad" not in names(place)


def test_an_upload_is_bounded_and_of_one_kind(place):
    assert send(place.manager, "large", b"x" * MOST).error == (400, "invalidValue")
    assert send(place.manager, "large", b"x" * (MOST + 1)).error == (413, None)
    assert place.manager.send("PUT", path("large"), b"{}").error == (415, None)
    assert send(place.manager, "No-Name", b"").error == (400, "invalidValue")
    assert "large" not in names(place)


def test_a_tenant_that_is_not_there_and_a_word_that_means_nothing(place):
    assert place.manager.get(path("nobody")).error == (404, None)
    _, name = place.new_tenant()
    assert place.manager.get(path(name), changes="yes").error == (400, "invalidValue")
    assert place.manager.get(path(OPERATOR_TENANT)).error == (404, None)


def test_only_an_operators_token_with_the_scope_for_it_opens_archives(place):
    client, name = place.new_tenant()
    archive = exported(place.manager, name)
    for token in (None, client.token):
        stranger = place.manager.with_token(token)
        assert stranger.get(path(name)).error == (401, None)
        assert send(stranger, f"{name}-copy", archive).error == (401, None)
    reader = place.operator(scopes=[{"type": "Archive", "operations": ["read"]}])
    exported(reader, name)
    assert send(reader, f"{name}-copy", archive).error == (403, None)
    assert place.operator(scopes=[{"type": "Schema"}]).get(path(name)).error == (403, None)
    fenced = place.operator(scopes=[{"type": "Archive", "filter": f'tenant eq "{name}"'}])
    exported(fenced, name)
    assert send(fenced, f"{name}-copy", archive).error == (404, None)
    assert f"{name}-copy" not in names(place)


def test_a_tenant_is_suspended_exported_and_deleted(place):
    """What the guide to moving a tenant says, in its order."""
    client, name = place.new_tenant()
    client.new_user(userName="ada")
    operator = place.manager.at("/scim/v2")
    (tenant,) = operator.get("/Tenants", filter=f'name eq "{name}"').ok()["Resources"]
    refused = operator.delete(f"/Tenants/{tenant['id']}")
    assert refused.error == (409, None)
    assert f"/manage{path(name)}" in refused.json["detail"]
    operator.patch(f"/Tenants/{tenant['id']}", {"op": "replace", "path": "state", "value": "suspended"}).ok()
    archive = exported(place.manager, name)
    operator.delete(f"/Tenants/{tenant['id']}").ok(204)
    assert send(place.manager, name, archive).ok(201)["state"] == "suspended"
    send(place.manager, f"{name}-copy", archive).ok(201)


def test_others_are_served_while_a_tenant_comes_and_goes(place):
    client, name = place.new_tenant()
    client.bulk(
        *({"method": "POST", "path": "/Users", "bulkId": f"b{number}", "data": user()} for number in range(1000))
    ).ok()
    done = threading.Event()

    def carry():
        with place.manager.apart() as mover:
            send(mover, f"{name}-copy", exported(mover, name)).ok(201)
        done.set()

    carrier = threading.Thread(target=carry)
    carrier.start()
    answered = 0
    while not done.is_set() and answered < 1000:
        client.get("/Users", count=1).ok()
        answered += 1
    carrier.join()
    assert answered > 10
    assert place.tenant(f"{name}-copy").get("/Users", count=0).ok()["totalResults"] == 1000
