"""Attributes that a client sends and no schema has: told by path and type, never by value."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from headcount.scim.errors import InvalidSyntaxError
from headcount.scim.schemas import NAME_PATTERN, Attribute, Json

_NAME: Final = re.compile(rf"{NAME_PATTERN.pattern}(\.{NAME_PATTERN.pattern})?", re.ASCII)
"""An attribute, or a sub-attribute behind it."""
_LONGEST: Final = 256
_TYPES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "decimal",
    str: "string",
    dict: "complex",
}


class Unknown:
    """What one request names and no schema has: passed over and counted, or refused."""

    __slots__ = ("_refuse", "found")

    def __init__(self, *, refuse: bool) -> None:
        self._refuse = refuse
        self.found: dict[str, str] = {}
        """Types by path."""

    def member(self, key: str, value: Json, owner: str, urn: str = "") -> None:
        """A member that is no attribute of a schema or resource type; raises InvalidSyntaxError."""
        self._pass(unknown_attributes(key, value, urn), f"'{key}' is not an attribute of {owner}.")

    def parts(self, attribute: Attribute, value: Json, urn: str = "") -> None:
        """Whatever in a complex value is no sub-attribute; raises InvalidSyntaxError."""
        known = attribute.by_name
        for element in value if isinstance(value, list) else (value,):
            if isinstance(element, dict) and not element.keys() <= known.keys():
                for name, item in element.items():
                    if attribute.sub(name) is None:
                        found = () if ":" in name else unknown_attributes(f"{attribute.name}.{name}", item, urn)
                        self._pass(found, f"'{name}' is not a sub-attribute of '{attribute.name}'.")

    def _pass(self, found: Iterable[tuple[str, str]], refusal: str) -> None:
        if self._refuse:
            raise InvalidSyntaxError(refusal, unknown=dict(found))
        self.found.update(found)


def unknown_attributes(key: str, value: Json, urn: str = "") -> Iterator[tuple[str, str]]:
    """The (path, type) pairs that an unknown member comes to.

    An object under a URN is taken for an extension, whose members are the attributes; a type ends in `[]` when the
    value is an array, and is empty when nobody knows.
    """
    if ":" in key and isinstance(value, Mapping):
        for name, item in value.items():
            yield from unknown_attributes(name, item, key)
    elif value is not None:
        yield from _seen(f"{urn}:{key}" if urn else key, type_of(value))


def unknown_target(path: str, sub_attribute: str | None, value: Json, *, is_filtered: bool) -> dict[str, str]:
    """The same for what a PATCH operation is aimed at, `path[filter].sub_attribute`; a removal has no value."""
    if sub_attribute is not None:
        return dict(_seen(f"{path}.{sub_attribute}", type_of(value)))
    return dict(_seen(path, "complex[]" if is_filtered else type_of(value)))


def _seen(path: str, looks: str) -> Iterator[tuple[str, str]]:
    if len(path) <= _LONGEST and _NAME.fullmatch(path.rpartition(":")[2]):
        yield path, looks


def type_of(value: Json) -> str:
    """What a value looks like."""
    if isinstance(value, list):
        return f"{type_of(value[0])}[]" if value else ""
    return _TYPES.get(type(value), "")


def definition_of(name: str, looks: str) -> dict[str, Json]:
    """The attribute definition that fits what was seen; a string where nobody knows."""
    kind = looks.removesuffix("[]") or "string"
    return {"name": name, "type": kind, "multiValued": looks.endswith("[]")}
