"""Plans for people, who read them like Terraform's: change by change with reason, old and new values; then totals."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import orjson

from headcount.provisioning.mapping.functions import REFERENCE
from headcount.provisioning.plan import Action, Change, Held, Plan, ValueChange
from headcount.provisioning.records import RecordKind
from headcount.scim.schemas import Json

_SIGNS: Final[Mapping[Action, str]] = {
    Action.CREATE: "+",
    Action.ADOPT: "&",
    Action.UPDATE: "~",
    Action.DEACTIVATE: "!",
    Action.REACTIVATE: "^",
    Action.DELETE: "-",
    Action.MEMBERS: "~",
    Action.REVIEW: "?",
    Action.PARK: "*",
}
_TOTALS: Final[Mapping[Action, str]] = {
    Action.CREATE: "to create",
    Action.ADOPT: "to adopt",
    Action.UPDATE: "to update",
    Action.DEACTIVATE: "to deactivate",
    Action.REACTIVATE: "to reactivate",
    Action.DELETE: "to delete",
    Action.MEMBERS: "memberships to change",
    Action.REVIEW: "to review",
    Action.PARK: "parked",
}
_MOST_MEMBERS: Final = 10
_LONGEST: Final = 100
_WIDEST: Final = 40
"""Characters of a path that others are lined up with."""


def render(plan: Plan, *, most: int | None = None) -> str:
    """The plan in words; `most` changes in full of each part, the others counted."""
    parts = [
        [f"Plan for {plan.job} → {plan.target}, made {plan.made[:19]}Z, good until {plan.expires[:19]}Z"],
        _section("", plan.changes, most),
        *(_section(_headline(held), held.changes, most) for held in plan.held),
        _section("Drift: changed at the target by somebody else", plan.drift, most),
        [totals(plan)],
    ]
    return "\n".join("\n".join(part) + "\n" for part in parts if part)


def totals(plan: Plan) -> str:
    """How much there is of everything, in one paragraph."""
    counts = Counter(change.action for change in plan.changes)
    found = [f"{counts[action]} {words}" for action, words in _TOTALS.items() if counts[action]]
    text = f"Plan: {', '.join(found) or 'nothing to do'}; {plan.unchanged} unchanged."
    if plan.requests:
        text += f" {plan.requests} requests{_duration(plan.seconds)}."
    held = sum(len(item.changes) for item in plan.held)
    drift = f" {len(plan.drift)} drifted." if plan.drift else ""
    return text + (f" {held} held." if held else "") + drift


def _duration(seconds: float) -> str:
    if not seconds:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f", about {minutes} min {rest} s at the target's limits" if minutes else f", about {rest or 1} s"


def _headline(held: Held) -> str:
    return f"Held: {held.count} to {held.kind} is {held.limit}" if held.limit != "all or nothing" else "Held as well"


def _section(headline: str, changes: Sequence[Change], most: int | None) -> list[str]:
    if not changes:
        return []
    lines = [headline] if headline else []
    for change in changes[:most]:
        lines.extend(_lines(change))
    if most is not None and len(changes) > most:
        lines.append(f"  … and {len(changes) - most} more")
    return lines


def _lines(change: Change) -> Iterator[str]:
    name = change.label if change.label == change.key else f"{change.label} [{change.key}]"
    kind = "group " if change.kind is RecordKind.GROUP else ""
    yield f"  {_SIGNS[change.action]} {change.action:<10} {kind}{_clean(name)}   ({_clean(change.reason)})"
    width = max((len(value.path) for value in change.values if len(value.path) <= _WIDEST), default=0)
    for value in change.values:
        yield f"      {value.path:<{width}} {_difference(change, value)}"
    yield from _members("+", change.added)
    yield from _members("-", change.removed)
    for candidate in change.candidates:
        yield f"      candidate {_shown(candidate)}"


def _difference(change: Change, value: ValueChange) -> str:
    if change.action is Action.CREATE or (value.old is None and value.new is not None):
        return f"= {_shown(value.new)}"
    if value.new is None:
        return f": {_shown(value.old)} → (removed)"
    return f": {_shown(value.old)} → {_shown(value.new)}"


def _members(sign: str, keys: Sequence[str]) -> Iterator[str]:
    if keys:
        more = f" … and {len(keys) - _MOST_MEMBERS} more" if len(keys) > _MOST_MEMBERS else ""
        yield f"      {sign} members {_clean(', '.join(keys[:_MOST_MEMBERS]))}{more}"


def _shown(value: Json) -> str:
    """A value as JSON, cut where it is long; a reference as the key it stands for."""
    if isinstance(value, Mapping) and isinstance(value.get("value"), Mapping):
        value = value["value"]
    if isinstance(value, Mapping) and REFERENCE in value:
        return f"person {_clean(str(value[REFERENCE]))}"
    text = orjson.dumps(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _clean(text: str) -> str:
    """A text without what would move a terminal's cursor."""
    return "".join(character if character.isprintable() else "�" for character in text)
