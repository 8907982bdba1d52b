"""A tenant written to an archive, as of one instant, while everything goes on."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import orjson

from headcount.directory.archive_parts import (
    CHANGES,
    CONNECTIONS,
    INDEXES,
    SCHEMAS,
    TABLE_PARTS,
    Part,
)
from headcount.directory.archives import ArchiveWriter, Outlet, new_file
from headcount.directory.identifiers import now
from headcount.directory.operator import BY_COMMAND, find_all
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import CONNECTION
from headcount.directory.registries import kept_documents, kept_indexes
from headcount.directory.resources import Request
from headcount.directory.tenants import Tenants
from headcount.directory.walks import Report
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore, Snapshot

_NOT_CARRIED: Final = frozenset({"schemas", "id", "meta", "tenant", "qualifiedName"})
"""What a connection is given anew where it comes to."""

EXPORTED: Final = "tenant.exported"
"""The mark that an export leaves when it begins."""


class TenantExport:
    """Writes archives."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, operator: OperatorResources, version: str) -> None:
        self._store = store
        self._tenants = tenants
        self._operator = operator
        self._version = version

    async def write(
        self, tenant: str, path: Path, report: Report, *, with_changes: bool = False, by: Request = BY_COMMAND
    ) -> dict[str, Json]:
        """Writes a tenant to a new file, and gives the manifest; secrets of connections and tokens stay behind.

        Raises NotFoundError, ArchiveError when the file cannot be written. A file is whole or not there.
        """
        settings = await self._tenants.get(tenant)
        with new_file(path) as file, ArchiveWriter(file) as archive:
            await self._tenants.record(EXPORTED, tenant, {"changes": with_changes}, by)
            async for amount, text in self._parts(archive, settings["name"], with_changes=with_changes):
                report(amount, text)
            return archive.finish(self._about(settings))

    async def stream(self, tenant: str, *, with_changes: bool, by: Request) -> AsyncIterator[bytes]:
        """The archive in pieces, made while they are taken; raises NotFoundError before the first one.

        Whoever has the last piece has all of it: a ZIP file ends with its directory.
        """
        settings = await self._tenants.get(tenant)
        await self._tenants.record(EXPORTED, tenant, {"changes": with_changes}, by)
        return self._pieces(settings, with_changes=with_changes)

    async def _pieces(self, settings: Mapping[str, Json], *, with_changes: bool) -> AsyncIterator[bytes]:
        out = Outlet()
        with ArchiveWriter(out) as archive:
            async for _ in self._parts(archive, settings["name"], with_changes=with_changes):
                if piece := out.take():
                    yield piece
            archive.finish(self._about(settings))
        yield out.take()

    async def _parts(
        self, archive: ArchiveWriter, tenant: str, *, with_changes: bool
    ) -> AsyncIterator[tuple[int, str]]:
        """Writes part after part, and reports what was written, as to a `Report`."""
        store = self._store.for_tenant(tenant)
        documents = await kept_documents(store)
        indexes = [one for one in await kept_indexes(store) if not one.is_unique]
        connections = [one async for one in find_all(self._operator, CONNECTION, ("tenant", tenant))]
        with archive.part(SCHEMAS) as part:
            part.add(_line({"key": key, "document": documents[key]}) for key in sorted(documents))
        with archive.part(INDEXES) as part:
            part.add(_line({"type": one.type, "path": one.path}) for one in sorted(indexes, key=lambda one: one.key))
        with archive.part(CONNECTIONS) as part:
            part.add(_line(_carried(connection)) for connection in connections)
        async with self._store.snapshot() as snapshot:
            for carried in parts_carried(with_changes=with_changes):
                with archive.part(carried.name) as part:
                    async for rows in snapshot.rows_of(carried.table, tenant, carried.order):
                        await asyncio.to_thread(part.add, carried.lines(rows))  # others are served meanwhile
                        yield len(rows), f"{carried.name}: {part.tally.lines:,}"

    def _about(self, settings: Mapping[str, Json]) -> dict[str, Json]:
        return {"headcount": self._version, "exported": now(), "tenant": _carried(settings)}


async def digest_of(snapshot: Snapshot, part: Part, tenant: str) -> str:
    """The digest that a part of a tenant has, without writing it."""
    digest = hashlib.sha256()
    async for rows in snapshot.rows_of(part.table, tenant, part.order):
        for line in part.lines(rows):
            digest.update(line)
    return digest.hexdigest()


def parts_carried(*, with_changes: bool) -> list[Part]:
    """The parts that hold rows, in their order."""
    return [part for part in TABLE_PARTS if with_changes or part is not CHANGES]


def _carried(document: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in document.items() if name not in _NOT_CARRIED}


def _line(value: Json) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE)
