"""The comparable form of values: what both sides of every comparison look like.

Strings are folded unless the attribute is case-exact, instants are UTC text of fixed width. A compare document
is a resource in that form; it is stored beside the wire document and is all that searches read.
"""

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
    """The canonical resource with comparable values, in the same shape; secrets are left out."""
    document: dict[str, Json] = {}
    attributes = resource_type.attributes
    for name, value in resource.items():
        attribute = attributes.get(name)
        if attribute is not None:
            if not attribute.is_secret:
                document[name] = _comparable(attribute, value)
        else:
            extension = resource_type.extension_by_urn[name.lower()].schema.by_name
            document[name] = {
                key: _comparable(extension[key], item) for key, item in value.items() if not extension[key].is_secret
            }
    return document


def _comparable(attribute: Attribute, value: Json) -> Json:
    if attribute.is_complex:
        if isinstance(value, list):
            return [_comparable_complex(attribute, element) for element in value]
        return _comparable_complex(attribute, value)
    if isinstance(value, list):
        return [comparable(attribute, element) for element in value]
    return comparable(attribute, value)


def _comparable_complex(attribute: Attribute, value: dict[str, Json]) -> dict[str, Json]:
    subs = attribute.by_name
    document = {}
    for name, item in value.items():
        sub = subs[name]
        if not sub.is_secret:
            if type(item) is str and sub.is_text:
                document[name] = item if sub.case_exact else fold(item)
            else:
                document[name] = _comparable(sub, item)
    return document
