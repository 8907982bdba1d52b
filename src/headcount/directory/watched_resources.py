"""The resources of a tenant with more rules than its schemas have: a guard, several connections, people who come back.

Tenants without any of these are served without this room, and pay nothing for it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import orjson

from headcount.directory.adoption import Adoption
from headcount.directory.guard.guarding import Guard, Step
from headcount.directory.guard.held import hold
from headcount.directory.guard.rules import Removal
from headcount.directory.permissions import permitted
from headcount.directory.representation import Representation
from headcount.directory.resources import NOTHING, Change, Request, Resources
from headcount.directory.tenant import AdoptionPolicy, RehirePolicy
from headcount.scim import urns
from headcount.scim.errors import ForbiddenError, NotFoundError, ScimError, UniquenessError
from headcount.scim.paths import BoundPath
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation, Permission
from headcount.store.interface import (
    Delete,
    MembershipChange,
    NotUniqueError,
    StoredResource,
    StoreError,
    Write,
    Written,
)

_Result = TypeVar("_Result")


class WatchedResources(Resources):
    """Resources that are watched over."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._guard = Guard(self.tenant.name, self.tenant.guard, self.store)
        self._adoption = Adoption(self.tenant, self.store)

    async def create(
        self, resource_type: ResourceType, body: Json, request: Request, given: Mapping[str, Json] = NOTHING
    ) -> Representation:
        """Adds a resource, or updates the one that the same connection knows by the same externalId."""
        adopts = self.tenant.adoption is AdoptionPolicy.SAME_EXTERNAL_ID
        if not (adopts or self.tenant.connections) or not resource_type.derives_groups or not isinstance(body, Mapping):
            return await super().create(resource_type, body, request, given)
        adopted = await self._adopted(resource_type, body, request) if adopts else None
        if adopted is not None:
            return adopted
        try:
            done = await super().create(resource_type, body, request, given)
        except UniquenessError as error:
            cause = error.__cause__
            if isinstance(cause, NotUniqueError):
                origin = self.origin(request)
                await self._adoption.review(resource_type, cause.owner, body, origin, cause.attribute)
            raise
        await self._adoption.review_likenesses(resource_type, done.id, body, self.origin(request))
        return done

    async def id_for(self, resource_type: ResourceType, resource: Mapping[str, Json], request: Request) -> str:
        """The id that somebody had before, where people come back as who they were."""
        if self.tenant.rehire is RehirePolicy.SAME_ID and resource_type.derives_groups:
            before = await self._adoption.former_id(resource_type, resource, request.connection)
            if before is not None:
                return before
        return await super().id_for(resource_type, resource, request)

    async def replace(
        self, resource_type: ResourceType, resource_id: str, body: Json, request: Request
    ) -> Representation:
        """Replaces a resource; the externalId of another connection stays as it is."""
        body, own = await self._adoption.own_in_replacement(resource_type, resource_id, body, request.connection)
        return await super().replace(resource_type, resource_id, body, request._replace(external_id=own))

    async def patch(
        self, resource_type: ResourceType, resource_id: str, body: Json, request: Request
    ) -> Representation:
        """Modifies a resource; the externalId of another connection stays as it is."""
        body, own = await self._adoption.own_in_patch(resource_type, resource_id, body, request.connection)
        return await super().patch(resource_type, resource_id, body, request._replace(external_id=own))

    async def delete(self, resource_type: ResourceType, resource_id: str, request: Request) -> None:
        """Removes a resource, unless the guard holds it back."""
        delete = super().delete
        if not request.is_guarded or not self._is_removal_watched(resource_type):
            await delete(resource_type, resource_id, request)
            return
        permission = permitted(request.permissions, resource_type, Operation.DELETE)
        row = await self.checked(resource_type, resource_id, request, permission, groups=False)
        steps = self._steps_of_deletion(resource_type, row)
        await self._unless_held(steps, row, request, {"after": None}, lambda: delete(resource_type, row.id, request))

    async def checked(
        self, resource_type: ResourceType, resource_id: str, request: Request, permission: Permission, *, groups: bool
    ) -> StoredResource:
        """The stored resource, if it is this connection's to change."""
        row = await super().checked(resource_type, resource_id, request, permission, groups=groups)
        if request.is_guarded:
            await self._adoption.check_owner(row, request.connection)
        return row

    async def carry_out(self, write: Write, request: Request) -> Written:
        """Writes; who is deleted takes along what is kept beside, and leaves a tombstone where people come back."""
        if isinstance(write, Delete):
            comes_back = self.tenant.rehire is RehirePolicy.SAME_ID
            known = {(put.collection, put.key) for put in request.puts}
            buried = await self._adoption.buried(write, comes_back=comes_back)
            more = tuple(put for put in buried if (put.collection, put.key) not in known)
            request = request._replace(puts=(*request.puts, *more))
        return await super().carry_out(write, request)

    async def write_change(
        self,
        resource_type: ResourceType,
        row: StoredResource,
        current: dict[str, Json],
        change: Change,
        request: Request,
    ) -> StoredResource:
        """Writes what differs, unless the guard holds it back: then the client sees it done, and it is not."""
        write = super().write_change
        self._check_external_id(resource_type, request)

        async def go() -> StoredResource:
            written = await write(resource_type, row, current, change, request)
            if not request.external_id:
                return written
            return await self._adoption.attach(resource_type, written, request.external_id[0], self.origin(request))

        steps = await self._steps_of(resource_type, row, current, change) if request.is_guarded else []
        if not steps:
            return await go()
        members = change.members or MembershipChange()
        changes = {"after": change.resource, "added": members.added, "removed": members.removed, "clear": members.clear}
        done = await self._unless_held(steps, row, request, changes, go)
        return await self._as_if_done(row, change, request) if done is None else done

    async def check_within(self, permission: Permission, row: StoredResource, change: Change, request: Request) -> None:
        """The same of what the connection sees: by the externalId that it knows the resource by."""
        if permission.fence is not None:
            (shown,) = await self.seen((row._replace(document=orjson.dumps(change.resource)),), request)
            resource = orjson.loads(shown.document)
            if request.external_id:
                resource["externalId"] = request.external_id[-1]
            change = change._replace(resource=resource)
        await super().check_within(permission, row, change, request)

    async def seen(self, rows: Sequence[StoredResource], request: Request) -> Sequence[StoredResource]:
        """Rows with the externalIds of the connection that reads them (RFC 7643 §3.1)."""
        return await self._adoption.seen(rows, request.connection)

    async def _adopted(
        self, resource_type: ResourceType, body: Mapping[str, Json], request: Request
    ) -> Representation | None:
        """The resource that the connection knows by the externalId of a body, merged with it."""
        known = await self._adoption.known(resource_type, body, request.connection)
        if known is None:
            return None
        left_out = {"schemas", "id", "meta"} | {
            name.lower() for name, attribute in resource_type.attributes.items() if attribute.is_read_only
        }
        value = {name: item for name, item in body.items() if name.lower() not in left_out}
        patch = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "replace", "value": value}]}
        try:
            done = await self.patch(resource_type, known, patch, request)
        except NotFoundError:  # gone meanwhile, or behind the client's fence
            return None
        return done._replace(is_new=False)

    async def _unless_held(
        self,
        steps: Sequence[Step],
        row: StoredResource,
        request: Request,
        changes: dict[str, Json],
        write: Callable[[], Awaitable[_Result]],
    ) -> _Result | None:
        """What a write gives, once its removals are counted; None when it is held in place of being carried out."""
        taken: list[Step] = []
        try:
            for step in steps:
                reason = await self._guard.take(step)
                if reason:
                    await hold(self.store, row, step.kind, self.origin(request), reason, changes)
                    break
                taken.append(step)
            else:
                return await write()
        except (ScimError, StoreError):
            await self._give_back(taken)
            raise
        await self._give_back(taken)
        return None

    async def _give_back(self, taken: Sequence[Step]) -> None:
        for step in taken:
            await self._guard.give_back(step)

    async def _as_if_done(self, row: StoredResource, change: Change, request: Request) -> StoredResource:
        """What the client expects to see of a change that is held."""
        resource, members = dict(change.resource), change.members
        if members is not None and (members.clear or row.member_count <= self.tenant.limits.patched_members):
            there = [] if members.clear else [member.id for member in await self.fence(request).members(row.id)]
            staying = dict.fromkeys((*(member for member in there if member not in members.removed), *members.added))
            resource |= {"members": [{"value": member} for member in staying]} if staying else {}
            row = row._replace(member_count=0)
        return row._replace(document=orjson.dumps(resource))

    def _check_external_id(self, resource_type: ResourceType, request: Request) -> None:
        """Raises ForbiddenError when the client would change its externalId, and must not."""
        if request.external_id and request.permissions.is_restricted:
            path = BoundPath(None, resource_type.attributes["externalId"])
            if not request.permissions.of(resource_type).may_write(path):
                raise ForbiddenError("This token may not change 'externalId'.")

    def _is_removal_watched(self, resource_type: ResourceType) -> bool:
        leaves = resource_type.keeps_members and self._guard.watches(Removal.LEAVE)
        return bool(leaves or self._guard.watches(Removal.DELETE) or self.tenant.connections)

    def _steps_of_deletion(self, resource_type: ResourceType, row: StoredResource) -> list[Step]:
        steps = [Step(Removal.DELETE, resource_type, row.id)]
        if resource_type.keeps_members and row.member_count:
            steps.append(Step(Removal.LEAVE, resource_type, row.id, row.member_count, row.member_count))
        return [step for step in steps if self._guard.watches(step.kind)]

    async def _steps_of(
        self, resource_type: ResourceType, row: StoredResource, current: Mapping[str, Json], change: Change
    ) -> list[Step]:
        """The removals that a change means."""
        steps = []
        was, now = (resource.get("active", True) is not False for resource in (current, change.resource))
        if resource_type.derives_groups and was and not now and self._guard.watches(Removal.DEACTIVATE):
            steps.append(Step(Removal.DEACTIVATE, resource_type, row.id))
        if change.members is not None and self._guard.watches(Removal.LEAVE):
            leaving = await self._leaving(row, change.members)
            if leaving:
                steps.append(Step(Removal.LEAVE, resource_type, row.id, leaving, row.member_count))
        return steps

    async def _leaving(self, row: StoredResource, change: MembershipChange) -> int:
        """How many of a group's members would not be members any more."""
        if change.clear:
            return row.member_count - await self._number_of(row, change.added)
        added = set(change.added)
        return await self._number_of(row, [member for member in change.removed if member not in added])

    async def _number_of(self, row: StoredResource, ids: Sequence[str]) -> int:
        """How many of these are members of a group."""
        return len(await self.store.members(row.id, only=ids, limit=len(ids))) if ids else 0
