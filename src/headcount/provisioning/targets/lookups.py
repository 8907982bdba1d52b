"""Finding accounts at a target. What comes back is believed only if it is itself what was asked for."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.client import Answer, ScimClient, path_of
from headcount.provisioning.targets.errors import TargetError
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.listing import check_readable, list_of, listed, resources_of
from headcount.provisioning.targets.paths import member, place_of, satisfies, values_at
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_NOT_FOUND: Final = 404
_FILTER_REFUSED: Final = frozenset({400, 403, 404, 501})
_ALWAYS_KEPT: Final = ("id", "externalId", "userName", "displayName", "meta")


class Lookups:
    """Reads of one target."""

    def __init__(self, client: ScimClient, knowledge: Knowledge) -> None:
        self._client = client
        self._knowledge = knowledge
        self._scans: dict[str, _Scan] = {}
        self._scanning = asyncio.Lock()

    async def get(self, type_name: str, identifier: str) -> TargetRecord | None:
        """The resource of an id, or None when the target says plainly that there is none; raises TargetError."""
        endpoint = self._knowledge.profile.endpoint(type_name)
        answer = await self._client.get(path_of(endpoint, identifier), is_confirmation=True)
        if answer.status == _NOT_FOUND:
            await self._believe(answer, endpoint)
            return None
        check_readable(self._client, answer)
        record = record_of(type_name, answer.resource, answer.version)
        if record is None or record.id != identifier:
            raise TargetError(f"The target answered the request for {identifier} with something else.")
        return record

    async def find(self, type_name: str, attribute: str, value: str, *, is_fresh: bool = False) -> list[TargetRecord]:
        """Everybody who has the value; `is_fresh` when earlier reads may not be relied on. Raises TargetError."""
        if not value:
            return []
        if self._can_ask(type_name, attribute):
            found = await self._ask(type_name, attribute, value)
            if found is not None:
                return found
        async with self._scanning:  # whoever waits finds what the one before has read
            scan = self._scans.get(type_name)
            if scan is None or is_fresh or not scan.covers(attribute):
                scan = await self._scan(type_name, attribute, scan)
        return scan.find(attribute, value)

    async def everything(self, type_name: str, attributes: Sequence[str] = ()) -> AsyncIterator[TargetRecord]:
        """Everybody of a type; raises TargetError when the list is not whole."""
        profile = self._knowledge.profile
        query = {"attributes": ",".join(attributes)} if attributes else {}
        async for resource in listed(self._client, profile, profile.endpoint(type_name), query):
            record = record_of(type_name, resource)
            if record is None:
                raise TargetError("The target lists somebody without an id.")
            yield record

    def note(self, record: TargetRecord) -> None:
        """What was created or changed since the target was read."""
        if scan := self._scans.get(record.type):
            scan.add(record)

    def forget(self, type_name: str, identifier: str) -> None:
        """Who was deleted since the target was read."""
        if scan := self._scans.get(type_name):
            scan.remove(identifier)

    def _can_ask(self, type_name: str, attribute: str) -> bool:
        lookups = self._knowledge.profile.of(type_name).lookups
        known = lookups is None or attribute.lower() in {name.lower() for name in lookups}
        return known and self._knowledge.profile.filters

    async def _ask(self, type_name: str, attribute: str, value: str) -> list[TargetRecord] | None:
        """What a filter finds; None when the target does not heed it."""
        profile = self._knowledge.profile
        query = {"filter": lookup_filter(attribute, value)}
        answer = await self._client.get(profile.endpoint(type_name), query, is_confirmation=True)
        if answer.status in _FILTER_REFUSED:
            if self._client.refusal(answer).is_certain:
                self._learn_no_filter(type_name, attribute)
            return None
        found = resources_of(list_of(self._client, answer))
        right = [item for item in found if satisfies(item, attribute, value)]
        if len(right) < len(found):
            self._knowledge.learn("It ignores filters.", {"filters": False})
            return None
        return [record for item in right if (record := record_of(type_name, item))]

    def _learn_no_filter(self, type_name: str, attribute: str) -> None:
        lookups = self._knowledge.profile.of(type_name).lookups
        names = lookups if lookups is not None else ("id", "userName", "externalId", "displayName")
        left = [name for name in names if name.lower() != attribute.lower()]
        self._knowledge.learn(f"It refuses to look up {attribute}.", {f"{type_name.lower()}s": {"lookups": left}})

    async def _scan(self, type_name: str, attribute: str, before: "_Scan | None") -> "_Scan":
        """Everybody is read once, for all lookups to come."""
        profile = self._knowledge.profile
        scan = _Scan({*(before.attributes if before else ("userName", "externalId", "displayName")), attribute})
        async for resource in listed(self._client, profile, profile.endpoint(type_name), {}, is_confirmation=True):
            if record := record_of(type_name, resource):
                scan.add(record)
        self._scans[type_name] = scan
        return scan

    async def _believe(self, answer: Answer, endpoint: str) -> None:
        """Raises TargetError unless a 404 is the word of the application, not of something in front of it."""
        if isinstance(answer.json, dict) or not answer.body:
            return
        check_readable(self._client, await self._client.get(endpoint, {"startIndex": "1"}, is_confirmation=True))


class _Scan:
    """Everybody by the values that are looked up, with nothing else of them kept."""

    def __init__(self, attributes: set[str]) -> None:
        self.attributes = attributes
        self._records: dict[str, TargetRecord] = {}
        self._ids: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        """By (attribute, folded value); it may hold those who had the value once."""

    def covers(self, attribute: str) -> bool:
        """Whether the attribute can be looked up here."""
        return attribute in self.attributes

    def add(self, record: TargetRecord) -> None:
        """Somebody more, or somebody as he is now."""
        kept = {*_ALWAYS_KEPT, *(place_of(path).root for path in self.attributes)}
        slim = {name: value for name in kept if (value := _root(record.resource, name)) is not None}
        self._records[record.id] = TargetRecord(record.type, record.id, slim, record.version)
        for path in self.attributes:
            for value in values_at(record.resource, path):
                if isinstance(value, str):
                    self._ids[path, fold(value)].add(record.id)

    def remove(self, identifier: str) -> None:
        """Somebody who is not there any more."""
        self._records.pop(identifier, None)

    def find(self, attribute: str, value: str) -> list[TargetRecord]:
        """Everybody who has the value."""
        identifiers = sorted(self._ids.get((attribute, fold(value)), ()))
        records = [self._records[identifier] for identifier in identifiers if identifier in self._records]
        return [record for record in records if satisfies(record.resource, attribute, value)]


def lookup_filter(attribute: str, value: str) -> str:
    """The filter that looks a value up; one element has to have all that a value path says (RFC 7644 §3.4.2.2)."""
    place = place_of(attribute)
    if not place.terms:
        return f"{attribute} eq {_literal(value)}"
    terms = (*place.terms, (place.sub_attribute or "value", value))
    return f"{place.root}[{' and '.join(f'{name} eq {_literal(wanted)}' for name, wanted in terms)}]"


def _literal(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _root(resource: Mapping[str, Json], name: str) -> Json:
    found = values_at(resource, name) if name.lower().startswith("urn:") else None
    return found or member(resource, name)


def record_of(type_name: str, resource: Mapping[str, Json], version: str = "") -> TargetRecord | None:
    """A resource as a record; None without an id."""
    identifier = resource.get("id")
    if not isinstance(identifier, str) or not identifier:
        return None
    if not version:
        inner = member(member(resource, "meta"), "version")
        version = inner if isinstance(inner, str) else ""
    return TargetRecord(type_name, identifier, resource, version)
