"""One (job, target) pair: how it stands, what is planned for it, and what is left behind by a run."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from headcount.provisioning.applying import Applied
from headcount.provisioning.asking import Asker
from headcount.provisioning.desired import Desired, Parked
from headcount.provisioning.guard import guard
from headcount.provisioning.jobs import SyncJob, TargetSettings
from headcount.provisioning.ledger import Identity, Intent, Kept, Ledger, PairState, Status
from headcount.provisioning.links import Links
from headcount.provisioning.moments import later
from headcount.provisioning.plan import Action, Change, GuardKind, Plan
from headcount.provisioning.reading import Read
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.rendering import render, totals
from headcount.provisioning.situation import Situation
from headcount.provisioning.stepping import TYPES, estimated
from headcount.provisioning.targets.client import Exchange
from headcount.provisioning.targets.paths import values_at
from headcount.provisioning.targets.target import Target
from headcount.store.keeping import Put

FULL_EVERY: Final = timedelta(hours=24)
_TOLERATED_FAILURES: Final = 2
_FIRST_QUARANTINE: Final = 900.0
_LONGEST_QUARANTINE: Final = 86_400.0
_FEW: Final = 20
_REFUSED_SHARE: Final = 0.4
_MOST_HELD: Final = 10_000
_GROUP: Final = TYPES[RecordKind.GROUP]


@dataclass(frozen=True, slots=True)
class Options:
    """How a plan is made."""

    released: frozenset[GuardKind] = frozenset()
    """Kinds that pass whatever the guard says."""
    all_or_nothing: bool = False
    with_drift: bool = False
    """Whether everybody at the target is read, to see what others changed there."""
    only: str = ""
    """The source key of the one person whom it is about; empty for everybody."""


@dataclass(slots=True)
class PairReport:
    """What came of one target."""

    target: str
    plan: Plan | None = None
    plan_name: str = ""
    applied: Applied | None = None
    failure: str = ""
    """Why it could not be done, in words."""
    settled: int = 0
    """Creates of an interrupted run that were looked at."""
    warnings: list[str] = field(default_factory=list)
    requests: Mapping[str, int] = field(default_factory=dict)
    trace: list[str] = field(default_factory=list)
    """Every step, in words, where one person was asked for."""
    exchanges: list[Exchange] = field(default_factory=list)
    """The requests of these steps."""

    @property
    def exit_code(self) -> int:
        """0 nothing to do or done, 2 changes pending, 3 held, 1 error."""
        if self.failure or (self.applied and self.applied.stopped):
            return 1
        if self.plan and self.plan.held:
            return 3
        return 2 if self.plan and not self.applied and _is_due(self.plan) else 0

    def as_json(self) -> dict[str, Any]:
        """For machines, by `pieces_of`: the plan stands in it as it is."""
        document: dict[str, Any] = {"target": self.target, "exitCode": self.exit_code, "warnings": self.warnings}
        if self.failure:
            document["error"] = self.failure
        if self.plan:
            document |= {"planName": self.plan_name, "plan": self.plan}
        if self.applied:
            document["applied"] = summary_of(self.applied)
            document["problems"] = [
                {"kind": change.kind, "key": change.key, "action": change.action, "status": status, "reason": reason}
                for change, status, reason in self.applied.problems
            ]
        if self.exchanges:
            document["exchanges"] = [asdict(exchange) for exchange in self.exchanges]
        return document | {"requests": dict(self.requests), "trace": self.trace}

    def in_words(self, *, most: int | None = 100, with_bodies: bool = False) -> str:
        """For people; `most` changes in full."""
        lines = [f"{self.target}: {warning}" for warning in self.warnings]
        if self.failure:
            lines.append(f"{self.target}: failed: {self.failure}")
        if self.plan and not self.applied:
            lines.append(render(self.plan, most=most))
        if self.applied and self.plan:
            lines += [f"{self.target}: {totals(self.plan)}", f"{self.target}: {_in_words(self.applied)}"]
            lines += [
                f"  {status}: {change.action} {change.label} [{change.key}]: {reason}"
                for change, status, reason in self.applied.problems[:most]
            ]
        exchanges = (line for exchange in self.exchanges for line in _told(exchange, with_bodies=with_bodies))
        return "\n".join([*lines, *self.trace, *exchanges])


@dataclass(slots=True)
class Standing:
    """What the ledger says of a pair, loaded."""

    state: PairState
    parked: dict[Identity, Kept]
    reviews: dict[Identity, Kept]
    intents: dict[Identity, Intent]
    links: Links = field(default_factory=Links)
    """All of them, while somebody works with them: of fifty targets not all are held at a time."""
    revisited: frozenset[Identity] = frozenset()
    """Whose creates were looked at just now."""

    @classmethod
    async def of(cls, ledger: Ledger) -> "Standing":
        """Reads it all, but for the links."""
        return cls(await ledger.state(), await ledger.parked(), await ledger.reviews(), await ledger.intents())

    def again(self, now: str) -> Iterable[Identity]:
        """Who has to be looked at whether they changed or not."""
        yield from (identity for identity, kept in self.parked.items() if kept.due <= now)
        yield from self.reviews
        yield from self.revisited
        yield from ((RecordKind(kind), key) for kind, key in self.state.pending)

    def can_go_on(self, job: SyncJob, now: str) -> bool:
        """Whether it is enough to read what changed since the watermark."""
        state = self.state
        is_known = bool(state.watermark and state.full_at and state.job_digest == job.digest)
        return is_known and datetime.fromisoformat(now) - datetime.fromisoformat(state.full_at) < FULL_EVERY


async def plan_for(  # everything that a plan is made of
    job: SyncJob,
    settings: TargetSettings,
    target: Target,
    ledger: Ledger,
    standing: Standing,
    read: Read,
    options: Options,
) -> Plan:
    """The plan for a target, guarded and estimated; raises TargetError."""
    situation = Situation(
        job,
        settings,
        _without_set_aside(read.desired, standing, read.at),
        standing.links,
        read.at,
        decisions={identity: kept.decision for identity, kept in standing.reviews.items() if kept.decision},
        actual=await _with_members(target, await everybody_at(target)) if options.with_drift else None,
        has_groups=target.profile.groups.supported,
        has_nested_groups=target.profile.members.nested,
        untaken=frozenset(path.lower() for path in target.profile.users.unsupported),
        watermark=read.watermark,
    )
    plan = await Asker(target, len(standing.links.persons)).plan(situation)
    if options.only:
        plan = replace(plan, changes=tuple(_about(plan.changes, options.only)))
    longest = max(limit.window for limit in settings.guard.values())
    plan = guard(
        plan,
        settings,
        await ledger.history(later(read.at, -longest)),
        groups=len(standing.links.groups),
        released=options.released,
        all_or_nothing=options.all_or_nothing,
    )
    requests, seconds = target.estimate(estimated(plan.changes))
    return replace(plan, requests=requests, seconds=seconds)


async def everybody_at(target: Target) -> dict[str, TargetRecord]:
    """Everybody at a target by id; raises TargetError."""
    types = [name for name in TYPES.values() if target.profile.of(name).supported]
    return {record.id: record for name in types async for record in target.everything(name)}


async def _with_members(target: Target, records: dict[str, TargetRecord]) -> dict[str, TargetRecord]:
    """The same with each group's members. One without any is empty only where others show theirs."""
    groups = [record for record in records.values() if record.type == _GROUP]
    if target.profile.members.returned:
        for group in groups:
            if not values_at(group.resource, "members"):  # a list may leave out what the group itself shows
                records[group.id] = await target.get(group.type, group.id) or group
        if any(values_at(records[group.id].resource, "members") for group in groups):
            for group in groups:
                record = records[group.id]
                records[group.id] = replace(record, resource={"members": [], **record.resource})
    return records


