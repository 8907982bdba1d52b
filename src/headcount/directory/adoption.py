"""Who is whom: externalIds by connection, who may change whose people, who is taken for whom, and who comes back."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import orjson

from headcount.directory.guard.held import HELD
from headcount.directory.identifiers import now
from headcount.directory.redaction import redacted, secrets_of
from headcount.directory.tenant import Tenant
from headcount.scim.comparison import comparable, compare_document
from headcount.scim.errors import ConflictError, ForbiddenError, NotFoundError
from headcount.scim.filters.binding import BoundComparison
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import bind_path
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import (
    DEFAULT_CONNECTION,
    Delete,
    Origin,
    Query,
    StoredResource,
    Target,
    Update,
)
from headcount.store.keeping import Entry, Put, TenantKeeping
from headcount.store.keys import keys_of

EXTERNAL_IDS: Final = "external id"
"""The collection of the externalIds that connections gave to resources of others: `type/id/connection`."""
LINKS: Final = "connection link"
"""The collection of resources that a connection may change although another made them: `type/id/connection`."""
REVIEWS: Final = "adoption review"
"""The collection of likenesses that wait for an operator: `type/id/connection`."""
TOMBSTONES: Final = "tombstone"
"""The collection of who was deleted: `connection/type/externalId`."""


class Adoption:
    """Answers who is whom in one tenant."""

    def __init__(self, tenant: Tenant, store: TenantKeeping) -> None:
        self._tenant = tenant
        self._store = store

    async def known(self, resource_type: ResourceType, body: Mapping[str, Json], connection: str) -> str | None:
        """The id of the one resource that the connection knows by the externalId of a body."""
        external_id = _external_id(body)
        if external_id is None:
            return None
        found = await self._store.ids_of(resource_type.name, "external_id", [external_id], connection=connection)
        return found[0][1] if len(found) == 1 else None

    async def review(
        self, resource_type: ResourceType, owner: str, body: Mapping[str, Json], origin: Origin, matched: str
    ) -> None:
        """Puts a likeness on the list, with what both sides say of the person."""
        row = await self._store.read(resource_type.name, owner, groups=False)
        if row is not None:
            await self._store.put([self._likeness(row, body, origin, matched)])

    def _likeness(self, row: StoredResource, body: Mapping[str, Json], origin: Origin, matched: str) -> Put:
        value = {
            "matched": matched,
            "type": row.type,
            "resource": row.id,
            "madeBy": row.connection,
            "connection": origin.connection,
            "at": origin.at,
            "requestId": origin.request_id,
            "theirs": redacted(dict(body), secrets_of(self._tenant.registry)),
            "ours": orjson.loads(row.document),
        }
        return Put(REVIEWS, _key(row, origin.connection), orjson.dumps(value))

    async def review_likenesses(
        self, resource_type: ResourceType, created: str, body: Mapping[str, Json], origin: Origin
    ) -> None:
        """Puts others with the same e-mail address on the list; nobody is taken over."""
        path = bind_path("emails.value", resource_type)
        emails = body.get("emails")
        if path is None or path.sub_attribute is None or not isinstance(emails, list):
            return
        puts: dict[str, Put] = {}
        for email in emails[:10]:
            value = email.get("value") if isinstance(email, Mapping) else None
            if not isinstance(value, str) or not value:
                continue
            same = BoundComparison(path, Operator.EQ, comparable(path.sub_attribute, value))
            page = await self._store.search(Query((Target(resource_type, same),), 5, total=False, groups=False))
            for row in page.resources:
                if row.id != created:
                    puts[row.id] = self._likeness(row, {**body, "id": created}, origin, "emails.value")
        if puts:
            await self._store.put(list(puts.values()))

    async def check_owner(self, row: StoredResource, connection: str) -> None:
        """Raises ForbiddenError for a resource that another connection made, unless an operator has linked it.

        What no connection of today has made belongs to nobody, and what belongs to nobody any of them may change.
        """
        if connection in (DEFAULT_CONNECTION, row.connection) or row.connection not in self._tenant.connections:
            return
        if await self._store.entry(LINKS, _key(row, connection)) is None:
            raise ForbiddenError(
                f"This {row.type} was made by the connection '{row.connection}'; an operator has to link it first."
            )

    async def check_link(self, value: Mapping[str, Json]) -> StoredResource:
        """The resource that a review is about; raises NotFoundError, or ConflictError for two that are there."""
        row = await self._store.read(value["type"], value["resource"], groups=False)
        if row is None:
            raise NotFoundError(f"There is no {value['type']} '{value['resource']}' any more; dismiss the review.")
        other = value["theirs"].get("id")
        if value["matched"] == "emails.value" and await self._store.read(value["type"], other, groups=False):
            raise ConflictError(f"Both are there: delete the {value['type']} '{other}', and link then.")
        return row

    async def link(self, resource_type: ResourceType, row: StoredResource, theirs: str | None, origin: Origin) -> None:
        """Lets a connection change a resource of another, and gives it the connection's own externalId."""
        if theirs is not None:
            await self.attach(resource_type, row, theirs, origin)
        key = _key(row, origin.connection)
        await self._store.put([Put(LINKS, key, origin.at.encode()), Put(REVIEWS, key, None)])

    async def own_in_replacement(
        self, resource_type: ResourceType, resource_id: str, body: Json, connection: str
    ) -> tuple[Json, tuple[str | None, ...]]:
        """A replacement that leaves the externalId as it is when another connection made the resource.

        And what becomes of the connection's own externalId; nothing when it made the resource itself.
        """
        row = await self._of_another(resource_type, resource_id, connection)
        if row is None or not isinstance(body, Mapping):
            return body, ()
        given = {name: value for name, value in body.items() if name.lower() != "externalid"}
        theirs = orjson.loads(row.document).get("externalId")
        return given if theirs is None else {**given, "externalId": theirs}, (_external_id(body),)

    async def own_in_patch(
        self, resource_type: ResourceType, resource_id: str, body: Json, connection: str
    ) -> tuple[Json, tuple[str | None, ...]]:
        """A PATCH without what it does to the externalId when another connection made the resource, and that."""
        row = await self._of_another(resource_type, resource_id, connection)
        name = next((name for name in body if name.lower() == "operations"), "") if isinstance(body, Mapping) else ""
        operations = body.get(name) if name else None
        if row is None or not isinstance(operations, list):
            return body, ()
        kept, values = _without_external_id(operations)
        return ({**body, name: kept}, (values[-1],)) if values else (body, ())

    async def seen(self, rows: Sequence[StoredResource], connection: str) -> Sequence[StoredResource]:
        """Rows with the connection's own externalIds in those that others made."""
        if connection == DEFAULT_CONNECTION:
            return rows
        foreign = {_key(row, connection) for row in rows if row.connection != connection}
        if not foreign:
            return rows
        found = {entry.key: entry.value.decode() for entry in await self._store.entries_of(EXTERNAL_IDS, list(foreign))}
        return [
            _with_external_id(row, found.get(key)) if (key := _key(row, connection)) in foreign else row for row in rows
        ]

    async def attach(
        self, resource_type: ResourceType, row: StoredResource, external_id: str | None, origin: Origin
    ) -> StoredResource:
        """Gives a resource the externalId that a connection knows it by, beside those of others; the row that is."""
        key = _key(row, origin.connection)
        entry = await self._store.entry(EXTERNAL_IDS, key)
        known = entry.value.decode() if entry else None
        if known == external_id:
            return row
        current = orjson.loads(row.document)
        keys = keys_of(current, resource_type)
        update = Update(
            row.type,
            row.id,
            origin._replace(at=now()),
            row.version,
            document=row.document,
            compare=orjson.dumps(compare_document(current, resource_type)),
            keys=keys._replace(external_id=external_id),
            previous=keys._replace(external_id=known),
            before=row.document,
        )
        value = external_id.encode() if external_id is not None else None
        written = await self._store.write_with(update, [Put(EXTERNAL_IDS, key, value)])
        return row._replace(version=written.version, modified=written.modified)

    async def buried(self, write: Delete, *, comes_back: bool) -> Sequence[Put]:
        """What a deletion takes along, and by which externalId of its connection a user may come back."""
        puts = await beside(self._store, write.type, write.id)
        row = await self._store.read(write.type, write.id, groups=False) if comes_back else None
        external_id = orjson.loads(row.document).get("externalId") if row is not None and row.type == "User" else None
        if row is not None and external_id is not None:
            value = orjson.dumps({"type": row.type, "id": row.id, "at": write.origin.at})
            puts.append(Put(TOMBSTONES, f"{row.connection}/{row.type}/{external_id}", value))
        return puts

    async def former_id(self, resource_type: ResourceType, resource: Mapping[str, Json], connection: str) -> str | None:
        """The id of whoever the connection had deleted under the same externalId, if nobody has it now."""
        external_id = resource.get("externalId")
        if external_id is None:
            return None
        entry = await self._store.entry(TOMBSTONES, f"{connection}/{resource_type.name}/{external_id}")
        if entry is None:
            return None
        former: str = orjson.loads(entry.value)["id"]
        return former if await self._store.read(resource_type.name, former, groups=False) is None else None

    async def _of_another(self, kind: ResourceType, resource_id: str, connection: str) -> StoredResource | None:
        """The resource, if another connection made it."""
        if connection == DEFAULT_CONNECTION:
            return None
        row = await self._store.read(kind.name, resource_id, groups=False)
        return row if row is not None and row.connection != connection else None


