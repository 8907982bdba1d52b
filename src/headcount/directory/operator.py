"""Reading the operator tenant: what the rest of the directory asks of tenants, connections and access tokens."""

from collections.abc import AsyncIterator
from typing import Final

import orjson

from headcount.directory.representation import Representation
from headcount.directory.resources import Request, Resources
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.profiles import STRICT
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import Query, StoredResource, Target

PAGE: Final = 1_000


async def find_one(
    resources: Resources, resource_type: ResourceType, attribute: str, value: str
) -> StoredResource | None:
    """The resource whose attribute has the value, or None."""
    query = _query(resource_type, (attribute, value), limit=1)
    page = await resources.store.search(query)
    return page.resources[0] if page.resources else None


async def find_all(
    resources: Resources, resource_type: ResourceType, equals: tuple[str, str] | None = None
) -> AsyncIterator[dict[str, Json]]:
    """All resources of a type as dictionaries, in the order they were created."""
    query = _query(resource_type, equals, limit=PAGE)
    while True:
        page = await resources.store.search(query)
        for row in page.resources:
            yield as_dictionary(row)
        if page.last is None:
            return
        query = Query(query.targets, PAGE, after=page.last, total=False, groups=False)


def as_dictionary(row: StoredResource) -> dict[str, Json]:
    """A stored resource with the instants that people ask for."""
    resource: dict[str, Json] = orjson.loads(row.document)
    return resource | {"meta": {"created": row.created, "lastModified": row.modified}}


def decoded(representation: Representation) -> dict[str, Json]:
    """The resource that an operation answered with."""
    resource: dict[str, Json] = orjson.loads(representation.body)
    return resource


def request_of(actor: str, request_id: str = "") -> Request:
    """A request that did not come in as SCIM: from the command line, which has no id, or below `/manage`."""
    return Request(actor=actor, request_id=request_id)


BY_COMMAND: Final = request_of("cli")
"""Whoever has a shell on the machine."""


def _query(resource_type: ResourceType, equals: tuple[str, str] | None, limit: int) -> Query:
    bound = None
    if equals is not None:
        bound = bind_filter(Comparison(equals[0], Operator.EQ, equals[1]), resource_type, STRICT)
    return Query((Target(resource_type, bound),), limit, total=False, groups=False)
