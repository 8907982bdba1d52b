"""Resource types with every kind of attribute, and writes as the directory makes them."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson

from headcount.scim.comparison import compare_document
from headcount.scim.definitions import ENTERPRISE_USER
from headcount.scim.registry import GROUP, ResourceType, SchemaExtension
from headcount.scim.registry import USER as PLAIN_USER
from headcount.scim.schemas import Attribute, Json, Schema, Type, Uniqueness
from headcount.store.interface import Create, MembershipChange, Origin, Update
from headcount.store.keys import keys_of

BASE_URL: Final = "https://scim.example/t/acme/scim/v2"
EARLY: Final = "2026-01-05T08:30:00.000000Z"
LATE: Final = "2026-02-05T08:30:00.000000Z"
LATEST: Final = "2026-03-05T08:30:00.000000Z"

EXTRA_URN: Final = "urn:example:scim:schemas:2.0:Extra"
EXTRA: Final = Schema(
    EXTRA_URN,
    "Extra",
    "",
    (
        Attribute("number", uniqueness=Uniqueness.SERVER),
        Attribute("seats", Type.INTEGER, uniqueness=Uniqueness.SERVER),
        Attribute("vip", Type.BOOLEAN),
        Attribute("tags", multi_valued=True),
        Attribute(
            "card",
            Type.COMPLEX,
            sub_attributes=(
                Attribute("code", case_exact=True, uniqueness=Uniqueness.GLOBAL),
                Attribute("until", Type.DATE_TIME),
            ),
        ),
    ),
)
BADGE_URN: Final = "urn:example:scim:schemas:2.0:Badge"
USER: Final = ResourceType(
    "User", "/Users", "", PLAIN_USER.schema, (SchemaExtension(ENTERPRISE_USER), SchemaExtension(EXTRA))
)
BADGE: Final = ResourceType(
    "Badge",
    "/Badges",
    "",
    Schema(
        BADGE_URN,
        "Badge",
        "",
        (
            Attribute("displayName"),
            Attribute("code", case_exact=True, uniqueness=Uniqueness.SERVER),
            Attribute("level", Type.INTEGER),
            Attribute("weight", Type.DECIMAL),
            Attribute("issued", Type.DATE_TIME),
            Attribute("valid", Type.BOOLEAN),
            Attribute("home", Type.REFERENCE),
            Attribute("seal", Type.BINARY),
            Attribute("scores", Type.INTEGER, multi_valued=True),
            Attribute("days", Type.DATE_TIME, multi_valued=True),
            Attribute(
                "places",
                Type.COMPLEX,
                multi_valued=True,
                sub_attributes=(
                    Attribute("value"),
                    Attribute("exact", case_exact=True),
                    Attribute("since", Type.DATE_TIME),
                    Attribute("size", Type.DECIMAL),
                    Attribute("primary", Type.BOOLEAN),
                ),
            ),
        ),
    ),
    (SchemaExtension(EXTRA),),
)
STAFF: Final = ResourceType("Staff", "/Staff", "", PLAIN_USER.schema)
"""Another type with the schema of users."""
TEAM: Final = ResourceType("Team", "/Teams", "", GROUP.schema)
"""Another type that keeps members."""
TYPES: Final = (USER, GROUP, BADGE, STAFF, TEAM)


def origin(at: str = EARLY) -> Origin:
    """Somebody asked for a change at that time."""
    return Origin(at, "token-1", "request-1")


def resource(kind: ResourceType, resource_id: str, attributes: Mapping[str, Json]) -> dict[str, Json]:
    """The canonical resource."""
    extensions = [name for name in attributes if ":" in name]
    return {"schemas": [kind.schema.id, *extensions], "id": resource_id, **attributes}


def create(
    kind: ResourceType,
    resource_id: str,
    attributes: Mapping[str, Json] | None = None,
    *,
    members: Sequence[str] | None = None,
    private: bytes | None = None,
    at: str = EARLY,
) -> Create:
    """A resource to add; a user without a userName gets one."""
    attributes = {**({"userName": resource_id} if kind is USER else {}), **(attributes or {})}
    made = resource(kind, resource_id, attributes)
    return Create(
        kind.name,
        resource_id,
        orjson.dumps(made),
        orjson.dumps(compare_document(made, kind)),
        private,
        keys_of(made, kind),
        origin(at),
        None if members is None else MembershipChange(added=tuple(members)),
    )


def replacement(
    kind: ResourceType,
    before: Create | Update,
    attributes: Mapping[str, Json],
    expected_version: int = 1,
    *,
    members: MembershipChange | None = None,
    private: bytes | None = None,
    at: str = LATE,
) -> Update:
    """Other attributes for a resource that was written so."""
    made = resource(kind, before.id, {**({"userName": before.id} if kind is USER else {}), **attributes})
    return Update(
        kind.name,
        before.id,
        origin(at),
        expected_version,
        orjson.dumps(made),
        orjson.dumps(compare_document(made, kind)),
        private,
        keys_of(made, kind),
        before.keys,
        before.document,
        members,
    )


def member_change(
    group_id: str,
    *,
    added: Sequence[str] = (),
    removed: Sequence[str] = (),
    clear: bool = False,
    expected_version: int | None = None,
    at: str = LATE,
    kind: ResourceType = GROUP,
) -> Update:
    """A change of members alone."""
    change = MembershipChange(tuple(added), tuple(removed), clear)
    return Update(kind.name, group_id, origin(at), expected_version, members=change)
