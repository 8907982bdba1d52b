"""What a client may do: one decision for every entrance, by operation, attribute and resource.

A scope is written as text; bound to a resource type it becomes a permission, and every entrance (single resources,
searches, bulk, PATCH, uniqueness errors, the change log) asks the permission and nothing else. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from itertools import zip_longest
from typing import Final

from headcount.scim.errors import InvalidFilterError, InvalidValueError
from headcount.scim.filters.binding import BoundConstant, BoundFilter, bind_filter, named_paths
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.filters.named_members import named_members
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.profiles import STRICT, Profile
from headcount.scim.projection import NOTHING, Projection, Selection, cut_of, selection_of
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.validation import arrange

ANY_TYPE: Final = "*"
"""Stands for every resource type that no other scope names."""
_ALWAYS: Final = frozenset({"schemas", "id", "meta"})
"""What every client reads of a resource that it may read or write at all."""
_DERIVED: Final = frozenset({"groups", "members", "meta"})
"""Known from elsewhere than the document: nothing to fence by."""
_NO_VALUES: Final[Mapping[str, Json]] = {}


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
    is_of_any: bool = False
    """Whether it is what a scope for any type says of this one: what the type lacks is then no mistake."""


@dataclass(frozen=True)
class Permission:
    """What is allowed for one resource type."""

    resource_type: ResourceType
    operations: frozenset[Operation] = frozenset(Operation)
    readable: Selection | None = None
    writable: Selection | None = None
    fence: BoundFilter | None = None
    unsearchable: frozenset[str] = frozenset()
    """Attributes that show, and must not be searched by: they would tell of what does not. Of `members`, some do not
    show; those that a filter names can be answered for."""

    @property
    def shown(self) -> Selection | None:
        """What responses hold besides `schemas`, `id` and `meta`; None for everything."""
        return self.readable if self.may(Operation.READ) else {}

    @cached_property
    def projection(self) -> Projection:
        """The same as a response to a request that asks for nothing in particular."""
        shown = self.shown
        return Projection(
            self.resource_type, readable=shown, cut=None if shown is None else cut_of(self.resource_type, shown)
        )

    def may(self, operation: Operation) -> bool:
        """Whether the operation is allowed on some resources at least."""
        return operation in self.operations

    def may_read(self, path: BoundPath) -> bool:
        """Whether the value of a path may be seen."""
        return self.may(Operation.READ) and _allows(self.readable, path)

    def may_search(self, path: BoundPath) -> bool:
        """Whether a filter or a sort order may depend on the value of a path."""
        return self.may_read(path) and path.attribute.name not in self.unsearchable

    def asked_members(self, found: BoundFilter | None) -> frozenset[str]:
        """The members that a filter names, where it may ask for none but those who are visible."""
        named = named_members(found) if found is not None and "members" in self.unsearchable else None
        return named or frozenset()

    def unsearchable_path(self, found: BoundFilter | None, sort: BoundPath | None) -> BoundPath | None:
        """The first path that a search must not depend on, or None."""
        answerable = {"members"} if self.asked_members(found) else frozenset()
        for path in named_paths(found) if found is not None else ():
            if not self.may_read(path) or path.attribute.name in self.unsearchable - answerable:
                return path
        return next((path for path in _sorted_by(sort) if not self.may_search(path)), None)

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
            old, new = _values(before, extension).get(name), _values(after, extension).get(name)
            if not _covers(self.writable.get((extension, name), NOTHING), old, new):
                return _spelled(extension, name)
        return None

    def may_send(self, after: Mapping[str, Json]) -> str | None:
        """The first attribute that may be neither written nor read, or None: to accept it would tell its value."""
        if self.writable is None:
            return None
        readable = self.readable if self.may(Operation.READ) else {}
        for extension, name in _differences({}, after, self.resource_type):
            key = (extension, name)
            known = None if readable is None else readable.get(key, NOTHING)
            either = _either(known, self.writable.get(key, NOTHING))
            if not _covers(either, None, _values(after, extension)[name]):
                return _spelled(extension, name)
        return None

    def kept(self, before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
        """A replacement with what the client may not write, and has left out or not seen, as it was before."""
        if self.writable is None:
            return dict(after)
        kept = dict(after)
        for extension, name in _differences(before, after, self.resource_type):
            writable = self.writable.get((extension, name), NOTHING)
            old, new = _values(before, extension).get(name), _values(after, extension).get(name)
            if writable is None or old is None:
                continue
            value = self._completed((extension, name), old, new, writable)
            if extension:
                kept[extension] = {**kept.get(extension, {}), name: value}
            else:
                kept[name] = value
        return arrange(kept, self.resource_type)

    def _completed(self, key: tuple[str, str], old: Json, new: Json, writable: frozenset[str]) -> Json:
        """A value in a replacement, with what the client could not know or give."""
        if isinstance(old, Mapping) and isinstance(new, Mapping | None):
            unsaid = {name: item for name, item in old.items() if name not in writable and name not in (new or {})}
            return {**unsaid, **(new or {})}
        shown = NOTHING if self.shown is not None and key not in self.shown else (self.shown or {}).get(key)
        return old if new is None or new == _narrowed(old, shown) else new


@dataclass(frozen=True)
class Permissions:
    """What a client may do in one tenant: everything without scopes, else nothing that no scope speaks of."""

    scopes: tuple[Scope, ...]
    registry: Registry | None = None
    """What the scopes speak of."""
    profile: Profile = STRICT
    shows_external_ids: bool = True
    """Whether `externalId` may be seen at all: not where it could be the one of another connection."""
    _by_type: dict[str, Permission] = field(default_factory=dict, repr=False, compare=False)

    def of(self, resource_type: ResourceType) -> Permission:
        """The permission for a resource type; raises InvalidValueError when its scope does not fit the type."""
        if not self.is_restricted:
            return Permission(resource_type)
        permission = self._by_type.get(resource_type.name)
        if permission is None:
            permission = self._bound(resource_type)
            self._by_type[resource_type.name] = permission
        return permission

    @cached_property
    def is_restricted(self) -> bool:
        """Whether anything at all is forbidden."""
        return bool(self.scopes) or not self.shows_external_ids

    @cached_property
    def without_external_ids(self) -> "Permissions":
        """The same, and no externalId to be seen."""
        return Permissions(self.scopes, self.registry, self.profile, shows_external_ids=False)

    @cached_property
    def key(self) -> str:
        """Equal for equal scopes, in every process: cursors of one must not serve the other."""
        parts = [(scope, sorted(scope.operations)) for scope in self.scopes]
        texts = [(s.type, *operations, s.readable, s.writable, s.filter) for s, operations in parts]
        return repr(texts) if texts else ""

    def _bound(self, resource_type: ResourceType) -> Permission:
        permission = self._alone(resource_type)
        kinds = self.registry.resource_types if self.registry else ()
        people = [self._alone(kind) for kind in kinds if kind.derives_groups]
        groups = [self._alone(kind) for kind in kinds if kind.keeps_members]
        if resource_type.derives_groups:
            permission = _without_hidden_groups(permission, groups)
        if resource_type.keeps_members:
            permission = _without_hidden_members(permission, [*people, *groups])
        if not self.shows_external_ids:
            permission = _without_external_ids(permission)
        return _without_hidden_schemas(permission)

    def _alone(self, resource_type: ResourceType) -> Permission:
        """The permission for a resource type, derived values of others apart."""
        scope = scope_for(self.scopes, resource_type)
        if scope is None:
            return Permission(resource_type, frozenset() if self.scopes else frozenset(Operation))
        return bind_scope(scope, resource_type, self.profile)


def _without_hidden_groups(permission: Permission, groups: Sequence[Permission]) -> Permission:
    """`User.groups` names groups, and `manager` people: neither tells what may not be read there."""
    if any(not other.may(Operation.READ) or other.fence is not None for other in groups):
        permission = _narrow(permission, ("", "groups"), NOTHING)
    elif not all(map(_shows_names, groups)):
        permission = _narrow(permission, ("", "groups"), frozenset({"value", "$ref", "type"}))
    if permission.fence is not None:
        return _narrow(permission, (ENTERPRISE_USER, "manager"), frozenset({"value"}))
    if not _shows_names(permission):
        return _narrow(permission, (ENTERPRISE_USER, "manager"), frozenset({"value", "$ref"}))
    return permission


def _without_hidden_members(permission: Permission, members: Sequence[Permission]) -> Permission:
    """Members are known by their ids; what they are called is said only to those who may read it."""
    if not all(map(_shows_names, members)):
        permission = _narrow(permission, ("", "members"), frozenset({"value", "$ref", "type"}))
    if any(other.fence is not None for other in members):
        permission = replace(permission, unsearchable=permission.unsearchable | {"members"})
    return permission


def _without_external_ids(permission: Permission) -> Permission:
    """Nothing tells of externalIds, and a fence made of them, which cannot be read then, closes everything."""
    permission = _narrow(permission, ("", "externalId"), NOTHING)
    paths = named_paths(permission.fence) if permission.fence is not None else ()
    if any(path.extension is None and path.attribute.name == "externalId" for path in paths):
        return replace(permission, fence=BoundConstant(value=False))
    return permission


def _without_hidden_schemas(permission: Permission) -> Permission:
    """`schemas` tells which extensions have values: not to be searched by where some of them do not show."""
    shown = {urn for urn, _ in _everything(permission)}
    if all(item.schema.id in shown for item in permission.resource_type.extensions):
        return permission
    return replace(permission, unsearchable=permission.unsearchable | {"schemas"})


def _narrow(permission: Permission, key: tuple[str, str], subs: frozenset[str]) -> Permission:
    """The permission with no more than some sub-attributes of an attribute to read."""
    readable = dict(_everything(permission))
    if key not in readable:
        return permission
    before = readable.pop(key)
    left = subs if before is None else subs & before
    return replace(permission, readable=readable | ({key: left} if left else {}))


def _shows_names(permission: Permission) -> bool:
    """Whether everything that a resource of the type may be called by can be read."""
    names = [("", name) for name in ("displayName", "name") if name in permission.resource_type.attributes]
    readable = permission.readable
    return permission.may(Operation.READ) and (readable is None or all(name in readable for name in names))


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
    strict = scope.type != ANY_TYPE and not scope.is_of_any
    try:
        fence = _fence(scope.filter, resource_type, profile)
    except InvalidFilterError as error:
        if strict:
            raise InvalidValueError(f"The filter of the scope for {scope.type}: {error.detail}") from error
        return Permission(resource_type, frozenset(), fence=BoundConstant(value=False))
    return Permission(
        resource_type,
        scope.operations,
        _selection(scope.readable, resource_type, strict=strict),
        _selection(scope.writable, resource_type, strict=strict),
        fence,
    )


def with_secrets(resource: Mapping[str, Json], private: Mapping[str, Json]) -> dict[str, Json]:
    """A resource with its attributes that are never returned, which are kept by qualified path."""
    whole = dict(resource)
    for path, value in private.items():
        extension, _, name = path.rpartition(":")
        if extension:
            whole[extension] = {**whole.get(extension, {}), name: value}
        else:
            whole[name] = value
    return whole


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


def paths_of(selection: Selection) -> list[str]:
    """What a selection holds, as attribute paths."""
    return [
        f"{extension}:{name}{suffix}" if extension else f"{name}{suffix}"
        for (extension, name), subs in selection.items()
        for suffix in ([""] if subs is None else sorted(f".{sub}" for sub in subs))
    ]


def scope_for(scopes: Sequence[Scope], resource_type: ResourceType) -> Scope | None:
    """The scope that speaks of a resource type: its own before the one for any."""
    by_type = {scope.type: scope for scope in scopes}
    return by_type.get(resource_type.name) or by_type.get(ANY_TYPE)


def _fence(text: str, resource_type: ResourceType, profile: Profile) -> BoundFilter | None:
    if not text:
        return None
    fence = bind_filter(parse_filter(text), resource_type, profile)
    for path in named_paths(fence):
        sub = path.sub_attribute
        derived = sub is not None and (sub.is_read_only or sub.name == "$ref")
        if derived or (path.extension is None and path.attribute.name in _DERIVED):
            raise InvalidFilterError(f"'{path}' is derived and cannot fence resources in.")
    return fence


def _selection(names: Sequence[str], resource_type: ResourceType, *, strict: bool) -> Selection | None:
    if not names:
        return None
    for name in names:
        if strict and bind_path(name, resource_type) is None and name.lower() not in resource_type.urn_by_fold:
            raise InvalidValueError(f"There is no attribute '{name}' in {resource_type.name}.")
    return selection_of(names, resource_type)


def _sorted_by(sort: BoundPath | None) -> Iterator[BoundPath]:
    """What an order depends on: of several elements it takes the primary one."""
    if sort is not None:
        yield sort
        primary = sort.attribute.sub("primary") if sort.attribute.multi_valued else None
        if primary is not None:
            yield BoundPath(sort.extension, sort.attribute, primary)


def _allows(selection: Selection | None, path: BoundPath) -> bool:
    if selection is None or (path.extension is None and path.attribute.name in _ALWAYS):
        return True
    subs = selection.get((path.extension or "", path.attribute.name), NOTHING)
    return subs is None or (path.sub_attribute is not None and path.sub_attribute.name in subs)


def _covers(allowed: frozenset[str] | None, old: Json, new: Json) -> bool:
    """Whether the difference between two values of an attribute is within some sub-attributes; None is all of it."""
    if allowed is None or not allowed:
        return allowed is None
    before, after = _elements(old), _elements(new)
    return all(
        key in allowed
        for one, other in zip_longest(before, after, fillvalue=_NO_VALUES)
        for key in {*one, *other}
        if one.get(key) != other.get(key)
    )


def _elements(value: Json) -> list[Mapping[str, Json]]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return None if one is None or other is None else one | other


def _narrowed(value: Json, subs: frozenset[str] | None) -> Json:
    """The sub-attributes of a value that show."""
    if subs is None:
        return value
    if isinstance(value, list):
        return [_narrowed(element, subs) for element in value]
    return {name: item for name, item in value.items() if name in subs} if isinstance(value, Mapping) else None


def _spelled(extension: str, name: str) -> str:
    return f"{extension}:{name}" if extension else name


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


UNRESTRICTED: Final = Permissions(())
"""Of a client that may do everything."""
