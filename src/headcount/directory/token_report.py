"""What an access token may do, in words: its state, and for each resource type what it reads, writes and reaches."""

from collections.abc import Mapping

import orjson

from headcount.directory.operator import as_dictionary
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import ACCESS_TOKEN, OPERATOR_REGISTRY
from headcount.directory.tenants import Tenants
from headcount.directory.tokens import AccessTokens
from headcount.scim.errors import InvalidValueError
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation, Permission, Permissions, Scope, paths_of, scope_for
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT


class TokenReport:
    """Explains access tokens."""

    def __init__(
        self, store: DatabaseStore, operator: OperatorResources, tenants: Tenants, tokens: AccessTokens
    ) -> None:
        self._store = store
        self._operator = operator
        self._tenants = tenants
        self._tokens = tokens

    async def explain(self, token_id: str, resource: str | None = None) -> dict[str, Json]:
        """What there is to say of a token, and of a resource, `Users/{id}`, as it sees it.

        Raises NotFoundError for an unknown token, InvalidValueError for what is no path of a resource.
        """
        row = await self._operator.stored(ACCESS_TOKEN, token_id)
        (shown,) = await self._tokens.described([as_dictionary(row)])
        access = await self._tokens.verify_id(token_id)
        tenant = shown["tenant"]
        registry = OPERATOR_REGISTRY if tenant == OPERATOR_TENANT else await self._tenants.registry(tenant)
        scopes = access.scopes if access else ()
        permissions = Permissions(scopes, registry)
        report = {name: shown[name] for name in _TOLD if name in shown}
        if access is None and shown["state"] == "active":
            report["state"] = "shut with its connection"
        if access is not None:
            report["networks"] = [str(network) for network in access.networks]
        report["restricted"] = permissions.is_restricted
        report["types"] = [_type_of(permissions.of(kind), scope_for(scopes, kind)) for kind in registry.resource_types]
        if resource is not None:
            report["resource"] = await self._resource(tenant, registry, permissions, resource)
        return report

    async def _resource(self, tenant: str, registry: Registry, permissions: Permissions, text: str) -> dict[str, Json]:
        endpoint, _, resource_id = text.strip("/").partition("/")
        kind = registry.by_endpoint.get(endpoint) or registry.by_name.get(endpoint)
        if kind is None or not resource_id or "/" in resource_id:
            known = ", ".join(f"{name}/ID" for name in registry.by_endpoint)
            raise InvalidValueError(f"'{text}' is no resource of the tenant: name one as {known}.")
        permission = permissions.of(kind)
        row = await self._store.for_tenant(tenant).read(kind.name, resource_id, groups=False)
        document = orjson.loads(row.document) if row else None
        reached, why = _reach(permission, document)
        return {"type": kind.name, "id": resource_id, "exists": row is not None, "reached": reached, "why": why}


_TOLD = ("id", "tenant", "name", "state", "expires", "daysLeft", "lastUsed", "connection", "user", "requestsPerSecond")


def _type_of(permission: Permission, scope: Scope | None) -> dict[str, Json]:
    """What may be done with one resource type; lists of attributes are null where all are meant."""
    kind = permission.resource_type
    written = any(permission.may(operation) for operation in (Operation.CREATE, Operation.UPDATE))
    readable, shown = permission.readable, permission.may(Operation.READ)
    return {
        "type": kind.name,
        "operations": [str(operation) for operation in Operation if permission.may(operation)],
        "readable": None if readable is None and shown else paths_of(readable or {}) if shown else [],
        "writable": None if permission.writable is None and written else paths_of(permission.writable or {}),
        "filter": scope.filter if scope and permission.operations else "",
    }


def _reach(permission: Permission, document: Mapping[str, Json] | None) -> tuple[bool, str]:
    kind: ResourceType = permission.resource_type
    if not permission.operations:
        return False, f"no scope of the token speaks of {kind.name} resources"
    if document is None:
        return False, "there is no such resource"
    if not permission.admits(document):
        return False, "the filter of the scope leaves it out"
    if permission.fence is None:
        return True, f"the scope has no filter: every {kind.name} can be reached"
    return True, "the filter of the scope matches it"
