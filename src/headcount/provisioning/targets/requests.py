"""What is sent for a step: as little as says it, in the form that the target takes. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from headcount.provisioning.plan import ValueChange
from headcount.provisioning.targets.capabilities import (
    SCHEMAS,
    CapabilityProfile,
    MemberCapabilities,
    PatchForm,
    Removal,
    TypeCapabilities,
)
from headcount.provisioning.targets.client import Request, path_of
from headcount.provisioning.targets.paths import (
    ValuePlace,
    element_of,
    member,
    place_of,
    values_at,
    written,
    written_at,
)
from headcount.provisioning.targets.steps import Member, Step
from headcount.scim import urns
from headcount.scim.schemas import Json

Operation = Mapping[str, Json]
_Element = tuple[str, tuple[tuple[str, Json], ...]]
"""The attribute, and what the element has to have."""

_READ_ONLY: Final = ("meta", "groups")
"""What a PUT does not repeat: the target makes it."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One PATCH request, and what it says."""

    operations: tuple[Operation, ...] = ()
    values: tuple[ValueChange, ...] = ()
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()

    @property
    def is_idempotent(self) -> bool:
        """Whether sending it twice is sending it once; an element that is added might be there twice."""
        return all(operation["op"] != "add" or operation.get("path") == "members" for operation in self.operations)

    @property
    def changes_members_only(self) -> bool:
        """Whether it can be taken apart member by member."""
        return not self.values


def missing(resource: Mapping[str, Json], required: Iterable[str]) -> list[str]:
    """The required attributes that have no value."""
    return [path for path in required if values_at(resource, path) in ([], [""])]


def creation(step: Step, profile: CapabilityProfile) -> tuple[Request, tuple[Member, ...]]:
    """The POST that creates, and the members it holds; further ones come afterwards."""
    body = accepted(step.resource, profile.of(step.type))
    extensions = [name for name in body if name.lower().startswith("urn:")]
    body = {**body, "schemas": list(dict.fromkeys([SCHEMAS[step.type], *extensions]))}
    members = step.added[: profile.members.on_create]
    if members:
        body["members"] = [member_value(item, profile.members) for item in members]
    return Request("POST", profile.endpoint(step.type), body=body), members


def patches(step: Step, profile: CapabilityProfile, basis: Mapping[str, Json]) -> list[Patch]:
    """The PATCH requests of a step, the fewest that the target's limits allow.

    `basis` has the whole values of attributes that cannot be changed element by element.
    """
    packing = _Packing(profile.of(step.type).operations, profile.members)
    for change, operation in value_operations(step.values, profile.of(step.type), basis):
        packing.add_value(change, operation)
    for item in step.removed:
        packing.remove_member(item)
    for item in step.added:
        packing.add_member(item)
    return packing.patches()


def patch_request(step: Step, patch: Patch, profile: CapabilityProfile, version: str) -> Request:
    """One PATCH."""
    body = {"schemas": [urns.PATCH_OP], "Operations": list(patch.operations)}
    path = path_of(profile.endpoint(step.type), step.target_id)
    return Request("PATCH", path, body=body, version=version, is_idempotent=patch.is_idempotent)


def replacement(step: Step, current: Mapping[str, Json], profile: CapabilityProfile) -> dict[str, Json] | None:
    """The body of a PUT: what is there with the step's changes; None when the members of the group are not known."""
    body: dict[str, Any] = {name: value for name, value in current.items() if name not in _READ_ONLY}
    caps = profile.of(step.type)
    for change in _supported(step.values, caps):
        body = written_at(body, _place_in(body, change, caps), change.new)
    body = accepted(body, caps)
    extensions = [name for name in body if name.lower().startswith("urn:")]
    body["schemas"] = list(dict.fromkeys([*(current.get("schemas") or [SCHEMAS[step.type]]), *extensions]))
    if step.type == "Group":
        members = _members_after(step, current, profile.members)
        if members is None:
            return None
        body["members"] = members
    return body


def split(patch: Patch, members: MemberCapabilities) -> list[Patch]:
    """A patch of several members as two, to find out which of them is refused; empty when there is one only."""
    everybody = (*patch.removed, *patch.added)
    if len(everybody) < 2:  # noqa: PLR2004  nothing to take apart
        return []
    middle, gone = len(everybody) // 2, len(patch.removed)
    halves = ((0, middle), (middle, len(everybody)))
    return [
        part
        for start, end in halves
        for part in _member_patches(
            patch.removed[start:end], patch.added[max(start - gone, 0) : max(end - gone, 0)], members
        )
    ]


