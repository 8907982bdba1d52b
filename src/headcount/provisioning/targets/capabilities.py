"""What a target can do and how it wants to be asked: data, in layers.

Each layer is a JSON object with some of the members below, in camelCase: what every SCIM server may be taken for
(the defaults), what it says of itself, its pack, what was seen when it was probed, and what a human knows better.
A later layer wins, member by member.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, TypeVar

from headcount.scim import urns
from headcount.scim.schemas import Json


class Verb(StrEnum):
    """How a resource is changed."""

    PATCH = "patch"
    PUT = "put"


class PatchForm(StrEnum):
    """How a PATCH operation names its attribute."""

    PATH = "path"
    PATHLESS = "pathless"
    """`{"op": "replace", "value": {"active": false}}`."""


class Removal(StrEnum):
    """How a member is removed."""

    FILTER = "filter"
    """`members[value eq "…"]`, an operation for each."""
    VALUE = "value"
    """`members` with a list of values, one operation for all."""


class Deletion(StrEnum):
    """What DELETE means."""

    DELETES = "deletes"
    DEACTIVATES = "deactivates"
    """The account stays, and cannot sign in."""
    IRREVERSIBLE = "irreversible"
    """The account and its name are gone for good."""
    UNSUPPORTED = "unsupported"


class Paging(StrEnum):
    """How lists go on."""

    INDEX = "index"
    CURSOR = "cursor"


def _help(text: str) -> Mapping[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on requests."""

    requests: int = field(default=1, metadata=_help("Requests in that time."))
    seconds: float = field(default=1.0, metadata=_help("The time."))
    burst: int | None = field(
        default=None, metadata=_help("Requests that may come at once; all of them when it is not given.")
    )
    methods: tuple[str, ...] = field(default=(), metadata=_help("The methods that count; all when none is named."))
    endpoint: str = field(default="", metadata=_help("The endpoint that counts, /Users; all when none is named."))

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def most_at_once(self) -> int:
        """Requests that may come at once."""
        return self.burst or self.requests

    def covers(self, method: str, path: str) -> bool:
        """Whether a request counts."""
        return (not self.methods or method in self.methods) and f"{path}/".startswith(f"{self.endpoint}/")


@dataclass(frozen=True, slots=True)
class MemberCapabilities:
    """How a group's members are read and changed."""

    returned: bool = field(default=True, metadata=_help("Whether a group answers with its members."))
    batch: int = field(default=1_000, metadata=_help("Members that one request may add and remove."))
    operations: int = field(default=1_000, metadata=_help("Operations on members that one PATCH may hold."))
    on_create: int = field(default=1_000, metadata=_help("Members that a POST may hold; 0 when it takes none."))
    removal: Removal = field(default=Removal.FILTER, metadata=_help("filter or value."))
    display: bool = field(default=False, metadata=_help("Whether a member is sent with its display."))
    type: bool = field(default=False, metadata=_help("Whether a member is sent with its type."))
    ref: bool = field(default=False, metadata=_help("Whether a member is sent with its $ref."))
    nested: bool = field(default=True, metadata=_help("Whether groups can be members."))


@dataclass(frozen=True, slots=True)
class TypeCapabilities:
    """What can be done with users, or with groups."""

    supported: bool = field(default=True, metadata=_help("Whether the target has them at all."))
    endpoint: str = field(default="", metadata=_help("Where they are; /Users and /Groups when it is not given."))
    patch: bool = field(default=True, metadata=_help("Whether PATCH is there."))
    put: bool = field(default=True, metadata=_help("Whether PUT is there."))
    update: Verb = field(default=Verb.PATCH, metadata=_help("patch or put: what is used where both are there."))
    form: PatchForm = field(default=PatchForm.PATH, metadata=_help("path or pathless: how a PATCH names an attribute."))
    value_paths: bool = field(
        default=True, metadata=_help('Whether a PATCH may name one element: emails[type eq "work"].value.')
    )
    operations: int = field(default=1_000, metadata=_help("Operations in a PATCH."))
    unremovable: tuple[str, ...] = field(
        default=(), metadata=_help("Attributes that may be changed and never removed.")
    )
    required: tuple[str, ...] = field(default=(), metadata=_help("Attributes without which nothing is created."))
    unsupported: tuple[str, ...] = field(default=(), metadata=_help("Attributes that are never sent."))
    elements: int | None = field(
        default=None, metadata=_help("Values that a multi-valued attribute may have; any number if not given.")
    )
    lookups: tuple[str, ...] | None = field(
        default=None, metadata=_help("Attributes that can be looked up; any if not given.")
    )
    unique: tuple[str, ...] = field(default=(), metadata=_help("Attributes of which no value is given twice."))
    deletion: Deletion = field(
        default=Deletion.DELETES, metadata=_help("deletes, deactivates, irreversible or unsupported.")
    )


@dataclass(frozen=True, slots=True)
class BulkCapabilities:
    """Whether requests may travel together (RFC 7644 §3.7)."""

    supported: bool = field(
        default=False, metadata=_help("Whether the target has a bulk endpoint that can be relied on.")
    )
    operations: int = field(default=100, metadata=_help("Operations in a bulk request."))
    bytes: int = field(default=1_000_000, metadata=_help("Bytes in a bulk request."))


