"""When each access token was used last: noted in memory by requests, and kept once a minute beside them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NoReturn

import structlog

from headcount.directory.identifiers import now
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoreError
from headcount.store.keeping import Put

FLUSH_SECONDS: Final = 60.0
USES: Final = "token_use"
"""The collection of the operator tenant that holds instants by token id."""
_MOST: Final = 10_000
"""Tokens that are noted between two flushes; more are not."""


class TokenUse:
    """The last uses of access tokens."""

    def __init__(self, store: DatabaseStore) -> None:
        self._store = store.for_tenant(OPERATOR_TENANT)
        self._noted: dict[str, str] = {}

    def note(self, token_id: str) -> None:
        """A token is used now."""
        if len(self._noted) < _MOST or token_id in self._noted:
            self._noted[token_id] = now()

    async def last(self, token_ids: Sequence[str]) -> dict[str, str]:
        """The instant of each token's last use, as far as it was kept."""
        return {entry.key: entry.value.decode() for entry in await self._store.entries_of(USES, token_ids)}

    async def flush(self) -> None:
        """Keeps what was noted; raises StoreError when the database fails."""
        noted, self._noted = self._noted, {}
        if noted:
            await self._store.put([Put(USES, token_id, at.encode()) for token_id, at in noted.items()])

    async def flush_at_last(self) -> None:
        """Keeps what was noted before the process ends, if the database takes it."""
        with suppress(StoreError):
            await self.flush()

    async def keep_flushing(self) -> NoReturn:
        """Keeps what was noted every minute, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except StoreError as error:
                structlog.get_logger().warning("token_use_not_kept", reason=str(error))
