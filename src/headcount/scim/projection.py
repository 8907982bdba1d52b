"""Which attributes a response holds: `attributes` and `excludedAttributes` (RFC 7644 §3.9, RFC 7643 §7)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from headcount.scim.errors import InvalidValueError
from headcount.scim.paths import bind_path, split_urn
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json, Returned
from headcount.scim.urns import ENTERPRISE_USER

Selection: TypeAlias = Mapping[tuple[str, str], frozenset[str] | None]
"""(extension URN or "", attribute name) → names of sub-attributes, None for the whole attribute."""

Rules: TypeAlias = Mapping[str, "Rules | None"]
"""Which members of an object show: None as they are, objects and arrays of objects by rules of their own."""

NOTHING: Final = frozenset[str]()
"""No sub-attribute: the attribute is left out."""
_ALWAYS: Final = Returned.ALWAYS
_REQUEST: Final = Returned.REQUEST
_ALWAYS_READABLE: Final = frozenset({"schemas", "id", "meta"})
_HIDDEN: Final[Rules] = {}


@dataclass(frozen=True, slots=True)
class Cut:
    """What a client may see of the resources of one type, prepared once for all of them."""

    rules: Rules
    schemas: frozenset[str] | None
    """What `schemas` may name; None for anything."""
    is_of_derived: bool
    """Whether everything that is stored shows, and only some of what is derived does not."""
    groups: Rules | None
    """What shows of the elements of `groups`."""
    manager: Rules | None
    """What shows of `manager`; never its derived parts without what is stored."""

    def apply(self, resource: Mapping[str, Json]) -> dict[str, Json]:
        """The part of a resource that shows, in the same order."""
        shown = cut_object(resource, self.rules)
        if self.schemas is not None:
            shown["schemas"] = [urn for urn in shown["schemas"] if urn in self.schemas]
        return shown


def cut_object(values: Mapping[str, Json], rules: Rules) -> dict[str, Json]:
    """The members that show, and of arrays the elements of which something does."""
    shown: dict[str, Json] = {}
    for name, value in values.items():
        below = rules.get(name, _HIDDEN)
        if below is None:
            shown[name] = value
        elif below and (part := cut_list(value, below) if type(value) is list else cut_object(value, below)):
            shown[name] = part
    return shown


def cut_list(elements: Iterable[Mapping[str, Json]], rules: Rules) -> list[dict[str, Json]]:
    """The elements of which something shows."""
    return [part for element in elements if (part := cut_object(element, rules))]


def cut_of(resource_type: ResourceType, readable: Selection) -> Cut | None:
    """The cut for a client; None where more than what the client may see decides what a response holds."""
    rules: dict[str, Rules | None] = {}
    for (urn, name), subs in readable.items():
        into = cast("dict[str, Rules | None]", rules.setdefault(urn, {})) if urn else rules
        into[name] = None if subs is None else dict.fromkeys(subs)
    rules |= dict.fromkeys(_ALWAYS_READABLE)
    manager = (rules.get(ENTERPRISE_USER) or {}).get("manager", _HIDDEN)
    if not resource_type.is_verbatim or (manager and "value" not in manager):
        return None
    shown = frozenset({resource_type.schema.id, *(urn for urn, _ in readable)})
    schemas = None if shown.issuperset(resource_type.urn_by_fold.values()) else shown
    return Cut(rules, schemas, _shows_stored(resource_type, readable), rules.get("groups", _HIDDEN), manager)


def _shows_stored(resource_type: ResourceType, readable: Selection) -> bool:
    """Whether everything that documents hold shows."""
    derived = {"groups"} if resource_type.derives_groups else {"members"} if resource_type.keeps_members else set()
    parts = [("", resource_type.attributes.values())]
    parts += [(extension.schema.id, extension.schema.by_name.values()) for extension in resource_type.extensions]
    for urn, attributes in parts:
        for attribute in attributes:
            subs = readable.get((urn, attribute.name), NOTHING)
            is_manager = urn == ENTERPRISE_USER and attribute.name == "manager"  # of which the value alone is stored
            is_stored = not attribute.is_secret and attribute.name not in _ALWAYS_READABLE | (set() if urn else derived)
            if is_stored and subs is not None and not (is_manager and "value" in subs):
                return False
    return True


@dataclass(frozen=True, slots=True)
class Projection:
    """What a response to one request holds of resources of one type."""

    resource_type: ResourceType
    included: Selection | None = None
    """With `attributes`: what is named, besides what is always returned."""
    excluded: Selection = field(default_factory=dict)
    """With `excludedAttributes`: what is left out."""
    echoed: frozenset[tuple[str, str]] = frozenset()
    """Attributes returned on request that the request itself wrote (RFC 7643 §7)."""
    readable: Selection | None = None
    """What the client may see, besides `schemas`, `id` and `meta`; None for everything."""
    cut: Cut | None = None
    """The same prepared, for requests that have no wishes of their own."""

    @property
    def asks_nothing(self) -> bool:
        """Whether the request has no wishes of its own."""
        return self.included is None and not self.excluded and not self.echoed

    @property
    def is_default(self) -> bool:
        """Whether nothing was asked for and nothing is forbidden."""
        return self.readable is None and self.asks_nothing

    @property
    def is_verbatim(self) -> bool:
        """Whether a stored document is returned as it is."""
        return self.resource_type.is_verbatim and self.is_default

    def wants(self, name: str) -> bool:
        """Whether a common or base attribute is part of the response."""
        attribute = self.resource_type.attributes.get(name)
        return attribute is not None and self._whole(attribute, "") is not NOTHING and self._shows("", name)

    def narrows(self, name: str) -> bool:
        """Whether only some sub-attributes of a base attribute are part of the response."""
        key = ("", name)
        return bool((self.included or {}).get(key) or self.excluded.get(key) or (self.readable or {}).get(key))

    def apply(self, resource: Mapping[str, Json]) -> dict[str, Json]:
        """The part of a canonical resource that is returned, in the same order: nothing that no schema has."""
        if self.cut is not None and self.asks_nothing:
            return self.cut.apply(resource)
        shown: dict[str, Json] = {}
        attributes = self.resource_type.attributes
        for name, value in resource.items():
            attribute = attributes.get(name)
            part = self._extension(name, value) if attribute is None else self._part(attribute, value, "")
            if name == "schemas" and self.readable is not None:
                part = [urn for urn in value if self._shows_some_of(urn, self.readable)]
            if part is not None:
                shown[name] = part
        return shown

    def _extension(self, urn: str, values: Mapping[str, Json]) -> Json:
        extension = self.resource_type.extension_by_urn.get(urn.lower())
        known = extension.schema.by_name if extension is not None else {}
        shown = {}
        for name, value in values.items():
            part = self._part(known[name], value, urn) if name in known else None
            if part is not None:
                shown[name] = part
        return shown or None

    def _part(self, attribute: Attribute, value: Json, urn: str) -> Json:
        subs = self._whole(attribute, urn)
        if subs is NOTHING or not self._shows(urn, attribute.name):
            return None
        if not attribute.is_complex:
            return value
        if isinstance(value, list):
            parts = [part for part in (self._complex(attribute, element, subs, urn) for element in value) if part]
            return parts or None
        return self._complex(attribute, value, subs, urn) or None

    def _shows(self, urn: str, name: str) -> bool:
        """Whether the client may see an attribute, or some of it."""
        return self.readable is None or (not urn and name in _ALWAYS_READABLE) or (urn, name) in self.readable

    def _shows_some_of(self, urn: str, readable: Selection) -> bool:
        return urn == self.resource_type.schema.id or any(extension == urn for extension, _ in readable)

    def _whole(self, attribute: Attribute, urn: str) -> frozenset[str] | None:
        """The sub-attributes that are named, None for all by default, `NOTHING` when the attribute is left out."""
        if attribute.is_secret:
            return NOTHING
        if attribute.returned is _ALWAYS:
            return None
        key = (urn, attribute.name)
        if self.included is not None:
            named = self.included.get(key, NOTHING)
            if named is NOTHING and any(sub.returned is _ALWAYS for sub in attribute.sub_attributes):
                return _ALWAYS_ONLY
            return named
        if key in self.excluded and self.excluded[key] is None:
            return NOTHING
        if attribute.returned is _REQUEST and key not in self.echoed:
            return NOTHING
        return None

    def _complex(
        self, attribute: Attribute, value: Mapping[str, Json], named: frozenset[str] | None, urn: str
    ) -> dict[str, Json]:
        left_out = self.excluded.get((urn, attribute.name)) or NOTHING
        echoed = (urn, attribute.name) in self.echoed
        readable = None
        if self.readable is not None and (urn or attribute.name not in _ALWAYS_READABLE):
            readable = self.readable.get((urn, attribute.name))
        shown = {}
        for name, item in value.items():
            sub = attribute.by_name.get(name)
            if sub is None or sub.is_secret or (readable is not None and name not in readable):
                continue
            by_default = sub.returned is not _REQUEST or echoed
            wanted = (by_default and name not in left_out) if named is None else name in named
            if wanted or sub.returned is _ALWAYS:
                shown[name] = item
        return shown


_ALWAYS_ONLY: Final = frozenset({""})
"""No sub-attribute has this name: what is left are those that are always returned."""


def read_projection(
    attributes: Sequence[str] | None,
    excluded: Sequence[str] | None,
    resource_type: ResourceType,
    *,
    bare_extension_names: bool = False,
) -> Projection:
    """The projection that a request asks for. Unknown names are ignored, empty lists count as absent.

    Raises InvalidValueError when both are given: they are mutually exclusive (RFC 7644 §3.9).
    """
    if attributes and excluded:
        raise InvalidValueError("'attributes' and 'excludedAttributes' are mutually exclusive.")
    if attributes:
        return Projection(resource_type, included=selection_of(attributes, resource_type, bare=bare_extension_names))
    if excluded:
        return Projection(resource_type, excluded=selection_of(excluded, resource_type, bare=bare_extension_names))
    return Projection(resource_type)


def echo_of(body: Iterable[str], resource_type: ResourceType) -> frozenset[tuple[str, str]]:
    """The attributes returned on request among the paths or keys that a write named."""
    if resource_type.is_verbatim:
        return frozenset()
    selection = selection_of(body, resource_type, bare=True)
    names = set(selection)
    return frozenset(names)


def selection_of(names: Iterable[str], resource_type: ResourceType, *, bare: bool = False) -> Selection:
    """What a list of attribute names selects; unknown ones select nothing, a URN its whole schema."""
    selection: dict[tuple[str, str], frozenset[str] | None] = {}
    for name in names:
        urn, rest = split_urn(name.strip(), resource_type)
        if urn is not None and not rest:
            selection.update(dict.fromkeys(_all_of(urn, resource_type)))
            continue
        path = bind_path(name.strip(), resource_type, bare_extension_names=bare)
        if path is None:
            continue
        key = (path.extension or "", path.attribute.name)
        if path.sub_attribute is None:
            selection[key] = None
        elif key not in selection or selection[key] is not None:
            selection[key] = (selection.get(key) or NOTHING) | {path.sub_attribute.name}
    return selection


def _all_of(urn: str, resource_type: ResourceType) -> list[tuple[str, str]]:
    """A bare URN names the whole extension, or all base attributes."""
    extension = resource_type.extension_by_urn.get(urn.lower())
    if extension is None:
        return [("", attribute.name) for attribute in resource_type.schema.attributes]
    return [(urn, attribute.name) for attribute in extension.schema.attributes]
