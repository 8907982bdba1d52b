"""Attributes that a client sends and no schema has: told by path and type, never by value."""

from collections.abc import Iterator, Mapping
from typing import Final

from headcount.scim.schemas import NAME_PATTERN, Json

_LONGEST: Final = 256
_TYPES: Final[Mapping[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "decimal",
    str: "string",
    dict: "complex",
}


def unknown_attributes(key: str, value: Json, urn: str = "") -> Iterator[tuple[str, str]]:
    """The (path, type) pairs that an unknown member comes to.

    An object under a URN is taken for an extension, whose members are the attributes; a type ends in `[]` when the
    value is an array, and is empty when nobody knows.
    """
    if ":" in key and isinstance(value, Mapping):
        for name, item in value.items():
            yield from unknown_attributes(name, item, key)
        return
    path = f"{urn}:{key}" if urn else key
    name = path.rpartition(":")[2]
    if value is not None and len(path) <= _LONGEST and NAME_PATTERN.fullmatch(name):
        yield path, type_of(value)


def type_of(value: Json) -> str:
    """What a value looks like."""
    if isinstance(value, list):
        return f"{type_of(value[0])}[]" if value else ""
    return _TYPES.get(type(value), "")


def definition_of(name: str, looks: str) -> dict[str, Json]:
    """The attribute definition that fits what was seen; a string where nobody knows."""
    kind = looks.removesuffix("[]") or "string"
    return {"name": name, "type": kind, "multiValued": looks.endswith("[]")}
