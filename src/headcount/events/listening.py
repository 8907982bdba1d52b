"""What a listener hears of rows of the change log: `telling`, and memberships for one who does not see everybody.

Rows that change members hold ids alone. To whom a fence hides people or groups, those are told whom he sees now, and
what comes within his fence brings its memberships along; what he loses sight of takes them away. His copy comes out as
what he may read, though not every step on the way is told.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from headcount.events.telling import (
    ENTERED,
    events_of,
    hides_members,
    lock_out_of,
    locks_out,
    membership,
    tells_members,
)
from headcount.events.types import MEMBERS_AN_EVENT, Event
from headcount.scim.filters.binding import BoundAnd, BoundComparison
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import bind_path
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.scopes import Permission, Permissions
from headcount.store.interface import Query, StoredResource, Target
from headcount.store.keeping import ChangeRow, TenantKeeping

_A_FEW: Final = 25
"""Rows that are told before others have their turn."""
_GROUPS_A_PAGE: Final = 1_000


class Sight(Protocol):
    """What a client can see."""

    async def seen(self, ids: Iterable[str]) -> Collection[str]:
        """Those of these ids that belong to people and groups whom it can see: others are nobody."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears of one tenant."""

    tenant: str
    registry: Registry
    permissions: Permissions
    sight: Sight

    @property
    def is_fenced(self) -> bool:
        """Whether memberships of somebody are hidden."""
        return self.permissions.is_restricted and any(map(hides_members, self._memberships()))

    def keeping_members(self) -> list[ResourceType]:
        """The resource types whose members are told."""
        return [permission.resource_type for permission in self._memberships() if tells_members(permission)]

    def _memberships(self) -> list[Permission]:
        return [self.permissions.of(kind) for kind in self.registry.resource_types if kind.keeps_members]


async def heard(store: TenantKeeping, rows: Sequence[ChangeRow], listener: Listener) -> AsyncIterator[Event]:
    """The events that rows mean to a listener, in order."""
    is_fenced = listener.is_fenced
    seen = await listener.sight.seen(_named(rows)) if is_fenced else ()
    for number, row in enumerate(rows, 1):
        has_entered = False
        for event in events_of(row, listener.tenant, listener.registry, listener.permissions, seen):
            has_entered = has_entered or event.marks == ENTERED
            yield event
        if is_fenced and has_entered:
            async for event in _brought(store, row, listener):
                yield event
        if not number % _A_FEW:
            await asyncio.sleep(0)


def lock_outs_of(rows: Sequence[ChangeRow], listener: Listener) -> Iterator[Event]:
    """The lock-outs that rows mean to a listener."""
    for row in filter(locks_out, rows):
        for event in events_of(row, listener.tenant, listener.registry, listener.permissions):
            yield lock_out_of(event)


async def members_seen(store: TenantKeeping, group_id: str, listener: Listener) -> AsyncIterator[list[str]]:
    """The ids of the members of a group, as far as a listener sees them, some at a time."""
    after = ""
    while members := await store.members(group_id, after=after, limit=MEMBERS_AN_EVENT):
        ids = [member.id for member in members]
        after = ids[-1]
        if listener.is_fenced:
            seen = await listener.sight.seen(ids)
            ids = [member for member in ids if member in seen]
        yield ids


async def _brought(store: TenantKeeping, row: ChangeRow, listener: Listener) -> AsyncIterator[Event]:
    """The memberships that a resource brings along that comes within a fence, as they are now."""
    kind = listener.registry.by_name[row.type]
    if kind.keeps_members:
        async for ids in members_seen(store, row.id, listener):
            if ids:
                yield membership(row, listener.tenant, (row.type, row.id, row.version), f".{ids[0]}", added=ids)
    for other in listener.keeping_members():
        async for group in _groups_of(store, row.id, listener, other):
            resource = (group.type, group.id, group.version)
            yield membership(row, listener.tenant, resource, f".{group.id}", added=[row.id])


async def _groups_of(
    store: TenantKeeping, member_id: str, listener: Listener, kind: ResourceType
) -> AsyncIterator[StoredResource]:
    """The groups of somebody that a listener sees."""
    fence, path = listener.permissions.of(kind).fence, bind_path("members.value", kind)
    if path is None:
        return
    named = BoundComparison(path, Operator.EQ, member_id)
    found = named if fence is None else BoundAnd((fence, named))
    query = Query((Target(kind, found),), _GROUPS_A_PAGE, total=False, groups=False)
    while True:
        page = await store.search(query)
        for row in page.resources:
            yield row
        if page.last is None:
            return
        query = query._replace(after=page.last)


def _named(rows: Sequence[ChangeRow]) -> set[str]:
    """Whom rows about memberships name."""
    moves = [row for row in rows if row.added or row.removed]
    return {name for row in moves for name in (row.id, *row.added, *row.removed)}