@dataclass(frozen=True, slots=True)
class CapabilityProfile:
    """All that is known of a target."""

    users: TypeCapabilities = field(default=TypeCapabilities(), metadata=_help("Users."))
    groups: TypeCapabilities = field(default=TypeCapabilities(), metadata=_help("Groups."))
    members: MemberCapabilities = field(default=MemberCapabilities(), metadata=_help("Members of groups."))
    bulk: BulkCapabilities = field(default=BulkCapabilities(), metadata=_help("Bulk requests."))
    filters: bool = field(
        default=True, metadata=_help("Whether filters are heeded; without them everybody is read to find one.")
    )
    etag: bool = field(default=False, metadata=_help("Whether If-Match is heeded."))
    external_id_returned: bool = field(default=True, metadata=_help("Whether externalId is returned."))
    paging: Paging = field(default=Paging.INDEX, metadata=_help("index or cursor."))
    count: bool = field(default=True, metadata=_help("Whether a page size may be asked for."))
    page_size: int = field(default=100, metadata=_help("Resources in a page."))
    concurrency: int = field(default=4, metadata=_help("Requests at a time."))
    settle: float = field(
        default=60.0, metadata=_help("Seconds after which reads show what was written; 0 when they do at once.")
    )
    budgets: tuple[Budget, ...] = field(default=(), metadata=_help("Limits on requests."))

    def of(self, type_name: str) -> TypeCapabilities:
        """What can be done with `User` or `Group`."""
        return self.users if type_name == "User" else self.groups

    def endpoint(self, type_name: str) -> str:
        """Where the resources of a type are: `/Users`."""
        return self.of(type_name).endpoint or f"/{type_name}s"


SCHEMAS: Final[Mapping[str, str]] = {"User": urns.USER, "Group": urns.GROUP}
"""The base schema by resource type."""
GENERIC: Final[Mapping[str, Json]] = {
    "users": {"required": ["userName"], "unique": ["userName"]},
    "groups": {"required": ["displayName"]},
}
"""The first layer: what RFC 7643 promises of any server."""

_Kind = TypeVar("_Kind")
_PARTS: Final[Mapping[str, type]] = {
    "users": TypeCapabilities,
    "groups": TypeCapabilities,
    "members": MemberCapabilities,
    "bulk": BulkCapabilities,
}


class CapabilityError(ValueError):
    """A layer has a member that does not exist, or a value that it cannot have."""


def profile_of(*layers: Mapping[str, Json]) -> CapabilityProfile:
    """The profile that layers make, later ones over earlier ones; raises CapabilityError naming the member."""
    merged: dict[str, Json] = {}
    for layer in (GENERIC, *layers):
        merged = merge(merged, layer)
    return _read(CapabilityProfile, merged, "")


def merge(under: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Two layers as one; objects are merged, everything else is replaced."""
    merged = dict(under)
    for name, value in over.items():
        below = merged.get(name)
        both = isinstance(below, Mapping) and isinstance(value, Mapping)
        merged[name] = merge(below, value) if both else value  # type: ignore[arg-type]
    return merged


def members_of(kind: type[Any]) -> list[tuple[str, str, Any]]:
    """(name in JSON, what it is, default) of everything that a part of a profile has."""
    return [(_camel(item.name), item.metadata["help"], item.default) for item in fields(kind)]


def _read(kind: type[_Kind], document: Mapping[str, Json], where: str) -> _Kind:
    known: Mapping[str, tuple[str, Any]] = _fields(kind)  # type: ignore[arg-type]  # mypy: a class is hashable
    values: dict[str, Any] = {}
    for name, value in document.items():
        if name not in known:
            raise CapabilityError(f"capabilities: '{where}{name}' does not exist; there are {', '.join(known)}.")
        field_name, default = known[name]
        values[field_name] = _value(default, value, f"{where}{name}")
    return kind(**values)


def _value(default: Any, value: Json, where: str) -> Any:
    """A value as the field's default shows its type."""
    if where == "budgets" and isinstance(value, list):
        return tuple(_read(Budget, _object(item, where), f"{where}.") for item in value)
    if is_dataclass(default):
        return _read(_PARTS[where], _object(value, where), f"{where}.")
    if isinstance(default, StrEnum):
        return _choice(type(default), value, where)
    if isinstance(default, tuple) or (default is None and isinstance(value, list)):
        return _names(value, where)
    if isinstance(default, str) and isinstance(value, str):
        return value
    if isinstance(default, bool) and isinstance(value, bool):
        return value
    if default is None and value is None:
        return None
    if not isinstance(default, bool | str) and _is_number(value):
        return float(value) if isinstance(default, float) else int(value)
    raise CapabilityError(f"capabilities: '{where}' cannot be {value!r}.")


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _object(value: Json, where: str) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise CapabilityError(f"capabilities: '{where}' is an object.")
    return value


def _choice(kind: type[StrEnum], value: Json, where: str) -> StrEnum:
    try:
        return kind(value)
    except ValueError:
        raise CapabilityError(f"capabilities: '{where}' is one of {', '.join(kind)}, not {value!r}.") from None


def _names(value: Json, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise CapabilityError(f"capabilities: '{where}' is a list of names.")
    return tuple(value)


@lru_cache
def _fields(kind: type[Any]) -> Mapping[str, tuple[str, Any]]:
    return {_camel(item.name): (item.name, item.default) for item in fields(kind)}


def _camel(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)
