"""What clients send and no schema has, counted in memory: requests do no more than that."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from headcount.directory.identifiers import now

MOST_PATHS: Final = 1_000
"""Of one tenant, counted or kept: a client that makes up names fills no memory and no database."""
_MOST_TENANTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """How an unknown attribute was seen."""

    type: str
    """The resource type."""
    path: str
    looks: str
    """What its last value looked like: `string`, `complex[]`."""
    count: int
    last: str
    """UTC, fixed width."""

    @property
    def key(self) -> str:
        """What it is kept under."""
        return f"{self.type} {self.path}"

    def with_more(self, other: "Seen") -> "Seen":
        """Both together; the other one is the later one."""
        return replace(other, count=self.count + other.count, looks=other.looks or self.looks)


class UnknownCounts:
    """What one process has seen since it was kept last."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, Seen]] = {}

    def note(self, tenant: str, type_name: str, unknown: Mapping[str, str]) -> None:
        """Counts the unknown attributes of one request, types by path; most have none."""
        if not unknown:
            return
        counts = self._counts.get(tenant)
        if counts is None:
            if len(self._counts) >= _MOST_TENANTS:
                return
            counts = self._counts[tenant] = {}
        for path, looks in unknown.items():
            seen = Seen(type_name, path, looks, 1, now())
            known = counts.get(seen.key)
            if known is not None:
                counts[seen.key] = known.with_more(seen)
            elif len(counts) < MOST_PATHS:
                counts[seen.key] = seen

    def take(self) -> Mapping[str, Mapping[str, Seen]]:
        """What was counted, by tenant; counting begins anew."""
        taken, self._counts = self._counts, {}
        return taken
