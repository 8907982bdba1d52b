"""Schemas as data: attributes with their characteristics, compiled once into look-up tables.

RFC 7643 §2 (attribute characteristics) and §7 (schema definition). No class per schema: a request walks
the tables over plain dictionaries.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias, TypeVar

from headcount.scim.errors import InvalidValueError
from headcount.scim.urns import SCHEMA

Json: TypeAlias = Any
"""A decoded JSON value."""

_Choice = TypeVar("_Choice", bound=StrEnum)

NAME_PATTERN: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9_$-]*", re.ASCII)
"""Attribute names; `$ref` breaks both published grammars and is standard (E8924)."""

_URN_PATTERN: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9_$:.%/+~@-]+", re.ASCII)
"""Schema URIs, of the characters that a filter can name them with."""


class Type(StrEnum):
    """Attribute data types (RFC 7643 §2.3; `binary` by E5606)."""

    STRING = "string"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    INTEGER = "integer"
    DATE_TIME = "dateTime"
    BINARY = "binary"
    REFERENCE = "reference"
    COMPLEX = "complex"


class Mutability(StrEnum):
    """Who may change a value, and when (RFC 7643 §7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When a value is part of a response (RFC 7643 §7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


class Uniqueness(StrEnum):
    """Within which bounds a value is unique (RFC 7643 §7)."""

    NONE = "none"
    SERVER = "server"
    GLOBAL = "global"


_AS_SENT: Final = frozenset({Type.BOOLEAN, Type.DECIMAL, Type.INTEGER, Type.BINARY, Type.REFERENCE})
"""Types whose values are compared in the form in which they are kept."""
_OUTSIDE: Final = frozenset({"external", "uri"})
"""Reference types that are no resource types (RFC 7643 §7)."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute definition; absent characteristics have the defaults of RFC 7643 §2.2."""

    name: str
    type: Type = Type.STRING
    description: str = ""
    multi_valued: bool = False
    required: bool = False
    case_exact: bool = False
    mutability: Mutability = Mutability.READ_WRITE
    returned: Returned = Returned.DEFAULT
    uniqueness: Uniqueness = Uniqueness.NONE
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub_attributes: tuple["Attribute", ...] = ()
    by_name: Mapping[str, "Attribute"] = field(init=False, repr=False, compare=False)
    """Sub-attributes by folded and by declared name."""
    required_subs: tuple["Attribute", ...] = field(init=False, repr=False, compare=False)
    canonical_by_fold: Mapping[str, str] = field(init=False, repr=False, compare=False)
    """Declared spelling of the canonical values, by folded value: `WORK` is returned as `work` (RFC 7643 §2.4)."""
    is_complex: bool = field(init=False, repr=False, compare=False)
    """Whether the values are objects with sub-attributes."""
    is_read_only: bool = field(init=False, repr=False, compare=False)
    is_secret: bool = field(init=False, repr=False, compare=False)
    """Whether the value may stand in no response, event or log: returned is `never`."""
    is_text: bool = field(init=False, repr=False, compare=False)
    """Whether any JSON string is a value: singular and of type string."""
    is_plain: bool = field(init=False, repr=False, compare=False)
    """Whether such a string is kept as it is: it may be returned, and no spelling is canonical."""
    is_folded: bool = field(init=False, repr=False, compare=False)
    """Whether such a string is searched by, without regard to case."""
    is_exact: bool = field(init=False, repr=False, compare=False)
    """Whether simple values are searched by, and compared as they are."""
    is_reference_to_resource: bool = field(init=False, repr=False, compare=False)
    """Whether the values refer to resources of the service provider: `members`, `manager`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", look_up(self.sub_attributes))
        object.__setattr__(self, "required_subs", tuple(sub for sub in self.sub_attributes if sub.required))
        object.__setattr__(self, "canonical_by_fold", {value.lower(): value for value in self.canonical_values})
        object.__setattr__(self, "is_complex", self.type is Type.COMPLEX)
        object.__setattr__(self, "is_read_only", self.mutability is Mutability.READ_ONLY)
        if self.mutability is Mutability.WRITE_ONLY:
            # values shall not be returned, whatever the document says: RFC 7643 §7
            object.__setattr__(self, "returned", Returned.NEVER)
        object.__setattr__(self, "is_secret", self.returned is Returned.NEVER)
        object.__setattr__(self, "is_text", self.type is Type.STRING and not self.multi_valued)
        is_open = self.is_text and not self.is_secret
        object.__setattr__(self, "is_plain", is_open and not self.canonical_values)
        object.__setattr__(self, "is_folded", is_open and not self.case_exact)
        is_as_sent = self.type in _AS_SENT or (self.type is Type.STRING and self.case_exact)
        object.__setattr__(self, "is_exact", is_as_sent and not self.is_secret)
        reference = self.by_name.get("$ref")
        object.__setattr__(
            self,
            "is_reference_to_resource",
            reference is not None and "value" in self.by_name and not _OUTSIDE.issuperset(reference.reference_types),
        )
        if self.is_complex:
            object.__setattr__(self, "case_exact", False)  # has no meaning on a complex attribute: E6004
        if self.type in (Type.BINARY, Type.REFERENCE):
            # case-exact by type, whatever the published JSON says: RFC 7643 §2.3.6, §2.3.7, E6001
            object.__setattr__(self, "case_exact", True)

    def sub(self, name: str) -> "Attribute | None":
        """The sub-attribute of that name, in any case."""
        return self.by_name.get(name.lower())

    def document(self) -> dict[str, Json]:
        """The definition as it stands in a Schema resource (RFC 7643 §7)."""
        document: dict[str, Json] = {
            "name": self.name,
            "type": self.type.value,
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
        }
        if self.canonical_values:
            document["canonicalValues"] = list(self.canonical_values)
        if not self.is_complex:  # neither has a meaning on a complex attribute: RFC 7643 §2.3.8, E6004
            document["caseExact"] = self.case_exact
        document["mutability"] = self.mutability.value
        document["returned"] = self.returned.value
        if not self.is_complex:
            document["uniqueness"] = self.uniqueness.value
        if self.reference_types:
            document["referenceTypes"] = list(self.reference_types)
        if self.is_complex:
            document["subAttributes"] = [sub.document() for sub in self.sub_attributes]
        return document


def look_up(attributes: tuple[Attribute, ...]) -> dict[str, Attribute]:
    """The attributes by folded name, and by declared name: most clients spell it so."""
    return {name: attribute for attribute in attributes for name in (attribute.name.lower(), attribute.name)}


@dataclass(frozen=True, slots=True)
class Schema:
    """A named set of attributes (RFC 7643 §7)."""

    id: str
    name: str
    description: str
    attributes: tuple[Attribute, ...]
    by_name: Mapping[str, Attribute] = field(init=False, repr=False, compare=False)
    """Attributes by folded and by declared name."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", look_up(self.attributes))

    def document(self) -> dict[str, Json]:
        """The Schema resource, without `meta` (RFC 7643 §7; `schemas` by E8417)."""
        return {
            "schemas": [SCHEMA],
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.document() for attribute in self.attributes],
        }


