"""`headcount import`: people and groups from a file of lines."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import orjson
import typer

from headcount.assembly import Installation, settle_memory
from headcount.cli.import_files import Keeper, Position, Rejects, batches_of, identity_of, kept_position
from headcount.cli.output import AsJson, Database, UsageError, show
from headcount.cli.progress import Report, progress
from headcount.cli.running import with_installation
from headcount.directory.identifiers import now
from headcount.directory.import_batches import Item
from headcount.directory.importing import Importer
from headcount.directory.passwords import Passwords
from headcount.directory.resources import Request, Resources
from headcount.events.types import SNAPSHOT_NEEDED
from headcount.http.json_body import decode_json
from headcount.scim.errors import NotFoundError

SOME_REJECTED: Final = 2
"""The exit code when some lines did not go in."""

_MANY: Final = 1_000
"""Resources created past which the database looks at its statistics anew."""


def import_lines(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One SCIM resource a line (NDJSON); '-' reads standard input.")
    ],
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant that they go into.")],
    rejects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Where rejected lines are told.", show_default="FILE.rejected.ndjson"),
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Load people and groups into a tenant.

    Every line is checked as a POST would be. Lines that cannot go in are told by number, with the reason, in
    FILE.rejected.ndjson, and skipped; the exit code is then 2. An import that was interrupted goes on where it stood,
    and who is there already with the same content is left alone. Members and managers may be named as userName:…,
    externalId:… or displayName:… of what stands in the tenant or on an earlier line.

    Example: headcount import people.ndjson --tenant acme
    """
    target = rejects or Path(f"{'stdin' if file == '-' else file}.rejected.ndjson")
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as source:
            done = with_installation(
                database, lambda installation: _import(installation, tenant, source, target, as_json=as_json)
            )
    except OSError as error:
        raise UsageError(f"{error.filename or file}: {error.strerror}") from error
    summary = {"lines": done.lines, "created": done.created, "present": done.present, "rejected": done.rejected}
    told = f" {done.rejected:,} were rejected: see {target}." if done.rejected else ""
    sentence = f"{done.lines:,} lines: {done.created:,} created, {done.present:,} were there already.{told}"
    show(summary | {"rejects": str(target) if done.rejected else None}, as_json=as_json, sentence=sentence)
    if done.rejected:
        raise typer.Exit(SOME_REJECTED)


async def _import(
    installation: Installation, tenant_name: str, source: BinaryIO, target: Path, *, as_json: bool
) -> Position:
    tenant = await installation.tenants.load(tenant_name, installation.settings.public_url)
    if tenant is None:
        raise NotFoundError(f"There is no tenant '{tenant_name}'.")
    store = installation.store.for_tenant(tenant_name)
    identity = identity_of(source)
    position = await kept_position(store, identity)
    created_before = position.created
    total = os.fstat(source.fileno()).st_size if identity else None
    importer = Importer(Resources(tenant, store, Passwords()), decode_json, Request(actor="cli", request_id="import"))
    settle_memory()
    with progress(total, as_json=as_json) as report, Rejects(target, position) as rejects:
        report(position.byte, "")
        batches = importer.run(batches_of(source, position, tenant.limits.group_body_bytes))
        await _settle(batches, position, rejects, report, Keeper(store, identity))
    created = position.created - created_before
    if created:
        value = orjson.dumps({"created": created})
        await store.mark(SNAPSHOT_NEEDED, value, at=now(), actor="cli", request_id="import")
    if created > _MANY:
        await installation.store.analyze()
    return position


async def _settle(
    batches: AsyncIterator[Sequence[Item]], position: Position, rejects: Rejects, report: Report, keeper: Keeper
) -> None:
    async for items in batches:
        before = position.byte
        for item in items:
            position.take(item)
            rejects.tell(item)
        position.rejects_bytes = rejects.flush()
        await keeper.keep(position)
        report(position.byte - before, f"{position.lines:,} lines, {position.rejected:,} rejected")
    await keeper.forget()
