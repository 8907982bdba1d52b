"""Refused attempts, noted beside requests: gathered in memory, kept every second, bounded whatever comes."""

import asyncio
from contextlib import suppress
from typing import Final

import orjson
import structlog

from headcount.directory.audit.records import REFUSED
from headcount.directory.identifiers import now
from headcount.directory.tenants import Tenants
from headcount.scim.errors import NotFoundError
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoreError
from headcount.store.keeping import Line

BETWEEN: Final = 1.0
"""Seconds; what is not kept yet is lost with a process that is killed."""
MOST: Final = 100
"""Attempts of one tenant that are kept singly between two times; more are counted only."""


class Attempts:
    """Gathers refused attempts by tenant."""

    def __init__(self, store: DatabaseStore, tenants: Tenants) -> None:
        self._store = store
        self._tenants = tenants
        self._gathered: dict[str, list[dict[str, Json]]] = {}
        self._more: dict[str, int] = {}

    def note(self, tenant: str, attempt: dict[str, Json]) -> None:
        """Takes note of an attempt; costs nothing but memory."""
        gathered = self._gathered.setdefault(tenant, [])
        if len(gathered) < MOST:
            gathered.append({"at": now(), **attempt})
        else:
            self._more[tenant] = self._more.get(tenant, 0) + 1

    async def flush(self) -> None:
        """Keeps what was gathered; raises StoreError, and what was gathered is lost."""
        gathered, self._gathered = self._gathered, {}
        more, self._more = self._more, {}
        for tenant, attempts in gathered.items():
            lines = [Line(item.pop("at"), orjson.dumps(item), str(item.get("actor", ""))) for item in attempts]
            if number := more.get(tenant):
                lines.append(Line(now(), orjson.dumps({"action": "more", "attempts": number})))
            with suppress(NotFoundError):  # the tenant is gone, and a namesake must not find them
                if tenant != OPERATOR_TENANT:
                    await self._tenants.get(tenant)
                await self._store.for_tenant(tenant).append(REFUSED, lines)

    async def keep_flushing(self) -> None:
        """Keeps what was gathered every second, until it is cancelled."""
        while True:
            await asyncio.sleep(BETWEEN)
            try:
                await self.flush()
            except StoreError as error:
                structlog.get_logger().warning("attempts_not_kept", reason=str(error))

    async def flush_at_last(self) -> None:
        """Keeps what was gathered before the process ends, if the database takes it."""
        with suppress(StoreError):
            await self.flush()
