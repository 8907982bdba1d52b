"""SQLite's way into compare documents."""

from collections.abc import Sequence
from math import inf
from typing import Final

from headcount.scim.schemas import Type
from headcount.store.search.sql import Parameter, Sql, prefix_range

_BITS: Final = 63
"""Of an integer, the sign apart."""


class SqliteDialect:
    """JSON functions of SQLite 3.38 and later; strings are compared byte by byte, which is code point order."""

    row = "r.rowid"

    def member(self, document: str, names: Sequence[str], _kind: Type) -> Sql:
        """The simple value at a path."""
        return Sql(f"json_extract({document}, ?)", (_path(names),))

    def has_member(self, document: str, names: Sequence[str]) -> Sql:
        """Whether there is anything at a path."""
        return Sql(f"json_type({document}, ?) IS NOT NULL", (_path(names),))

    def elements(self, document: str, names: Sequence[str], alias: str) -> Sql:
        """The elements of the array at a path."""
        return Sql(f"json_each({document}, ?) AS {alias}", (_path(names),))

    def element(self, expression: str, _kind: Type) -> Sql:
        """An element has its value's own type."""
        return Sql(expression)

    def contains(self, expression: Sql, text: str) -> Sql:
        """`instr`, since LIKE folds ASCII and has wildcards."""
        return "instr(" + expression + Sql(", ?) > 0", (text,))

    def starts_with(self, expression: Sql, text: str) -> Sql:
        """A range, which an index serves."""
        return prefix_range(expression, text)

    def ends_with(self, expression: Sql, text: str) -> Sql:
        """The last characters compared."""
        return "substr(" + expression + Sql(", ?) = ?", (-len(text), text))

    def parameter(self, value: str | bool | float, _kind: Type) -> Parameter:  # noqa: FBT001
        """Booleans are 1 and 0; a number beyond 64 bits is as good as infinite."""
        if isinstance(value, int) and value.bit_length() > _BITS:
            return inf if value > 0 else -inf
        return int(value) if isinstance(value, bool) else value

    def without_index(self, expression: Sql) -> Sql:
        """A unary plus keeps the planner, which has no statistics at first, from taking the index."""
        return "+" + expression

    def as_rare(self, expression: Sql) -> Sql:
        """Without the hint a planner that has statistics reads everybody in the order of ids, row by row."""
        return "likelihood(" + expression + ", 0.001)"


def _path(names: Sequence[str]) -> str:
    return "$" + "".join(f'."{name}"' for name in names)