def _without_set_aside(desired: Desired, standing: Standing, now: str) -> Desired:
    """The desired state without those whose time has not come: nothing is done about them, and the plan says so."""
    reasons: dict[Identity, str] = {}
    for identity, kept in standing.parked.items():
        if kept.due > now and _digest(desired, identity) in ("", kept.digest):
            reasons[identity] = f"{kept.reason} (attempt {kept.attempts}; tried again after {kept.due[:19]}Z)"
    for identity, kept in standing.reviews.items():
        if kept.is_conflict and not kept.decision and _digest(desired, identity) in ("", kept.digest):
            reasons[identity] = f"waits for a decision in the review: {kept.reason}"
    for identity in standing.intents:
        reasons[identity] = "it is not known yet whether its create happened; the next run looks at it again"
    if not reasons:
        return desired
    parked = {identity: Parked(*identity, reason, _digest(desired, identity)) for identity, reason in reasons.items()}
    return replace(
        desired,
        persons={key: person for key, person in desired.persons.items() if (RecordKind.PERSON, key) not in reasons},
        groups={key: group for key, group in desired.groups.items() if (RecordKind.GROUP, key) not in reasons},
        parked={**desired.parked, **parked},
    )


def _digest(desired: Desired, identity: Identity) -> str:
    kind, key = identity
    records: Mapping[str, Any] = desired.persons if kind is RecordKind.PERSON else desired.groups
    return records[key].digest if key in records else ""


