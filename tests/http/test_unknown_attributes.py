"""Attributes that clients send and no schema has: counted by every process, listed without values, adopted in one step."""

import pytest

from headcount.scim.errors import InvalidValueError, NotFoundError
from serving import Client, running_server, tenant_of

ODD = "urn:example:odd:2.0:User"


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A tenant of a server that two processes have served, which counted and stopped."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    database = f"sqlite:///{folders[0]}/headcount.db"
    with (
        running_server(folders[0]) as one,
        running_server(folders[1], "--database", database) as other,
        one.new_tenant() as client,
        Client(other.url, client.path, client.token) as twin,
    ):
        ada = client.new_user(shoeSize=43, **{ODD: {"color": "red"}})
        twin.new_user(shoeSize=44)
        twin.put(f"/Users/{ada['id']}", {**ada, "desk": {"floor": 1}}).ok()
        twin.patch(f"/Users/{ada['id']}", {"op": "add", "value": {"shoeSize": 45}}).ok()
        client.new_group(team="secret")
        client.new_user(emails=[{"value": "a@b.example", "verified": True}])
        refused = twin.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "name.nick", "value": "A"})
        assert refused.error == (400, "invalidPath")
    return one, client


def unknown(server, client):
    """What is listed, without the times."""
    rows = server.administer(lambda installation: installation.unknown.list(tenant_of(client)))
    assert all(row["last"] for row in rows)
    return [(row["type"], row["path"], row["looks"], row["count"]) for row in rows]


def test_what_both_processes_counted_is_listed_by_path_and_type(seen):
    assert unknown(*seen) == [
        ("User", "shoeSize", "integer", 3),
        ("Group", "team", "string", 1),
        ("User", "desk", "complex", 1),
        ("User", "emails.verified", "boolean", 1),
        ("User", "name.nick", "string", 1),
        ("User", f"{ODD}:color", "string", 1),
    ]


def test_no_value_is_kept_of_what_is_unknown(seen):
    server, _ = seen
    assert b"secret" not in server.database.read_bytes()


def adopted(server, client, path, type_name=None):
    return server.administer(lambda installation: installation.unknown.adopt(tenant_of(client), path, type_name))


def test_what_is_adopted_is_kept_from_then_on_and_no_longer_unknown(seen, tmp_path):
    server, client = seen
    adopted(server, client, "shoeSize")
    adopted(server, client, f"{ODD}:color", "User")
    own = f"urn:ietf:params:scim:schemas:extension:{tenant_of(client)}:2.0:User"
    with (
        running_server(tmp_path, "--database", f"sqlite:///{server.database}") as again,
        Client(again.url, client.path, client.token) as returned,
    ):
        ada = returned.new_user(shoeSize=43, **{ODD: {"color": "red"}})
        assert (ada[own], ada[ODD]) == ({"shoeSize": 43}, {"color": "red"})
        assert returned.found(f"{own}:shoeSize eq 43") == [ada["id"]]
    assert [row[1] for row in unknown(server, client)] == ["team", "desk", "emails.verified", "name.nick"]


def test_a_part_of_an_attribute_of_the_tenants_own_is_adopted_into_it(tmp_path):
    desk = {"name": "desk", "type": "complex", "subAttributes": [{"name": "floor", "type": "integer"}]}
    own = {"id": f"{ODD}:desk", "name": "Desk", "attributes": [desk]}
    device = {"id": "urn:example:device:2.0:Device", "name": "Device", "attributes": [desk, {"name": "code"}]}
    devices = {"name": "Device", "endpoint": "/Devices", "schema": device["id"]}
    database = f"sqlite:///{tmp_path}/headcount.db"
    with running_server(tmp_path) as server, server.new_tenant() as client:
        server.administer(lambda installation: installation.schemas.add(tenant_of(client), [own], extends="User"))
        server.administer(lambda installation: installation.schemas.add(tenant_of(client), [device, devices]))
        client.new_user(**{own["id"]: {"desk": {"floor": 1, "window": True}}})
        client.post("/Devices", {"schemas": [device["id"]], "desk": {"room": "7"}}).ok(201)
    (tmp_path / "again").mkdir()
    with (
        running_server(tmp_path / "again", "--database", database) as again,
        Client(again.url, client.path, client.token) as returned,
    ):
        assert [row[1] for row in unknown(server, client)] == ["desk.room", f"{own['id']}:desk.window"]
        adopted(server, client, "desk.room")
        adopted(server, client, f"{own['id']}:desk.WINDOW")
        assert unknown(server, client) == []
        grace = returned.new_user(**{own["id"]: {"desk": {"window": True}}})
        assert grace[own["id"]] == {"desk": {"window": True}}
        assert returned.found(f"{own['id']}:desk.window eq true") == [grace["id"]]
        made = returned.post("/Devices", {"schemas": [device["id"]], "desk": {"room": "7"}}).ok(201)
        assert made["desk"] == {"room": "7"}


def test_what_was_added_by_hand_meanwhile_is_not_unknown_any_more(seen):
    server, client = seen
    own = {"id": "urn:example:hand:2.0:Group", "name": "Hand", "attributes": [{"name": "team"}]}
    server.administer(lambda installation: installation.schemas.add(tenant_of(client), [own], extends="Group"))
    assert "team" not in [row[1] for row in unknown(server, client)]


@pytest.mark.parametrize(
    ("path", "type_name", "error", "word"),
    [
        ("nothing", None, NotFoundError, "No client sent"),
        ("team", "User", NotFoundError, "No client sent"),
        ("desk", None, InvalidValueError, "schema document"),
        ("emails.verified", None, InvalidValueError, "part of what is built in.* an extension of your own"),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_words(seen, path, type_name, error, word):
    with pytest.raises(error, match=word):
        adopted(*seen, path, type_name)
