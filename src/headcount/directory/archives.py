"""The file that a tenant is carried in: a ZIP of NDJSON parts, and a manifest with their counts and digests.

Nothing of it is trusted: names are the known ones, sizes are those that the manifest tells, lines are bounded, and
no part is ever held in memory or extracted to a file of its own.
"""

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import orjson

from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json

FORMAT: Final = "headcount-tenant"
VERSION: Final = 1
_MANIFEST: Final = "manifest.json"
_MOST_MANIFEST_BYTES: Final = 1024 * 1024
MOST_LINE_BYTES: Final = 64 * 1024 * 1024
"""More than the largest request body."""
_MOST_RATIO: Final = 200
"""Between what a part comes to and what it takes in the file; NDJSON of people comes to about ten."""
_SMALL: Final = 1024 * 1024
"""Bytes that any part may come to."""
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, orjson.JSONDecodeError)


class ArchiveError(InvalidValueError):
    """The file is no archive of a tenant, or not the one that was written."""


@dataclass(slots=True)
class Tally:
    """What is told of a part."""

    lines: int = 0
    size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256, repr=False)

    def take(self, line: bytes) -> None:
        """Takes in a line with its end."""
        self.lines += 1
        self.size += len(line)
        self._digest.update(line)

    def told(self) -> dict[str, Json]:
        """As it stands in the manifest."""
        return {"lines": self.lines, "bytes": self.size, "sha256": self._digest.hexdigest()}


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file, readable by its owner alone: in the end whole and on the disk, or not there; raises ArchiveError."""
    try:
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb")
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from error
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class Outlet:
    """A file that only goes on: what was written is taken away, a piece after the other."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Adds to what is to be taken."""
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        """What was written since the last time."""
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


class ArchiveWriter:
    """Writes parts one after the other, then the manifest."""

    def __init__(self, out: BinaryIO | Outlet) -> None:
        sink: Any = out  # both are fine, though one has more than the other
        self._zip = zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED)
        self._parts: dict[str, Tally] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        """Writes the directory of the ZIP file."""
        self._zip.close()

    @contextmanager
    def part(self, name: str) -> Iterator["PartWriter"]:
        """Opens a part; the one before is closed."""
        tally = self._parts[name] = Tally()
        with self._zip.open(f"{name}.ndjson", "w", force_zip64=True) as out:
            yield PartWriter(out, tally)

    def finish(self, about: dict[str, Json]) -> dict[str, Json]:
        """Writes the manifest, and gives it."""
        parts = {name: tally.told() for name, tally in self._parts.items()}
        manifest = {"format": FORMAT, "version": VERSION, **about, "parts": parts}
        self._zip.writestr(_MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        return manifest


@dataclass(frozen=True, slots=True)
class PartWriter:
    """One part that is being written."""

    _out: Any
    tally: Tally

    def add(self, lines: Iterable[bytes]) -> None:
        """Adds lines with their ends."""
        for line in lines:
            self.tally.take(line)
            self._out.write(line)


class ArchiveReader:
    """Reads an archive; raises ArchiveError for whatever is not as it was written."""

    def __init__(self, source: Path | BinaryIO, known: frozenset[str]) -> None:
        self._source = source
        self._name = str(source) if isinstance(source, Path) else "What was sent"
        self._known = known

    def __enter__(self) -> Self:
        """Opens the file and checks its manifest."""
        with _as_archive_errors(self._name):
            self._zip = zipfile.ZipFile(self._source)
        try:
            self.manifest = self._manifest()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self._zip.close()

    @property
    def parts(self) -> dict[str, dict[str, Json]]:
        """What the manifest tells of each part."""
        parts: dict[str, dict[str, Json]] = self.manifest["parts"]
        return parts

    def verify(self, name: str) -> None:
        """Reads a part and compares its digest."""
        for _ in self.lines(name):
            pass

    def lines(self, name: str) -> Iterator[Json]:
        """The decoded lines of a part; its digest is compared at the end."""
        told, tally = self.parts[name], Tally()
        with _as_archive_errors(self._name), self._zip.open(f"{name}.ndjson") as source:
            while line := source.readline(MOST_LINE_BYTES + 1):
                tally.take(line)
                if len(line) > MOST_LINE_BYTES or tally.size > told["bytes"]:
                    raise ArchiveError(f"{self._name}: {name} is longer than the manifest says, or a line too long.")
                yield orjson.loads(line)
        if tally.told() != told:
            raise ArchiveError(f"{self._name}: {name} is not what was written; its digest differs.")

    def _manifest(self) -> dict[str, Json]:
        with _as_archive_errors(self._name):
            infos = {info.filename: info for info in self._zip.infolist()}
            found = infos.get(_MANIFEST)
            if found is None or found.file_size > _MOST_MANIFEST_BYTES:
                raise ArchiveError(f"{self._name} is no archive of a tenant: it has no {_MANIFEST}.")
            with self._zip.open(found) as source:
                manifest = orjson.loads(source.read(_MOST_MANIFEST_BYTES + 1)[:_MOST_MANIFEST_BYTES])
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise ArchiveError(f"{self._name} is no archive of a tenant.")
        if manifest.get("version") != VERSION:
            raise ArchiveError(f"{self._name} has version {manifest.get('version')}; this Headcount reads {VERSION}.")
        self._check_parts(manifest, infos)
        return manifest

    def _check_parts(self, manifest: dict[str, Json], infos: dict[str, zipfile.ZipInfo]) -> None:
        parts = manifest.get("parts")
        names = {f"{name}.ndjson" for name in parts} if isinstance(parts, dict) else set()
        if names | {_MANIFEST} != infos.keys() or len(infos) != len(self._zip.infolist()):
            raise ArchiveError(f"{self._name} holds other files than its manifest lists.")
        if not self._known.issuperset(manifest["parts"]):
            raise ArchiveError(f"{self._name} has parts that this Headcount does not know.")
        for name, told in manifest["parts"].items():
            info = infos[f"{name}.ndjson"]
            if not isinstance(told, dict) or told.keys() != Tally().told().keys() or info.file_size != told["bytes"]:
                raise ArchiveError(f"{self._name}: the manifest does not tell what {name} is.")
            if info.file_size > max(_SMALL, _MOST_RATIO * info.compress_size):
                raise ArchiveError(f"{self._name}: {name} would come to {info.file_size:,} bytes, which is no NDJSON.")


@contextmanager
def _as_archive_errors(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"{name}: {error.strerror or error}") from error
    except _BROKEN as error:
        raise ArchiveError(f"{name} is damaged, or no archive of a tenant: {error}") from error
