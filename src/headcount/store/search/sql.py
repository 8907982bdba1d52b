"""Pieces of SQL with their parameters, in the order of the text."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, TypeAlias

Parameter: TypeAlias = str | bytes | int | float | bool | Decimal | Sequence[str] | None


_LAST: Final = 0x10FFFF
_SURROGATES: Final = (0xD800, 0xE000)


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


def prefix_range(expression: Sql, text: str) -> Sql:
    """Whether a string begins with the text, as a range in code point order, which an ordinary index serves."""
    following = following_prefix(text)
    if following is None:
        return expression + Sql(" >= ?", (text,))
    return "(" + expression + Sql(" >= ? AND ", (text,)) + expression + Sql(" < ?)", (following,))


def following_prefix(prefix: str) -> str | None:
    """The least string that is greater than every string with the prefix; None if there is none."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < _LAST:
            following = code + 1
            if _SURROGATES[0] <= following < _SURROGATES[1]:
                following = _SURROGATES[1]
            return prefix[:index] + chr(following)
    return None
