"""The order of results, and the stretches of it that lie behind a position (RFC 7644 §3.4.2.3).

Missing values come last, first when descending. A walk reads the resources that have a value and those that have none
as two stretches, each along an index.
"""

from dataclasses import dataclass

from headcount.scim.paths import BoundPath
from headcount.scim.schemas import Type
from headcount.store.interface import Position
from headcount.store.search.dialect import Dialect
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql


@dataclass(frozen=True, slots=True)
class SortKey:
    """What resources of one type are sorted by."""

    expression: Sql
    kind: Type
    is_total: bool
    """Whether the values are unique and never missing, so that they order by themselves."""

    @property
    def is_text(self) -> bool:
        """Whether the values are strings; others are numbers, or true and false."""
        return self.kind not in (Type.BOOLEAN, Type.INTEGER, Type.DECIMAL)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the order: the condition that holds in it (None for all), and the ORDER BY clause within."""

    condition: Sql | None
    order: str


def sort_key(path: BoundPath, layout: Layout) -> SortKey:
    """The comparable value to sort by: of a multi-valued attribute the primary element's, else the first's."""
    if not path.attribute.multi_valued and not path.target.multi_valued:
        expression = layout.singular(path)
        is_total = expression.text in ("r.user_name", "r.id") and path.attribute.required
        return SortKey(expression, path.target.type, is_total)
    return SortKey(_first_element(path, layout), path.target.type, is_total=False)


def _first_element(path: BoundPath, layout: Layout) -> Sql:
    dialect, sub_attribute = layout.dialect, path.sub_attribute
    if not path.attribute.multi_valued:
        source, order = dialect.elements("r.compare", layout.names(path), "e"), Sql("e.key")
        value = dialect.element("e.value", path.target.type)
    else:
        relation = layout.relation(path)
        source, order = relation.source, Sql(relation.first)
        if sub_attribute is None:
            value = dialect.element("e.value", path.target.type)
        elif relation.columns is not None:
            value = relation.columns[sub_attribute.name]
        else:
            value = _of_element(path, layout)
            primary = dialect.member("e.value", ("primary",), Type.BOOLEAN)
            order = "CASE WHEN " + primary + " THEN 0 ELSE 1 END, " + order
    return "(SELECT " + value + " FROM " + source + " ORDER BY " + order + " LIMIT 1)"


def _of_element(path: BoundPath, layout: Layout) -> Sql:
    sub_attribute, dialect = path.target, layout.dialect
    if not sub_attribute.multi_valued:
        return dialect.member("e.value", (sub_attribute.name,), sub_attribute.type)
    source = dialect.elements("e.value", (sub_attribute.name,), "s")
    value = dialect.element("s.value", sub_attribute.type)
    return "(SELECT " + value + " FROM " + source + " ORDER BY s.key LIMIT 1)"


def whole_order(key: SortKey | None, *, descending: bool) -> Stretch:
    """The order from its beginning."""
    direction = "DESC" if descending else "ASC"
    if key is None:
        return Stretch(None, f"r.id {direction}")
    if key.is_total:
        return Stretch(None, f"s {direction}")
    return Stretch(None, f"s {direction} NULLS {'FIRST' if descending else 'LAST'}, r.id {direction}")


def behind(position: Position, key: SortKey | None, dialect: Dialect, *, descending: bool) -> list[Stretch]:
    """What comes behind a position, in order. A type without a sort key has no value for it."""
    sign, direction = ("<", "DESC") if descending else (">", "ASC")
    by_id = Sql(f"r.id {sign} ?", (position.id,))
    if key is None:
        return (
            []
            if descending and position.value is not None
            else [Stretch(by_id if position.value is None else None, f"r.id {direction}")]
        )
    order = f"s {direction}, r.id {direction}"
    is_missing = key.expression + " IS NULL"
    missing = Stretch(is_missing, f"r.id {direction}")
    whole = Stretch(key.expression + " IS NOT NULL", order)
    if position.value is None:
        rest = Stretch(is_missing + " AND " + by_id, f"r.id {direction}")
        return [rest, whole] if descending else [rest]
    if isinstance(position.value, str) is not key.is_text:  # numbers come before texts
        valued = [whole] if key.is_text is not descending else []
        return valued if descending else [*valued, missing]
    value = dialect.parameter(position.value, key.kind)
    if key.is_total:
        return [Stretch(key.expression + Sql(f" {sign} ?", (value,)), f"s {direction}")]
    further = "(" + key.expression + Sql(f", r.id) {sign} (?, ?)", (value, position.id))
    return [Stretch(further, order)] if descending else [Stretch(further, order), missing]
