"""People and groups loaded from lines, each as a POST of its own would be, many at once.

Whoever is there already, with the same content, is done; so that an import may be interrupted anywhere and begun
again. A person is recognized by userName, everything else by externalId or displayName.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final

import orjson

from headcount.directory.import_batches import Batch, Item, Line, Outcome
from headcount.directory.import_references import Found, Reference, look_up, may_refer, references_in, resolve
from headcount.directory.refusals import in_scim_terms
from headcount.directory.resources import Request, Resources
from headcount.directory.tenant import PasswordPolicy
from headcount.scim.errors import (
    InvalidSyntaxError,
    InvalidValueError,
    PayloadTooLargeError,
    ScimError,
    UniquenessError,
)
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import (
    MembershipChange,
    NotUniqueError,
    StoreError,
    TenantStore,
    Update,
    Written,
)

_FLIGHTS: Final = 4
"""Batches under way at a time."""


class Importer:
    """Loads lines into one tenant."""

    def __init__(self, resources: Resources, decode: Callable[[bytes], Json], request: Request) -> None:
        self._resources = resources
        self._store: TenantStore = resources.store
        self._decode = decode
        self._request = request
        self._types = _types_by_urn(resources.tenant.registry)
        self._look_first = False
        """Whether people are looked up before they are written: a part of the file went in before."""

    async def run(self, batches: AsyncIterator[Sequence[Line]]) -> AsyncIterator[Sequence[Item]]:
        """What becomes of the lines, batch by batch in their order; raises StoreError when the database fails."""
        under_way: deque[tuple[Batch, asyncio.Task[None]]] = deque()

        async def landed() -> Sequence[Item]:
            batch, task = under_way.popleft()
            await task
            return batch.items

        try:
            async for lines in batches:
                batch = Batch([self._read(line) for line in lines], [earlier for earlier, _ in under_way])
                under_way.append((batch, asyncio.create_task(self._take(batch))))
                if len(under_way) == _FLIGHTS:
                    yield await landed()
            while under_way:
                yield await landed()
        finally:
            for _, task in under_way:
                task.cancel()
            await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)

    async def _take(self, batch: Batch) -> None:
        with batch.landing():
            waiting = [item for item in batch.items if item.outcome is None]
            if any(item.references or not item.is_person for item in waiting):
                await batch.wait_for_earlier()  # they may hold what is referred to, or the same once more
            while waiting:
                found = await look_up((reference for item in waiting for reference in item.references), self._store)
                ready = [item for item in waiting if _is_ready(item, found)]
                if not ready:
                    _reject_unknown(waiting, found)
                    break
                others = [item for item in waiting if not _is_ready(item, found)]
                ready = [item for item in ready if _settle_references(item, found)]
                rivals = await self._write(batch, ready, are_last=not others)
                if rivals:
                    await batch.wait_for_earlier()
                waiting = others + rivals

    def _read(self, line: Line) -> Item:
        item = Item(line)
        try:
            if line.text is None:
                limit = self._resources.tenant.limits.group_body_bytes
                raise PayloadTooLargeError(f"The line is longer than {limit} bytes.")
            body = self._decode(line.text)
            if not isinstance(body, dict):
                raise InvalidSyntaxError("The line must be a JSON object.")
            item.body, item.kind = body, self._kind(body)
            if may_refer(line.text):
                item.references = references_in(body)
        except ScimError as error:
            item.reject(error)
        return item

    def _kind(self, body: dict[str, Json]) -> ResourceType:
        """The resource type that `meta.resourceType` names, or whose schema is in `schemas`."""
        meta, schemas = body.get("meta"), body.get("schemas")
        name = meta.get("resourceType") if isinstance(meta, dict) else None
        names = schemas if isinstance(schemas, list) else []
        kind = self._resources.tenant.registry.by_name.get(str(name)) or next(
            (self._types[urn.lower()] for urn in names if isinstance(urn, str) and urn.lower() in self._types), None
        )
        if kind is None:
            raise InvalidSyntaxError("Neither 'schemas' nor 'meta.resourceType' names a resource type of the tenant.")
        return kind

    async def _write(self, batch: Batch, items: Sequence[Item], *, are_last: bool) -> list[Item]:
        """Writes what is not there yet; gives those that must wait for another one with the same key."""
        if self._resources.tenant.passwords is PasswordPolicy.HASH:
            await asyncio.gather(*map(self._check, items))  # hashing takes long, in threads
        else:
            for item in items:
                await self._check(item)
        await self._recognize([item for item in items if item.write and (self._look_first or not item.is_person)])
        fresh, rivals = await batch.claim([item for item in items if item.outcome is None], are_last=are_last)
        writes = [item.write for item in fresh if item.write]
        answers = await self._store.write_many(writes) if writes else []
        refused = []
        for item, answer in zip(fresh, answers, strict=True):
            if isinstance(answer, Written):
                item.outcome = Outcome.CREATED
            else:
                refused.append(self._refuse(item, answer))
        await asyncio.gather(*refused)
        return rivals

    async def _check(self, item: Item) -> None:
        assert item.kind is not None  # noqa: S101  it was read
        if item.write is None:
            try:
                item.write = await self._resources.creation(item.kind, item.body, self._request)
            except ScimError as error:
                item.reject(error)
            item.body = {}

    async def _recognize(self, items: Sequence[Item]) -> None:
        """Settles those that are there already."""
        asked: defaultdict[Reference, list[Item]] = defaultdict(list)
        for item in items:
            if item.write and item.key:
                asked[Reference("", item.write.type, *item.key)].append(item)
        found = await look_up(asked, self._store)
        comparisons = (
            self._compare(item, ids, must_match=reference.key != "display_name")
            for reference, ids in found.items()
            if ids
            for item in asked[reference]
        )
        await asyncio.gather(*comparisons)

    async def _refuse(self, item: Item, answer: StoreError) -> None:
        """Settles what the store refused: it may be there already."""
        if isinstance(answer, NotUniqueError):
            self._look_first = True
            await self._compare(item, [answer.owner], must_match=False)
        if item.outcome is None:
            item.reject(in_scim_terms(answer))

    async def _compare(self, item: Item, ids: Iterable[str], *, must_match: bool) -> None:
        """Settles an item whose content one of these resources has; rejects it when one `must_match`."""
        write, owners = item.write, list(ids)
        assert write is not None  # noqa: S101  it was checked
        wanted = _content(write.document)
        for resource_id in owners:
            row = await self._store.read(write.type, resource_id, groups=False)
            if row is not None and _content(row.document) == wanted:
                await self._complete(item, resource_id)
                return
        if must_match:
            what = f"{write.type} {owners[0]}"
            item.reject(UniquenessError(f"The {what} has the same {_named(item)}, and other attributes."))

    async def _complete(self, item: Item, resource_id: str) -> None:
        """Adds the members that an earlier, interrupted attempt, or somebody else, left out."""
        write = item.write
        item.outcome = Outcome.PRESENT
        if write is not None and write.members is not None:
            change = MembershipChange(added=write.members.added)
            update = Update(write.type, resource_id, write.origin, None, members=change)
            (answer,) = await self._store.write_many([update])
            if isinstance(answer, StoreError):
                item.reject(in_scim_terms(answer))


def _is_ready(item: Item, found: Found) -> bool:
    """Whether there is something for each of its references."""
    return all(found[reference] for reference in item.references)


def _settle_references(item: Item, found: Found) -> bool:
    """Puts ids in place of references; rejects an item with one that several resources answer to."""
    for reference in item.references:
        if len(found[reference]) > 1:
            message = f"'{reference.text}' names {len(found[reference])} resources; refer to one by its id."
            item.reject(InvalidValueError(message))
            return False
    resolve(item.body, found)
    item.references = []
    return True


def _reject_unknown(items: Iterable[Item], found: Found) -> None:
    for item in items:
        unknown = next(reference for reference in item.references if not found[reference])
        item.reject(InvalidValueError(f"'{unknown.text}' is nobody in the tenant, nor on an earlier line."))


def _types_by_urn(registry: Registry) -> dict[str, ResourceType]:
    types: dict[str, ResourceType] = {}
    for kind in registry.resource_types:
        types.setdefault(kind.schema.id.lower(), kind)
    return types


def _content(document: bytes) -> dict[str, Json]:
    content: dict[str, Json] = orjson.loads(document)
    del content["id"]
    return content


def _named(item: Item) -> str:
    return "userName" if item.key and item.key[0] == "user_name" else "externalId"
