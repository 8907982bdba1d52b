"""Another SCIM server as a source: everybody, or who changed since the newest modification that was seen.

Who is gone is told by an id-only listing, and then confirmed one by one; groups are always compared by their own
member lists, as not every server modifies a group when a member comes or goes.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from headcount.provisioning.records import (
    Identities,
    Problem,
    Reading,
    RecordKind,
    SourceError,
    SourceRecord,
)
from headcount.provisioning.targets.capabilities import Paging
from headcount.provisioning.targets.client import Connection, ScimClient, path_of
from headcount.provisioning.targets.errors import TargetError
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.listing import check_readable, listed
from headcount.provisioning.targets.lookups import lookup_filter
from headcount.provisioning.targets.packs import pack_of
from headcount.provisioning.targets.paths import member, values_at
from headcount.provisioning.targets.probing import discover, probe, read_config
from headcount.scim.errors import ScimError
from headcount.scim.filters.binding import BoundFilter, bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import USER
from headcount.scim.schemas import Json

_ID: Final = "id"
_NOT_FOUND: Final = 404
_MOST_CONFIRMED: Final = 1_000
"""Who is missing past that number is believed missing: a guard looks at so many in any case."""
_OVERLAP: Final = timedelta(minutes=1)
_TYPES: Final = {RecordKind.PERSON: "User", RecordKind.GROUP: "Group"}
_Resource = Mapping[str, Json]


class ScimSource:
    """A SCIM server that is read."""

    def __init__(
        self, connection: Connection, *, pack: str = "generic", key: str = _ID, scope: str = "", groups: bool = True
    ) -> None:
        """`scope` is a filter that says who is read at all; raises SourceError when it is none."""
        self._knowledge = Knowledge(pack_of(pack).capabilities, {})
        self._client = ScimClient(connection)
        self._key = key
        self._scope = scope
        self._bound = _bound(scope) if scope else None
        self._kinds = (RecordKind.PERSON, RecordKind.GROUP) if groups else (RecordKind.PERSON,)
        self._is_connected = False

    async def check(self) -> Mapping[str, Json]:
        """What the server is seen to have and to do; raises SourceError."""
        await self._connect()
        profile = self._knowledge.profile
        has_groups = profile.groups.supported and RecordKind.GROUP in self._kinds
        is_cursor = profile.paging is Paging.CURSOR
        paging = "cursor" if is_cursor else "index"
        return {
            "filters": profile.filters,
            "paging": paging,
            "groups": has_groups,
            "findings": self._knowledge.findings,
        }

    async def read(self, watermark: str = "") -> Reading:
        """Everybody, or who changed since a watermark, with an id-only listing beside; raises SourceError."""
        await self._connect()
        if watermark and self._knowledge.profile.filters and await self._takes_filter(watermark):
            return await self._read_changes(watermark)
        reading = Reading(_none(), is_complete=True)
        reading.records = self._everybody(reading, self._scope, {})
        return reading

    async def read_one(self, kind: RecordKind, key: str) -> SourceRecord | None:
        """One record, or None when the server says plainly that there is none; raises SourceError."""
        await self._connect()
        try:
            resource = await self._get(kind, key) if self._is_key(kind, _ID) else await self._find(key)
            if resource is None or (kind is RecordKind.PERSON and not self._admits(resource)):
                return None
            keys = await self._keys_of_members(resource) if kind is RecordKind.GROUP else {}
            return self._record(kind, key, resource, keys)
        except TargetError as error:
            raise _error(error) from error

    async def absent(self, candidates: Identities) -> Identities:
        """Those who are not there when they are asked for one by one; raises SourceError."""
        if len(candidates) > _MOST_CONFIRMED:
            return candidates
        gone = [item for item in sorted(candidates) if await self.read_one(*item) is None]
        return frozenset(gone)

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.close()

    async def _connect(self) -> None:
        if self._is_connected:
            return
        try:
            self._knowledge.hear(await discover(self._client, await read_config(self._client)))
            await probe(self._client, self._knowledge)
        except TargetError as error:
            raise _error(error) from error
        self._is_connected = True

    async def _takes_filter(self, watermark: str) -> bool:
        """Whether the server filters by modification; one that does not is read in whole."""
        query = {"filter": _since(self._scope, watermark), "count": "1"}
        try:
            answer = await self._client.get(self._endpoint(RecordKind.PERSON), query)
        except TargetError as error:
            raise _error(error) from error
        return answer.is_success

    async def _read_changes(self, watermark: str) -> Reading:
        """The ids first: who comes between the two is then among the changes, and who goes is seen the next time."""
        keys: dict[str, str] = {}
        attributes = {"attributes": ",".join(sorted({_ID, self._key}))}
        async for resource in self._list(RecordKind.PERSON, {**self._filtered(self._scope), **attributes}):
            keys[str(resource.get(_ID))] = self._key_of(RecordKind.PERSON, resource)
        reading = Reading(_none(), is_complete=False, watermark=watermark)
        reading.records = self._everybody(reading, _since(self._scope, watermark), keys)
        reading.present = self._present(keys)
        return reading

    async def _present(self, keys: Mapping[str, str]) -> AsyncIterator[tuple[RecordKind, str]]:
        for key in keys.values():
            if key:
                yield RecordKind.PERSON, key
        if RecordKind.GROUP in self._kinds:
            async for resource in self._list(RecordKind.GROUP, {"attributes": _ID}):
                yield RecordKind.GROUP, str(resource.get(_ID))

    async def _everybody(self, reading: Reading, filter_text: str, keys: dict[str, str]) -> AsyncIterator[SourceRecord]:
        """Persons that a filter finds, and all groups; `keys` gives source keys by id, and is filled on the way."""
        seen: set[str] = set()
        async for resource in self._list(RecordKind.PERSON, self._filtered(filter_text)):
            key = self._key_of(RecordKind.PERSON, resource)
            identifier = str(resource.get(_ID))
            if not self._admits(resource):
                continue
            if problem := self._problem(identifier, key, seen):
                reading.problems.append(problem)
                continue
            seen.add(key)
            keys[identifier] = key
            reading.watermark = _later(reading.watermark, resource)
            yield self._record(RecordKind.PERSON, key, resource, {})
        if RecordKind.GROUP in self._kinds and self._knowledge.profile.groups.supported:
            async for record in self._groups(keys):
                yield record

    async def _groups(self, keys: Mapping[str, str]) -> AsyncIterator[SourceRecord]:
        async for resource in self._list(RecordKind.GROUP, {}):
            identifier = str(resource.get(_ID))
            whole = resource if member(resource, "members") else await self._whole_group(identifier)
            if whole is not None:
                yield self._record(RecordKind.GROUP, identifier, whole, keys)

    async def _whole_group(self, identifier: str) -> _Resource | None:
        """A group that was listed without members: it has none, or the list does not show them."""
        try:
            return await self._get(RecordKind.GROUP, identifier)
        except TargetError as error:
            raise _error(error) from error

    async def _list(self, kind: RecordKind, query: Mapping[str, str]) -> AsyncIterator[_Resource]:
        try:
            async for resource in listed(self._client, self._knowledge.profile, self._endpoint(kind), query):
                if not resource.get(_ID):
                    raise SourceError("The source lists somebody without an id.")
                yield resource
        except TargetError as error:
            raise _error(error) from error

    async def _get(self, kind: RecordKind, identifier: str) -> _Resource | None:
        answer = await self._client.get(path_of(self._endpoint(kind), identifier))
        if answer.status == _NOT_FOUND and isinstance(answer.json, dict):
            return None
        check_readable(self._client, answer)
        return answer.resource

    async def _find(self, key: str) -> _Resource | None:
        async for resource in self._list(RecordKind.PERSON, {"filter": lookup_filter(self._key, key)}):
            if self._key_of(RecordKind.PERSON, resource) == key:
                return resource
        return None

    async def _keys_of_members(self, group: _Resource) -> Mapping[str, str]:
        if self._key == _ID:
            return {}
        keys = {}
        for identifier, is_group in _member_ids(group):
            resource = None if is_group else await self._get(RecordKind.PERSON, identifier)
            if resource:
                keys[identifier] = self._key_of(RecordKind.PERSON, resource)
        return keys

    def _record(self, kind: RecordKind, key: str, resource: _Resource, keys: Mapping[str, str]) -> SourceRecord:
        """A resource as a record; what changes by itself (`meta`, `groups`) is no attribute of it."""
        attributes = {
            name: value for name, value in resource.items() if name.lower() not in ("meta", "groups", "members")
        }
        members = self._members(resource, keys) if kind is RecordKind.GROUP else ()
        return SourceRecord(kind, key, attributes, members, f"/{_TYPES[kind]}s/{resource.get(_ID)}")

    def _members(self, group: _Resource, keys: Mapping[str, str]) -> tuple[str, ...]:
        """The source keys of members; groups are known by their ids, and so are persons unless the job says more."""
        found = {
            keys.get(identifier, identifier if is_group or self._key == _ID else "")
            for identifier, is_group in _member_ids(group)
        }
        return tuple(sorted(found - {""}))

    def _problem(self, identifier: str, key: str, seen: set[str]) -> Problem | None:
        if not key:
            return Problem(f"/Users/{identifier}", f"there is no value for the key '{self._key}'.")
        if key in seen:
            return Problem(f"/Users/{identifier}", f"the key {key} belongs to somebody else too.", key)
        return None

    def _key_of(self, kind: RecordKind, resource: _Resource) -> str:
        values = values_at(resource, _ID if self._is_key(kind, _ID) else self._key)
        return str(values[0]).strip() if values else ""

    def _is_key(self, kind: RecordKind, name: str) -> bool:
        return kind is RecordKind.GROUP or self._key == name

    def _admits(self, resource: _Resource) -> bool:
        """Whether the job's filter lets somebody in: not every server heeds it."""
        return self._bound is None or matches(self._bound, resource)

    def _endpoint(self, kind: RecordKind) -> str:
        return self._knowledge.profile.endpoint(_TYPES[kind])

    def _filtered(self, text: str) -> Mapping[str, str]:
        return {"filter": text} if text else {}


