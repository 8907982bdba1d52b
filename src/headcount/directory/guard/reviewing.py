"""What waits for an operator: held changes, and people who could be somebody's; and groups put back as they were."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

import orjson

from headcount.directory.adoption import REVIEWS, Adoption
from headcount.directory.guard.guarding import WARNINGS
from headcount.directory.guard.held import HELD, shown
from headcount.directory.identifiers import now
from headcount.directory.passwords import Passwords
from headcount.directory.refusals import in_scim_terms
from headcount.directory.resources import Change, Request
from headcount.directory.tenants import Tenants
from headcount.directory.watched_resources import WatchedResources
from headcount.events.notifier import Notifier
from headcount.scim import urns
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError, PreconditionFailedError
from headcount.scim.folding import instant
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.versions import entity_tag
from headcount.store.administration import DatabaseStore
from headcount.store.interface import MembershipChange, Origin, StoredResource, StoreError, Update, VersionConflictError
from headcount.store.keeping import Entry, Put, TenantKeeping

_PAGE: Final = 1_000
_DECIDED: Final = "Somebody else has decided, or the resource was changed just now; look again."


class Reviewing:
    """An operator's decisions."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, public_url: str) -> None:
        self._store = store
        self._tenants = tenants
        self._public_url = public_url

    async def held(self, tenant: str) -> list[dict[str, Json]]:
        """The changes that the guard holds back."""
        return [shown(entry) async for entry in _all((await self._resources(tenant)).store, HELD)]

    async def warnings(self, tenant: str, *, limit: int = 100) -> list[dict[str, Json]]:
        """What passed a rule that only warns, the newest first."""
        store = (await self._resources(tenant)).store
        lines = await store.lines(WARNINGS, newest_first=True, limit=limit)
        return [{"at": line.at, **orjson.loads(line.value)} for line in lines]

    async def release(self, tenant: str, held_id: str, *, force: bool = False, actor: str = "cli") -> dict[str, Json]:
        """Carries a held change out as it was computed, once, however many release it.

        Raises ConflictError when its resource was deleted since, or changed: unless forced, then the attributes and
        members that it was about are changed and the others stay as they are now.
        """
        resources = await self._resources(tenant)
        entry = await _entry(resources.store, HELD, held_id)
        value = orjson.loads(entry.value)
        kind = resources.tenant.registry.by_name[value["type"]]
        row = await resources.store.read(kind.name, value["resource"], groups=False)
        if row is None:
            raise ConflictError(f"The {kind.name} is not there any more; reject the change.")
        commutes = value["after"] == value["before"] and not value["clear"]  # members leaving, whoever else does
        if row.version != value["version"] and not force and not commutes:
            raise ConflictError("The resource was changed since; look at it, and release with 'force' if it is right.")
        request = Request(
            actor=actor,
            request_id=f"release {value['requestId']}",
            connection=value["connection"],
            if_match=entity_tag(row.version),
            is_guarded=False,
            puts=(Put(HELD, entry.key, None, entry.version),),
        )
        try:
            await _carry_out(resources, kind, row, value, request)
        except (VersionConflictError, PreconditionFailedError):
            raise ConflictError(_DECIDED) from None
        await resources.store.put([Put(HELD, entry.key, None)])  # also when it was so already, and nothing written
        await self._tell(resources.store, entry, "change.released", actor)
        return shown(entry)

    async def reject(self, tenant: str, held_id: str, *, actor: str = "cli") -> dict[str, Json]:
        """Drops a held change."""
        store = (await self._resources(tenant)).store
        entry = await _entry(store, HELD, held_id)
        try:
            await store.put([Put(HELD, entry.key, None, entry.version)])
        except VersionConflictError:
            raise ConflictError(_DECIDED) from None
        await self._tell(store, entry, "change.rejected", actor)
        return shown(entry)

    async def reviews(self, tenant: str) -> list[dict[str, Json]]:
        """Likenesses, with what both sides say."""
        store = (await self._resources(tenant)).store
        return [{"id": entry.key, **orjson.loads(entry.value)} async for entry in _all(store, REVIEWS)]

    async def link(self, tenant: str, review_id: str, *, actor: str = "cli") -> dict[str, Json]:
        """Says that it is the same person: the connection knows them by its own externalId, and may change them.

        Raises ConflictError while what the connection made of them is there as well.
        """
        resources = await self._resources(tenant)
        entry = await _entry(resources.store, REVIEWS, review_id)
        value = orjson.loads(entry.value)
        kind = resources.tenant.registry.by_name[value["type"]]
        adoption = Adoption(resources.tenant, resources.store)
        row = await adoption.check_link(value)
        theirs = value["theirs"].get("externalId")
        if row.connection == value["connection"]:
            await _give_external_id(resources, kind, row, theirs, actor)
            await resources.store.put([Put(REVIEWS, entry.key, None)])
        else:
            try:
                await adoption.link(kind, row, theirs, Origin(now(), actor, "link", value["connection"]))
            except StoreError as error:
                raise in_scim_terms(error) from error
        return {"id": entry.key, **value}

    async def dismiss(self, tenant: str, review_id: str) -> None:
        """Says that they are two."""
        store = (await self._resources(tenant)).store
        entry = await _entry(store, REVIEWS, review_id)
        await store.put([Put(REVIEWS, entry.key, None)])

    async def restore_members(self, tenant: str, group_id: str, before: str, *, actor: str = "cli") -> dict[str, Json]:
        """Gives a group the members that it had at an instant, as far as they are there; raises NotFoundError.

        Raises ConflictError for an instant that the change log does not reach back to.
        """
        moment = _instant(before)
        resources = await self._resources(tenant)
        store = resources.store
        kind = next((kind for kind in resources.tenant.registry.resource_types if kind.keeps_members), None)
        row = await store.read(kind.name, group_id, groups=False) if kind else None
        if kind is None or row is None:
            raise NotFoundError(f"There is no group '{group_id}'.")
        await _check_reach(store, row, moment)
        left, came = await _moves_since(store, group_id, moment)
        back = [member for member in sorted(left) if await _exists(resources, member)]
        change = MembershipChange(added=tuple(back), removed=tuple(sorted(came)))
        origin = Origin(now(), actor, f"restore members as of {before}")
        try:
            written = await store.write(Update(kind.name, group_id, origin, None, members=change))
        except StoreError as error:
            raise in_scim_terms(error) from error
        return {
            "group": group_id,
            "restored": back,
            "removed": sorted(came),
            "missing": sorted(left - set(back)),
            "version": written.version,
        }

    async def _tell(self, store: TenantKeeping, entry: Entry, kind: str, actor: str) -> None:
        value = orjson.dumps({"id": entry.key})
        await store.mark(kind, value, at=now(), actor=actor, request_id=orjson.loads(entry.value)["requestId"])

    async def _resources(self, tenant: str) -> WatchedResources:
        found = await self._tenants.load(tenant, self._public_url)
        if found is None:
            raise NotFoundError(f"There is no tenant '{tenant}'.")
        return WatchedResources(found, self._store.for_tenant(tenant), Passwords(), None, Notifier())


