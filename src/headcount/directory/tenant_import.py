"""A tenant made from an archive, in this or another installation.

The archive is read once to verify it before anything is written. The tenant is suspended until all of it is there and
was read back; what goes wrong on the way leaves nothing behind.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from headcount.directory.archive_parts import (
    CONNECTIONS,
    INDEXES,
    KNOWN_PARTS,
    MEMBERSHIPS,
    RESOURCES,
    SCHEMAS,
    TABLE_PARTS,
    Part,
)
from headcount.directory.archives import ArchiveError, ArchiveReader
from headcount.directory.identifiers import now
from headcount.directory.operator import BY_COMMAND, decoded
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import CONNECTION, TENANT
from headcount.directory.registries import SCHEMA_RECORDS, Declared, keep_index, kept_registry
from headcount.directory.resources import Request
from headcount.directory.tenant_export import digest_of
from headcount.directory.tenants import Tenants
from headcount.directory.walks import Report
from headcount.scim.comparison import compare_document
from headcount.scim.errors import ScimError
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json
from headcount.store.administration import DatabaseStore, Loading
from headcount.store.keys import keys_of
from headcount.store.tables import TABLES, Row, Table

_ROWS_AT_ONCE: Final = 500
_LINES_IN_A_ROW: Final = 50
_MAY_BE_MISSING: Final = frozenset({"changes"})
_TABLES: Final = {table.name: table for table in TABLES}


class TenantImport:
    """Reads archives."""

    def __init__(self, store: DatabaseStore, tenants: Tenants, operator: OperatorResources) -> None:
        self._store = store
        self._tenants = tenants
        self._operator = operator

    async def read(
        self,
        source: Path | BinaryIO,
        report: Report,
        *,
        name: str | None = None,
        by: Request = BY_COMMAND,
    ) -> dict[str, Json]:
        """Makes the tenant of an archive, under another name if one is given; gives the tenant.

        Raises ArchiveError for a file that is not whole, UniquenessError for a name that is taken.
        """
        with ArchiveReader(source, KNOWN_PARTS) as archive:
            settings = await asyncio.to_thread(_verified, archive)
            name = name or settings["name"]
            body = {**settings, "schemas": [TENANT.schema.id], "name": name, "state": "suspended"}
            made = decoded(await self._operator.create(TENANT, body, by))
            try:
                await self._fill(archive, name, by, report)
            except BaseException:
                await self._operator.remove_tenant(name, made["id"], by)
                raise
            return await self._tenants.update(name, {"state": settings.get("state", "active")}, actor=by.actor)

    async def _fill(self, archive: ArchiveReader, tenant: str, by: Request, report: Report) -> None:
        store = self._store.for_tenant(tenant)
        with _naming(SCHEMAS):
            documents = {line["key"]: orjson.dumps(line["document"]) for line in archive.lines(SCHEMAS)}
            await store.change_records(SCHEMA_RECORDS, documents)
        with _naming(INDEXES):
            for line in archive.lines(INDEXES):
                await keep_index(store, Declared(line["type"], line["path"], now(), is_complete=True))
        rows = _Rows(tenant, await kept_registry(store))
        async with self._store.adding() as adding:
            for part in TABLE_PARTS:
                if part.name in archive.parts:
                    await self._load_part(archive, adding, part, rows, report)
            await adding.load(_TABLES["counter"], rows.counters())
        await self._check(archive, tenant)
        with _naming(CONNECTIONS):
            for line in archive.lines(CONNECTIONS):
                body = {**line, "schemas": [CONNECTION.schema.id], "tenant": tenant}
                await self._operator.create(CONNECTION, body, by)
        await self._store.analyze()

    async def _load_part(
        self, archive: ArchiveReader, adding: Loading, part: Part, rows: "_Rows", report: Report
    ) -> None:
        waiting: dict[str, tuple[Table, list[Row]]] = {}
        total = archive.parts[part.name]["lines"]
        for number, line in enumerate(archive.lines(part.name), 1):
            with _naming(f"{part.name}, line {number}"):
                for table, row in rows.of(part, line):
                    waiting.setdefault(table.name, (table, []))[1].append(row)
            if number % _LINES_IN_A_ROW == 0:
                await asyncio.sleep(0)  # others want to be served as well
            if number % _ROWS_AT_ONCE == 0 or number == total:
                for table, some in waiting.values():
                    await adding.load(table, some)
                waiting.clear()
                report(_ROWS_AT_ONCE, f"{part.name}: {number:,} of {total:,}")

    async def _check(self, archive: ArchiveReader, tenant: str) -> None:
        """Reads the tenant back: it comes to the same digests as the one that was written to the archive."""
        async with self._store.snapshot() as snapshot:
            for part in TABLE_PARTS:
                told = archive.parts.get(part.name)
                if told is not None and await digest_of(snapshot, part, tenant) != told["sha256"]:
                    raise ArchiveError(f"What was read back of {part.name} differs from the archive.")


def _verified(archive: ArchiveReader) -> dict[str, Json]:
    """The settings of the tenant, once every part was read; raises ArchiveError."""
    if missing := KNOWN_PARTS - archive.parts.keys() - _MAY_BE_MISSING:
        raise ArchiveError(f"The archive lacks {', '.join(sorted(missing))}.")
    for part in archive.parts:
        archive.verify(part)
    settings = archive.manifest.get("tenant")
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        raise ArchiveError("The archive does not say which tenant it holds.")
    return settings


class _Rows:
    """The rows that lines come to, with all that is derived from them."""

    def __init__(self, tenant: str, registry: Registry) -> None:
        self._tenant = tenant
        self._registry = registry
        self._members: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()

    def of(self, part: Part, line: Json) -> Iterator[tuple[Table, Row]]:
        """The rows of one line; raises ValueError, KeyError or ScimError for one of another form."""
        row = part.row(self._tenant, line)
        if part is RESOURCES:
            yield from self._resource(dict(zip(part.table.columns, row, strict=True)))
            return
        if part is MEMBERSHIPS:
            self._members[line["group"]] += 1
            self._totals["nested"] += line["type"] == "Group"
        yield part.table, row

    def counters(self) -> list[Row]:
        """How many there are of each resource type."""
        return [(self._tenant, name, total) for name, total in self._totals.items()]

    def _resource(self, row: dict[str, Any]) -> Iterator[tuple[Table, Row]]:
        kind = self._registry.by_name[row["type"]]
        document = orjson.loads(row["document"])
        if document["id"] != row["id"]:
            raise ValueError("the document is that of another resource")
        keys = keys_of(document, kind)
        row |= {
            "compare": orjson.dumps(compare_document(document, kind)).decode(),
            "label": keys.label,
            "folded_label": keys.folded_label,
            "manager": keys.manager,
            "user_name": keys.user_name,
            "display_name": keys.display_name,
            "title": keys.title,
            "active": keys.active,
            "member_count": self._members[row["id"]],
        }
        self._totals[kind.name] += 1
        yield _whole("resource", row)
        place = {"tenant": self._tenant, "type": kind.name, "id": row["id"]}
        for attribute, value in keys.unique:
            yield _whole("unique_value", {**place, "attribute": attribute, "value": value})
        for path, element, value in keys.values:
            yield _whole("indexed_value", {**place, "path": path, "element": element, "value": value})


def _whole(name: str, values: Mapping[str, Any]) -> tuple[Table, Row]:
    """A row of a whole table."""
    table = _TABLES[name]
    return table, tuple(values[column] for column in table.columns)


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Says where in the archive something has another form than it should."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, ScimError) as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError(f"{place} does not fit: {error}") from error