def _about(changes: Iterable[Change], key: str) -> Iterable[Change]:
    """What concerns one person: their own changes, and their part of memberships."""
    for change in changes:
        if change.kind is RecordKind.PERSON and change.key == key:
            yield change
        elif change.action is Action.MEMBERS and key in (*change.added, *change.removed) and key not in change.nested:
            added, removed = (tuple(one for one in keys if one == key) for keys in (change.added, change.removed))
            yield replace(change, added=added, removed=removed, is_emptying=change.is_emptying and bool(removed))


def left_behind(  # what a run ends with
    ledger: Ledger, standing: Standing, plan: Plan, applied: Applied, now: str, *, only: str = ""
) -> list[Put]:
    """What is set aside after a run: parked records and reviews of the plan; who is neither any more is forgotten."""
    puts = []
    stays = {(change.kind, change.key) for change, _, _ in applied.problems}
    for change in plan.changes:
        identity = (change.kind, change.key)
        if change.action is Action.PARK:
            stays.add(identity)
            if _is_new(standing, identity, now):
                puts.append(ledger.put_kept("parked", _kept(change, standing.parked.get(identity), now)))
        elif change.action is Action.REVIEW:
            stays.add(identity)
            puts.append(ledger.put_kept("reviews", _kept(change, standing.reviews.get(identity), now)))
    if only:
        return puts
    held = {(change.kind, change.key) for item in plan.held for change in item.changes}
    over = [identity for identity in standing.parked if identity not in stays | held]
    decided = [
        identity
        for identity, kept in standing.reviews.items()
        if identity not in stays | held and (not kept.verdict or identity[1] in standing.links.of(identity[0]))
    ]
    return [*puts, *ledger.drop_all("parked", over), *ledger.drop_all("reviews", decided)]


def _is_new(standing: Standing, identity: Identity, now: str) -> bool:
    """Whether a record is parked by this plan, and not because it was set aside before."""
    kept = standing.parked.get(identity)
    is_waiting = kept is not None and kept.due > now
    return not is_waiting and identity not in standing.intents and identity not in standing.reviews


def _kept(change: Change, before: Kept | None, now: str) -> Kept:
    """A record that the plan itself sets aside: it is looked at again by every run."""
    fresh = Kept(change.kind, change.key, change.label, change.reason, now, digest=change.source_digest)
    fresh = replace(fresh, candidates=change.candidates)
    if before is None:
        return fresh
    return replace(
        fresh, since=before.since, attempts=before.attempts + 1, verdict=before.verdict, target_id=before.target_id
    )