async def _carry_out(
    resources: WatchedResources, kind: ResourceType, row: StoredResource, value: Mapping[str, Json], request: Request
) -> None:
    """The change on what is there now."""
    if value["after"] is None:
        await resources.delete(kind, row.id, request)
        return
    current = orjson.loads(row.document)
    resource = _merged(current, value["before"], value["after"])
    members = MembershipChange(tuple(value["added"]), tuple(value["removed"]), value["clear"])
    has_members = members != MembershipChange()
    await resources.prepare(kind, resource, current, request)
    change = Change(resource, {}, members if has_members else None)
    await resources.write_change(kind, row, current, change, request)


def _merged(current: Mapping[str, Json], before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    """A resource with what differs between two of its states."""
    changed = {name: value for name, value in after.items() if before.get(name) != value}
    return {name: value for name, value in current.items() if name in after or name not in before} | changed


async def _give_external_id(
    resources: WatchedResources, kind: ResourceType, row: StoredResource, external_id: str | None, actor: str
) -> None:
    """The externalId by which the connection that made somebody knows them now."""
    request = Request(actor=actor, request_id="link", connection=row.connection, is_guarded=False)
    operation = {"op": "replace", "path": "externalId", "value": external_id}
    if external_id is not None:
        await resources.patch(kind, row.id, {"schemas": [urns.PATCH_OP], "Operations": [operation]}, request)


async def _entry(store: TenantKeeping, collection: str, key: str) -> Entry:
    entry = await store.entry(collection, key)
    if entry is None:
        raise NotFoundError(f"There is no '{key}' that waits.")
    return entry


async def _all(store: TenantKeeping, collection: str) -> AsyncIterator[Entry]:
    after = ""
    while entries := await store.entries(collection, after=after, limit=_PAGE):
        for entry in entries:
            yield entry
        after = entries[-1].key


async def _check_reach(store: TenantKeeping, row: StoredResource, moment: str) -> None:
    """Raises ConflictError when changes since an instant may be forgotten already."""
    first = await store.first_position()
    if not first or row.created >= moment:
        return
    oldest: Sequence[str] = [change.at for change in await store.changes_after(first - 1, limit=1)]
    if not oldest or oldest[0] > moment:
        raise ConflictError(f"The change log goes back to {oldest[0] if oldest else now()} only.")


async def _moves_since(store: TenantKeeping, group_id: str, before: str) -> tuple[set[str], set[str]]:
    """Who has left a group since an instant, and who has come: what undoes both."""
    left: set[str] = set()
    came: set[str] = set()
    after = 0
    await store.sequence_changes()
    while rows := await store.changes_after(after, resource_id=group_id, limit=_PAGE):
        for row in rows:
            if row.at < before:
                continue
            for member in row.added:
                left.discard(member) if member in left else came.add(member)
            for member in row.removed:
                came.discard(member) if member in came else left.add(member)
        after = rows[-1].position
    return left, came


def _instant(text: str) -> str:
    try:
        return instant(text)
    except ValueError:
        raise InvalidValueError(f"'{text}' is no instant; write 2026-01-31T08:30:00Z.") from None


async def _exists(resources: WatchedResources, member: str) -> bool:
    for kind in resources.tenant.registry.resource_types:
        if await resources.store.read(kind.name, member, groups=False) is not None:
            return True
    return False
