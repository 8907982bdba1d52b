"""A tenant written to an archive, as of one instant, while everything goes on."""

import hashlib
from collections.abc import Mapping
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
from headcount.directory.archives import ArchiveWriter
from headcount.directory.identifiers import now
from headcount.directory.operator import find_all
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import CONNECTION
from headcount.directory.registries import kept_documents, kept_indexes
from headcount.directory.tenants import Tenants
from headcount.directory.walks import Report
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore, Snapshot

_NOT_CARRIED: Final = frozenset({"schemas", "id", "meta", "tenant", "qualifiedName"})
"""What a connection is given anew where it comes to."""


class TenantExport:
    """Writes archives."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, operator: OperatorResources, version: str) -> None:
        self._store = store
        self._tenants = tenants
        self._operator = operator
        self._version = version

    async def write(self, tenant: str, path: Path, report: Report, *, with_changes: bool = False) -> dict[str, Json]:
        """Writes a tenant to a new file, and gives the manifest; secrets of connections and tokens stay behind.

        Raises NotFoundError, ArchiveError when the file cannot be written. A file is whole or not there.
        """
        settings = await self._tenants.get(tenant)
        store = self._store.for_tenant(tenant)
        documents = await kept_documents(store)
        indexes = [one for one in await kept_indexes(store) if not one.is_unique]
        connections = [one async for one in find_all(self._operator, CONNECTION, ("tenant", tenant))]
        with ArchiveWriter(path) as archive:
            with archive.part(SCHEMAS) as part:
                for key in sorted(documents):
                    part.add(_line({"key": key, "document": documents[key]}))
            with archive.part(INDEXES) as part:
                for one in sorted(indexes, key=lambda one: one.key):
                    part.add(_line({"type": one.type, "path": one.path}))
            with archive.part(CONNECTIONS) as part:
                for connection in connections:
                    part.add(_line(_carried(connection)))
            async with self._store.snapshot() as snapshot:
                for carried in parts_carried(with_changes=with_changes):
                    await self._write_part(archive, snapshot, carried, tenant, report)
            about = {"headcount": self._version, "exported": now(), "tenant": _carried(settings)}
            return archive.finish(about)

    async def _write_part(
        self, archive: ArchiveWriter, snapshot: Snapshot, part: Part, tenant: str, report: Report
    ) -> None:
        with archive.part(part.name) as writer:
            async for rows in snapshot.rows_of(part.table, tenant, part.order):
                for line in part.lines(rows):
                    writer.add(line)
                report(len(rows), f"{part.name}: {writer.tally.lines:,}")


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
