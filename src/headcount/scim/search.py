"""Search requests, from a query string or a message (RFC 7644 §3.4.2, §3.4.3; RFC 9865 §2)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json, Type


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a client searches for. Counts and indexes are as asked, not yet bounded."""

    filter: str | None = None
    sort_by: str | None = None
    descending: bool = False
    start_index: int | None = None
    count: int | None = None
    cursor: str | None = None
    """None for index pagination; empty for the first page of cursor pagination."""
    attributes: tuple[str, ...] = ()
    excluded_attributes: tuple[str, ...] = ()
    in_url: bool = False
    """Whether it stands in a URL, which is no place for sensitive values (RFC 7644 §7.5.2)."""


def search_from_parameters(parameters: Mapping[str, str]) -> SearchRequest:
    """The search that a query string asks for; unknown parameters are ignored (RFC 7644 §3.4.2)."""
    return _search(
        parameters,
        _integer(parameters.get("startIndex"), "startIndex"),
        _integer(parameters.get("count"), "count"),
        names_of(parameters.get("attributes")),
        names_of(parameters.get("excludedAttributes")),
        in_url=True,
    )


def search_from_message(body: Json, profile: Profile) -> SearchRequest:
    """The search in the body of a POST to `.search`; raises InvalidSyntaxError for a wrong structure."""
    check_message(body, urns.SEARCH_REQUEST, profile)
    for name in ("filter", "sortBy", "sortOrder", "cursor"):
        if body.get(name) is not None and not isinstance(body[name], str):
            raise InvalidSyntaxError(f"'{name}' must be a string.")
    for name in ("startIndex", "count"):
        number = body.get(name)
        if number is not None and (not isinstance(number, int) or isinstance(number, bool) or abs(number) >= _LIMIT):
            raise InvalidSyntaxError(f"'{name}' must be an integer.")
    return _search(
        body, body.get("startIndex"), body.get("count"), _names(body, "attributes"), _names(body, "excludedAttributes")
    )


def check_message(body: Json, urn: str, profile: Profile) -> None:
    """Raises InvalidSyntaxError unless the body is a message of that schema."""
    if not isinstance(body, Mapping):
        raise InvalidSyntaxError("The body must be a JSON object.")
    schemas = body.get("schemas")
    if not schemas and profile.tolerates(Toleration.MISSING_SCHEMAS):
        return
    if not isinstance(schemas, list) or urn.lower() not in [str(item).lower() for item in schemas]:
        raise InvalidSyntaxError(f"'schemas' must hold {urn}.")


def bind_sort(text: str, resource_type: ResourceType, profile: Profile) -> BoundPath | None:
    """The sort path bound to a resource type, None if the type lacks it; a complex attribute sorts by `value`.

    Raises InvalidValueError for what cannot be sorted by (RFC 7644 §3.4.2.3).
    """
    bare = profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
    path = bind_path(text, resource_type, bare_extension_names=bare)
    if path is None:
        return None
    if path.attribute.is_secret or path.target.is_secret:
        raise InvalidValueError(f"'sortBy': {text!r} cannot be sorted by.")
    if path.target.type is Type.COMPLEX:
        value = path.attribute.sub("value")
        if value is None:
            raise InvalidValueError(f"'sortBy': {text!r} is complex; name one of its sub-attributes.")
        return BoundPath(path.extension, path.attribute, value)
    return path


def names_of(text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name) if text else ()


_LIMIT: Final = 10**18
"""What an integer stays below, so that it has 64 bits in every database."""

_SORT_ORDERS: Final = {"ascending": False, "descending": True}


def _search(
    texts: Mapping[str, Json],
    start_index: int | None,
    count: int | None,
    attributes: tuple[str, ...],
    excluded: tuple[str, ...],
    *,
    in_url: bool = False,
) -> SearchRequest:
    order = (texts.get("sortOrder") or "ascending").lower()
    if order not in _SORT_ORDERS:
        raise InvalidValueError("'sortOrder' is 'ascending' or 'descending'.")
    cursor = texts.get("cursor")
    if cursor is not None and start_index is not None:
        raise InvalidValueError("'cursor' and 'startIndex' are mutually exclusive.")
    if attributes and excluded:
        raise InvalidValueError("'attributes' and 'excludedAttributes' are mutually exclusive.")
    return SearchRequest(
        texts.get("filter"),
        texts.get("sortBy") or None,
        _SORT_ORDERS[order],
        start_index,
        count,
        cursor,
        attributes,
        excluded,
        in_url,
    )


def _integer(text: str | None, name: str) -> int | None:
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise InvalidValueError(f"'{name}' must be an integer.")
    return int(text)


def _names(body: Mapping[str, Json], member: str) -> tuple[str, ...]:
    names = body.get(member)
    if names is None:
        return ()
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise InvalidSyntaxError(f"'{member}' must be an array of strings.")
    return tuple(names)
