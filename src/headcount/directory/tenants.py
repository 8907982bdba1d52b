"""Tenants: created, listed, changed and deleted, and loaded for serving."""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from headcount.directory.operator import as_dictionary, decoded, find_all, find_one, request_of
from headcount.directory.operator_schemas import ACCESS_TOKEN, TENANT
from headcount.directory.resources import Resources
from headcount.directory.tenant import Limits, PasswordPolicy, Tenant
from headcount.scim import urns
from headcount.scim.errors import InvalidValueError, NotFoundError, UniquenessError
from headcount.scim.profiles import PROFILES
from headcount.scim.registry import Registry, build_registry
from headcount.scim.schemas import Json
from headcount.store.interface import Store, StoredResource

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_CHANGEABLE: Final = {"displayName", "profile", "passwords", "refuseUnknown"}
SCHEMA_RECORDS: Final = "schema"
"""The kind of the records that hold a tenant's Schema and ResourceType documents."""


class Tenants:
    """The tenants of an installation."""

    def __init__(self, store: Store, operator: Resources, limits: Limits) -> None:
        self._store = store
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
        if not NAME.fullmatch(name):
            raise InvalidValueError(
                f"'{name}' is no tenant name: use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first."
            )
        body = {
            "schemas": [TENANT.schema.id],
            "name": name,
            "displayName": display_name,
            "profile": profile,
            "passwords": passwords,
            "refuseUnknown": refuse_unknown,
        }
        _check_settings(body)
        await self._sweep(name)
        try:
            return decoded(await self._operator.create(TENANT, body, request_of(actor)))
        except UniquenessError:
            raise UniquenessError(f"The tenant '{name}' exists already.") from None

    async def _sweep(self, name: str) -> None:
        """Removes what a deletion that was cut short left of a namesake, so that nobody inherits it."""
        if await find_one(self._operator, TENANT, "name", name) is not None:
            return
        async for token in find_all(self._operator, ACCESS_TOKEN, ("tenant", name)):
            await self._operator.delete(ACCESS_TOKEN, token["id"], request_of("cli"))
        await self._store.for_tenant(name).clear()

    async def list(self) -> list[dict[str, Json]]:
        """All tenants."""
        return [tenant async for tenant in find_all(self._operator, TENANT)]

    async def get(self, name: str) -> dict[str, Json]:
        """One tenant; raises NotFoundError."""
        return as_dictionary(await self._row(name))

    async def update(self, name: str, changes: Mapping[str, Json], *, actor: str = "cli") -> dict[str, Json]:
        """Changes settings of a tenant."""
        unknown = changes.keys() - _CHANGEABLE
        if unknown:
            raise InvalidValueError(f"A tenant's {', '.join(sorted(unknown))} cannot be changed.")
        _check_settings(changes)
        row = await self._row(name)
        operations = [{"op": "replace", "path": path, "value": value} for path, value in changes.items()]
        if operations:
            patch = {"schemas": [urns.PATCH_OP], "Operations": operations}
            await self._operator.patch(TENANT, row.id, patch, request_of(actor))
        return await self.get(name)

    async def delete(self, name: str, *, actor: str = "cli") -> None:
        """Removes a tenant with its tokens and everything in it."""
        row = await self._row(name)
        async for token in find_all(self._operator, ACCESS_TOKEN, ("tenant", name)):
            await self._operator.delete(ACCESS_TOKEN, token["id"], request_of(actor))
        await self._operator.delete(TENANT, row.id, request_of(actor))
        await self._store.for_tenant(name).clear()

    async def load(self, name: str, public_url: str) -> Tenant | None:
        """The tenant as it is served, or None. Its registry is compiled anew only when its records changed."""
        if not NAME.fullmatch(name):
            return None
        row = await find_one(self._operator, TENANT, "name", name)
        if row is None:
            return None
        settings = orjson.loads(row.document)
        return Tenant(
            name=name,
            base_url=f"{public_url}/t/{name}/scim/v2",
            registry=await self._registry(name, row.id),
            profile=PROFILES[settings.get("profile", "tolerant")],
            passwords=PasswordPolicy(settings.get("passwords", "discard")),
            refuse_unknown=settings.get("refuseUnknown", False),
            limits=self._limits,
        )

    async def _registry(self, name: str, tenant_id: str) -> Registry:
        store = self._store.for_tenant(name)
        revision = await store.records_revision()
        known = self._registries.get(tenant_id)
        if known is not None and known[0] == revision:
            return known[1]
        records = await store.records(SCHEMA_RECORDS)
        registry = build_registry(orjson.loads(value) for value in records.values())
        self._registries[tenant_id] = revision, registry
        return registry

    async def _row(self, name: str) -> StoredResource:
        row = await find_one(self._operator, TENANT, "name", name)
        if row is None:
            raise NotFoundError(f"There is no tenant '{name}'.")
        return row


def _check_settings(settings: Mapping[str, Json]) -> None:
    for name, choices in (("profile", tuple(PROFILES)), ("passwords", tuple(PasswordPolicy))):
        if name in settings and settings[name] not in choices:
            raise InvalidValueError(f"'{name}' is one of {', '.join(choices)}, not '{settings[name]}'.")
