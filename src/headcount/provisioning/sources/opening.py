"""From what a job file says of a source to the source."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from headcount.provisioning.connecting import Environment, connection_of
from headcount.provisioning.jobs import SourceSettings
from headcount.provisioning.records import RecordKind, Source
from headcount.provisioning.sources.delimited import delimited
from headcount.provisioning.sources.files import FileSource, Rows, Table
from headcount.provisioning.sources.ndjson import ndjson
from headcount.provisioning.sources.scim import ScimSource
from headcount.provisioning.sources.tenant import TenantSource
from headcount.scim.registry import Registry
from headcount.store.keeping import TenantKeeping


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What sources need besides their settings."""

    folder: Path
    """Where relative paths begin."""
    environment: Environment
    """Where secrets are."""
    tenant: str
    """The tenant that owns the job."""
    open_tenant: Callable[[str], Awaitable[tuple[TenantKeeping, Registry]]]
    """A tenant of this installation; raises NotFoundError."""


async def source_of(settings: SourceSettings, around: Surroundings) -> Source:
    """The source, which connects when it is asked; raises SourceError, CredentialError, TargetError, NotFoundError."""
    return await SOURCES[settings.type](settings, around)


async def _csv(settings: SourceSettings, around: Surroundings) -> Source:
    return _files(settings, around, _csv_rows)


async def _ndjson(settings: SourceSettings, around: Surroundings) -> Source:
    return _files(settings, around, _ndjson_rows)


def _csv_rows(values: Mapping[str, Any]) -> Rows:
    return delimited(values["key"], values["encoding"], values.get("separator") or "")


def _ndjson_rows(values: Mapping[str, Any]) -> Rows:
    return ndjson(values["encoding"])


def _files(settings: SourceSettings, around: Surroundings, rows: Callable[[Mapping[str, Any]], Rows]) -> FileSource:
    own = {"key": settings.key, **settings.options}
    tables = [Table(RecordKind.PERSON, around.folder / own["path"], own["key"], rows(own))]
    if groups := own.get("groups"):
        path, members, separator = around.folder / groups["path"], groups["members"], groups["member_separator"]
        tables.append(Table(RecordKind.GROUP, path, groups["key"], rows(groups), members, separator))
    return FileSource(*tables)


async def _scim(settings: SourceSettings, around: Surroundings) -> Source:
    options = settings.options
    connection = connection_of(options["url"], options.get("authentication"), options, around.environment)
    return ScimSource(
        connection,
        pack=options["pack"],
        key=settings.key,
        scope=options.get("filter") or "",
        groups=options["groups"],
    )


async def _headcount(settings: SourceSettings, around: Surroundings) -> Source:
    store, registry = await around.open_tenant(settings.options.get("tenant") or around.tenant)
    return TenantSource(store, registry, key=settings.key, groups=settings.options["groups"])


_Opening: TypeAlias = Callable[[SourceSettings, Surroundings], Awaitable[Source]]
SOURCES: Final[Mapping[str, _Opening]] = {"csv": _csv, "ndjson": _ndjson, "scim": _scim, "headcount": _headcount}
"""Kinds of sources by the name that a job file has for them; LDAP and SQL find their place here."""
