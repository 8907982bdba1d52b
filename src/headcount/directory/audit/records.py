"""What is sealed, from where: accepted changes from the change log, refused attempts from a log of their own."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from headcount.directory.audit.chain import Record
from headcount.store.keeping import ChangeRow, Line, TenantKeeping

REFUSED: Final = "refused"
"""The log of refused attempts."""
ERASED: Final = "resource.erased"
"""The mark that an erasure leaves in the change log."""


@dataclass(frozen=True, slots=True)
class Chain:
    """One chain of a tenant."""

    name: str
    read: Callable[[TenantKeeping, int, int, int], Awaitable[Sequence[Record]]]
    """Records behind a number, up to another (0 for no end), so many at most, in order."""
    forget: Callable[[TenantKeeping, str], Awaitable[int]]
    """Removes records that are older than an instant; gives how many."""


async def _changes(store: TenantKeeping, after: int, until: int, limit: int) -> Sequence[Record]:
    await store.sequence_changes()
    return [_change(row) for row in await store.changes_after(after, until=until, limit=limit)]


async def _refusals(store: TenantKeeping, after: int, until: int, limit: int) -> Sequence[Record]:
    before = until + 1 if until else None
    return [_refusal(line) for line in await store.lines(REFUSED, after=after, before=before, limit=limit)]


async def _forget_changes(store: TenantKeeping, before: str) -> int:
    return await store.forget_changes(before)


async def _forget_refusals(store: TenantKeeping, before: str) -> int:
    return await store.trim(REFUSED, before=before)


CHANGES: Final = Chain("changes", _changes, _forget_changes)
REFUSALS: Final = Chain("refused", _refusals, _forget_refusals)
CHAINS: Final = (CHANGES, REFUSALS)


def _change(row: ChangeRow) -> Record:
    facts = (
        row.position,
        row.type,
        row.id,
        row.version,
        row.kind,
        row.at,
        row.actor,
        row.connection,
        row.request_id,
        list(row.added),
        list(row.removed),
    )
    payload = (_bytes(row.before), _bytes(row.after))
    return Record(row.position, facts, payload, row.at, f"{row.type}/{row.id}")


def _refusal(line: Line) -> Record:
    return Record(line.sequence, (line.sequence, line.at, line.key), (line.value,), line.at)


def _bytes(document: bytes | str | None) -> bytes:
    """A document, also one of another type than is ever written: tampering is to be told, not to be fallen over."""
    return document.encode() if isinstance(document, str) else document or b""