def state_after(state: PairState, job: SyncJob, read: Read | None, plan: Plan, applied: Applied, now: str) -> PairState:
    """How the pair stands after a run. One that was cut short can be resumed, and proves nothing about the source."""
    held = {(change.kind.value, change.key) for item in plan.held for change in item.changes}
    pending = {(kind.value, key) for kind, key in applied.pending} | held
    pending |= {(RecordKind.GROUP.value, key) for key in plan.waiting}
    trouble = applied.stopped or _refused_too_often(applied)
    state = failed(state, trouble, now) if trouble else replace(state, failures=0, quarantined_until="", trouble="")
    if applied.stopped:
        return replace(state, pending=tuple(sorted(pending.union(state.pending))))
    return replace(
        state,
        run="",
        plan="",
        held=_held(plan),
        pending=tuple(sorted(pending)),
        watermark=plan.watermark,
        read_at=plan.made,
        full_at=read.at if read and read.is_full else state.full_at,
        job_digest=job.digest,
    )


def failed(state: PairState, reason: str, now: str) -> PairState:
    """The state after one failure more; from the third in a row on the pair is left alone for longer and longer."""
    failures = state.failures + 1
    until = ""
    if failures > _TOLERATED_FAILURES:
        wait = min(_FIRST_QUARANTINE * 2 ** min(failures - _TOLERATED_FAILURES - 1, 20), _LONGEST_QUARANTINE)
        until = later(now, wait)
    return replace(state, failures=failures, trouble=reason, quarantined_until=until)


def _refused_too_often(applied: Applied) -> str:
    refused, tried = applied.counts[Status.REFUSED], applied.counts.total()
    if tried < _FEW or refused < tried * _REFUSED_SHARE:
        return ""
    return f"the target refused {refused} of {tried} changes"


def _held(plan: Plan) -> tuple[Mapping[str, Any], ...]:
    return tuple(
        {
            "kind": item.kind.value,
            "count": item.count,
            "limit": item.limit,
            "changes": [[change.kind.value, change.key, change.action.value] for change in item.changes[:_MOST_HELD]],
        }
        for item in plan.held
    )


def summary_of(applied: Applied) -> dict[str, Any]:
    """What was done, for the history and for machines."""
    return {
        "counts": {status.value: count for status, count in applied.counts.items()},
        "actions": {action.value: count for action, count in applied.actions.items()},
        "guarded": {kind.value: count for kind, count in applied.guarded.items()},
        "stopped": applied.stopped,
    }


def trace_of(read: Read, plan: Plan, applied: Applied) -> list[str]:
    """Every step of a small run, in words."""
    trouble = {id(change): f"{status}: {reason}" for change, status, reason in applied.problems}
    return [
        f"read: {read.records} record",
        *render(plan).splitlines(),
        *(f"{change.action} {change.label}: {trouble.get(id(change), 'done')}" for change in plan.changes),
    ]


def _told(exchange: Exchange, *, with_bodies: bool) -> Iterator[str]:
    yield f"  {exchange}"
    if with_bodies:
        yield from (f"    {sign} {body}" for sign, body in ((">", exchange.sent), ("<", exchange.received)) if body)


def _in_words(applied: Applied) -> str:
    done = [f"{count} {action}" for action, count in sorted(applied.actions.items())]
    rest = [f"{count} {status}" for status, count in sorted(applied.counts.items()) if status is not Status.DONE]
    text = f"done: {', '.join(done) or 'nothing'}"
    text += f"; not done: {', '.join(rest)}" if rest else ""
    return f"{text}; stopped: {applied.stopped}" if applied.stopped else f"{text}."


def _is_due(plan: Plan) -> bool:
    """Whether there is anything to carry out."""
    return any(change.action not in (Action.PARK, Action.REVIEW) for change in plan.changes)
