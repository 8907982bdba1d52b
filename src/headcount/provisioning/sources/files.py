"""Sources that are files: one of persons and, beside it, one of groups, read as a stream and in a thread."""

import asyncio
import codecs
import io
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from headcount.provisioning.records import Identities, Problem, Reading, RecordKind, SourceError, SourceRecord
from headcount.scim.schemas import Json

_BATCH: Final = 1_000
_MOST_PROBLEMS: Final = 10_000
_UTF_16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Row:
    """What stands on a line."""

    line: int
    attributes: Mapping[str, Json] = field(default_factory=dict)
    fault: str = ""
    """Why it is no record, in words that follow the number of the line."""


Rows: TypeAlias = Callable[[BinaryIO], Iterator[Row]]
"""What a format makes of the bytes of a file; raises SourceError where the file as a whole cannot be read."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file of records of one kind."""

    kind: RecordKind
    path: Path
    key: str
    rows: Rows
    members: str = ""
    """The attribute with the keys of members, for groups."""
    member_separator: str = ""

    def records(self, stream: BinaryIO, problems: list[Problem]) -> Generator[SourceRecord]:
        """The records, each key once; what is wrong with others goes to `problems`."""
        lines: dict[str, int] = {}
        for row in self.rows(stream):
            key = _key_of(row.attributes.get(self.key))
            if fault := row.fault or self._fault(key, lines):
                _report(problems, Problem(f"{self.path.name}, line {row.line}", fault, key))
            else:
                lines[key] = row.line
                yield self._record(row, key)

    def _fault(self, key: str, lines: Mapping[str, int]) -> str:
        if not key:
            return f"there is no value for the key '{self.key}'."
        if key in lines:
            return f"the key {key} stands on line {lines[key]} already; this line is ignored."
        return ""

    def _record(self, row: Row, key: str) -> SourceRecord:
        place = f"line {row.line}"
        if self.kind is RecordKind.PERSON:
            return SourceRecord(self.kind, key, row.attributes, place=place)
        members = _member_keys(row.attributes.get(self.members), self.member_separator)
        attributes = {name: value for name, value in row.attributes.items() if name != self.members}
        return SourceRecord(self.kind, key, attributes, tuple(sorted(members)), place)


class FileSource:
    """Persons in a file, and perhaps groups in another. Each reading is complete: who is not in it is gone."""

    def __init__(self, *tables: Table) -> None:
        self._tables = tables

    async def check(self) -> Mapping[str, Json]:
        """How many records each file has, the attributes of the first ones, and what is wrong; raises SourceError."""
        reading = await self.read()
        found: dict[str, set[str]] = {table.kind.value: set() for table in self._tables}
        counts = dict.fromkeys(found, 0)
        async for record in reading.records:
            counts[record.kind] += 1
            if counts[record.kind] <= _BATCH:
                found[record.kind].update(record.attributes)
        return {
            "files": [str(table.path) for table in self._tables],
            "records": counts,
            "attributes": {kind: sorted(names) for kind, names in found.items()},
            "problems": [f"{problem.place}: {problem.message}" for problem in reading.problems],
        }

    async def read(self, watermark: str = "") -> Reading:  # noqa: ARG002  a file cannot tell what has changed in it
        """Everything; raises SourceError, while it is consumed too."""
        problems: list[Problem] = []
        return Reading(self._records(problems), is_complete=True, problems=problems)

    async def read_one(self, kind: RecordKind, key: str) -> SourceRecord | None:
        """One record, or None; raises SourceError."""
        for table in self._tables:
            if table.kind is kind:
                with _steady(table.path) as stream, closing(table.records(stream, [])) as records:
                    return await asyncio.to_thread(_first, records, key)
        return None

    async def absent(self, candidates: Identities) -> Identities:
        """All of them: a file that was read to its end has everybody."""
        return candidates

    async def close(self) -> None:
        """Nothing stays open."""

    async def _records(self, problems: list[Problem]) -> AsyncIterator[SourceRecord]:
        for table in self._tables:
            with _steady(table.path) as stream, closing(table.records(stream, problems)) as records:
                while batch := await asyncio.to_thread(_some, records):
                    for record in batch:
                        yield record


def text_of(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The text of a file. A byte order mark is believed more than what was said; raises SourceError."""
    beginning = stream.read(2)
    stream.seek(0)
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise SourceError(f"There is no encoding '{encoding}'; there are utf-8, utf-16, latin-1, cp1252, …") from None
    if beginning in _UTF_16:
        name = "utf-16"
    return io.TextIOWrapper(stream, "utf-8-sig" if name == "utf-8" else name, newline="")


def undecodable(error: UnicodeDecodeError, line: int) -> SourceError:
    """What is said about bytes that the encoding does not have."""
    return SourceError(
        f"The file is not {error.encoding} after line {line}: {error.reason}. Say `encoding:` in the job, "
        "such as latin-1 or cp1252."
    )


@contextmanager
def _steady(path: Path) -> Iterator[BinaryIO]:
    """An open file; raises SourceError when it cannot be opened, or was changed by the time it is closed."""
    try:
        with path.open("rb") as stream:
            before = path.stat()
            yield stream
            after = path.stat()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
    if (before.st_ino, before.st_size, before.st_mtime_ns) != (after.st_ino, after.st_size, after.st_mtime_ns):
        raise SourceError(f"{path} was changed while it was read. Write to another file, and rename that at the end.")


def _some(records: Iterator[SourceRecord]) -> list[SourceRecord]:
    return list(islice(records, _BATCH))


def _first(records: Iterator[SourceRecord], key: str) -> SourceRecord | None:
    return next((record for record in records if record.key == key), None)


def _report(problems: list[Problem], problem: Problem) -> None:
    """Raises SourceError when there are so many that the file is hardly what it is taken for."""
    problems.append(problem)
    if len(problems) > _MOST_PROBLEMS:
        raise SourceError(f"More than {_MOST_PROBLEMS} lines are no records; the first: {problems[0].message}")


def _key_of(value: Json) -> str:
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _member_keys(value: Json, separator: str) -> set[str]:
    """The keys in a text, in a list, or in a list of SCIM members."""
    items = value.split(separator) if isinstance(value, str) and separator else value
    items = items if isinstance(items, list) else [items]
    keys = (_key_of(item.get("value") if isinstance(item, Mapping) else item) for item in items)
    return {key for key in keys if key}
