"""Carrying out a plan, change by change: every outcome is recorded before the next step begins.

Each, or those that travel together, are written down before they are sent, with what became of the ones before. If
nobody records an outcome, it is settled by looking at the target before anything else is done: see `settling`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final, TypeAlias

from headcount.provisioning.books import Books
from headcount.provisioning.guard import counted
from headcount.provisioning.ledger import Identity, Intent, Kept, Ledger, PlacedOutcome, Status
from headcount.provisioning.moments import later
from headcount.provisioning.ordering import LAST, phase
from headcount.provisioning.plan import Action, Change, GuardKind, Plan
from headcount.provisioning.reading import Report
from headcount.provisioning.stepping import UnresolvedError, step_of, those_there, who_arrived
from headcount.provisioning.targets.steps import (
    Conflict,
    Done,
    Gone,
    Moved,
    Outcome,
    Refused,
    Step,
    Unknown,
    Unreachable,
)
from headcount.provisioning.targets.target import Target
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import Put

_FIRST_WAIT: Final = 900.0
_LONGEST_WAIT: Final = 86_400.0
"""Seconds between attempts at a record that the target refuses."""
_TOGETHER: Final = 50
"""Steps that travel in one bulk request at most: so many outcomes can be unknown at once."""

Precondition: TypeAlias = Callable[[Change], str]
"""Why a change does not fit any more what it was planned for, in words; empty when it does."""


@dataclass(slots=True)
class Applied:
    """What became of a plan."""

    counts: Counter[Status] = field(default_factory=Counter)
    actions: Counter[Action] = field(default_factory=Counter)
    """Of what was done."""
    guarded: Counter[GuardKind] = field(default_factory=Counter)
    """Of what was done, as the guard counts it."""
    problems: list[tuple[Change, Status, str]] = field(default_factory=list)
    pending: set[Identity] = field(default_factory=set)
    """Who has to be looked at again."""
    stopped: str = ""
    """Why it ended early; empty when it came to its end."""

    def note(self, change: Change, status: Status, reason: str) -> None:
        """One change more."""
        self.counts[status] += 1
        if status is Status.DONE:
            self.actions[change.action] += 1
            for kind, count in counted((change,)).items():
                self.guarded[kind] += count
        else:
            self.problems.append((change, status, reason))


@dataclass(frozen=True, slots=True)
class _Task:
    """A change on its way."""

    place: int
    """In the plan."""
    change: Change
    step: Step


@dataclass(slots=True)
class _Page:
    """What is kept at once: what follows from the changes that are over, and which ones begin."""

    puts: list[Put] = field(default_factory=list)
    outcomes: list[PlacedOutcome] = field(default_factory=list)


class Applier:
    """Carries out plans at one target."""

    def __init__(  # the parts of one run
        self,
        target: Target,
        ledger: Ledger,
        books: Books,
        parked: Mapping[Identity, Kept],
        reviews: Collection[Identity],
        *,
        report: Report,
        doubtful: Collection[Identity] = (),
        has_lost: Callable[[], bool] = lambda: False,
    ) -> None:
        """Nothing is done now about who is `doubtful`: it may have been done already. `has_lost` tells of the lease."""
        self._target = target
        self._ledger = ledger
        self._books = books
        self._parked = parked
        self._aside = {"parked": set(parked), "reviews": set(reviews)}
        """Who is set aside now."""
        self._report = report
        self._doubtful = doubtful
        self._has_lost = has_lost
        self._touched: set[Identity] = set()
        self.applied = Applied()

    async def apply(
        self, plan: Plan, name: str, moved: Precondition, recorded: Mapping[int, tuple[Status, str]]
    ) -> Applied:
        """Carries out what of a plan has no recorded outcome yet. No outcome of the target makes it raise."""
        for place, (status, reason) in recorded.items():
            change = plan.changes[place]
            self.applied.note(change, status, reason)
            self._touched.add((change.kind, change.key))
        waiting = [place for place in range(len(plan.changes)) if place not in recorded]
        for places in _batches(plan.changes, waiting):
            if not self.applied.stopped:
                await self._batch(plan, name, places, moved)
        return self.applied

    async def _batch(self, plan: Plan, name: str, places: Sequence[int], moved: Precondition) -> None:
        """Changes that need not wait for one another, some at a time."""
        iterator = iter(places)
        profile = self._target.profile
        together = min(profile.bulk.operations, _TOGETHER) if profile.bulk.supported else 1
        async with asyncio.TaskGroup() as group:
            for _ in range(min(profile.concurrency, len(places))):
                group.create_task(self._work(plan, name, iterator, together, moved))

    async def _work(self, plan: Plan, name: str, places: Iterator[int], together: int, moved: Precondition) -> None:
        """Some changes after the others; what became of the last is kept together with the beginning of the next."""
        page = _Page()
        while not self.applied.stopped and (some := list(islice(places, together))):
            if self._has_lost():
                self.applied.stopped = "another machine has taken over this target"
                break
            tasks = list(self._prepared(plan, some, moved, page))
            begun = [task.place for task in tasks]
            if begun:
                page.puts.append(self._ledger.put_begun(name, begun, self._books.now()))
            if not await self._keeps(name, page):
                return
            outcomes = await self._carried_out(tasks)
            page = _Page([self._ledger.drop_begun(begun)] if begun else [])
            for task, outcome in zip(tasks, outcomes, strict=True):
                page.puts += self._after(task, outcome, name, page)
            self._report(len(some), f"{sum(self.applied.counts.values()):,} changes")
        await self._keeps(name, page)

    async def _keeps(self, name: str, page: _Page) -> bool:
        """Records; False when somebody else has written there, who then goes on with this."""
        recorded = [self._ledger.put_outcomes(name, page.outcomes)] if page.outcomes else []
        try:
            await self._ledger.keep([*page.puts, *recorded])
        except VersionConflictError:
            self.applied.stopped = "somebody else has written to the ledger meanwhile"
            return False
        return True

    def _prepared(self, plan: Plan, places: Sequence[int], moved: Precondition, page: _Page) -> Iterator[_Task]:
        """The steps that changes come to now; what is not to be done stands on the page."""
        for place in places:
            change = plan.changes[place]
            identity = (change.kind, change.key)
            reason, status = self._has_moved(change) or moved(change), Status.MOVED
            step = None
            if identity in self._doubtful:
                reason, status = "it may have been done already", Status.UNKNOWN
            if not reason:
                try:
                    step = step_of(change, self._books.links, self._books.ids)
                except UnresolvedError as error:
                    reason, status = str(error), Status.SKIPPED
            if step and not step.target_id and change.action is not Action.CREATE:
                reason, status = "it has no account there", Status.SKIPPED
            self._touched.add(identity)
            if step is None or reason:
                self.applied.pending.add(identity)
                self._note(change, page, place, status, reason)
            else:
                yield _Task(place, change, step)

    def _has_moved(self, change: Change) -> str:
        """Whether the ledger is another than when the plan was made, but for what this run has done itself."""
        if (change.kind, change.key) in self._touched:
            return ""
        link = self._books.link((change.kind, change.key))
        return "" if (link.version if link else 0) == change.ledger_version else "another run has changed it since"

    async def _carried_out(self, tasks: Sequence[_Task]) -> Sequence[Outcome]:
        if len(tasks) == 1:
            return [await self._target.carry_out(tasks[0].step)]
        return await self._target.carry_out_together([task.step for task in tasks]) if tasks else []

    def _after(self, task: _Task, outcome: Outcome, name: str, page: _Page) -> Iterator[Put]:
        """Everything that follows from an outcome."""
        change = task.change
        identity = (change.kind, change.key)
        so_far = None if isinstance(outcome, Done) else getattr(outcome, "so_far", None)
        if isinstance(outcome, Done):
            carried = those_there(change, self._books.links)
            if carried != change:  # members without an account may have one by the next run
                self.applied.pending.add(identity)
            yield from self._books.done(carried, outcome)
        elif so_far is not None:
            yield from self._books.done(who_arrived(change, self._books.links, so_far.added, so_far.removed), so_far)
        elif isinstance(outcome, Gone):
            yield from self._books.become(identity, None)
        if isinstance(outcome, Moved) and outcome.current:
            yield from self._books.seen(identity, outcome.current)
        if isinstance(outcome, Unknown) and so_far is None:
            due = later(self._books.now(), outcome.settle_after)
            yield self._ledger.put_intent(identity, Intent(change, name, task.place, self._books.now(), due))
        if isinstance(outcome, Unreachable):
            self.applied.stopped = outcome.reason
            return
        yield from self._set_aside(change, outcome)
        status, reason = _told(change, outcome)
        self._note(change, page, task.place, status, reason)

    def _note(self, change: Change, page: _Page, place: int, status: Status, reason: str) -> None:
        self.applied.note(change, status, reason)
        page.outcomes.append((place, status, reason))

    def _set_aside(self, change: Change, outcome: Outcome) -> Iterator[Put]:
        """Who is done is set aside no more; who is refused waits for his own clock, a conflict for a human."""
        identity = (change.kind, change.key)
        match outcome:
            case Done():
                for part, aside in self._aside.items():
                    if identity in aside:
                        aside.remove(identity)
                        yield self._ledger.drop(part, identity)
            case Conflict(reason, candidates):
                shown = tuple({"id": record.id, **shown_of(record.resource)} for record in candidates)
                kept = self._kept(change, reason)
                yield self._put_aside("reviews", replace(kept, candidates=shown, is_conflict=True, due=""))
            case Refused(reason, _, _, retry_after):
                yield self._put_aside("parked", self._kept(change, reason, retry_after))
            case Unknown(reason, settle_after):
                yield self._put_aside("parked", self._kept(change, f"unknown outcome: {reason}", settle_after))
            case Moved() | Gone():
                self.applied.pending.add(identity)

    def _put_aside(self, part: str, kept: Kept) -> Put:
        self._aside[part].add(kept.identity)
        return self._ledger.put_kept(part, kept)

    def _kept(self, change: Change, reason: str, wait: float | None = None) -> Kept:
        """What is set aside about somebody; each further attempt waits twice as long."""
        now = self._books.now()
        before = self._parked.get((change.kind, change.key))
        attempts = before.attempts + 1 if before else 1
        seconds = wait if wait is not None else min(_FIRST_WAIT * 2 ** min(attempts - 1, 20), _LONGEST_WAIT)
        since = before.since if before else now
        return Kept(
            change.kind, change.key, change.label, reason, since, attempts, later(now, seconds), change.source_digest
        )


def _batches(changes: Sequence[Change], places: Iterable[int]) -> Iterator[list[int]]:
    """Places of changes that need not wait for one another, batch by batch; of one record there is one in each."""
    batches: dict[tuple[int, int], list[int]] = {}
    seen: Counter[tuple[int, Identity]] = Counter()
    for place in places:
        change = changes[place]
        number = phase(change)
        if number != LAST:
            turn = seen[number, (change.kind, change.key)]
            seen[number, (change.kind, change.key)] += 1
            batches.setdefault((number, turn), []).append(place)
    yield from (batches[number] for number in sorted(batches))


def _told(change: Change, outcome: Outcome) -> tuple[Status, str]:
    """The status of an outcome, and what there is to say about it."""
    match outcome:
        case Done(note=note):
            return Status.DONE, note
        case Refused(reason):
            return Status.REFUSED, reason
        case Conflict(reason):
            return Status.CONFLICT, reason
        case Moved(reason):
            return Status.MOVED, reason
        case Gone(reason):
            return (Status.DONE if change.action in _AWAY else Status.GONE), reason
        case Unknown(reason):
            return Status.UNKNOWN, reason
        case Unreachable(reason):
            return Status.UNKNOWN, reason


_AWAY: Final = (Action.DELETE, Action.DEACTIVATE)
_SHOWN: Final = ("userName", "displayName", "externalId", "active")


def shown_of(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What people recognise an account or a group by."""
    return {name: resource[name] for name in _SHOWN if name in resource}
