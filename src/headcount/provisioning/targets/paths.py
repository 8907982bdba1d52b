"""Attribute paths in the resources of targets, whose schemas need not be known.

`name.givenName`, `emails[type eq "work"].value`, `urn:…:User:department`. Names are compared without case, and so are
strings, as most servers do; what a filter in brackets says is `eq` comparisons joined by `and`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from headcount.scim.filters.grammar import parse_patch_path
from headcount.scim.filters.syntax import And, Comparison, Filter, Operator
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_CASE_EXACT: Final = frozenset({"id", "externalid"})


@dataclass(frozen=True, slots=True)
class ValuePlace:
    """What a path names."""

    urn: str
    """Of the extension; empty for the base schema and its attributes."""
    attribute: str
    terms: tuple[tuple[str, Json], ...] = ()
    """What an element of a multi-valued attribute has to have: (sub-attribute, value)."""
    sub_attribute: str = ""

    @property
    def root(self) -> str:
        """The attribute as a path, without element and sub-attribute."""
        return f"{self.urn}:{self.attribute}" if self.urn else self.attribute


@lru_cache(maxsize=4096)
def place_of(path: str) -> ValuePlace:
    """What a path names; raises InvalidPathError, and ValueError for a filter that names no one element."""
    parsed = parse_patch_path(path)
    urn, _, rest = parsed.path.rpartition(":") if parsed.path.lower().startswith("urn:") else ("", "", parsed.path)
    if "." in urn.rpartition(":")[2]:  # the dot of a version: the whole path is the URN of an extension
        return ValuePlace("", parsed.path)
    attribute, _, inner = rest.partition(".")
    if urn.lower().startswith("urn:ietf:params:scim:schemas:core:"):
        urn = ""
    terms = tuple(_terms(parsed.filter)) if parsed.filter else ()
    return ValuePlace(urn, attribute, terms, parsed.sub_attribute or inner)


def values_at(resource: Mapping[str, Json], path: str) -> list[Json]:
    """All values that a path names in a resource, elements of lists one by one."""
    place = place_of(path)
    holder = member(resource, place.urn) if place.urn else resource
    elements = _elements(member(holder, place.attribute))
    elements = [element for element in elements if _fits(element, place.terms)]
    if not place.sub_attribute:
        return elements
    return [value for element in elements for value in _elements(member(element, place.sub_attribute))]


def satisfies(resource: Mapping[str, Json], path: str, value: Json) -> bool:
    """Whether the resource itself has the value at the path, as `path eq value` asks."""
    exact = path.lower() in _CASE_EXACT
    return any(is_same(found, value, exact=exact) for found in values_at(resource, path))


def holds(resource: Mapping[str, Json], path: str, value: Json) -> bool:
    """Whether a path has exactly this value: every element of it and no further one; None for nothing."""
    found = values_at(resource, path)
    wanted = _elements(value)
    return len(found) == len(wanted) and all(any(agrees(item, other) for other in found) for item in wanted)


def agrees(wanted: Json, found: Json) -> bool:
    """Whether everything wanted is found: further sub-attributes are the target's own."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            value is None or agrees(value, member(found, name)) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and all(any(agrees(item, other) for other in found) for item in wanted)
    return is_same(found, wanted)


def written(resource: Mapping[str, Json], path: str, value: Json) -> dict[str, Json]:
    """The resource with a value at a path; None removes it. An element that is missing is made from its terms."""
    return written_at(resource, place_of(path), value)


def written_at(resource: Mapping[str, Json], place: ValuePlace, value: Json) -> dict[str, Json]:
    """As `written`."""
    if not place.urn:
        return _with(resource, place, value)
    holder = member(resource, place.urn)
    extension = _with(holder if isinstance(holder, Mapping) else {}, place, value)
    return _put(resource, place.urn, extension or None)


def member(holder: Json, name: str) -> Json:
    """A member of an object in any case; None when it is not there, or there is no object."""
    if not isinstance(holder, Mapping):
        return None
    if name in holder:
        return holder[name]
    wanted = name.lower()
    return next((value for key, value in holder.items() if key.lower() == wanted), None)


def is_same(one: Json, other: Json, *, exact: bool = False) -> bool:
    """Whether two simple values are the same; strings without case unless `exact`."""
    if isinstance(one, str) and isinstance(other, str):
        return one == other if exact else fold(one) == fold(other)
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _with(holder: Mapping[str, Json], place: ValuePlace, value: Json) -> dict[str, Json]:
    current = member(holder, place.attribute)
    if place.terms:
        return _put(holder, place.attribute, list(_rewritten(_elements(current), place, value)) or None)
    if not place.sub_attribute:
        return _put(holder, place.attribute, value)
    inner = _put(current if isinstance(current, Mapping) else {}, place.sub_attribute, value)
    return _put(holder, place.attribute, inner or None)


def _rewritten(elements: list[Json], place: ValuePlace, value: Json) -> Iterator[Json]:
    is_there = False
    for element in elements:
        if not _fits(element, place.terms):
            yield element
            continue
        is_there = True
        changed = _put(element, place.sub_attribute, value) if place.sub_attribute else value
        if changed is not None and (changed.get("value") is not None or place.sub_attribute != "value"):
            yield changed
    if not is_there and value is not None:
        yield element_of(place, value)


def element_of(place: ValuePlace, value: Json) -> dict[str, Json]:
    """A new element: what its terms say, and the value."""
    element = dict(place.terms)
    return element | ({place.sub_attribute: value} if place.sub_attribute else dict(value))


def _put(holder: Mapping[str, Json], name: str, value: Json) -> dict[str, Json]:
    """The object with a member, in the spelling that it has; None takes it away."""
    key = next((key for key in holder if key.lower() == name.lower()), name)
    changed: dict[str, Any] = dict(holder)
    if value is None:
        changed.pop(key, None)
    else:
        changed[key] = value
    return changed


def _terms(parsed: Filter) -> Iterator[tuple[str, Json]]:
    match parsed:
        case Comparison(path, Operator.EQ, value):
            yield path, value
        case And(operands):
            for operand in operands:
                yield from _terms(operand)
        case _:
            raise ValueError("A value path in a mapping has 'eq' comparisons only, joined by 'and'.")


def _fits(element: Json, terms: tuple[tuple[str, Json], ...]) -> bool:
    return all(is_same(member(element, name), value) for name, value in terms)


def _elements(value: Json) -> list[Json]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
