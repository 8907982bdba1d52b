"""A whole installation from one database into another, verified before it counts."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from headcount.store.administration import DatabaseStore, Loading, Snapshot
from headcount.store.interface import OutdatedSchemaError, StoreError
from headcount.store.tables import TABLES, Row, Table

Report = Callable[[str, int], None]
"""Told what is being done, and how many rows it has been done to since the last time."""

_DIGEST_BYTES = 16


@dataclass(slots=True)
class Tally:
    """Counts and digests of rows by table and tenant. The order of rows does not matter."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    digests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Sums of the digests of rows."""

    def add(self, table: Table, rows: Sequence[Row]) -> None:
        """Takes in rows in canonical form."""
        for row in rows:
            key = (table.name, table.tenant_of(row))
            digest = hashlib.blake2b(repr(row).encode(), digest_size=_DIGEST_BYTES).digest()
            self.counts[key] += 1
            self.digests[key] += int.from_bytes(digest)

    def rows_of(self, table: Table) -> int:
        """How many rows of a table were taken in."""
        return sum(count for (name, _), count in self.counts.items() if name == table.name)

    def difference(self, other: "Tally") -> list[str]:
        """Where two tallies differ, for people."""
        return [
            f"{table} of {tenant or 'the installation'}: {self.counts[key]} and {other.counts[key]} rows"
            for key in sorted(self.counts.keys() | other.counts.keys())
            for table, tenant in [key]
            if (self.counts[key], self.digests[key]) != (other.counts[key], other.digests[key])
        ]


async def check_source(source: DatabaseStore) -> None:
    """Raises StoreError unless the database is there and current: a copy creates and upgrades nothing at its source."""
    applied = (await source.migrations()).values()
    if not any(applied):
        raise StoreError("the database to copy from holds nothing of Headcount")
    if not all(applied):
        raise OutdatedSchemaError("the database to copy from needs migrations; run 'headcount db migrate' on it first")


async def count_rows(source: DatabaseStore) -> int:
    """About how many rows there are to copy."""
    async with source.snapshot() as snapshot:
        return sum([await snapshot.count(table) for table in TABLES])


async def copy(source: DatabaseStore, target: DatabaseStore, report: Report) -> dict[str, int]:
    """Copies everything, as of one instant, between two open stores, and gives the number of rows by table.

    The target is read back before its transaction ends: either it holds what the source does, or nothing.
    """
    async with source.snapshot() as snapshot, target.loading() as loading:
        copied = await _load(snapshot, loading, report)
        found = await _tally(loading, report)
        if differences := copied.difference(found):
            raise StoreError(f"the copy differs from its source, nothing was kept: {'; '.join(differences)}")
    await target.analyze()
    return {table.name: copied.rows_of(table) for table in TABLES}


async def _load(snapshot: Snapshot, loading: Loading, report: Report) -> Tally:
    tally = Tally()
    for table in TABLES:
        async for rows in snapshot.rows(table):
            tally.add(table, rows)
            await loading.load(table, rows)
            report("copying", len(rows))
    return tally


async def _tally(snapshot: Snapshot, report: Report) -> Tally:
    tally = Tally()
    for table in TABLES:
        async for rows in snapshot.rows(table):
            tally.add(table, rows)
            report("verifying", len(rows))
    return tally
