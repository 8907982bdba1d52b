"""The guard: counts removals over a rolling window, and reacts when there are too many.

What is counted stands in the tenant's database, and every removal is counted before it is made, under the version of
the count that was read: processes that remove at the same time count the same, and none slips through. Nothing of it
happens in tenants without rules, or to requests that remove nothing.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
import structlog

from headcount.directory.guard.counts import (
    Counts,
    counts_of,
    seconds_until_free,
    text_of,
    total,
    with_less,
    with_more,
    within,
)
from headcount.directory.guard.rules import Reaction, Removal, Rule
from headcount.directory.identifiers import now
from headcount.scim.errors import TooManyRequestsError
from headcount.scim.registry import ResourceType
from headcount.store.interface import Query, Target, VersionConflictError
from headcount.store.keeping import ABSENT, Entry, Line, Put, TenantKeeping

COUNTED: Final = "guard count"
"""The collection of counts, by what is counted and the window."""
WARNINGS: Final = "guard warning"
"""The log of what passed a rule that only warns."""
WARNINGS_KEPT: Final = 1_000
_ATTEMPTS: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """Removals that a write is about to make."""

    kind: Removal
    resource_type: ResourceType
    resource_id: str
    number: int = 1
    whole: int = 0
    """Of how many members of the group."""

    @property
    def key(self) -> str:
        """What is counted together."""
        about = self.resource_id if self.kind is Removal.LEAVE else self.resource_type.name
        return f"{self.kind}/{about}"


class Guard:
    """Watches over one tenant."""

    def __init__(self, tenant: str, rules: Sequence[Rule], store: TenantKeeping) -> None:
        self._tenant = tenant
        self._rules = rules
        self._store = store
        self._turn = asyncio.Lock()
        """Within a process one counts after the other."""

    def watches(self, kind: Removal) -> bool:
        """Whether there is a rule for a kind of removal."""
        return any(rule.kind is kind for rule in self._rules)

    async def take(self, step: Step) -> str:
        """Counts removals that are about to be made; gives why they must be held instead, empty when they need not.

        Raises TooManyRequestsError for those to refuse. What is held or refused is not counted.
        """
        rules = [rule for rule in self._rules if rule.kind is step.kind]
        all_of_type = await self._total(step) if any(rule.share is not None for rule in rules) else 0
        reasons: list[str] = []

        def count(known: Mapping[int, Counts], clock: float) -> Mapping[int, Counts]:
            reasons.clear()
            for rule in rules:
                counts = known[rule.window]
                number = total(counts) + step.number
                whole = _whole(step, all_of_type, total(counts))
                if not rule.is_passed(number, whole):
                    continue
                reasons.append(rule.words(number, whole))
                if rule.reaction is Reaction.HOLD:
                    return {}
                if rule.reaction is Reaction.REFUSE:
                    wait = seconds_until_free(counts, rule.window, clock)
                    raise TooManyRequestsError(f"The guard stops this: {reasons[-1]}.", retry_after=wait)
            return {window: with_more(counts, step.number, window, clock) for window, counts in known.items()}

        if not await self._change(step, rules, count):
            return reasons[-1]
        for reason in reasons:
            await self._warn(step, reason)
        return ""

    async def give_back(self, step: Step) -> None:
        """Takes back the count of removals that were not made after all."""
        rules = [rule for rule in self._rules if rule.kind is step.kind]
        await self._change(
            step,
            rules,
            lambda known, _: {window: with_less(counts, step.number) for window, counts in known.items()},
        )

    async def _change(
        self,
        step: Step,
        rules: Sequence[Rule],
        change: Callable[[Mapping[int, Counts], float], Mapping[int, Counts]],
    ) -> bool:
        """Changes the counts by window, unless that comes to nothing, as if nobody else were at it."""
        windows = {rule.window for rule in rules}
        async with self._turn:
            for _ in range(_ATTEMPTS):
                keys = {f"{step.key}/{window}": window for window in windows}
                entries = {entry.key: entry for entry in await self._store.entries_of(COUNTED, list(keys))}
                clock = time.time()
                known = {window: _known(entries.get(key), window, clock) for key, window in keys.items()}
                changed = change(known, clock)
                if not changed:
                    return False
                puts = [_put(key, changed[window], entries.get(key)) for key, window in keys.items()]
                try:
                    await self._store.put(puts)
                except VersionConflictError:  # another process counts as well
                    continue
                return True
        raise TooManyRequestsError("Too many removals at once; try again.")

    async def _total(self, step: Step) -> int:
        if step.kind is Removal.LEAVE:
            return 0
        page = await self._store.search(Query((Target(step.resource_type),), 0, groups=False))
        return page.total or 0

    async def _warn(self, step: Step, words: str) -> None:
        structlog.get_logger().warning("guard_passed", tenant=self._tenant, what=step.key, reason=words)
        value = orjson.dumps({"what": step.key, "resource": step.resource_id, "reason": words})
        await self._store.append(WARNINGS, [Line(now(), value, step.key)])


async def forget_counts(store: TenantKeeping) -> None:
    """Removes counts whose windows are over, and old warnings."""
    clock, after = time.time(), ""
    while entries := await store.entries(COUNTED, after=after, limit=500):
        over = [entry for entry in entries if not _known(entry, int(entry.key.rpartition("/")[2]), clock)]
        await store.put([Put(COUNTED, entry.key, None, entry.version) for entry in over])
        after = entries[-1].key
    await store.trim(WARNINGS, keep=WARNINGS_KEPT)


def _known(entry: Entry | None, window: int, clock: float) -> Counts:
    return within(counts_of(entry.value), window, clock) if entry else ()


def _put(key: str, counts: Counts, entry: Entry | None) -> Put:
    return Put(COUNTED, key, text_of(counts), entry.version if entry else ABSENT)


def _whole(step: Step, all_of_type: int, counted: int) -> int:
    """How many there were when the window began: who is deactivated is there still, who is deleted or left is not."""
    if step.kind is Removal.DEACTIVATE:
        return all_of_type
    return (step.whole or all_of_type) + counted
