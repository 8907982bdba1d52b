"""Create, read, replace, patch and delete: what the service provider does with single resources.

A change is computed by pure functions from the stored resource and written under its version. A write without a
precondition that loses a race is computed anew, a bounded number of times (RFC 7644 §3.5, §3.14).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple, TypeVar

import orjson

from headcount.directory.identifiers import new_id, now
from headcount.directory.passwords import Passwords
from headcount.directory.permissions import (
    MEMBERS_A_PAGE,
    Fence,
    check_fence,
    check_reach,
    check_sendable,
    check_writable,
    permitted,
)
from headcount.directory.private_values import PrivateValues
from headcount.directory.refusals import in_scim_terms
from headcount.directory.representation import Representation, group_text, member_values, render
from headcount.directory.tenant import Tenant
from headcount.directory.unknown_counts import UnknownCounts
from headcount.events.notifier import Notifier
from headcount.scim.comparison import compare_document
from headcount.scim.errors import (
    ConflictError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    ScimError,
)
from headcount.scim.patch import MembersNeededError, PatchResult, apply_patch, read_patch
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import Toleration
from headcount.scim.projection import Projection, echo_of, read_projection
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import UNRESTRICTED, Operation, Permission, Permissions, with_secrets
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.validation import ValidResource, check_replacement, check_required, validate_resource
from headcount.scim.versions import matches_tag
from headcount.store.interface import (
    DEFAULT_CONNECTION,
    Create,
    Delete,
    MembershipChange,
    Origin,
    Query,
    StoredResource,
    StoreError,
    Target,
    Update,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.keeping import Put, TenantKeeping
from headcount.store.keys import keys_of, replaced_keys

_ATTEMPTS: Final = 8
"""How often a write without a precondition is computed anew when others are faster."""
NOTHING: Final[Mapping[str, Json]] = {}
"""Nothing that the server gives a resource of itself."""

_Result = TypeVar("_Result")
_Checked = TypeVar("_Checked", ValidResource, PatchResult)


class Request(NamedTuple):
    """What every operation on a resource has in common."""

    actor: str
    request_id: str
    attributes: tuple[str, ...] = ()
    excluded_attributes: tuple[str, ...] = ()
    if_match: str | None = None
    connection: str = DEFAULT_CONNECTION
    permissions: Permissions = UNRESTRICTED
    puts: tuple[Put, ...] = ()
    """What is kept in the same transaction as the change."""
    external_id: tuple[str | None, ...] = ()
    """What becomes of the connection's own externalId on a resource that another made; empty for nothing."""
    is_guarded: bool = True
    """Whether the guard looks at it: not at what an operator releases."""
    is_bulk: bool = False
    """Whether it is one operation of a bulk request, whose answer holds no resources."""

    @property
    def has_projection(self) -> bool:
        """Whether the client asked for certain attributes."""
        return bool(self.attributes or self.excluded_attributes)


class Change(NamedTuple):
    """What an operation makes of a stored resource."""

    resource: dict[str, Json]
    private: Mapping[str, Json]
    members: MembershipChange | None
    named: Sequence[str] = ()
    """What the request wrote, for attributes that are returned on request."""


