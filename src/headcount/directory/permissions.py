"""What a request may do, asked at every entrance before anything is shown or written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import orjson

from headcount.scim.errors import ForbiddenError, InvalidValueError, NotFoundError
from headcount.scim.filters.binding import BoundAnd, BoundComparison, BoundFilter, BoundOr
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation, Permission, Permissions
from headcount.store.interface import (
    DEFAULT_CONNECTION,
    Member,
    MembershipChange,
    Query,
    StoredResource,
    Target,
    TenantStore,
)

MEMBERS_A_PAGE: Final = 1_000
"""Members that are read, and held in memory, at a time."""
_AT_A_TIME: Final = 100
"""Ids that are looked for in one search."""


def permitted(permissions: Permissions, resource_type: ResourceType, operation: Operation) -> Permission:
    """The permission for a resource type; raises ForbiddenError when it does not hold the operation."""
    permission = permissions.of(resource_type)
    if not permission.may(operation):
        raise ForbiddenError(f"This token may not {operation} {resource_type.name} resources.")
    return permission


def check_reach(permission: Permission, row: StoredResource) -> Mapping[str, Json] | None:
    """The stored document, where it has to be looked at.

    Raises NotFoundError for a resource behind the fence: it is as if it were not there.
    """
    if permission.fence is None:
        return None
    document: Mapping[str, Json] = orjson.loads(row.document)
    if not permission.admits(document):
        raise NotFoundError(f"There is no {row.type} '{row.id}'.")
    return document


def check_fence(permission: Permission, resource: Mapping[str, Json]) -> None:
    """Raises ForbiddenError for a resource that the client could not reach once it is written."""
    if not permission.admits(resource):
        raise ForbiddenError("This token may not write a resource that its filter leaves out.")


def check_writable(permission: Permission, before: Mapping[str, Json], after: Mapping[str, Json]) -> None:
    """Raises ForbiddenError naming an attribute that would change and must not."""
    name = permission.may_change(before, after)
    if name is not None:
        raise ForbiddenError(f"This token may not change '{name}'.")


def check_sendable(permission: Permission, after: Mapping[str, Json]) -> None:
    """Raises ForbiddenError naming an attribute of a replacement that the client may neither read nor change."""
    name = permission.may_send(after)
    if name is not None:
        raise ForbiddenError(f"This token may not change '{name}'.")


def check_searchable(permission: Permission, found: BoundFilter | None, sort: BoundPath | None) -> None:
    """Raises ForbiddenError naming a path that a filter or a sort order must not look at."""
    path = permission.unsearchable_path(found, sort)
    if path is not None:
        raise ForbiddenError(f"This token may not search by '{path}'.")


def fenced(permission: Permission, found: BoundFilter | None) -> BoundFilter | None:
    """A filter that finds nothing behind the fence."""
    if permission.fence is None or found is None:
        return permission.fence or found
    return BoundAnd((*_operands(permission.fence), *_operands(found)))


def _operands(bound: BoundFilter) -> tuple[BoundFilter, ...]:
    """What has to hold each by itself, so that the store sees which of it leads to few resources."""
    return bound.operands if isinstance(bound, BoundAnd) else (bound,)


class Fence:
    """Which people and groups a client may see as members of a group."""

    def __init__(
        self,
        permissions: Permissions,
        registry: Registry,
        store: TenantStore,
        connection: str = DEFAULT_CONNECTION,
    ) -> None:
        self._permissions = permissions
        self._registry = registry
        self._store = store
        self._connection = None if connection == DEFAULT_CONNECTION else connection
        """Whose externalIds are meant; None for anybody's."""

    @property
    def is_open(self) -> bool:
        """Whether there is nobody whom the client may not see."""
        kinds = self._registry.resource_types
        return not self._permissions.is_restricted or all(self._permissions.of(kind).fence is None for kind in kinds)

    async def visible(self, members: Sequence[Member]) -> Sequence[Member]:
        """Those of these members that are not behind a fence."""
        if self.is_open:
            return members
        hidden = await self._behind({member.type for member in members}, [member.id for member in members])
        return [member for member in members if member.id not in hidden]

    async def check(self, ids: Sequence[str]) -> None:
        """Raises InvalidValueError for a member that the client cannot see: as if it were not there."""
        hidden = await self.hidden(ids)
        if hidden:
            raise InvalidValueError(f"members: there is no resource '{min(hidden)}'.")

    async def hidden(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that the client cannot see."""
        return set() if self.is_open or not ids else await self._behind(self._registry.by_name.keys(), ids)

    async def seen(self, ids: Iterable[str]) -> set[str]:
        """Those of these ids that belong to people and groups whom the client can see: others are nobody."""
        asked, seen = sorted(ids), set[str]()
        for kind in self._registry.resource_types:
            if kind.derives_groups or kind.keeps_members:
                seen |= await self._found(kind, asked, self._permissions.of(kind).fence)
        return seen

    async def members(self, group_id: str) -> list[Member]:
        """All members of a group that the client may see."""
        found: list[Member] = []
        after = ""
        while members := await self._store.members(group_id, after=after, limit=MEMBERS_A_PAGE):
            found += await self.visible(members)
            after = members[-1].id
        return found

    async def within(self, group_id: str, change: MembershipChange) -> MembershipChange | None:
        """A change as far as the client sees members: whom it cannot see stays. None when nobody comes or goes.

        Raises InvalidValueError for a new member that it cannot see.
        """
        await self.check(change.added)
        if not change.clear:
            hidden = await self.hidden(change.removed)
            return change._replace(removed=tuple(member for member in change.removed if member not in hidden))
        seen = dict.fromkeys(member.id for member in await self.members(group_id))
        wanted = frozenset(change.added)
        added = tuple(member for member in change.added if member not in seen)
        removed = tuple(member for member in seen if member not in wanted)
        return MembershipChange(added, removed) if added or removed else None

    async def _behind(self, types: Iterable[str], ids: Sequence[str]) -> set[str]:
        """Those of these ids that belong to a resource behind a fence."""
        hidden: set[str] = set()
        for name in sorted(types):
            kind = self._registry.by_name[name]
            fence = self._permissions.of(kind).fence
            if fence is not None:
                everybody = await self._found(kind, ids, None)
                hidden |= everybody - await self._found(kind, sorted(everybody), fence)
        return hidden

    async def _found(self, kind: ResourceType, ids: Sequence[str], fence: BoundFilter | None) -> set[str]:
        path = BoundPath(None, kind.attributes["id"])
        found: set[str] = set()
        for start in range(0, len(ids), _AT_A_TIME):
            terms = tuple(BoundComparison(path, Operator.EQ, text) for text in ids[start : start + _AT_A_TIME])
            either = terms[0] if len(terms) == 1 else BoundOr(terms)
            target = Target(kind, either if fence is None else BoundAnd((fence, either)))
            query = Query((target,), _AT_A_TIME, total=False, groups=False, connection=self._connection)
            page = await self._store.search(query)
            found.update(row.id for row in page.resources)
        return found
