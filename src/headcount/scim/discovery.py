"""What the service provider says of itself (RFC 7644 §4, RFC 7643 §5 to §7, RFC 9865 §4)."""

from dataclasses import dataclass

from headcount.scim import urns
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The limits that are advertised."""

    bulk_operations: int
    bulk_bytes: int
    default_page_size: int
    max_page_size: int
    cursor_timeout: int
    """Seconds."""
    documentation_uri: str | None = None


def service_provider_config(capabilities: Capabilities, base_url: str) -> dict[str, Json]:
    """The ServiceProviderConfig resource."""
    yes = {"supported": True}
    config: dict[str, Json] = {"schemas": [urns.SERVICE_PROVIDER_CONFIG]}
    if capabilities.documentation_uri:
        config["documentationUri"] = capabilities.documentation_uri
    return config | {
        "patch": yes,
        "bulk": {
            **yes,
            "maxOperations": capabilities.bulk_operations,
            "maxPayloadSize": capabilities.bulk_bytes,
        },
        "filter": {**yes, "maxResults": capabilities.max_page_size},
        "changePassword": yes,
        "sort": yes,
        "etag": yes,
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": capabilities.default_page_size,
            "maxPageSize": capabilities.max_page_size,
            "cursorTimeout": capabilities.cursor_timeout,
        },
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "OAuth Bearer Token",
                "description": "An access token in the Authorization header, made with 'headcount token create'.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": f"{base_url}/ServiceProviderConfig",
        },
    }


def schema_documents(registry: Registry, base_url: str) -> list[dict[str, Json]]:
    """All Schema resources."""
    return [
        schema.document() | {"meta": {"resourceType": "Schema", "location": f"{base_url}/Schemas/{schema.id}"}}
        for schema in registry.schemas
    ]


def resource_type_documents(registry: Registry, base_url: str) -> list[dict[str, Json]]:
    """All ResourceType resources."""
    return [
        kind.document()
        | {"meta": {"resourceType": "ResourceType", "location": f"{base_url}/ResourceTypes/{kind.name}"}}
        for kind in registry.resource_types
    ]
