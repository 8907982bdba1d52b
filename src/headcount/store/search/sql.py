"""Pieces of SQL with their parameters, in the order of the text."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeAlias

Parameter: TypeAlias = str | int | float | bool | Decimal | Sequence[str] | None


class Sql:
    """A piece of a statement, never changed. Text never holds a value: values are parameters."""

    __slots__ = ("parameters", "text")

    def __init__(self, text: str, parameters: tuple[Parameter, ...] = ()) -> None:
        self.text = text
        self.parameters = parameters

    def __add__(self, other: "Sql | str") -> "Sql":
        if isinstance(other, str):
            return Sql(self.text + other, self.parameters)
        return Sql(self.text + other.text, self.parameters + other.parameters)

    def __radd__(self, other: str) -> "Sql":
        return Sql(other + self.text, self.parameters)


def joined(separator: str, pieces: Iterable[Sql]) -> Sql:
    """The pieces with the separator in between."""
    pieces = tuple(pieces)
    return Sql(
        separator.join(piece.text for piece in pieces),
        tuple(parameter for piece in pieces for parameter in piece.parameters),
    )
