"""The tables of an installation as data: what a copy carries from one database to another, in a form of its own.

A row in that form is a tuple of plain values that is the same whatever database it was read from.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import orjson

Row: TypeAlias = tuple[Any, ...]


class Kind(Enum):
    """What a column holds."""

    TEXT = auto()
    INTEGER = auto()
    BOOLEAN = auto()
    BYTES = auto()
    JSON = auto()
    """A JSON document as text: sorted members, whole numbers without a fraction."""
    TEXTS = auto()
    """A tuple of texts; None when empty."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table, and its columns in order."""

    name: str
    columns: Mapping[str, Kind]

    def tenant_of(self, row: Row) -> str:
        """The tenant that a row belongs to; empty for what belongs to the whole installation."""
        return str(row[0]) if "tenant" in self.columns else ""


def _table(name: str, *texts: str, **columns: Kind) -> Table:
    return Table(name, dict.fromkeys(texts, Kind.TEXT) | columns)


SEQUENCE: Final = _table("sequence", "name", last=Kind.INTEGER)
"""No table, but how far the tables that count have counted: what was removed from them is not numbered again."""
COUNTING: Final = {"change": "sequence", "line": "sequence", "task": "id"}
"""The columns that count, by table."""

TABLES: Final = (
    _table("installation", key=Kind.BYTES, created=Kind.TEXT),
    _table(
        "resource",
        *("tenant", "type", "id", "created", "modified", "label", "folded_label", "manager"),
        *("user_name", "display_name", "title", "connection"),
        version=Kind.INTEGER,
        active=Kind.BOOLEAN,
        member_count=Kind.INTEGER,
        document=Kind.BYTES,
        compare=Kind.JSON,
        private=Kind.BYTES,
    ),
    _table("external_id", "tenant", "connection", "type", "value", "id"),
    _table("unique_value", "tenant", "attribute", "value", "id"),
    _table("indexed_value", "tenant", "type", "path", "value", "id", element=Kind.INTEGER),
    _table("membership", "tenant", "group_id", "member_id", "member_type"),
    _table("counter", "tenant", "name", value=Kind.INTEGER),
    _table(
        "change",
        *("tenant", "type", "id", "kind", "at", "actor", "request_id", "connection"),
        sequence=Kind.INTEGER,
        position=Kind.INTEGER,
        version=Kind.INTEGER,
        before=Kind.BYTES,
        after=Kind.BYTES,
        added=Kind.TEXTS,
        removed=Kind.TEXTS,
    ),
    _table("record", "tenant", "kind", "key", value=Kind.BYTES),
    _table("entry", "tenant", "collection", "key", version=Kind.INTEGER, value=Kind.BYTES),
    _table("line", "tenant", "log", "at", "key", sequence=Kind.INTEGER, value=Kind.BYTES),
    _table(
        "task",
        *("tenant", "queue", "order_key", "state", "due", "held_by", "reason"),
        id=Kind.INTEGER,
        attempts=Kind.INTEGER,
        value=Kind.BYTES,
    ),
    _table("lease", "tenant", "name", "holder", until=Kind.INTEGER),
    SEQUENCE,
)
"""Everything but the list of migrations, which each database has of its own."""

OF_TENANTS: Final = tuple(table.name for table in TABLES if "tenant" in table.columns)
"""The tables of which each row belongs to a tenant."""


def canonical(table: Table, rows: Iterable[Any]) -> list[Row]:
    """Rows as a database gave them, in the form that does not depend on it."""
    odd = [(place, _FORMS[kind]) for place, kind in enumerate(table.columns.values()) if kind in _FORMS]
    found = []
    for row in rows:
        values = list(row)
        for place, form in odd:
            if values[place] is not None:
                values[place] = form(values[place])
        found.append(tuple(values))
    return found


def _json(text: str | bytes) -> str:
    return orjson.dumps(_plain(orjson.loads(text)), option=orjson.OPT_SORT_KEYS).decode()


def _plain(value: Any) -> Any:
    """The value with one form of each number: some databases keep `1e2`, others the number that it is."""
    kind = type(value)
    if kind is dict:
        return {name: _plain(item) for name, item in value.items()}
    if kind is list:
        return [_plain(item) for item in value]
    if kind is float and value.is_integer() and abs(value) < _LARGEST:
        return int(Decimal(repr(value)))
    return value


def _texts(value: Any) -> tuple[str, ...] | None:
    return tuple(orjson.loads(value) if isinstance(value, str) else value) or None


_LARGEST: Final = 2.0**63
"""Whole numbers from here on are read as floating point numbers wherever they come from."""
_FORMS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.BOOLEAN: bool,
    Kind.BYTES: bytes,
    Kind.JSON: _json,
    Kind.TEXTS: _texts,
}
