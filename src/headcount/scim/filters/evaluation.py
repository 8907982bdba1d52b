"""What a bound filter means: the reference that every compiler of filters agrees with.

`pr` holds for what is neither absent nor empty. A comparison with what has no value does not hold, so that `ne`,
being `not eq`, does. A multi-valued attribute matches when one of its values does (RFC 7644 §3.4.2.2).
"""

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, assert_never

from headcount.scim.comparison import comparable
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
from headcount.scim.schemas import Json

_COMPARE: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    Operator.EQ: operator.eq,
    Operator.CO: operator.contains,
    Operator.SW: str.startswith,
    Operator.EW: str.endswith,
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def matches(bound: BoundFilter, resource: Mapping[str, Json]) -> bool:
    """Whether a whole resource, with its derived values, matches."""
    match bound:
        case BoundComparison() | BoundPresence():
            return any(_holds(bound, value) for value in _values(bound.path, resource))
        case BoundNot(operand):
            return not matches(operand, resource)
        case BoundAnd(operands):
            return all(matches(operand, resource) for operand in operands)
        case BoundOr(operands):
            return any(matches(operand, resource) for operand in operands)
        case BoundValuePath(path, inner):
            return any(element_matches(inner, element) for element in _elements(_attribute_value(path, resource)))
        case BoundConstant(value):
            return value
        case _:
            assert_never(bound)


def element_matches(bound: BoundFilter, element: Json) -> bool:
    """Whether one element of a multi-valued attribute matches a filter that is bound to the elements."""
    match bound:
        case BoundComparison() | BoundPresence():
            sub_attribute = bound.path.sub_attribute
            values = _elements(element.get(sub_attribute.name) if sub_attribute else element)
            return any(_holds(bound, value) for value in values)
        case BoundNot(operand):
            return not element_matches(operand, element)
        case BoundAnd(operands):
            return all(element_matches(operand, element) for operand in operands)
        case BoundOr(operands):
            return any(element_matches(operand, element) for operand in operands)
        case BoundConstant(value):
            return value
        case BoundValuePath():
            message = "value paths do not nest (E4690)"
            raise AssertionError(message)
        case _:
            assert_never(bound)


def _holds(bound: BoundComparison | BoundPresence, value: Json) -> bool:
    if isinstance(bound, BoundPresence):
        return value not in ("", [], {})
    if isinstance(bound.value, bool) is not isinstance(value, bool):
        return False
    return _COMPARE[bound.operator](comparable(bound.path.target, value), bound.value)


def _values(path: BoundPath, resource: Mapping[str, Json]) -> Iterator[Json]:
    """All values that a path names in a resource."""
    for element in _elements(_attribute_value(path, resource)):
        if path.sub_attribute is None:
            yield element
        elif isinstance(element, Mapping):
            yield from _elements(element.get(path.sub_attribute.name))


def _attribute_value(path: BoundPath, resource: Mapping[str, Json]) -> Json:
    holder = resource.get(path.extension, {}) if path.extension else resource
    return holder.get(path.attribute.name)


def _elements(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
