"""A search as statements, one resource type at a time, and their results as one page.

Every type is searched by its own indexes; rows of several types are merged here. Ids come first and documents late: a
page is chosen on indexes before any document is read.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from headcount.store.interface import Position, Query, Target
from headcount.store.search.conditions import condition, is_point
from headcount.store.search.dialect import Dialect
from headcount.store.search.ordering import SortKey, behind, sort_key, whole_order
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql

_SHALLOW: Final = 1_000
"""Rows that an unfiltered page may skip and still be found at once."""

Row = tuple[Any, str, Any]
"""(what the resource is fetched by, id, sort value)."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A statement that picks rows, and the ORDER BY clause that goes with it."""

    statement: Sql
    order: str


@dataclass(frozen=True, slots=True)
class Picking:
    """The search of one resource type."""

    target: Target
    matching: Sql
    key: SortKey | None
    dialect: Dialect

    def stretches(self, query: Query) -> Iterator[Ordered]:
        """The statements to run one after the other, `limited`, until there are rows enough."""
        if query.after is None:
            stretches = [whole_order(self.key, descending=query.descending)]
        else:
            stretches = behind(query.after, self.key, self.dialect, descending=query.descending)
        columns = f"SELECT {self.dialect.row} AS row, r.id, " + (self.key.expression if self.key else Sql("NULL"))
        for stretch in stretches:
            statement = columns + " AS s FROM resource AS r WHERE " + self.matching
            if stretch.condition is not None:
                statement += " AND " + stretch.condition
            yield Ordered(statement, f" ORDER BY {stretch.order}")

    def count(self) -> Sql:
        """The statement that counts all matches."""
        return "SELECT count(*) FROM resource AS r WHERE " + self.matching


def pickings(tenant: str, query: Query, dialect: Dialect, is_nested: Callable[[], bool]) -> list[Picking]:
    """The searches of all resource types of a query."""
    found = []
    for target in query.targets:
        layout = Layout(tenant, target.resource_type, dialect, query.base_url, is_nested, query.connection)
        matching = Sql("r.tenant = ? AND r.type = ?", (tenant, target.resource_type.name))
        if target.filter is not None:
            matching += " AND " + condition(target.filter, layout)
        key = sort_key(target.sort, layout) if target.sort else None
        found.append(Picking(target, matching, key, dialect))
    return found


def limited(ordered: Ordered, limit: int, query: Query) -> Sql:
    """The statement with its bounds: what several types skip together is skipped once they are merged."""
    return (
        ordered.statement
        + ordered.order
        + Sql(" LIMIT ? OFFSET ?", (limit, query.offset if len(query.targets) == 1 else 0))
    )


def rows_wanted(query: Query) -> int:
    """How many rows each resource type gives: one more than the page holds, to know whether there is one."""
    skipped = query.offset if len(query.targets) > 1 else 0
    return query.limit + 1 + skipped


def merged(rows: Sequence[list[Row]], query: Query) -> list[Row]:
    """The rows of the page, and one more if there is one, out of those of each resource type."""
    if len(rows) == 1:
        return rows[0]
    everything = sorted((row for some in rows for row in some), key=_order, reverse=query.descending)
    return everything[query.offset : query.offset + query.limit + 1]


def last_position(rows: list[Row], query: Query) -> Position | None:
    """Where the page ends, when something comes behind it."""
    if len(rows) <= query.limit or not query.limit:
        return None
    _, resource_id, value = rows[query.limit - 1]
    return Position(value, resource_id)


def known_total(rows: list[Row], query: Query) -> int | None:
    """The number of matches, when the first page holds them all."""
    return len(rows) if _is_first(query) and len(rows) <= query.limit else None


def is_first_by_id(query: Query) -> bool:
    """Whether a search wants the first resources of one type in the order of ids."""
    return _is_first(query) and len(query.targets) == 1 and query.targets[0].sort is None


def is_point_search(query: Query, dialect: Dialect) -> bool:
    """Whether the search is answered in microseconds whatever the size of the directory."""
    return all(_is_point(target, query, dialect) for target in query.targets)


def _is_first(query: Query) -> bool:
    return bool(query.limit) and not query.offset and query.after is None


def _is_point(target: Target, query: Query, dialect: Dialect) -> bool:
    layout = Layout("", target.resource_type, dialect, query.base_url, lambda: False)
    if target.filter is not None:
        return is_point(target.filter, layout)
    return query.offset <= _SHALLOW and (target.sort is None or layout.is_ordered(target.sort))


def _order(row: Row) -> tuple[bool, bool, Any, str]:
    """Missing values are greatest; values of one attribute name may differ in type from type to type."""
    _, resource_id, value = row
    is_text = isinstance(value, str)
    return value is None, is_text, ("" if is_text else 0) if value is None else value, resource_id
