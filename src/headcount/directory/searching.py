"""Searches over one resource type or all of them (RFC 7644 §3.4.2, RFC 9865)."""

from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from headcount.directory.cursors import Cursors, Walk
from headcount.directory.permissions import MEMBERS_A_PAGE, Fence, check_searchable, fenced, permitted
from headcount.directory.refusals import in_scim_terms
from headcount.directory.representation import group_text, render
from headcount.directory.resources import Request, Resources
from headcount.scim.errors import InvalidFilterError, InvalidValueError, SensitiveError
from headcount.scim.filters.binding import BoundFilter, bind_filter, named_paths, unknown_paths
from headcount.scim.filters.grammar import FilterLimits, parse_filter
from headcount.scim.filters.look_ups import LookUps
from headcount.scim.filters.named_members import among
from headcount.scim.filters.references import with_absolute_references
from headcount.scim.filters.syntax import Filter
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.projection import Projection
from headcount.scim.registry import ResourceType
from headcount.scim.scopes import Operation
from headcount.scim.search import SearchRequest, bind_sort, names_of
from headcount.store.interface import DEFAULT_CONNECTION, Query, StoredResource, StoreError, Target

_OPENING: Final = b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"]'


class Listing(NamedTuple):
    """A ListResponse as it is sent."""

    body: bytes = b""
    """The whole JSON text, unless it comes in pieces."""
    pieces: AsyncIterator[bytes] | None = None


