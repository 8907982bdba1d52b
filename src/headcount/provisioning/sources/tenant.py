"""A tenant of this installation as a source: read from its store, and from then on through its change log."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from headcount.provisioning.records import Identities, Problem, Reading, RecordKind, SourceRecord
from headcount.provisioning.targets.lookups import lookup_filter
from headcount.provisioning.targets.paths import values_at
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import Query, StoredResource, Target
from headcount.store.keeping import ChangeRow, TenantKeeping

_ID: Final = "id"
_PAGE: Final = 1_000
_MEMBERS: Final = 10_000
_KINDS: Final = {"User": RecordKind.PERSON, "Group": RecordKind.GROUP}
_NAMES: Final = {kind: name for name, kind in _KINDS.items()}
_Document = Mapping[str, Any]


class TenantSource:
    """Persons and groups of a tenant. Its change log tells who is gone."""

    def __init__(self, store: TenantKeeping, registry: Registry, *, key: str = _ID, groups: bool = True) -> None:
        self._store = store
        self._types = [registry.by_name[name] for name in (list(_KINDS) if groups else ["User"])]
        self._key = key
        self._keys: dict[str, str] = {}
        """Source keys by id, of persons that were met."""

    async def check(self) -> Mapping[str, Json]:
        """How many there are."""
        counts = {}
        for kind in self._types:
            page = await self._store.search(Query((Target(kind),), 1, groups=False))
            counts[kind.name] = page.total
        return {"resources": counts}

    async def read(self, watermark: str = "") -> Reading:
        """Everybody, or what changed behind a position, as far as that is still kept."""
        while await self._store.sequence_changes():
            pass
        position = await self._store.last_position()
        if watermark.isdigit() and int(watermark) >= await self._store.first_position() - 1:
            changes = await self._changes(int(watermark), position)
            if changes is not None:
                reading = Reading(_of(changes.records), is_complete=False, watermark=str(position))
                reading.gone, reading.problems = sorted(changes.gone), changes.problems
                return reading
        problems: list[Problem] = []
        return Reading(self._everybody(problems), is_complete=True, problems=problems, watermark=str(position))

    async def read_one(self, kind: RecordKind, key: str) -> SourceRecord | None:
        """One record, or None."""
        identifier = key
        if kind is RecordKind.PERSON and self._key != _ID:
            identifier = await self._id_of(key)
        row = await self._store.read(_NAMES[kind], identifier, groups=False) if identifier else None
        return await self._record(row) if row else None

    async def absent(self, candidates: Identities) -> Identities:
        """All of them: a reading is of one database."""
        return candidates

    async def close(self) -> None:
        """The store belongs to others."""

    async def _everybody(self, problems: list[Problem]) -> AsyncIterator[SourceRecord]:
        seen: set[str] = set()
        for kind in self._types:
            async for row in self._rows(kind):
                record = await self._record(row)
                if kind.name == "User" and (fault := _fault(record.key, self._key, seen)):
                    problems.append(Problem(record.place, fault, record.key))
                    continue
                seen.add(record.key)
                yield record

    async def _rows(self, kind: ResourceType) -> AsyncIterator[StoredResource]:
        after = None
        while True:
            page = await self._store.search(Query((Target(kind),), _PAGE, after=after, total=False, groups=False))
            for row in page.resources:
                yield row
            if page.last is None:
                return
            after = page.last

    async def _changes(self, after: int, until: int) -> "_Changes | None":
        """What became of everybody who changed; None when the log does not tell it all."""
        latest: OrderedDict[tuple[str, str], None] = OrderedDict()
        former: set[tuple[RecordKind, str]] = set()
        while after < until:
            rows = await self._store.changes_after(after, limit=_PAGE, types=[kind.name for kind in self._types])
            for row in rows:
                keys = self._former_keys(row)
                if keys is None:
                    return None
                former.update((_KINDS[row.type], key) for key in keys)
                latest[row.type, row.id] = None
            if len(rows) < _PAGE:
                break
            after = rows[-1].position
        return await self._as_they_are(latest, former)

    async def _as_they_are(
        self, changed: Mapping[tuple[str, str], None], former: set[tuple[RecordKind, str]]
    ) -> "_Changes":
        changes = _Changes()
        for type_name, identifier in changed:
            row = await self._store.read(type_name, identifier, groups=False)
            if row is None:
                continue
            record = await self._record(row)
            if record.key:
                changes.records.append(record)
            else:
                changes.problems.append(Problem(record.place, f"there is no value for the key '{self._key}'."))
        changes.gone = former - {(record.kind, record.key) for record in changes.records}
        for kind, key in [item for item in changes.gone if item[0] is RecordKind.PERSON and self._key != _ID]:
            if await self._id_of(key):  # somebody else has the key by now
                changes.gone.discard((kind, key))
        return changes

    def _former_keys(self, row: ChangeRow) -> Sequence[str] | None:
        """The keys that somebody had before or after a change; None when that is not known any more."""
        if row.type == "Group" or self._key == _ID:
            return [row.id]
        documents = [orjson.loads(document) for document in (row.before, row.after) if document]
        if not documents and row.kind != "update":
            return None
        return [key for document in documents if (key := self._key_of(document))]

    async def _record(self, row: StoredResource) -> SourceRecord:
        document = orjson.loads(row.document)
        kind = _KINDS[row.type]
        place = f"/{row.type}s/{row.id}"
        if kind is RecordKind.PERSON:
            key = row.id if self._key == _ID else self._key_of(document)
            self._keys[row.id] = key
            return SourceRecord(kind, key, document, place=place)
        return SourceRecord(kind, row.id, document, await self._members(row), place)

    async def _members(self, group: StoredResource) -> tuple[str, ...]:
        keys: set[str] = set()
        after = ""
        while group.member_count:
            found = await self._store.members(group.id, after=after, limit=_MEMBERS)
            for member in found:
                keys.add(member.id if member.type == "Group" else await self._key_of_member(member.id))
            if len(found) < _MEMBERS:
                break
            after = found[-1].id
        return tuple(sorted(keys - {""}))

    async def _key_of_member(self, identifier: str) -> str:
        if self._key == _ID:
            return identifier
        if identifier not in self._keys:
            row = await self._store.read("User", identifier, groups=False)
            self._keys[identifier] = self._key_of(orjson.loads(row.document)) if row else ""
        return self._keys[identifier]

    def _key_of(self, document: _Document) -> str:
        values = values_at(document, self._key)
        return str(values[0]).strip() if values else ""

    async def _id_of(self, key: str) -> str:
        """Who has a key; empty when nobody has."""
        bound = bind_filter(parse_filter(lookup_filter(self._key, key)), self._types[0], TOLERANT)
        page = await self._store.search(Query((Target(self._types[0], bound),), 1, total=False, groups=False))
        return page.resources[0].id if page.resources else ""


@dataclass(slots=True)
class _Changes:
    records: list[SourceRecord] = field(default_factory=list)
    gone: set[tuple[RecordKind, str]] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def _fault(key: str, name: str, seen: set[str]) -> str:
    if not key:
        return f"there is no value for the key '{name}'."
    return f"the key {key} belongs to somebody else too." if key in seen else ""


async def _of(records: Sequence[SourceRecord]) -> AsyncIterator[SourceRecord]:
    for record in records:
        yield record
