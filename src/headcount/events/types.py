"""What can happen, as a table: event types, what each carries, and the JSON Schema of every event."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

SNAPSHOT_NEEDED: Final = "snapshot.needed"
TEST: Final = "webhook.test"
LOCKED_OUT: Final = "user.lockedOut"
MEMBERS_AN_EVENT: Final = 1_000
"""Members that one `group.members` event lists at most, added and removed together."""


class Carries(StrEnum):
    """What an event of a type holds besides where, when and by whom."""

    AFTER = "after"
    """The resource as it is now."""
    PREVIOUS = "previous"
    """The resource as it was."""
    MEMBERS = "members"
    """The ids of members that came and went."""


@dataclass(frozen=True, slots=True)
class EventType:
    """One type of event."""

    name: str
    meaning: str
    carries: tuple[Carries, ...] = ()


_AFTER: Final = (Carries.AFTER,)
_BOTH: Final = (Carries.AFTER, Carries.PREVIOUS)
_PREVIOUS: Final = (Carries.PREVIOUS,)

EVENT_TYPES: Final = (
    EventType("user.created", "Somebody is there who was not.", _AFTER),
    EventType("user.updated", "Attributes of a user are others than before.", _BOTH),
    EventType("user.deactivated", "`active` has become false.", _BOTH),
    EventType("user.reactivated", "`active` has become true again.", _BOTH),
    EventType("user.deleted", "A user is there no more.", _PREVIOUS),
    EventType(LOCKED_OUT, "A user must be shut out now: deactivated or deleted. Sent ahead of everything.", ()),
    EventType("group.created", "A group is there that was not; its members follow as `group.members`.", _AFTER),
    EventType("group.updated", "Attributes of a group, members apart, are others than before.", _BOTH),
    EventType("group.members", "Members have come or gone, at most 1,000 an event.", (Carries.MEMBERS,)),
    EventType("group.deleted", "A group is there no more.", _PREVIOUS),
    EventType("tenant.created", "A tenant was made.", _AFTER),
    EventType("tenant.updated", "A tenant's settings are others than before.", _BOTH),
    EventType("tenant.deleted", "A tenant was deleted.", _PREVIOUS),
    EventType("tenant.exported", "A tenant is being written to an archive: `after` has its name.", _AFTER),
    EventType("schema.changed", "Schemas of a `tenant` were added or changed: `after` has their `documents`.", _AFTER),
    EventType("schema.removed", "A `schema` of a `tenant` was removed; `after` names both.", _AFTER),
    EventType("index.declared", "An attribute of a `tenant` is to be indexed: `after` has `type` and `path`.", _AFTER),
    EventType("index.dropped", "An attribute of a `tenant` is indexed no more; `after` likewise.", _AFTER),
    EventType("connection.created", "A connection was made.", _AFTER),
    EventType("connection.updated", "A connection's settings are others than before.", _BOTH),
    EventType("connection.deleted", "A connection was deleted.", _PREVIOUS),
    EventType("accessToken.created", "A token was made.", _AFTER),
    EventType("accessToken.updated", "A token was changed, revoked perhaps.", _BOTH),
    EventType("accessToken.deleted", "A token was deleted.", _PREVIOUS),
    EventType("webhookSubscription.created", "Somebody is told of events who was not.", _AFTER),
    EventType("webhookSubscription.updated", "A subscription was changed, or disabled.", _BOTH),
    EventType("webhookSubscription.deleted", "Somebody is told of events no more.", _PREVIOUS),
    EventType("webhookSubscription.rotated", "A `subscription` has a new secret; `after` names it.", _AFTER),
    EventType(
        "change.held", "The guard holds a change back for review: `after` has its `id` and the `reason`.", _AFTER
    ),
    EventType("change.released", "A held change was carried out: `after` has its `id`.", _AFTER),
    EventType("change.rejected", "A held change was dropped: `after` has its `id`.", _AFTER),
    EventType("resource.erased", "What the log held of a `resource` was emptied; `after` names it.", _AFTER),
    EventType(
        SNAPSHOT_NEEDED, "An import has changed so much that consumers do better to take a new snapshot.", _AFTER
    ),
    EventType(TEST, "Nothing happened: an operator tries a webhook."),
)
"""Custom resource types have `created`, `updated` and `deleted` behind their own name, its first letter lower."""

VERBS: Final[Mapping[str, tuple[Carries, ...]]] = {"created": _AFTER, "updated": _BOTH, "deleted": _PREVIOUS}
"""What a custom resource type's events carry."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in one tenant; documents are JSON text as it is kept."""

    type: str
    timestamp: str
    """UTC, fixed width."""
    id: str
    """The same whenever and however the event is told."""
    tenant: str
    position: int
    txn: str
    """What one request did has one txn (RFC 9967 §2.1)."""
    actor: str
    request_id: str
    resource_type: str = ""
    resource_id: str = ""
    external_id: str = ""
    version: int = 0
    after: bytes | None = None
    previous: bytes | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    marks: Mapping[str, Any] = field(default_factory=dict)
    """Further members of `data`: `gapBefore`, `reason`."""


def prefix_of(resource_type: str) -> str:
    """What the names of a resource type's events begin with: `user`, `accessToken`."""
    return resource_type[:1].lower() + resource_type[1:]


def json_schema(event_type: EventType) -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event of a type."""
    text = {"type": "string"}
    data: dict[str, Any] = {
        "id": text,
        "tenant": text,
        "position": {"type": "integer", "minimum": 0},
        "txn": text,
        "resource": {
            "type": "object",
            "properties": {"type": text, "id": text, "externalId": text, "version": {"type": "integer"}},
            "required": ["type", "id", "version"],
        },
        "actor": text,
        "requestId": text,
        "gapBefore": {"type": "boolean"},
        "reason": {"enum": ["entered", "left"]},
    }
    if Carries.AFTER in event_type.carries:
        data["after"] = {"type": "object"}
    if Carries.PREVIOUS in event_type.carries:
        data["previous"] = {"type": "object"}
    if Carries.MEMBERS in event_type.carries:
        data |= {name: {"type": "array", "items": text} for name in ("added", "removed")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type.name,
        "description": event_type.meaning,
        "type": "object",
        "properties": {
            "type": {"const": event_type.name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "properties": data,
                "required": ["id", "tenant", "position", "txn", "actor", "requestId"],
            },
        },
        "required": ["type", "timestamp", "data"],
    }
