"""Searches by the meaning of the filter, resource by resource."""

from collections.abc import Iterator, Mapping

from headcount.scim.comparison import comparable
from headcount.scim.filters.evaluation import matches
from headcount.scim.paths import BoundPath
from headcount.scim.schemas import Json
from headcount.store.interface import Page, Position, Query
from headcount.store.memory.contents import Contents, Row
from headcount.store.memory.derivation import stored, whole

_Found = tuple[Position, Row]
_Order = tuple[bool, bool, str | float | int | bool, str]


def search(contents: Contents, query: Query) -> Page:
    """A page of the resources that match."""
    found = sorted(_matching(contents, query), key=lambda item: _order(item[0]), reverse=query.descending)
    total = len(found) if query.total else None
    if query.after is not None:
        found = [item for item in found if _is_beyond(item[0], query.after, query)]
    end = query.offset + query.limit
    page = found[query.offset : end]
    return Page(
        resources=tuple(stored(contents, row, groups=query.groups) for _, row in page),
        total=total,
        last=page[-1][0] if page and len(found) > end else None,
    )


def _matching(contents: Contents, query: Query) -> Iterator[_Found]:
    for target in query.targets:
        for row in contents.rows.values():
            if row.type == target.resource_type.name:
                resource = whole(contents, row, target.resource_type, query.base_url)
                if target.filter is None or matches(target.filter, resource):
                    yield Position(_sort_value(target.sort, resource), row.id), row


def _sort_value(path: BoundPath | None, resource: Mapping[str, Json]) -> Json:
    """The comparable value: of a multi-valued attribute the primary one, else the first (RFC 7644 §3.4.2.3)."""
    if path is None:
        return None
    holder = resource.get(path.extension, {}) if path.extension else resource
    value = _one(holder.get(path.attribute.name))
    if path.sub_attribute is not None:
        value = _one((value or {}).get(path.sub_attribute.name))
    return None if value is None else comparable(path.target, value)


def _one(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    primary = (item for item in value if isinstance(item, dict) and item.get("primary") is True)
    return next(primary, value[0])


def _order(position: Position) -> _Order:
    """Missing values are last and ids decide among equals; numbers come before strings, where types differ in kind."""
    value = position.value
    return value is None, isinstance(value, str), 0 if value is None else value, position.id


def _is_beyond(position: Position, after: Position, query: Query) -> bool:
    if query.descending:
        return _order(position) < _order(after)
    return _order(position) > _order(after)
