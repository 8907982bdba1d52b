"""What stored resources say to a change of their schemas, and how much they use them."""

import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from typing import Final

import orjson

from headcount.directory.identifiers import now
from headcount.directory.walks import Report, modified_since, total_of, walk
from headcount.scim.errors import ConflictError
from headcount.scim.evolution import Hurdle, hurdles
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.schemas import Json
from headcount.store.interface import TenantStore

_EXAMPLES: Final = 3
_PASSES: Final = 5
"""At most: where so much is written that each takes long, the last one has to do."""
_KNOWN_EVERYWHERE: Final = 1.0
"""Seconds."""


async def check_changes(store: TenantStore, old: Registry, new: Registry, report: Report) -> None:
    """Raises ConflictError, with counts and examples, when stored resources do not fit the new registry.

    Resources are looked at only where something becomes narrower; what was modified meanwhile once more, until that
    takes no longer than servers take to learn of a change.
    """
    since: str | None = None
    for _ in range(_PASSES):
        began, clock = now(), time.monotonic()
        found, is_narrower = [], False
        for kind in old.resource_types:
            in_the_way = hurdles(kind, new.by_name.get(kind.name))
            if in_the_way:
                is_narrower = True
                found += await _hits(store, kind, in_the_way, report, since)
        if found:
            raise ConflictError(f"The schemas cannot change so: {'; '.join(found)}.")
        if not is_narrower or (since is not None and time.monotonic() - clock < _KNOWN_EVERYWHERE):
            return
        since = began


async def count_uses(store: TenantStore, registry: Registry, urn: str, report: Report) -> list[dict[str, Json]]:
    """How many resources have a value of each attribute of a schema."""
    rows = []
    for kind in registry.resource_types:
        schema = kind.urn_by_fold.get(urn.lower())
        if schema is None:
            continue
        is_base = schema == kind.schema.id
        counts: Counter[str] = Counter()
        async for _, resource in _resources(store, kind, report):
            counts.update(name for name in (resource if is_base else resource.get(schema, {})))
        definition = kind.schema if is_base else kind.extension_by_urn[schema.lower()].schema
        rows += [
            {
                "type": kind.name,
                "path": attribute.name if is_base else f"{schema}:{attribute.name}",
                "resources": counts[attribute.name],
            }
            for attribute in definition.attributes
        ]
    return rows


async def _hits(
    store: TenantStore, kind: ResourceType, in_the_way: list[Hurdle], report: Report, since: str | None
) -> list[str]:
    counts: Counter[int] = Counter()
    examples: defaultdict[int, list[str]] = defaultdict(list)
    async for resource_id, resource in _resources(store, kind, report, since):
        for number, hurdle in enumerate(in_the_way):
            if hurdle.is_hit(resource):
                counts[number] += 1
                if len(examples[number]) < _EXAMPLES:
                    examples[number].append(resource_id)
    return [
        f"{counts[number]} resources of type {kind.name} {hurdle.words} {hurdle.path} "
        f"(such as {', '.join(examples[number])})"
        for number, hurdle in enumerate(in_the_way)
        if counts[number]
    ]


async def _resources(
    store: TenantStore, kind: ResourceType, report: Report, since: str | None = None
) -> AsyncIterator[tuple[str, Mapping[str, Json]]]:
    total = await total_of(store, kind)
    async for rows in walk(store, kind, matching=modified_since(kind, since) if since else None):
        for row in rows:
            yield row.id, orjson.loads(row.document)
        report(len(rows), f"looked at {kind.name} resources, {total:,} in all")
