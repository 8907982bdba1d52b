"""Everything that is done with sync jobs, whoever asks: the command line, a schedule, a console.

What cannot be done raises JobError (or NotFoundError for a tenant that does not exist), in words.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from headcount.directory.tenants import Tenants
from headcount.provisioning import observing
from headcount.provisioning.connecting import Environment
from headcount.provisioning.correlation import Verdict
from headcount.provisioning.credentials import CredentialError
from headcount.provisioning.errors import JobError
from headcount.provisioning.explaining import Explanation, explanation
from headcount.provisioning.job_files import JobFileError, load_job
from headcount.provisioning.job_schema import schema_document
from headcount.provisioning.jobs import SyncJob
from headcount.provisioning.ledger import Kept
from headcount.provisioning.moments import Clock, clock, stamp
from headcount.provisioning.pairs import Options, PairReport
from headcount.provisioning.plan import Action, Change, GuardKind, Plan, ValueChange, Values
from headcount.provisioning.plan_sets import PlanSet, PlanSets, tenant_of
from headcount.provisioning.reading import JobSource, Report
from headcount.provisioning.records import RecordKind, SourceError
from headcount.provisioning.runs import Pair, Run, Runs, silent
from headcount.provisioning.saved import SavedJobs, StoredJob
from headcount.provisioning.sources.opening import Surroundings
from headcount.provisioning.stored_jobs import JobNames
from headcount.provisioning.targets.capabilities import CapabilityError
from headcount.provisioning.targets.errors import TargetError
from headcount.scim.errors import NotFoundError
from headcount.scim.registry import Registry
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT
from headcount.store.keeping import TenantKeeping

LARGEST_FILE: Final = 1024 * 1024
_RELEASED: Final = {kind.value: kind for kind in GuardKind}


@dataclass(frozen=True, slots=True)
class OpenJob:
    """A job that can be run."""

    job: SyncJob
    runs: Runs
    folder: Path
    origin: str
    """The path of its file; empty for a stored one."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans that were made together."""

    reports: list[PairReport]
    name: str = ""
    """Of the plan set; empty when there is nothing to apply."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is held, planned anew."""

    planned: Planned
    new: Sequence[tuple[str, str, str]]
    """(kind, key, action) that were not among what was held."""
    over: Sequence[tuple[str, str, str]]
    """What was held and is not to be done any more."""


