"""Access tokens that are about to end: a row in the log 30, 7 and 1 days before, once for all processes."""

import asyncio
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NoReturn

import structlog

from headcount.directory.operator import find_all
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import ACCESS_TOKEN
from headcount.directory.token_use import USES
from headcount.scim.folding import instant
from headcount.scim.schemas import Json
from headcount.store.interface import StoreError, VersionConflictError
from headcount.store.keeping import ABSENT, Put

WARNINGS: Final = (1, 7, 30)
"""Days before its end at which a token is spoken of."""
_CHECK_SECONDS: Final = 3_600.0
_WARNED: Final = "token_warning"
"""The collection of the operator tenant that holds the last warning by token id."""
_DAY: Final = timedelta(days=1)


def days_left(token: Mapping[str, Json]) -> int | None:
    """In how many days at most a live token ends, if that is soon; None when it is not, or has happened."""
    expires = token.get("expires")
    if expires is None or not token.get("active", True):
        return None
    days = math.ceil((datetime.fromisoformat(instant(expires)) - datetime.now(UTC)) / _DAY)
    return days if 0 < days <= WARNINGS[-1] else None


class TokenExpiry:
    """Speaks of tokens in time."""

    def __init__(self, operator: OperatorResources) -> None:
        self._operator = operator

    async def warn(self) -> None:
        """Logs each token that has come closer to its end than the last warning said; raises StoreError."""
        ids = set()
        async for token in find_all(self._operator, ACCESS_TOKEN):
            ids.add(token["id"])
            days = days_left(token)
            if days is not None and await self._is_news(token["id"], next(one for one in WARNINGS if days <= one)):
                structlog.get_logger().warning(
                    "token_expires",
                    token_id=token["id"],
                    tenant=token["tenant"],
                    name=token["name"],
                    expires=token["expires"],
                    days=days,
                )
        for collection in (_WARNED, USES):
            await self._forget_others(collection, ids)

    async def keep_warning(self) -> NoReturn:
        """Looks after the tokens at once and every hour, until cancelled."""
        while True:
            try:
                await self.warn()
            except StoreError as error:
                structlog.get_logger().warning("tokens_not_checked", reason=str(error))
            await asyncio.sleep(_CHECK_SECONDS)

    async def _is_news(self, token_id: str, warning: int) -> bool:
        """Whether this warning was not given before, by whichever process; from now on it was."""
        store = self._operator.store
        known = await store.entry(_WARNED, token_id)
        if known is not None and int(known.value) <= warning:
            return False
        try:
            await store.put([Put(_WARNED, token_id, b"%d" % warning, known.version if known else ABSENT)])
        except VersionConflictError:
            return False
        return True

    async def _forget_others(self, collection: str, ids: set[str]) -> None:
        """Removes what is kept of tokens that are gone."""
        after = ""
        while entries := await self._operator.store.entries(collection, after=after):
            gone = [Put(collection, entry.key, None) for entry in entries if entry.key not in ids]
            if gone:
                await self._operator.store.put(gone)
            after = entries[-1].key