def _since(scope: str, watermark: str) -> str:
    """The filter for who was modified; from a little earlier, as who is written first may be seen last."""
    earlier = (_instant(watermark) - _OVERLAP).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = f'meta.lastModified ge "{earlier}"'
    return f"({scope}) and {changed}" if scope else changed


def _later(watermark: str, resource: _Resource) -> str:
    """The later one of a watermark and the time at which a resource was modified."""
    value = member(member(resource, "meta"), "lastModified")
    found = value if isinstance(value, str) else ""
    return max(watermark, found, key=_instant)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _member_ids(group: _Resource) -> list[tuple[str, bool]]:
    """(id, whether it is said to be a group) of each member."""
    members = member(group, "members")
    items = [(member(item, "value"), member(item, "type")) for item in members] if isinstance(members, list) else []
    return [(value, kind == "Group") for value, kind in items if isinstance(value, str)]


def _bound(scope: str) -> BoundFilter:
    try:
        return bind_filter(parse_filter(scope), USER, TOLERANT)
    except ScimError as error:
        raise SourceError(f"The filter of the source is not understood: {error}") from error


async def _none() -> AsyncIterator[SourceRecord]:
    return
    yield


def _error(error: TargetError) -> SourceError:
    return SourceError(f"The source cannot be read: {error.reason}")
