"""What sources give and what targets hold: records, and how far a reading proves absence."""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Protocol, TypeAlias

import orjson

from headcount.scim.schemas import Json

Capabilities: TypeAlias = Mapping[str, Json]


class RecordKind(StrEnum):
    """What a record stands for."""

    PERSON = "person"
    GROUP = "group"


@dataclass(frozen=True)
class SourceRecord:
    """A person or group as a source has it."""

    kind: RecordKind
    key: str
    """What the source knows it by for ever: an employee number, an id."""
    attributes: Mapping[str, Json]
    """As the source names them: columns of a file, attributes of a SCIM resource."""
    members: tuple[str, ...] = ()
    """The keys of a group's members, persons and groups, sorted."""
    place: str = ""
    """Where it stands, for people: `line 17`."""

    @cached_property
    def digest(self) -> str:
        """Equal exactly when kind, key, attributes and members are."""
        content = [self.kind, self.key, self.attributes, self.members]
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Problem:
    """A record that could not be read; it is reported, and proves nothing about anybody."""

    place: str
    message: str
    key: str = ""
    """The key of whom it is about, when that could be read: nobody may be taken for gone because of it."""


@dataclass(slots=True)
class Reading:
    """One pass over a source. `records` is consumed once; the rest is known when it has ended."""

    records: AsyncIterator[SourceRecord]
    is_complete: bool
    """Whether who is not in it is gone. False for what changed since a watermark."""
    gone: list[tuple[RecordKind, str]] = field(default_factory=list)
    """(kind, key) of those that the source itself says are gone."""
    present: AsyncIterator[tuple[RecordKind, str]] | None = None
    """An id-only full listing beside an incremental reading, when the source has no word for who is gone."""
    problems: list[Problem] = field(default_factory=list)
    watermark: str = ""
    """Where the next incremental reading starts; empty when the source cannot tell."""


Identities: TypeAlias = frozenset[tuple[RecordKind, str]]
"""Persons and groups by kind and key."""


class SourceError(Exception):
    """A source cannot be read, or not to its end: nobody is removed because of it."""


class Source(Protocol):
    """Where people come from."""

    async def check(self) -> Mapping[str, Json]:
        """Connects, and says what was found (columns, counts, capabilities); raises SourceError."""
        ...

    async def read(self, watermark: str = "") -> Reading:
        """Everything, or what changed since a watermark when the source can tell; raises SourceError."""
        ...

    async def read_one(self, kind: RecordKind, key: str) -> SourceRecord | None:
        """One record, or None when it is gone; raises SourceError."""
        ...

    async def absent(self, candidates: Identities) -> Identities:
        """Those who are really gone, of some who were missing in a list; raises SourceError."""
        ...

    async def close(self) -> None:
        """Lets go of files and connections."""
        ...


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A SCIM resource as a target answers with it."""

    type: str
    """`User` or `Group`."""
    id: str
    resource: Mapping[str, Json]
    version: str = ""
    """Its entity tag, where the target has one."""
