"""What other rooms keep in a tenant besides resources: entries, logs, queues and leases, declared by name alone.

A room that needs a new kind of thing names a collection, a log or a queue; the interface does not grow. Values are
bytes (JSON by convention) that the store never opens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from headcount.store.interface import TenantStore, Write, Written

ABSENT: Final = 0
"""The version of an entry that is not there."""


class Entry(NamedTuple):
    """One value of a collection, found by its key."""

    key: str
    value: bytes
    version: int
    """Grows with every change of the entry, from 1."""


class Put(NamedTuple):
    """What a collection is to hold under a key from now on; a value of None removes it."""

    collection: str
    key: str
    value: bytes | None
    expected: int | None = None
    """The version that is to be replaced, `ABSENT` for a new entry; None replaces any."""


class Line(NamedTuple):
    """One line of a log."""

    at: str
    """UTC, fixed width."""
    value: bytes
    key: str = ""
    """What lines are found by; empty when by nothing."""
    sequence: int = 0
    """Given by the store; later lines have larger ones."""


@dataclass(frozen=True, slots=True)
class Task:
    """One item of a queue. Tasks with one order key are taken one after the other, in the order they came."""

    order_key: str
    value: bytes
    due: str
    """UTC, fixed width: not taken before. Of a task whose holder was lost, when the hold ended."""
    id: int = 0
    """Given by the store; grows."""
    attempts: int = 0
    """How often it was taken before."""
    reason: str = ""
    """Why it was parked or put off last."""


class ChangeRow(NamedTuple):
    """One row of the change log."""

    position: int
    """Its place in the order of the tenant's feed: grows, and is given after the commit."""
    sequence: int
    type: str
    """The name of the resource type; empty for a mark."""
    id: str
    version: int
    kind: str
    """`create`, `update`, `delete`, or the kind of a mark."""
    at: str
    actor: str
    connection: str
    request_id: str
    before: bytes | None
    """The document that was replaced; None when it stayed as it was (members only), was created or was erased."""
    after: bytes | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class TenantKeeping(TenantStore, Protocol):
    """One tenant's resources, and what other rooms keep beside them."""

    async def write_with(self, write: Write, puts: Sequence[Put]) -> Written:
        """Carries out a write and the puts in one transaction; raises what `write` raises."""
        ...

    async def entry(self, collection: str, key: str) -> Entry | None:
        """The entry, or None."""
        ...

    async def entries(
        self, collection: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[Entry]:
        """Entries whose key begins with the prefix, behind `after`, in the order of their keys (by code point)."""
        ...

    async def entries_of(self, collection: str, keys: Sequence[str]) -> Sequence[Entry]:
        """Those of these entries that exist, in any order."""
        ...

    async def put(self, puts: Sequence[Put]) -> None:
        """Carries out all puts, durably, or none; raises VersionConflictError when one finds another version.

        No key is put twice at once, here and wherever puts go along with something else.
        """
        ...

    async def append(self, log: str, lines: Sequence[Line]) -> None:
        """Adds lines to a log, durably."""
        ...

    async def lines(  # a page of a log
        self,
        log: str,
        *,
        key: str | None = None,
        after: int = 0,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> Sequence[Line]:
        """Lines with sequences between `after` and `before`, both excluded."""
        ...

    async def trim(self, log: str, *, before: str = "", keep: int | None = None) -> int:
        """Removes lines older than an instant, and all but the newest `keep`; gives how many went."""
        ...

    async def enqueue(self, queue: str, tasks: Sequence[Task], puts: Sequence[Put] = ()) -> None:
        """Adds tasks, together with the puts: all or none."""
        ...

    async def take(self, queue: str, holder: str, *, now: str, until: str, limit: int = 100) -> Sequence[Task]:
        """Tasks that are due and that nobody holds, now held until an instant, the longest due first.

        Of each order key the first only, and none of a key whose first is held, put off or not due. An empty order key
        orders nothing.
        """
        ...

    async def finish(self, queue: str, holder: str, tasks: Sequence[int]) -> Sequence[int]:
        """Removes tasks that the holder still holds; gives their ids."""
        ...

    async def put_off(self, queue: str, holder: str, task: int, *, due: str, reason: str) -> None:
        """Lets go of a task until an instant; it goes on blocking its order key."""
        ...

    async def park(self, queue: str, holder: str, task: int, *, reason: str) -> None:
        """Sets a task aside until it is requeued; its order key goes on without it."""
        ...

    async def parked(self, queue: str, *, after: int = 0, limit: int = 100) -> Sequence[Task]:
        """Tasks that were parked, in the order of their ids."""
        ...

    async def requeue(self, queue: str, tasks: Sequence[int], *, due: str) -> int:
        """Makes parked tasks due again, their attempts forgotten; gives how many were parked.

        They go before those of their order keys that came after them, unless one of these is held.
        """
        ...

    async def queued(self, queue: str) -> int:
        """How many tasks wait or are held, parked ones not counted."""
        ...

    async def lease(self, name: str, holder: str, *, seconds: float) -> bool:
        """Takes or renews a lease by the clock of the database; False while somebody else holds it."""
        ...

    async def release(self, name: str, holder: str) -> None:
        """Gives a lease back, if it is the holder's."""
        ...

    async def mark(self, kind: str, value: bytes, *, at: str, actor: str, request_id: str) -> None:
        """Adds a row to the change log that belongs to no resource; `value` is its `after`."""
        ...

    async def sequence_changes(self, limit: int = 10_000) -> int:
        """Gives positions to committed rows of the change log that have none, one caller at a time; gives how many.

        Where rows have their positions from the start, that is none. While somebody else is at it, he is waited for,
        but not for long.

        Positions only grow, follow the commit order of each resource, and are given in one transaction, so that a
        reader by position never passes a row that commits late. Foreign transactions stall nothing.
        """
        ...

    async def changes_after(  # a page of the feed
        self,
        position: int,
        *,
        limit: int = 1000,
        types: Sequence[str] = (),
        resource_id: str = "",
        until: int = 0,
        marked: bytes = b"",
    ) -> Sequence[ChangeRow]:
        """Rows with positions behind `position` (and up to `until`, when it is given), in order.

        With `marked`, only deletions, and updates whose `after` contains these bytes.
        """
        ...

    async def last_position(self) -> int:
        """The largest position given so far, 0 when none."""
        ...

    async def first_position(self) -> int:
        """The smallest position that is still kept; 0 when nothing was ever forgotten. See `forget_changes`."""
        ...

    async def forget_changes(self, before: str) -> int:
        """Removes rows with positions that are older than an instant (UTC, fixed width); gives how many went.

        `first_position` then tells the position behind the last one removed, also when nothing is left.
        """
        ...

    async def erase_changes(self, type_name: str, resource_id: str) -> int:
        """Empties `before` and `after` of every row of a resource; gives how many rows had any."""
        ...
