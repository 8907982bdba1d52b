"""A tenant's own schemas and resource types, kept as documents and live within a second."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from headcount.directory.identifiers import now
from headcount.directory.operator import BY_COMMAND
from headcount.directory.registries import (
    SCHEMA_RECORDS,
    Declared,
    keep_index,
    kept_documents,
    kept_indexes,
    registry_with,
)
from headcount.directory.resources import Request
from headcount.directory.schema_guard import check_changes, count_uses
from headcount.directory.tenants import Tenants
from headcount.directory.value_indexes import ValueIndexes
from headcount.directory.walks import Report, silent
from headcount.scim import urns
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError
from headcount.scim.evolution import becoming_unique
from headcount.scim.registry import Registry, is_resource_type_document
from headcount.scim.schemas import Json, schema_from_document
from headcount.store.interface import Store, TenantStore, VersionConflictError
from headcount.store.keys import unique_key

_EXTENDED_BY_DEFAULT: Final = "User"
_ATTEMPTS: Final = 8
CHANGED: Final = "schema.changed"
"""The mark that documents leave when they are added."""
REMOVED: Final = "schema.removed"


class TenantSchemas:
    """Adds, lists and removes the documents of a tenant's registry."""

    def __init__(self, store: Store, tenants: Tenants, indexes: ValueIndexes) -> None:
        self._store = store
        self._tenants = tenants
        self._indexes = indexes

    async def add(
        self,
        tenant: str,
        documents: list[Json],
        *,
        extends: str | None = None,
        report: Report = silent,
        in_background: bool = False,
        by: Request = BY_COMMAND,
    ) -> list[dict[str, Json]]:
        """Keeps Schema and ResourceType documents, all or none; one with a known id replaces it.

        A schema that a resource type is to be extended by names it in its last part (`urn:…:2.0:User`), or `extends`
        does. Values of what becomes unique are gathered before it returns, or `in_background`. Raises
        InvalidValueError when the registry would not fit together, ConflictError when stored resources would not fit
        the schemas any more.
        """
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        kept, indexes = await kept_documents(store), await kept_indexes(store)
        registry = registry_with(kept, indexes)
        added = self._added(documents, extends, registry, kept)
        changed = registry_with(kept | added, indexes)  # refuses what does not fit together
        await check_changes(store, registry, changed, report)
        declared = await _declare_unique(store, registry, changed)
        try:
            await _change(store, kept, added)
        except ConflictError:
            await self._indexes.give_up(store, *declared)
            raise
        await self._tenants.record(CHANGED, tenant, {"documents": list(added)}, by)
        if in_background:
            self._indexes.start(tenant, declared)
        else:
            await self._indexes.build(tenant, declared, report)
        return await self.list(tenant)

    async def remove(self, tenant: str, urn: str, *, report: Report = silent, by: Request = BY_COMMAND) -> None:
        """Forgets a schema; refused with ConflictError while resources use it."""
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        kept, indexes = await kept_documents(store), await kept_indexes(store)
        if f"schema {urn.lower()}" not in kept:
            raise NotFoundError(f"The tenant '{tenant}' has no schema {urn} of its own.")
        changed = {key: _without(document, urn) for key, document in kept.items()}
        left = {key: document for key, document in changed.items() if document is not None}
        registry = registry_with(left, indexes)
        await check_changes(store, registry_with(kept, indexes), registry, report)
        await _change(store, kept, {key: document for key, document in changed.items() if document != kept[key]})
        await self._tenants.record(REMOVED, tenant, {"schema": urn}, by)
        known = {(kind.name, path) for kind in registry.resource_types for path in kind.indexed}
        await self._indexes.give_up(store, *(one for one in indexes if (one.type, one.path) not in known))

    async def document(self, tenant: str, urn: str) -> dict[str, Json]:
        """A schema of the tenant's own as it was given; raises NotFoundError."""
        await self._tenants.get(tenant)
        documents = await kept_documents(self._store.for_tenant(tenant))
        found: dict[str, Json] | None = documents.get(f"schema {urn.lower()}")
        if found is None:
            raise NotFoundError(f"The tenant '{tenant}' has no schema {urn} of its own.")
        return found

    async def usage(self, tenant: str, urn: str, *, report: Report = silent) -> list[dict[str, Json]]:
        """How many resources have a value of each attribute of a schema, by resource type."""
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        registry = registry_with(await kept_documents(store), [])
        if not any(schema.id.lower() == urn.lower() for schema in registry.schemas):
            raise NotFoundError(f"The tenant '{tenant}' has no schema {urn}.")
        return await count_uses(store, registry, urn, report)

    async def list(self, tenant: str) -> list[dict[str, Json]]:
        """The schemas that resources of the tenant use: id, name, resource types, and whether built in."""
        await self._tenants.get(tenant)
        documents = await kept_documents(self._store.for_tenant(tenant))
        registry = registry_with(documents, [])
        own = {document["id"].lower() for document in documents.values() if not is_resource_type_document(document)}
        discovery = {urns.SCHEMA, urns.RESOURCE_TYPE, urns.SERVICE_PROVIDER_CONFIG}
        return [
            {
                "id": schema.id,
                "name": schema.name,
                "resourceTypes": _users_of(schema.id, registry),
                "builtIn": schema.id.lower() not in own,
            }
            for schema in registry.schemas
            if schema.id not in discovery
        ]

    def _added(
        self, documents: Sequence[Json], extends: str | None, registry: Registry, kept: Mapping[str, Json]
    ) -> dict[str, Json]:
        """The documents by key, with those of the resource types that they extend."""
        added: dict[str, Json] = {}
        for document in documents:
            if is_resource_type_document(document):
                self._merge(added, document, kept)
            else:
                added[f"schema {schema_from_document(document).id.lower()}"] = document
        for document in documents:
            if not is_resource_type_document(document):
                self._attach(added, document["id"], extends, registry, kept)
        return added

    def _merge(self, added: dict[str, Json], document: Mapping[str, Json], kept: Mapping[str, Json]) -> None:
        """Extensions that a resource type was given before stay."""
        key = f"type {document.get('name') or document.get('id')}"
        before = added.get(key) or kept.get(key) or {}
        extensions = {item["schema"].lower(): item for item in before.get("schemaExtensions") or ()}
        extensions |= {str(item.get("schema")).lower(): item for item in document.get("schemaExtensions") or ()}
        added[key] = {**document, "schemaExtensions": list(extensions.values())}

    def _attach(
        self, added: dict[str, Json], urn: str, extends: str | None, registry: Registry, kept: Mapping[str, Json]
    ) -> None:
        """Makes the schema an extension of a resource type, unless a document says what it is for."""
        documents = [document for document in (*kept.values(), *added.values()) if is_resource_type_document(document)]
        if any(urn.lower() in _named_by(document) for document in documents):
            return
        name = extends or _extended_by_name(urn, registry)
        if name is None:
            return
        kind = registry.by_name.get(name)
        if kind is None and f"type {name}" not in added:
            raise InvalidValueError(f"There is no resource type '{name}' that {urn} could extend.")
        whole: dict[str, Any] = {"name": name, "schema": kind.schema.id} if kind else dict(added[f"type {name}"])
        extension = {"schema": urn, "required": False}
        self._merge(added, {**kept.get(f"type {name}", {}), **whole, "schemaExtensions": [extension]}, kept)


