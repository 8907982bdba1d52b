"""The desired state: records mapped and scoped once, for all targets of a job together."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headcount.provisioning.jobs import GroupOrigin, GroupSettings, SyncJob, TargetSettings
from headcount.provisioning.links import canonical
from headcount.provisioning.mapping.attributes import (
    AttributeMapping,
    Flat,
    MappingError,
    flat_of,
    lone_elements,
)
from headcount.provisioning.mapping.expressions import Expression, ExpressionError, Frame, Row
from headcount.provisioning.mapping.functions import REFERENCE
from headcount.provisioning.records import RecordKind, SourceRecord
from headcount.provisioning.scoping import Scopes
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_PRINT: Final = 12


@dataclass(frozen=True, slots=True)
class State:
    """What somebody is to look like at the targets of one variant."""

    document: bytes
    """The flat state, canonical JSON."""
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person as the targets are to have them."""

    key: str
    digest: str
    """Of the source record."""
    states: tuple[State, ...]
    """By variant."""
    targets: int
    """The targets in whose scope the person is, a bit each."""
    references: tuple[str, ...] = ()
    """Source keys of the persons that the state refers to."""
    lookups: tuple[str, ...] = ()
    """Values of correlation rules that are expressions, in their order."""
    groups: tuple[str, ...] = ()
    """Keys of groups that come from an attribute."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the targets are to have it."""

    key: str
    digest: str
    states: tuple[State, ...]
    """One: groups have no variants."""
    targets: int
    members: tuple[str, ...] = ()
    """Source keys of persons and groups."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A record that cannot be mapped: it changes nothing, and whoever it is about is left alone."""

    kind: RecordKind
    key: str
    reason: str
    digest: str = ""


@dataclass(slots=True)
class Desired:
    """What a reading of the source comes to."""

    persons: dict[str, Person] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    parked: dict[tuple[RecordKind, str], Parked] = field(default_factory=dict)
    gone: frozenset[tuple[RecordKind, str]] = frozenset()
    complete: frozenset[RecordKind] = frozenset()
    """The kinds of which everybody was read: who is not there is gone."""
    unread: frozenset[str] = frozenset()
    """Keys of records that could not be read: nobody of them is gone."""
    shared_names: tuple[Mapping[str, frozenset[str]], ...] = ()
    """By variant: folded userNames that several persons have, with their keys."""

    def is_in(self, person: Person | Group, target: TargetSettings) -> bool:
        """Whether somebody is in the scope of a target."""
        return bool(person.targets >> target.index & 1)


class Evaluation:
    """Maps and scopes records, one by one, for all targets of a job."""

    def __init__(self, job: SyncJob, *, today: str) -> None:
        """`today` is a day, 2026-01-31, for expressions that compare with it."""
        targets = list(job.targets.values())
        self._job = job
        self._desired = Desired()
        self._names: list[dict[str, str]] = [{} for _ in job.variants]
        self._shared: list[dict[str, set[str]]] = [{} for _ in job.variants]
        self._persons = _Mapper(
            job, job.variants, today, [rule.expression for rule in job.correlation if rule.expression]
        )
        self._scopes = Scopes([(target.variant, job.scope_of(target)) for target in targets])
        self._settings = job.groups
        self._groups = _Mapper(job, (job.groups.mappings if job.groups else (),), today, [])
        self._group_scopes = Scopes([(0, _group_scopes(job.groups, target)) for target in targets])

    def add(self, record: SourceRecord) -> None:
        """One record; of several about the same key the last counts."""
        kind, key = record.kind, record.key
        self._desired.parked.pop((kind, key), None)
        try:
            if kind is RecordKind.PERSON:
                self._desired.persons[key] = self._person(record)
            elif self._settings and self._settings.origin is GroupOrigin.SOURCE:
                self._desired.groups[key] = self._group(record.key, record.attributes, record.digest, record.members)
        except (ExpressionError, MappingError) as error:
            place = f" ({record.place})" if record.place else ""
            self._park(kind, key, f"{error}{place}", record.digest)

    def finish(
        self,
        *,
        gone: Iterable[tuple[RecordKind, str]] = (),
        complete: Iterable[RecordKind] = (),
        unread: Iterable[str] = (),
    ) -> Desired:
        """The desired state once all records are there; see `Desired` for what is said of those that are not."""
        desired = self._desired
        desired.gone, desired.complete, desired.unread = frozenset(gone), frozenset(complete), frozenset(unread)
        if self._settings and self._settings.origin is GroupOrigin.ATTRIBUTE:
            self._build_groups()
        desired.shared_names = tuple(
            {name: frozenset(keys) for name, keys in shared.items()} for shared in self._shared
        )
        return desired

    def _person(self, record: SourceRecord) -> Person:
        row = self._persons.row(record.attributes, record.key)
        flats = self._persons.flats(row)
        self._note_names(record.key, flats)
        return Person(
            record.key,
            record.digest,
            self._persons.states(flats),
            self._scopes.targets_of(flats),
            self._persons.references(flats),
            self._persons.lookups(row),
            tuple(self._group_keys(record.attributes)),
        )

    def _note_names(self, key: str, flats: list[Flat]) -> None:
        for names, shared, flat in zip(self._names, self._shared, flats, strict=True):
            name = flat.get("userName")
            if isinstance(name, str) and names.setdefault(fold(name), key) != key:
                shared.setdefault(fold(name), {names[fold(name)]}).add(key)

    def _group_keys(self, attributes: Mapping[str, Json]) -> Iterator[str]:
        settings = self._settings
        if settings and settings.origin is GroupOrigin.ATTRIBUTE:
            for name in _values(attributes.get(settings.attribute), settings.separator):
                yield f"{settings.attribute}={name}"

    def _build_groups(self) -> None:
        members: dict[str, list[str]] = {}
        for person in self._desired.persons.values():
            for group in person.groups:
                members.setdefault(group, []).append(person.key)
        for key, keys in sorted(members.items()):
            try:
                self._desired.groups[key] = self._group(key, {"name": key.partition("=")[2]}, "", tuple(sorted(keys)))
            except (ExpressionError, MappingError) as error:
                self._park(RecordKind.GROUP, key, str(error), "")

    def _group(self, key: str, attributes: Mapping[str, Json], digest: str, members: tuple[str, ...]) -> Group:
        flats = self._groups.flats(self._groups.row(attributes, key))
        return Group(key, digest, self._groups.states(flats), self._group_scopes.targets_of(flats), members)

    def _park(self, kind: RecordKind, key: str, reason: str, digest: str) -> None:
        (self._desired.persons if kind is RecordKind.PERSON else self._desired.groups).pop(key, None)
        self._desired.parked[kind, key] = Parked(kind, key, reason, digest)


