"""The lines of an import on their way, and the order between batches that are under way at the same time.

Of two lines that want the same, the first one is to win, whichever batch is written faster.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TypeAlias

from headcount.directory.import_references import Reference
from headcount.scim.errors import ScimError
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import Create, KeyName

Claim: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a file."""

    number: int
    end: int
    """The position of the byte behind it."""
    text: bytes | None
    """None when it is longer than a line may be."""


class Outcome(StrEnum):
    """What became of a line."""

    CREATED = auto()
    PRESENT = auto()
    """It was there already, with the same content."""
    REJECTED = auto()


@dataclass(slots=True, eq=False)
class Item:
    """A line on its way."""

    line: Line
    outcome: Outcome | None = None
    error: ScimError | None = None
    """Why it was rejected."""
    body: dict[str, Json] = field(default_factory=dict)
    kind: ResourceType | None = None
    references: list[Reference] = field(default_factory=list)
    write: Create | None = None

    def reject(self, error: ScimError) -> None:
        """Says why it cannot go in."""
        self.outcome, self.error = Outcome.REJECTED, error

    @property
    def key(self) -> tuple[KeyName, str] | None:
        """What the resource is recognized by."""
        keys = self.write.keys if self.write else None
        if keys is None:
            return None
        if keys.user_name is not None:
            return "user_name", keys.user_name
        if keys.external_id is not None:
            return "external_id", keys.external_id
        return None if keys.display_name is None else ("display_name", keys.display_name)

    @property
    def is_person(self) -> bool:
        """Whether the resource has a userName, which the store keeps unique."""
        return self.kind is not None and self.kind.derives_groups

    def claims(self) -> set[Claim]:
        """What no two lines can have, of which the first one is to win."""
        assert self.write is not None  # noqa: S101  it was checked
        key = self.key
        return {*self.write.keys.unique, *([(self.write.type, *key)] if key else [])}


class Batch:
    """Lines that are written together."""

    def __init__(self, items: Sequence[Item], earlier: Sequence["Batch"]) -> None:
        self.items = items
        self._earlier = earlier
        """Those before it that may still be under way."""
        self._claims: set[Claim] = set()
        self._has_claimed = asyncio.Event()
        """All claims are known, and later batches may go on."""
        self._has_landed = asyncio.Event()

    @contextmanager
    def landing(self) -> Iterator[None]:
        """Lets those that wait for this batch go on when it is done, or has failed: then the import ends with it."""
        try:
            yield
        finally:
            self._earlier = ()
            self._claims.clear()
            self._has_claimed.set()
            self._has_landed.set()

    async def wait_for_earlier(self) -> None:
        """Until the batches before this one are done."""
        for batch in self._earlier:
            await batch._has_landed.wait()  # noqa: SLF001  of the same class

    async def claim(self, items: Sequence[Item], *, are_last: bool) -> tuple[list[Item], list[Item]]:
        """Those that may be written, apart from those that want what an earlier line wants and must wait for it.

        `are_last`: no line of this batch comes to claim anything later, other than those that must wait.
        """
        taken: set[Claim] = set()
        for batch in self._earlier:
            await batch._has_claimed.wait()  # noqa: SLF001
            taken |= batch._claims  # noqa: SLF001
        first: list[Item] = []
        rivals: list[Item] = []
        for item in items:
            claims = item.claims()
            (first if taken.isdisjoint(claims) else rivals).append(item)
            taken |= claims
            self._claims |= claims
        if are_last:
            self._has_claimed.set()
        return first, rivals
