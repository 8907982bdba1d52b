"""Attribute mappings: which attribute gets which value, when it is sent, and whose it is.

The desired state of somebody is flat: values by the paths of the mappings, `{"name.givenName": "Ada", …}`. Only that
is compared, kept and sent; `resource_of` makes the SCIM resource of it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias

from headcount.provisioning.mapping.expressions import Expression, ExpressionError, Row
from headcount.provisioning.mapping.functions import REFERENCE, UNIQUE
from headcount.provisioning.targets.paths import ValuePlace, element_of, place_of
from headcount.scim.errors import ScimError
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json, Type

Flat: TypeAlias = dict[str, Json]
"""Values by the paths of the mappings."""


class When(StrEnum):
    """When a value is sent."""

    ALWAYS = "always"
    CREATE = "create"
    IF_EMPTY = "if-empty"


class Owner(StrEnum):
    """Whose value counts once the account is there."""

    SOURCE = "source"
    TARGET = "target"


class MappingError(Exception):
    """A mapping is wrong, or gives no value for a record that may be sent; the message names the attribute."""


_KINDS: Final[Mapping[Type, tuple[type, ...]]] = {
    Type.STRING: (str,),
    Type.DATE_TIME: (str,),
    Type.BINARY: (str,),
    Type.REFERENCE: (str,),
    Type.BOOLEAN: (bool,),
    Type.INTEGER: (int,),
    Type.DECIMAL: (int, float),
    Type.COMPLEX: (dict,),
}
_DECLARED: Final[Mapping[str, frozenset[Type]]] = {
    "STRING": frozenset({Type.STRING, Type.DATE_TIME, Type.BINARY, Type.REFERENCE}),
    "BOOL": frozenset({Type.BOOLEAN}),
    "INT": frozenset({Type.INTEGER, Type.DECIMAL, Type.STRING}),
    "DOUBLE": frozenset({Type.DECIMAL}),
}
"""What an expression of a declared kind can be the value of."""
_EMPTY: Final[tuple[Json, ...]] = (None, "", [], {})


_OURS: Final = ("schemas", "members")


@dataclass(frozen=True, slots=True)
class AttributeMapping:
    """One attribute of the accounts or groups."""

    path: str
    place: ValuePlace
    expression: Expression | None = None
    """None where the value is `constant`."""
    constant: Json = None
    default: Json = None
    when: When = When.ALWAYS
    owner: Owner = Owner.SOURCE
    attribute: Attribute | None = None
    """The definition, where a schema that we know has it."""
    holds_many: bool = False
    """Whether the whole value is a list."""
    _check: Callable[[Json], Json] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_check", _checker(self))

    @property
    def is_sent_again(self) -> bool:
        """Whether a change of the value is sent to an account that is there."""
        return self.when is not When.CREATE and self.owner is Owner.SOURCE

    @property
    def may_refer(self) -> bool:
        """Whether the value can be a reference to somebody."""
        return self.expression is not None and "reference" in self.expression.functions

    def value(self, row: Row) -> Json:
        """The value for a record, None for none; raises MappingError that says why."""
        if self.expression is None:
            return self.constant
        try:
            value = self.expression.value(row)
        except ExpressionError as error:
            raise MappingError(str(error)) from error
        return self.default if value in _EMPTY else self._check(value)


def mapping_of(path: str, resource_type: ResourceType, **parts: Any) -> AttributeMapping:
    """The mapping of a path of a resource type; raises MappingError for a path that is none."""
    try:
        place = place_of(path)
    except (ScimError, ValueError) as error:
        raise MappingError(f"{path}: {error}") from error
    bound = _bound(path, place, resource_type)
    attribute = bound.target if bound else None
    if attribute is not None and (attribute.is_read_only or attribute.is_secret or attribute.name in _OURS):
        raise MappingError(f"{path} cannot be mapped: it is read-only, a secret, or comes by itself.")
    is_many = bound is not None and bound.attribute.multi_valued
    if place.sub_attribute and is_many and not place.terms:
        raise MappingError(f'{path}: name the element, as in {place.root}[type eq "work"].{place.sub_attribute}.')
    holds_many = is_many and not place.terms and not place.sub_attribute
    spelled = _spelled(path, bound) if bound else path
    return AttributeMapping(spelled, place_of(spelled), attribute=attribute, holds_many=holds_many, **parts)


def _spelled(path: str, bound: BoundPath) -> str:
    """The path with names as the schema spells them."""
    prefix = f"{bound.extension}:" if bound.extension else ""
    brackets = path[path.index("[") : path.rindex("]") + 1] if "[" in path else ""
    suffix = f".{bound.sub_attribute.name}" if bound.sub_attribute else ""
    return f"{prefix}{bound.attribute.name}{brackets}{suffix}"


def _bound(path: str, place: ValuePlace, resource_type: ResourceType) -> BoundPath | None:
    """The definition; None for extensions that we do not know."""
    is_known = not place.urn or place.urn.lower() in resource_type.urn_by_fold
    name = f"{place.root}.{place.sub_attribute}" if place.sub_attribute else place.root
    bound = bind_path(name, resource_type) if is_known and not place.attribute.lower().startswith("urn:") else None
    if bound is None and is_known:
        raise MappingError(f"There is no attribute '{path}' in {resource_type.name}; extensions begin with their URN.")
    return bound


def _checker(mapping: AttributeMapping) -> Callable[[Json], Json]:
    """What makes a value of an expression one of the attribute."""
    attribute = mapping.attribute
    if attribute is None:
        return _as_it_is
    if attribute.type is Type.STRING and not mapping.holds_many:
        return _text

    def check(value: Json) -> Json:
        if attribute.is_complex and isinstance(value, dict) and REFERENCE in value:
            return {"value": value}
        if mapping.holds_many:
            return [_item(attribute, item) for item in (value if isinstance(value, list) else [value])]
        return _item(attribute, value)

    return check


def _as_it_is(value: Json) -> Json:
    return value


def _text(value: Json) -> Json:
    """A text; numbers are written out, names to be made unique and references stay as they are."""
    if isinstance(value, str) or (isinstance(value, dict) and (UNIQUE in value or REFERENCE in value)):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise MappingError(f"a text is expected, and the expression gives {_named(value)}")


def _item(attribute: Attribute, value: Json) -> Json:
    if isinstance(value, dict) and REFERENCE in value:
        return value
    if attribute.is_complex and isinstance(value, str) and attribute.multi_valued:
        value = {"value": value}
    if attribute.type is Type.STRING:
        return _text(value)
    is_flag = isinstance(value, bool)
    if not isinstance(value, _KINDS[attribute.type]) or (is_flag and attribute.type is not Type.BOOLEAN):
        raise MappingError(f"a value of type {attribute.type} is expected, and the expression gives {_named(value)}")
    return value


def _named(value: Json) -> str:
    return f"{type(value).__name__} {str(value)[:50]!r}"


def misfit(mapping: AttributeMapping) -> str:
    """Why no value of the expression could ever be one of the attribute; empty when one could."""
    if mapping.expression is None or mapping.attribute is None or mapping.holds_many:
        return ""
    allowed = _DECLARED.get(mapping.expression.result)
    if allowed is None or mapping.attribute.type in allowed:
        return ""
    return f"its value is a {mapping.expression.result}, and {mapping.path} is a {mapping.attribute.type}."


def flat_of(mappings: Sequence[AttributeMapping], row: Row) -> Flat:
    """The desired state of a record; raises MappingError. An element without its value is not there."""
    flat: Flat = {}
    for mapping in mappings:
        try:
            value = mapping.value(row)
        except MappingError as error:
            raise MappingError(f"{mapping.path}: {error}") from error
        if value is not None:
            flat[mapping.path] = value
    return flat


def lone_elements(mappings: Iterable[AttributeMapping]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(path of an element's value, paths of its other sub-attributes): these go where that is not."""
    by_element: dict[tuple[str, Any], dict[str, str]] = {}
    for mapping in mappings:
        if mapping.place.terms and mapping.place.sub_attribute:
            by_element.setdefault((mapping.place.root, mapping.place.terms), {})[mapping.place.sub_attribute] = (
                mapping.path
            )
    return tuple(
        (paths["value"], tuple(path for sub, path in paths.items() if sub != "value"))
        for paths in by_element.values()
        if "value" in paths and len(paths) > 1
    )


def resource_of(flat: Mapping[str, Json]) -> dict[str, Json]:
    """The SCIM resource that a flat state describes."""
    resource: dict[str, Any] = {}
    for path, value in flat.items():
        place = place_of(path)
        holder = resource.setdefault(place.urn, {}) if place.urn else resource
        if place.terms:
            _put_element(holder, place, value)
        elif place.sub_attribute:
            holder.setdefault(place.attribute, {})[place.sub_attribute] = value
        elif isinstance(value, dict) and isinstance(holder.get(place.attribute), dict):
            holder[place.attribute] = {**holder[place.attribute], **value}
        else:
            holder[place.attribute] = value
    return resource


def _put_element(holder: dict[str, Any], place: ValuePlace, value: Json) -> None:
    elements = holder.setdefault(place.attribute, [])
    for element in elements:
        if all(element.get(name) == term for name, term in place.terms):
            element.update({place.sub_attribute: value} if place.sub_attribute else value)
            return
    elements.append(element_of(place, value))
