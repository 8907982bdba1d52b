"""A PATCH read and applied as a request is, with what holds for every one of them checked."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from headcount.scim import urns
from headcount.scim.patch import PatchResult, apply_patch, read_patch
from headcount.scim.profiles import STRICT, Profile
from headcount.scim.registry import USER, ResourceType
from headcount.scim.validation import validate_resource

E = urns.ENTERPRISE_USER
ADA: dict[str, Any] = {
    "schemas": [urns.USER],
    "id": "1",
    "userName": "ada",
    "name": {"familyName": "Lovelace", "givenName": "Ada"},
    "displayName": "Ada",
    "active": True,
    "emails": [
        {"value": "ada@work.example", "type": "work", "primary": True},
        {"value": "ada@home.example", "type": "home"},
    ],
}
EMPLOYED: dict[str, Any] = {
    **ADA,
    "schemas": [urns.USER, E],
    E: {"department": "R&D", "costCenter": "7", "manager": {"value": "9"}},
}


def message(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [urns.PATCH_OP], "Operations": list(operations)}


def apply(
    operations: Sequence[dict[str, Any]],
    resource: dict[str, Any] = ADA,
    profile: Profile = STRICT,
    kind: ResourceType = USER,
    **options: Any,
) -> PatchResult:
    """The result; what went in is as it was, and what comes out is a canonical resource."""
    sent, before = deepcopy(list(operations)), deepcopy(resource)
    result = apply_patch(resource, read_patch(message(*operations), profile), kind, profile, **options)
    assert (list(operations), resource) == (sent, before)
    again = validate_resource(result.resource, kind, profile).resource
    assert again | ({"id": resource["id"]} if "id" in resource else {}) == result.resource
    return result


def patched(operations: Sequence[dict[str, Any]], resource: dict[str, Any] = ADA, **options: Any) -> dict[str, Any]:
    """The resource that comes out."""
    return apply(operations, resource, **options).resource


def add(path: str | None, value: Any) -> dict[str, Any]:
    return operation("add", path, value)


def replace(path: str | None, value: Any) -> dict[str, Any]:
    return operation("replace", path, value)


def remove(path: str, **value: Any) -> dict[str, Any]:
    return {"op": "remove", "path": path, **value}


def operation(op: str, path: str | None, value: Any) -> dict[str, Any]:
    return {"op": op, "value": value} if path is None else {"op": op, "path": path, "value": value}


def without(resource: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in names}
