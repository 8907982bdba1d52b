"""Attributes that a tenant declares as indexed: built in batches while everything goes on, resumable anywhere.

From the moment it is declared, every write keeps an index; searches use it once every resource is in it. A request
that was under way at that moment may still write without knowing of it, so that what was modified since is looked at
once more, when no such request can be left.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import orjson
import structlog

from headcount.directory.identifiers import now
from headcount.directory.operator import BY_COMMAND
from headcount.directory.registries import (
    INDEX_RECORDS,
    Declared,
    keep_index,
    keep_progress,
    kept_indexes,
    kept_registry,
)
from headcount.directory.resources import Request
from headcount.directory.tenants import Tenants
from headcount.directory.walks import Report, modified_since, silent, total_of, walk
from headcount.scim.errors import ConflictError, InvalidValueError, NotFoundError, ScimError
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.registry import ALWAYS_INDEXED, IndexedAttribute, Registry, ResourceType
from headcount.scim.schemas import Json, Schema
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import Found, NotUniqueError, Store, StoredResource, StoreError, TenantStore
from headcount.store.keys import PROMOTED, is_key, unique_key, values_at

DECLARED: Final = "index.declared"
"""The mark that an index leaves when it is declared."""
DROPPED: Final = "index.dropped"


class ValueIndexes:
    """Declares, builds, lists and drops indexes."""

    def __init__(self, store: Store, tenants: Tenants, *, settle_seconds: float) -> None:
        self._store = store
        self._tenants = tenants
        self._settle_seconds = settle_seconds
        """How long a request may go on without knowing of what was declared meanwhile."""
        self._building: set[asyncio.Task[None]] = set()

    async def declare(
        self, tenant: str, text: str, type_name: str | None = None, *, by: Request = BY_COMMAND
    ) -> list[Declared]:
        """Has writes keep an index of an attribute from now on; gives what is to be built.

        Raises InvalidValueError for what cannot be indexed. What is declared already stays as far as it is built.
        """
        store, registry = await self._opened(tenant)
        known = {one.key: one for one in await kept_indexes(store)}
        wanted = []
        for kind, path in _bound(text, type_name, registry):
            fresh = Declared(kind.name, str(path), now())
            if fresh.key not in known:
                _check(kind, path)
            wanted.append(known.get(fresh.key, fresh))
        for one in wanted:
            if one.key not in known:
                await keep_index(store, one)
                await self._tenants.record(DECLARED, tenant, {"type": one.type, "path": one.path}, by)
        return wanted

    async def build(self, tenant: str, declared: Iterable[Declared], report: Report) -> None:
        """Brings indexes to completion, from where they stand.

        Raises ConflictError when a resource has a value that cannot be in it; the index is then given up.
        """
        store, _ = await self._opened(tenant)
        for one in declared:
            if one.is_complete:
                continue
            try:
                await self._build(store, one, report)
            except InvalidValueError as error:
                if not one.is_unique:
                    await self.give_up(store, one)
                raise ConflictError(f"'{one.path}' cannot be indexed: {error}") from error
            except NotUniqueError as error:
                raise ConflictError(
                    f"'{one.path}' is not unique: {error.owner} and another resource share a value. Change one of "
                    f"them, then run 'headcount schema index {one.path}'."
                ) from error

    def start(self, tenant: str, declared: Iterable[Declared]) -> None:
        """Builds in the background; what the end of the process interrupts goes on when it is started again."""
        task = asyncio.create_task(self._build_quietly(tenant, list(declared)))
        self._building.add(task)
        task.add_done_callback(self._building.discard)

    async def stop(self) -> None:
        """Leaves off building, before the store closes."""
        for task in self._building:
            task.cancel()
        await asyncio.gather(*self._building, return_exceptions=True)

    async def drop(self, tenant: str, text: str, type_name: str | None = None, *, by: Request = BY_COMMAND) -> None:
        """Forgets an index that was declared; raises NotFoundError when there is none."""
        store, registry = await self._opened(tenant)
        known = {one.key: one for one in await kept_indexes(store)}
        named = (known.get(f"{kind.name} {path}") for kind, path in _bound(text, type_name, registry))
        found = [one for one in named if one is not None and not one.is_unique]
        if not found:
            raise NotFoundError(f"'{text}' is not declared as indexed.")
        await self.give_up(store, *found)
        for one in found:
            await self._tenants.record(DROPPED, tenant, {"type": one.type, "path": one.path}, by)

    async def give_up(self, store: TenantStore, *declared: Declared) -> None:
        """Forgets indexes; searches do without them at once."""
        for one in declared:
            await store.change_records(INDEX_RECORDS, {one.key: None})
            if not one.is_unique:
                await store.forget_index(one.type, one.path, unique=False)

    async def list(self, tenant: str) -> list[dict[str, Json]]:
        """The indexes of a tenant, those that every tenant has included."""
        store, registry = await self._opened(tenant)
        declared = {one.key: one for one in await kept_indexes(store)}
        rows = []
        for kind in registry.resource_types:
            for path, indexed in kind.indexed.items():
                one = declared.get(f"{kind.name} {path}")
                state = "complete" if indexed.index.is_complete else "building"
                row = {"type": kind.name, "path": path, "state": state, "builtIn": one is None}
                rows.append(row | ({"done": one.done} if one and not one.is_complete else {}))
        return rows

    async def _build_quietly(self, tenant: str, declared: Sequence[Declared]) -> None:
        try:
            await self.build(tenant, declared, silent)
        except (ScimError, StoreError) as error:
            structlog.get_logger().warning("index_not_built", tenant=tenant, reason=str(error))

    async def _opened(self, tenant: str) -> tuple[TenantStore, Registry]:
        await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        return store, await kept_registry(store)

    async def _build(self, store: TenantStore, declared: Declared, report: Report) -> None:
        kind, indexed = await _current(store, declared)
        total = await total_of(store, kind)
        report(declared.done, "")
        async for rows in walk(store, kind, after=declared.after):
            await _index(store, kind, indexed, rows)
            declared = replace(declared, after=rows[-1].id, done=declared.done + len(rows))
            await keep_progress(store, declared)
            report(len(rows), f"{declared.done:,} of {max(total, declared.done):,} resources")
        await self._settle(store, kind, indexed, declared, report)
        if declared.is_unique:  # from now on it is kept like any other
            await store.change_records(INDEX_RECORDS, {declared.key: None})
        else:
            await keep_progress(store, replace(declared, is_complete=True))

    async def _settle(
        self, store: TenantStore, kind: ResourceType, indexed: IndexedAttribute, declared: Declared, report: Report
    ) -> None:
        """Looks again at what was modified since the index was declared, once everybody knows of it."""
        seconds = self._settle_seconds - (time.time() - datetime.fromisoformat(declared.since).timestamp())
        if seconds > 0:
            report(0, f"waiting {seconds:.0f} s for requests under way")
            await asyncio.sleep(seconds)
        async for rows in walk(store, kind, matching=modified_since(kind, declared.since)):
            await _index(store, kind, indexed, rows)


async def _index(
    store: TenantStore, kind: ResourceType, indexed: IndexedAttribute, rows: Sequence[StoredResource]
) -> None:
    """Puts resources into an index; those that changed meanwhile are read again."""
    schema = kind.extension_by_urn[indexed.extension.lower()].schema if indexed.extension else kind.schema
    unique = indexed.index.is_unique
    path = unique_key(schema, indexed.attribute, indexed.sub_attribute) if unique else indexed.index.path
    waiting = list(rows)
    while waiting:
        found = [Found(row.id, row.version, tuple(values_at(orjson.loads(row.document), indexed))) for row in waiting]
        changed = await store.index(kind.name, path, found, unique=unique)
        again = [await store.read(kind.name, resource_id, groups=False) for resource_id in changed]
        waiting = [row for row in again if row is not None]


async def _current(store: TenantStore, declared: Declared) -> tuple[ResourceType, IndexedAttribute]:
    """What the index is of; raises NotFoundError when that is gone."""
    registry = await kept_registry(store)
    kind = registry.by_name.get(declared.type)
    indexed = kind.indexed.get(declared.path) if kind else None
    if kind is None or indexed is None:
        raise NotFoundError(f"{declared.type} has no '{declared.path}' any more.")
    return kind, indexed


def _bound(text: str, type_name: str | None, registry: Registry) -> list[tuple[ResourceType, BoundPath]]:
    """The resource types that have the attribute, one if it is named."""
    if type_name is not None and type_name not in registry.by_name:
        raise NotFoundError(f"There is no resource type '{type_name}'.")
    kinds = [registry.by_name[type_name]] if type_name else registry.resource_types
    found = [(kind, path) for kind in kinds if (path := bind_path(text, kind)) is not None]
    if not found:
        raise InvalidValueError(f"'{text}' is not an attribute of {', '.join(kind.name for kind in kinds)}.")
    return found


def _check(kind: ResourceType, path: BoundPath) -> None:
    """Raises InvalidValueError for an attribute that cannot be indexed, or is found quickly as it is."""
    target = path.target
    is_promoted = path.extension is None and path.attribute.name in PROMOTED.get(kind.schema.id, {})
    if (
        is_promoted
        or _is_common(path, kind)
        or str(path) in {index.path for index in ALWAYS_INDEXED.get(kind.schema.id, ())}
    ):
        raise InvalidValueError(f"'{path}' of {kind.name} is indexed in every tenant.")
    if target.is_complex:
        raise InvalidValueError(f"'{path}' is complex; index one of its sub-attributes, such as '{path}.value'.")
    if path.attribute.is_secret or target.is_secret:
        raise InvalidValueError(f"'{path}' is never returned, and cannot be searched.")
    if path.sub_attribute is not None and path.sub_attribute.multi_valued:
        raise InvalidValueError(f"'{path}' has several values in one element, and cannot be indexed.")
    if path.attribute.name in _schema(kind, path).by_name and is_key(_schema(kind, path), target):
        raise InvalidValueError(f"'{path}' of {kind.name} is unique, and found by its value already.")


def _schema(kind: ResourceType, path: BoundPath) -> Schema:
    return kind.extension_by_urn[path.extension.lower()].schema if path.extension else kind.schema


def _is_common(path: BoundPath, kind: ResourceType) -> bool:
    """Whether it is kept in columns or rows of its own: common attributes, memberships, managers."""
    name = path.attribute.name
    derived = (kind.keeps_members and name == "members") or (kind.derives_groups and name == "groups")
    derived |= path.extension == ENTERPRISE_USER and name == "manager"
    return derived or name in ("id", "externalId", "meta", "schemas")
