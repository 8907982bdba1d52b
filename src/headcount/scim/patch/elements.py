"""PATCH on a multi-valued attribute: elements appended, replaced and removed (RFC 7644 §3.5.2)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from headcount.scim.comparison import comparable_value
from headcount.scim.errors import InvalidValueError, MutabilityError, NoTargetError
from headcount.scim.filters.binding import bind_element_filter
from headcount.scim.filters.evaluation import element_matches
from headcount.scim.filters.syntax import And, Comparison, Filter, Operator
from headcount.scim.patch.operations import Op
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.schemas import Attribute, Json, Mutability
from headcount.scim.values import canonical_element, canonical_value, check_primary, is_same_element, without_duplicates

_Read: TypeAlias = Callable[[Attribute, Json, Profile], Json]


@dataclass(slots=True)
class ElementsPatch:
    """One operation's view of a multi-valued attribute."""

    path: BoundPath
    profile: Profile
    before: Sequence[Json]

    def apply(self, op: Op, value_filter: Filter | None, value: Json) -> list[Json]:
        """The elements after the operation."""
        if value_filter is None and self.path.sub_attribute is None:
            return self._whole(op, value)
        matching = self._matching(value_filter)
        if op is Op.REMOVE:
            return self._remove(matching, value)
        if not matching:
            return self._missed(value_filter, value)
        return without_duplicates(self._edit(op, matching, value))

    @property
    def _attribute(self) -> Attribute:
        return self.path.attribute

    def _whole(self, op: Op, value: Json) -> list[Json]:
        if op is Op.ADD:
            return self._append(self._canonical_elements(value))
        if op is Op.REPLACE:
            return canonical_value(self._attribute, value, self.profile) or []
        if value is None:
            return []
        gone = value if isinstance(value, list) else [value]
        return [element for element in self.before if not any(self._is_named(element, item) for item in gone)]

    def _canonical_elements(self, value: Json) -> list[Json]:
        """What an add brings: one element or an array of them (RFC 7644 §3.5.2.1)."""
        elements = [
            element
            for item in (value if isinstance(value, list) else [value])
            if (element := canonical_element(self._attribute, item, self.profile)) is not None
        ]
        if self._has_primary:
            check_primary(self._attribute, elements)
        return elements

    @property
    def _has_primary(self) -> bool:
        return self._attribute.is_complex and "primary" in self._attribute.by_name

    def _append(self, new: list[Json]) -> list[Json]:
        """What is there already stays as it is; what has the same value and type is completed, not doubled."""
        elements = list(self.before)
        changed: list[int] = []
        for element in new:
            if element in elements:
                continue
            place = next((index for index, old in enumerate(elements) if self._is_twin(old, element)), None)
            if place is None:
                changed.append(len(elements))
                elements.append(element)
            elif self._attribute.is_complex and {**elements[place], **element} != elements[place]:
                self._check_immutable(elements[place], {**elements[place], **element})
                changed.append(place)
                elements[place] = {**elements[place], **element}
        return self._with_one_primary(elements, changed)

    def _is_twin(self, old: Json, new: Json) -> bool:
        if is_same_element(self._attribute, old, new):
            return True
        if not self._attribute.is_complex or new.get("value") is None:
            return False
        return bool(old.get("value") == new["value"] and old.get("type") == new.get("type"))

    def _with_one_primary(self, elements: list[Json], changed: Sequence[int]) -> list[Json]:
        """Setting primary on one element unsets it on the others, at once (RFC 7644 §3.5.2)."""
        if not self._has_primary:
            return elements
        set_now = [index for index in changed if elements[index].get("primary") is True]
        if not set_now:
            return elements
        if len(set_now) > 1:
            raise InvalidValueError(f"{self._attribute.name}: only one value can be primary.")
        return [
            {**element, "primary": False} if index != set_now[0] and element.get("primary") is True else element
            for index, element in enumerate(elements)
        ]

    def _matching(self, value_filter: Filter | None) -> list[int]:
        if value_filter is None:
            return list(range(len(self.before)))
        bound = bind_element_filter(value_filter, BoundPath(self.path.extension, self._attribute), self.profile)
        return [index for index, element in enumerate(self.before) if element_matches(bound, element)]

    def _remove(self, matching: Sequence[int], value: Json) -> list[Json]:
        """Nothing that matches is nothing to remove, and a success (RFC 7644 §3.5.2.2)."""
        sub = self.path.sub_attribute
        elements: list[Json] = []
        for index, element in enumerate(self.before):
            if index not in matching or (value is not None and not self._names(element, value)):
                elements.append(element)
            elif sub is not None:
                self._check_sub(sub, element.get(sub.name), None)
                rest = {name: item for name, item in element.items() if name != sub.name}
                if rest:
                    elements.append(rest)
        return without_duplicates(elements)

    def _names(self, element: Json, value: Json) -> bool:
        """Whether the value of a removal is in the element that the path leads to."""
        sub = self.path.sub_attribute
        if sub is not None:
            return is_equal(sub, element.get(sub.name), value, self.profile)
        return any(self._is_named(element, item) for item in (value if isinstance(value, list) else [value]))

    def _is_named(self, element: Json, item: Json) -> bool:
        """Whether a listed value is this element: everything that the list says of it holds."""
        if not self._attribute.is_complex:
            return is_equal(self._attribute, element, item, self.profile, canonical_element)
        if isinstance(item, str):
            item = {"value": item}
        if not isinstance(item, dict):
            return False
        named = [(self._attribute.sub(name), value) for name, value in item.items()]
        facts = [(sub, value) for sub, value in named if sub and not sub.is_read_only and value is not None]
        return bool(facts) and all(is_equal(sub, element.get(sub.name), value, self.profile) for sub, value in facts)

    def _missed(self, value_filter: Filter | None, value: Json) -> list[Json]:
        """Nothing matches: an error, or by toleration an element that the filter describes (Entra ID, E8097)."""
        if value_filter is None:
            seed: dict[str, Json] | None = {}
        else:
            seed = self._seed(value_filter) if self.profile.tolerates(Toleration.CREATE_ON_FILTER_MISS) else None
        if seed is None:
            raise NoTargetError(f"'{self.path}': nothing matches the filter.")
        sub = self.path.sub_attribute
        if value is None or value == []:
            return list(self.before)
        if sub is not None:
            seed[sub.name] = value
        else:
            seed |= self._one_element(value)
        return self._append(self._canonical_elements(seed))

    def _seed(self, value_filter: Filter) -> dict[str, Json] | None:
        """What a plain conjunction of `eq` says of an element; None for any other filter."""
        terms = value_filter.operands if isinstance(value_filter, And) else (value_filter,)
        seed: dict[str, Json] = {}
        for term in terms:
            if not (isinstance(term, Comparison) and term.operator is Operator.EQ and term.value is not None):
                return None
            sub = self._attribute.sub(term.path)
            if sub is None or sub.is_read_only:
                return None
            seed[sub.name] = canonical_value(sub, term.value, self.profile)
        return seed

    def _one_element(self, value: Json) -> dict[str, Json]:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        element = canonical_element(self._attribute, value, self.profile)
        return element if isinstance(element, dict) else {}

    def _edit(self, op: Op, matching: Sequence[int], value: Json) -> list[Json]:
        """Every element that matches: a sub-attribute set, the element replaced, or for add completed."""
        elements = list(self.before)
        sub = self.path.sub_attribute
        for index in matching:
            if sub is not None:
                elements[index] = self._with_sub(op, elements[index], sub, value)
            elif not self._attribute.is_complex:
                elements[index] = canonical_element(self._attribute, value, self.profile)
            else:
                new = self._one_element(value)
                whole = {**elements[index], **new} if op is Op.ADD else new
                self._check_immutable(elements[index], whole)
                elements[index] = whole
        elements = self._with_one_primary(elements, matching)
        return [element for element in elements if element is not None and element != {}]

    def _with_sub(self, op: Op, element: Json, sub: Attribute, value: Json) -> Json:
        changed = canonical_value(sub, value, self.profile, f"{self._attribute.name}.")
        if changed is None and op is Op.ADD:
            return element
        self._check_sub(sub, element.get(sub.name), changed)
        if changed is None:
            return {name: item for name, item in element.items() if name != sub.name}
        return {**element, sub.name: changed}

    def _check_immutable(self, before: Mapping[str, Json], after: Mapping[str, Json]) -> None:
        for sub in self._attribute.sub_attributes:
            if sub.mutability is Mutability.IMMUTABLE:
                self._check_sub(sub, before.get(sub.name), after.get(sub.name))

    def _check_sub(self, sub: Attribute, before: Json, after: Json) -> None:
        where = f"'{self._attribute.name}.{sub.name}'"
        if after is None and before is not None and sub.required:
            raise MutabilityError(f"{where} is required.")
        if sub.mutability is Mutability.IMMUTABLE and before is not None and after != before:
            raise MutabilityError(f"{where} is immutable and has a value.")


def is_equal(
    attribute: Attribute, present: Json, listed: Json, profile: Profile, read: _Read = canonical_value
) -> bool:
    """Whether a value that a removal lists is the one that is there, compared as the attribute is."""
    try:
        canonical = read(attribute, listed, profile)
    except InvalidValueError:
        return False
    if present is None or canonical is None:
        return present is canonical
    return bool(comparable_value(attribute, present) == comparable_value(attribute, canonical))
