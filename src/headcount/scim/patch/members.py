"""PATCH on `members`: a set of additions and removals that never needs the list.

Sub-attributes of a member are immutable (RFC 7643 §4.2): members come and go, they are not edited.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from headcount.scim.errors import InvalidValueError, MutabilityError, NoTargetError
from headcount.scim.filters.binding import bind_element_filter
from headcount.scim.filters.evaluation import element_matches
from headcount.scim.filters.syntax import Comparison, Filter, Operator, Or
from headcount.scim.patch.operations import Op
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.schemas import Json
from headcount.scim.values import canonical_element

_DELETED: Final = "delete"


class MembersNeededError(Exception):
    """The operation depends on who is a member: apply the PATCH again with the members at hand."""


@dataclass(slots=True)
class MembershipDelta:
    """What happens to the members: if `clear` all go, else those in `removed`; then those in `added` come."""

    clear: bool = False
    added: dict[str, None] = field(default_factory=dict)
    removed: dict[str, None] = field(default_factory=dict)

    def add(self, ids: Iterable[str]) -> None:
        """Members come."""
        for member in ids:
            self.removed.pop(member, None)
            self.added[member] = None

    def remove(self, ids: Iterable[str]) -> None:
        """Members go."""
        for member in ids:
            self.added.pop(member, None)
            if not self.clear:
                self.removed[member] = None

    def replace(self, ids: Iterable[str]) -> None:
        """These are the members, and nobody else."""
        self.clear = True
        self.removed.clear()
        self.added = dict.fromkeys(ids)

    def is_member(self, member: str, *, before: bool) -> bool:
        """Whether somebody is a member after what was done so far."""
        return member in self.added or (before and not self.clear and member not in self.removed)


@dataclass(slots=True)
class MembersPatch:
    """The operations on `members` of one PATCH."""

    path: BoundPath
    profile: Profile
    known: Sequence[Mapping[str, Json]] | None
    """All members before the PATCH, when they were asked for."""
    delta: MembershipDelta = field(default_factory=MembershipDelta)

    def apply(self, op: Op, value_filter: Filter | None, sub_attribute: str | None, value: Json) -> None:
        """One operation."""
        if sub_attribute is not None:
            raise MutabilityError(f"'members.{sub_attribute}' is immutable; add and remove members instead.")
        if value_filter is not None:
            self._filtered(op, value_filter, value)
        elif op is Op.ADD:
            self._add(value)
        elif op is Op.REPLACE:
            self.delta.replace(self._ids(value))
        elif value is None:
            self.delta.replace(())
        else:
            self.delta.remove(self._ids(value))

    def _add(self, value: Json) -> None:
        value = self._unwrapped(value)
        elements = value if isinstance(value, list) else [value]
        tolerated = self.profile.tolerates(Toleration.MEMBERS_WITH_OPERATION)
        gone = [item for item in elements if tolerated and _is_deletion(item)]
        self.delta.add(self._ids([item for item in elements if item not in gone] if gone else elements))
        self.delta.remove(self._ids(gone))

    def _filtered(self, op: Op, value_filter: Filter, value: Json) -> None:
        named = _named(value_filter)
        if op is Op.REMOVE and named is not None:
            self.delta.remove(named if value is None else set(named) & set(self._ids(value)))
            return
        matching = list(self._matching(value_filter))
        if op is Op.REMOVE:
            self.delta.remove(matching if value is None else set(matching) & set(self._ids(value)))
            return
        if not matching:
            raise NoTargetError("'members': nobody matches the filter.")
        ids = self._ids(value)
        if op is Op.REPLACE:
            self.delta.remove(matching)
            self.delta.add(ids)
        elif set(ids) - set(matching):
            raise MutabilityError("'members.value' is immutable; add and remove members instead.")

    def _matching(self, value_filter: Filter) -> Iterator[str]:
        if self.known is None:
            raise MembersNeededError
        bound = bind_element_filter(value_filter, self.path, self.profile)
        for member in self.known:
            if self.delta.is_member(member["value"], before=True) and element_matches(bound, member):
                yield member["value"]

    def _ids(self, value: Json) -> list[str]:
        value = self._unwrapped(value)
        if value is None:
            return []
        ids = []
        for item in value if isinstance(value, list) else [value]:
            element = canonical_element(self.path.attribute, item, self.profile)
            if element is not None:
                ids.append(element["value"])
            elif item:
                raise InvalidValueError("members: a member needs a 'value'.")
        return ids

    def _unwrapped(self, value: Json) -> Json:
        if isinstance(value, dict) and list(value) == ["members"] and self.profile.tolerates(Toleration.NESTED_MEMBERS):
            return value["members"]
        return value


def _named(value_filter: Filter) -> list[str] | None:
    """The ids in `value eq "…" or value eq "…"`; None for any other filter."""
    terms = value_filter.operands if isinstance(value_filter, Or) else (value_filter,)
    ids: list[str] = []
    for term in terms:
        if not (
            isinstance(term, Comparison)
            and term.operator is Operator.EQ
            and term.path.lower() == "value"
            and isinstance(term.value, str)
        ):
            return None
        ids.append(term.value)
    return ids


def _is_deletion(item: Json) -> bool:
    return isinstance(item, dict) and str(item.get("operation", "")).lower() == _DELETED
