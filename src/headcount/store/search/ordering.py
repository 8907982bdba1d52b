"""The order of results, and the conditions that continue a walk from a position (RFC 7644 §3.4.2.3)."""

from headcount.scim.paths import BoundPath
from headcount.store.interface import Position
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql


def sort_key(path: BoundPath, layout: Layout) -> Sql:
    """The comparable value to sort by: of a multi-valued attribute the primary element's, else the first's."""
    if not path.attribute.multi_valued:
        column = layout.column(path)
        return column or layout.dialect.member("r.compare", layout.names(path))
    relation = layout.relation(path)
    dialect, sub_attribute = layout.dialect, path.sub_attribute
    if sub_attribute is None:
        value, order = Sql("e.value"), Sql(relation.first)
    elif relation.columns is not None:
        value, order = relation.columns[sub_attribute.name], Sql(relation.first)
    else:
        value = dialect.member("e.value", (sub_attribute.name,))
        order = "coalesce(" + dialect.member("e.value", ("primary",)) + f", 0) DESC, {relation.first}"
    return "(SELECT " + value + " FROM " + relation.source + " ORDER BY " + order + " LIMIT 1)"


def is_total(path: BoundPath, layout: Layout) -> bool:
    """Whether the sort key is unique and never missing, so that it orders by itself."""
    column = layout.column(path)
    return column is not None and column.text in ("r.user_name", "r.id") and path.attribute.required


def order_by(*, is_sorted: bool, is_total_order: bool, descending: bool) -> str:
    """The ORDER BY clause: by the sort key `s`, missing ones last (first when descending), then by id."""
    direction = "DESC" if descending else "ASC"
    if not is_sorted:
        return f"ORDER BY r.id {direction}"
    if is_total_order:
        return f"ORDER BY s {direction}"
    nulls = "FIRST" if descending else "LAST"
    return f"ORDER BY s {direction} NULLS {nulls}, r.id {direction}"


def beyond(position: Position, key: Sql | None, *, descending: bool) -> Sql:
    """The condition that holds for what comes behind a position in that order."""
    sign = "<" if descending else ">"
    by_id = Sql(f"r.id {sign} ?", (position.id,))
    if key is None:
        return by_id
    if position.value is None:
        missing = "(" + key + " IS NULL AND " + by_id + ")"
        return "(" + missing + " OR " + key + " IS NOT NULL)" if descending else missing
    value = position.value
    further = key + Sql(f" {sign} ?", (value,))
    same = "(" + key + Sql(" = ?", (value,)) + " AND " + by_id + ")"
    rest = further + " OR " + same
    return "(" + rest + ")" if descending else "(" + rest + " OR " + key + " IS NULL)"
