"""Create, read, replace, patch and delete: what the service provider does with single resources.

A change is computed by pure functions from the stored resource and written under its version. A write without a
precondition that loses a race is computed anew, a bounded number of times (RFC 7644 §3.5, §3.14).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import orjson

from headcount.directory.identifiers import new_id, now
from headcount.directory.passwords import Passwords
from headcount.directory.permissions import (
    Fence,
    check_fence,
    check_paths,
    check_reach,
    check_sendable,
    check_writable,
    permitted,
)
from headcount.directory.refusals import in_scim_terms
from headcount.directory.representation import MEMBERS_A_PAGE, Representation, group_text, member_values, render
from headcount.directory.tenant import PasswordPolicy, Tenant
from headcount.scim.comparison import compare_document
from headcount.scim.errors import (
    ConflictError,
    ForbiddenError,
    InvalidValueError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
)
from headcount.scim.patch import MembersNeededError, PatchResult, apply_patch, read_patch
from headcount.scim.profiles import Toleration
from headcount.scim.projection import Projection, echo_of, read_projection
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import UNRESTRICTED, Operation, Permission, Permissions
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.validation import check_replacement, check_required, validate_resource
from headcount.scim.versions import matches_tag
from headcount.store.interface import (
    DEFAULT_CONNECTION,
    Create,
    Delete,
    MembershipChange,
    Origin,
    Query,
    StoredResource,
    Target,
    TenantStore,
    Update,
    VersionConflictError,
    Written,
)
from headcount.store.keys import keys_of

_ATTEMPTS: Final = 8
"""How often a write without a precondition is computed anew when others are faster."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Request:
    """What every operation on a resource has in common."""

    actor: str
    request_id: str
    attributes: tuple[str, ...] = ()
    excluded_attributes: tuple[str, ...] = ()
    if_match: str | None = None
    connection: str = DEFAULT_CONNECTION
    permissions: Permissions = UNRESTRICTED

    @property
    def has_projection(self) -> bool:
        """Whether the client asked for certain attributes."""
        return bool(self.attributes or self.excluded_attributes)


@dataclass(frozen=True, slots=True)
class _Change:
    """What an operation makes of a stored resource."""

    resource: dict[str, Json]
    private: Mapping[str, Json]
    members: MembershipChange | None
    named: Sequence[str] = ()
    """What the request wrote, for attributes that are returned on request."""


