"""Other sources whose attributes join the records of the primary one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from headcount.provisioning.jobs import Join
from headcount.provisioning.records import RecordKind, Source, SourceError, SourceRecord
from headcount.scim.schemas import Json

PRIMARY: Final = "source"
"""What `precedence` calls the primary source."""
_NOTHING: Final[tuple[Json, ...]] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Joined:
    """Another source, read."""

    join: Join
    attributes: Mapping[str, Mapping[str, Json]]
    """By the other source's key."""

    def of(self, record: SourceRecord) -> Mapping[str, Json]:
        """What it has of a person."""
        value = record.attributes.get(self.join.on)
        return self.attributes.get("" if value is None else str(value).strip(), {})


async def read_join(join: Join, source: Source) -> Joined:
    """Reads another source to its end; raises SourceError also when nobody is in it: everybody would lose values."""
    reading = await source.read()
    attributes = {record.key: record.attributes async for record in reading.records if record.kind is RecordKind.PERSON}
    if reading.problems:
        first = reading.problems[0]
        raise SourceError(f"The join '{join.name}' has records that cannot be read; {first.place}: {first.message}")
    if not attributes:
        raise SourceError(f"The join '{join.name}' has no records.")
    return Joined(join, attributes)


async def joined(records: AsyncIterator[SourceRecord], others: Sequence[Joined]) -> AsyncIterator[SourceRecord]:
    """The records of the primary source, those of persons with what the others have of them."""
    async for record in records:
        yield with_joins(record, others) if record.kind is RecordKind.PERSON else record


def with_joins(record: SourceRecord, others: Sequence[Joined]) -> SourceRecord:
    """A person's record with the attributes of other sources, by the precedence that the joins state."""
    if not others:
        return record
    parts = {PRIMARY: record.attributes, **{other.join.name: other.of(record) for other in others}}
    merged: dict[str, Json] = {}
    for part in reversed(parts.values()):
        merged.update({name: value for name, value in part.items() if value not in _NOTHING})
    for other in others:
        for name, order in other.join.precedence.items():
            found = (parts[source].get(name) for source in order)
            value = next((value for value in found if value not in _NOTHING), None)
            if value is not None:
                merged[name] = value
    return replace(record, attributes=merged)
