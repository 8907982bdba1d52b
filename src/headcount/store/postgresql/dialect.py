"""PostgreSQL's way into compare documents."""

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from headcount.scim.schemas import Type
from headcount.store.search.sql import Parameter, Sql, prefix_range

_KNOWN_LATER: Final = re.compile(r"\b(tenant|type) = (\?|'Group')")
_CASTS: Final = {Type.BOOLEAN: "::boolean", Type.INTEGER: "::numeric", Type.DECIMAL: "::numeric"}
_BITS: Final = 63
"""Of an integer that JSON carries, the sign apart."""
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class PostgresqlDialect:
    """jsonb operators; strings are compared in the collation "C", which is code point order."""

    row = "r.id"

    def member(self, document: str, names: Sequence[str], kind: Type) -> Sql:
        """The simple value at a path."""
        return Sql(f"({document} #>> ?){_suffix(kind)}", (list(names),))

    def has_member(self, document: str, names: Sequence[str]) -> Sql:
        """Whether there is anything at a path."""
        return Sql(f"({document} #> ?) IS NOT NULL", (list(names),))

    def elements(self, document: str, names: Sequence[str], alias: str) -> Sql:
        """The elements of the array at a path."""
        return Sql(f"jsonb_array_elements({document} #> ?) WITH ORDINALITY AS {alias} (value, key)", (list(names),))

    def element(self, expression: str, kind: Type) -> Sql:
        """The scalar that a jsonb value is."""
        return Sql(f"({expression} #>> '{{}}'){_suffix(kind)}")

    def contains(self, expression: Sql, text: str) -> Sql:
        """LIKE, which a trigram index serves."""
        return expression + Sql(" LIKE ?", (f"%{text.translate(_ESCAPES)}%",))

    def starts_with(self, expression: Sql, text: str) -> Sql:
        """A range, which an ordinary index serves."""
        return prefix_range(expression, text)

    def ends_with(self, expression: Sql, text: str) -> Sql:
        """LIKE."""
        return expression + Sql(" LIKE ?", (f"%{text.translate(_ESCAPES)}",))

    def parameter(self, value: str | bool | float, kind: Type) -> Parameter:  # noqa: FBT001
        """Numbers are compared as decimals, whatever their size."""
        if isinstance(value, bool | str):
            return value
        return Decimal(repr(value)) if kind in (Type.INTEGER, Type.DECIMAL) else value

    def without_index(self, expression: Sql) -> Sql:
        """The planner has statistics and needs no hint."""
        return expression

    def as_rare(self, expression: Sql) -> Sql:
        """The planner has statistics and needs no hint."""
        return expression


@lru_cache(maxsize=1024)
def numbered(text: str, first: int = 1) -> str:
    """A statement, or a part of one, with the placeholders of PostgreSQL: `$1` for the first `?`, or another number.

    Which tenant and which type are asked for is hidden from the planner. It takes those that it has not met at the last
    ANALYZE for empty and all indexes that begin with them for equally good, and may read everything of them for a row.
    """
    start, *rest = _KNOWN_LATER.sub(r"\1 = (SELECT \2)", text).split("?")
    return start + "".join(f"${number}{piece}" for number, piece in enumerate(rest, first))


def sort_value(value: Any) -> Any:
    """A sort value as JSON can carry it; decimals came from JSON numbers and become them again."""
    if not isinstance(value, Decimal):
        return value
    is_integer = value == value.to_integral_value() and abs(value) < 1 << _BITS
    return int(value) if is_integer else float(value)


def _suffix(kind: Type) -> str:
    return _CASTS.get(kind, ' COLLATE "C"')