class Resources:
    """The resources of one tenant."""

    def __init__(
        self,
        tenant: Tenant,
        store: TenantKeeping,
        passwords: Passwords,
        unknown: UnknownCounts | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.tenant = tenant
        self.store = store
        self._private = PrivateValues(store, passwords, tenant.passwords)
        self._unknown = unknown or UnknownCounts()
        self._notifier = notifier
        self._whole = {kind.name: Projection(kind) for kind in tenant.registry.resource_types}

    def projection(self, resource_type: ResourceType, request: Request) -> Projection:
        """The projection that a request asks for; raises InvalidValueError for one of too many names."""
        permissions = request.permissions
        if not request.has_projection:
            restricted = permissions.is_restricted
            return permissions.of(resource_type).projection if restricted else self._whole[resource_type.name]
        most = self.tenant.limits.projection_names
        if len(request.attributes) > most or len(request.excluded_attributes) > most:
            raise InvalidValueError(f"'attributes' and 'excludedAttributes' take at most {most} names.")
        projection = read_projection(
            request.attributes,
            request.excluded_attributes,
            resource_type,
            bare_extension_names=self.tenant.profile.tolerates(Toleration.BARE_EXTENSION_NAMES),
        )
        return replace(projection, readable=permissions.of(resource_type).shown)

    async def stored(self, resource_type: ResourceType, resource_id: str, *, groups: bool = True) -> StoredResource:
        """The stored resource; raises NotFoundError."""
        row = await self.store.read(resource_type.name, resource_id, groups=groups)
        if row is None:
            raise NotFoundError(f"There is no {resource_type.name} '{resource_id}'.")
        return row

    async def read(self, resource_type: ResourceType, resource_id: str, request: Request) -> Representation:
        """One resource (RFC 7644 §3.4.1)."""
        permissions = request.permissions
        permission = permitted(permissions, resource_type, Operation.READ) if permissions.is_restricted else None
        projection = self.projection(resource_type, request)
        row = await self.stored(resource_type, resource_id, groups=resource_type.derives_groups)
        (row,) = await self.seen((row,), request)
        document = check_reach(permission, row) if permission is not None else None
        return await self.represent(row, resource_type, projection, request, document)

    async def _check_quota(self, resource_type: ResourceType) -> None:
        """Raises ForbiddenError when the tenant holds as many as it may; simultaneous ones may pass it by few."""
        quotas = self.tenant.quotas
        most = quotas.users if resource_type.derives_groups else quotas.groups if resource_type.keeps_members else None
        if most is None:
            return
        total = (await self.store.search(Query((Target(resource_type),), 0, groups=False))).total or 0
        if total >= most:
            raise ForbiddenError(f"The tenant may hold {most} {resource_type.name} resources, and has them.")

    def fence(self, request: Request) -> Fence:
        """Whom the client may see as members."""
        return Fence(request.permissions, self.tenant.registry, self.store, request.connection)

    async def represent(
        self,
        row: StoredResource,
        resource_type: ResourceType,
        projection: Projection,
        request: Request,
        document: Mapping[str, Json] | None = None,
    ) -> Representation:
        """The resource as it is sent, its document if it is known; a group with very many members in pieces."""
        location = self.tenant.location(resource_type, row.id)
        if not row.member_count:
            text = render(row, self.tenant, resource_type, projection, document)
            return Representation(row.id, row.version, location, text)
        pieces = group_text(row, self.tenant, resource_type, projection, self.store, self.fence(request))
        if row.member_count > MEMBERS_A_PAGE and projection.wants("members"):
            return Representation(row.id, row.version, location, b"", pieces)
        return Representation(row.id, row.version, location, b"".join([piece async for piece in pieces]))

    async def create(
        self, resource_type: ResourceType, body: Json, request: Request, given: Mapping[str, Json] = NOTHING
    ) -> Representation:
        """Adds a resource (RFC 7644 §3.3); `given` are attributes that the server itself gives it."""
        projection = self.projection(resource_type, request)
        write = await self.creation(resource_type, body, request, given)
        written = await self.carry_out(write, request)
        row = StoredResource(
            write.type,
            write.id,
            written.version,
            written.created,
            written.modified,
            write.document,
            member_count=written.member_count,
            connection=request.connection,
        )
        if write.keys.manager is not None:
            row = await self.stored(resource_type, write.id)
        echo = echo_of(body, resource_type)
        shown = replace(projection, echoed=echo) if echo else projection
        return await self.represent(row, resource_type, shown, request)

    async def creation(
        self, resource_type: ResourceType, body: Json, request: Request, given: Mapping[str, Json] = NOTHING
    ) -> Create:
        """The write that adds a resource: checked, canonical, under an id of its own."""
        tenant = self.tenant
        permission = permitted(request.permissions, resource_type, Operation.CREATE)
        valid = self._counting(
            resource_type,
            lambda: validate_resource(body, resource_type, tenant.profile, refuse_unknown=tenant.refuse_unknown),
        )
        resource = valid.resource
        check_writable(permission, {}, with_secrets(resource, valid.private))
        members = self._take_members(resource_type, resource)
        resource_id = await self.id_for(resource_type, resource, request)
        resource = {"schemas": resource.pop("schemas"), "id": resource_id, **given, **resource}
        check_fence(permission, resource)
        await self.prepare(resource_type, resource, None, request)
        await self.fence(request).check(members)
        await self._check_quota(resource_type)
        return Create(
            resource_type.name,
            resource_id,
            orjson.dumps(resource),
            orjson.dumps(compare_document(resource, resource_type)),
            await self._private.merged(self._private.kept(valid.private), None),
            keys_of(resource, resource_type),
            self.origin(request),
            MembershipChange(added=members) if members else None,
        )

    def _counting(self, resource_type: ResourceType, compute: Callable[[], _Checked]) -> _Checked:
        """What a request comes to; what no schema has is counted, also where it is refused for that."""
        try:
            result = compute()
        except ScimError as error:
            self._unknown.note(self.tenant.name, resource_type.name, error.unknown)
            raise
        self._unknown.note(self.tenant.name, resource_type.name, result.unknown)
        return result

    async def id_for(self, _resource_type: ResourceType, _resource: Mapping[str, Json], _request: Request) -> str:
        """The id of a new resource."""
        return new_id()

    async def seen(self, rows: Sequence[StoredResource], _request: Request) -> Sequence[StoredResource]:
        """Rows as a client sees them."""
        return rows

    async def prepare(
        self,
        resource_type: ResourceType,
        resource: dict[str, Json],
        current: Mapping[str, Json] | None,
        request: Request,
    ) -> None:
        """What has to hold beyond the schema before a resource is written; `current` is None for a new one."""

    async def replace(
        self, resource_type: ResourceType, resource_id: str, body: Json, request: Request
    ) -> Representation:
        """Replaces a resource (RFC 7644 §3.5.1): what is left out is cleared, what changes nothing is no change."""
        tenant = self.tenant
        permission = permitted(request.permissions, resource_type, Operation.UPDATE)

        async def compute(_row: StoredResource, current: dict[str, Json]) -> Change:
            valid = self._counting(
                resource_type,
                lambda: validate_resource(
                    body, resource_type, tenant.profile, refuse_unknown=tenant.refuse_unknown, is_complete=False
                ),
            )
            resource = valid.resource
            check_sendable(permission, with_secrets(resource, valid.private))
            change = self._replaced_members(permission, resource)
            resource = permission.kept(current, resource)
            check_replacement(current, resource, resource_type)
            check_required(resource, resource_type)
            resource = {"schemas": resource.pop("schemas"), "id": resource_id, **resource}
            return Change(resource, valid.private, change, tuple(body))

        return await self._change(resource_type, resource_id, request, compute)

    async def patch(
        self, resource_type: ResourceType, resource_id: str, body: Json, request: Request
    ) -> Representation:
        """Modifies a resource (RFC 7644 §3.5.2), all operations or none."""
        tenant = self.tenant
        operations = read_patch(body, tenant.profile, limit=tenant.limits.patch_operations)
        permission = permitted(request.permissions, resource_type, Operation.UPDATE)

        async def compute(row: StoredResource, current: dict[str, Json]) -> Change:
            def attempt(members: Sequence[Mapping[str, Json]] | None) -> PatchResult:
                return apply_patch(
                    current,
                    operations,
                    resource_type,
                    tenant.profile,
                    members=members,
                    refuse_unknown=tenant.refuse_unknown,
                    permission=permission if request.permissions.is_restricted else None,
                )

            try:
                result = self._counting(resource_type, lambda: attempt(None))
            except MembersNeededError:
                members = member_values(await self.fence(request).members(row.id), tenant)
                result = self._counting(resource_type, lambda: attempt(members))
            check_required(result.resource, resource_type)
            delta = result.members
            change = None if delta is None else MembershipChange(tuple(delta.added), tuple(delta.removed), delta.clear)
            self._check_members(change)
            return Change(result.resource, result.private, change, result.named)

        return await self._change(resource_type, resource_id, request, compute, is_patch=True)

    async def delete(self, resource_type: ResourceType, resource_id: str, request: Request) -> None:
        """Removes a resource with its memberships (RFC 7644 §3.6)."""
        permission = permitted(request.permissions, resource_type, Operation.DELETE)

        async def attempt() -> None:
            expected = None
            if request.if_match is not None or permission.fence is not None:
                expected = (await self.checked(resource_type, resource_id, request, permission, groups=False)).version
            await self.carry_out(Delete(resource_type.name, resource_id, self.origin(request), expected), request)

        await self._repeat(attempt, request)

    async def carry_out(self, write: Write, request: Request) -> Written:
        """Writes, and wakes those who wait for the tenant's changes; raises what is wrong in SCIM terms."""
        try:
            written = await (self.store.write_with(write, request.puts) if request.puts else self.store.write(write))
        except VersionConflictError:
            raise
        except StoreError as error:
            raise in_scim_terms(error, names_owner=not request.permissions.is_restricted) from error
        if self._notifier is not None:
            self._notifier.changed(self.tenant.name)
        return written

    async def _change(
        self,
        resource_type: ResourceType,
        resource_id: str,
        request: Request,
        compute: Callable[[StoredResource, dict[str, Json]], Awaitable[Change]],
        *,
        is_patch: bool = False,
    ) -> Representation:
        permission = permitted(request.permissions, resource_type, Operation.UPDATE)
        projection = self.projection(resource_type, request)

        async def attempt() -> Representation:
            groups = resource_type.derives_groups
            row = await self.checked(resource_type, resource_id, request, permission, groups=groups)
            current = orjson.loads(row.document)
            change = await compute(row, current)
            await self.prepare(resource_type, change.resource, current, request)
            if request.permissions.is_restricted:
                change = await self._permitted_change(permission, row, current, change, request)
            row = await self.write_change(resource_type, row, current, change, request)
            (row,) = await self.seen((row,), request)
            echo = echo_of(change.named, resource_type)
            shown = replace(projection, echoed=echo) if echo else projection
            if is_patch and row.member_count > self.tenant.limits.patched_members and not request.has_projection:
                return Representation(row.id, row.version, self.tenant.location(resource_type, row.id))
            return await self.represent(row, resource_type, shown, request)

        return await self._repeat(attempt, request)

    async def check_within(self, permission: Permission, _row: StoredResource, change: Change, _: Request) -> None:
        """Raises ForbiddenError for a change that the client could not see the outcome of."""
        check_fence(permission, change.resource)

    async def _permitted_change(
        self,
        permission: Permission,
        row: StoredResource,
        current: Mapping[str, Json],
        change: Change,
        request: Request,
    ) -> Change:
        """The change as it concerns the members that the client can see; raises ForbiddenError if it must not be."""
        await self.check_within(permission, row, change, request)
        members = change.members and await self.fence(request).within(row.id, change.members)
        moved = {"members": [{"value": member} for member in (*members.added, *members.removed)]} if members else {}
        check_writable(permission, current, with_secrets({**change.resource, **moved}, change.private))
        return change._replace(members=members)

    async def write_change(
        self,
        resource_type: ResourceType,
        row: StoredResource,
        current: dict[str, Json],
        change: Change,
        request: Request,
    ) -> StoredResource:
        """Writes what differs, and gives the row as it then is."""
        private = self._private.kept(change.private)
        differs = change.resource != current or bool(private)
        if not differs and change.members is None:
            return row
        expected = row.version if differs or request.if_match is not None else None  # changes of members commute
        if differs:
            keys = keys_of(change.resource, resource_type)
            update = Update(
                row.type,
                row.id,
                self.origin(request),
                expected,
                document=orjson.dumps(change.resource),
                compare=orjson.dumps(compare_document(change.resource, resource_type)),
                private=await self._private.merged(private, row),
                keys=keys,
                previous=replaced_keys(current, change.resource, keys, resource_type),
                before=row.document,
                members=change.members,
            )
        else:
            update = Update(row.type, row.id, self.origin(request), expected, members=change.members)
        written = await self.carry_out(update, request)
        if _manager_of(change.resource) != _manager_of(current):
            return await self.stored(resource_type, row.id)
        return row._replace(
            version=written.version,
            modified=written.modified,
            document=update.document or row.document,
            member_count=written.member_count,
        )

    async def checked(
        self, resource_type: ResourceType, resource_id: str, request: Request, permission: Permission, *, groups: bool
    ) -> StoredResource:
        """The stored resource, if the client can reach it and its precondition holds.

        Raises NotFoundError or PreconditionFailedError.
        """
        row = await self.stored(resource_type, resource_id, groups=groups)
        if permission.fence is not None:
            check_reach(permission, *await self.seen((row,), request))
        if request.if_match is not None and not matches_tag(request.if_match, row.version):
            raise PreconditionFailedError
        return row

    async def _repeat(self, attempt: Callable[[], Awaitable[_Result]], request: Request) -> _Result:
        for _ in range(_ATTEMPTS):
            try:
                return await attempt()
            except VersionConflictError:
                if request.if_match is not None:
                    raise PreconditionFailedError from None
        raise ConflictError("The resource changes too often; try again.")

    def origin(self, request: Request) -> Origin:
        """Who asks, and when."""
        return Origin(now(), request.actor, request.request_id, request.connection)

    def _take_members(self, resource_type: ResourceType, resource: dict[str, Json]) -> tuple[str, ...]:
        """The ids in `members`, which are kept as rows and not in the document."""
        if not resource_type.keeps_members:
            return ()
        members = tuple(dict.fromkeys(member["value"] for member in resource.pop("members", ())))
        self._check_members(MembershipChange(added=members))
        return members

    def _replaced_members(self, permission: Permission, resource: dict[str, Json]) -> MembershipChange | None:
        """What a replacement makes of the members; left out by a client that may not change them, they stay."""
        kind = permission.resource_type
        if not kind.keeps_members:
            return None
        if "members" not in resource and not permission.may_write(BoundPath(None, kind.attributes["members"])):
            return None
        return MembershipChange(added=self._take_members(kind, resource), clear=True)

    def _check_members(self, change: MembershipChange | None) -> None:
        if change is not None and len(change.added) + len(change.removed) > self.tenant.limits.members:
            raise PayloadTooLargeError(f"A request may change at most {self.tenant.limits.members} members.")


def _manager_of(resource: Mapping[str, Json]) -> Json:
    return resource.get(ENTERPRISE_USER, {}).get("manager")
