"""One reading of a job's source, mapped and scoped once for all of its targets.

What a reading proves is decided here: who changed, always; who is gone, only when the source says so, or when everybody
was read, somebody was there at all, and nothing in between could not be read.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from headcount.provisioning.desired import Desired, Evaluation, Parked
from headcount.provisioning.jobs import GroupOrigin, SyncJob
from headcount.provisioning.moments import Clock, stamp
from headcount.provisioning.records import Identities, Reading, RecordKind, Source, SourceRecord
from headcount.provisioning.sources.joining import Joined, joined, read_join, with_joins
from headcount.provisioning.sources.opening import Surroundings, source_of

Report: TypeAlias = Callable[[int, str], None]
"""Told how much has been done since the last time, and what there is to say about it."""
_PERSON: Final = RecordKind.PERSON
_BREATH: Final = 200
"""Records after which others have their turn: the engine runs inside a server too."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reading is for."""

    watermark: str = ""
    """Where the last one ended; empty to read everything."""
    linked: Identities = frozenset()
    """Who has an account at one of the targets: they may be found gone."""
    again: Identities = frozenset()
    """Who has to be looked at whether they changed or not."""
    gone: Identities = frozenset()
    """Who was gone before and is dealt with later: they are gone still unless they are read."""


@dataclass(frozen=True, slots=True)
class Read:
    """What a reading came to."""

    desired: Desired
    at: str
    """When it began."""
    watermark: str
    is_full: bool
    records: int
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Seen:
    """What was met on the way."""

    identities: set[tuple[RecordKind, str]] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)


