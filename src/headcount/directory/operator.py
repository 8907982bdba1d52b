"""The operator tenant: where tenants and access tokens are kept, as resources like any other."""

from collections.abc import AsyncIterator
from typing import Final

import orjson

from headcount.directory.operator_schemas import OPERATOR_REGISTRY
from headcount.directory.passwords import Passwords
from headcount.directory.representation import Representation
from headcount.directory.resources import Request, Resources
from headcount.directory.tenant import Tenant
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.profiles import STRICT
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import OPERATOR_TENANT, Query, Store, StoredResource, Target

PAGE: Final = 1_000


def operator_resources(store: Store, public_url: str) -> Resources:
    """The resources of the operator tenant, under the base URL `/scim/v2`."""
    tenant = Tenant(OPERATOR_TENANT, f"{public_url}/scim/v2", OPERATOR_REGISTRY, STRICT, refuse_unknown=True)
    return Resources(tenant, store.for_tenant(OPERATOR_TENANT), Passwords())


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


def request_of(actor: str) -> Request:
    """A request that came in through the command line rather than HTTP."""
    return Request(actor=actor, request_id="")


def _query(resource_type: ResourceType, equals: tuple[str, str] | None, limit: int) -> Query:
    bound = None
    if equals is not None:
        bound = bind_filter(Comparison(equals[0], Operator.EQ, equals[1]), resource_type, STRICT)
    return Query((Target(resource_type, bound),), limit, total=False, groups=False)
