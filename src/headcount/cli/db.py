"""`headcount db`: the database's schema, and backups."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from headcount.assembly import store_of
from headcount.cli.output import AsJson, Database, UsageError, show, show_table
from headcount.settings import Settings
from headcount.store.interface import StoreError
from headcount.store.sqlite import database as sqlite

db = typer.Typer(no_args_is_help=True, help="Migrate, inspect and back up the database.")

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
