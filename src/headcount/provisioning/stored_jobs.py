"""Which tenants have which jobs: kept by the operator, so that a name finds its tenant and a schedule its jobs."""

from typing import Final

import orjson

from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, Put, TenantKeeping

_NAMES: Final = "sync/names"
_CLAIMS: Final = "sync/claims"
_PAGE: Final = 1_000


class JobNames:
    """The names of all stored jobs of an installation."""

    def __init__(self, operator: TenantKeeping) -> None:
        self._store = operator

    async def add(self, tenant: str, job: str, schedule: str) -> None:
        """A job was stored."""
        await self._store.put([Put(_NAMES, f"{tenant}/{job}", orjson.dumps({"schedule": schedule}))])

    async def remove(self, tenant: str, job: str) -> None:
        """A job was removed."""
        await self._store.put([Put(_NAMES, f"{tenant}/{job}", None)])

    async def all(self) -> list[tuple[str, str]]:
        """(tenant, job) of each."""
        return [(tenant, job) for tenant, job, _ in await self._entries()]

    async def scheduled(self) -> list[tuple[str, str, str]]:
        """(tenant, job, cron expression) of those that run by themselves."""
        return [entry for entry in await self._entries() if entry[2]]

    async def claim(self, tenant: str, job: str, instant: str) -> bool:
        """Takes on what a job's schedule asks for at an instant; False when another process has, or did later ones."""
        key = f"{tenant}/{job}"
        entry = await self._store.entry(_CLAIMS, key)
        if entry is not None and entry.value.decode() >= instant:
            return False
        try:
            await self._store.put([Put(_CLAIMS, key, instant.encode(), entry.version if entry else ABSENT)])
        except VersionConflictError:
            return False
        return True

    async def _entries(self) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        after = ""
        while entries := await self._store.entries(_NAMES, after=after, limit=_PAGE):
            for entry in entries:
                tenant, _, job = entry.key.partition("/")
                found.append((tenant, job, orjson.loads(entry.value)["schedule"]))
            after = entries[-1].key
        return found
