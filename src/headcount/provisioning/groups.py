"""What becomes of groups at one target, and who is in them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from operator import attrgetter
from typing import Final

import orjson

from headcount.provisioning.correlation import (
    Answers,
    Found,
    Match,
    Nobody,
    Question,
    Unclear,
    Verdict,
    correlate,
    decided,
)
from headcount.provisioning.desired import Desired, Group
from headcount.provisioning.differences import adoption_changes, all_values, value_changes
from headcount.provisioning.jobs import GROUP_RULES, GroupOrigin, Leaver, Nested
from headcount.provisioning.links import Link, change_of
from headcount.provisioning.mapping.attributes import Flat
from headcount.provisioning.people import People
from headcount.provisioning.plan import NO_VALUES, Action, Change, Values
from headcount.provisioning.records import RecordKind
from headcount.provisioning.situation import Situation
from headcount.scim.schemas import Json

_GROUP: Final = RecordKind.GROUP


class Groups:
    """Plans for the groups of one target, once it is known who is there."""

    def __init__(self, situation: Situation, answers: Answers, people: People) -> None:
        self._situation = situation
        self._answers = answers
        self._desired = situation.desired
        self._links = situation.links.groups
        self._linked = {link.target_id: key for key, link in self._links.items()}
        self._present = (situation.links.persons.keys() - people.leaving) | people.coming
        self._mappings = situation.job.groups.mappings if situation.job.groups else ()
        self._wanted = {key: group for key, group in self._desired.groups.items() if self._is_wanted(group)}
        self._members = _Members(situation)
        self._set_aside = {change.key for change in people.changes if change.action in (Action.PARK, Action.REVIEW)}
        self.unchanged = 0
        self.waiting: set[str] = set()
        """Keys of groups whose members are not all there, and may be once a record is not set aside any more."""
        self._coming: set[str] = set()

    def ask(self) -> None:
        """Asks about those that are not linked yet."""
        for group in self._arriving():
            self._match(group.key, _flat(group))

    def changes(self) -> Iterator[Change]:
        """Goes over all groups once."""
        arrivals = list(self._arrivals())
        self._coming = {change.key for change in arrivals if change.action in (Action.CREATE, Action.ADOPT)}
        for change in arrivals:
            yield from self._with_members(change)
        for key, group in self._wanted.items():
            if link := self._links.get(key):
                yield from self._stay(group, link)
        yield from self._departures()
        yield from self._parked()

    def _is_wanted(self, group: Group) -> bool:
        is_possible = self._situation.target.has_groups and self._situation.has_groups
        return is_possible and self._desired.is_in(group, self._situation.target)

    def _stay(self, group: Group, link: Link) -> Iterator[Change]:
        state = group.states[0]
        values = [] if link.fingerprint == state.fingerprint else value_changes(self._mappings, _flat(group), link)
        base = change_of(Action.UPDATE, link, "", group.digest)
        if values:
            paths = ", ".join(value.path for value in values)
            label = str(_flat(group).get("displayName") or link.label)
            yield replace(
                base,
                label=label,
                reason=f"changed: {paths}",
                values=Values(values),
                fingerprint=state.fingerprint,
            )
        membership = list(self._membership(base, self._members.of(group.key, link), link))
        yield from membership
        self.unchanged += not values and not membership

    def _membership(self, base: Change, wanted: set[str], link: Link) -> Iterator[Change]:
        """Who comes and goes, by comparison with who is known to be in the group."""
        before = set(link.members)
        there = self._here(link.key, wanted)
        added, removed = there - before, before - there
        if added or removed:
            reason = f"members: {len(added)} to add, {len(removed)} to remove"
            change = replace(base, action=Action.MEMBERS, reason=reason, is_emptying=bool(before) and not there)
            yield self._named(change, added, removed)

    def _here(self, group: str, wanted: set[str]) -> set[str]:
        """Those members of a group who are at the target by then."""
        there = wanted & self._present
        if (wanted - there) & self._set_aside:
            self.waiting.add(group)
        return there | {key for key in wanted - there if key in self._wanted and self._is_there(key)}

    def _is_there(self, key: str) -> bool:
        return key in self._links or key in self._coming

    def _named(self, change: Change, added: Iterable[str], removed: Iterable[str]) -> Change:
        added, removed = tuple(sorted(added)), tuple(sorted(removed))
        nested = tuple(key for key in (*added, *removed) if self._is_group(key))
        return replace(change, added=added, removed=removed, nested=nested)

    def _is_group(self, key: str) -> bool:
        is_person = key in self._present or key in self._situation.links.persons
        return not is_person and (key in self._links or key in self._coming)

    def _arrivals(self) -> Iterator[Change]:
        arriving = self._arriving()
        flats = {group.key: _flat(group) for group in arriving}
        matches = {group.key: self._match(group.key, flats[group.key]) for group in arriving}
        claims: dict[str, list[str]] = {}
        for key, match in matches.items():
            if isinstance(match, Found):
                claims.setdefault(match.record.id, []).append(key)
        for group in arriving:
            match = matches[group.key]
            if isinstance(match, Found) and len(claims[match.record.id]) > 1:
                match = Unclear(f"the group {match.record.id} matches {', '.join(claims[match.record.id])}", ())
            decision = self._situation.decisions.get((_GROUP, group.key))
            if decision is None or decision.verdict is not Verdict.IGNORE:
                yield self._arrival(group, flats[group.key], match)

    def _arriving(self) -> list[Group]:
        return sorted((group for key, group in self._wanted.items() if key not in self._links), key=attrgetter("key"))

    def _match(self, key: str, flat: Flat) -> Match:
        if decision := self._situation.decisions.get((_GROUP, key)):
            return decided(decision, "Group", self._answers)
        asked = [
            (rule.name, Question("Group", rule.attribute, flat[rule.attribute]))
            for rule in GROUP_RULES
            if isinstance(flat.get(rule.attribute), str)
        ]
        return correlate(asked, self._answers, self._linked, self._situation.target.adopt_groups)

    def _arrival(self, group: Group, flat: Flat, match: Match) -> Change:
        label = str(flat.get("displayName") or group.key)
        change = Change(
            Action.CREATE,
            _GROUP,
            group.key,
            label,
            "new: no such group, in scope",
            values=all_values(flat),
            source_digest=group.digest,
            fingerprint=group.states[0].fingerprint,
        )
        if not flat.get("displayName"):
            return replace(_bare(change), action=Action.PARK, reason="the mapping gives no displayName")
        if isinstance(match, Unclear):
            return replace(_bare(change), action=Action.REVIEW, reason=match.reason, candidates=match.candidates)
        if isinstance(match, Nobody):
            return change
        values, agreed = adoption_changes(self._mappings, flat, match.record, self._situation.links)
        reason = f"new: the group is there already, by {match.rule}"
        return replace(
            change,
            action=Action.ADOPT,
            reason=reason,
            target_id=match.record.id,
            rule=match.rule,
            values=values,
            agreed=agreed,
            removed=tuple(self._strangers(group.key, match.record.resource)),
        )

    def _strangers(self, key: str, resource: Mapping[str, Json]) -> Iterator[str]:
        """Persons of ours who are in a group that is adopted, and are not to be."""
        wanted = self._members.of(key, None)
        keys = {link.target_id: person for person, link in self._situation.links.persons.items()}
        for member in resource.get("members") or ():
            person = keys.get(member.get("value", "")) if isinstance(member, Mapping) else None
            if person is not None and person not in wanted:
                yield person

    def _with_members(self, change: Change) -> Iterator[Change]:
        """An arrival with its members; groups that arrive as well become members once all of them are there."""
        if change.action not in (Action.CREATE, Action.ADOPT):
            yield change
            return
        members = self._here(change.key, self._members.of(change.key, None))
        later = {key for key in members & self._coming if key not in self._present}
        yield self._named(change, members - later, change.removed)
        if later:
            reason = f"members: {len(later)} groups that are there by then"
            empty = Change(Action.MEMBERS, _GROUP, change.key, change.label, reason, target_id=change.target_id)
            yield self._named(replace(empty, source_digest=change.source_digest), later, ())

    def _departures(self) -> Iterator[Change]:
        """Groups that are gone, and members who are gone from groups of which nothing was read."""
        for key, link in self._links.items():
            if key in self._wanted or key in self._desired.unread or (_GROUP, key) in self._desired.parked:
                continue
            if self._is_gone(key):
                yield from self._depart(link)
            else:
                base = change_of(Action.MEMBERS, link, "", "")
                membership = list(self._membership(base, self._members.of(key, link), link))
                yield from membership
                self.unchanged += not membership

    def _is_gone(self, key: str) -> bool:
        if key in self._desired.groups or (_GROUP, key) in self._desired.gone:
            return True
        is_complete = self._members.kind_that_proves_absence in self._desired.complete
        return is_complete and self._members.unread.isdisjoint(self._links[key].members)

    def _depart(self, link: Link) -> Iterator[Change]:
        if self._situation.target.group_leaver is Leaver.KEEP:
            self.unchanged += 1
            return
        is_known = link.key in self._desired.groups
        reason = "gone: out of scope" if is_known else "gone: not in the source any more"
        yield change_of(Action.DELETE, link, reason, "")

    def _parked(self) -> Iterator[Change]:
        for (kind, key), parked in self._desired.parked.items():
            if kind is _GROUP:
                label = self._links[key].label if key in self._links else key
                yield Change(Action.PARK, _GROUP, key, label, parked.reason, source_digest=parked.digest)


class _Members:
    """Who is to be in which group, as far as the source says."""

    def __init__(self, situation: Situation) -> None:
        desired, settings = situation.desired, situation.job.groups
        self._groups = desired.groups
        is_from_attribute = settings is not None and settings.origin is GroupOrigin.ATTRIBUTE
        self.kind_that_proves_absence = RecordKind.PERSON if is_from_attribute else _GROUP
        self._is_partial = is_from_attribute and RecordKind.PERSON not in desired.complete
        self.unread = self._unread(desired) if is_from_attribute else frozenset()
        """Persons of whom it is not known which groups they are in: they stay in those that they were in."""
        self._mentioned = desired.persons.keys() | {key for kind, key in desired.gone if kind is RecordKind.PERSON}
        self._flatten = situation.target.nested is Nested.FLATTEN or not situation.has_nested_groups
        self._persons = situation.links.persons.keys() | desired.persons.keys()

    def of(self, key: str, link: Link | None) -> set[str]:
        """Keys of persons and groups. Of a group of which nothing was read, those who were in it."""
        before = set(link.members) if link else set()
        group = self._groups.get(key)
        if self._is_partial:
            return (before - self._mentioned) | set(group.members if group else ())
        if group is None:
            return before & self.unread if self.unread else before
        if self.unread:
            return (before & self.unread) | set(group.members)
        return self._flat(group) if self._flatten else set(group.members)

    def _unread(self, desired: Desired) -> frozenset[str]:
        unknown = desired.unread | {key for kind, key in desired.parked if kind is RecordKind.PERSON}
        return unknown.difference(*(group.members for group in desired.groups.values())) if unknown else unknown

    def _flat(self, group: Group) -> set[str]:
        """The persons in a group and in the groups within it, in whatever rings."""
        persons: set[str] = set()
        seen, waiting = {group.key}, [group]
        while waiting:
            for key in waiting.pop().members:
                if key in self._persons or key not in self._groups:
                    persons.add(key)
                elif key not in seen:
                    seen.add(key)
                    waiting.append(self._groups[key])
        return persons


def _flat(group: Group) -> Flat:
    flat: Flat = orjson.loads(group.states[0].document)
    return flat


def _bare(change: Change) -> Change:
    return replace(change, values=NO_VALUES, fingerprint="")
