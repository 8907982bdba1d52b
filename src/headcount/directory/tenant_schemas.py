"""A tenant's own schemas and resource types, kept as documents and live within a second."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from headcount.directory.tenants import SCHEMA_RECORDS, Tenants
from headcount.scim import urns
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError
from headcount.scim.filters.binding import BoundFilter, bind_filter
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.profiles import STRICT
from headcount.scim.registry import Registry, ResourceType, build_registry, is_resource_type_document
from headcount.scim.schemas import Json, schema_from_document
from headcount.store.interface import Query, Store, Target, TenantStore, VersionConflictError

_EXTENDED_BY_DEFAULT: Final = "User"


class TenantSchemas:
    """Adds, lists and removes the documents of a tenant's registry."""

    def __init__(self, store: Store, tenants: Tenants) -> None:
        self._store = store
        self._tenants = tenants

    async def add(self, tenant: str, documents: list[Json], *, extends: str | None = None) -> list[dict[str, Json]]:
        """Keeps Schema and ResourceType documents, all or none; one with a known id replaces it.

        A schema that a resource type is to be extended by names it in its last part (`urn:…:2.0:User`), or `extends`
        does. Raises InvalidValueError when the registry would not fit together.
        """
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        revision, kept = await _kept(store)
        registry = build_registry(kept.values())
        added: dict[str, Json] = {}
        for document in documents:
            if is_resource_type_document(document):
                self._merge(added, document, kept)
            else:
                added[f"schema {schema_from_document(document).id.lower()}"] = document
        for document in documents:
            if not is_resource_type_document(document):
                self._attach(added, document["id"], extends, registry, kept)
        build_registry((kept | added).values())  # refuses what does not fit together
        await _change(store, revision, added)
        return await self.list(tenant)

    async def list(self, tenant: str) -> list[dict[str, Json]]:
        """The schemas that resources of the tenant use: id, name, resource types, and whether built in."""
        await self._tenants.get(tenant)
        records = await self._store.for_tenant(tenant).records(SCHEMA_RECORDS)
        documents = [orjson.loads(value) for value in records.values()]
        registry = build_registry(documents)
        own = {document["id"].lower() for document in documents if not is_resource_type_document(document)}
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

    async def remove(self, tenant: str, urn: str) -> None:
        """Forgets a schema; refused with ConflictError while resources use it."""
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        revision, kept = await _kept(store)
        if f"schema {urn.lower()}" not in kept:
            raise NotFoundError(f"The tenant '{tenant}' has no schema {urn} of its own.")
        await self._check_unused(store, urn, build_registry(kept.values()))
        changed = {key: _without(document, urn) for key, document in kept.items()}
        build_registry(document for document in changed.values() if document is not None)
        await _change(store, revision, {key: left for key, left in changed.items() if left != kept[key]})

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

    async def _check_unused(self, store: TenantStore, urn: str, registry: Registry) -> None:
        for kind in registry.resource_types:
            if urn.lower() in (extension.schema.id.lower() for extension in kind.extensions):
                query = Query((Target(kind, _uses(kind, urn)),), 0)
            elif kind.schema.id.lower() == urn.lower():
                query = Query((Target(kind),), 0)
            else:
                continue
            page = await store.search(query)
            if page.total:
                raise ConflictError(f"{page.total} resources of type {kind.name} use {urn}.")


async def _kept(store: TenantStore) -> tuple[int, dict[str, Json]]:
    """The documents by key, and the revision that they have at least."""
    revision = await store.records_revision()
    records = await store.records(SCHEMA_RECORDS)
    return revision, {key: orjson.loads(value) for key, value in records.items()}


async def _change(store: TenantStore, revision: int, documents: Mapping[str, Json]) -> None:
    """Keeps documents and forgets those that are None; raises ConflictError when somebody else was faster."""
    changes = {key: None if document is None else orjson.dumps(document) for key, document in documents.items()}
    try:
        await store.change_records(SCHEMA_RECORDS, changes, expected_revision=revision)
    except VersionConflictError as error:
        raise ConflictError("The tenant's schemas were changed at the same time; try again.") from error


def _uses(kind: ResourceType, urn: str) -> BoundFilter:
    return bind_filter(Comparison("schemas", Operator.EQ, urn), kind, STRICT)


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
