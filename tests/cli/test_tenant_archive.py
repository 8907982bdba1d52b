"""`headcount tenant export` and `import`: a tenant moves, whole or not at all, and no file is believed."""

import asyncio
import hashlib
import json
import stat
import zipfile
from datetime import timedelta
from itertools import count

import pytest

from headcount.assembly import open_installation
from headcount.directory.operator import request_of
from headcount.directory.operator_schemas import CONNECTION
from headcount.settings import Settings
from headcount.testing.postgresql import temporary_postgresql
from processes import answer, refusal, run, server
from serving import ENTERPRISE, Client

BADGE = "urn:example:badge:2.0:User"
DEVICE = "urn:example:scim:schemas:Device"
ODD = "Zoë \u0131\u017f ﷺ 𝒳 \U0001f469\u200d\U0001f4bb \u202e \\u0041 ' \" % _ \\"
DOCUMENTS = [
    {"id": BADGE, "name": "Badge", "attributes": [{"name": "number", "uniqueness": "server"}, {"name": "color"}]},
    {
        "id": DEVICE,
        "name": "Device",
        "attributes": [
            {"name": "serial", "uniqueness": "server", "caseExact": True},
            {"name": "weights", "type": "decimal", "multiValued": True},
            {"name": "pin", "returned": "never"},
        ],
    },
    {"name": "Device", "endpoint": "/Devices", "schema": DEVICE},
]
PUBLIC = {"HEADCOUNT_PUBLIC_URL": "https://scim.example", "HEADCOUNT_BODY_DEADLINE": "1"}
DATABASES = count(1)


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        yield running


@pytest.fixture(scope="module")
def new_database(postgresql, tmp_path_factory):
    """Makes URLs of empty databases."""

    def make(kind):
        if kind == "sqlite":
            return f"sqlite:///{tmp_path_factory.mktemp('database')}/headcount.db"
        return postgresql.create_database(f"archive{next(DATABASES)}")

    return make


async def found(url):
    """A tenant with something of everything, beside another one with the same ids of its own; gives a token."""
    async with open_installation(Settings(database=url, body_deadline=0.1)) as installation:
        for name in ("acme", "other"):
            await installation.tenants.create(name, display_name=ODD, passwords="hash", refuse_unknown=True)
        await installation.schemas.add("acme", DOCUMENTS)
        connection = {"schemas": [CONNECTION.schema.id], "tenant": "acme", "name": "okta", "profile": "strict"}
        await installation.operator.create(CONNECTION, connection, request_of("test"))
        declared = await installation.indexes.declare("acme", f"{BADGE}:color")
        await installation.indexes.build("acme", declared, lambda _amount, _text: None)
        token, _ = await installation.tokens.create("acme", "test", lifetime=timedelta(days=1))
        return token


def populate(client):
    """People and groups, with references among them, some of them changed."""
    badge = {"number": "7", "color": "Red"}
    ada = client.new_user(userName=ODD, displayName=ODD, password="secret", externalId="ä", **{BADGE: badge})["id"]
    manager = {"manager": {"value": ada}}
    bob = client.new_user(userName="bob", active=False, emails=[{"value": "B@x.org"}], **{ENTERPRISE: manager})["id"]
    inner = client.new_group(ada, bob, displayName="inner")["id"]
    client.new_group(inner, displayName="outer", externalId="1")
    client.patch(f"/Users/{bob}", {"op": "add", "path": "title", "value": ODD}).ok()
    client.delete(f"/Users/{client.new_user(userName='leaver')['id']}")
    device = {"schemas": [DEVICE], "serial": "Ä1", "pin": "1234", "weights": [0, 1.0, 2.5, 1e16, 2**53 + 1]}
    client.post("/Devices", device).ok(201)


def seen(client):
    """All that a client can see."""
    return {path: client.get(path, count=1000, sortBy="id").ok() for path in ("/Users", "/Groups", "/Devices")} | {
        "schemas": sorted(schema["id"] for schema in client.get("/Schemas").ok()["Resources"])
    }


