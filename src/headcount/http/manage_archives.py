"""Whole tenants below `/manage`: written to an archive while it is sent, and made from one."""

from dataclasses import dataclass
from typing import Final

from headcount.directory.managed import ARCHIVE
from headcount.directory.tenant_export import TenantExport
from headcount.directory.tenant_import import TenantImport
from headcount.directory.walks import silent
from headcount.http.manage import Asked, Route
from headcount.http.responses import Header, Response
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

_ZIP: Final = "application/zip"
_CONTENT_TYPE: Final[Header] = (b"content-type", _ZIP.encode())
_NEVER_KEPT: Final[Header] = (b"cache-control", b"no-store")
_SWITCH: Final = {"false": False, "true": True}


@dataclass(frozen=True, slots=True)
class ManagedArchives:
    """Answers what `ARCHIVE_ROUTES` calls."""

    exports: TenantExport
    imports: TenantImport

    async def export(self, asked: Asked) -> Response:
        """The archive, made while it is sent."""
        with_changes = _SWITCH.get(asked.query.get("changes", "false"))
        if with_changes is None:
            raise InvalidValueError("'changes' is true or false.")
        pieces = await self.exports.stream(asked.tenant, with_changes=with_changes, by=asked.by)
        name = (b"content-disposition", f'attachment; filename="{asked.tenant}.zip"'.encode())
        return Response(200, headers=(name,), pieces=pieces, content_type=_CONTENT_TYPE, caching=_NEVER_KEPT)

    async def make(self, asked: Asked) -> Json:
        """Makes a tenant; it is there when this is answered, or nothing of it is."""
        return await self.imports.read(asked.body, silent, name=asked.tenant, by=asked.by)


_ARCHIVE: Final = "/tenants/{tenant}/archive"

ARCHIVE_ROUTES: Final = (
    Route(
        "GET",
        _ARCHIVE,
        ARCHIVE,
        Operation.READ,
        "Export the tenant as of one instant, as the archive that 'headcount tenant export' writes.",
        ManagedArchives.export,
        query={"changes": "true for the change log as well."},
        gives=_ZIP,
    ),
    Route(
        "PUT",
        _ARCHIVE,
        ARCHIVE,
        Operation.CREATE,
        "Make a tenant of this name from an archive; 409 when there is one. What fails leaves nothing behind.",
        ManagedArchives.make,
        body="An archive, whatever name the tenant had in it.",
        takes=_ZIP,
        status=201,
    ),
)
"""What can be called."""