def _member_patches(removed: Sequence[Member], added: Sequence[Member], caps: MemberCapabilities) -> list[Patch]:
    packing = _Packing(caps.operations, caps)
    for item in removed:
        packing.remove_member(item)
    for item in added:
        packing.add_member(item)
    return packing.patches()


def whole_values_needed(step: Step, caps: TypeCapabilities) -> bool:
    """Whether an attribute has to be sent whole of which the step gives one element only."""
    return any(
        place_of(change.path).terms and not values_at(step.resource, place_of(change.path).root)
        for change in step.values
        if not caps.value_paths
    )


def accepted(resource: Mapping[str, Json], caps: TypeCapabilities) -> dict[str, Json]:
    """The resource without what the target does not take."""
    body = {name: _first_elements(value, caps) for name, value in resource.items()}
    for path in caps.unsupported:
        body = _without(body, path)
    return body


def member_value(item: Member, caps: MemberCapabilities) -> dict[str, Json]:
    """An element of `members`."""
    value: dict[str, Json] = {"value": item.id}
    if caps.display and item.display:
        value["display"] = item.display
    if caps.type or item.type == "Group":
        value["type"] = item.type
    if caps.ref:
        value["$ref"] = f"{item.type}s/{item.id}"
    return value


def value_operations(
    values: Sequence[ValueChange], caps: TypeCapabilities, basis: Mapping[str, Json]
) -> Iterator[tuple[tuple[ValueChange, ...], Operation]]:
    """The operations that change values, each with the changes it makes."""
    pathless: dict[str, Json] = {}
    told: list[ValueChange] = []
    elements: dict[_Element, list[ValueChange]] = {}
    supported = list(_supported(values, caps))
    gone = _gone_elements(supported)
    for change in supported:
        place = place_of(change.path)
        if place.terms and (not caps.value_paths or (change.old is None and change.new is not None)):
            elements.setdefault((place.root, place.terms if caps.value_paths else ()), []).append(change)
        elif change.new is None and (place.root, place.terms) in gone:
            gone[place.root, place.terms].append(change)
        elif change.new is None:
            yield (change,), {"op": "remove", "path": change.path}
        elif caps.form is PatchForm.PATHLESS and not place.terms:
            pathless = written(pathless, change.path, _clean(place.root, change, caps))
            told.append(change)
        else:
            yield (change,), {"op": "replace", "path": change.path, "value": _clean(place.root, change, caps)}
    if told:
        yield tuple(told), {"op": "replace", "value": pathless}
    for changes in gone.values():
        if changes:
            yield tuple(changes), {"op": "remove", "path": f"{changes[0].path.rpartition(']')[0]}]"}
    for (root, terms), changes in elements.items():
        yield tuple(changes), _new_element(root, changes) if terms else _whole(root, changes, caps, basis)


def _gone_elements(values: Iterable[ValueChange]) -> dict[_Element, list[ValueChange]]:
    """Elements that lose their `value`: nothing is left of them then, and some servers would keep the rest."""
    places = [place_of(change.path) for change in values if change.new is None]
    return {(place.root, place.terms): [] for place in places if place.terms and place.sub_attribute == "value"}


def _new_element(root: str, changes: Sequence[ValueChange]) -> Operation:
    """One element with all its parts: several operations would make several elements."""
    element: dict[str, Json] = {}
    for change in changes:
        element |= element_of(place_of(change.path), change.new)
    return {"op": "add", "path": root, "value": [element]}


def _whole(root: str, changes: Sequence[ValueChange], caps: TypeCapabilities, basis: Mapping[str, Json]) -> Operation:
    for change in changes:
        basis = written_at(basis, _place_in(basis, change, caps), change.new)
    value = values_at(accepted(basis, caps), root)
    return {"op": "replace", "path": root, "value": value} if value else {"op": "remove", "path": root}


def _place_in(resource: Mapping[str, Json], change: ValueChange, caps: TypeCapabilities) -> ValuePlace:
    """Where a resource has a value: where the target keeps no types, an element is known by the value that it had."""
    place = place_of(change.path)
    unsupported = {path.lower() for path in caps.unsupported}
    terms = tuple(term for term in place.terms if f"{place.root}.{term[0]}".lower() not in unsupported)
    is_plain = terms == place.terms or change.old is None or place.sub_attribute != "value"
    if is_plain or values_at(resource, change.path):
        return place
    return replace(place, terms=(*terms, ("value", change.old)))


