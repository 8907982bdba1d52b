"""Everything of a resource type, a page at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from headcount.scim.filters.binding import BoundFilter, bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.profiles import STRICT
from headcount.scim.registry import ResourceType
from headcount.store.interface import Position, Query, StoredResource, Target, TenantStore

Report: TypeAlias = Callable[[int, str], None]
"""Told how many resources were looked at since the last time, and what there is to say."""

_ROWS_AT_ONCE: Final = 250
"""So few that requests in between hardly wait."""
_SKEW: Final = timedelta(minutes=2)
"""How much the clocks of servers may differ."""


def silent(_amount: int, _text: str) -> None:
    """Reports to nobody."""


async def walk(
    store: TenantStore, resource_type: ResourceType, *, after: str = "", matching: BoundFilter | None = None
) -> AsyncIterator[Sequence[StoredResource]]:
    """The resources behind an id, in the order of ids; what comes meanwhile has a greater id, and is met."""
    position = Position(None, after) if after else None
    while True:
        query = Query((Target(resource_type, matching),), _ROWS_AT_ONCE, after=position, total=False, groups=False)
        page = await store.search(query)
        if page.resources:
            yield page.resources
        await asyncio.sleep(0)  # some stores answer at once: others get their turn here
        if page.last is None:
            return
        position = page.last


def modified_since(resource_type: ResourceType, moment: str) -> BoundFilter:
    """What was modified since an instant, by whoever's clock."""
    earliest = (datetime.fromisoformat(moment) - _SKEW).astimezone(UTC).isoformat()
    return bind_filter(Comparison("meta.lastModified", Operator.GE, earliest), resource_type, STRICT)


async def total_of(store: TenantStore, resource_type: ResourceType) -> int:
    """How many resources there are of a type."""
    page = await store.search(Query((Target(resource_type),), 0, groups=False))
    return page.total or 0