def documents_in(content: Json) -> list[Json]:
    """The documents that a JSON value holds: one, an array, a ListResponse, or `schemas` and `resourceTypes`.

    Raises InvalidValueError when there is none.
    """
    if isinstance(content, dict) and isinstance(content.get("Resources"), list):
        content = content["Resources"]
    elif isinstance(content, dict) and not content.keys() & {"id", "name", "attributes", "endpoint"}:
        content = [item for part in ("schemas", "resourceTypes") for item in content.get(part) or ()]
    documents = content if isinstance(content, list) else [content]
    if not documents:
        raise InvalidValueError("There is no Schema or ResourceType document in it.")
    return documents


async def _declare_unique(store: TenantStore, before: Registry, after: Registry) -> list[Declared]:
    """Says of what becomes unique that its values are not kept yet: searches and later writes rely on all of them."""
    declared = []
    for kind in before.resource_types:
        for one in becoming_unique(kind, after.by_name[kind.name]):
            key = unique_key(one.schema, one.attribute, one.sub_attribute)
            await store.forget_index(kind.name, key, unique=True)
            path = key.removeprefix(f"{kind.schema.id}:") if one.schema.id == kind.schema.id else key
            declared.append(Declared(kind.name, path, now(), is_unique=True))
    for index in declared:
        await keep_index(store, index)
    return declared


async def _change(store: TenantStore, kept: Mapping[str, Json], documents: Mapping[str, Json]) -> None:
    """Keeps documents and forgets those that are None; raises ConflictError when somebody else was faster."""
    changes = {key: None if document is None else orjson.dumps(document) for key, document in documents.items()}
    for _ in range(_ATTEMPTS):
        revision = await store.records_revision()
        if await kept_documents(store) != kept:
            break
        try:
            await store.change_records(SCHEMA_RECORDS, changes, expected_revision=revision)
        except VersionConflictError:
            continue  # of other records, it may be
        return
    raise ConflictError("The tenant's schemas were changed at the same time; try again.")


def _users_of(urn: str, registry: Registry) -> list[str]:
    return [
        kind.name
        for kind in registry.resource_types
        if urn in (kind.schema.id, *(extension.schema.id for extension in kind.extensions))
    ]


def _named_by(document: Mapping[str, Json]) -> set[str]:
    """The folded URNs that a ResourceType document uses."""
    extensions = (item.get("schema", "") for item in document.get("schemaExtensions") or ())
    return {urn.lower() for urn in (document.get("schema", ""), *extensions)}


def _extended_by_name(urn: str, registry: Registry) -> str | None:
    """The resource type that an extension's URN speaks of (RFC 7643 §10.3)."""
    last = urn.rsplit(":", 1)[-1].lower()
    for kind in registry.resource_types:
        if kind.name.lower() == last:
            return kind.name
    return _EXTENDED_BY_DEFAULT if "extension" in urn.lower() else None


def _without(document: Json, urn: str) -> Json:
    """The document without the schema; None when nothing of it is left."""
    if not is_resource_type_document(document):
        return None if document["id"].lower() == urn.lower() else document
    if document.get("schema", "").lower() == urn.lower():
        return None
    extensions = [item for item in document.get("schemaExtensions") or () if item["schema"].lower() != urn.lower()]
    built_in = "endpoint" not in document
    return {**document, "schemaExtensions": extensions} if extensions or not built_in else None
