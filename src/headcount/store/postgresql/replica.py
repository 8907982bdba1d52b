"""A streaming replica takes the searches that read much, and nobody reads there what is older than his own writes.

Before a search the primary says how far its log is on disk: everything that was acknowledged to anybody by then lies
before that position. The replica is asked only once it has replayed as much; while it lags, or cannot be reached, the
primary answers.
"""

import asyncio
import time
from typing import Final

import asyncpg

from headcount.store.interface import StoreError, TimeBudgetError
from headcount.store.postgresql.coalescing import Coalescer
from headcount.store.postgresql.pool import Pool
from headcount.store.search.sql import Sql

_POSITION: Final = Sql("SELECT pg_current_wal_flush_lsn()::text AS position")
_HAS_REPLAYED: Final = "SELECT coalesce(pg_last_wal_replay_lsn() >= ?::text::pg_lsn, false) AS replayed"
_LOOKS: Final = 4
_BETWEEN_LOOKS: Final = 0.005
"""Seconds: a replica is usually a millisecond or two behind."""
_REST: Final = 5.0
"""Seconds that a replica is left alone after it failed."""


class Replica:
    """Searches on a replica, as fresh as on the primary."""

    def __init__(self, replica: Pool, primary: Pool) -> None:
        self._replica = replica
        self._primary = primary
        self._positions: Coalescer[str, None, str] = Coalescer(self._position, flights=1, most=1_000, patience=_REST)
        self._rests_until = 0.0

    async def open(self) -> None:
        """Prepares connections; a replica may be away at first."""
        await self._replica.open()

    async def close(self) -> None:
        """Closes all connections."""
        await self._positions.finish()
        await self._replica.close()

    async def run_bounded(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement, from the replica where it is fresh, else from the primary."""
        if time.monotonic() >= self._rests_until:
            try:
                if await self._is_fresh(await self._positions.submit("", None)):
                    return await self._replica.run_bounded(statement)
            except TimeBudgetError:
                raise
            except (StoreError, asyncpg.PostgresError):
                self._rests_until = time.monotonic() + _REST
        return await self._primary.run_bounded(statement)

    async def _is_fresh(self, position: str) -> bool:
        """Whether the replica has replayed everything before a position, or does so within moments."""
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(_BETWEEN_LOOKS)
            rows = await self._replica.run(Sql(_HAS_REPLAYED, (position,)))
            if rows[0]["replayed"]:
                return True
        return False

    async def _position(self, _tenant: str, asked: list[None]) -> list[str | Exception]:
        """Asked for after all who wait have come, so that it holds for every one of them."""
        rows = await self._primary.run(_POSITION)
        return [rows[0]["position"]] * len(asked)
