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
    assert [row[1] for row in unknown(server, client)] == ["team", "desk"]


@pytest.mark.parametrize(
    ("path", "type_name", "error", "word"),
    [
        ("nothing", None, NotFoundError, "No client sent"),
        ("team", "User", NotFoundError, "No client sent"),
        ("desk", None, InvalidValueError, "schema document"),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_words(seen, path, type_name, error, word):
    with pytest.raises(error, match=word):
        adopted(*seen, path, type_name)
