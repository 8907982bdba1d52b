"""References between persons (managers): now, later in the same plan, or parked until the other is there."""

from collections.abc import Iterator
from dataclasses import replace

from headcount.provisioning.desired import referred
from headcount.provisioning.links import Link, change_of
from headcount.provisioning.people import People
from headcount.provisioning.plan import Action, Change, ValueChange, Values
from headcount.provisioning.situation import Situation

_WHOLE = (Action.CREATE, Action.ADOPT)
_NO_MORE = (Action.DELETE, Action.PARK, Action.REVIEW)
"""After which nothing is done about somebody."""


class References:
    """Settles what the changes to persons refer to."""

    def __init__(self, situation: Situation, people: People) -> None:
        self._situation = situation
        self._links = situation.links.persons
        self._people = people
        deleted = {change.key for change in people.changes if change.action is Action.DELETE}
        self._there = frozenset(situation.links.persons.keys() - deleted)
        """Keys of those who are at the target, and stay."""

    def settled(self) -> Iterator[Change]:
        """The changes, each followed by what has to wait for others; those of `people` are used up on the way."""
        renewed = self._renewed()
        while self._people.changes:
            yield from self._settle(self._people.changes.popleft())
        yield from renewed

    def _settle(self, change: Change) -> Iterator[Change]:
        values = tuple(change.values)
        keys = {value.path: tuple(referred(value.new)) for value in values}
        if not any(keys.values()):
            yield change
            return
        now = Values(value for value in values if self._there.issuperset(keys[value.path]))
        rest = [value for value in values if not self._there.issuperset(keys[value.path])]
        later = Values(value for value in rest if all(map(self._is_there, keys[value.path])))
        lost = [value for value in rest if not all(map(self._is_there, keys[value.path]))]
        mark = "" if rest else change.fingerprint
        if now or change.action in _WHOLE:
            references = tuple(sorted({key for value in now for key in keys[value.path]}))
            yield replace(change, values=now, references=references, fingerprint=mark)
        if later:
            yield _afterwards(change, later, "" if lost else change.fingerprint)
        if lost:
            missing = sorted({key for value in lost for key in keys[value.path] if not self._is_there(key)})
            reason = f"{', '.join(value.path for value in lost)}: {', '.join(missing)} has no account there yet"
            yield Change(Action.PARK, change.kind, change.key, change.label, reason, source_digest=change.source_digest)

    def _is_there(self, key: str) -> bool:
        return key in self._there or key in self._people.coming

    def _renewed(self) -> list[Change]:
        """References to accounts that are made anew: who was told the old id is told the new one."""
        coming = self._people.coming
        if not coming:
            return []
        changes = {change.key: change for change in self._people.changes}
        return [
            change
            for key, person in self._situation.desired.persons.items()
            if person.references and key in self._links and not coming.isdisjoint(person.references)
            for change in self._renewal(self._links[key], person.digest, changes.get(key))
        ]

    def _renewal(self, link: Link, digest: str, before: Change | None) -> Iterator[Change]:
        """What follows what is done about somebody `before`, of which the references that change are part already."""
        if before and (before.action in _NO_MORE or before.is_leaver):
            return
        changed = before.values.wanted if before else {}
        values = Values(
            ValueChange(path, value, value)
            for path, value in link.sent_values.items()
            if path not in changed and not self._people.coming.isdisjoint(referred(value))
        )
        if values:
            is_all = not any(True for value in changed.values() for _ in referred(value))
            mark = before.fingerprint if before else link.fingerprint
            yield _afterwards(before or change_of(Action.UPDATE, link, "", digest), values, mark if is_all else "")


def _afterwards(change: Change, values: Values, fingerprint: str) -> Change:
    """A change of its own for what has to wait until others are there."""
    keys = tuple(sorted({key for value in values for key in referred(value.new)}))
    reason = f"refers to {', '.join(keys)}, who is there by then"
    return replace(
        change,
        action=Action.UPDATE,
        reason=reason,
        values=values,
        references=keys,
        fingerprint=fingerprint,
        agreed={},
        rule="",
        is_leaver=False,
    )
