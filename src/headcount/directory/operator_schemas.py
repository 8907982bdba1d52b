"""The resource types of the operator tenant: tenants, connections and access tokens are SCIM resources themselves.

The reserved operator tenant is served by the same code as every other one, so that managing an installation needs
no second protocol.
"""

from typing import Final

from headcount.directory.guard.rules import Reaction, Removal
from headcount.scim.registry import Registry, ResourceType, ValueIndex, build_registry
from headcount.scim.schemas import Attribute, Mutability, Returned, Schema, Type, Uniqueness
from headcount.scim.scopes import Operation

ALGORITHMS: Final = (
    "RS256",
    "PS256",
    "ES256",
    "EdDSA",
    "Ed25519",
    "RS384",
    "RS512",
    "PS384",
    "PS512",
    "ES384",
    "ES512",
)
"""Signatures by public keys only (RFC 7518 §3.1, RFC 8037, RFC 9864); the first five are usual."""
USUAL_ALGORITHMS: Final = frozenset(ALGORITHMS[:5])

_READ_ONLY: Final = Mutability.READ_ONLY
_IMMUTABLE: Final = Mutability.IMMUTABLE

_SCOPES: Final = Attribute(
    "scopes",
    Type.COMPLEX,
    "What clients may do, by resource type; without any, everything.",
    multi_valued=True,
    sub_attributes=(
        Attribute("type", description="A resource type, or '*' for those not named.", required=True, case_exact=True),
        Attribute(
            "operations",
            description="What may be done; absent for everything.",
            multi_valued=True,
            case_exact=True,
            canonical_values=tuple(Operation),
        ),
        Attribute("readable", description="Attribute paths that may be read; absent for all.", multi_valued=True),
        Attribute("writable", description="Attribute paths that may be changed; absent for all.", multi_valued=True),
        Attribute("filter", description="A filter that every resource has to match to be reached.", case_exact=True),
    ),
)
_NETWORKS: Final = Attribute(
    "networks", description="Address ranges that clients come from: 192.0.2.0/24. Absent for any.", multi_valued=True
)
_RATE: Final = Attribute(
    "requestsPerSecond", Type.DECIMAL, "How many requests a second are answered on average; absent for any number."
)
_PROFILE: Final = Attribute(
    "profile",
    description="Which departures from the RFCs are forgiven.",
    case_exact=True,
    canonical_values=("strict", "tolerant"),
)
_JWKS: Final = Attribute(
    "jwks", description="The public keys themselves, as the JSON text of a key set (RFC 7517).", case_exact=True
)
_JWKS_URI: Final = Attribute("jwksUri", description="The URL that the public keys are read from.", case_exact=True)
_ALGORITHMS: Final = Attribute(
    "algorithms",
    description="How tokens may be signed; absent for RS256, PS256, ES256 and EdDSA.",
    multi_valued=True,
    case_exact=True,
    canonical_values=ALGORITHMS,
)
_ISSUER: Final = Attribute(
    "issuer",
    Type.COMPLEX,
    "An issuer outside, whose access tokens let clients in without a secret.",
    sub_attributes=(
        Attribute(
            "issuer", description="What its tokens have as 'iss', to the letter.", required=True, case_exact=True
        ),
        Attribute(
            "jwksUri",
            description="The URL that its public keys are read from; without it, what its metadata says.",
            case_exact=True,
        ),
        _JWKS,
        _ALGORITHMS,
        Attribute(
            "audiences",
            description="What 'aud' names: one of these.",
            required=True,
            multi_valued=True,
            case_exact=True,
        ),
        Attribute(
            "subjects",
            description="Whom 'sub' names: one of these. Absent for anyone.",
            multi_valued=True,
            case_exact=True,
        ),
        Attribute(
            "claims",
            description="What else tokens have to say, as 'name=value'; of several for one name, one.",
            multi_valued=True,
            case_exact=True,
        ),
    ),
)
_TENANT_NAME: Final = Attribute(
    "tenant", description="The name of the tenant.", required=True, case_exact=True, mutability=_IMMUTABLE
)

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
            mutability=_IMMUTABLE,
            uniqueness=Uniqueness.SERVER,
        ),
        Attribute("displayName", description="What people call the tenant."),
        Attribute(
            "state",
            description="A suspended tenant keeps its data and answers its clients with 403.",
            case_exact=True,
            canonical_values=("active", "suspended"),
        ),
        Attribute("publicUrl", description="The URL that clients reach the tenant under.", case_exact=True),
        _PROFILE,
        Attribute(
            "passwords",
            description="Whether passwords are forgotten or kept as argon2id hashes.",
            case_exact=True,
            canonical_values=("discard", "hash"),
        ),
        Attribute(
            "requestLog",
            description="What is kept of the last requests; bodies only of failures and what was forgiven, unless set.",
            case_exact=True,
            canonical_values=("off", "metadata", "failures", "bodies"),
        ),
        Attribute(
            "guard",
            Type.COMPLEX,
            "What is done when very much is removed at once; nothing without it.",
            multi_valued=True,
            sub_attributes=(
                Attribute(
                    "kind",
                    description="What is counted.",
                    required=True,
                    case_exact=True,
                    canonical_values=tuple(Removal),
                ),
                Attribute("number", Type.INTEGER, "How many are not too much."),
                Attribute("share", Type.DECIMAL, "Which part of all, as in 0.05, is not too much."),
                Attribute("window", Type.INTEGER, "Within how many seconds; a day unless set."),
                Attribute(
                    "reaction",
                    description="What is done; warn unless set.",
                    case_exact=True,
                    canonical_values=tuple(Reaction),
                ),
            ),
        ),
        Attribute(
            "adoption",
            description="What happens when a connection creates somebody who exists; refused unless set.",
            case_exact=True,
            canonical_values=("refuse", "sameExternalId"),
        ),
        Attribute(
            "rehire",
            description="Whether who was deleted comes back under the same id; as somebody new unless set.",
            case_exact=True,
            canonical_values=("new", "sameId"),
        ),
        Attribute("refuseUnknown", Type.BOOLEAN, "Whether attributes that no schema has are refused."),
        Attribute(
            "limits",
            Type.COMPLEX,
            "Bounds on what the tenant holds and how often it is asked; absent for none.",
            sub_attributes=(
                Attribute("users", Type.INTEGER, "How many users there may be."),
                Attribute("groups", Type.INTEGER, "How many groups there may be."),
                _RATE,
            ),
        ),
    ),
)