@pytest.fixture(scope="module")
def original(new_database, tmp_path_factory):
    """Per kind of database: its URL, an archive, and what a client saw."""
    made = {}

    def make(kind):
        if kind not in made:
            url, folder = new_database(kind), tmp_path_factory.mktemp("original")
            token = asyncio.run(found(url))
            with (
                server(folder, "--database", url, settings=PUBLIC) as running,
                Client(running.url, "/t/acme/scim/v2", token) as client,
            ):
                populate(client)
                before = seen(client)
            answer(folder, "tenant", "export", "acme", "--out", "acme.zip", "--with-changes", "--database", url)
            made[kind] = url, folder / "acme.zip", before
        return made[kind]

    return make


@pytest.mark.parametrize(("source", "target"), [("sqlite", "postgresql"), ("postgresql", "sqlite")])
def test_a_tenant_is_the_same_in_another_database(original, new_database, tmp_path, source, target):
    _, archive, before = original(source)
    url = new_database(target)
    made = answer(tmp_path, "tenant", "import", str(archive), "--database", url)
    assert (made["name"], made["displayName"], made["state"]) == ("acme", ODD, "active")
    token = answer(tmp_path, "token", "create", "--tenant", "acme", "--name", "t", "--database", url)["token"]
    with (
        server(tmp_path, "--database", url, settings=PUBLIC) as running,
        Client(running.url, "/t/acme/scim/v2", token) as client,
    ):
        assert seen(client) == before
        assert len(client.found(f'{BADGE}:color eq "red"')) == 1
        assert len(client.found('emails.value eq "b@X.org" and externalId pr')) == 0
        assert len(client.found('externalId eq "ä"')) == 1
        taken = client.post("/Users", {**before["/Users"]["Resources"][0], "userName": "eve"})
        assert taken.error == (409, "uniqueness")  # the number of the badge
        (group,) = [group for group in before["/Groups"]["Resources"] if group["displayName"] == "outer"]
        changed = client.patch(f"/Groups/{group['id']}", {"op": "replace", "path": "displayName", "value": "x"}).ok()
        assert changed["meta"]["version"] != group["meta"]["version"]
        assert changed["meta"]["created"] == group["meta"]["created"]


def test_what_is_exported_again_is_the_same_archive(original, new_database, tmp_path):
    _, archive, _ = original("sqlite")
    url = new_database("postgresql")
    answer(tmp_path, "tenant", "import", str(archive), "--name", "copy", "--database", url)
    answer(tmp_path, "tenant", "export", "copy", "--with-changes", "--database", url)

    def parts(file):
        with zipfile.ZipFile(file) as opened:
            return json.loads(opened.read("manifest.json"))["parts"]

    assert parts(tmp_path / "copy.zip") == parts(archive)


def test_secrets_of_access_stay_behind_and_the_file_is_its_owners(original):
    _, archive, _ = original("sqlite")
    assert stat.S_IMODE(archive.stat().st_mode) == 0o600
    with zipfile.ZipFile(archive) as opened:
        content = b"".join(opened.read(name) for name in opened.namelist())
    assert b"digest" not in content
    assert b'"okta"' in content


def test_an_archive_is_not_written_over_a_file_and_nothing_is_made_of_no_tenant(original, tmp_path):
    url, *_ = original("sqlite")
    (tmp_path / "acme.zip").write_text("mine")
    code, line = refusal(run(tmp_path, "tenant", "export", "acme", "--database", url))
    assert (code, "File exists" in line) == (1, True)
    assert (tmp_path / "acme.zip").read_text() == "mine"
    assert run(tmp_path, "tenant", "export", "nobody", "--database", url).returncode == 1
    assert not (tmp_path / "nobody.zip").exists()


def test_a_name_that_is_taken_is_refused_and_another_one_can_be_given(original, tmp_path):
    url, archive, _ = original("sqlite")
    code, line = refusal(run(tmp_path, "tenant", "import", str(archive), "--database", url))
    assert (code, line) == (1, "error: The tenant 'acme' exists already.")
    assert answer(tmp_path, "tenant", "import", str(archive), "--name", "twin", "--database", url)["name"] == "twin"
    answer(tmp_path, "tenant", "delete", "twin", "--yes", "--export", "twin.zip", "--database", url)
    names = [row["name"] for row in answer(tmp_path, "tenant", "list", "--database", url)]
    assert sorted(names) == ["acme", "other"]
    assert answer(tmp_path, "tenant", "import", "twin.zip", "--name", "again", "--database", url)["name"] == "again"
    answer(tmp_path, "tenant", "delete", "again", "--yes", "--database", url)


