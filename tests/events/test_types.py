"""Every event is of a documented type, and as its JSON Schema says."""

import json

from docs.event_types import SCHEMA_FILE, event_schemas, schema_text
from headcount.events.types import EVENT_TYPES, Carries
from serving import tenant_of


def test_the_schemas_in_the_reference_are_those_of_the_code():
    assert SCHEMA_FILE.read_text("utf-8") == schema_text()


def _faults(event, schema):
    """What is wrong with an event, as far as its schema uses: types, constants, required members."""
    kinds = {"object": dict, "string": str, "integer": int, "array": list, "boolean": bool}
    if "const" in schema and event != schema["const"]:
        yield f"{event} is not {schema['const']}"
    if "enum" in schema and event not in schema["enum"]:
        yield f"{event} is none of {schema['enum']}"
    if "type" in schema and not isinstance(event, kinds[schema["type"]]):
        yield f"{event} is no {schema['type']}"
    elif isinstance(event, dict):
        yield from (f"{name} is missing" for name in schema.get("required", ()) if name not in event)
        for name, value in event.items():
            if schema.get("properties") and name not in schema["properties"]:
                yield f"{name} is not described"
            yield from _faults(value, schema.get("properties", {}).get(name, {}))
    elif isinstance(event, list):
        yield from (fault for item in event for fault in _faults(item, schema.get("items", {})))


def test_what_happens_is_as_described(server, new_tenant):
    client = new_tenant()
    ada = client.new_user(externalId="hr-1")["id"]
    for value in ({"title": "x"}, {"active": False}, {"active": True}):
        client.patch(f"/Users/{ada}", {"op": "replace", "value": value}).ok()
    team = client.new_group(ada)["id"]
    client.patch(f"/Groups/{team}", {"op": "replace", "value": {"displayName": "y"}}).ok()
    client.delete(f"/Groups/{team}").ok(204)
    client.delete(f"/Users/{ada}").ok(204)

    async def mark(installation):
        store = installation.store.for_tenant(tenant_of(client))
        for kind in ("change.held", "change.released", "change.rejected", "snapshot.needed", "resource.erased"):
            await store.mark(kind, b"{}", at="2026-01-01T00:00:00.000000Z", actor="a", request_id="r")

    server.administer(mark)
    operator = server.client("/scim", server.operator_token())
    told = client.at(f"/t/{tenant_of(client)}/events").get("").ok()["events"]
    told += operator.get("/events", limit=1000).ok()["events"]
    operator.close()
    schemas = event_schemas()["$defs"]
    faults = {json.dumps(event)[:200]: list(_faults(event, schemas[event["type"]])) for event in told}
    assert {event: found for event, found in faults.items() if found} == {}
    expected = {item.name for item in EVENT_TYPES if item.name.split(".")[0] in ("user", "group", "change", "snapshot")}
    assert expected - {event["type"] for event in told} == {"user.lockedOut"}


def test_what_a_type_carries_is_there(new_tenant):
    client = new_tenant()
    ada = client.new_user()["id"]
    client.new_group(ada)
    client.patch(f"/Users/{ada}", {"op": "replace", "value": {"title": "x"}}).ok()
    client.delete(f"/Users/{ada}").ok(204)
    carried = {item.name: item.carries for item in EVENT_TYPES}
    for event in client.at(f"/t/{tenant_of(client)}/events").get("").ok()["events"]:
        carries = carried[event["type"]]
        assert ("after" in event["data"]) is (Carries.AFTER in carries)
        assert ("previous" in event["data"]) is (Carries.PREVIOUS in carries)
        assert ("added" in event["data"]) is (Carries.MEMBERS in carries)
