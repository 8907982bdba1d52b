"""What an import reads and leaves behind: lines, the position where it stands, and the file of rejected lines."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import BinaryIO, Final, Self

import orjson

from headcount.directory.import_batches import Item, Line, Outcome
from headcount.store.interface import TenantStore

_LINES_AT_ONCE: Final = 200
_BYTES_AT_ONCE: Final = 1024 * 1024
_IDENTITY_BYTES: Final = 64 * 1024
"""Of the beginning of a file, by which it is recognized."""
_SAVE_EVERY: Final = 1.0
"""Seconds between two times that the position is kept."""
_RECORDS: Final = "import"
"""The kind of the records that say how far imports are."""
_MARK: Final = b"\xef\xbb\xbf"
"""Some programs begin a file with it, to say that it is UTF-8."""


@dataclass(slots=True)
class Position:
    """How far an import is: everything before it is settled."""

    lines: int = 0
    byte: int = 0
    created: int = 0
    present: int = 0
    rejected: int = 0
    rejects_bytes: int = 0
    """The size of the file of rejects."""

    def take(self, item: Item) -> None:
        """Moves on behind a line that is settled."""
        assert item.outcome is not None  # noqa: S101  it is settled
        self.lines, self.byte = item.line.number, item.line.end
        setattr(self, item.outcome, getattr(self, item.outcome) + 1)


class Keeper:
    """Keeps the position among the tenant's records, now and then; standard input has none."""

    def __init__(self, store: TenantStore, identity: str | None) -> None:
        self._store = store
        self._identity = identity
        self._next = 0.0

    async def keep(self, position: Position) -> None:
        """Keeps it, unless it was kept just now."""
        if self._identity and time.monotonic() > self._next:
            await self._store.change_records(_RECORDS, {self._identity: orjson.dumps(asdict(position))})
            self._next = time.monotonic() + _SAVE_EVERY

    async def forget(self) -> None:
        """The import is complete; another one of the same file begins at its beginning."""
        if self._identity:
            await self._store.change_records(_RECORDS, {self._identity: None})


class Rejects:
    """The file of rejected lines; there is none when none was rejected."""

    def __init__(self, path: Path, position: Position) -> None:
        self._path = path
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._file = os.fdopen(descriptor, "r+b")
        self._file.truncate(position.rejects_bytes)
        self._file.seek(0, os.SEEK_END)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        is_empty = self.flush() == 0
        self._file.close()
        if is_empty:
            self._path.unlink()

    def tell(self, item: Item) -> None:
        """Adds a line about a rejected one."""
        if item.outcome is Outcome.REJECTED and item.error is not None:
            told = {"line": item.line.number, "scimType": item.error.scim_type, "detail": item.error.detail}
            self._file.write(orjson.dumps(told) + b"\n")

    def flush(self) -> int:
        """Writes what was told, and gives the size of the file."""
        self._file.flush()
        return self._file.tell()


def identity_of(source: BinaryIO) -> str | None:
    """What a file is recognized by when the import goes on: size, time and beginning. None for a pipe."""
    if not source.seekable():
        return None
    state = os.fstat(source.fileno())
    beginning = source.read(_IDENTITY_BYTES)
    return hashlib.sha256(f"{state.st_size} {state.st_mtime_ns} ".encode() + beginning).hexdigest()


async def kept_position(store: TenantStore, identity: str | None) -> Position:
    """Where an earlier import of the same file stood."""
    kept = (await store.records(_RECORDS)).get(identity or "")
    values = orjson.loads(kept) if kept else {}
    return Position(**{item.name: values[item.name] for item in fields(Position) if item.name in values})


async def batches_of(source: BinaryIO, position: Position, longest: int) -> AsyncIterator[list[Line]]:
    """The lines behind a position, some at a time; empty ones are left out."""
    if source.seekable():
        source.seek(position.byte)
    number, end = position.lines, position.byte
    while True:
        batch: list[Line] = []
        number, end, is_last = await asyncio.to_thread(_read, source, batch, number, end, longest)
        if batch:
            yield batch
        if is_last:
            return


def _read(source: BinaryIO, batch: list[Line], number: int, end: int, longest: int) -> tuple[int, int, bool]:
    """Fills a batch; gives the number of its last line, the position behind it, and whether nothing follows."""
    size = 0
    while len(batch) < _LINES_AT_ONCE and size < _BYTES_AT_ONCE:
        text = source.readline(longest + 1)
        if not text:
            return number, end, True
        number, size = number + 1, size + len(text)
        is_whole = len(text) <= longest or text.endswith(b"\n")
        end += len(text) + (0 if is_whole else _skip_line(source))
        text = text.removeprefix(_MARK) if number == 1 else text
        if text.strip():
            batch.append(Line(number, end, text if is_whole else None))
    return number, end, False


def _skip_line(source: BinaryIO) -> int:
    """Reads over the rest of a line without keeping it; gives its size."""
    skipped = 0
    while text := source.readline(_BYTES_AT_ONCE):
        skipped += len(text)
        if text.endswith(b"\n"):
            break
    return skipped