def test_nothing_is_deleted_when_the_archive_cannot_be_written(original, tmp_path):
    url, *_ = original("sqlite")
    done = run(tmp_path, "tenant", "delete", "other", "--yes", "--export", "no/where.zip", "--database", url)
    assert done.returncode == 1
    assert "other" in [row["name"] for row in answer(tmp_path, "tenant", "list", "--database", url)]


def rewritten(archive, target, change):
    """An archive whose files, by name, a function has changed."""
    with zipfile.ZipFile(archive) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    change(files)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return target


def told(files, name, content):
    """Puts other content into a part and tells of it in the manifest, as somebody who wants to be believed."""
    manifest = json.loads(files["manifest.json"])
    manifest["parts"][name] = {
        "lines": content.count(b"\n"),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    files[f"{name}.ndjson"] = content
    files["manifest.json"] = json.dumps(manifest).encode()


def manifest_with(**members):
    def change(files):
        files["manifest.json"] = json.dumps(json.loads(files["manifest.json"]) | members).encode()

    return change


def first_line_with(**members):
    def change(files):
        first, rest = files["resources.ndjson"].split(b"\n", 1)
        told(files, "resources", json.dumps(json.loads(first) | members).encode() + b"\n" + rest)

    return change


LIES = {
    "a letter changed": (lambda files: files.update({"resources.ndjson": files["resources.ndjson"].replace(b"Red", b"red")}), "digest"),
    "a line less": (lambda files: files.update({"memberships.ndjson": b""}), "memberships"),
    "another file": (lambda files: files.update({"../evil": b"x"}), "other files"),
    "a part of another name": (lambda files: told(files, "../../evil", b"{}\n"), "does not know"),
    "a part missing": (lambda files: files.pop("resources.ndjson"), "other files"),
    "no manifest": (lambda files: files.pop("manifest.json"), "manifest"),
    "no JSON": (lambda files: files.update({"manifest.json": b"{"}), "damaged"),
    "another version": (manifest_with(version=2), "version 2"),
    "something else": (manifest_with(format="zip"), "no archive of a tenant"),
    "no tenant": (manifest_with(tenant=None), "which tenant"),
    "a tenant of no name": (manifest_with(tenant={"name": "../x"}), "no tenant name"),
    "a bomb": (lambda files: told(files, "entries", b" " * 64_000_000 + b"\n"), "no NDJSON"),
    "no object": (lambda files: told(files, "resources", b"5\n"), "resources, line 1"),
    "a type that is not": (first_line_with(type="Robot"), "resources, line 1"),
    "a version that is none": (first_line_with(version="1"), "resources, line 1"),
    "a document of another form": (first_line_with(document={"id": 1, "nothing": 2}), "resources, line 1"),
    "another member": (first_line_with(tenant="other"), "resources, line 1"),
    "a document that is kept otherwise": (lambda files: told(files, "external-ids", b'{"id": "x", "type": "User","connection":"default","value":"v"}\n'), "external-ids"),
}  # fmt: skip


@pytest.mark.parametrize("lie", LIES)
def test_an_archive_that_was_tampered_with_leaves_nothing_behind(original, tmp_path, lie):
    url, archive, _ = original("sqlite")
    change, word = LIES[lie]
    file = rewritten(archive, tmp_path / "bad.zip", change)
    arguments = [] if "tenant" in lie else ["--name", "bad"]
    code, line = refusal(run(tmp_path, "tenant", "import", str(file), *arguments, "--database", url))
    assert code == 1
    assert word in line
    names = [row["name"] for row in answer(tmp_path, "tenant", "list", "--database", url)]
    assert sorted(names) == ["acme", "other"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000], ids=["empty", "torn", "no ZIP"])
def test_what_is_no_archive_is_said_in_one_line(original, tmp_path, content):
    url, *_ = original("sqlite")
    (tmp_path / "file").write_bytes(content)
    code, line = refusal(run(tmp_path, "tenant", "import", "file", "--database", url))
    assert (code, "no archive of a tenant" in line) == (1, True)
