"""What a client may do: one decision for every entrance, by operation, attribute and resource.

A scope is written as text; bound to a resource type it becomes a permission, and every entrance (single resources,
searches, bulk, PATCH, uniqueness errors, the change log) asks the permission and nothing else. Pure.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Final

from headcount.scim.errors import InvalidFilterError, InvalidValueError
from headcount.scim.filters.binding import BoundFilter, bind_filter, named_paths
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.profiles import STRICT, Profile
from headcount.scim.projection import NOTHING, Selection, selection_of
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER

ANY_TYPE: Final = "*"
"""Stands for every resource type that no other scope names."""
_ALWAYS: Final = frozenset({"schemas", "id", "meta"})
"""What every client reads of a resource that it may read or write at all."""
_DERIVED: Final = frozenset({"groups", "members"})
"""Known from memberships rather than from the document: nothing to fence by."""


class Operation(StrEnum):
    """What can be done to resources."""

    READ = "read"
    """Reading single resources, searching, and learning of changes."""
    CREATE = "create"
    UPDATE = "update"
    """PUT and PATCH."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is allowed for one resource type, as it is written."""

    type: str
    operations: frozenset[Operation] = frozenset(Operation)
    readable: tuple[str, ...] = ()
    """Attribute paths; empty for all."""
    writable: tuple[str, ...] = ()
    """Attribute paths; empty for all."""
    filter: str = ""
    """Which resources can be reached; empty for all."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What is allowed for one resource type."""

    resource_type: ResourceType
    operations: frozenset[Operation] = frozenset(Operation)
    readable: Selection | None = None
    writable: Selection | None = None
    fence: BoundFilter | None = None
    unsearchable: frozenset[str] = frozenset()
    """Derived attributes that show, and must not be searched by: they would tell of resources behind a fence."""

    @property
    def shown(self) -> Selection | None:
        """What responses hold besides `schemas`, `id` and `meta`; None for everything."""
        return self.readable if self.may(Operation.READ) else {}

    def may(self, operation: Operation) -> bool:
        """Whether the operation is allowed on some resources at least."""
        return operation in self.operations

    def may_read(self, path: BoundPath) -> bool:
        """Whether the value of a path may be seen."""
        return self.may(Operation.READ) and _allows(self.readable, path)

    def may_search(self, path: BoundPath) -> bool:
        """Whether a filter or a sort order may depend on the value of a path."""
        return self.may_read(path) and path.attribute.name not in self.unsearchable

    def may_write(self, path: BoundPath) -> bool:
        """Whether the value of a path may be changed."""
        return _allows(self.writable, path)

    def admits(self, resource: Mapping[str, Json]) -> bool:
        """Whether a resource, derived values apart, is one that can be reached."""
        return self.fence is None or matches(self.fence, resource)

    def may_change(self, before: Mapping[str, Json], after: Mapping[str, Json]) -> str | None:
        """The first attribute that differs and must not be changed, or None."""
        if self.writable is None:
            return None
        for extension, name in _differences(before, after, self.resource_type):
            if not _covers(self.writable, extension, name, before, after):
                return f"{extension}:{name}" if extension else name
        return None

    def may_send(self, after: Mapping[str, Json]) -> str | None:
        """The first attribute that may be neither written nor read, or None: to accept it would tell its value."""
        if self.writable is None:
            return None
        for extension, name in _differences({}, after, self.resource_type):
            readable = self.may(Operation.READ) and (self.readable is None or (extension, name) in self.readable)
            if not readable and (extension, name) not in self.writable:
                return f"{extension}:{name}" if extension else name
        return None

    def kept(self, before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
        """A replacement with what the client may not write, and has left out, as it was before."""
        if self.writable is None:
            return dict(after)
        kept = dict(after)
        for extension, name in _differences(before, after, self.resource_type):
            if (extension, name) in self.writable or name in _values(after, extension):
                continue
            value = _values(before, extension)[name]
            if extension:
                kept[extension] = {**kept.get(extension, {}), name: value}
            else:
                kept[name] = value
        if any(extension not in kept["schemas"] for extension in _extensions(kept, self.resource_type)):
            kept["schemas"] = [self.resource_type.schema.id, *_extensions(kept, self.resource_type)]
        return kept


@dataclass(frozen=True)
class Permissions:
    """What a client may do in one tenant: everything without scopes, else nothing that no scope speaks of."""

    scopes: tuple[Scope, ...]
    registry: Registry | None = None
    """What the scopes speak of."""
    profile: Profile = STRICT
    _by_type: dict[str, Permission] = field(default_factory=dict, repr=False, compare=False)

    def of(self, resource_type: ResourceType) -> Permission:
        """The permission for a resource type; raises InvalidValueError when its scope does not fit the type."""
        if not self.scopes:
            return Permission(resource_type)
        permission = self._by_type.get(resource_type.name)
        if permission is None:
            permission = self._bound(resource_type)
            self._by_type[resource_type.name] = permission
        return permission

    @cached_property
    def is_restricted(self) -> bool:
        """Whether anything at all is forbidden."""
        return bool(self.scopes)

    @cached_property
    def key(self) -> str:
        """Equal for equal scopes: cursors and caches of one must not serve the other."""
        return repr(self.scopes) if self.scopes else ""

    def _bound(self, resource_type: ResourceType) -> Permission:
        permission = self._alone(resource_type)
        if resource_type.derives_groups:
            permission = _without_hidden_groups(permission, self._others(lambda kind: kind.keeps_members))
        if resource_type.keeps_members:
            permission = _without_hidden_people(permission, self._others(lambda kind: kind.derives_groups))
        return permission

    def _others(self, concerns: Callable[[ResourceType], bool]) -> list[Permission]:
        kinds = self.registry.resource_types if self.registry else ()
        return [self._alone(kind) for kind in kinds if concerns(kind)]

    def _alone(self, resource_type: ResourceType) -> Permission:
        """The permission for a resource type, derived values of others apart."""
        scope = _scope_for(self.scopes, resource_type)
        if scope is None:
            return Permission(resource_type, frozenset())
        return bind_scope(scope, resource_type, self.profile)


def _without_hidden_groups(permission: Permission, groups: Sequence[Permission]) -> Permission:
    """`User.groups` names groups, and `manager` people: neither tells of what is behind a fence."""
    shown = dict(_everything(permission))
    if any(not other.may(Operation.READ) or other.fence is not None for other in groups):
        shown.pop(("", "groups"), None)
    if permission.fence is not None and (ENTERPRISE_USER, "manager") in shown:
        shown[ENTERPRISE_USER, "manager"] = frozenset({"value"})
    return permission if shown == _everything(permission) else replace(permission, readable=shown)


def _without_hidden_people(permission: Permission, people: Sequence[Permission]) -> Permission:
    """Members are known by their ids; what people are called is said only to those who may read it."""
    shown = dict(_everything(permission))
    if shown.get(("", "members"), NOTHING) is None and not all(map(_shows_names, people)):
        shown["", "members"] = frozenset({"value", "$ref", "type"})
        permission = replace(permission, readable=shown)
    if any(other.fence is not None for other in people):
        permission = replace(permission, unsearchable=frozenset({"members"}))
    return permission


def _shows_names(people: Permission) -> bool:
    names = [("", "displayName"), ("", "userName")]
    return people.may(Operation.READ) and (people.readable is None or all(name in people.readable for name in names))


def _everything(permission: Permission) -> Selection:
    """What the permission lets read, attribute by attribute."""
    if permission.readable is not None:
        return permission.readable
    kind = permission.resource_type
    parts = [("", tuple(kind.attributes.values()))]
    parts += [(extension.schema.id, extension.schema.attributes) for extension in kind.extensions]
    return {(urn, attribute.name): None for urn, attributes in parts for attribute in attributes}


def bind_scope(scope: Scope, resource_type: ResourceType, profile: Profile) -> Permission:
    """The permission that a scope gives for a resource type.

    Raises InvalidValueError for a path or filter that a scope for this very type cannot have. What a scope for any
    type names and a type lacks gives nothing: a fence that cannot be read closes everything.
    """
    strict = scope.type != ANY_TYPE
    try:
        fence = _fence(scope.filter, resource_type, profile)
    except InvalidFilterError as error:
        if strict:
            raise InvalidValueError(f"The filter of the scope for {scope.type}: {error.detail}") from error
        return Permission(resource_type, frozenset())
    return Permission(
        resource_type,
        scope.operations,
        _selection(scope.readable, resource_type, strict=strict),
        _selection(scope.writable, resource_type, strict=strict),
        fence,
    )


def check_scopes(scopes: Sequence[Scope], registry: Registry) -> None:
    """Raises InvalidValueError for scopes that do not fit a registry."""
    names = [scope.type for scope in scopes]
    for scope in scopes:
        if names.count(scope.type) > 1:
            raise InvalidValueError(f"There are two scopes for {scope.type}; one says all.")
        if scope.type == ANY_TYPE:
            continue
        resource_type = registry.by_name.get(scope.type)
        if resource_type is None:
            raise InvalidValueError(f"There is no resource type '{scope.type}' to have a scope for.")
        bind_scope(scope, resource_type, STRICT)


def scopes_of(values: Sequence[Mapping[str, Json]]) -> tuple[Scope, ...]:
    """Scopes from the elements of the attribute `scopes`."""
    return tuple(
        Scope(
            value["type"],
            frozenset(Operation(item) for item in value.get("operations") or Operation),
            tuple(value.get("readable", ())),
            tuple(value.get("writable", ())),
            value.get("filter", ""),
        )
        for value in values
    )


def _scope_for(scopes: Sequence[Scope], resource_type: ResourceType) -> Scope | None:
    by_type = {scope.type: scope for scope in scopes}
    return by_type.get(resource_type.name) or by_type.get(ANY_TYPE)


def _fence(text: str, resource_type: ResourceType, profile: Profile) -> BoundFilter | None:
    if not text:
        return None
    fence = bind_filter(parse_filter(text), resource_type, profile)
    for path in named_paths(fence):
        if path.extension is None and path.attribute.name in _DERIVED:
            raise InvalidFilterError(f"'{path}' is derived from memberships and cannot fence resources in.")
    return fence


def _selection(names: Sequence[str], resource_type: ResourceType, *, strict: bool) -> Selection | None:
    if not names:
        return None
    for name in names:
        if strict and bind_path(name, resource_type) is None and name.lower() not in resource_type.urn_by_fold:
            raise InvalidValueError(f"There is no attribute '{name}' in {resource_type.name}.")
    return selection_of(names, resource_type)


def _allows(selection: Selection | None, path: BoundPath) -> bool:
    if selection is None or (path.extension is None and path.attribute.name in _ALWAYS):
        return True
    subs = selection.get((path.extension or "", path.attribute.name), NOTHING)
    return subs is None or (path.sub_attribute is not None and path.sub_attribute.name in subs)


def _covers(
    writable: Selection, extension: str, name: str, before: Mapping[str, Json], after: Mapping[str, Json]
) -> bool:
    """Whether the difference of one attribute is within what is writable; lists are written as a whole."""
    subs = writable.get((extension, name), NOTHING)
    if subs is None:
        return True
    old, new = _values(before, extension).get(name) or {}, _values(after, extension).get(name) or {}
    if subs is NOTHING or not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return False
    return all(key in subs for key in {*old, *new} if old.get(key) != new.get(key))


def _differences(
    before: Mapping[str, Json], after: Mapping[str, Json], resource_type: ResourceType
) -> Iterator[tuple[str, str]]:
    """(extension URN or "", attribute name) of everything that differs, `schemas` apart."""
    for extension in ("", *(item.schema.id for item in resource_type.extensions)):
        old, new = _values(before, extension), _values(after, extension)
        for name in sorted({*old, *new} - _ALWAYS):
            if old.get(name) != new.get(name):
                yield extension, name


def _values(resource: Mapping[str, Json], extension: str) -> Mapping[str, Json]:
    if extension:
        return resource.get(extension) or {}
    return {name: value for name, value in resource.items() if ":" not in name}


def _extensions(resource: Mapping[str, Json], resource_type: ResourceType) -> list[str]:
    return [item.schema.id for item in resource_type.extensions if resource.get(item.schema.id)]


UNRESTRICTED: Final = Permissions(())
"""Of a client that may do everything."""
