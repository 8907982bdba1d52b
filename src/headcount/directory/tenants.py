"""Tenants: created, listed, changed and deleted, and loaded for serving."""

from collections.abc import Mapping
from typing import Final

import orjson

from headcount.directory.guard.rules import rules_of
from headcount.directory.identifiers import now
from headcount.directory.operator import as_dictionary, decoded, find_all, find_one, request_of
from headcount.directory.operator_resources import NAME, OperatorResources
from headcount.directory.operator_schemas import CONNECTION, TENANT
from headcount.directory.registries import kept_registry
from headcount.directory.resources import Request
from headcount.directory.tenant import (
    AdoptionPolicy,
    Limits,
    PasswordPolicy,
    Quotas,
    RehirePolicy,
    RequestLogPolicy,
    Tenant,
)
from headcount.scim import urns
from headcount.scim.errors import InvalidValueError, NotFoundError
from headcount.scim.profiles import PROFILES
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT, StoredResource

_CHANGEABLE: Final = {
    "displayName",
    "profile",
    "passwords",
    "refuseUnknown",
    "state",
    "publicUrl",
    "requestLog",
    "limits",
    "guard",
    "adoption",
    "rehire",
}


class Tenants:
    """The tenants of an installation."""

    def __init__(self, store: DatabaseStore, operator: OperatorResources, limits: Limits) -> None:
        self._store = store
        operator.registry_of = self.registry
        self._operator = operator
        self._limits = limits
        self._registries: dict[str, tuple[int, Registry]] = {}

    async def create(
        self,
        name: str,
        *,
        display_name: str | None = None,
        profile: str = "tolerant",
        passwords: str = "discard",
        refuse_unknown: bool = False,
        actor: str = "cli",
    ) -> dict[str, Json]:
        """A new tenant; raises InvalidValueError for a bad name or setting, UniquenessError for a taken name."""
        body = {
            "schemas": [TENANT.schema.id],
            "name": name,
            "displayName": display_name,
            "profile": profile,
            "passwords": passwords,
            "refuseUnknown": refuse_unknown,
        }
        return decoded(await self._operator.create(TENANT, body, request_of(actor)))

    async def list(self) -> list[dict[str, Json]]:
        """All tenants."""
        return [tenant async for tenant in find_all(self._operator, TENANT)]

    async def get(self, name: str) -> dict[str, Json]:
        """One tenant; raises NotFoundError."""
        return as_dictionary(await self._row(name))

    async def update(self, name: str, changes: Mapping[str, Json], *, actor: str = "cli") -> dict[str, Json]:
        """Changes settings of a tenant; an empty list takes one away."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise InvalidValueError(f"A tenant's {', '.join(sorted(unknown))} cannot be changed.")
        row = await self._row(name)
        operations = [
            {"op": "remove", "path": path} if value == [] else {"op": "replace", "path": path, "value": value}
            for path, value in changes.items()
        ]
        if operations:
            patch = {"schemas": [urns.PATCH_OP], "Operations": operations}
            await self._operator.patch(TENANT, row.id, patch, request_of(actor))
        return await self.get(name)

    async def delete(self, name: str, *, actor: str = "cli") -> None:
        """Removes a tenant with its tokens and everything in it."""
        row = await self._row(name)
        await self._operator.remove_tenant(name, row.id, request_of(actor))

    async def record(self, kind: str, name: str, about: Mapping[str, Json], by: Request) -> None:
        """Notes in the operator's record what was done to a tenant besides changes of resources."""
        value = orjson.dumps({"tenant": name, **about})
        store = self._store.for_tenant(OPERATOR_TENANT)
        await store.mark(kind, value, at=now(), actor=by.actor, request_id=by.request_id)

    async def load(self, name: str, public_url: str, profile: str | None = None) -> Tenant | None:
        """The tenant as it is served, or None; a connection may have a profile of its own.

        Its registry is compiled anew only when its records changed.
        """
        if not NAME.fullmatch(name):
            return None
        row = await find_one(self._operator, TENANT, "name", name)
        if row is None:
            return None
        settings = orjson.loads(row.document)
        return Tenant(
            name=name,
            base_url=f"{settings.get('publicUrl', public_url).rstrip('/')}/t/{name}/scim/v2",
            registry=await self._registry(name, row.id),
            profile=PROFILES[profile or settings.get("profile", "tolerant")],
            passwords=PasswordPolicy(settings.get("passwords", "discard")),
            refuse_unknown=settings.get("refuseUnknown", False),
            limits=self._limits,
            guard=rules_of(settings.get("guard", ())),
            adoption=AdoptionPolicy(settings.get("adoption", "refuse")),
            rehire=RehirePolicy(settings.get("rehire", "new")),
            connections=frozenset(
                [found["name"] async for found in find_all(self._operator, CONNECTION, ("tenant", name))]
            ),
            request_log=RequestLogPolicy(settings.get("requestLog", "failures")),
            quotas=_quotas(settings.get("limits", {})),
            is_suspended=settings.get("state") == "suspended",
        )

    async def registry(self, name: str) -> Registry:
        """What a tenant knows; raises NotFoundError."""
        return await self._registry(name, (await self._row(name)).id)

    async def registry_at(self, tenant: Mapping[str, Json], revision: int) -> Registry:
        """What a tenant knows whose records have a revision."""
        return await self._registry(tenant["name"], tenant["id"], revision)

    async def _registry(self, name: str, tenant_id: str, revision: int | None = None) -> Registry:
        store = self._store.for_tenant(name)
        if revision is None:
            revision = await store.records_revision()
        known = self._registries.get(tenant_id)
        if known is not None and known[0] == revision:
            return known[1]
        registry = await kept_registry(store)
        if known is not None and known[1] == registry:
            registry = known[1]  # other records changed: what was derived from it still holds
        self._registries[tenant_id] = revision, registry
        return registry

    async def _row(self, name: str) -> StoredResource:
        row = await find_one(self._operator, TENANT, "name", name)
        if row is None:
            raise NotFoundError(f"There is no tenant '{name}'.")
        return row


def _quotas(limits: Mapping[str, Json]) -> Quotas:
    return Quotas(limits.get("users"), limits.get("groups"), limits.get("requestsPerSecond"))
