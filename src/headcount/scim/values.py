"""Values checked against their attribute and brought into canonical form (RFC 7643 §2.3 to §2.5)."""

import re
from math import isfinite
from typing import Final

from headcount.scim.errors import InvalidSyntaxError, InvalidValueError
from headcount.scim.folding import instant
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.schemas import Attribute, Json, Type

_NO_URI: Final = re.compile(r"[\x00-\x20\x7f<>]")
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?")
"""Base64, in which the padding may be left out (RFC 7643 §2.3.6)."""
_BOOLEAN: Final = Type.BOOLEAN  # a look-up on an enum class costs as much as the comparison
_FEW: Final = 16
_STRING_BOOLEANS: Final = {"true": True, "false": False}


def canonical_value(attribute: Attribute, value: Json, profile: Profile, where: str = "") -> Json:
    """The whole value of an attribute, the list when it is multi-valued; None when unassigned.

    Null, `[]` and objects without a value mean unassigned (RFC 7643 §2.5). Read-only sub-attributes and those the
    schema does not have are dropped. Raises InvalidValueError naming the attribute; `where` is the path in front
    of its name.
    """
    if value is None:
        return None
    if attribute.multi_valued:
        return _canonical_list(attribute, value, profile, where)
    if isinstance(value, list):
        if not value:
            return None
        if len(value) > 1 or not profile.tolerates(Toleration.OBJECT_FOR_LIST):
            raise _mismatch(attribute, where, "a single value, not an array")
        value = value[0]
    return canonical_element(attribute, value, profile, where)


def canonical_element(attribute: Attribute, value: Json, profile: Profile, where: str = "") -> Json:
    """One element of a multi-valued attribute, or the value of a singular one; None when unassigned."""
    if attribute.is_complex:
        return _canonical_complex(attribute, value, profile, where)
    if value is None:
        return None
    return _SIMPLE[attribute.type](attribute, value, profile, where)


def is_same_element(attribute: Attribute, one: Json, other: Json) -> bool:
    """Whether two elements are the same: references to resources by `value`, others by everything assigned."""
    if attribute.is_reference_to_resource:
        return bool(one.get("value") == other.get("value"))
    return bool(one == other)


def check_primary(attribute: Attribute, elements: list[Json], where: str = "") -> None:
    """Raises InvalidValueError when more than one element is primary (RFC 7643 §2.4)."""
    if sum(1 for element in elements if element.get("primary") is True) > 1:
        raise InvalidValueError(f"{where}{attribute.name}: only one value can be primary.")


def _canonical_list(attribute: Attribute, value: Json, profile: Profile, where: str) -> Json:
    if not isinstance(value, list):
        if not profile.tolerates(Toleration.OBJECT_FOR_LIST):
            raise _mismatch(attribute, where, "an array")
        value = [value]
    elements: list[Json] = []
    for item in value:
        element = canonical_element(attribute, item, profile, where)
        if element is not None:
            elements.append(element)
    if len(elements) > 1:
        elements = without_duplicates(elements)
        if "primary" in attribute.by_name:
            check_primary(attribute, elements, where)
    return elements or None


def without_duplicates(elements: list[Json]) -> list[Json]:
    """Exact duplicates collapsed (RFC 7643 §2.4 advises against returning them)."""
    if len(elements) <= _FEW:
        return [element for index, element in enumerate(elements) if element not in elements[:index]]
    if isinstance(elements[0], dict):
        return list(
            {
                tuple(sorted((name, repr(item)) for name, item in element.items())): element for element in elements
            }.values()
        )
    return list({(type(element), element): element for element in elements}.values())


