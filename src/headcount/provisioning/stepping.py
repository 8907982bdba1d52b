"""From a change of a plan to a step at the target: source keys become ids. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from headcount.provisioning.links import Link, Links, resolved
from headcount.provisioning.plan import Action, Change, ValueChange
from headcount.provisioning.records import RecordKind
from headcount.provisioning.targets.steps import Member, Step
from headcount.scim.schemas import Json

TYPES: Final = {RecordKind.PERSON: "User", RecordKind.GROUP: "Group"}
_EXPECTED: Final = ("userName", "displayName", "externalId")
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
"""Stands in an estimate for who is not there yet."""


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
    added = tuple(_members(change.added, change, links))
    removed = tuple(_members(change.removed, change, links))
    return Step(
        change.action,
        TYPES[change.kind],
        change.key,
        change.target_id or (link.target_id if link else ""),
        resource=resolved(dict(change.resource), ids),
        values=tuple(
            ValueChange(item.path, resolved(item.old, ids), resolved(item.new, ids)) for item in change.values
        ),
        added=added,
        removed=removed,
        members=_all_members(change, link, links) if change.kind is RecordKind.GROUP else None,
        version=link.etag if link else "",
        expected=_expected(link) if link else {},
        empties=change.is_emptying,
    )


def estimated(changes: Iterable[Change], links: Links) -> list[Step]:
    """Steps for an estimate, in which everybody is there already."""
    coming = {change.key: _NOBODY for change in changes if change.action in (Action.CREATE, Action.ADOPT)}
    ids = {**coming, **ids_of(links)}
    steps = []
    for change in changes:
        if change.action in (Action.REVIEW, Action.PARK):
            continue
        members = [Member(ids.get(key, _NOBODY)) for key in change.added]
        step = step_of(replace(change, references=(), added=()), links, ids)
        steps.append(replace(step, added=tuple(members)))
    return steps


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
    return replace(change, added=tuple(key for key in change.added if _id_of(key, change, links)))


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
