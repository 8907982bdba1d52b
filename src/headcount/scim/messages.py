"""The messages of RFC 7644 §8.2 that answers are made of."""

from collections.abc import Sequence

from headcount.scim import urns
from headcount.scim.errors import ScimError
from headcount.scim.schemas import Json


def error_message(error: ScimError) -> dict[str, Json]:
    """The body of an error response (RFC 7644 §3.12): `status` is a string, no member that the RFC does not know."""
    message: dict[str, Json] = {"schemas": [urns.ERROR], "status": str(error.status)}
    if error.scim_type:
        message["scimType"] = error.scim_type
    message["detail"] = error.detail
    return message


def list_response(resources: Sequence[Json]) -> dict[str, Json]:
    """A ListResponse that holds everything there is, as the discovery endpoints answer."""
    return {
        "schemas": [urns.LIST_RESPONSE],
        "totalResults": len(resources),
        "itemsPerPage": len(resources),
        "startIndex": 1,
        "Resources": list(resources),
    }
