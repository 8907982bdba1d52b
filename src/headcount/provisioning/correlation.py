"""Who is whom: recognising accounts that are there already, by rules in order of precedence.

What a target answers is believed only if the resource itself has what was asked for. One account found by the rules
is adopted if a rule that may adopt has found it; everything else that is not plain goes to a human.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.paths import satisfies, values_at
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_SHOWN: Final = ("userName", "displayName", "externalId", "active")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a target: who has this value."""

    type: str
    """`User` or `Group`."""
    attribute: str
    value: str


class Verdict(StrEnum):
    """What a human has decided about somebody whose account was not plain."""

    LINK = "link"
    IGNORE = "ignore"
    CREATE = "create"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision out of `sync review`."""

    verdict: Verdict
    target_id: str = ""
    """Of a link."""


@dataclass(slots=True)
class Answers:
    """What is known of a target's accounts; what is not yet known is noted."""

    known: Mapping[Question, tuple[TargetRecord, ...]]
    missing: dict[Question, None] = field(default_factory=dict)
    """In the order in which it was asked."""

    def to(self, question: Question) -> tuple[TargetRecord, ...]:
        """The records that really have the value; nobody while that is not known."""
        if question not in self.known:
            self.missing[question] = None
            return ()
        found = self.known[question]
        return tuple(record for record in found if satisfies(record.resource, question.attribute, question.value))


def answers_from(
    records: Iterable[TargetRecord], questions: Sequence[Question]
) -> dict[Question, tuple[TargetRecord, ...]]:
    """The answers to many questions out of one full listing; everything that was asked has an answer then."""
    attributes = {(question.type, question.attribute) for question in questions}
    found: dict[tuple[str, str, str], list[TargetRecord]] = {}
    for record in records:
        for type_name, attribute in attributes:
            if type_name == record.type:
                for value in values_at(record.resource, attribute):
                    found.setdefault((type_name, attribute, fold(str(value))), []).append(record)
    return {
        question: tuple(found.get((question.type, question.attribute, fold(question.value)), ()))
        for question in questions
    }


@dataclass(frozen=True, slots=True)
class Nobody:
    """There is no account."""


@dataclass(frozen=True, slots=True)
class Found:
    """An account, and the rule that found it."""

    record: TargetRecord
    rule: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A human has to decide."""

    reason: str
    candidates: tuple[Mapping[str, Json], ...]


Match: TypeAlias = Nobody | Found | Unclear


def correlate(
    asked: Sequence[tuple[str, Question]], answers: Answers, linked: Mapping[str, str], adopt: Iterable[str]
) -> Match:
    """Who somebody is; `asked` is (name of the rule, question) in order of precedence, `linked` keys by target id."""
    found: dict[str, TargetRecord] = {}
    rules: dict[str, list[str]] = {}
    for rule, question in asked:
        for record in answers.to(question):
            found[record.id] = record
            rules.setdefault(record.id, []).append(rule)
    if not found:
        return Nobody()
    candidates = tuple(_candidate(record, rules[record.id]) for record in found.values())
    if len(found) > 1:
        is_one_rule = len({rule for names in rules.values() for rule in names}) == 1
        problem = "several accounts match" if is_one_rule else "the rules point to different accounts"
        return Unclear(f"{problem}: {_names(rules)}", candidates)
    (identifier, record), names = next(iter(found.items())), next(iter(rules.values()))
    if identifier in linked:
        return Unclear(f"the account that matches by {', '.join(names)} belongs to {linked[identifier]}", candidates)
    rule = next((name for name in names if name in set(adopt)), "")
    if not rule:
        return Unclear(f"an account matches by {', '.join(names)}, a rule that does not adopt", candidates)
    return Found(record, rule)


def decided(decision: Decision, type_name: str, answers: Answers) -> Match:
    """Who somebody is because a human says so; the account that was chosen is asked for by its id."""
    if decision.verdict is not Verdict.LINK:
        return Nobody()
    found = answers.to(Question(type_name, "id", decision.target_id))
    if len(found) == 1:
        return Found(found[0], "decision")
    return Unclear(f"the account {decision.target_id}, which was chosen in the review, is not there", ())


def _names(rules: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{', '.join(names)} → {identifier}" for identifier, names in rules.items())


def _candidate(record: TargetRecord, rules: list[str]) -> dict[str, Json]:
    shown = {name: record.resource[name] for name in _SHOWN if name in record.resource}
    return {"id": record.id, **shown, "matchedBy": rules}
