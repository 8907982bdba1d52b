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
from headcount.scim.schemas import Type
from headcount.store.search.dialect import Dialect
from headcount.store.search.memberships import Relation
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql, joined

_Leaf: TypeAlias = BoundComparison | BoundPresence | BoundValuePath
_Compile: TypeAlias = Callable[[_Leaf | BoundOr], Sql]
_SIGNS: Final = {
    Operator.EQ: "=",
    Operator.GT: ">",
    Operator.GE: ">=",
    Operator.LT: "<",
    Operator.LE: "<=",
}
_NUMBERS: Final = frozenset({Type.INTEGER, Type.DECIMAL})
TRUE: Final = Sql("1 = 1")
FALSE: Final = Sql("1 = 0")


def condition(bound: BoundFilter, layout: Layout) -> Sql:
    """The condition that holds for the resources that match."""
    if not isinstance(bound, BoundAnd):
        return _whole(bound, layout)
    to_few = is_point(bound, layout)
    to_some = to_few or any(_is_selective(operand, layout) for operand in bound.operands)

    def piece(operand: BoundFilter) -> Sql:
        leads = is_point(operand, layout) if to_few else not (to_some and _is_broad(operand))
        return _whole(operand, layout) if leads else _beside(operand, layout)

    return joined(" AND ", map(piece, bound.operands))


def _whole(bound: BoundFilter, layout: Layout) -> Sql:
    def leaf(node: _Leaf | BoundOr) -> Sql:
        if isinstance(node, BoundOr):
            return _alternatives(node, leaf, layout)
        if isinstance(node, BoundValuePath):
            return _value_path(node, layout)
        if isinstance(node, BoundPresence):
            return _presence(node, layout)
        return _comparison(node, layout)

    return _combined(bound, leaf)


def _beside(bound: BoundFilter, layout: Layout) -> Sql:
    """A condition that shall not lead the search: another one is more selective."""
    found = _whole(bound, layout.beside_few)
    return layout.dialect.without_index(found) if _is_broad(bound) else found


def _is_selective(bound: BoundFilter, layout: Layout) -> bool:
    """Whether an index on something with many different values serves the condition."""
    if isinstance(bound, BoundComparison):
        return layout.is_point(bound.path) or (layout.is_ordered(bound.path) and not _is_broad(bound))
    return is_point(bound, layout)


def _is_broad(bound: BoundFilter) -> bool:
    """Whether the condition is on something that is true or false, whatever index could serve it."""
    return isinstance(bound, BoundComparison) and bound.path.target.type is Type.BOOLEAN


def is_point(bound: BoundFilter | None, layout: Layout) -> bool:
    """Whether an index leads to the few resources that the filter can match."""
    match bound:
        case BoundComparison(path, Operator.EQ):
            return layout.is_point(path)
        case BoundAnd(operands):
            return any(is_point(operand, layout) for operand in operands)
        case BoundOr(operands):
            return all(is_point(operand, layout) for operand in operands)
        case BoundValuePath(_, inner):
            return is_point(inner, layout)
        case BoundConstant(value):
            return not value
        case _:
            return False


def _alternatives(bound: BoundOr, leaf: _Compile, layout: Layout) -> Sql:
    """One of them holds: a union of index look-ups where every alternative is one, which planners do not see alone."""
    operands = [_combined(operand, leaf) for operand in bound.operands]
    if not all(_is_selective(operand, layout) for operand in bound.operands):
        return "(" + joined(" OR ", operands) + ")"
    of_type = Sql("r.tenant = ? AND r.type = ? AND ", (layout.tenant, layout.resource_type.name))
    found = ("SELECT r.id FROM resource AS r WHERE " + of_type + operand for operand in operands)
    return "r.id IN (" + joined(" UNION ALL ", found) + ")"


def _combined(bound: BoundFilter, leaf: _Compile) -> Sql:
    match bound:
        case BoundComparison() | BoundPresence() | BoundValuePath() | BoundOr():
            return leaf(bound)
        case BoundNot(operand):
            return "NOT coalesce((" + _combined(operand, leaf) + "), " + FALSE + ")"
        case BoundAnd(operands):
            return "(" + joined(" AND ", (_combined(operand, leaf) for operand in operands)) + ")"
        case BoundConstant(value):
            return TRUE if value else FALSE
        case _:
            assert_never(bound)