def _clean(root: str, change: ValueChange, caps: TypeCapabilities) -> Json:
    """A new value without what the target does not take of it."""
    return change.new if change.path != root else member(accepted({root: change.new}, caps), root)


def _supported(values: Sequence[ValueChange], caps: TypeCapabilities) -> Iterator[ValueChange]:
    unsupported = {path.lower() for path in caps.unsupported}
    unremovable = {path.lower() for path in caps.unremovable}
    for change in values:
        root = place_of(change.path).root.lower()
        if not {root, change.path.lower()} & (unsupported | (unremovable if change.new is None else set())):
            yield change


def _members_after(step: Step, current: Mapping[str, Json], caps: MemberCapabilities) -> list[Json] | None:
    """Who is in the group after the step; None when neither step nor target say."""
    if step.members is not None:
        return [member_value(item, caps) for item in step.members]
    if not caps.returned:
        return None
    gone = {item.id for item in (*step.removed, *step.added)}
    kept = [element for element in current.get("members") or [] if member(element, "value") not in gone]
    return [*kept, *(member_value(item, caps) for item in step.added)]


def _first_elements(value: Json, caps: TypeCapabilities) -> Json:
    """As many elements as an attribute may have, the primary one first."""
    if caps.elements is None or not isinstance(value, list):
        return value
    ordered = sorted(value, key=lambda element: member(element, "primary") is not True)
    return ordered[: caps.elements]


def _without(body: Mapping[str, Json], path: str) -> dict[str, Json]:
    place = place_of(path)
    value = member(body, place.attribute)
    if not place.sub_attribute or place.urn or not isinstance(value, list):
        return written(body, path, None)
    stripped = [
        {name: item for name, item in element.items() if name != place.sub_attribute}
        if isinstance(element, Mapping)
        else element
        for element in value
    ]
    return written(body, place.attribute, stripped)


@dataclass(slots=True)
class _Packing:
    """Operations put into as few requests as the limits allow."""

    limit: int
    """Operations in a request."""
    caps: MemberCapabilities
    done: list[Patch] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    values: list[ValueChange] = field(default_factory=list)
    added: list[Member] = field(default_factory=list)
    removed: list[Member] = field(default_factory=list)
    on_members: int = 0
    """Operations on members in the request that is being put together."""

    def add_value(self, changes: tuple[ValueChange, ...], operation: Operation) -> None:
        """A change of values."""
        if len(self.operations) >= self.limit:
            self._close()
        self.operations.append(operation)
        self.values += changes

    def add_member(self, item: Member) -> None:
        """A member who comes."""
        self._make_room(is_new_operation=not self.added)
        self.added.append(item)

    def remove_member(self, item: Member) -> None:
        """A member who goes."""
        self._make_room(is_new_operation=self.caps.removal is Removal.FILTER or not self.removed)
        self.removed.append(item)

    def patches(self) -> list[Patch]:
        """All requests."""
        self._close()
        return self.done

    def _make_room(self, *, is_new_operation: bool) -> None:
        operations = len(self.operations) + self.on_members
        has_room = operations < self.limit and self.on_members < self.caps.operations
        if len(self.added) + len(self.removed) >= self.caps.batch or (is_new_operation and not has_room):
            self._close()
            is_new_operation = True
        self.on_members += is_new_operation

    def _close(self) -> None:
        operations = (*self.operations, *_member_operations(self.removed, self.added, self.caps))
        if operations:
            self.done.append(Patch(operations, tuple(self.values), tuple(self.added), tuple(self.removed)))
        self.operations, self.values, self.added, self.removed, self.on_members = [], [], [], [], 0


def _member_operations(
    removed: Sequence[Member], added: Sequence[Member], caps: MemberCapabilities
) -> Iterator[Operation]:
    if removed and caps.removal is Removal.VALUE:
        yield {"op": "remove", "path": "members", "value": [{"value": item.id} for item in removed]}
    elif removed:
        for item in removed:
            yield {"op": "remove", "path": f"members[value eq {json.dumps(item.id)}]"}
    if added:
        yield {"op": "add", "path": "members", "value": [member_value(item, caps) for item in added]}
