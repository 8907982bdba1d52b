"""Bound filters as conditions on the resource `r`.

A missing value makes a condition NULL, which a WHERE clause takes for false; below a NOT it is made false, so that
`not (title eq "x")` holds for those without a title.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from headcount.scim.filters.binding import (
    BoundAnd,
    BoundComparison,
    BoundConstant,
    BoundFilter,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundValuePath,
)
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath
from headcount.store.search.dialect import Dialect
from headcount.store.search.relations import Layout, Relation
from headcount.store.search.sql import FALSE, TRUE, Sql, joined

_Leaf: TypeAlias = BoundComparison | BoundPresence | BoundValuePath
_SIGNS: Final = {
    Operator.EQ: "=",
    Operator.GT: ">",
    Operator.GE: ">=",
    Operator.LT: "<",
    Operator.LE: "<=",
}


def condition(bound: BoundFilter, layout: Layout) -> Sql:
    """The condition that holds for the resources that match."""

    def leaf(node: _Leaf) -> Sql:
        if isinstance(node, BoundValuePath):
            return _value_path(node, layout)
        if isinstance(node, BoundPresence):
            return _presence(node, layout)
        return _comparison(node, layout)

    return _combined(bound, leaf)


def pins(bound: BoundFilter | None, layout: Layout) -> bool:
    """Whether the filter leaves only the few resources that an index of unique or nearly unique values names."""
    match bound:
        case BoundComparison(path, Operator.EQ, value):
            column = layout.column(path)
            if column is not None:
                return column.text in ("r.id", "r.user_name")
            return isinstance(value, str) and layout.key_index(path) is not None
        case BoundAnd(operands):
            return any(pins(operand, layout) for operand in operands)
        case BoundOr(operands):
            return all(pins(operand, layout) for operand in operands)
        case BoundValuePath(_, inner):
            return pins(inner, layout)
        case _:
            return False


def _combined(bound: BoundFilter, leaf: Callable[[_Leaf], Sql]) -> Sql:
    match bound:
        case BoundComparison() | BoundPresence() | BoundValuePath():
            return leaf(bound)
        case BoundNot(operand):
            return "NOT coalesce((" + _combined(operand, leaf) + "), 0)"
        case BoundAnd(operands):
            return "(" + joined(" AND ", (_combined(operand, leaf) for operand in operands)) + ")"
        case BoundOr(operands):
            return "(" + joined(" OR ", (_combined(operand, leaf) for operand in operands)) + ")"
        case BoundConstant(value):
            return TRUE if value else FALSE
        case _:
            assert_never(bound)


def _comparison(node: BoundComparison, layout: Layout) -> Sql:
    if node.operator is Operator.EQ and isinstance(node.value, str):
        rows = layout.key_rows(node.path, node.value)
        if rows is not None:
            return "r.id IN " + rows
    if node.path.attribute.multi_valued:
        return _exists(layout.relation(node.path), _element_leaf(node, layout.relation(node.path), layout.dialect))
    return _compared(_singular(node.path, layout), node, layout.dialect)


def _presence(node: BoundPresence, layout: Layout) -> Sql:
    path, dialect = node.path, layout.dialect
    if path.attribute.multi_valued:
        relation = layout.relation(path)
        return _exists(relation, _element_leaf(node, relation, dialect))
    if path.target.is_complex:
        return TRUE if path.attribute.name == "meta" else dialect.has_member("r.compare", layout.names(path))
    if path.target.multi_valued:
        elements = dialect.elements("r.compare", layout.names(path), "s")
        return "EXISTS (SELECT 1 FROM " + elements + " WHERE s.value <> '')"
    return _present(_singular(path, layout))


def _value_path(node: BoundValuePath, layout: Layout) -> Sql:
    relation = layout.relation(node.path)
    exists = _exists(relation, _combined(node.filter, lambda leaf: _element_leaf(leaf, relation, layout.dialect)))
    rows = _narrowing(node.filter, layout)
    return "(r.id IN " + rows + " AND " + exists + ")" if rows is not None else exists


def _narrowing(inner: BoundFilter, layout: Layout) -> Sql | None:
    """Index rows of one comparison that every matching element fulfils, so that not every resource is read."""
    for node in inner.operands if isinstance(inner, BoundAnd) else (inner,):
        if isinstance(node, BoundComparison) and node.operator is Operator.EQ and isinstance(node.value, str):
            rows = layout.key_rows(node.path, node.value)
            if rows is not None:
                return rows
    return None


def _exists(relation: Relation, inner: Sql) -> Sql:
    return "EXISTS (SELECT 1 FROM " + relation.source + " WHERE " + inner + ")"


def _element_leaf(node: _Leaf, relation: Relation, dialect: Dialect) -> Sql:
    """A condition on the element `e`."""
    sub_attribute = node.path.sub_attribute
    if sub_attribute is not None and sub_attribute.multi_valued:
        source = dialect.elements("e.value", (sub_attribute.name,), "s")
        return "EXISTS (SELECT 1 FROM " + source + " WHERE " + _element_value(node, Sql("s.value"), dialect) + ")"
    if sub_attribute is None and node.path.attribute.is_complex:
        return TRUE  # the presence of a complex element, which is never empty
    return _element_value(node, _element_expression(node.path, relation, dialect), dialect)


def _element_value(node: _Leaf, expression: Sql, dialect: Dialect) -> Sql:
    if isinstance(node, BoundComparison):
        return _compared(expression, node, dialect)
    return _present(expression)


def _element_expression(path: BoundPath, relation: Relation, dialect: Dialect) -> Sql:
    if path.sub_attribute is None:
        return Sql("e.value")
    if relation.columns is not None:
        return relation.columns[path.sub_attribute.name]
    return dialect.member("e.value", (path.sub_attribute.name,))


def _singular(path: BoundPath, layout: Layout) -> Sql:
    return layout.column(path) or layout.dialect.member("r.compare", layout.names(path))


def _present(expression: Sql) -> Sql:
    return "(" + expression + " IS NOT NULL AND " + expression + " <> '')"


def _compared(expression: Sql, node: BoundComparison, dialect: Dialect) -> Sql:
    sign = _SIGNS.get(node.operator)
    if sign is not None:
        return expression + Sql(f" {sign} ?", (dialect.parameter(node.value),))
    text = str(node.value)
    if not text:
        return expression + " IS NOT NULL"
    if node.operator is Operator.CO:
        return dialect.contains(expression, text)
    if node.operator is Operator.SW:
        return dialect.starts_with(expression, text)
    return dialect.ends_with(expression, text)
