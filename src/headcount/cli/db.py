"""`headcount db`: the database's schema, and backups."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from headcount.cli.output import AsJson, Database, show, show_table
from headcount.settings import Settings
from headcount.store.interface import StoreError
from headcount.store.sqlite import database as sqlite

db = typer.Typer(no_args_is_help=True, help="Migrate, inspect and back up the database.")

_COLUMNS = {"number": "NUMBER", "name": "NAME", "state": "STATE"}


@db.command("migrate")
def migrate(database: Database = None, as_json: AsJson = False) -> None:
    """Bring the database's schema up to date, under a lock. Safe to run again."""
    path = Settings.from_environment(database=database).database_path
    with closing(sqlite.connect(path)) as connection:
        applied = sqlite.migrate(connection, upgrade=True)
    names = [f"{migration.number:04} {migration.name}" for migration in applied]
    show(
        {"applied": names},
        as_json=as_json,
        sentence="\n".join(f"Applied {name}." for name in names) or "The database is up to date.",
    )


@db.command("status")
def status(database: Database = None, as_json: AsJson = False) -> None:
    """Show which migrations are applied and which are due."""
    path = Settings.from_environment(database=database).database_path
    if not path.exists():
        raise StoreError(f"there is no database {path}; 'headcount db migrate' creates it")
    with closing(sqlite.connect(path, read_only=True)) as connection:
        found = sqlite.state(connection)
    rows = [
        {
            "number": migration.number,
            "name": migration.name,
            "state": "applied" if migration.number in found.applied else "due",
        }
        for migration in sqlite.migrations()
    ]
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
    path = Settings.from_environment(database=database).database_path
    if not path.exists():
        raise StoreError(f"there is no database {path}")
    sqlite.back_up(path, destination)
    size = destination.stat().st_size
    show({"file": str(destination), "bytes": size}, as_json=as_json, sentence=f"Wrote {destination}, {size} bytes.")
