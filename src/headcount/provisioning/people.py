"""What becomes of persons at one target: joiners, movers, leavers, and those who come back."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
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
from headcount.provisioning.desired import Person, State
from headcount.provisioning.differences import adoption_changes, all_values, value_changes
from headcount.provisioning.jobs import EMAIL, EXTERNAL_ID, USER_NAME, CorrelationRule, Leaver
from headcount.provisioning.links import Link, change_of
from headcount.provisioning.mapping.attributes import Flat
from headcount.provisioning.mapping.functions import UNIQUE
from headcount.provisioning.naming import Names
from headcount.provisioning.plan import Action, Change, ValueChange, Values
from headcount.provisioning.records import RecordKind
from headcount.provisioning.situation import Situation
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_PERSON: Final = RecordKind.PERSON


class People:
    """Plans for the persons of one target. `changes` refer to others by key still: see `references`."""

    def __init__(self, situation: Situation, answers: Answers) -> None:
        self._situation = situation
        self._answers = answers
        self._target = situation.target
        mappings = situation.job.mappings(situation.target)
        self._mappings = tuple(mapping for mapping in mappings if situation.takes(mapping.path))
        self._links = situation.links.persons
        self._linked = {link.target_id: key for key, link in self._links.items()}
        self._names = Names(situation.links, answers)
        self._shared = situation.desired.shared_names[self._target.variant] if situation.desired.shared_names else {}
        self.changes: deque[Change] = deque()
        self.unchanged = 0
        self.coming: set[str] = set()
        """Keys of those who get an account, or whose account becomes linked."""
        self.leaving: set[str] = set()
        """Keys of those who have left, whatever the policy makes of it."""

    def ask(self) -> None:
        """Asks about those who have no account yet."""
        for person in self._joiners():
            self._match(person, self._wanted(person))

    def plan(self) -> None:
        """Goes over everybody once."""
        for key, person in self._situation.desired.persons.items():
            link = self._links.get(key)
            if link is None:
                continue
            if not self._situation.desired.is_in(person, self._target):
                self._leave(link, "out of scope", person.digest)
            elif link.fingerprint == person.states[self._target.variant].fingerprint:
                self.unchanged += 1
            else:
                self._move(person, link)
        for link in self._absent():
            self._leave(link, "not in the source any more", "")
        self._join(self._joiners())
        self.changes.extend(self._parked())

    def _joiners(self) -> list[Person]:
        """Who has no account yet, by key."""
        desired = self._situation.desired
        found = (person for key, person in desired.persons.items() if key not in self._links)
        return sorted((person for person in found if desired.is_in(person, self._target)), key=attrgetter("key"))

    def _absent(self) -> Iterator[Link]:
        desired = self._situation.desired
        is_complete = _PERSON in desired.complete
        for key, link in self._links.items():
            is_left_alone = key in desired.persons or key in desired.unread or (_PERSON, key) in desired.parked
            if not is_left_alone and (is_complete or (_PERSON, key) in desired.gone):
                yield link

    def _parked(self) -> Iterator[Change]:
        for (kind, key), parked in self._situation.desired.parked.items():
            if kind is _PERSON:
                link = self._links.get(key)
                yield Change(
                    Action.PARK, _PERSON, key, link.label if link else key, parked.reason, source_digest=parked.digest
                )

    def _leave(self, link: Link, why: str, digest: str) -> None:
        self.leaving.add(link.key)
        policy = self._target.leaver
        change = change_of(Action.DELETE, link, f"left: {why}", digest)
        if policy.at_once is Leaver.DELETE:
            self.changes.append(change)
        elif policy.at_once is Leaver.KEEP:
            self.unchanged += 1
        elif not link.left:
            values = Values([ValueChange("active", old=True, new=False)])
            self.changes.append(replace(change, action=Action.DEACTIVATE, values=values, is_leaver=True))
        elif policy.delete_after is not None and self._situation.seconds_since(link.left) >= policy.delete_after:
            self.changes.append(replace(change, reason=f"left {link.left[:10]}, and the time to delete has come"))
        else:
            self.unchanged += 1

    def _move(self, person: Person, link: Link) -> None:
        state = person.states[self._target.variant]
        wanted = self._named(_document(state), person.key, link.label)
        if problem := self._name_problem(wanted, person.key, link):
            self.changes.append(_parked(person, link.label, problem))
            return
        values = value_changes(self._mappings, wanted, link)
        if link.left and not any(value.path == "active" for value in values) and wanted.get("active") is not False:
            values.append(ValueChange("active", old=False, new=True))
        if not values:
            self.unchanged += 1
            return
        action = _action_of(values, link)
        paths = ", ".join(value.path for value in values)
        reason = f"back: {paths}" if link.left else f"changed: {paths}"
        change = change_of(action, link, reason, person.digest)
        label = str(wanted.get("userName") or link.label)
        self.changes.append(replace(change, values=Values(values), label=label, fingerprint=state.fingerprint))

    def _join(self, joiners: Sequence[Person]) -> None:
        """Names that are given come before those that are made."""
        for person in joiners:
            name = self._wanted(person).get("userName")
            if isinstance(name, str):
                self._names.take(name, person.key)
        claims: dict[str, list[str]] = {}
        matches: dict[str, Match] = {}
        for person in joiners:
            match = matches[person.key] = self._match(person, self._wanted(person))
            if isinstance(match, Found):
                claims.setdefault(match.record.id, []).append(person.key)
        for person in joiners:
            match = matches[person.key]
            if isinstance(match, Found) and len(claims[match.record.id]) > 1:
                others = ", ".join(key for key in claims[match.record.id] if key != person.key)
                match = Unclear(f"the account {match.record.id} matches {others} as well", ())
            self._arrive(person, self._wanted(person), match)

    def _wanted(self, person: Person) -> Flat:
        """The state of somebody, made anew each time: of a hundred thousand joiners not all are held."""
        return _document(person.states[self._target.variant])

    def _match(self, person: Person, flat: Flat) -> Match:
        decision = self._situation.decisions.get((_PERSON, person.key))
        if decision:
            return decided(decision, "User", self._answers)
        return correlate(list(self._asked(person, flat)), self._answers, self._linked, self._target.adopt)

    def _asked(self, person: Person, flat: Flat) -> Iterator[tuple[str, Question]]:
        lookups = iter(person.lookups)
        for rule in self._situation.job.correlation:
            values = [next(lookups)] if rule.expression else _rule_values(rule, flat)
            for value in values:
                if value:
                    yield rule.name, Question("User", rule.attribute, value)

    def _arrive(self, person: Person, flat: Flat, match: Match) -> None:
        decision = self._situation.decisions.get((_PERSON, person.key))
        label = _text(flat.get("userName")) or person.key
        if decision and decision.verdict is Verdict.IGNORE:
            return
        if isinstance(flat.get("userName"), str) and (problem := self._name_problem(flat, person.key, None)):
            self.changes.append(_parked(person, label, problem))
            return
        if isinstance(match, Unclear):
            change = Change(Action.REVIEW, _PERSON, person.key, label, match.reason, candidates=match.candidates)
            self.changes.append(replace(change, source_digest=person.digest))
            return
        current = str(match.record.resource.get("userName") or "") if isinstance(match, Found) else ""
        wanted = self._named(flat, person.key, current)
        if problem := self._name_problem(wanted, person.key, None):
            self.changes.append(_parked(person, label, problem))
            return
        self.coming.add(person.key)
        self.changes.append(self._arrival(person, wanted, match))

    def _arrival(self, person: Person, wanted: Flat, match: Nobody | Found) -> Change:
        change = Change(
            Action.CREATE,
            _PERSON,
            person.key,
            str(wanted.get("userName") or person.key),
            "joined: no account, in scope",
            values=all_values(wanted),
            source_digest=person.digest,
            fingerprint=person.states[self._target.variant].fingerprint,
        )
        if isinstance(match, Nobody):
            return change
        values, agreed = adoption_changes(self._mappings, wanted, match.record, self._situation.links)
        return replace(
            change,
            action=Action.ADOPT,
            reason=f"joined: the account is there already, by {match.rule}",
            target_id=match.record.id,
            rule=match.rule,
            values=values,
            agreed=agreed,
        )

    def _named(self, flat: Flat, key: str, current: str) -> Flat:
        """The state that the target is sent, with a name that is to be unique made so."""
        flat = {path: value for path, value in flat.items() if self._situation.takes(path)}
        name = flat.get("userName")
        if isinstance(name, dict):
            flat["userName"] = self._names.unique(str(name[UNIQUE]), key, current)
        return flat

    def _name_problem(self, wanted: Flat, key: str, link: Link | None) -> str:
        name = str(wanted.get("userName", ""))
        if not name:
            return "no userName is left, or the mapping gives none"
        others = [other for other in self._shared.get(fold(name), ()) if other != key and self._has_name(other, name)]
        if not others or (link is not None and fold(link.label) == fold(name)):
            return ""
        return f"the userName {name} is also that of {', '.join(sorted(others)[:5])}"

    def _has_name(self, key: str, name: str) -> bool:
        person = self._situation.desired.persons.get(key)
        if person is None or not self._situation.desired.is_in(person, self._target):
            return False
        return fold(_text(self._wanted(person).get("userName"))) == fold(name)


def _document(state: State) -> Flat:
    flat: Flat = orjson.loads(state.document)
    return flat


def _text(value: Json) -> str:
    return str(value.get(UNIQUE, "")) if isinstance(value, Mapping) else str(value or "")


def _rule_values(rule: CorrelationRule, flat: Flat) -> list[str]:
    """The values of a well-known rule; a name that is still to be made unique identifies nobody."""
    if rule is EMAIL:
        return [_address(value) for path, value in flat.items() if path.startswith("emails") and path.endswith("value")]
    value = flat.get({EXTERNAL_ID: "externalId", USER_NAME: "userName"}.get(rule, rule.attribute))
    return [value] if isinstance(value, str) else []


def _address(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _parked(person: Person, label: str, reason: str) -> Change:
    return Change(Action.PARK, _PERSON, person.key, label or person.key, reason, source_digest=person.digest)


def _action_of(values: Sequence[ValueChange], link: Link) -> Action:
    """Switching an account on or off is what matters most about a change."""
    active = next((value for value in values if value.path == "active"), None)
    if active is not None and active.new is False:
        return Action.DEACTIVATE
    if link.left or (active is not None and active.new is True and active.old is False):
        return Action.REACTIVATE
    return Action.UPDATE
