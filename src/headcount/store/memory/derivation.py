"""What is derived on reading: the groups of a user, the members of a group, the manager's name, `meta`."""

from collections.abc import Mapping

import orjson

from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.versions import entity_tag
from headcount.store.interface import StoredResource
from headcount.store.memory.contents import Contents, Row


def stored(contents: Contents, row: Row, *, groups: bool = True, private: bool = False) -> StoredResource:
    """The resource as the interface describes it."""
    found = _groups(contents, row) if groups else []
    manager = _manager(contents, row)
    return StoredResource(
        row.type,
        row.id,
        row.version,
        row.created,
        row.modified,
        row.document,
        orjson.dumps(found) if found else None,
        orjson.dumps(manager)[1:-1] if manager else None,
        len(contents.memberships.of(row.id)),
        row.private if private else None,
        row.connection,
    )


def whole(contents: Contents, row: Row, resource_type: ResourceType, base_url: str) -> Mapping[str, Json]:
    """The resource as a client receives it: what filters and sorting are about."""
    resource: dict[str, Json] = orjson.loads(row.document)
    resource["meta"] = {
        "resourceType": row.type,
        "created": row.created,
        "lastModified": row.modified,
        "location": f"{base_url}{resource_type.endpoint}/{row.id}",
        "version": entity_tag(row.version),
    }
    if manager := _manager(contents, row):
        resource[ENTERPRISE_USER]["manager"] |= _absolute(manager, base_url)
    if groups := _groups(contents, row):
        resource["groups"] = [_absolute(group, base_url) for group in groups]
    if members := _members(contents, row):
        resource["members"] = [_absolute(member, base_url) for member in members]
    return resource


def _groups(contents: Contents, row: Row) -> list[dict[str, Json]]:
    """In the order of their ids; only users have them."""
    if row.type != "User":
        return []
    return [
        {
            "value": group_id,
            "$ref": f"/Groups/{group_id}",
            "display": contents.label_of("Group", group_id),
            "type": kind,
        }
        for group_id, kind in sorted(contents.memberships.all_above(row.id).items())
        if ("Group", group_id) in contents.rows
    ]


def _members(contents: Contents, row: Row) -> list[dict[str, Json]]:
    """In the order of their ids."""
    return [
        {"value": member, "$ref": f"/{kind}s/{member}", "type": kind}
        | _named("display", contents.label_of(kind, member))
        for member, kind in sorted(contents.memberships.of(row.id).items())
    ]


def _manager(contents: Contents, row: Row) -> dict[str, Json]:
    """What is known of the manager, when the manager is a user of the tenant."""
    manager = contents.rows.get(("User", row.keys.manager or ""))
    return {"$ref": f"/Users/{manager.id}"} | _named("displayName", manager.keys.label) if manager else {}


def _named(name: str, label: str) -> dict[str, Json]:
    """What a reference displays of a resource, when that has a name."""
    return {name: label} if label else {}


def _absolute(value: Mapping[str, Json], base_url: str) -> dict[str, Json]:
    return {**value, "$ref": base_url + value["$ref"]}
