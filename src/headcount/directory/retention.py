"""How long records are kept: what is older goes, tenant by tenant, by one process at a time."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from headcount.directory.adoption import forget_tombstones
from headcount.directory.audit.auditing import Audit
from headcount.directory.guard.guarding import forget_counts
from headcount.directory.identifiers import holder
from headcount.directory.request_log import REQUESTS
from headcount.directory.tenants import Tenants
from headcount.events.feed import ACKNOWLEDGED
from headcount.events.webhooks.subscription import LOCKED
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoreError

BETWEEN: Final = 3_600.0
"""Seconds."""
_LEASE: Final = "retention"


async def forget(tenants: Tenants, store: DatabaseStore, audit: Audit, days: int) -> int:
    """Removes what is older than so many days from the records of all tenants; gives how many of the audit went.

    What goes is sealed before, so that the audit can tell it from what was taken away.
    """
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    removed = 0
    for name in [OPERATOR_TENANT, *(tenant["name"] for tenant in await tenants.list())]:
        removed += await audit.forget(name, before)
        kept = store.for_tenant(name)
        for log in (LOCKED, ACKNOWLEDGED, REQUESTS):
            await kept.trim(log, before=before)
        await forget_tombstones(kept, before)
        await forget_counts(kept)
    return removed


async def keep_forgetting(tenants: Tenants, store: DatabaseStore, audit: Audit, days: int) -> None:
    """Does so every hour, where no other process does, until it is cancelled."""
    name = holder()
    while True:
        try:
            if await store.for_tenant(OPERATOR_TENANT).lease(_LEASE, name, seconds=BETWEEN):
                removed = await forget(tenants, store, audit, days)
                if removed:
                    structlog.get_logger().info("changes_forgotten", rows=removed)
        except StoreError as error:
            structlog.get_logger().warning("changes_not_forgotten", reason=str(error))
        await asyncio.sleep(BETWEEN)