def _canonical_complex(attribute: Attribute, value: Json, profile: Profile, where: str) -> Json:
    if not isinstance(value, dict):
        value = _as_object(attribute, value, profile, where)
        if value is None:
            return None
    canonical: dict[str, Json] = {}
    subs = attribute.by_name
    for key, item in value.items():
        sub = subs.get(key) or subs.get(key.lower())
        if sub is None or sub.is_read_only:
            continue
        name = sub.name
        if name in canonical:
            raise InvalidSyntaxError(f"{where}{attribute.name}: '{key}' stands more than once.")
        # strings and true by far outnumber everything else
        if type(item) is str and sub.is_text:
            canonical[name] = sub.canonical_by_fold.get(item.lower(), item) if sub.canonical_by_fold else item
        elif item is True and sub.type is _BOOLEAN:
            canonical[name] = True
        elif (checked := canonical_value(sub, item, profile, f"{where}{attribute.name}.")) is not None:
            canonical[name] = checked
    if attribute.is_reference_to_resource:
        _settle_reference(canonical)
    if canonical and attribute.required_subs:
        _check_required(attribute, canonical, where)
    return canonical or None


def _as_object(attribute: Attribute, value: Json, profile: Profile, where: str) -> dict[str, Json] | None:
    """A string in place of an object with a `value`, where that is tolerated."""
    if value is None:
        return None
    tolerated = profile.tolerates(Toleration.STRING_FOR_COMPLEX) and "value" in attribute.by_name
    if not isinstance(value, str) or not tolerated:
        raise _mismatch(attribute, where, "an object")
    return {"value": value} if value else None


def _settle_reference(value: dict[str, Json]) -> None:
    """`$ref` is derived on reading; a reference that has nothing else is known by the id it ends in."""
    uri = value.pop("$ref", None)
    if uri and not value.get("value"):
        value["value"] = uri.rstrip("/").rpartition("/")[2]
    if value.get("value") == "":
        del value["value"]


def _check_required(attribute: Attribute, value: dict[str, Json], where: str) -> None:
    for sub in attribute.required_subs:
        if value.get(sub.name) in (None, ""):
            raise InvalidValueError(f"{where}{attribute.name}: '{sub.name}' is required.")


def _string(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if isinstance(value, str):
        return attribute.canonical_by_fold.get(value.lower(), value)
    return _refuse(attribute, where, "a string")


def _boolean(attribute: Attribute, value: Json, profile: Profile, where: str) -> Json:
    if value is True or value is False:
        return value
    if isinstance(value, str) and profile.tolerates(Toleration.STRING_BOOLEANS):
        boolean = _STRING_BOOLEANS.get(value.strip().lower())
        if boolean is not None:
            return boolean
    return _refuse(attribute, where, "true or false")


def _integer(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return _refuse(attribute, where, "an integer")


def _decimal(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and isfinite(value):
        return value
    return _refuse(attribute, where, "a number")


def _date_time(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if isinstance(value, str):
        try:
            moment = instant(value)
        except ValueError:
            return _refuse(attribute, where, "a dateTime such as '2026-01-31T08:30:00Z'")
        return moment[:19] + moment[19:-1].rstrip("0").rstrip(".") + "Z"
    return _refuse(attribute, where, "a dateTime such as '2026-01-31T08:30:00Z'")


def _binary(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if not isinstance(value, str):
        return _refuse(attribute, where, "base64")
    text = re.sub(r"\s", "", value)  # certificates arrive in lines
    if not _BASE64.fullmatch(text):
        return _refuse(attribute, where, "base64")
    return text or None


def _reference(attribute: Attribute, value: Json, _profile: Profile, where: str) -> Json:
    if isinstance(value, str) and not _NO_URI.search(value):
        return value
    return _refuse(attribute, where, "a URI")


_SIMPLE: Final = {
    Type.STRING: _string,
    Type.BOOLEAN: _boolean,
    Type.INTEGER: _integer,
    Type.DECIMAL: _decimal,
    Type.DATE_TIME: _date_time,
    Type.BINARY: _binary,
    Type.REFERENCE: _reference,
}


def _mismatch(attribute: Attribute, where: str, expected: str) -> InvalidValueError:
    return InvalidValueError(f"{where}{attribute.name} must be {expected}.")


def _refuse(attribute: Attribute, where: str, expected: str) -> Json:
    raise _mismatch(attribute, where, expected)
