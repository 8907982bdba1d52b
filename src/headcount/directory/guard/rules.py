"""Rules against mass removal: what counts, how much is too much, and what happens then. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from headcount.scim.schemas import Json

DAY = 86_400


class Removal(StrEnum):
    """What a rule counts."""

    DEACTIVATE = "deactivate"
    """Users whose `active` becomes false."""
    DELETE = "delete"
    """Resources that are deleted, of one type."""
    LEAVE = "leave"
    """Members that leave one group."""


class Reaction(StrEnum):
    """What happens when a rule is passed."""

    WARN = "warn"
    """It is done, and the operator is told."""
    REFUSE = "refuse"
    """429, until the window has room again."""
    HOLD = "hold"
    """The client is told that it is done; an operator decides."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How much of one kind is too much. Where both are given, both have to be passed."""

    kind: Removal
    number: int | None = None
    share: float | None = None
    """Of the resources of the type, or of the group's members; 0.05 is five per cent."""
    window: int = DAY
    """Seconds."""
    reaction: Reaction = Reaction.WARN

    def is_passed(self, count: int, whole: int) -> bool:
        """Whether so many removals of so many are too much."""
        passed = []
        if self.number is not None:
            passed.append(count > self.number)
        if self.share is not None:
            passed.append(count > self.share * whole)
        return bool(passed) and all(passed)

    def words(self, count: int, whole: int) -> str:
        """What is said of a passed rule."""
        limits = []
        if self.number is not None:
            limits.append(f"{self.number}")
        if self.share is not None:
            limits.append(f"{self.share:.0%} of {whole}")
        return f"{count} {_NOUNS[self.kind]} within {_span(self.window)}, more than {' and '.join(limits)}"


_NOUNS = {
    Removal.DEACTIVATE: "deactivations",
    Removal.DELETE: "deletions",
    Removal.LEAVE: "members leaving the group",
}


def rules_of(values: Sequence[Mapping[str, Json]]) -> tuple[Rule, ...]:
    """Rules from the elements of a tenant's attribute `guard`."""
    return tuple(
        Rule(
            Removal(value["kind"]),
            value.get("number"),
            value.get("share"),
            value.get("window", DAY),
            Reaction(value.get("reaction", "warn")),
        )
        for value in values
    )


def _span(seconds: int) -> str:
    for unit, length in (("days", DAY), ("hours", 3_600), ("minutes", 60)):
        if seconds % length == 0:
            number = seconds // length
            return f"{number} {unit}" if number > 1 else f"a {unit[:-1]}".replace("a hour", "an hour")
    return f"{seconds} seconds"
