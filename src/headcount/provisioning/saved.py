"""What a tenant keeps of its jobs besides ledgers: job files, and plans until they expire."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from headcount.provisioning.plan import Change, Plan
from headcount.provisioning.plan_json import plan_from_json, plan_to_json
from headcount.store.keeping import Put, TenantKeeping

JOBS: Final = "sync/jobs"
PLANS: Final = "sync/plans"
_PART: Final = 1_000
"""Changes in one entry."""


@dataclass(frozen=True, slots=True)
class StoredJob:
    """A job file as it is kept."""

    name: str
    text: str
    folder: str
    """Where its relative paths begin."""
    added: str
    version: int = 0


class SavedJobs:
    """The job files of one tenant."""

    def __init__(self, store: TenantKeeping) -> None:
        self._store = store

    async def add(self, job: StoredJob) -> StoredJob:
        """Keeps a job file in place of the one with its name."""
        value = orjson.dumps({"text": job.text, "folder": job.folder, "added": job.added})
        await self._store.put([Put(JOBS, job.name, value)])
        entry = await self._store.entry(JOBS, job.name)
        return replace(job, version=entry.version if entry else 1)

    async def get(self, name: str) -> StoredJob | None:
        """The job file with a name, or None."""
        entry = await self._store.entry(JOBS, name)
        return StoredJob(name, **orjson.loads(entry.value), version=entry.version) if entry else None

    async def list(self) -> list[StoredJob]:
        """All job files, by name."""
        entries = await self._store.entries(JOBS)
        return [StoredJob(entry.key, **orjson.loads(entry.value), version=entry.version) for entry in entries]

    async def remove(self, name: str) -> None:
        """Forgets a job file; ledgers stay."""
        await self._store.put([Put(JOBS, name, None)])


class SavedPlans:
    """The plans of one tenant, in parts: a first load has a change for everybody."""

    def __init__(self, store: TenantKeeping) -> None:
        self._store = store

    async def save(self, name: str, plan: Plan) -> None:
        """Keeps a plan under a name; whole once this ends, and not there before."""
        changes = plan.changes
        for number, start in enumerate(range(0, len(changes), _PART)):
            part = replace(plan, changes=changes[start : start + _PART], held=(), drift=())
            await self._store.put([Put(f"{PLANS}/{name}", f"{number:06}", plan_to_json(part))])
        await self._store.put([Put(PLANS, name, plan_to_json(replace(plan, changes=())))])

    async def load(self, name: str) -> Plan | None:
        """The plan with a name, or None."""
        entry = await self._store.entry(PLANS, name)
        if entry is None:
            return None
        changes: list[Change] = []
        for part in await self._parts(name):
            changes += plan_from_json(part).changes
        return replace(plan_from_json(entry.value), changes=tuple(changes))

    async def changes(self, name: str, places: Sequence[int]) -> dict[int, Change]:
        """The changes at some places of a plan, as far as it is kept."""
        keys = sorted({f"{place // _PART:06}" for place in places})
        found: dict[int, Change] = {}
        for entry in await self._store.entries_of(f"{PLANS}/{name}", keys):
            part, first = plan_from_json(entry.value).changes, int(entry.key) * _PART
            found |= {place: part[place - first] for place in places if first <= place < first + len(part)}
        return found

    async def remove(self, name: str) -> None:
        """Forgets a plan."""
        await self._store.put([Put(PLANS, name, None)])
        for entry in await self._store.entries(f"{PLANS}/{name}", limit=_MOST_PARTS):
            await self._store.put([Put(f"{PLANS}/{name}", entry.key, None)])

    async def expired(self, now: str, prefix: str) -> list[str]:
        """The names that begin so of plans that are too old to be applied."""
        entries = await self._store.entries(PLANS, prefix=prefix)
        return [entry.key for entry in entries if orjson.loads(entry.value)["expires"] < now]

    async def _parts(self, name: str) -> Sequence[bytes]:
        entries = await self._store.entries(f"{PLANS}/{name}", limit=_MOST_PARTS)
        return [entry.value for entry in entries]


_MOST_PARTS: Final = 100_000
