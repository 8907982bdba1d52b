"""What is done to a whole database rather than within a tenant: it is watched, copied, examined and repaired."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from headcount.store.interface import Store, StoreError
from headcount.store.keeping import TenantKeeping
from headcount.store.tables import Row, Table


class NotEmptyError(StoreError):
    """A database that was to be filled has something in it already."""


class State(StrEnum):
    """How something stands."""

    OK = "ok"
    WARNING = "warning"
    """It works; something is slower, or will not work one day."""
    BROKEN = "broken"
    """It does not work, or loses data."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What an examination says of one thing."""

    check: str
    """What was looked at."""
    state: State
    message: str
    """How it stands."""
    advice: str = ""
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Pulse:
    """What tells that something happened in a tenant: it is another one then."""

    position: int
    """The largest one in the change log."""
    waits: bool
    """Whether there are rows without a position."""
    revision: int
    """That of the tenant's records."""


class Snapshot(Protocol):
    """A database as of one instant."""

    async def count(self, table: Table) -> int:
        """How many rows a table has."""
        ...

    def rows(self, table: Table) -> AsyncIterator[Sequence[Row]]:
        """All rows of a table in canonical form, some at a time, in any order."""
        ...

    def rows_of(self, table: Table, tenant: str, order: Sequence[str]) -> AsyncIterator[Sequence[Row]]:
        """The rows of one tenant in the order of some columns; `table` may name fewer columns than there are."""
        ...


class Loading(Snapshot, Protocol):
    """A database that is filled in one transaction; it is read as it will be."""

    async def load(self, table: Table, rows: Sequence[Row]) -> None:
        """Adds rows in canonical form; `table` may leave out columns that the database fills itself."""
        ...


class DatabaseStore(Store, Protocol):
    """A store that keeps its data in a database."""

    def for_tenant(self, tenant: str) -> TenantKeeping:
        """The part of the tenant with that name."""
        ...

    async def pulses(self, tenants: Sequence[str]) -> Mapping[str, Pulse]:
        """The pulses of all these tenants, in one look."""
        ...

    async def due(self, queues: Sequence[tuple[str, str]], now: str, *, most: int = 1) -> Mapping[tuple[str, str], int]:
        """How many tasks of each of these queues, named with their tenants, may be taken: those with any, in one look.

        No more than `most` are counted.
        """
        ...

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """The whole database as of one instant, while others go on writing."""
        ...

    def loading(self) -> AbstractAsyncContextManager[Loading]:
        """Fills an empty database: at the end of the context everything is there, after an error nothing.

        Others cannot write meanwhile. Raises NotEmptyError when there is a resource, a record or a change in it.
        """
        ...

    def adding(self) -> AbstractAsyncContextManager[Loading]:
        """Adds rows of a tenant that nobody uses yet, while others go on writing: each call of `load` is durable."""
        ...

    async def analyze(self) -> None:
        """Lets the planner look at what was loaded."""
        ...

    async def rehearse(self) -> None:
        """Does once, for nothing, what takes long the first time, before anybody waits for it."""
        ...

    async def examine(self, processes: int) -> Sequence[Finding]:
        """What is to be said of the database, before `open`, when that many processes serve; changes nothing."""
        ...

    async def repair(self) -> Sequence[str]:
        """Makes what is missing and can be made while servers go on; says what was done."""
        ...

    async def distribute(self, *, dry_run: bool) -> Sequence[str]:
        """Spreads the tenants over the machines of a cluster; gives the statements that it takes, or would take.

        Raises StoreError for a database that is on one machine.
        """
        ...
