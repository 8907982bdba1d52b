"""Runs of a job: its source is read once, and each target is planned for and carried out by itself.

Whatever goes wrong with one target stays with it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

import structlog

from headcount.provisioning.applying import Applied, Applier, Precondition
from headcount.provisioning.books import Books
from headcount.provisioning.connecting import Environment, target_of
from headcount.provisioning.credentials import CredentialError
from headcount.provisioning.jobs import SyncJob, TargetSettings
from headcount.provisioning.leases import BusyError, Lease, leased
from headcount.provisioning.ledger import Identity, Ledger, PairState
from headcount.provisioning.links import Links
from headcount.provisioning.moments import Clock, clock, stamp
from headcount.provisioning.pairs import (
    Options,
    PairReport,
    Standing,
    failed,
    left_behind,
    plan_for,
    state_after,
    summary_of,
    trace_of,
)
from headcount.provisioning.plan import Action, Change, Plan
from headcount.provisioning.reading import JobSource, Read, Report, Wanted, evaluate_one
from headcount.provisioning.records import Identities, RecordKind
from headcount.provisioning.saved import SavedPlans
from headcount.provisioning.settling import Settler
from headcount.provisioning.sources.opening import Surroundings
from headcount.provisioning.targets.capabilities import CapabilityError
from headcount.provisioning.targets.errors import TargetError
from headcount.provisioning.targets.knowledge import Findings
from headcount.provisioning.targets.target import Target
from headcount.store.keeping import TenantKeeping

AT_ONCE: Final = 4
"""Targets that are worked on at a time."""
_EXPECTED: Final = (TargetError, CapabilityError, CredentialError)
TargetOf: TypeAlias = Callable[[TargetSettings, Environment], Target]


def silent(_amount: int, _text: str) -> None:
    """Progress that nobody wants to see."""


_PLAIN: Final = Options()


@dataclass(frozen=True, slots=True)
class Run:
    """What a run is for."""

    kind: str
    """`run`, `apply`, `resume`, `release`, `now`, `detach`: as the history calls it."""
    options: Options = _PLAIN
    note: str = ""
    """The reason that somebody gave."""
    is_forced: bool = False
    """Whether a quarantined target is tried all the same."""
    is_full: bool = False
    """Whether everything is read, whatever the watermarks say."""
    waits: bool = False
    """Whether it waits for a machine that has died to lose its lease."""
    keeps_plan: bool = False
    """Whether plan and outcomes stay, so that the plan can be applied again, to no effect."""


@dataclass(slots=True)
class Pair:
    """One target within a run."""

    settings: TargetSettings
    ledger: Ledger
    target: Target
    standing: Standing
    report: PairReport
    run: str = ""
    """The id of the run."""
    started: str = ""
    lease: Lease | None = None
    found: Findings | None = None
    """What earlier runs found out about the target."""
    is_connected: bool = False
    doubtful: Collection[Identity] = ()
    """Who may have been created by an interrupted run."""


@dataclass(frozen=True)
class Runs:
    """Everything that can be done with one job."""

    job: SyncJob
    store: TenantKeeping
    """Of the tenant that owns the job."""
    around: Surroundings
    clock: Clock = clock
    report: Report = silent
    target_of: TargetOf = target_of
    plans: SavedPlans = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plans", SavedPlans(self.store))

    def ledger(self, target: str) -> Ledger:
        """What is kept of a target."""
        return Ledger(self.store, self.job.name, target)

    def settings_of(self, names: Sequence[str]) -> list[TargetSettings]:
        """The targets with these names, all without any; raises KeyError for one that the job does not have."""
        return [self.job.targets[name] for name in names] if names else list(self.job.targets.values())

    async def plan(self, names: Sequence[str], options: Options, *, is_full: bool = False) -> list[PairReport]:
        """Plans for targets; nothing is changed, here or there. Raises SourceError, CredentialError."""
        reports = {settings.name: PairReport(settings.name) for settings in self.settings_of(names)}
        async with self.open_pairs(reports) as pairs:
            ready = [pair for pair in pairs if await self.connected(pair)]
            if ready:
                read = await self._read(ready, options.only, is_full=is_full)
                await self._each(ready, lambda pair: self._planned(pair, read, options))
        return list(reports.values())

    async def run(self, names: Sequence[str], run: Run) -> list[PairReport]:
        """Plans and carries out. Raises SourceError, CredentialError: then nobody's target was touched."""
        reports = {settings.name: PairReport(settings.name) for settings in self.settings_of(names)}
        async with self.open_pairs(reports) as pairs, self._leased(pairs, run) as held:
            for pair in held if run.options.only else ():
                pair.target.watch(pair.report.exchanges.append)
            ready = [pair for pair in held if await self._begins(pair, run)]
            if ready:
                read = await self._read(ready, run.options.only, is_full=run.is_full)
                await self._each(ready, lambda pair: self._plan_and_apply(pair, read, run))
        return list(reports.values())

    async def apply(self, saved: Mapping[str, str], run: Run, *, is_strict: bool = False) -> list[PairReport]:
        """Carries out saved plans, by target; what does not fit any more is skipped. Raises SourceError."""
        reports = {name: PairReport(name) for name in saved}
        async with self.open_pairs(reports) as pairs, self._leased(pairs, run) as held:
            ready = [pair for pair in held if await self._has_plan(pair, saved[pair.settings.name])]
            ready = [pair for pair in ready if await self._begins(pair, run)]
            if ready:
                moved = await self._moved([pair.report.plan for pair in ready if pair.report.plan])
                await self._each(ready, lambda pair: self._apply_saved(pair, moved, run, is_strict=is_strict))
        return list(reports.values())

    async def resume(self, names: Sequence[str]) -> list[PairReport]:
        """Carries on with interrupted runs; targets without one are left out. Raises SourceError."""
        saved = {}
        for settings in self.settings_of(names):
            state = await self.ledger(settings.name).state()
            if state.plan and not state.detached:
                saved[settings.name] = state.plan
        return await self.apply(saved, Run("resume", is_forced=True, waits=True))

    async def carry_out(self, name: str, plan_of: Callable[[Pair], Plan], run: Run) -> PairReport:
        """Carries out a plan that is made of the ledger alone, at one target."""
        reports = {name: PairReport(name)}
        async with self.open_pairs(reports) as pairs, self._leased(pairs, run) as held:
            for pair in [pair for pair in held if await self._begins(pair, run)]:
                pair.standing.links = await pair.ledger.links()
                pair.report.plan = plan_of(pair)
                await self._each([pair], lambda one: self._applied(one, None, _fits, run))
        return reports[name]

    @asynccontextmanager
    async def open_pairs(self, reports: Mapping[str, PairReport]) -> AsyncIterator[list[Pair]]:
        """The targets of some reports, with what the ledger says; why one cannot be opened is in its report."""
        pairs = []
        try:
            for name, report in reports.items():
                settings, ledger = self.job.targets[name], self.ledger(name)
                try:
                    target = self.target_of(settings, self.around.environment)
                except _EXPECTED as error:
                    report.failure = str(error)
                    continue
                pairs.append(Pair(settings, ledger, target, await Standing.of(ledger), report))
            yield pairs
            for pair in pairs:
                if pair.is_connected and pair.target.found != pair.found:
                    await pair.ledger.keep([pair.ledger.put_findings(pair.target.found)])
        finally:
            for pair in pairs:
                tally = pair.target.tally
                pair.report.requests = {
                    "requests": tally.requests,
                    "confirmations": tally.confirmations,
                    "retries": tally.retries,
                }
                await pair.target.close()

    @asynccontextmanager
    async def _leased(self, pairs: Sequence[Pair], run: Run) -> AsyncIterator[list[Pair]]:
        """Those whose lease could be taken; what the ledger says is read anew once it is held."""
        async with AsyncExitStack() as stack:
            held = []
            for pair in pairs:
                pair.run = f"{stamp(self.clock())[:19]}-{secrets.token_hex(4)}"
                try:
                    pair.lease = await stack.enter_async_context(
                        leased(self.store, pair.ledger.name, pair.run, waits=run.waits)
                    )
                except BusyError:
                    pair.report.failure = "another run is under way"
                    continue
                pair.standing = await Standing.of(pair.ledger)
                held.append(pair)
            yield held

    async def _begins(self, pair: Pair, run: Run) -> bool:
        """Whether a target can be worked on; what an interrupted run has left open is settled first."""
        pair.started = stamp(self.clock())
        state = pair.standing.state
        if state.detached:
            pair.report.failure = f"detached since {state.detached[:19]}Z; `headcount sync restart` attaches it again"
        elif state.quarantined_until > pair.started and not run.is_forced:
            until = f"{state.quarantined_until[:19]}Z"
            pair.report.failure = f"quarantined until {until} after {state.failures} failures: {state.trouble}"
        elif await self.connected(pair):
            await self._settle(pair)
            return True
        else:
            await self._fail(pair, pair.report.failure, run)
        return False

    async def connect(self, pair: Pair, *, anew: bool = False) -> None:
        """Connects to a target, which is probed `anew` or where that is too long ago; raises TargetError."""
        pair.found = await pair.ledger.findings()
        await pair.target.connect(None if anew else pair.found, now=stamp(self.clock()))
        pair.is_connected = True

    async def connected(self, pair: Pair, *, anew: bool = False) -> bool:
        """The same; False when it fails, which its report then says."""
        try:
            await self.connect(pair, anew=anew)
        except TargetError as error:
            pair.report.failure = error.reason
            return False
        return True

    async def _settle(self, pair: Pair) -> None:
        intents = pair.standing.intents
        if intents:
            await pair.ledger.unfold()
            books = Books(pair.ledger, await pair.ledger.links(), self.clock)
            contested = await Settler(pair.target, pair.ledger, books).settle(intents)
            pair.report.settled = len(intents)
            pair.standing = replace(await Standing.of(pair.ledger), revisited=frozenset(intents))
            pair.doubtful = contested | pair.standing.intents.keys()

    def _applier(self, pair: Pair) -> Applier:
        return Applier(
            pair.target,
            pair.ledger,
            Books(pair.ledger, pair.standing.links, self.clock),
            pair.standing.parked,
            pair.standing.reviews,
            report=self.report,
            doubtful=pair.doubtful,
            has_lost=lambda: pair.lease is not None and pair.lease.is_lost,
        )

    async def _read(self, pairs: Sequence[Pair], only: str, *, is_full: bool) -> Read:
        source = await JobSource.open(self.job, self.around, self.clock)
        try:
            if only:
                return await self._read_one(source, only)
            read = await source.read(await self._wanted(pairs, is_full=is_full), self.report)
        finally:
            await source.close()
        for pair in pairs:
            pair.report.warnings += read.warnings
        return read

    async def _read_one(self, source: JobSource, key: str) -> Read:
        now = stamp(self.clock())
        record = await source.read_one(RecordKind.PERSON, key)
        desired = evaluate_one(self.job, record, (RecordKind.PERSON, key), now[:10])
        return Read(desired, now, "", is_full=False, records=1 if record else 0)

    async def _wanted(self, pairs: Sequence[Pair], *, is_full: bool) -> Wanted:
        """What all targets together need read: from the oldest of their watermarks on."""
        now = stamp(self.clock())
        linked: set[Identity] = set()
        again: set[Identity] = set()
        gone: set[Identity] = set()
        for pair in pairs:
            again.update(pair.standing.again(now))
            async for identity, has_left in pair.ledger.linked():
                linked.add(identity)
                if has_left:
                    gone.add(identity)
        oldest = min((pair.standing.state for pair in pairs), key=lambda state: state.read_at)
        can_go_on = not is_full and all(pair.standing.can_go_on(self.job, now) for pair in pairs)
        watermark = oldest.watermark if can_go_on else ""
        return Wanted(watermark, frozenset(linked), frozenset(again), frozenset(gone))

    async def _each(self, pairs: Sequence[Pair], work: Callable[[Pair], Awaitable[None]]) -> None:
        """Works on targets, some at a time; what goes wrong with one is told in its report."""
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(pair: Pair) -> None:
            async with limit:
                try:
                    if pair.standing.links == Links():
                        pair.standing.links = await pair.ledger.links()
                    await work(pair)
                except TargetError as error:
                    pair.report.failure = error.reason
                except Exception:  # noqa: BLE001  one target's trouble never stops the others
                    structlog.get_logger().exception("a target failed", job=self.job.name, target=pair.settings.name)
                    pair.report.failure = "an internal error; the log has it"
                pair.standing.links = Links()

        async with asyncio.TaskGroup() as group:
            for pair in pairs:
                group.create_task(one(pair))

    async def _planned(self, pair: Pair, read: Read, options: Options) -> None:
        pair.report.plan = await plan_for(
            self.job, pair.settings, pair.target, pair.ledger, pair.standing, read, options
        )

    async def _plan_and_apply(self, pair: Pair, read: Read, run: Run) -> None:
        try:
            await self._planned(pair, read, run.options)
        except TargetError as error:
            await self._fail(pair, error.reason, run)
            return
        pair.doubtful = ()  # the plan has looked for everybody anew
        await self._applied(pair, read, _fits, run)

    async def _has_plan(self, pair: Pair, name: str) -> bool:
        """Loads a saved plan, unless it is gone, too old, or of another version of the job."""
        plan = await self.plans.load(name)
        pair.report.plan_name = name
        if plan is None:
            pair.report.failure = f"there is no plan {name}; it may have expired"
        elif plan.expires < stamp(self.clock()):
            pair.report.failure = f"the plan expired at {plan.expires[:19]}Z; plan again"
        elif plan.job_digest != self.job.digest:
            pair.report.failure = "the job has changed since the plan was made; plan again"
        else:
            pair.report.plan = plan
        return not pair.report.failure

    async def _apply_saved(self, pair: Pair, moved: Precondition, run: Run, *, is_strict: bool) -> None:
        plan = pair.report.plan
        if is_strict and plan:
            recorded = await pair.ledger.outcomes(pair.report.plan_name)
            reasons = [moved(change) for place, change in enumerate(plan.changes) if place not in recorded]
            if reason := next(filter(None, reasons), ""):
                pair.report.failure = f"nothing was done, as the plan is not current in all parts: {reason}"
                return
        await self._applied(pair, None, moved, run)

    async def _applied(self, pair: Pair, read: Read | None, moved: Precondition, run: Run) -> None:
        """Carries out the plan of the report, recording on the way, and leaves the ledger in order."""
        plan, ledger = pair.report.plan, pair.ledger
        if plan is None:
            return
        await self._forget_old(pair, run)
        name = pair.report.plan_name
        if not name:
            name = pair.report.plan_name = f"{self.job.name}/{pair.settings.name}/{pair.run}"
            if plan.changes:
                await self.plans.save(name, plan)
        state = await ledger.save(replace(pair.standing.state, run=pair.run, plan=name))
        pair.standing.state = state
        recorded = await ledger.outcomes(name)
        applied = await self._applier(pair).apply(plan, name, moved, recorded)
        pair.report.applied = applied
        if run.options.only and read:
            pair.report.trace = trace_of(read, plan, applied)
        await self._finish(pair, read, plan, applied, run, done_before=len(recorded))

    async def _finish(
        self, pair: Pair, read: Read | None, plan: Plan, applied: Applied, run: Run, *, done_before: int
    ) -> None:
        now = stamp(self.clock())
        ledger, state = pair.ledger, pair.standing.state
        if run.options.only or run.kind == "detach":
            after = replace(state, run="", plan="")
        else:
            after = state_after(state, self.job, read, plan, applied, now)
        puts = [] if applied.stopped else left_behind(ledger, pair.standing, plan, applied, now, only=run.options.only)
        pair.standing.state = await ledger.save(after, puts)
        await self._record(pair, run, summary_of(applied), done_before)
        if not applied.stopped and not run.keeps_plan:
            await self._forget_plan(pair, pair.report.plan_name)

    async def _record(self, pair: Pair, run: Run, summary: Mapping[str, Any], done_before: int = 0) -> None:
        plan = pair.report.plan
        held = {item.kind.value: len(item.changes) for item in plan.held} if plan else {}
        line = {
            "run": pair.run,
            "kind": run.kind,
            "started": pair.started,
            "note": run.note,
            "plan": pair.report.plan_name,
            "doneBefore": done_before,
            "held": held,
            **summary,
        }
        await pair.ledger.record_run(line, stamp(self.clock()))

    async def _fail(self, pair: Pair, reason: str, run: Run) -> None:
        """The target could not be worked on: one failure more towards quarantine."""
        pair.report.failure = reason
        state = failed(pair.standing.state, reason, stamp(self.clock()))
        pair.standing.state = await pair.ledger.save(state)
        await self._record(pair, run, {"stopped": reason})

    async def _forget_old(self, pair: Pair, run: Run) -> None:
        """What an earlier run has left open counts for the guard, and is not carried on with any more."""
        state = pair.standing.state
        if state.plan and state.plan != pair.report.plan_name:
            done = await self._done_of(pair, state)
            await pair.ledger.record_run(
                {"run": state.run, "kind": "interrupted", "guarded": done}, stamp(self.clock())
            )
            await self._forget_plan(pair, state.plan)
        if run.kind in ("run", "apply"):
            for name in await self.plans.expired(stamp(self.clock()), f"{self.job.name}/{pair.settings.name}/"):
                await self._forget_plan(pair, name)

    async def _done_of(self, pair: Pair, state: PairState) -> Mapping[str, int]:
        plan = await self.plans.load(state.plan)
        applied = Applied()
        for place, (status, reason) in (await pair.ledger.outcomes(state.plan)).items():
            if plan and place < len(plan.changes):
                applied.note(plan.changes[place], status, reason)
        return {kind.value: count for kind, count in applied.guarded.items()}

    async def _forget_plan(self, pair: Pair, name: str) -> None:
        await self.plans.remove(name)
        await pair.ledger.forget_outcomes(name)

    async def _moved(self, plans: Sequence[Plan]) -> Precondition:
        """What tells whether a record is still as it was when plans were made; reads the source. Raises SourceError."""
        watermarks = {plan.watermark for plan in plans}
        source = await JobSource.open(self.job, self.around, self.clock)
        try:
            found, gone, is_complete = await source.digests(watermarks.pop() if len(watermarks) == 1 else "")
        finally:
            await source.close()

        def moved(change: Change) -> str:
            return _record_moved(change, found, gone, is_complete=is_complete)

        return moved


def _record_moved(
    change: Change, found: Mapping[tuple[RecordKind, str], str], gone: Identities, *, is_complete: bool
) -> str:
    identity = (change.kind, change.key)
    if not change.source_digest:  # nothing was read of the record: it is gone, or its members are
        is_back = identity in found and change.action is not Action.MEMBERS
        return "the record is in the source again" if is_back else ""
    if identity in gone or (is_complete and identity not in found):
        return "the record is not in the source any more"
    return "" if found.get(identity, change.source_digest) == change.source_digest else "the record has changed since"


def _fits(_change: Change) -> str:
    """A plan that was made just now."""
    return ""