async def beside(store: TenantKeeping, type_name: str, resource_id: str) -> list[Put]:
    """What removes links, reviews and held changes of a resource."""
    return [
        Put(collection, entry.key, None)
        for collection in (EXTERNAL_IDS, LINKS, REVIEWS, HELD)
        for entry in await store.entries(collection, prefix=f"{type_name}/{resource_id}/")
    ]


async def traces_of(store: TenantKeeping, type_name: str, resource_id: str) -> Sequence[Put]:
    """What removes everything that is kept of a deleted resource, the tombstone and others' reviews as well."""
    puts = await beside(store, type_name, resource_id)
    for collection, about in ((REVIEWS, "theirs"), (TOMBSTONES, "")):
        async for entry in _all(store, collection):
            value = orjson.loads(entry.value)
            named = value[about].get("id") if about else value["id"]
            if named == resource_id and not entry.key.startswith(f"{type_name}/{resource_id}/"):
                puts.append(Put(collection, entry.key, None))
    return puts


async def forget_tombstones(store: TenantKeeping, before: str) -> None:
    """Removes tombstones that are older than an instant: who comes back later is somebody new."""
    async for entry in _all(store, TOMBSTONES):
        if orjson.loads(entry.value)["at"] < before:
            await store.put([Put(TOMBSTONES, entry.key, None)])


