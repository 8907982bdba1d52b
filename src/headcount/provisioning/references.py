"""References between persons (managers): now, later in the same plan, or parked until the other is there."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from headcount.provisioning.desired import referred
from headcount.provisioning.people import People
from headcount.provisioning.plan import Action, Change, ValueChange, Values
from headcount.provisioning.records import RecordKind
from headcount.provisioning.situation import Situation

_WHOLE = (Action.CREATE, Action.ADOPT)


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
        touched = {change.key for change in self._people.changes}
        if not coming:
            return []
        return [
            change
            for key, person in self._situation.desired.persons.items()
            if person.references and key in self._links and key not in touched
            if not coming.isdisjoint(person.references)
            for change in self._renewal(key, person.digest)
        ]

    def _renewal(self, key: str, digest: str) -> Iterator[Change]:
        link = self._links[key]
        values = Values(
            ValueChange(path, value, value)
            for path, value in orjson.loads(link.sent).items()
            if not self._people.coming.isdisjoint(referred(value))
        )
        if values:
            change = Change(Action.UPDATE, RecordKind.PERSON, key, link.label, "", target_id=link.target_id)
            change = replace(change, source_digest=digest, ledger_version=link.version)
            yield _afterwards(change, values, link.fingerprint)


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
