"""The database file: connections, migrations under a lock, backups."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Final

from headcount.store.interface import OutdatedSchemaError, StoreError

KEY_BYTES: Final = 32
BUSY_SECONDS: Final = 10.0
"""How long a process waits for another one that writes."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    script: str


@dataclass(frozen=True, slots=True)
class MigrationState:
    """Where a database stands."""

    applied: tuple[int, ...]
    pending: tuple[Migration, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no migration was ever applied."""
        return not self.applied


def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order."""
    folder = files(__package__) / "migrations"
    scripts = sorted((item for item in folder.iterdir() if item.name.endswith(".sql")), key=lambda item: item.name)
    return tuple(Migration(int(item.name[:4]), item.name[5:-4], item.read_text("utf-8")) for item in scripts)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; a missing file is created, readable by its owner alone."""
    if not read_only and not path.exists():
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise StoreError(f"cannot create {path}: {error.strerror}") from error
    try:
        connection = sqlite3.connect(
            path.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw"),
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
            cached_statements=512,
        )
        if not read_only:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA mmap_size = 1073741824")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        raise StoreError(f"cannot open {path}: {error}") from error
    return connection


def state(connection: sqlite3.Connection) -> MigrationState:
    """Where the database stands; raises OutdatedSchemaError when it is newer than this version."""
    known = migrations()
    row = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'migration'").fetchone()
    applied = (
        ()
        if row is None
        else tuple(number for (number,) in connection.execute("SELECT number FROM migration ORDER BY number"))
    )
    unknown = set(applied) - {migration.number for migration in known}
    if unknown:
        raise OutdatedSchemaError(
            f"the database has migration {max(unknown)}, which this version does not know; upgrade Headcount"
        )
    return MigrationState(applied, tuple(migration for migration in known if migration.number not in applied))


def migrate(connection: sqlite3.Connection, *, upgrade: bool) -> tuple[Migration, ...]:
    """Creates a missing or empty database, and upgrades an older one if asked; gives what was applied.

    Raises OutdatedSchemaError when migrations are due and `upgrade` is false.
    """
    found = state(connection)
    if not found.pending:
        return ()
    if not found.is_empty and not upgrade:
        raise OutdatedSchemaError(
            f"the database needs {len(found.pending)} migrations; run 'headcount db migrate' or start the server"
        )
    with locked(connection):
        due = state(connection).pending  # another process may have been faster
        if not due:
            return ()
        _run(
            "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, name TEXT NOT NULL, "
            "applied TEXT NOT NULL);",
            connection,
        )
        for migration in due:
            _run(migration.script, connection)
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (migration.number, migration.name, _now()))
        if connection.execute("SELECT 1 FROM installation").fetchone() is None:
            connection.execute("INSERT INTO installation VALUES (?, ?)", (os.urandom(KEY_BYTES), _now()))
    return due


def installation_key(connection: sqlite3.Connection) -> bytes:
    """The random bytes that the first migration made."""
    (key,) = connection.execute("SELECT key FROM installation").fetchone()
    return bytes(key)


def back_up(source: Path, destination: Path) -> None:
    """Copies a database that may be in use to a new file, as of one instant; raises StoreError."""
    if destination.exists():
        raise StoreError(f"{destination} exists already")
    original = connect(source, read_only=True)
    copy = connect(destination)
    try:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreError(f"cannot back up {source}: {error}") from error
    finally:
        copy.close()
        original.close()


@contextmanager
def locked(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that nobody else writes beside."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _run(script: str, connection: sqlite3.Connection) -> None:
    """Statement by statement: `executescript` would commit in between."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