class _Mapper:
    """The mappings of one kind, compiled to as few steps per record as possible."""

    def __init__(
        self, job: SyncJob, variants: tuple[tuple[AttributeMapping, ...], ...], today: str, lookups: list[Expression]
    ) -> None:
        base = variants[0]
        self._base = base
        self._others = [_Variant(base, variant) for variant in variants[1:]]
        self._lone = lone_elements({mapping.path: mapping for variant in variants for mapping in variant}.values())
        self._lookups = lookups
        everything = [mapping for variant in variants for mapping in variant if mapping.expression]
        self._referring = tuple(dict.fromkeys(mapping.path for mapping in everything if mapping.may_refer))
        expressions = [mapping.expression for mapping in everything if mapping.expression]
        self._frame = Frame(job.compiler, [*expressions, *lookups], today=today)

    def row(self, attributes: Mapping[str, Json], key: str) -> Row:
        return self._frame.row(attributes, key)

    def flats(self, row: Row) -> list[Flat]:
        """The mapped record by variant."""
        base = flat_of(self._base, row)
        flats = [base, *(other.flat(base, row) for other in self._others)]
        for value, rest in self._lone:
            for flat in flats:
                if value not in flat:
                    for path in rest:
                        flat.pop(path, None)
        return flats

    def states(self, flats: list[Flat]) -> tuple[State, ...]:
        return tuple(map(_state, flats))

    def references(self, flats: list[Flat]) -> tuple[str, ...]:
        if not self._referring:
            return ()
        found = (flat.get(path) for flat in flats for path in self._referring)
        return tuple(dict.fromkeys(key for value in found for key in referred(value)))

    def lookups(self, row: Row) -> tuple[str, ...]:
        return tuple(str(value) if (value := rule.value(row)) not in (None, "") else "" for rule in self._lookups)


class _Variant:
    """What a set of mappings has otherwise than the first one."""

    def __init__(self, base: tuple[AttributeMapping, ...], variant: tuple[AttributeMapping, ...]) -> None:
        self._kept = tuple(mapping.path for mapping in variant if mapping in base)
        self._own = tuple(mapping for mapping in variant if mapping not in base)

    def flat(self, base: Flat, row: Row) -> Flat:
        return {path: base[path] for path in self._kept if path in base} | flat_of(self._own, row)


def referred(value: Json) -> Iterator[str]:
    """The source keys that a value refers to."""
    if isinstance(value, dict):
        if REFERENCE in value:
            yield value[REFERENCE]
        else:
            for item in value.values():
                yield from referred(item)
    elif isinstance(value, list):
        for item in value:
            yield from referred(item)


def _state(flat: Flat) -> State:
    document = canonical(flat)
    return State(document, hashlib.blake2b(document, digest_size=_PRINT).hexdigest())


def _group_scopes(settings: GroupSettings | None, target: TargetSettings) -> list[Any]:
    scopes = (settings.scope if settings else None, target.group_scope)
    return [scope for scope in scopes if scope is not None]


def _values(value: Json, separator: str) -> list[str]:
    """The names in an attribute, each once."""
    items = value if isinstance(value, list) else [value]
    texts = (str(item) for item in items if item not in (None, ""))
    parts = (part.strip() for text in texts for part in (text.split(separator) if separator else [text]))
    return list(dict.fromkeys(part for part in parts if part))