class Resources:
    """The resources of one tenant."""

    def __init__(self, tenant: Tenant, store: TenantStore, passwords: Passwords) -> None:
        self.tenant = tenant
        self.store = store
        self._passwords = passwords

    def projection(self, resource_type: ResourceType, request: Request) -> Projection:
        """The projection that a request asks for; raises InvalidValueError for one of too many names."""
        most = self.tenant.limits.projection_names
        if len(request.attributes) > most or len(request.excluded_attributes) > most:
            raise InvalidValueError(f"'attributes' and 'excludedAttributes' take at most {most} names.")
        projection = read_projection(
            request.attributes,
            request.excluded_attributes,
            resource_type,
            bare_extension_names=self.tenant.profile.tolerates(Toleration.BARE_EXTENSION_NAMES),
        )
        if not request.permissions.is_restricted:
            return projection
        return replace(projection, readable=request.permissions.of(resource_type).shown)

    async def stored(self, resource_type: ResourceType, resource_id: str, *, groups: bool = True) -> StoredResource:
        """The stored resource; raises NotFoundError."""
        row = await self.store.read(resource_type.name, resource_id, groups=groups)
        if row is None:
            raise NotFoundError(f"There is no {resource_type.name} '{resource_id}'.")
        return row

    async def read(self, resource_type: ResourceType, resource_id: str, request: Request) -> Representation:
        """One resource (RFC 7644 §3.4.1)."""
        permission = permitted(request.permissions, resource_type, Operation.READ)
        projection = self.projection(resource_type, request)
        row = await self.stored(resource_type, resource_id, groups=resource_type.derives_groups)
        check_reach(permission, row)
        return await self.represent(row, resource_type, projection, request)

    async def _check_quota(self, resource_type: ResourceType) -> None:
        """Raises ForbiddenError when the tenant holds as many as it may; simultaneous ones may pass it by few."""
        quotas = self.tenant.quotas
        most = quotas.users if resource_type.derives_groups else quotas.groups if resource_type.keeps_members else None
        if most is None:
            return
        total = (await self.store.search(Query((Target(resource_type),), 0, groups=False))).total or 0
        if total >= most:
            raise ForbiddenError(f"The tenant may hold {most} {resource_type.name} resources, and has {total}.")

    def fence(self, request: Request) -> Fence:
        """Whom the client may see as members."""
        return Fence(request.permissions, self.tenant.registry, self.store)

    async def represent(
        self, row: StoredResource, resource_type: ResourceType, projection: Projection, request: Request
    ) -> Representation:
        """The resource as it is sent; a group with very many members in pieces."""
        location = self.tenant.location(resource_type, row.id)
        if not row.member_count:
            return Representation(row.id, row.version, location, render(row, self.tenant, resource_type, projection))
        pieces = group_text(row, self.tenant, resource_type, projection, self.store, self.fence(request))
        if row.member_count > MEMBERS_A_PAGE and projection.wants("members"):
            return Representation(row.id, row.version, location, b"", pieces)
        return Representation(row.id, row.version, location, b"".join([piece async for piece in pieces]))

    async def create(self, resource_type: ResourceType, body: Json, request: Request) -> Representation:
        """Adds a resource (RFC 7644 §3.3)."""
        projection = self.projection(resource_type, request)
        write = await self.creation(resource_type, body, request)
        with in_scim_terms(names_owner=not request.permissions.is_restricted):
            written = await self.store.write(write)
        row = _row(write.type, write.id, write.document, written)
        if write.keys.manager is not None:
            row = await self.stored(resource_type, write.id)
        echo = echo_of(body, resource_type)
        shown = replace(projection, echoed=echo) if echo else projection
        return await self.represent(row, resource_type, shown, request)

    async def creation(self, resource_type: ResourceType, body: Json, request: Request) -> Create:
        """The write that adds a resource: checked, canonical, under an id of its own."""
        tenant = self.tenant
        permission = permitted(request.permissions, resource_type, Operation.CREATE)
        valid = validate_resource(body, resource_type, tenant.profile, refuse_unknown=tenant.refuse_unknown)
        resource = valid.resource
        check_writable(permission, {}, {**resource, **valid.private})
        members = self._take_members(resource_type, resource)
        resource_id = new_id()
        resource = {"schemas": resource.pop("schemas"), "id": resource_id, **resource}
        await self.prepare(resource_type, resource, None, request)
        check_fence(permission, resource)
        await self.fence(request).check(members)
        await self._check_quota(resource_type)
        return Create(
            resource_type.name,
            resource_id,
            orjson.dumps(resource),
            orjson.dumps(compare_document(resource, resource_type)),
            await self._private(self._kept(valid.private), None),
            keys_of(resource, resource_type),
            self._origin(request),
            MembershipChange(added=members) if members else None,
        )

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

        async def compute(_row: StoredResource, current: dict[str, Json]) -> _Change:
            valid = validate_resource(body, resource_type, tenant.profile, refuse_unknown=tenant.refuse_unknown)
            resource = valid.resource
            members = self._take_members(resource_type, resource)
            check_sendable(permission, {**resource, **valid.private})
            resource = permission.kept(current, resource)
            check_replacement(current, resource, resource_type)
            resource = {"schemas": resource.pop("schemas"), "id": resource_id, **resource}
            change = MembershipChange(added=members, clear=True) if resource_type.keeps_members else None
            return _Change(resource, valid.private, change, tuple(body))

        return await self._change(resource_type, resource_id, request, compute)

    async def patch(
        self, resource_type: ResourceType, resource_id: str, body: Json, request: Request
    ) -> Representation:
        """Modifies a resource (RFC 7644 §3.5.2), all operations or none."""
        tenant = self.tenant
        operations = read_patch(body, tenant.profile, limit=tenant.limits.patch_operations)
        check_paths(permitted(request.permissions, resource_type, Operation.UPDATE), operations, tenant.profile)

        async def compute(row: StoredResource, current: dict[str, Json]) -> _Change:
            def attempt(members: Sequence[Mapping[str, Json]] | None) -> PatchResult:
                return apply_patch(
                    current,
                    operations,
                    resource_type,
                    tenant.profile,
                    members=members,
                    refuse_unknown=tenant.refuse_unknown,
                )

            try:
                result = attempt(None)
            except MembersNeededError:
                result = attempt(await self._all_members(row.id))
            check_required(result.resource, resource_type)
            delta = result.members
            change = None if delta is None else MembershipChange(tuple(delta.added), tuple(delta.removed), delta.clear)
            self._check_members(change)
            return _Change(result.resource, result.private, change, result.named)

        return await self._change(resource_type, resource_id, request, compute, is_patch=True)

    async def delete(self, resource_type: ResourceType, resource_id: str, request: Request) -> None:
        """Removes a resource with its memberships (RFC 7644 §3.6)."""
        permission = permitted(request.permissions, resource_type, Operation.DELETE)

        async def attempt() -> None:
            expected = None
            if request.if_match is not None or permission.fence is not None:
                row = await self._checked(resource_type, resource_id, request, groups=False)
                check_reach(permission, row)
                expected = row.version
            with in_scim_terms():
                await self.store.write(Delete(resource_type.name, resource_id, self._origin(request), expected))

        await self._repeat(attempt, request)

    async def _change(
        self,
        resource_type: ResourceType,
        resource_id: str,
        request: Request,
        compute: Callable[[StoredResource, dict[str, Json]], Awaitable[_Change]],
        *,
        is_patch: bool = False,
    ) -> Representation:
        permission = permitted(request.permissions, resource_type, Operation.UPDATE)
        projection = self.projection(resource_type, request)

        async def attempt() -> Representation:
            row = await self._checked(resource_type, resource_id, request, groups=resource_type.derives_groups)
            check_reach(permission, row)
            current = orjson.loads(row.document)
            change = await compute(row, current)
            await self.prepare(resource_type, change.resource, current, request)
            await self._check_change(permission, current, change, request)
            row = await self._write(resource_type, row, current, change, request)
            echo = echo_of(change.named, resource_type)
            shown = replace(projection, echoed=echo) if echo else projection
            if is_patch and row.member_count > self.tenant.limits.patched_members and not request.has_projection:
                return Representation(row.id, row.version, self.tenant.location(resource_type, row.id))
            return await self.represent(row, resource_type, shown, request)

        return await self._repeat(attempt, request)

    async def _check_change(
        self, permission: Permission, current: Mapping[str, Json], change: _Change, request: Request
    ) -> None:
        """Raises ForbiddenError for a change that the client may not make."""
        if not request.permissions.is_restricted:
            return
        members = change.members
        moved = {"members": (members.added, members.removed)} if members and not members.clear else {}
        check_writable(permission, current, {**change.resource, **change.private, **moved})
        check_fence(permission, change.resource)
        if members is not None:
            await self.fence(request).check((*members.added, *members.removed))

    async def _write(
        self,
        resource_type: ResourceType,
        row: StoredResource,
        current: dict[str, Json],
        change: _Change,
        request: Request,
    ) -> StoredResource:
        """Writes what differs, and gives the row as it then is."""
        private = self._kept(change.private)
        differs = change.resource != current or bool(private)
        if not differs and change.members is None:
            return row
        origin, expected = self._origin(request), self._expected(row, request, differs=differs)
        if differs:
            update = Update(
                row.type,
                row.id,
                origin,
                expected,
                document=orjson.dumps(change.resource),
                compare=orjson.dumps(compare_document(change.resource, resource_type)),
                private=await self._private(private, row),
                keys=keys_of(change.resource, resource_type),
                previous=keys_of(current, resource_type),
                before=row.document,
                members=change.members,
            )
        else:
            update = Update(row.type, row.id, origin, expected, members=change.members)
        with in_scim_terms(names_owner=not request.permissions.is_restricted):
            written = await self.store.write(update)
        if _manager_of(change.resource) != _manager_of(current):
            return await self.stored(resource_type, row.id)
        return _row(row.type, row.id, update.document or row.document, written, row.groups, row.manager)

    def _expected(self, row: StoredResource, request: Request, *, differs: bool) -> int | None:
        """The version to write under. A change of members alone commutes with others, so any version will do."""
        return row.version if differs or request.if_match is not None else None

    async def _checked(
        self, resource_type: ResourceType, resource_id: str, request: Request, *, groups: bool
    ) -> StoredResource:
        row = await self.stored(resource_type, resource_id, groups=groups)
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

    def _origin(self, request: Request) -> Origin:
        return Origin(now(), request.actor, request.request_id, request.connection)

    def _take_members(self, resource_type: ResourceType, resource: dict[str, Json]) -> tuple[str, ...]:
        """The ids in `members`, which are kept as rows and not in the document."""
        if not resource_type.keeps_members:
            return ()
        members = tuple(dict.fromkeys(member["value"] for member in resource.pop("members", ())))
        self._check_members(MembershipChange(added=members))
        return members

    def _check_members(self, change: MembershipChange | None) -> None:
        if change is not None and len(change.added) + len(change.removed) > self.tenant.limits.members:
            raise PayloadTooLargeError(f"A request may change at most {self.tenant.limits.members} members.")

    async def _all_members(self, group_id: str) -> list[dict[str, Json]]:
        values: list[dict[str, Json]] = []
        after = ""
        while members := await self.store.members(group_id, after=after, limit=MEMBERS_A_PAGE):
            values += member_values(members, self.tenant)
            after = members[-1].id
        return values

    def _kept(self, private: Mapping[str, Json]) -> Mapping[str, Json]:
        """Without the password, where the tenant's policy is to forget it."""
        if self.tenant.passwords is PasswordPolicy.DISCARD:
            return {name: value for name, value in private.items() if name != "password"}
        return private

    async def _private(self, private: Mapping[str, Json], row: StoredResource | None) -> bytes | None:
        """What is kept of attributes that are never returned; None keeps what there is."""
        if not private:
            return None
        kept: dict[str, Json] = {}
        if row is not None:
            stored = await self.store.read(row.type, row.id, groups=False, private=True)
            kept = orjson.loads(stored.private) if stored and stored.private else {}
        for name, value in private.items():
            kept[name] = await self._secret(name, value)
        return orjson.dumps({name: value for name, value in kept.items() if value is not None})

    async def _secret(self, name: str, value: Json) -> Json:
        if name != "password" or value is None:
            return value
        if not value:
            raise InvalidValueError("'password' must not be empty.")
        return await self._passwords.hash(value)


def _manager_of(resource: Mapping[str, Json]) -> Json:
    return resource.get(ENTERPRISE_USER, {}).get("manager")


def _row(
    type_name: str,
    resource_id: str,
    document: bytes,
    written: Written,
    groups: bytes | None = None,
    manager: bytes | None = None,
) -> StoredResource:
    """A resource as a write has left it."""
    return StoredResource(
        type_name,
        resource_id,
        written.version,
        written.created,
        written.modified,
        document,
        groups,
        manager,
        written.member_count,
    )
