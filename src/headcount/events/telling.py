"""Rows of the change log told as events, within what a listener may know. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson

from headcount.events.types import LOCKED_OUT, MEMBERS_AN_EVENT, SNAPSHOT_NEEDED, Event, prefix_of
from headcount.scim.projection import Projection
from headcount.scim.registry import Registry
from headcount.scim.scopes import Operation, Permission, Permissions
from headcount.store.keeping import ChangeRow

ENTERED: Final[Mapping[str, Any]] = {"reason": "entered"}
"""What marks an event of something that came within a fence."""
_LEFT: Final[Mapping[str, Any]] = {"reason": "left"}
_NO_MARKS: Final[Mapping[str, Any]] = {}
INACTIVE: Final = b'"active":false'
"""What the document of somebody who is not active holds."""
_EXTERNAL_ID: Final = re.compile(rb'\{(?:"schemas":\[[^\]]*\],|"id":"[^"\\]*",)*"externalId":("(?:[^"\\]|\\.)*")')
_VERBS: Final = {"create": "created", "update": "updated", "delete": "deleted"}


def events_of(
    row: ChangeRow, tenant: str, registry: Registry, permissions: Permissions, seen: Collection[str] = ()
) -> Iterator[Event]:
    """The events that one row means to a listener, in order; none when it may not know of the resource.

    A fence is asked of the resource before and after: what comes in is told as created, what goes out as deleted,
    each with the reason. `after` and `previous` hold what the listener may read. Where a fence hides groups or their
    members, memberships are told as far as both are among those `seen`.
    """
    resource_type = registry.by_name.get(row.type)
    if not row.type:
        yield from _mark(row, tenant, permissions)
    elif resource_type is not None and permissions.of(resource_type).may(Operation.READ):
        permission = permissions.of(resource_type)
        if row.kind != "update" or row.after is not None:
            yield from (_restricted if permissions.is_restricted else _plain)(row, tenant, permission)
        if (row.added or row.removed) and row.kind != "delete" and tells_members(permission):
            yield from _members(row, tenant, seen if hides_members(permission) else None)


def tells_members(permission: Permission) -> bool:
    """Whether a listener hears who belongs to resources of a type."""
    is_readable = permission.may(Operation.READ) and _shows(permission, "members")
    return permission.resource_type.keeps_members and is_readable


def hides_members(permission: Permission) -> bool:
    """Whether some groups, or some who may be in them, are behind a fence.

    Rows that change members hold no document to ask a fence of, and no more than the ids of the people.
    """
    return permission.fence is not None or "members" in permission.unsearchable


def membership(row: ChangeRow, tenant: str, group: tuple[str, str, int], part: str, *, added: Sequence[str]) -> Event:
    """What a resource brings along that comes within a fence; `group` is (type, id, version)."""
    kind, group_id, version = group
    event = _event(row, tenant, f"{prefix_of(kind)}.members", part=f".entered{part}", added=tuple(added), marks=ENTERED)
    return replace(event, resource_type=kind, resource_id=group_id, version=version)


def locks_out(row: ChangeRow) -> bool:
    """Whether a row means that somebody must be shut out: deactivated or deleted."""
    return row.type == "User" and (row.kind == "delete" or _verb(row) == "deactivated")


def lock_out_of(event: Event) -> Event:
    """The lock-out that a deactivation or deletion means."""
    return replace(event, type=LOCKED_OUT, id=f"{event.id}.lockout", after=None, previous=None)


def text_of(event: Event) -> bytes:
    """The JSON text of an event; documents go in as they are kept."""
    resource = b""
    if event.resource_id:
        described: dict[str, Any] = {"type": event.resource_type, "id": event.resource_id, "version": event.version}
        if event.external_id:
            described["externalId"] = event.external_id
        resource = b',"resource":' + orjson.dumps(described)
    parts = [
        b'{"type":"%b","timestamp":"%b","data":{"id":"%b","tenant":"%b","position":%d'
        % (event.type.encode(), event.timestamp.encode(), event.id.encode(), event.tenant.encode(), event.position),
        b',"txn":' + orjson.dumps(event.txn) + resource,
        b',"actor":' + orjson.dumps(event.actor) + b',"requestId":' + orjson.dumps(event.request_id),
    ]
    if event.after is not None:
        parts.append(b',"after":' + event.after)
    if event.previous is not None:
        parts.append(b',"previous":' + event.previous)
    if event.added or event.removed:
        parts.append(b',"added":' + orjson.dumps(event.added) + b',"removed":' + orjson.dumps(event.removed))
    parts += [b"," + orjson.dumps({name: value})[1:-1] for name, value in event.marks.items()]
    return b"".join(parts) + b"}}"


def _event(row: ChangeRow, tenant: str, type_name: str, **told: Any) -> Event:
    event_id = f"{tenant}.{row.position}"
    return Event(
        type=type_name,
        timestamp=row.at,
        id=event_id + told.pop("part", ""),
        tenant=tenant,
        position=row.position,
        txn=row.request_id or event_id,
        actor=row.actor.partition(" ")[0],  # what is behind the id is for the record alone
        request_id=row.request_id,
        resource_type=row.type,
        resource_id=row.id,
        version=row.version,
        **told,
    )


def _mark(row: ChangeRow, tenant: str, permissions: Permissions) -> Iterator[Event]:
    """What belongs to no resource; those with scopes hear no more of it than that they need a new snapshot."""
    if not permissions.is_restricted:
        yield _event(row, tenant, row.kind, after=row.after)
    elif row.kind == SNAPSHOT_NEEDED:
        yield _event(row, tenant, row.kind)


def _plain(row: ChangeRow, tenant: str, permission: Permission) -> Iterator[Event]:
    """Everything that is ever returned, to those who may know everything."""
    after, previous = row.after, row.before
    if not permission.resource_type.is_verbatim:
        projection = permission.projection
        after, previous = (text and orjson.dumps(projection.apply(orjson.loads(text))) for text in (after, previous))
    yield _event(
        row,
        tenant,
        f"{prefix_of(row.type)}.{_verb(row)}",
        external_id=_external_id(after or previous),
        after=after,
        previous=previous,
    )


def _restricted(row: ChangeRow, tenant: str, permission: Permission) -> Iterator[Event]:
    """What is left of it within scopes and fence."""
    projection = permission.projection
    before, after = (_within(text, permission, projection) for text in (row.before, row.after))
    if before == after:  # neither shows, or nothing that shows is another
        return
    verb, marks = _verb(row), _NO_MARKS
    if row.kind == "update" and (before is None or after is None):
        verb, marks = ("created", ENTERED) if before is None else ("deleted", _LEFT)
    elif verb in ("deactivated", "reactivated") and not _shows(permission, "active"):
        verb = "updated"
    yield _event(
        row,
        tenant,
        f"{prefix_of(row.type)}.{verb}",
        external_id=str((after or before or {}).get("externalId", "")),
        after=None if after is None else orjson.dumps(after),
        previous=None if before is None else orjson.dumps(before),
        marks=marks,
    )


def _members(row: ChangeRow, tenant: str, seen: Collection[str] | None) -> Iterator[Event]:
    """Who came and who went, of those that are seen (None for all); at most `MEMBERS_AN_EVENT` an event."""
    moves = [(True, member) for member in row.added] + [(False, member) for member in row.removed]
    if seen is not None:
        moves = [(came, member) for came, member in moves if member in seen and row.id in seen]
    for part, start in enumerate(range(0, len(moves), MEMBERS_AN_EVENT)):
        some = moves[start : start + MEMBERS_AN_EVENT]
        yield _event(
            row,
            tenant,
            f"{prefix_of(row.type)}.members",
            part=f".members.{part}",
            added=tuple(member for came, member in some if came),
            removed=tuple(member for came, member in some if not came),
        )


def _verb(row: ChangeRow) -> str:
    if row.kind == "update" and row.type == "User":
        was, now = _is_active(row.before), _is_active(row.after)
        if was is not now:
            return "reactivated" if now else "deactivated"
    return _VERBS[row.kind]


def _is_active(document: bytes | None) -> bool:
    """Who has no `active` is active (RFC 7643 §4.1.1 leaves it to the service provider)."""
    return document is None or INACTIVE not in document or _document(document).get("active", True) is not False


def _external_id(document: bytes | None) -> str:
    """Where it stands is known of most documents, so that they need not be parsed."""
    if document is None or b'"externalId":' not in document:
        return ""
    found = _EXTERNAL_ID.match(document)
    return str(orjson.loads(found[1]) if found else _document(document).get("externalId", ""))


def _document(document: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(document) if document else {}
    return found


def _within(document: bytes | None, permission: Permission, projection: Projection) -> dict[str, Any] | None:
    """What a listener may know of a document; None behind the fence, or when there is none."""
    whole = _document(document)
    return projection.apply(whole) if whole and permission.admits(whole) else None


def _shows(permission: Permission, name: str) -> bool:
    return permission.shown is None or ("", name) in permission.shown