class JobSource:
    """The sources of a job, connected. Close it."""

    def __init__(self, job: SyncJob, primary: Source, joins: list[tuple[Source, int]], clock: Clock) -> None:
        self._job = job
        self._primary = primary
        self._joins = joins
        self._clock = clock

    @classmethod
    async def open(cls, job: SyncJob, around: Surroundings, clock: Clock) -> "JobSource":
        """The sources that a job names; raises SourceError, CredentialError, TargetError, NotFoundError."""
        primary = await source_of(job.source, around)
        joins = [(await source_of(join.source, around), place) for place, join in enumerate(job.joins)]
        return cls(job, primary, joins, clock)

    async def close(self) -> None:
        """Lets go of all of them."""
        for source in (self._primary, *(source for source, _ in self._joins)):
            await source.close()

    async def check(self) -> Mapping[str, object]:
        """What was found in each; raises SourceError."""
        found = {"source": await self._primary.check()}
        for source, place in self._joins:
            found[self._job.joins[place].name] = await source.check()
        return found

    async def read(self, wanted: Wanted, report: Report) -> Read:
        """Reads and evaluates; raises SourceError, and then nobody is removed by anything."""
        at = stamp(self._clock())
        watermark = "" if self._job.joins else wanted.watermark
        others = await self._others()
        reading = await self._primary.read(watermark)
        evaluation = Evaluation(self._job, today=at[:10])
        seen = _Seen()
        async for record in joined(reading.records, others):
            evaluation.add(record)
            seen.identities.add((record.kind, record.key))
            if len(seen.identities) % _BREATH == 0:
                report(_BREATH, f"{len(seen.identities):,} records read")
                await asyncio.sleep(0)
        gone = await self._gone(reading, wanted, seen)
        if not reading.is_complete:
            gone |= await self._look_again(wanted, seen, evaluation, others)
        complete = self._complete(reading, wanted, seen)
        unread = {problem.key for problem in reading.problems if problem.key} | await self._doubtful(
            complete, wanted, seen
        )
        desired = evaluation.finish(gone=gone - seen.identities, complete=complete, unread=unread)
        _park_problems(desired, reading, seen)
        return Read(desired, at, reading.watermark, reading.is_complete, len(seen.identities), tuple(seen.warnings))

    async def digests(self, watermark: str) -> tuple[dict[tuple[RecordKind, str], str], Identities, bool]:
        """(digests of what is read, who is said to be gone, whether everybody was read); raises SourceError."""
        others = await self._others()
        reading = await self._primary.read("" if self._job.joins else watermark)
        found = {(item.kind, item.key): item.digest async for item in joined(reading.records, others)}
        present = {identity async for identity in reading.present} if reading.present else set(found)
        return found, frozenset(set(reading.gone) - present), reading.is_complete

    async def read_one(self, kind: RecordKind, key: str) -> SourceRecord | None:
        """One record as it is now, joins included; raises SourceError."""
        record = await self._primary.read_one(kind, key)
        if record is None or kind is not _PERSON:
            return record
        return with_joins(record, await self._others())

    async def _others(self) -> list[Joined]:
        return [await read_join(self._job.joins[place], source) for source, place in self._joins]

    async def _gone(self, reading: Reading, wanted: Wanted, seen: _Seen) -> set[tuple[RecordKind, str]]:
        """Tombstones; and of those who are missing in an id-only listing, who is really not there."""
        gone = set(reading.gone) | wanted.gone
        if reading.present is None:
            return gone
        present = {identity async for identity in reading.present}
        if not any(kind is _PERSON for kind, _ in present | seen.identities) and wanted.linked:
            seen.warnings.append("The source lists nobody: nobody is taken for gone.")
            return set(reading.gone)
        missing = wanted.linked - present - seen.identities
        return gone - present | await self._primary.absent(self._of_source(missing))

    async def _look_again(
        self, wanted: Wanted, seen: _Seen, evaluation: Evaluation, others: list[Joined]
    ) -> set[tuple[RecordKind, str]]:
        """Reads those who did not change but are waited for; gives who of them is gone."""
        gone = set()
        for kind, key in sorted(self._of_source(wanted.again) - seen.identities):
            record = await self._primary.read_one(kind, key)
            if record is None:
                gone.add((kind, key))
            else:
                evaluation.add(with_joins(record, others) if kind is _PERSON else record)
                seen.identities.add((kind, key))
        return gone

    def _complete(self, reading: Reading, wanted: Wanted, seen: _Seen) -> set[RecordKind]:
        """The kinds of which everybody is known to have been read."""
        if not reading.is_complete:
            return set()
        if nameless := [problem for problem in reading.problems if not problem.key]:
            first = nameless[0]
            seen.warnings.append(
                f"{len(nameless)} records cannot be read, and nobody knows whose they are: nobody is taken for gone. "
                f"The first: {first.place}: {first.message}"
            )
            return set()
        return {kind for kind in RecordKind if self._proves(kind, wanted, seen)}

    def _proves(self, kind: RecordKind, wanted: Wanted, seen: _Seen) -> bool:
        linked = self._of_source(wanted.linked)
        is_empty = not any(found is kind for found, _ in seen.identities)
        if is_empty and any(found is kind for found, _ in linked):
            seen.warnings.append(f"The source has no {kind}s: none of them is taken for gone.")
            return False
        return True

    async def _doubtful(self, complete: set[RecordKind], wanted: Wanted, seen: _Seen) -> set[str]:
        """Who was missing in a list and is there all the same, as when pages shift while they are read."""
        linked = self._of_source(wanted.linked)
        missing = frozenset(item for item in linked - seen.identities if item[0] in complete)
        return {key for _, key in missing - await self._primary.absent(missing)} if missing else set()

    def _of_source(self, identities: Iterable[tuple[RecordKind, str]]) -> Identities:
        """Those that the source can know: groups from an attribute are none of its records."""
        has_groups = self._job.groups is not None and self._job.groups.origin is GroupOrigin.SOURCE
        return frozenset(item for item in identities if item[0] is _PERSON or has_groups)


def _park_problems(desired: Desired, reading: Reading, seen: _Seen) -> None:
    for problem in reading.problems:
        if problem.key and (_PERSON, problem.key) not in seen.identities:
            reason = f"{problem.place}: {problem.message}"
            desired.parked.setdefault((_PERSON, problem.key), Parked(_PERSON, problem.key, reason))


def evaluate_one(job: SyncJob, record: SourceRecord | None, identity: tuple[RecordKind, str], today: str) -> Desired:
    """What one record comes to; who has none is gone."""
    evaluation = Evaluation(job, today=today)
    if record is not None:
        evaluation.add(record)
    return evaluation.finish(gone=() if record else (identity,))