def schema_from_document(document: Json) -> Schema:
    """Reads a Schema resource; raises InvalidValueError that names the offending member."""
    if not isinstance(document, Mapping):
        raise InvalidValueError("A schema is a JSON object.")
    document = _assigned(document)
    urn = document.get("id")
    if not isinstance(urn, str) or not _URN_PATTERN.fullmatch(urn):
        raise InvalidValueError("A schema needs an 'id' that is a URI, such as 'urn:example:scim:schemas:Badge'.")
    attributes = _attributes(document.get("attributes"), urn, nested=False)
    name = document.get("name") or urn.rsplit(":", 1)[-1]
    return Schema(
        urn, _text(name, f"{urn}: name"), _text(document.get("description", ""), f"{urn}: description"), attributes
    )


def _attributes(value: Json, where: str, *, nested: bool) -> tuple[Attribute, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise InvalidValueError(f"{where}: '{'subAttributes' if nested else 'attributes'}' is a non-empty array.")
    attributes = tuple(_attribute(item, where, nested=nested) for item in value)
    names = [attribute.name.lower() for attribute in attributes]
    for name in names:
        if names.count(name) > 1:
            raise InvalidValueError(f"{where}: attribute '{name}' is defined more than once.")
    return attributes


def _attribute(document: Json, where: str, *, nested: bool) -> Attribute:
    if not isinstance(document, Mapping):
        raise InvalidValueError(f"{where}: an attribute is a JSON object.")
    document = _assigned(document)
    name = document.get("name")
    if not isinstance(name, str) or not NAME_PATTERN.fullmatch(name):
        raise InvalidValueError(f"{where}: {name!r} is not an attribute name.")
    where = f"{where}: {name}"
    kind = _member(Type, document.get("type", "string"), f"{where}: type")
    if kind is Type.COMPLEX and nested:
        raise InvalidValueError(f"{where}: a sub-attribute cannot be complex (RFC 7643 §2.3.8).")
    return Attribute(
        name=name,
        type=kind,
        description=_text(document.get("description", ""), f"{where}: description"),
        multi_valued=_flag(document, "multiValued", where),
        required=_flag(document, "required", where),
        case_exact=_flag(document, "caseExact", where),
        mutability=_member(Mutability, document.get("mutability", "readWrite"), f"{where}: mutability"),
        returned=_member(Returned, document.get("returned", "default"), f"{where}: returned"),
        uniqueness=_member(Uniqueness, document.get("uniqueness", "none"), f"{where}: uniqueness"),
        canonical_values=_strings(document.get("canonicalValues", ()), f"{where}: canonicalValues"),
        reference_types=_strings(document.get("referenceTypes", ()), f"{where}: referenceTypes"),
        sub_attributes=_attributes(document.get("subAttributes"), where, nested=True) if kind is Type.COMPLEX else (),
    )


def _assigned(document: Mapping[str, Json]) -> dict[str, Json]:
    """The members that have a value: null is the same as absent (RFC 7643 §2.5)."""
    return {name: value for name, value in document.items() if value is not None}


def _member(kind: type[_Choice], value: Json, where: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise InvalidValueError(f"{where}: {value!r} is none of {', '.join(kind)}.") from None


def _flag(document: Mapping[str, Json], name: str, where: str) -> bool:
    value = document.get(name, False)
    if not isinstance(value, bool):
        raise InvalidValueError(f"{where}: '{name}' is true or false.")
    return value


def _text(value: Json, where: str) -> str:
    if not isinstance(value, str):
        raise InvalidValueError(f"{where} is a string.")
    return value


def _strings(value: Json, where: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
        raise InvalidValueError(f"{where} is an array of strings.")
    return tuple(value)
