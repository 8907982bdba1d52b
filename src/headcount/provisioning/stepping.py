"""From a change of a plan to a step at the target: source keys become ids. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from headcount.provisioning.links import Link, Links, resolved
from headcount.provisioning.mapping.attributes import resource_of
from headcount.provisioning.plan import Action, Change, ValueChange
from headcount.provisioning.records import RecordKind
from headcount.provisioning.targets.steps import Member, Step
from headcount.scim.schemas import Json

TYPES: Final = {RecordKind.PERSON: "User", RecordKind.GROUP: "Group"}
_EXPECTED: Final = ("userName", "displayName", "externalId")
_NOBODY: Final = Member("00000000-0000-0000-0000-000000000000")


class UnresolvedError(Exception):
    """A change refers to somebody who has no account at the target; the message names them."""


def ids_of(links: Links) -> dict[str, str]:
    """The ids of persons at the target by source key."""
    return {key: link.target_id for key, link in links.persons.items()}


def step_of(change: Change, links: Links, ids: Mapping[str, str]) -> Step:
    """The step that a change comes to now; raises UnresolvedError. Members who are not there are left out."""
    missing = [key for key in change.references if key not in ids]
    if missing:
        raise UnresolvedError(f"{', '.join(missing)} has no account there yet")
    link = links.of(change.kind).get(change.key)
    return Step(
        change.action,
        TYPES[change.kind],
        change.key,
        change.target_id or (link.target_id if link else ""),
        resource=desired_resource(change, ids),
        values=() if change.action is Action.CREATE else tuple(_resolved(value, ids) for value in change.values),
        added=tuple(_members(change.added, change, links)),
        removed=tuple(_members(change.removed, change, links)),
        members=_all_members(change, link, links) if change.kind is RecordKind.GROUP else None,
        version=link.etag if link else "",
        expected=_expected(link) if link else {},
        empties=change.is_emptying,
    )


def estimated(changes: Iterable[Change]) -> Iterator[Step]:
    """Steps for an estimate: as many requests as those that are sent, and to nobody."""
    for change in changes:
        if change.action not in (Action.REVIEW, Action.PARK):
            is_new = change.action is Action.CREATE
            yield Step(
                change.action,
                TYPES[change.kind],
                change.key,
                change.target_id,
                resource={} if is_new else desired_resource(change, {}),
                values=() if is_new else tuple(change.values),
                added=(_NOBODY,) * len(change.added),
                removed=(_NOBODY,) * len(change.removed),
                empties=change.is_emptying,
            )


def who_arrived(change: Change, links: Links, added: Iterable[str], removed: Iterable[str]) -> Change:
    """The part of a change that was done, when it names ids of members who came and went."""
    there, away = set(added), set(removed)
    return replace(
        change,
        added=tuple(key for key in change.added if _id_of(key, change, links) in there),
        removed=tuple(key for key in change.removed if _id_of(key, change, links) in away),
        fingerprint="",
    )


def those_there(change: Change, links: Links) -> Change:
    """The change without members to add who have no account."""
    if not change.added:
        return change
    return replace(change, added=tuple(key for key in change.added if _id_of(key, change, links)))


def desired_resource(change: Change, ids: Mapping[str, str]) -> dict[str, Json]:
    """The whole desired resource of a create or an adoption, without members."""
    if change.action not in (Action.CREATE, Action.ADOPT):
        return {}
    state = {path: new for path, new in change.values.wanted.items() if new is not None}
    resource = resource_of({**change.agreed, **state})
    return {name: resolved(value, ids) for name, value in resource.items()} if change.references else resource


def _resolved(value: ValueChange, ids: Mapping[str, str]) -> ValueChange:
    return ValueChange(value.path, resolved(value.old, ids), resolved(value.new, ids))


def _id_of(key: str, change: Change, links: Links) -> str:
    link = _link_of(key, change, links)
    return link.target_id if link else ""


def _link_of(key: str, change: Change, links: Links) -> Link | None:
    return links.groups.get(key) if key in change.nested else links.persons.get(key)


def _members(keys: Iterable[str], change: Change, links: Links) -> Iterable[Member]:
    for key in keys:
        if link := _link_of(key, change, links):
            yield Member(link.target_id, TYPES[link.kind], link.label)


def _all_members(change: Change, link: Link | None, links: Links) -> tuple[Member, ...]:
    """Everybody who is to be in a group afterwards."""
    before = set(link.members) if link else set()
    keys = sorted((before | set(change.added)) - set(change.removed))
    found = (links.persons.get(key) or links.groups.get(key) for key in keys)
    return tuple(Member(item.target_id, TYPES[item.kind], item.label) for item in found if item)


def _expected(link: Link) -> dict[str, Json]:
    known = link.known_values
    return {name: known[name] for name in _EXPECTED if name in known}
