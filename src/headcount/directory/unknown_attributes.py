"""Attributes that clients send and no schema has: counted beside requests, listed, and adopted in one step.

Requests only count in memory; what was counted is kept every few seconds, so that no request waits for it.
"""

import asyncio
from contextlib import suppress
from dataclasses import asdict
from typing import Final, NoReturn

import orjson
import structlog

from headcount.directory.operator import BY_COMMAND
from headcount.directory.resources import Request
from headcount.directory.tenant import Tenant
from headcount.directory.tenant_schemas import TenantSchemas
from headcount.directory.tenants import Tenants
from headcount.directory.unknown_counts import MOST_PATHS, Seen, UnknownCounts
from headcount.directory.walks import Report, silent
from headcount.scim import urns
from headcount.scim.errors import InvalidValueError, NotFoundError
from headcount.scim.paths import bind_path
from headcount.scim.profiles import Toleration
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json, Type
from headcount.scim.unknown import definition_of
from headcount.store.administration import DatabaseStore
from headcount.store.interface import StoreError, VersionConflictError
from headcount.store.keeping import ABSENT, Put, TenantKeeping

FLUSH_SECONDS: Final = 5.0
_COLLECTION: Final = "unknown attribute"
_ATTEMPTS: Final = 8
_ADOPTABLE: Final = frozenset(
    f"{kind}{suffix}" for kind in ("", "string", "boolean", "integer", "decimal") for suffix in ("", "[]")
)


class UnknownAttributes:
    """Keeps what was counted, lists it, and adds it to the schema."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, schemas: TenantSchemas) -> None:
        self._store = store
        self._tenants = tenants
        self._schemas = schemas
        self.counts = UnknownCounts()

    async def flush(self) -> None:
        """Keeps what was counted; raises StoreError when the database fails, and the counts are lost with it."""
        for tenant, counts in self.counts.take().items():
            store = self._store.for_tenant(tenant)
            for seen in counts.values():
                await _add(store, seen)

    async def flush_at_last(self) -> None:
        """Keeps what was counted before the process ends, if the database takes it."""
        with suppress(StoreError):
            await self.flush()

    async def keep_flushing(self) -> NoReturn:
        """Keeps what was counted every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except StoreError as error:
                structlog.get_logger().warning("unknown_attributes_not_kept", reason=str(error))

    async def adopt(
        self,
        tenant: str,
        path: str,
        type_name: str | None = None,
        *,
        report: Report = silent,
        by: Request = BY_COMMAND,
    ) -> list[dict[str, Json]]:
        """Adds an attribute that was seen to the tenant's schemas, as what it looked like.

        A name without a URN goes into an extension of the tenant's own, a sub-attribute to its attribute. Raises
        NotFoundError for one that was not seen, InvalidValueError for one of a schema that is built in.
        """
        for seen in await self._kept(tenant):
            if seen.path.lower() == path.lower() and type_name in (None, seen.type):
                break
        else:
            raise NotFoundError(f"No client sent '{path}'; see 'headcount schema unknown'.")
        if seen.looks not in _ADOPTABLE:
            raise InvalidValueError(
                f"'{seen.path}' looks like {seen.looks}: describe it in a schema document and use 'schema add'."
            )
        urn, _, name = seen.path.rpartition(":")
        registry = await self._tenants.registry(tenant)
        if "." in name:
            document = _with_part(await self._owning(tenant, urn, seen, registry), name, seen)
        else:
            urn = urn or f"urn:ietf:params:scim:schemas:extension:{tenant}:2.0:{seen.type}"
            document = await self._extended(tenant, urn, registry)
            document["attributes"] = [*document["attributes"], definition_of(name, seen.looks)]
        rows = await self._schemas.add(tenant, [document], extends=seen.type, report=report, by=by)
        await self._store.for_tenant(tenant).put([Put(_COLLECTION, seen.key, None)])
        return rows

    async def list(self, tenant: str) -> list[dict[str, Json]]:
        """What was seen and is still unknown, the most frequent first."""
        seen = sorted(await self._kept(tenant), key=lambda one: (-one.count, one.key))
        served = await self._tenants.load(tenant, "")
        return [asdict(one) for one in seen if served is not None and _is_unknown(one, served)]

    async def _kept(self, tenant: str) -> tuple[Seen, ...]:
        await self._tenants.get(tenant)
        entries = await self._store.for_tenant(tenant).entries(_COLLECTION, limit=MOST_PATHS)
        return tuple(Seen(**orjson.loads(entry.value)) for entry in entries)

    async def _owning(self, tenant: str, urn: str, seen: Seen, registry: Registry) -> dict[str, Json]:
        """The document of the attribute that a sub-attribute is to be added to: without a URN, of the base schema."""
        try:
            return await self._schemas.document(tenant, urn or registry.by_name[seen.type].schema.id)
        except NotFoundError:
            raise InvalidValueError(
                f"'{seen.path}' is a part of what is built in; nothing can be added to it. Describe an attribute for "
                "it in an extension of your own, add that with 'schema add', and let the client send it there."
            ) from None

    async def _extended(self, tenant: str, urn: str, registry: Registry) -> dict[str, Json]:
        """The document that an attribute is to be added to."""
        known = next((schema for schema in registry.schemas if schema.id.lower() == urn.lower()), None)
        if known is None:
            return {"schemas": [urns.SCHEMA], "id": urn, "attributes": []}
        try:
            return dict(await self._schemas.document(tenant, known.id))
        except NotFoundError:
            raise InvalidValueError(f"{known.id} is built in; nothing can be added to it.") from None


def _is_unknown(seen: Seen, tenant: Tenant) -> bool:
    """Whether an attribute would be passed over today as well."""
    kind = tenant.registry.by_name.get(seen.type)
    bare = tenant.profile.tolerates(Toleration.BARE_EXTENSION_NAMES)
    return kind is not None and bind_path(seen.path, kind, bare_extension_names=bare) is None


def _with_part(document: dict[str, Json], name: str, seen: Seen) -> dict[str, Json]:
    """A Schema document with one more sub-attribute; raises InvalidValueError when it has no attribute for it."""
    whole, _, part = name.partition(".")
    attributes = list(document["attributes"])
    for place, attribute in enumerate(attributes):
        if attribute["name"].lower() == whole.lower() and attribute.get("type") == Type.COMPLEX:
            parts = [*attribute["subAttributes"], definition_of(part, seen.looks)]
            attributes[place] = {**attribute, "subAttributes": parts}
            return {**document, "attributes": attributes}
    raise InvalidValueError(
        f"{document['id']} has no complex attribute '{whole}' that '{seen.path}' could be a part of."
    )


async def _add(store: TenantKeeping, seen: Seen) -> None:
    """Adds to what is kept, whoever else does so at the same time; gives up, and forgets, when that fails often."""
    for _ in range(_ATTEMPTS):
        entry = await store.entry(_COLLECTION, seen.key)
        if entry is None and len(await store.entries(_COLLECTION, limit=MOST_PATHS)) >= MOST_PATHS:
            return
        whole = seen if entry is None else Seen(**orjson.loads(entry.value)).with_more(seen)
        expected = ABSENT if entry is None else entry.version
        try:
            await store.put([Put(_COLLECTION, seen.key, orjson.dumps(asdict(whole)), expected)])
        except VersionConflictError:
            continue
        return
