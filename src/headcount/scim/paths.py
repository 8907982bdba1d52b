"""Attribute paths bound to a resource type (RFC 7644 §3.10).

A path is `[URN:]attribute[.sub-attribute]`. URNs hold dots and colons of their own, so a prefix is found by
comparing with the URNs that the resource type declares, before anything is split.
"""

from dataclasses import dataclass

from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute


@dataclass(frozen=True, slots=True)
class BoundPath:
    """An attribute, or one of its sub-attributes, of a resource type."""

    extension: str | None
    """The URN of the extension that holds the attribute; None for common and base attributes."""
    attribute: Attribute
    sub_attribute: Attribute | None = None

    @property
    def target(self) -> Attribute:
        """The attribute that the whole path names."""
        return self.sub_attribute or self.attribute

    @property
    def of_attribute(self) -> str:
        """The path of the attribute as a whole."""
        return f"{self.extension}:{self.attribute.name}" if self.extension else self.attribute.name

    def covers(self, other: "BoundPath") -> bool:
        """Whether the other path names the same attribute or a part of it."""
        same = self.extension == other.extension and self.attribute == other.attribute
        return same and self.sub_attribute in (None, other.sub_attribute)

    def __str__(self) -> str:
        return f"{self.of_attribute}.{self.sub_attribute.name}" if self.sub_attribute else self.of_attribute


def split_urn(text: str, resource_type: ResourceType) -> tuple[str | None, str]:
    """The declared URN at the front of `text`, if any, and the rest; the rest is empty for a bare URN."""
    if ":" not in text:
        return None, text
    folded = text.lower()
    best = ""
    for urn in resource_type.urn_by_fold:
        if len(urn) > len(best) and folded.startswith(urn) and (len(folded) == len(urn) or folded[len(urn)] == ":"):
            best = urn
    if not best:
        return None, text
    return resource_type.urn_by_fold[best], text[len(best) + 1 :]


def bind_path(text: str, resource_type: ResourceType, *, bare_extension_names: bool = False) -> BoundPath | None:
    """What the path names in the resource type, or None if nothing.

    With `bare_extension_names` an unqualified name that the base schema lacks is looked up in the extensions.
    """
    if ":" in text:
        urn, rest = split_urn(text, resource_type)
        if urn is None:
            return None
    else:
        urn, rest = None, text
    name, dot, sub_name = rest.partition(".")
    if urn is None or urn == resource_type.schema.id:
        attributes = resource_type.attributes
    else:
        attributes = resource_type.extension_by_urn[urn.lower()].schema.by_name
    extension = None if attributes is resource_type.attributes else urn
    attribute = attributes.get(name.lower())
    if attribute is None and urn is None and bare_extension_names:
        for candidate in resource_type.extensions:
            attribute = candidate.schema.by_name.get(name.lower())
            if attribute is not None:
                extension = candidate.schema.id
                break
    if attribute is None:
        return None
    if not dot:
        return BoundPath(extension, attribute)
    sub_attribute = attribute.sub(sub_name)
    return BoundPath(extension, attribute, sub_attribute) if sub_attribute else None