class Synchronization:
    """The sync jobs of an installation."""

    def __init__(
        self,
        store: DatabaseStore,
        tenants: Tenants,
        *,
        environment: Environment,
        now: Clock = clock,
        report: Report = silent,
    ) -> None:
        self._store = store
        self._tenants = tenants
        self._environment = environment
        self._now = now
        self._report = report
        self.names = JobNames(store.for_tenant(OPERATOR_TENANT))

    @staticmethod
    def schema() -> Mapping[str, Any]:
        """The JSON Schema of job files."""
        return schema_document()

    async def add(self, file: str) -> dict[str, Any]:
        """Stores a job file, so that any machine can run the job."""
        with _explained():
            text, folder = _job_file(file)
            job = load_job(text, path=file)
        store = await self._tenant_store(job.tenant)
        stored = StoredJob(job.name, text, str(folder), stamp(self._now()))
        stored = await SavedJobs(store).add(stored)
        await self.names.add(job.tenant, job.name, job.schedule)
        return {"job": job.name, "tenant": job.tenant, "version": stored.version, "schedule": job.schedule or None}

    async def remove(self, name: str) -> dict[str, Any]:
        """Forgets a stored job. Its ledgers stay, for when it comes back."""
        tenant, job = await self._find(name)
        await SavedJobs(await self._tenant_store(tenant)).remove(job)
        await self.names.remove(tenant, job)
        return {"removed": f"{tenant}/{job}"}

    async def stored(self) -> list[dict[str, Any]]:
        """All stored jobs."""
        rows = []
        for tenant, name in await self.names.all():
            found = await SavedJobs(self._store.for_tenant(tenant)).get(name)
            if found is None:
                await self.names.remove(tenant, name)  # the tenant was deleted
                continue
            row = {"job": name, "tenant": tenant, "version": found.version, "added": found.added}
            rows.append(row | _parts_of(found))
        return rows

    async def open(self, job: str) -> OpenJob:
        """A job by the path of its file, or by the name under which it is stored."""
        if _is_file(job) or job.endswith((".yaml", ".yml")):
            with _explained():
                return await self._open(*_job_file(job), job)
        tenant, name = await self._find(job)
        found = await SavedJobs(await self._tenant_store(tenant)).get(name)
        if found is None:
            raise JobError(f"There is no stored job '{job}'.")
        with _explained():
            return await self._open(found.text, Path(found.folder), "")

    async def check(self, job: str) -> dict[str, Any]:
        """Connects to both ends; says what was found there."""
        opened = await self.open(job)
        found: dict[str, Any] = {"job": opened.job.name, "tenant": opened.job.tenant}
        with _explained():
            source = await JobSource.open(opened.job, opened.runs.around, self._now)
            try:
                found["sources"] = await source.check()
            except SourceError as error:
                found["sourceError"] = str(error)
            finally:
                await source.close()
        found["targets"] = {
            settings.name: await observing.check(opened.runs, settings) for settings in opened.runs.settings_of(())
        }
        return found

    async def plan(  # as the command line has it
        self,
        job: str,
        targets: Sequence[str] = (),
        *,
        is_full: bool = False,
        with_drift: bool = False,
        all_or_nothing: bool = False,
    ) -> Planned:
        """Plans for targets, and keeps the plans until they expire."""
        opened = await self.open(job)
        options = Options(all_or_nothing=all_or_nothing, with_drift=with_drift)
        with _explained():
            reports = await opened.runs.plan(_known(opened.job, targets), options, is_full=is_full)
        return await self._kept(opened, reports)

    async def apply(self, plan: str, *, is_strict: bool = False, released_because: str = "") -> list[PairReport]:
        """Carries out a saved plan, by its name or by a file that `plan --out` wrote; one of a release has a reason."""
        name = _name_in(plan)
        plans = await PlanSets(await self._tenant_store(tenant_of(name))).load(name)
        if plans is None:
            raise JobError(f"There is no plan '{name}'; it may have expired. Plan again.")
        kind = "release" if released_because else "apply"
        run = Run(kind, note=released_because, is_forced=True, keeps_plan=True)
        with _explained():
            opened = await self._open(await self._current_text(plans), Path(plans.folder), plans.origin)
            return await opened.runs.apply(plans.plans, run, is_strict=is_strict)

    async def run(  # as the command line has it
        self,
        job: str,
        targets: Sequence[str] = (),
        *,
        is_full: bool = False,
        with_drift: bool = False,
        all_or_nothing: bool = False,
        is_forced: bool = False,
    ) -> list[PairReport]:
        """Plans, guards and applies. A quarantined target is left out unless this is forced."""
        opened = await self.open(job)
        options = Options(all_or_nothing=all_or_nothing, with_drift=with_drift)
        with _explained():
            run = Run("run", options, is_forced=is_forced, is_full=is_full)
            return await opened.runs.run(_known(opened.job, targets), run)

    async def resume(self, job: str, targets: Sequence[str]) -> list[PairReport]:
        """Carries on with runs that were interrupted."""
        opened = await self.open(job)
        with _explained():
            return await opened.runs.resume(_known(opened.job, targets))

    async def explain(self, job: str, key: str) -> Explanation:
        """Everything about one person: record, scope, values, link, and what would change and why."""
        opened = await self.open(job)
        with _explained():
            reports = await opened.runs.plan((), Options(only=key))
            return await explanation(opened.runs, key, reports)

    async def now(self, job: str, key: str) -> list[PairReport]:
        """That person alone, at once."""
        opened = await self.open(job)
        with _explained():
            return await opened.runs.run((), Run("now", Options(only=key), is_forced=True))

    async def reviews(self, job: str) -> list[dict[str, Any]]:
        """What waits for a human, or was decided by one and is not done yet."""
        opened = await self.open(job)
        return [
            _kept_json(name, kept)
            for name in opened.job.targets
            for kept in (await opened.runs.ledger(name).reviews()).values()
        ]

    async def decide(self, job: str, target: str, key: str, verdict: str, target_id: str = "") -> dict[str, Any]:
        """Decides about a review (link, ignore or create); the next run acts on it."""
        opened = await self.open(job)
        _known(opened.job, [target])
        ledger = opened.runs.ledger(target)
        found = [kept for kept in (await ledger.reviews()).values() if kept.key == key]
        if not found:
            raise JobError(f"Nothing about '{key}' waits in the review of {target}.")
        decided = [replace(kept, verdict=Verdict(verdict).value, target_id=target_id) for kept in found]
        await ledger.keep([ledger.put_kept("reviews", kept) for kept in decided])
        return _kept_json(target, decided[0])

    async def parked(self, job: str) -> list[dict[str, Any]]:
        """Records that are set aside until they are tried again."""
        opened = await self.open(job)
        rows = []
        for name in opened.job.targets:
            ledger = opened.runs.ledger(name)
            rows += [_kept_json(name, kept) for kept in (await ledger.parked()).values()]
            for identity, intent in (await ledger.intents()).items():
                kept = Kept(*identity, intent.change.label, "it may have happened or not", intent.at, due=intent.due)
                rows.append(_kept_json(name, kept))
        return rows

    async def orphans(self, job: str, targets: Sequence[str]) -> list[dict[str, Any]]:
        """Accounts and groups at targets that belong to nobody in the source."""
        opened = await self.open(job)
        with _explained():
            return await observing.orphans(opened.runs, _known(opened.job, targets))

    async def drift(self, job: str, targets: Sequence[str] = ()) -> list[PairReport]:
        """What somebody else changed at targets, in reports whose plans hold nothing else."""
        opened = await self.open(job)
        with _explained():
            reports = await opened.runs.plan(_known(opened.job, targets), Options(with_drift=True))
        for report in reports:
            if report.plan:
                report.plan = replace(report.plan, changes=(), held=(), requests=0, seconds=0.0)
        return reports

    async def runs(self, job: str, limit: int = 20) -> list[dict[str, Any]]:
        """The last runs, newest first."""
        opened = await self.open(job)
        rows = [row for name in opened.job.targets for row in await opened.runs.ledger(name).runs(limit)]
        return sorted(rows, key=lambda row: row["at"], reverse=True)[:limit]

    async def status(self, job: str) -> list[dict[str, Any]]:
        """How each target of a job stands."""
        opened = await self.open(job)
        return [await observing.status(opened.runs, settings) for settings in opened.runs.settings_of(())]

    async def release(self, job: str, target: str, kinds: Sequence[str]) -> Release:
        """Plans what is held anew, with the guard open for these kinds, or for all that are held."""
        opened = await self.open(job)
        _known(opened.job, [target])
        state = await opened.runs.ledger(target).state()
        names = list(kinds) or [str(item["kind"]) for item in state.held]
        if unknown := set(names) - _RELEASED.keys():
            raise JobError(f"There is no kind '{min(unknown)}'; there are {', '.join(_RELEASED)}.")
        if not names:
            raise JobError(f"Nothing is held for {target}.")
        released = frozenset(_RELEASED[name] for name in names)
        with _explained():
            reports = await opened.runs.plan([target], Options(released=released))
        before = {tuple(change) for item in state.held if item["kind"] in names for change in item["changes"]}
        now = {_brief(change) for report in reports if report.plan for change in report.plan.changes}
        planned = await self._kept(opened, reports)
        return Release(planned, sorted(now - before), sorted(before - now))

    async def restart(self, job: str, targets: Sequence[str]) -> list[str]:
        """Forgets quarantine, watermark, clocks of parked records, findings, detachment: the next run reads it all."""
        opened = await self.open(job)
        names = [settings.name for settings in opened.runs.settings_of(_known(opened.job, targets))]
        for name in names:
            ledger = opened.runs.ledger(name)
            state = await ledger.state()
            fresh = replace(state, watermark="", full_at="", failures=0, quarantined_until="", trouble="", detached="")
            parked = [ledger.put_kept("parked", replace(kept, due="")) for kept in (await ledger.parked()).values()]
            await ledger.save(fresh, [*parked, ledger.put_findings(None)])
        return names

    async def detach(self, job: str, target: str, *, disables: bool) -> PairReport:
        """Ends the relation with a target: its accounts are kept as they are, or deactivated first."""
        opened = await self.open(job)
        _known(opened.job, [target])
        with _explained():
            plan_of = _switching_off(opened.job, stamp(self._now())) if disables else _leaving_alone(opened.job)
            report = await opened.runs.carry_out(target, plan_of, Run("detach", is_forced=True))
        if report.exit_code == 0 and not (report.applied and report.applied.problems):
            ledger = opened.runs.ledger(target)
            await ledger.clear("links", "parked", "reviews")
            state = await ledger.state()
            await ledger.save(
                replace(state, detached=stamp(self._now()), watermark="", full_at="", held=(), pending=())
            )
        return report

    async def _find(self, name: str) -> tuple[str, str]:
        """(tenant, job) of a stored job by its name, or by `tenant/name`."""
        found = [pair for pair in await self.names.all() if name in (pair[1], "/".join(pair))]
        if not found:
            raise JobError(f"There is neither a file nor a stored job '{name}'. Store one: headcount sync add FILE")
        if len(found) > 1:
            several = ", ".join("/".join(pair) for pair in found)
            raise JobError(f"Several tenants have a job '{name}': {several}. Say which.")
        return found[0]

    async def _open(self, text: str, folder: Path, origin: str) -> OpenJob:
        job = load_job(text, path=origin)
        store = await self._tenant_store(job.tenant)
        around = Surroundings(folder, self._environment, job.tenant, self._tenant)
        return OpenJob(job, Runs(job, store, around, self._now, self._report), folder, origin)

    async def _tenant_store(self, name: str) -> TenantKeeping:
        store, _ = await self._tenant(name)
        return store

    async def _tenant(self, name: str) -> tuple[TenantKeeping, Registry]:
        """What a tenant keeps and knows; raises JobError when there is none."""
        try:
            registry = await self._tenants.registry(name)
        except NotFoundError as error:
            raise JobError(f"{error} Create it: headcount tenant create {name}") from error
        return self._store.for_tenant(name), registry

    async def _kept(self, opened: OpenJob, reports: list[PairReport]) -> Planned:
        """Keeps plans under one name."""
        now = self._now()
        mark = f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
        plans = {}
        for report in reports:
            if report.plan and (report.plan.changes or report.plan.held):
                report.plan_name = f"{opened.job.name}/{report.target}/{mark}"
                await opened.runs.plans.save(report.plan_name, report.plan)
                plans[report.target] = report.plan_name
        if not plans:
            return Planned(reports)
        name = f"{opened.job.tenant}.{opened.job.name}.{mark}"
        expires = stamp(now + timedelta(hours=24))
        plan_set = PlanSet(name, opened.job.text, str(opened.folder), _absolute(opened.origin), plans, expires)
        await PlanSets(opened.runs.store).save(plan_set, stamp(now))
        return Planned(reports, name)

    async def _current_text(self, plans: PlanSet) -> str:
        """The job as it is now, which has to be the one that was planned; the planned one when its file is gone."""
        if plans.origin:
            return _job_file(plans.origin)[0] if _is_file(plans.origin) else plans.text
        job = load_job(plans.text)
        found = await SavedJobs(await self._tenant_store(plans.tenant)).get(job.name)
        return found.text if found else plans.text


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what can go wrong with files, sources, secrets and targets into what a user is told."""
    try:
        yield
    except (JobFileError, SourceError, CredentialError, CapabilityError, TargetError) as error:
        raise JobError(str(error)) from error


def _absolute(origin: str) -> str:
    return str(Path(origin).absolute()) if origin else ""


def _is_file(name: str) -> bool:
    return Path(name).is_file()


def _job_file(name: str) -> tuple[str, Path]:
    """The text of a job file, and the folder where its relative paths begin."""
    path = Path(name)
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1).decode("utf-8-sig"), path.absolute().parent
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"{path} cannot be read: {error}.") from error


def _known(job: SyncJob, targets: Sequence[str]) -> Sequence[str]:
    """The names, which have to be those of targets of the job."""
    for name in targets:
        if name not in job.targets:
            raise JobError(f"The job {job.name} has no target '{name}'; there are {', '.join(job.targets)}.")
    return targets


def _name_in(plan: str) -> str:
    """The name of a plan set: itself, or what a file says that `plan --out` wrote."""
    path = Path(plan)
    if not path.is_file():
        return plan
    try:
        name = orjson.loads(path.read_bytes())["plan"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{plan} is no file that `headcount sync plan --out` wrote.") from error
    return str(name)


def _parts_of(stored: StoredJob) -> dict[str, Any]:
    """What a list of jobs shows of one; a file of an earlier version may not be understood any more."""
    try:
        job = load_job(stored.text)
    except JobFileError as error:
        return {"schedule": None, "targets": [], "problem": str(error).splitlines()[0]}
    return {"schedule": job.schedule or None, "targets": list(job.targets)}


def _kept_json(target: str, kept: Kept) -> dict[str, Any]:
    row = {"target": target, **asdict(kept), "kind": kept.kind.value, "candidates": list(kept.candidates)}
    return {_camel(name): value for name, value in row.items() if value not in ("", 0, False) or name == "reason"}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


def _brief(change: Change) -> tuple[str, str, str]:
    return change.kind.value, change.key, change.action.value


def _leaving_alone(job: SyncJob) -> Callable[[Pair], Plan]:
    return lambda pair: Plan(job.name, job.digest, pair.settings.name, pair.started, pair.started, ())


def _switching_off(job: SyncJob, now: str) -> Callable[[Pair], Plan]:
    """Deactivates every account that is linked and not deactivated yet."""

    def plan(pair: Pair) -> Plan:
        changes = tuple(
            Change(
                Action.DEACTIVATE,
                RecordKind.PERSON,
                link.key,
                link.label,
                "the target is detached",
                target_id=link.target_id,
                values=Values([ValueChange("active", old=True, new=False)]),
                ledger_version=link.version,
                is_leaver=True,
            )
            for link in pair.standing.links.persons.values()
            if not link.left
        )
        return Plan(job.name, job.digest, pair.settings.name, now, now, changes)

    return plan
