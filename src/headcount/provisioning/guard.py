"""The guard: how much of a kind of change may happen within a window, across runs. What is too much is held."""

from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from headcount.provisioning.jobs import Limit, TargetSettings
from headcount.provisioning.plan import NO_VALUES, Action, Change, GuardKind, Held, Plan
from headcount.provisioning.records import RecordKind

HANDFUL: Final = 5
"""So many changes pass whatever their share: of eight accounts one is more than 10 %."""

_KINDS: Final[Mapping[Action, GuardKind]] = {
    Action.CREATE: GuardKind.CREATE,
    Action.ADOPT: GuardKind.CREATE,
    Action.UPDATE: GuardKind.UPDATE,
    Action.REACTIVATE: GuardKind.UPDATE,
    Action.DEACTIVATE: GuardKind.DEACTIVATE,
    Action.DELETE: GuardKind.DELETE,
}


@dataclass(frozen=True, slots=True)
class Past:
    """What was done at the target before."""

    at: str
    """UTC, fixed width."""
    kind: GuardKind
    count: int


def counted(changes: Iterable[Change]) -> dict[GuardKind, int]:
    """How much of each kind some changes come to: what a run adds to the history."""
    counts: dict[GuardKind, int] = {}
    for change in changes:
        for kind, count in _weights(change):
            counts[kind] = counts.get(kind, 0) + count
    return counts


def guard(
    plan: Plan,
    target: TargetSettings,
    history: Iterable[Past],
    *,
    groups: int = 0,
    released: AbstractSet[GuardKind] = frozenset(),
    all_or_nothing: bool = False,
) -> Plan:
    """The plan with what is too much held, and what depends on that with it.

    `groups` is how many are linked; kinds in `released` pass whatever their number.
    """
    history = tuple(history)
    counts = counted(plan.changes)
    tripped: dict[GuardKind, Held] = {}
    for kind, count in counts.items():
        limit = target.guard[kind]
        total = count + _lately(history, kind, limit, plan.made)
        base = groups if kind is GuardKind.EMPTYING else plan.linked
        if kind not in released and is_too_much(total, limit, base):
            tripped[kind] = Held(kind, total, _in_words(limit, kind, base))
    return _Holder(plan, tripped, stops_everything=all_or_nothing).plan() if tripped else plan


def is_too_much(count: int, limit: Limit, linked: int) -> bool:
    """Whether a number of changes is beyond a limit."""
    if limit.number is not None and count > limit.number:
        return True
    return limit.share is not None and count > max(limit.share * linked, HANDFUL)


def _kind_of(change: Change) -> GuardKind | None:
    """What a change counts as. What follows a create or an adoption of the same plan (its manager) is part of that."""
    is_part = change.action is Action.UPDATE and not change.ledger_version
    return None if is_part else _KINDS.get(change.action)


def _weights(change: Change) -> Iterable[tuple[GuardKind, int]]:
    if kind := _kind_of(change):
        yield kind, 1
    if change.removed:
        yield GuardKind.MEMBERS, len(change.removed)
    if change.is_emptying:
        yield GuardKind.EMPTYING, 1


def _lately(history: Iterable[Past], kind: GuardKind, limit: Limit, now: str) -> int:
    moment = datetime.fromisoformat(now)
    return sum(
        past.count
        for past in history
        if past.kind is kind and (moment - datetime.fromisoformat(past.at)).total_seconds() < limit.window
    )


def _in_words(limit: Limit, kind: GuardKind, linked: int) -> str:
    what = "groups" if kind is GuardKind.EMPTYING else "accounts"
    number = [f"{limit.number}"] if limit.number is not None else []
    share = [f"{limit.share:.0%} of {linked} linked {what}"] if limit.share is not None else []
    return f"more than {' or '.join([*number, *share])} in {limit.window / 3600:g} h"


class _Holder:
    """Takes out of a plan what is held, and what cannot go on without it."""

    def __init__(self, plan: Plan, tripped: Mapping[GuardKind, Held], *, stops_everything: bool) -> None:
        self._plan = plan
        self._tripped = tripped
        self._stops_everything = stops_everything
        self._held: dict[GuardKind, list[Change]] = {kind: [] for kind in tripped}
        self._absent: dict[tuple[RecordKind, str], GuardKind] = {}
        """Who will not be there."""
        self._staying: dict[str, GuardKind] = {}
        """Persons who will not be switched off: they keep their groups."""

    def plan(self) -> Plan:
        """What goes on, and what is held by kind."""
        going = [change for change in self._plan.changes if not self._is_held(change)]
        kept = [rest for change in going if (rest := self._rest(change)) is not None]
        held = tuple(replace(self._tripped[kind], changes=tuple(changes)) for kind, changes in self._held.items())
        return replace(self._plan, changes=tuple(kept), held=held)

    def _is_held(self, change: Change) -> bool:
        """Whether a change is of a kind that is held."""
        kind = _kind_of(change)
        if self._stops_everything and change.action not in (Action.REVIEW, Action.PARK):
            self._held[kind if kind and kind in self._held else next(iter(self._held))].append(change)
            return True
        if kind is None or kind not in self._held:
            return False
        self._held[kind].append(change)
        if change.action in (Action.CREATE, Action.ADOPT):
            self._absent[change.kind, change.key] = kind
        elif change.kind is RecordKind.PERSON and kind in (GuardKind.DEACTIVATE, GuardKind.DELETE):
            self._staying[change.key] = kind
        return True

    def _rest(self, change: Change) -> Change | None:
        """What of a change goes on; None when nothing does."""
        needed = [(change.kind, change.key), *((RecordKind.PERSON, key) for key in change.references)]
        if why := next((self._absent[one] for one in needed if one in self._absent), None):
            self._held[why].append(change)
            return None
        added = self._sorted_out(change, change.added, self._why_not_added)
        removed = self._sorted_out(change, change.removed, self._why_not_removed)
        for why, changes in self._held.items():
            if why in added or why in removed:
                changes.append(_membership(change, added.get(why, ()), removed.get(why, ())))
        rest = replace(
            change,
            added=added.get(None, ()),
            removed=removed.get(None, ()),
            is_emptying=change.is_emptying and set(removed) == {None},
        )
        return None if change.action is Action.MEMBERS and not (rest.added or rest.removed) else rest

    def _sorted_out(
        self, change: Change, keys: Iterable[str], why_not: Callable[[Change, str], GuardKind | None]
    ) -> dict[GuardKind | None, tuple[str, ...]]:
        """Keys of members by what holds them."""
        found: dict[GuardKind | None, list[str]] = {}
        for key in keys:
            found.setdefault(why_not(change, key), []).append(key)
        return {why: tuple(members) for why, members in found.items()}

    def _why_not_added(self, change: Change, key: str) -> GuardKind | None:
        return self._absent.get((RecordKind.GROUP if key in change.nested else RecordKind.PERSON, key))

    def _why_not_removed(self, change: Change, key: str) -> GuardKind | None:
        if change.is_emptying and GuardKind.EMPTYING in self._held:
            return GuardKind.EMPTYING
        return GuardKind.MEMBERS if GuardKind.MEMBERS in self._held else self._staying.get(key)


def _membership(change: Change, added: tuple[str, ...], removed: tuple[str, ...]) -> Change:
    """The part of a change that is held: members only."""
    reason = f"members: {len(added)} to add, {len(removed)} to remove"
    bare = replace(change, action=Action.MEMBERS, reason=reason, values=NO_VALUES, agreed={}, rule="")
    return replace(bare, added=added, removed=removed, fingerprint="")
