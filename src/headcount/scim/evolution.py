"""How a resource type may change: what of it stored resources can stand in the way of.

Widening needs no look at the data. Everything else is a hurdle: a test that no stored resource may fulfil.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from headcount.scim.comparison import comparable, comparable_value
from headcount.scim.errors import ConflictError, ScimError
from headcount.scim.profiles import STRICT
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json, Mutability, Returned, Schema, Uniqueness
from headcount.scim.values import canonical_value

Test: TypeAlias = Callable[[Mapping[str, Json]], bool]


@dataclass(frozen=True, slots=True)
class Hurdle:
    """What resources must not be for a change to be made."""

    path: str
    """The attribute, schema or resource type that changes."""
    words: str
    """What the resources in the way do: `have a value of`."""
    is_hit: Test
    """Whether a stored resource, in canonical form, is in the way."""


@dataclass(frozen=True, slots=True)
class BecomesUnique:
    """An attribute whose values no two resources may share from now on."""

    schema: Schema
    attribute: Attribute
    sub_attribute: Attribute | None = None


def hurdles(old: ResourceType, new: ResourceType | None) -> list[Hurdle]:
    """What stands between a resource type and what is to become of it; None when it is to go.

    Raises ConflictError for what can never be changed.
    """
    if new is None or new.schema.id != old.schema.id:
        return [Hurdle(old.schema.id, "use", lambda _resource: True)]
    found = list(_of_schema("", old.schema, new.schema, required=True))
    for extension in old.extensions:
        urn = extension.schema.id
        after = new.extension_by_urn.get(urn.lower())
        if after is None:
            found.append(Hurdle(urn, "use", _holds(urn)))
        else:
            found += _of_schema(urn, extension.schema, after.schema, required=False)
    for extension in new.extensions:
        before = old.extension_by_urn.get(extension.schema.id.lower())
        if extension.required and (before is None or not before.required):
            found.append(Hurdle(extension.schema.id, "do not have", _lacks(extension.schema.id)))
    return found


def becoming_unique(old: ResourceType, new: ResourceType) -> list[BecomesUnique]:
    """What had other values before it became unique; what is new has none yet."""
    before = {(schema.id, one.name, sub.name if sub else None) for schema, one, sub in old.unique_attributes}
    known = {schema.id: schema for schema in (old.schema, *(extension.schema for extension in old.extensions))}
    return [
        BecomesUnique(schema, attribute, sub)
        for schema, attribute, sub in new.unique_attributes
        if (schema.id, attribute.name, sub.name if sub else None) not in before
        and schema.id in known
        and attribute.name in known[schema.id].by_name
    ]


def _of_schema(urn: str, old: Schema, new: Schema, *, required: bool) -> Iterator[Hurdle]:
    """`required` says that every resource has the schema: those of extensions are asked only where it is used."""
    for attribute in old.attributes:
        after = new.by_name.get(attribute.name)
        if after is None:
            yield Hurdle(_path(urn, attribute), "have a value of", _has(urn, attribute.name))
        elif after != attribute:
            yield from _of_attribute(urn, attribute, after)
    for attribute in new.attributes:
        before = old.by_name.get(attribute.name)
        if attribute.required and (before is None or not before.required) and not attribute.is_read_only:
            yield Hurdle(_path(urn, attribute), "have no value of", _misses(urn, attribute.name, always=required))


def _of_attribute(urn: str, old: Attribute, new: Attribute) -> Iterator[Hurdle]:
    path = _path(urn, old)
    if old.is_secret and not new.is_secret:
        raise ConflictError(f"'{path}' is never returned and cannot become visible; add another attribute instead.")
    if new.is_secret and not old.is_secret:
        yield Hurdle(path, "have a visible value of", _has(urn, old.name))
    elif _shape(old) != _shape(new):
        yield Hurdle(path, "have a value that does not fit the new", _misfits(urn, old, new))
    if _becomes_unique(old, new):
        yield Hurdle(path, "share the value of another one of", _repeats(urn, new, None))
    for sub in new.sub_attributes:
        before = old.sub(sub.name)
        if before is not None and not new.multi_valued and _becomes_unique(before, sub):
            yield Hurdle(f"{path}.{sub.name}", "share the value of another one of", _repeats(urn, new, sub))


def _shape(attribute: Attribute) -> Attribute:
    """What decides which values are valid, and how they compare."""
    subs = tuple(replace(_shape(sub), required=sub.required) for sub in attribute.sub_attributes)
    return Attribute(
        attribute.name,
        attribute.type,
        multi_valued=attribute.multi_valued,
        case_exact=attribute.case_exact,
        canonical_values=attribute.canonical_values,
        returned=attribute.returned if attribute.is_secret else Returned.DEFAULT,
        sub_attributes=subs,
    )


def _becomes_unique(old: Attribute, new: Attribute) -> bool:
    is_new = old.uniqueness is Uniqueness.NONE and new.uniqueness is not Uniqueness.NONE
    return is_new and not new.multi_valued and not new.is_complex


def _path(urn: str, attribute: Attribute) -> str:
    return f"{urn}:{attribute.name}" if urn else attribute.name


def _part(resource: Mapping[str, Json], urn: str) -> Mapping[str, Json]:
    part: Mapping[str, Json] = resource.get(urn, {}) if urn else resource
    return part


def _holds(urn: str) -> Test:
    return lambda resource: urn in resource


def _lacks(urn: str) -> Test:
    return lambda resource: urn not in resource


def _has(urn: str, name: str) -> Test:
    return lambda resource: name in _part(resource, urn)


def _misses(urn: str, name: str, *, always: bool) -> Test:
    """A required value must not be empty either."""

    def test(resource: Mapping[str, Json]) -> bool:
        return (always or urn in resource) and _part(resource, urn).get(name) in (None, "")

    return test


def _misfits(urn: str, old: Attribute, new: Attribute) -> Test:
    """Whether a value would be refused, changed, or compared with in another way."""
    writable = _writable(new)

    def test(resource: Mapping[str, Json]) -> bool:
        value = _part(resource, urn).get(old.name)
        if value is None:
            return False
        try:
            is_same = canonical_value(writable, value, STRICT) == value
        except ScimError:
            return True
        if not is_same or comparable_value(old, value) != comparable_value(new, value):
            return True
        return _leaves(old, new, value)

    return test


def _leaves(old: Attribute, new: Attribute, value: Json) -> bool:
    """Whether a value is none of the canonical ones any more."""
    for item in value if isinstance(value, list) else (value,):
        if new.is_complex:
            for name in item.keys() & old.by_name.keys() & new.by_name.keys():
                if _leaves(old.by_name[name], new.by_name[name], item[name]):
                    return True
        elif _is_narrower(old, new) and item not in new.canonical_values:
            return True
    return False


def _is_narrower(old: Attribute, new: Attribute) -> bool:
    wider = bool(old.canonical_values) and set(old.canonical_values) <= set(new.canonical_values)
    return bool(new.canonical_values) and not wider


def _repeats(urn: str, attribute: Attribute, sub: Attribute | None) -> Test:
    """Whether another resource came before with the same value."""
    seen: Final[set[Json]] = set()

    def test(resource: Mapping[str, Json]) -> bool:
        value = _part(resource, urn).get(attribute.name)
        if sub is not None and isinstance(value, Mapping):
            value = value.get(sub.name)
        if value is None or isinstance(value, list | Mapping):
            return False
        key = comparable(sub or attribute, value)
        is_known = key in seen
        seen.add(key)
        return is_known

    return test


def _writable(attribute: Attribute) -> Attribute:
    """The attribute as the service provider itself writes it."""
    subs = tuple(replace(sub, mutability=Mutability.READ_WRITE) for sub in attribute.sub_attributes)
    return replace(attribute, mutability=Mutability.READ_WRITE, sub_attributes=subs)