async def _all(store: TenantKeeping, collection: str) -> AsyncIterator[Entry]:
    after = ""
    while entries := await store.entries(collection, after=after, limit=500):
        for entry in entries:
            yield entry
        after = entries[-1].key


def _key(row: StoredResource, connection: str) -> str:
    return f"{row.type}/{row.id}/{connection}"


def _external_id(body: Mapping[str, Json]) -> str | None:
    value = next((value for name, value in body.items() if name.lower() == "externalid"), None)
    return value if isinstance(value, str) and value else None


def _without_external_id(operations: Sequence[Any]) -> tuple[list[Any], list[str | None]]:
    """Operations without what they do to the externalId, and what that would have become."""
    kept: list[Any] = []
    values: list[str | None] = []
    for operation in operations:
        members = {name.lower(): value for name, value in operation.items()} if isinstance(operation, Mapping) else {}
        path, value = members.get("path"), members.get("value")
        if isinstance(path, str) and path.strip().lower() == "externalid":
            values.append(value if isinstance(value, str) and members.get("op", "").lower() != "remove" else None)
        elif not path and isinstance(value, Mapping) and _external_id(value) is not None:
            values.append(_external_id(value))
            rest = {name: item for name, item in value.items() if name.lower() != "externalid"}
            kept.append({**operation, next(name for name in operation if name.lower() == "value"): rest})
        else:
            kept.append(operation)
    return kept, values


def _with_external_id(row: StoredResource, external_id: str | None) -> StoredResource:
    document: dict[str, Json] = orjson.loads(row.document)
    before = document.pop("externalId", None)
    if before is None and external_id is None:
        return row
    if external_id is not None:
        document = {"schemas": document.pop("schemas"), "id": document.pop("id"), "externalId": external_id, **document}
    return row._replace(document=orjson.dumps(document))
