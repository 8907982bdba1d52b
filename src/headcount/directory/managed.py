"""What an operator's token may have scopes for besides resources: each kind is of a tenant, and can be fenced by it."""

from typing import Final

from headcount.directory.operator_schemas import OPERATOR_REGISTRY
from headcount.directory.permissions import permitted
from headcount.scim.errors import NotFoundError
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Attribute, Schema
from headcount.scim.scopes import Operation, Permissions


def managed(name: str, description: str) -> ResourceType:
    """Something that is managed and is no resource, so that scopes can speak of it: `{"type": name, …}`."""
    attributes = (Attribute("tenant", description="The tenant's name.", case_exact=True),)
    urn = f"urn:headcount:params:scim:schemas:managed:1.0:{name}"
    return ResourceType(name, f"/{name}", description, Schema(urn, name, description, attributes))


SCHEMA: Final = managed("Schema", "Schemas, resource types, indexes and unknown attributes of tenants")
AUDIT: Final = managed("Audit", "The record of who did what")
REQUEST_LOG: Final = managed("RequestLog", "The last requests of clients")
ARCHIVE: Final = managed("Archive", "Whole tenants, written to a file and made from one")
REVIEW: Final = managed("Review", "Held changes, likenesses of people, and groups to be put back")
TOKEN_REPORT: Final = managed("TokenReport", "What access tokens may do, and when they were used last")
DELIVERY: Final = managed("Delivery", "Attempts to send events to webhook subscriptions")
LOCK_OUT: Final = managed("LockOut", "Who has taken note that somebody is locked out")

MANAGED: Final = (SCHEMA, ARCHIVE, AUDIT, REQUEST_LOG, REVIEW, TOKEN_REPORT, DELIVERY, LOCK_OUT)
"""All of it, in the order it is documented."""

MANAGED_REGISTRY: Final = Registry((*OPERATOR_REGISTRY.resource_types, *MANAGED), OPERATOR_REGISTRY.schemas)
"""What the scopes of an operator's token can speak of."""


def check_managed(permissions: Permissions, kind: ResourceType, operation: Operation, tenant: str) -> None:
    """Raises ForbiddenError for what a token may not do at all, NotFoundError for a tenant it cannot reach."""
    permission = permitted(permissions, kind, operation)
    if tenant and not permission.admits({"tenant": tenant}):
        raise NotFoundError(f"There is no tenant '{tenant}'.")
