"""The comparable form of values: what both sides of every comparison look like.

Strings are folded unless the attribute is case-exact, instants are UTC text of fixed width. A compare document
is a resource in that form; it is stored beside the wire document and is all that searches read.
"""

from collections.abc import Mapping

from headcount.scim.folding import fold, instant
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Attribute, Json, Type


def comparable(attribute: Attribute, value: Json) -> Json:
    """One simple value in comparable form; raises ValueError for text that is no dateTime."""
    if attribute.type is Type.STRING:
        return value if attribute.case_exact else fold(value)
    if attribute.type is Type.DATE_TIME:
        return instant(value)
    return value


def compare_document(resource: dict[str, Json], resource_type: ResourceType) -> dict[str, Json]:
    """The canonical resource with comparable values, in the same shape; secrets are left out.

    So is what was written while its attribute was taken from the schema: nobody can search by it any more.
    """
    document = _comparable_members(resource_type.attributes, resource)
    for name, value in resource.items():
        if ":" in name:
            extension = resource_type.extension_by_urn.get(name.lower())
            if extension is not None:
                document[name] = _comparable_members(extension.schema.by_name, value)
    return document


def comparable_value(attribute: Attribute, value: Json) -> Json:
    """A whole value in comparable form: a list, an object or a simple value."""
    if isinstance(value, list):
        if attribute.is_complex:
            members = attribute.by_name
            return [_comparable_members(members, element) for element in value]
        return [comparable(attribute, element) for element in value]
    if attribute.is_complex:
        return _comparable_members(attribute.by_name, value)
    return comparable(attribute, value)


def _comparable_members(attributes: Mapping[str, Attribute], value: Mapping[str, Json]) -> dict[str, Json]:
    document = {}
    for name, item in value.items():
        attribute = attributes.get(name)
        if attribute is None:
            continue
        if attribute.is_folded:  # most are
            document[name] = item.lower() if item.isascii() else fold(item)  # fold, without a call for most
        elif attribute.is_exact:
            document[name] = item
        elif not attribute.is_secret:
            document[name] = comparable_value(attribute, item)
    return document
