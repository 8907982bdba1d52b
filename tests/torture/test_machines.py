"""Two servers on one PostgreSQL, as on two machines: what is changed on one holds on the other within a second."""

import time

import pytest

from headcount.http.gate import FRESH
from torture.deployments import serving

SCHEMA = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
    "id": "urn:example:params:scim:schemas:extension:badge:2.0:User",
    "name": "Badge",
    "attributes": [{"name": "number", "type": "string", "multiValued": False}],
}


@pytest.fixture
def machines(tmp_path, installation):
    """A client of each, over one connection that stays open."""
    with serving(tmp_path, installation) as (_, first), serving(tmp_path, installation) as (_, second):
        yield first, second


def last_time(clients, condition, change):
    """Seconds from the moment that a change was made to the last time that a client did not see it."""
    for client in clients:
        assert condition(client)
    change()
    changed = latest = time.monotonic()
    pending = set(clients)
    while pending:
        for client in list(pending):
            asked = time.monotonic()
            if condition(client):
                latest = asked
            else:
                pending.remove(client)
        assert time.monotonic() < changed + 10, "the change is not seen"
    return latest - changed


def test_a_revoked_token_is_refused_everywhere_within_a_second(machines, installation):
    tokens = [one["id"] for one in installation.administer(lambda opened: opened.tokens.list("acme"))]
    assert len(tokens) == 1

    seconds = last_time(
        machines,
        lambda client: client.get("/Users", count=0).status == 200,
        lambda: installation.administer(lambda opened: opened.tokens.revoke(tokens[0])),
    )
    assert seconds <= FRESH
    assert [client.get("/Users", count=0).status for client in machines] == [401, 401]


def test_a_deleted_tenant_is_gone_everywhere_within_a_second(machines, installation):
    seconds = last_time(
        machines,
        lambda client: client.get("/Users", count=0).status == 200,
        lambda: installation.administer(lambda opened: opened.tenants.delete("acme")),
    )
    assert seconds <= FRESH


def test_a_schema_added_holds_everywhere_within_a_second(machines, installation):
    resource_type = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
        "schemaExtensions": [{"schema": SCHEMA["id"], "required": False}],
    }
    seconds = last_time(
        machines,
        lambda client: client.get(f"/Schemas/{SCHEMA['id']}").status == 404,
        lambda: installation.administer(lambda opened: opened.schemas.add("acme", [SCHEMA, resource_type])),
    )
    assert seconds <= FRESH
    first, second = machines
    made = first.new_user(**{SCHEMA["id"]: {"number": "7"}})
    assert second.found(f'{SCHEMA["id"]}:number eq "7"') == [made["id"]]


def test_what_one_acknowledges_the_other_reads_at_once(machines):
    first, second = machines
    for _ in range(50):
        made = first.new_user(displayName="one")
        assert second.get(f"/Users/{made['id']}").ok()["displayName"] == "one"
        second.patch(f"/Users/{made['id']}", {"op": "replace", "path": "displayName", "value": "two"}).ok()
        assert first.found(f'userName eq "{made["userName"]}"') == [made["id"]]
        assert first.get(f"/Users/{made['id']}").ok()["displayName"] == "two"


def test_a_cursor_of_one_machine_opens_on_the_other(machines):
    first, second = machines
    ids = sorted(first.new_user()["id"] for _ in range(5))
    page = first.get("/Users", cursor="", count=2).ok()
    rest = second.get("/Users", cursor=page["nextCursor"], count=2).ok()
    last = first.get("/Users", cursor=rest["nextCursor"], count=2).ok()
    assert [one["id"] for one in page["Resources"] + rest["Resources"] + last["Resources"]] == ids
    assert "nextCursor" not in last