class Searching:
    """Searches in one tenant."""

    def __init__(self, resources: Resources, cursors: Cursors) -> None:
        self._resources = resources
        self._tenant = resources.tenant
        self._cursors = cursors
        tenant, limits = resources.tenant, resources.tenant.limits
        self._filter_limits = FilterLimits(limits.filter_bytes, limits.filter_depth, limits.filter_terms)
        kinds = tenant.registry.resource_types
        self._look_ups = {kind.name: LookUps(kind, tenant.profile, self._filter_limits) for kind in kinds}

    async def search(self, resource_types: Sequence[ResourceType], search: SearchRequest, request: Request) -> Listing:
        """A page of the resources of these types that match."""
        resource_types = self._readable(resource_types, request)
        scope = self._scope(resource_types, request) if search.cursor is not None else ""
        walk = self._cursors.open(search.cursor, scope, search) if search.cursor else None
        projections = {kind.name: self._resources.projection(kind, request) for kind in resource_types}
        query = self._query(resource_types, search, walk, projections)
        if request.permissions.is_restricted:
            targets = [await self._restricted(target, request) for target in query.targets]
            query = query._replace(targets=tuple(targets))
        if request.connection != DEFAULT_CONNECTION:
            query = query._replace(connection=request.connection)
        try:
            page = await self._resources.store.search(query)
        except StoreError as error:
            raise in_scim_terms(error) from error
        resources = await self._resources.seen(page.resources, request)
        total = page.total if walk is None else walk.total
        members = [b'"totalResults":%d' % total] if total is not None else []
        members.append(b'"itemsPerPage":%d' % len(resources))
        if search.cursor is None:
            members.append(b'"startIndex":%d' % (query.offset + 1))
        elif page.last is not None and query.limit:
            count = search.count if walk is None else walk.count
            cursor = self._cursors.issue(Walk(page.last, count, total), scope, search)
            members.append(b'"nextCursor":"%s"' % cursor.encode())
        opening = b",".join((_OPENING, *members)) + b',"Resources":['
        return await self._listing(opening, resources, projections, request)

    def _scope(self, resource_types: Sequence[ResourceType], request: Request) -> str:
        """Where a cursor holds, and for whom."""
        return f"{self._tenant.name} {','.join(kind.name for kind in resource_types)}{request.permissions.key}"

    def _readable(self, resource_types: Sequence[ResourceType], request: Request) -> Sequence[ResourceType]:
        """The types that the client may read; raises ForbiddenError when there is none."""
        if not request.permissions.is_restricted:
            return resource_types
        readable = [kind for kind in resource_types if request.permissions.of(kind).may(Operation.READ)]
        return readable or [
            permitted(request.permissions, kind, Operation.READ).resource_type for kind in resource_types
        ]

    async def _restricted(self, target: Target, request: Request) -> Target:
        """The target within the client's fence; raises ForbiddenError for what it must not search by."""
        permission, found = request.permissions.of(target.resource_type), target.filter
        check_searchable(permission, found, target.sort)
        asked = permission.asked_members(found)
        if found is not None and asked:
            found = among(await self._resources.fence(request).seen(asked), found)
        return target._replace(filter=fenced(permission, found))

    def _query(
        self,
        resource_types: Sequence[ResourceType],
        search: SearchRequest,
        walk: Walk | None,
        projections: dict[str, Projection],
    ) -> Query:
        limits = self._tenant.limits
        count = search.count if walk is None else walk.count
        limit = limits.default_page_size if count is None else min(max(count, 0), limits.max_page_size)
        return Query(
            targets=self._targets(resource_types, search),
            limit=limit,
            offset=max(search.start_index or 1, 1) - 1,
            after=walk.position if walk else None,
            descending=search.descending,
            total=walk is None,
            groups=any(kind.derives_groups and projections[kind.name].wants("groups") for kind in resource_types),
            base_url=self._tenant.base_url,
        )

    def _targets(self, resource_types: Sequence[ResourceType], search: SearchRequest) -> tuple[Target, ...]:
        look_up = self._look_up(resource_types, search)
        targets = self._bound(resource_types, search) if look_up is None else (look_up,)
        if search.in_url and self._tenant.limits.sensitive_attributes:
            for target in targets:
                self._check_sensitive(target)
        return targets

    def _look_up(self, resource_types: Sequence[ResourceType], search: SearchRequest) -> Target | None:
        """The target of a search of one type by one string, in no particular order; None for every other search."""
        if search.filter is None or search.sort_by or len(resource_types) > 1:
            return None
        found = self._look_ups[resource_types[0].name].bind(search.filter)
        return None if found is None else Target(resource_types[0], found)

    def _bound(self, resource_types: Sequence[ResourceType], search: SearchRequest) -> tuple[Target, ...]:
        parsed = self._parse(search.filter)
        several = len(resource_types) > 1
        if several and parsed is not None:
            self._check_known(parsed, resource_types)
        sorts = [self._sort(search.sort_by, kind) for kind in resource_types]
        if search.sort_by and not any(sorts):
            raise InvalidValueError(f"'sortBy': there is no attribute '{search.sort_by}'.")
        return tuple(
            Target(kind, self._bind(parsed, kind, several=several), sort)
            for kind, sort in zip(resource_types, sorts, strict=True)
        )

    def _check_sensitive(self, target: Target) -> None:
        """Raises SensitiveError when a search in a URL names what must not stand there (RFC 7644 §7.5.2)."""
        names = names_of(self._tenant.limits.sensitive_attributes)
        sensitive = [
            path for name in names if (path := bind_path(name, target.resource_type, bare_extension_names=True))
        ]
        named = [*(named_paths(target.filter) if target.filter else ()), *([target.sort] if target.sort else ())]
        for path in named:
            if any(item.covers(path) for item in sensitive):
                raise SensitiveError(f"'{path}' must not be searched by in a URL; send a POST to .search instead.")

    def _parse(self, text: str | None) -> Filter | None:
        return None if text is None else parse_filter(text, self._filter_limits)

    def _bind(self, parsed: Filter | None, resource_type: ResourceType, *, several: bool) -> BoundFilter | None:
        if parsed is None:
            return None
        bound = bind_filter(parsed, resource_type, self._tenant.profile, unknown_is_absent=several)
        return with_absolute_references(bound, self._tenant.base_url)

    def _check_known(self, parsed: Filter, resource_types: Sequence[ResourceType]) -> None:
        """An attribute that no searched type has is a mistake, also where one missing somewhere is none."""
        unknown = [unknown_paths(parsed, kind, self._tenant.profile) for kind in resource_types]
        nowhere = frozenset.intersection(*unknown)
        if nowhere:
            raise InvalidFilterError(f"There is no attribute '{min(nowhere)}' in any resource type.")

    def _sort(self, text: str | None, resource_type: ResourceType) -> BoundPath | None:
        return bind_sort(text, resource_type, self._tenant.profile) if text else None

    async def _listing(
        self, opening: bytes, rows: Sequence[StoredResource], projections: dict[str, Projection], request: Request
    ) -> Listing:
        members = sum(row.member_count for row in rows if projections[row.type].wants("members"))
        if not members:
            return Listing(opening + b",".join([self._text(row, projections) for row in rows]) + b"]}")
        pieces = self._pieces(opening, rows, projections, self._resources.fence(request))
        if members > MEMBERS_A_PAGE:
            return Listing(pieces=pieces)
        return Listing(b"".join([piece async for piece in pieces]))

    async def _pieces(
        self, opening: bytes, rows: Sequence[StoredResource], projections: dict[str, Projection], fence: Fence
    ) -> AsyncIterator[bytes]:
        tenant, store = self._tenant, self._resources.store
        for row in rows:
            yield opening
            opening = b","
            resource_type = tenant.registry.by_name[row.type]
            async for piece in group_text(row, tenant, resource_type, projections[row.type], store, fence):
                yield piece
        yield b"]}"

    def _text(self, row: StoredResource, projections: dict[str, Projection]) -> bytes:
        return render(row, self._tenant, self._tenant.registry.by_name[row.type], projections[row.type])
