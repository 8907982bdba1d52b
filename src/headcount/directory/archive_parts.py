"""What is carried of a tenant, as data: parts, the tables they come from, and how a row is a line."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from headcount.directory.adoption import EXTERNAL_IDS as OWN_EXTERNAL_IDS
from headcount.directory.adoption import LINKS, REVIEWS, TOMBSTONES
from headcount.directory.guard.held import HELD
from headcount.scim.schemas import Json
from headcount.store.tables import Kind, Row, Table

_BASE64: Final = "$base64"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an archive that holds rows of one table."""

    name: str
    table: Table
    """The columns that are carried, the tenant first."""
    names: tuple[str, ...]
    """What the columns behind the tenant are called in a line."""
    order: tuple[str, ...]
    """The columns that rows are ordered by, so that equal tenants make equal parts."""
    only: frozenset[str] | None = None
    """What the first column behind the tenant has to hold; None for anything."""

    def lines(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """Rows as lines with their ends; what is None is left out."""
        kinds = list(self.table.columns.values())[1:]
        for row in rows:
            if self.only is None or row[1] in self.only:
                values = zip(self.names, kinds, row[1:], strict=True)
                line = {name: _shown(kind, value) for name, kind, value in values if value is not None}
                yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)

    def row(self, tenant: str, line: Mapping[str, Json]) -> Row:
        """The row that a line came from; raises ValueError for one of another form."""
        if not isinstance(line, dict) or not line.keys() <= set(self.names):
            raise ValueError("other members than expected")
        kinds = list(self.table.columns.values())[1:]
        row = (tenant, *(_read(kind, line.get(name)) for name, kind in zip(self.names, kinds, strict=True)))
        if self.only is not None and row[1] not in self.only:
            raise ValueError(f"{row[1]!r} is not carried by archives")
        return row


def _part(
    name: str, table: str, order: tuple[str, ...], only: frozenset[str] | None = None, **columns: tuple[str, Kind]
) -> Part:
    kinds = {column: kind for column, (_, kind) in columns.items()}
    names = tuple(shown for shown, _ in columns.values())
    return Part(name, Table(table, {"tenant": Kind.TEXT} | kinds), names, order, only)


PORTABLE_COLLECTIONS: Final = frozenset({"unknown attribute", OWN_EXTERNAL_IDS, LINKS, REVIEWS, TOMBSTONES, HELD})
"""Entries that mean the same elsewhere: places in the feed, sealed secrets and chains of digests do not."""

MEMBERSHIPS: Final = _part(
    "memberships",
    "membership",
    ("group_id", "member_id"),
    group_id=("group", Kind.TEXT),
    member_id=("member", Kind.TEXT),
    member_type=("type", Kind.TEXT),
)
RESOURCES: Final = _part(
    "resources",
    "resource",
    ("type", "id"),
    type=("type", Kind.TEXT),
    id=("id", Kind.TEXT),
    version=("version", Kind.INTEGER),
    created=("created", Kind.TEXT),
    modified=("lastModified", Kind.TEXT),
    connection=("connection", Kind.TEXT),
    document=("document", Kind.BYTES),
    private=("private", Kind.BYTES),
)
"""Without what is derived from the document: that is made anew."""
EXTERNAL_IDS: Final = _part(
    "external-ids",
    "external_id",
    ("type", "id", "connection", "value"),
    type=("type", Kind.TEXT),
    id=("id", Kind.TEXT),
    connection=("connection", Kind.TEXT),
    value=("value", Kind.TEXT),
)
ENTRIES: Final = _part(
    "entries",
    "entry",
    ("collection", "key"),
    PORTABLE_COLLECTIONS,
    collection=("collection", Kind.TEXT),
    key=("key", Kind.TEXT),
    version=("version", Kind.INTEGER),
    value=("value", Kind.BYTES),
)
CHANGES: Final = _part(
    "changes",
    "change",
    ("sequence",),
    type=("type", Kind.TEXT),
    id=("id", Kind.TEXT),
    version=("version", Kind.INTEGER),
    kind=("kind", Kind.TEXT),
    at=("at", Kind.TEXT),
    actor=("actor", Kind.TEXT),
    connection=("connection", Kind.TEXT),
    request_id=("requestId", Kind.TEXT),
    before=("before", Kind.BYTES),
    after=("after", Kind.BYTES),
    added=("added", Kind.TEXTS),
    removed=("removed", Kind.TEXTS),
)
"""Numbered anew where they come to."""
TABLE_PARTS: Final = (MEMBERSHIPS, RESOURCES, EXTERNAL_IDS, ENTRIES, CHANGES)
"""In the order they are read: who is a member of what is counted before groups are made."""
SCHEMAS: Final = "schemas"
INDEXES: Final = "indexes"
CONNECTIONS: Final = "connections"
KNOWN_PARTS: Final = frozenset({SCHEMAS, INDEXES, CONNECTIONS, *(part.name for part in TABLE_PARTS)})


def _shown(kind: Kind, value: Any) -> Any:
    """JSON as it is, other bytes in base64."""
    if kind is not Kind.BYTES:
        return list(value) if kind is Kind.TEXTS else value
    try:
        is_plain = orjson.dumps(orjson.loads(value)) == value
    except orjson.JSONDecodeError:
        is_plain = False
    return orjson.Fragment(value) if is_plain else {_BASE64: b64encode(value).decode()}


def _read(kind: Kind, value: Json) -> Any:
    if value is None:
        return None
    if kind is Kind.BYTES:
        is_encoded = isinstance(value, dict) and list(value) == [_BASE64]
        return b64decode(value[_BASE64], validate=True) if is_encoded else orjson.dumps(value)
    if kind is Kind.TEXTS:
        return tuple(map(_text, value))
    if kind is Kind.INTEGER:
        if type(value) is not int:
            raise ValueError("a number was expected")
        return value
    return _text(value)


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise ValueError("a text was expected")  # noqa: TRY004  the line is wrong, not the program
    return value
