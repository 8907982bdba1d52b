"""Rows of the change log told as events, within what a listener may know. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

from headcount.events.types import MEMBERS_AN_EVENT, SNAPSHOT_NEEDED, Event, prefix_of
from headcount.scim.projection import Projection
from headcount.scim.registry import Registry
from headcount.scim.scopes import Operation, Permission, Permissions
from headcount.store.keeping import ChangeRow

_EXTERNAL_ID: Final = re.compile(rb'\{(?:"schemas":\[[^\]]*\],|"id":"[^"\\]*",)*"externalId":("(?:[^"\\]|\\.)*")')
_VERBS: Final = {"create": "created", "update": "updated", "delete": "deleted"}


def events_of(row: ChangeRow, tenant: str, registry: Registry, permissions: Permissions) -> Iterator[Event]:
    """The events that one row means to a listener, in order; none when it may not know of the resource.

    A fence is asked of the resource before and after: what comes in is told as created, what goes out as deleted,
    each with the reason. `after` and `previous` hold what the listener may read.
    """
    resource_type = registry.by_name.get(row.type)
    if not row.type:
        yield from _mark(row, tenant, permissions)
    elif resource_type is not None and permissions.of(resource_type).may(Operation.READ):
        permission = permissions.of(resource_type)
        if row.kind != "update" or row.after is not None:
            yield from (_restricted if permissions.is_restricted else _plain)(row, tenant, permission)
        if (row.added or row.removed) and row.kind != "delete" and tells_members(permission):
            yield from _members(row, tenant)


def tells_members(permission: Permission) -> bool:
    """Whether a listener hears who belongs to resources of a type.

    Rows that change members hold no document to ask a fence of, and no more than the ids of the people: a fence on
    the groups or on their members shuts all of it.
    """
    is_fenced = permission.fence is not None or "members" in permission.unsearchable
    return permission.resource_type.keeps_members and not is_fenced and _shows(permission, "members")


def locks_out(row: ChangeRow) -> bool:
    """Whether a row means that somebody must be shut out: deactivated or deleted."""
    return row.type == "User" and (row.kind == "delete" or _verb(row) == "deactivated")


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
        actor=row.actor,
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
        projection = Projection(permission.resource_type)
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
    projection = Projection(permission.resource_type, readable=permission.shown)
    before, after = (_within(text, permission, projection) for text in (row.before, row.after))
    if before == after:  # neither shows, or nothing that shows is another
        return
    verb, marks = _verb(row), dict[str, str]()
    if row.kind == "update" and (before is None or after is None):
        verb, marks = ("created", {"reason": "entered"}) if before is None else ("deleted", {"reason": "left"})
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


def _members(row: ChangeRow, tenant: str) -> Iterator[Event]:
    """Who came and who went, at most `MEMBERS_AN_EVENT` an event."""
    moves = [(True, member) for member in row.added] + [(False, member) for member in row.removed]
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
    return document is None or b'"active":false' not in document or _document(document).get("active", True) is not False


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
