"""The resource types of the operator tenant: tenants and access tokens are SCIM resources themselves.

The reserved operator tenant is served by the same code as every other one, so that managing an installation needs
no second protocol.
"""

from typing import Final

from headcount.scim.registry import Registry, ResourceType, build_registry
from headcount.scim.schemas import Attribute, Mutability, Schema, Type, Uniqueness

TENANT_SCHEMA: Final = Schema(
    "urn:headcount:params:scim:schemas:core:1.0:Tenant",
    "Tenant",
    "A tenant",
    (
        Attribute(
            "name",
            description="The name in the base URL: lower-case letters, digits and hyphens.",
            required=True,
            case_exact=True,
            mutability=Mutability.IMMUTABLE,
            uniqueness=Uniqueness.SERVER,
        ),
        Attribute("displayName", description="What people call the tenant."),
        Attribute(
            "profile",
            description="Which departures from the RFCs are forgiven.",
            case_exact=True,
            canonical_values=("tolerant", "strict"),
        ),
        Attribute(
            "passwords",
            description="Whether passwords are forgotten or kept as argon2id hashes.",
            case_exact=True,
            canonical_values=("discard", "hash"),
        ),
        Attribute("refuseUnknown", Type.BOOLEAN, "Whether attributes that no schema has are refused."),
    ),
)

ACCESS_TOKEN_SCHEMA: Final = Schema(
    "urn:headcount:params:scim:schemas:core:1.0:AccessToken",
    "AccessToken",
    "A credential of a client",
    (
        Attribute(
            "tenant",
            description="The name of the tenant that the token opens.",
            required=True,
            case_exact=True,
            mutability=Mutability.IMMUTABLE,
        ),
        Attribute("name", description="What the token is for.", required=True),
        Attribute(
            "digest",
            description="The SHA-256 digest of the token.",
            required=True,
            case_exact=True,
            mutability=Mutability.IMMUTABLE,
            uniqueness=Uniqueness.SERVER,
        ),
        Attribute(
            "expires",
            Type.DATE_TIME,
            "When the token ceases to be valid; absent if never.",
            mutability=Mutability.IMMUTABLE,
        ),
        Attribute(
            "user",
            description="The id of the user that '/Me' stands for.",
            case_exact=True,
            mutability=Mutability.IMMUTABLE,
        ),
        Attribute("active", Type.BOOLEAN, "Whether the token is accepted; false once it is revoked."),
    ),
)

TENANT: Final = ResourceType("Tenant", "/Tenants", "Tenant", TENANT_SCHEMA)
ACCESS_TOKEN: Final = ResourceType("AccessToken", "/AccessTokens", "Access token", ACCESS_TOKEN_SCHEMA)

OPERATOR_REGISTRY: Final[Registry] = build_registry(resource_types=(TENANT, ACCESS_TOKEN))
