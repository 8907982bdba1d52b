"""People and groups loaded from lines, each as a POST of its own would be, many at once.

Whoever is there already, with the same content, is done; so that an import may be interrupted anywhere and begun
again. A person is recognized by userName, everything else by externalId or displayName.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import Final, TypeAlias

import orjson

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
    Create,
    KeyName,
    MembershipChange,
    NotUniqueError,
    StoreError,
    TenantStore,
    Update,
    Written,
)

Claim: TypeAlias = tuple[str, ...]

_FLIGHTS: Final = 4
"""Batches under way at a time."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    number: int
    end: int
    """The position of the byte behind it."""
    text: bytes | None
    """None when it is longer than a line may be."""


class Outcome(StrEnum):
    """What became of a line."""

    CREATED = auto()
    PRESENT = auto()
    """It was there already, with the same content."""
    REJECTED = auto()


@dataclass(slots=True, eq=False)
class Item:
    """A line on its way."""

    line: Line
    outcome: Outcome | None = None
    error: ScimError | None = None
    """Why it was rejected."""
    body: dict[str, Json] = field(default_factory=dict)
    kind: ResourceType | None = None
    references: list[Reference] = field(default_factory=list)
    write: Create | None = None

    def reject(self, error: ScimError) -> None:
        """Says why it cannot go in."""
        self.outcome, self.error = Outcome.REJECTED, error

    @property
    def key(self) -> tuple[KeyName, str] | None:
        """What the resource is recognized by."""
        keys = self.write.keys if self.write else None
        if keys is None:
            return None
        if keys.user_name is not None:
            return "user_name", keys.user_name
        if keys.external_id is not None:
            return "external_id", keys.external_id
        return None if keys.display_name is None else ("display_name", keys.display_name)

    def claims(self) -> set[Claim]:
        """What no two lines can have, of which the first one is to win."""
        assert self.write is not None  # noqa: S101  it was checked
        key = self.key
        return {*self.write.keys.unique, *([(self.write.type, *key)] if key else [])}


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
        under_way: deque[asyncio.Task[list[Item]]] = deque()
        try:
            async for batch in batches:
                under_way.append(asyncio.create_task(self._take(batch, list(under_way))))
                if len(under_way) == _FLIGHTS:
                    yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _take(self, batch: Sequence[Line], earlier: Sequence["asyncio.Task[list[Item]]"]) -> list[Item]:
        items = [self._read(line) for line in batch]
        waiting = [item for item in items if item.outcome is None]
        if earlier and any(item.references or not _is_person(item) for item in waiting):
            await asyncio.wait(earlier)  # they may hold what is referred to, or the same once more
        while waiting:
            found = await look_up((reference for item in waiting for reference in item.references), self._store)
            ready = [item for item in waiting if _is_ready(item, found)]
            if not ready:
                _reject_unknown(waiting, found)
                break
            others = [item for item in waiting if not _is_ready(item, found)]
            put_off = await self._write([item for item in ready if _settle_references(item, found)])
            waiting = others + put_off
        return items

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

    async def _write(self, items: Sequence[Item]) -> list[Item]:
        """Writes what is not there yet; gives those that must wait for another one with the same key."""
        if self._resources.tenant.passwords is PasswordPolicy.HASH:
            await asyncio.gather(*map(self._check, items))  # hashing takes long, in threads
        else:
            for item in items:
                await self._check(item)
        await self._recognize([item for item in items if item.write and (self._look_first or not _is_person(item))])
        fresh, put_off = _without_rivals(items)
        writes = [item.write for item in fresh if item.write]
        answers = await self._store.write_many(writes) if writes else []
        refused = []
        for item, answer in zip(fresh, answers, strict=True):
            if isinstance(answer, Written):
                item.outcome = Outcome.CREATED
            else:
                refused.append(self._refuse(item, answer))
        await asyncio.gather(*refused)
        return put_off

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
            item.reject(_in_scim_terms(answer))

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
                item.reject(_in_scim_terms(answer))


def _without_rivals(items: Iterable[Item]) -> tuple[list[Item], list[Item]]:
    """Those that are still to be written, apart from those that want what an earlier one of them wants."""
    first: list[Item] = []
    rivals: list[Item] = []
    claimed: set[Claim] = set()
    for item in items:
        if item.outcome is None:
            claims = item.claims()
            (first if claimed.isdisjoint(claims) else rivals).append(item)
            claimed |= claims
    return first, rivals


def _is_person(item: Item) -> bool:
    """Whether the resource has a userName, which the store keeps unique."""
    return item.kind is not None and item.kind.derives_groups


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


def _in_scim_terms(refusal: StoreError) -> ScimError:
    try:
        with in_scim_terms():
            raise refusal
    except ScimError as error:
        return error
