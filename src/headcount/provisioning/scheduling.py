"""Runs jobs when their time has come, inside whatever serves. The lease of each pair keeps two machines apart."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import structlog
from cronsim import CronSim, CronSimError

from headcount.provisioning.errors import JobError
from headcount.provisioning.moments import stamp
from headcount.provisioning.synchronization import Synchronization
from headcount.scim.errors import ScimError
from headcount.store.interface import StoreError

LOOK_AGAIN: Final = 20.0
"""Seconds."""


class Schedule:
    """Which jobs are due."""

    def __init__(self, synchronization: Synchronization, since: datetime) -> None:
        self._synchronization = synchronization
        self._since = since
        self._under_way: dict[str, asyncio.Task[None]] = {}

    async def look(self, now: datetime) -> list[str]:
        """Starts the jobs whose time came since the last look, unless they still run; gives their names.

        Of several processes that look, one starts a job.
        """
        names = self._synchronization.names
        started = []
        for tenant, job, cron in await names.scheduled():
            due = due_at(cron, self._since, now)
            if due is not None and await names.claim(tenant, job, stamp(due)):
                started.append(f"{tenant}/{job}")
        self._since = now
        self._under_way = {name: task for name, task in self._under_way.items() if not task.done()}
        for name in started:
            if name not in self._under_way:
                self._under_way[name] = asyncio.create_task(self._run(name))
        return started

    async def settle(self) -> None:
        """Until everything that was started has ended."""
        await asyncio.gather(*self._under_way.values())

    def stop(self) -> None:
        """Ends what is under way; the next run carries on with it."""
        for task in self._under_way.values():
            task.cancel()

    async def _run(self, name: str) -> None:
        log = structlog.get_logger()
        try:
            reports = await self._synchronization.run(name)
        except (JobError, ScimError, StoreError) as error:
            log.warning("a sync job failed", job=name, reason=str(error))
            return
        for report in reports:
            log.info("a sync job ran", job=name, target=report.target, outcome=report.exit_code, reason=report.failure)


def due_at(cron: str, since: datetime, now: datetime) -> datetime | None:
    """The first time of a cron expression behind `since`, None when it is not there yet."""
    try:
        due = next(CronSim(cron, since), None)
    except CronSimError:  # stored by a version that understood it
        return None
    return due if due is not None and due <= now else None


async def keep_running(synchronization: Synchronization) -> None:
    """Looks for due jobs until it is cancelled."""
    schedule = Schedule(synchronization, datetime.now(UTC))
    try:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            try:
                await schedule.look(datetime.now(UTC))
            except StoreError as error:
                structlog.get_logger().warning("sync jobs cannot be looked for", reason=str(error))
    finally:
        schedule.stop()