def _comparison(node: BoundComparison, layout: Layout) -> Sql:
    dialect, path = layout.dialect, node.path
    column = layout.column(path) if node.operator is Operator.EQ else None
    if column is not None and not column.parameters:
        return _compared(column, node, dialect)
    ids = _ids(node, layout)
    if ids is not None:
        return "r.id IN " + ids
    if path.attribute.multi_valued:
        relation = layout.relation(path)
        return _exists(relation, _element_leaf(node, relation, dialect))
    prefix = layout.location_prefix(path)
    if prefix is not None and node.operator is Operator.EQ:
        location = str(node.value)
        return Sql("r.id = ?", (location.removeprefix(prefix),)) if location.startswith(prefix) else FALSE
    if path.target.multi_valued:
        elements = dialect.elements("r.compare", layout.names(path), "s")
        value = dialect.element("s.value", path.target.type)
        return "EXISTS (SELECT 1 FROM " + elements + " WHERE " + _compared(value, node, dialect) + ")"
    compared = _compared(layout.singular(path), node, dialect)
    return dialect.as_rare(compared) if layout.is_rare(node) else compared


def _presence(node: BoundPresence, layout: Layout) -> Sql:
    path, dialect = node.path, layout.dialect
    if path.attribute.multi_valued:
        relation = layout.relation(path)
        return _exists(relation, _element_leaf(node, relation, dialect))
    if path.target.is_complex:
        return TRUE if path.attribute.name == "meta" else dialect.has_member("r.compare", layout.names(path))
    if path.target.multi_valued:
        elements = dialect.elements("r.compare", layout.names(path), "s")
        value = dialect.element("s.value", path.target.type)
        return "EXISTS (SELECT 1 FROM " + elements + " WHERE " + _present(value, path) + ")"
    return _present(layout.singular(path), path)


def _value_path(node: BoundValuePath, layout: Layout) -> Sql:
    dialect, inner = layout.dialect, node.filter
    ids = _narrowing(inner, layout)
    if ids is not None and isinstance(inner, BoundComparison):
        return "r.id IN " + ids
    relation = layout.relation(node.path)
    exists = _exists(relation, _of_element(inner, relation, dialect))
    return exists if ids is None else "(r.id IN " + ids + " AND " + exists + ")"


def _narrowing(inner: BoundFilter, layout: Layout) -> Sql | None:
    """Index rows of one comparison that every matching element fulfils, so that not every resource is read."""
    for node in inner.operands if isinstance(inner, BoundAnd) else (inner,):
        ids = _ids(node, layout) if isinstance(node, BoundComparison) else None
        if ids is not None:
            return ids
    return None


def _ids(node: BoundComparison, layout: Layout) -> Sql | None:
    return layout.ids(node, lambda value, kept: _compared(value, kept, layout.dialect))


def _exists(relation: Relation, inner: Sql) -> Sql:
    return "EXISTS (SELECT 1 FROM " + relation.source + " WHERE " + inner + ")"


def _of_element(bound: BoundFilter, relation: Relation, dialect: Dialect) -> Sql:
    def leaf(node: _Leaf | BoundOr) -> Sql:
        if isinstance(node, BoundOr):
            return "(" + joined(" OR ", (_combined(operand, leaf) for operand in node.operands)) + ")"
        return _element_leaf(node, relation, dialect)

    return _combined(bound, leaf)


def _element_leaf(node: _Leaf, relation: Relation, dialect: Dialect) -> Sql:
    """A condition on the element `e`."""
    path, sub_attribute = node.path, node.path.sub_attribute
    if sub_attribute is not None and sub_attribute.multi_valued:
        source = dialect.elements("e.value", (sub_attribute.name,), "s")
        value = dialect.element("s.value", sub_attribute.type)
        return "EXISTS (SELECT 1 FROM " + source + " WHERE " + _element_value(node, value, dialect) + ")"
    if sub_attribute is None and path.attribute.is_complex:
        return TRUE  # the presence of a complex element, which is never empty
    return _element_value(node, _element_expression(path, relation, dialect), dialect)


def _element_value(node: _Leaf, expression: Sql, dialect: Dialect) -> Sql:
    if isinstance(node, BoundComparison):
        return _compared(expression, node, dialect)
    return _present(expression, node.path)


def _element_expression(path: BoundPath, relation: Relation, dialect: Dialect) -> Sql:
    if path.sub_attribute is None:
        return dialect.element("e.value", path.attribute.type)
    if relation.columns is not None:
        return relation.columns[path.sub_attribute.name]
    return dialect.member("e.value", (path.sub_attribute.name,), path.sub_attribute.type)


def _present(expression: Sql, path: BoundPath) -> Sql:
    if path.target.type in _NUMBERS or path.target.type is Type.BOOLEAN:
        return expression + " IS NOT NULL"
    return "(" + expression + " IS NOT NULL AND " + expression + " <> '')"


def _compared(expression: Sql, node: BoundComparison, dialect: Dialect) -> Sql:
    sign = _SIGNS.get(node.operator)
    if sign is not None:
        return expression + Sql(f" {sign} ?", (dialect.parameter(node.value, node.path.target.type),))
    text = str(node.value)
    if not text:
        return expression + " IS NOT NULL"
    if node.operator is Operator.CO:
        return dialect.contains(expression, text)
    if node.operator is Operator.SW:
        return dialect.starts_with(expression, text)
    return dialect.ends_with(expression, text)
