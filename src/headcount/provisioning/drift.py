"""What somebody else changed at a target: apart from what is to be done about the source."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from headcount.provisioning.desired import referred
from headcount.provisioning.differences import shown
from headcount.provisioning.jobs import Drift
from headcount.provisioning.links import Link, Links, change_of, resolved
from headcount.provisioning.mapping.attributes import AttributeMapping, Owner
from headcount.provisioning.plan import Action, Change, ValueChange, Values
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.situation import Situation
from headcount.provisioning.targets.paths import holds, member, values_at
from headcount.scim.folding import fold

_SHOWN: Final = 10
"""Ids of strangers in a reason."""


def drift_of(situation: Situation) -> Iterator[Change]:
    """A change for each account or group that has drifted, which would undo it; nothing unless all were read."""
    if situation.actual is None:
        return
    groups = situation.job.groups
    ids = {key: link.target_id for key, link in situation.links.persons.items()}
    sides = (
        (situation.links.persons, situation.job.mappings(situation.target)),
        (situation.links.groups, groups.mappings if groups else ()),
    )
    membership = _Membership(situation.links, situation.actual)
    for links, mappings in sides:
        for link in links.values():
            yield from _drift(link, situation.actual, mappings, ids)
            yield from membership.drift(link)


def overwritten(changes: list[Change], drift: list[Change], situation: Situation) -> list[Change]:
    """The changes with what undoes drift, where the target's policy says so."""
    if situation.target.drift is not Drift.OVERWRITE:
        return changes
    touched = {(change.kind, change.key) for change in changes}
    more = [change for change in drift if change.values or change.added or change.removed]
    return [*changes, *(change for change in more if (change.kind, change.key) not in touched)]


def orphans(situation: Situation) -> list[TargetRecord]:
    """Accounts and groups at the target that belong to nobody in the source."""
    linked = {link.target_id for kind in RecordKind for link in situation.links.of(kind).values()}
    return [record for identifier, record in (situation.actual or {}).items() if identifier not in linked]


def _drift(
    link: Link, actual: Mapping[str, TargetRecord], mappings: tuple[AttributeMapping, ...], ids: Mapping[str, str]
) -> Iterator[Change]:
    record = actual.get(link.target_id)
    if record is None:
        yield change_of(Action.REVIEW, link, "the account is gone at the target", "")
    elif values := Values(_changed(link, record, mappings, ids)):
        paths = ", ".join(value.path for value in values)
        references = tuple(sorted({key for value in values for key in referred(value.new)}))
        change = change_of(Action.UPDATE, link, f"changed at the target: {paths}", "")
        yield replace(change, values=values, references=references, fingerprint=link.fingerprint)


def _changed(
    link: Link, record: TargetRecord, mappings: tuple[AttributeMapping, ...], ids: Mapping[str, str]
) -> Iterator[ValueChange]:
    """What the target does not have any more as it answered it last; what it never gave back is not looked at."""
    known, sent = link.known_values, link.sent_values
    for mapping in mappings:
        path = mapping.path
        if path not in sent or mapping.owner is Owner.TARGET or known[path] is None:
            continue
        if not holds(record.resource, path, resolved(known[path], ids)):
            yield ValueChange(path, shown(values_at(record.resource, path)), sent[path])


class _Membership:
    """Who is in groups at the target, beside who was put there."""

    def __init__(self, links: Links, actual: Mapping[str, TargetRecord]) -> None:
        self._actual = actual
        self._links: Mapping[str, Link] = {**links.groups, **links.persons}
        self._keys = {link.target_id: key for key, link in self._links.items()}
        self._names = {fold(link.label): key for key, link in links.persons.items()}
        """Some targets show members by name."""

    def drift(self, link: Link) -> Iterator[Change]:
        """The change that brings the members back, of a group whose members can be read."""
        record = self._actual.get(link.target_id)
        shown = member(record.resource, "members") if record and link.kind is RecordKind.GROUP else None
        if not isinstance(shown, list):
            return
        there = {str(member(item, "value")) for item in shown}
        known = {value: key for value in there if (key := self._key_of(value))}
        missing = sorted(key for key in set(link.members) - set(known.values()) if self._is_at_target(key))
        added = sorted(set(known.values()) - set(link.members))
        strangers = sorted(there - known.keys())
        if missing or added or strangers:
            change = change_of(Action.MEMBERS, link, _in_words(missing, added, strangers), "")
            nested = tuple(key for key in (*missing, *added) if self._links[key].kind is RecordKind.GROUP)
            yield replace(change, added=tuple(missing), removed=tuple(added), nested=nested)

    def _key_of(self, value: str) -> str:
        return self._keys.get(value) or self._names.get(fold(value), "")

    def _is_at_target(self, key: str) -> bool:
        """Whether somebody can be put back into a group."""
        return key in self._links and self._links[key].target_id in self._actual


def _in_words(missing: Sequence[str], added: Sequence[str], strangers: Sequence[str]) -> str:
    """Strangers, to whom no record is linked, are told and left where they are."""
    names = f", {len(strangers)} unknown ({', '.join(strangers[:_SHOWN])})" if strangers else ""
    return f"changed at the target: members: {len(missing)} missing, {len(added)} added{names}"
