"""`headcount db`: the database's schema, backups, and the way from one database to another."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from headcount.assembly import store_of
from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.cli.progress import progress
from headcount.settings import Settings
from headcount.store.administration import DatabaseStore
from headcount.store.copying import check_source, copy, count_rows
from headcount.store.interface import StoreError
from headcount.store.sqlite import database as sqlite

db = typer.Typer(no_args_is_help=True, help="Migrate, inspect, back up and copy the database.")

_COLUMNS = {"migration": "MIGRATION", "state": "STATE"}


@db.command("migrate")
def migrate(database: Database = None, as_json: AsJson = False) -> None:
    """Bring the database's schema up to date, under a lock. Safe to run again."""
    applied = asyncio.run(store_of(Settings.from_environment(database=database)).migrate())
    show(
        {"applied": list(applied)},
        as_json=as_json,
        sentence="\n".join(f"Applied {name}." for name in applied) or "The database is up to date.",
    )


@db.command("status")
def status(database: Database = None, as_json: AsJson = False) -> None:
    """Show which migrations are applied and which are due."""
    found = asyncio.run(store_of(Settings.from_environment(database=database)).migrations())
    rows = [{"migration": label, "state": "applied" if applied else "due"} for label, applied in found.items()]
    show_table(rows, _COLUMNS, as_json=as_json, none="")


@db.command("backup")
def backup(
    destination: Annotated[Path, typer.Argument(metavar="FILE", help="The new file; it must not exist.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Copy the database to a file, as of one instant, while servers go on.

    To restore, stop the servers and put the file in place of the database.

    Example: headcount db backup headcount-monday.db
    """
    settings = Settings.from_environment(database=database)
    if not settings.is_sqlite:
        raise UsageError("a PostgreSQL is backed up with its own tools: pg_dump, or pg_basebackup with archived WAL")
    path = settings.database_path
    if not path.exists():
        raise StoreError(f"there is no database {path}")
    sqlite.back_up(path, destination)
    size = destination.stat().st_size
    show({"file": str(destination), "bytes": size}, as_json=as_json, sentence=f"Wrote {destination}, {size} bytes.")


@db.command("copy")
def copy_installation(
    origin: Annotated[str, typer.Option("--from", metavar="URL", help="The database to copy; it is only read.")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="An empty database, or a file to be created.")],
    as_json: AsJson = False,
) -> None:
    """Copy a whole installation into an empty database, from SQLite to PostgreSQL or any other way.

    Everything goes along, as of one instant: tenants, tokens, schemas, people, groups, the change log, the installation
    key. The copy is one transaction, and is read back and compared before it counts: an interrupted copy leaves an
    empty database. What is written to the original after that instant is not in the copy, so stop its servers first.

    Example: headcount db copy --from sqlite:///headcount.db --to postgresql://localhost/headcount
    """
    stores = [store_of(Settings.from_environment(database=url)) for url in (origin, target)]
    rows = asyncio.run(_copied(*stores, as_json=as_json))
    sentence = f"Copied and verified {sum(rows.values()):,} rows, {rows['resource']:,} of them resources."
    show({"rows": rows}, as_json=as_json, sentence=sentence)


@db.command("distribute")
def distribute(
    database: Database = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the statements, and change nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Spread the tenants over the machines of a PostgreSQL with the extension Citus.

    Everything of a tenant stays on one machine. Tables that hold much already are moved, and take no writes meanwhile.
    Safe to run again; run it after 'headcount db migrate' too.

    Example: headcount db distribute --dry-run
    """
    store = store_of(Settings.from_environment(database=database))
    statements = list(asyncio.run(store.distribute(dry_run=dry_run)))
    show(
        {"statements": statements, "executed": not dry_run},
        as_json=as_json,
        sentence="\n".join(f"{statement};" for statement in statements) or "Everything is distributed.",
    )


async def _copied(source: DatabaseStore, target: DatabaseStore, *, as_json: bool) -> dict[str, int]:
    await check_source(source)
    async with AsyncExitStack() as stack:
        for store in (source, target):
            await store.open()
            stack.push_async_callback(store.close)
        total = 2 * await count_rows(source)
        with progress(total, as_json=as_json) as report:
            return await copy(source, target, lambda what, amount: report(amount, f"{what} {total // 2:,} rows"))
