"""Which resource a path of the protocol is about."""

from urllib.parse import unquote

from headcount.scim.registry import Registry, ResourceType


def addressed(path: str, registry: Registry) -> tuple[ResourceType | None, str]:
    """The resource type and id that the path of a request names: `/t/acme/scim/v2/Users/{id}`."""
    segments = [unquote(segment) for segment in path.split("/scim/", 1)[-1].split("/") if segment not in ("v2", "")]
    resource_type = registry.by_endpoint.get(segments[0]) if segments else None
    return resource_type, segments[1] if len(segments) > 1 else ""