CONNECTION_SCHEMA: Final = Schema(
    "urn:headcount:params:scim:schemas:core:1.0:Connection",
    "Connection",
    "One identity provider of a tenant, with its tokens, its profile and its externalIds (RFC 7643 §3.1)",
    (
        _TENANT_NAME,
        Attribute(
            "name",
            description="What tells it from the tenant's others: lower-case letters, digits and hyphens.",
            required=True,
            case_exact=True,
            mutability=_IMMUTABLE,
        ),
        Attribute(
            "qualifiedName",
            description="'tenant/name'.",
            case_exact=True,
            mutability=_READ_ONLY,
            uniqueness=Uniqueness.SERVER,
        ),
        Attribute("displayName", description="What people call it."),
        Attribute("active", Type.BOOLEAN, "Whether its clients are let in."),
        _PROFILE,
        _SCOPES,
        _NETWORKS,
        _JWKS,
        _JWKS_URI,
        _ISSUER,
    ),
)

ACCESS_TOKEN_SCHEMA: Final = Schema(
    "urn:headcount:params:scim:schemas:core:1.0:AccessToken",
    "AccessToken",
    "A credential of a client",
    (
        _TENANT_NAME,
        Attribute("name", description="What the token is for.", required=True),
        Attribute(
            "connection",
            description="The name of the connection that the client belongs to.",
            case_exact=True,
            mutability=_IMMUTABLE,
        ),
        Attribute("token", description="The token itself, in the answer to its creation only.", mutability=_READ_ONLY),
        Attribute(
            "digest",
            description="The SHA-256 digest of the token.",
            case_exact=True,
            mutability=_READ_ONLY,
            returned=Returned.REQUEST,
            uniqueness=Uniqueness.SERVER,
        ),
        Attribute(
            "expires",
            Type.DATE_TIME,
            "When the token ceases to be valid; a year after its creation unless said otherwise.",
            mutability=_IMMUTABLE,
        ),
        Attribute("neverExpires", Type.BOOLEAN, "A token without an end.", mutability=_IMMUTABLE),
        Attribute(
            "user", description="The id of the user that '/Me' stands for.", case_exact=True, mutability=_IMMUTABLE
        ),
        Attribute("active", Type.BOOLEAN, "Whether the token is accepted; false once it is revoked."),
        _SCOPES,
        _NETWORKS,
        _RATE,
    ),
)

WEBHOOK_SCHEMA: Final = Schema(
    "urn:headcount:params:scim:schemas:core:1.0:WebhookSubscription",
    "WebhookSubscription",
    "An endpoint that is told of a tenant's events, signed as Standard Webhooks has it",
    (
        _TENANT_NAME,
        Attribute("name", description="What people call it.", required=True),
        Attribute("url", description="Where events are sent: an https URL.", required=True, case_exact=True),
        Attribute(
            "events",
            description="Event types, or families: 'user.*'. Absent for all.",
            multi_valued=True,
            case_exact=True,
        ),
        Attribute(
            "filter",
            description="Which users it is about; who comes in is told as created, who goes out as deleted.",
            case_exact=True,
        ),
        _SCOPES,
        Attribute("batchSize", Type.INTEGER, "Events in one request; absent for one."),
        Attribute("active", Type.BOOLEAN, "Whether events are sent."),
        Attribute("disabledReason", description="Why events are not sent any more.", mutability=Mutability.READ_WRITE),
        Attribute(
            "secret", description="What verifies signatures, in the answer to its creation only.", mutability=_READ_ONLY
        ),
    ),
)

TENANT: Final = ResourceType("Tenant", "/Tenants", "Tenant", TENANT_SCHEMA)
CONNECTION: Final = ResourceType(
    "Connection",
    "/Connections",
    "Connection",
    CONNECTION_SCHEMA,
    indexes=(ValueIndex("issuer.issuer", leads_to_few=True),),
)
ACCESS_TOKEN: Final = ResourceType("AccessToken", "/AccessTokens", "Access token", ACCESS_TOKEN_SCHEMA)
WEBHOOK: Final = ResourceType("WebhookSubscription", "/WebhookSubscriptions", "Webhook subscription", WEBHOOK_SCHEMA)

OPERATOR_REGISTRY: Final[Registry] = build_registry(resource_types=(TENANT, CONNECTION, ACCESS_TOKEN, WEBHOOK))
"""Access tokens are known by their digests, which tell nothing of a random token (RFC 7644 §7.4)."""
