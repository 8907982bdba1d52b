"""Plans of one job that were made together, under one name: what `plan` shows and `apply` carries out."""

from dataclasses import asdict, dataclass
from typing import Final

import orjson

from headcount.store.keeping import Put, TenantKeeping

PLAN_SETS: Final = "sync/plan-sets"


@dataclass(frozen=True, slots=True)
class PlanSet:
    """Plans for some targets of a job, and the job as it was."""

    name: str
    """`tenant.job.time-random`."""
    text: str
    """The job file."""
    folder: str
    origin: str
    """The path of the file; empty for a stored job."""
    plans: dict[str, str]
    """Names of saved plans by target."""
    expires: str

    @property
    def tenant(self) -> str:
        """Whose job it is."""
        return tenant_of(self.name)


def tenant_of(name: str) -> str:
    """The tenant in the name of a plan set."""
    return name.partition(".")[0]


class PlanSets:
    """The plan sets of one tenant."""

    def __init__(self, store: TenantKeeping) -> None:
        self._store = store

    async def save(self, plans: PlanSet, now: str) -> None:
        """Keeps a set, and forgets those that have expired."""
        entries = await self._store.entries(PLAN_SETS)
        old = [entry.key for entry in entries if orjson.loads(entry.value)["expires"] < now]
        puts = [Put(PLAN_SETS, key, None) for key in old if key != plans.name]
        await self._store.put([*puts, Put(PLAN_SETS, plans.name, orjson.dumps(asdict(plans)))])

    async def load(self, name: str) -> PlanSet | None:
        """The set with a name, or None."""
        entry = await self._store.entry(PLAN_SETS, name)
        return PlanSet(**orjson.loads(entry.value)) if entry else None
