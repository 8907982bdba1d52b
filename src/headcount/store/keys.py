"""What a resource is found by: which attributes are promoted to columns and side tables, as data."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from headcount.scim import urns
from headcount.scim.comparison import comparable
from headcount.scim.errors import InvalidValueError
from headcount.scim.folding import fold
from headcount.scim.registry import IndexedAttribute, ResourceType
from headcount.scim.schemas import Attribute, Json, Schema, Type, Uniqueness
from headcount.store.interface import Keys

PROMOTED: Final[Mapping[str, Mapping[str, str]]] = {
    urns.USER: {
        "userName": "user_name",
        "displayName": "display_name",
        "title": "title",
        "active": "active",
    },
    urns.GROUP: {"displayName": "display_name"},
}
"""By base schema: attribute → column of the table `resource`."""

MOST_KEY_BYTES: Final = 2_000
"""Of UTF-8 in a folded value that resources are found by: every index of every database holds that much."""

_PARTS_OF_A_NAME: Final = ("givenName", "familyName")
_UNITS: Final = 5_000
"""Added to the number of digits before the point, so that it has four digits: no number that is read has as many."""
_COMPLEMENT: Final = str.maketrans("0123456789", "9876543210")


def keys_of(resource: Mapping[str, Json], resource_type: ResourceType) -> Keys:
    """The keys of a canonical resource; raises InvalidValueError for a value too long to be found by."""
    attributes = resource_type.attributes
    columns = {
        column: _bounded(name, comparable(attributes[name], resource[name]))
        for name, column in PROMOTED.get(resource_type.schema.id, {}).items()
        if name in resource
    }
    label = _label(resource)
    manager = resource.get(urns.ENTERPRISE_USER, {}).get("manager") if resource_type.derives_groups else None
    return Keys(
        **columns,
        external_id=_bounded("externalId", resource.get("externalId")),
        manager=manager.get("value") if manager else None,
        label=label,
        folded_label=fold(label),
        unique=tuple(_unique(resource, resource_type)),
        values=tuple(_values(resource, resource_type)),
    )


def replaced_keys(
    current: Mapping[str, Json], resource: Mapping[str, Json], keys: Keys, resource_type: ResourceType
) -> Keys:
    """The keys of the version that is replaced, as far as they are kept apart from its row.

    Most changes touch nothing that these are made of, so that they are those of the new version, `keys`.
    """
    if all(current.get(name) == resource.get(name) for name in resource_type.key_attributes):
        return keys
    return keys_of(current, resource_type)


def unique_key(schema: Schema, attribute: Attribute, sub_attribute: Attribute | None = None) -> str:
    """The name under which the values of a unique attribute are kept: its qualified path."""
    suffix = f".{sub_attribute.name}" if sub_attribute else ""
    return f"{schema.id}:{attribute.name}{suffix}"


def is_unique(schema: Schema, attribute: Attribute) -> bool:
    """Whether values are kept as unique ones; userName has an index of its own."""
    if attribute.uniqueness is Uniqueness.NONE or attribute.is_complex or attribute.multi_valued:
        return False
    return PROMOTED.get(schema.id, {}).get(attribute.name) != "user_name"


def is_key(schema: Schema, attribute: Attribute) -> bool:
    """Whether resources are found by a unique attribute: equal decimals have not always been kept as one text."""
    return is_unique(schema, attribute) and attribute.type not in (Type.DECIMAL, Type.BOOLEAN)


def _bounded(name: str, value: Json) -> Json:
    if isinstance(value, str) and len(value) * 4 > MOST_KEY_BYTES and len(value.encode()) > MOST_KEY_BYTES:
        raise InvalidValueError(f"'{name}' is longer than {MOST_KEY_BYTES} bytes, too long to be found by.")
    return value


def _label(resource: Mapping[str, Json]) -> str:
    """What people call the resource, empty where it has no name: `userName` is an identifier (RFC 7643 §2.4, §4.3)."""
    display_name = resource.get("displayName")
    if isinstance(display_name, str) and display_name:
        return display_name
    name = resource.get("name")
    if not isinstance(name, Mapping):
        return ""
    return str(name.get("formatted") or " ".join(str(name[part]) for part in _PARTS_OF_A_NAME if name.get(part)))


def _unique(resource: Mapping[str, Json], resource_type: ResourceType) -> Iterator[tuple[str, str]]:
    for schema, attribute, sub_attribute in resource_type.unique_attributes:
        holder = resource if schema is resource_type.schema else resource.get(schema.id, {})
        value = holder.get(attribute.name)
        target = attribute
        if sub_attribute is not None:
            value, target = (value or {}).get(sub_attribute.name), sub_attribute
        if value is not None and is_unique(schema, target):
            key = unique_key(schema, attribute, sub_attribute)
            yield key, _bounded(key, unique_text(comparable(target, value)))


def _values(resource: Mapping[str, Json], resource_type: ResourceType) -> Iterator[tuple[str, int, str]]:
    for path, indexed in resource_type.indexed.items():
        if not indexed.index.is_unique:
            for number, value in values_at(resource, indexed):
                yield path, number, value


def values_at(resource: Mapping[str, Json], indexed: IndexedAttribute) -> Iterator[tuple[int, str]]:
    """The (element number, value) pairs that a resource is found by in an index; raises InvalidValueError."""
    holder = resource.get(indexed.extension, {}) if indexed.extension else resource
    found = holder.get(indexed.attribute.name)
    if found is None:
        return
    sub_attribute = indexed.sub_attribute
    for number, element in enumerate(found if indexed.attribute.multi_valued else (found,)):
        value = element if sub_attribute is None else element.get(sub_attribute.name)
        if value is not None:
            yield number, _bounded(indexed.index.path, ordered_text(comparable(indexed.target, value)))


def unique_text(value: str | bool | float) -> str:  # noqa: FBT001  a value of any type
    """A comparable value as it is kept where values are unique: one text for numbers that are equal."""
    if isinstance(value, str):
        return value
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def ordered_text(value: str | bool | float) -> str:  # noqa: FBT001  a value of any type
    """A comparable value as it is kept in an index: texts by code point are in the order of the values.

    Of a number, its sign, how many digits stand before the point, and the digits; turned round when it is negative.
    Every whole number is exact; others are below 2⁵³, where the shortest decimal of each has its place among them.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    sign, digits, exponent = Decimal(int(value) if value == int(value) else repr(value)).as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    if not text:
        return "1"
    text = f"{_UNITS + len(digits) + int(exponent):04}{text}"
    return f"0{text.translate(_COMPLEMENT)}~" if sign else f"2{text}"
