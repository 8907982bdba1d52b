"""Filters bound to a resource type: every name an attribute, every literal comparable with it.

What cannot be understood is refused here, also below a `not`: an unknown attribute, an operator that the type of
the attribute does not have, a literal of another type (RFC 7644 §3.4.2.2).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from headcount.scim.comparison import comparable
from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.syntax import (
    And,
    BareBoolean,
    Comparison,
    Filter,
    Literal,
    Not,
    Operator,
    Or,
    Presence,
    ValuePath,
)
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Type


@dataclass(frozen=True, slots=True)
class BoundComparison:
    """A comparison; the operator is never `ne`, the value is comparable and never null."""

    path: BoundPath
    operator: Operator
    value: str | bool | int | float


@dataclass(frozen=True, slots=True)
class BoundPresence:
    """The attribute has a value that is not empty."""

    path: BoundPath


@dataclass(frozen=True, slots=True)
class BoundNot:
    """The operand does not hold."""

    operand: "BoundFilter"


@dataclass(frozen=True, slots=True)
class BoundAnd:
    """All operands hold."""

    operands: tuple["BoundFilter", ...]


@dataclass(frozen=True, slots=True)
class BoundOr:
    """One operand holds at least."""

    operands: tuple["BoundFilter", ...]


@dataclass(frozen=True, slots=True)
class BoundValuePath:
    """One element of a multi-valued attribute for which the filter holds.

    Paths within name the same attribute with a sub-attribute; without one, for simple attributes, the element itself.
    """

    path: BoundPath
    filter: "BoundFilter"


@dataclass(frozen=True, slots=True)
class BoundConstant:
    """What a comparison with an attribute that the type lacks comes to, in a search over several types."""

    value: bool


BoundFilter: TypeAlias = (
    BoundComparison | BoundPresence | BoundNot | BoundAnd | BoundOr | BoundValuePath | BoundConstant
)

_EQUALITY: Final = frozenset({Operator.EQ})
_TEXT: Final = frozenset({Operator.CO, Operator.SW, Operator.EW})
_ORDER: Final = frozenset({Operator.GT, Operator.GE, Operator.LT, Operator.LE})
_OPERATORS: Final = {
    Type.STRING: _EQUALITY | _TEXT | _ORDER,
    Type.BOOLEAN: _EQUALITY,
    Type.DECIMAL: _EQUALITY | _ORDER,
    Type.INTEGER: _EQUALITY | _ORDER,
    Type.DATE_TIME: _EQUALITY | _ORDER,
    Type.BINARY: _EQUALITY,
    Type.REFERENCE: _EQUALITY | _TEXT,
}
"""Operators by type (RFC 7644 Table 3); `ne` goes with `eq`."""

_Find: TypeAlias = Callable[[str], BoundPath | None]


def bind_filter(
    parsed: Filter, resource_type: ResourceType, profile: Profile, *, unknown_is_absent: bool = False
) -> BoundFilter:
    """The filter bound to a resource type; raises InvalidFilterError naming the attribute.

    With `unknown_is_absent` an attribute that the type lacks has no value (RFC 7644 §3.4.2.1).
    """
    bare = profile.tolerates(Toleration.BARE_EXTENSION_NAMES)

    def find(text: str) -> BoundPath | None:
        path = bind_path(text, resource_type, bare_extension_names=bare)
        if path is None and not unknown_is_absent:
            raise InvalidFilterError(f"There is no attribute '{text}' in {resource_type.name}.")
        return path

    return _bind(parsed, find, profile)


def bind_element_filter(parsed: Filter, attribute: BoundPath, profile: Profile) -> BoundFilter:
    """A filter over the elements of a multi-valued attribute; raises InvalidFilterError."""

    def find(text: str) -> BoundPath | None:
        if not attribute.attribute.is_complex and text.lower() == "value":
            return BoundPath(attribute.extension, attribute.attribute)
        sub_attribute = attribute.attribute.sub(text)
        if sub_attribute is None:
            raise InvalidFilterError(f"There is no sub-attribute '{text}' in '{attribute}'.")
        return BoundPath(attribute.extension, attribute.attribute, sub_attribute)

    return _bind(parsed, find, profile)


def unknown_paths(parsed: Filter, resource_type: ResourceType, profile: Profile) -> frozenset[str]:
    """The attribute paths in a filter that the resource type does not have."""
    match parsed:
        case Comparison(path) | Presence(path) | ValuePath(path):
            bare = profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
            known = bind_path(path, resource_type, bare_extension_names=bare) is not None
            return frozenset() if known else frozenset({path})
        case Not(operand):
            return unknown_paths(operand, resource_type, profile)
        case And(operands) | Or(operands):
            return frozenset().union(*(unknown_paths(operand, resource_type, profile) for operand in operands))
        case _:
            assert_never(parsed)


def named_paths(bound: BoundFilter) -> Iterator[BoundPath]:
    """The attribute paths that a bound filter looks at, those within brackets with their attribute."""
    match bound:
        case BoundComparison(path) | BoundPresence(path):
            yield path
        case BoundNot(operand) | BoundValuePath(filter=operand):
            yield from named_paths(operand)
        case BoundAnd(operands) | BoundOr(operands):
            for operand in operands:
                yield from named_paths(operand)
        case BoundConstant():
            return
        case _:
            assert_never(bound)


def _bind(parsed: Filter, find: _Find, profile: Profile) -> BoundFilter:
    match parsed:
        case Comparison():
            return _comparison(parsed, find, profile)
        case Presence(path):
            return _presence(find(path))
        case Not(operand):
            return BoundNot(_bind(operand, find, profile))
        case And(operands):
            return BoundAnd(tuple(_bind(operand, find, profile) for operand in operands))
        case Or(operands):
            return BoundOr(tuple(_bind(operand, find, profile) for operand in operands))
        case ValuePath(path, inner):
            return _value_path(find(path), inner, profile)
        case _:
            assert_never(parsed)


def _presence(path: BoundPath | None) -> BoundFilter:
    if path is None:
        return BoundConstant(value=False)
    _check_readable(path)
    return BoundPresence(path)


def _value_path(path: BoundPath | None, inner: Filter, profile: Profile) -> BoundFilter:
    if path is None:
        return BoundConstant(value=False)
    if not path.attribute.multi_valued or path.sub_attribute is not None:
        raise InvalidFilterError(f"'{path}' is not multi-valued; a filter in brackets needs one that is.")
    _check_readable(path)
    return BoundValuePath(path, bind_element_filter(inner, path, profile))


def _comparison(parsed: Comparison, find: _Find, profile: Profile) -> BoundFilter:
    path = find(parsed.path)
    if parsed.value is None and parsed.operator not in (Operator.EQ, Operator.NE):
        raise InvalidFilterError(f"'{parsed.path}' cannot be compared with null by '{parsed.operator}'.")
    if path is None:
        # unequal to everything, as what has no value is
        return BoundConstant(value=(parsed.operator is Operator.NE) is (parsed.value is not None))
    _check_readable(path)
    if parsed.value is None:
        # the RFC's grammar has comparisons with null and gives them no meaning: absence and presence
        return BoundNot(BoundPresence(path)) if parsed.operator is Operator.EQ else BoundPresence(path)
    path = _simple(path, profile)
    operator = Operator.EQ if parsed.operator is Operator.NE else parsed.operator
    if operator not in _OPERATORS[path.target.type]:
        kind = path.target.type.value
        raise InvalidFilterError(f"The operator '{parsed.operator}' cannot be used with '{path}', a {kind}.")
    bound = BoundComparison(path, operator, _literal(path, parsed.value, profile))
    return BoundNot(bound) if parsed.operator is Operator.NE else bound


def _simple(path: BoundPath, profile: Profile) -> BoundPath:
    """The path itself, or its `value` where a complex attribute stands for it (RFC 7644 figure 2)."""
    if path.target.type is not Type.COMPLEX:
        return path
    value = path.attribute.sub("value")
    if value is not None and (path.attribute.multi_valued or profile.tolerates(Toleration.COMPLEX_AS_VALUE)):
        return BoundPath(path.extension, path.attribute, value)
    raise InvalidFilterError(f"'{path}' is complex; compare one of its sub-attributes.")


def _check_readable(path: BoundPath) -> None:
    if path.attribute.is_secret or path.target.is_secret:
        raise InvalidFilterError(f"'{path}' cannot be filtered by.")


_STRING_BOOLEANS: Final = {"true": True, "false": False}
_TEXT_TYPES: Final = frozenset({Type.STRING, Type.BINARY, Type.REFERENCE, Type.DATE_TIME})


def _literal(path: BoundPath, value: Literal, profile: Profile) -> str | bool | int | float:
    target: Attribute = path.target
    if target.type is Type.BOOLEAN:
        if isinstance(value, str) and profile.tolerates(Toleration.STRING_BOOLEANS):
            value = _STRING_BOOLEANS.get(value.lower(), value)
        if isinstance(value, bool):
            return value
    elif target.type in _TEXT_TYPES:
        if isinstance(value, str) and not isinstance(value, BareBoolean):
            try:
                text: str = comparable(target, value)
            except ValueError:
                raise InvalidFilterError(f"'{value}' is not a dateTime that '{path}' can be compared with.") from None
            return text
    elif isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise InvalidFilterError(f"'{path}' is a {target.type.value} and cannot be compared with {value!r}.")
