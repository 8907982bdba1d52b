"""The database file: connections, migrations under a lock, backups."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from headcount.store.interface import StoreError
from headcount.store.migrations import Migration, MigrationState, check_upgrade, migrations_of, state_of

KEY_BYTES: Final = 32
BUSY_SECONDS: Final = 10.0
"""How long a process waits for another one that writes."""
_MAPPED_BYTES: Final = 0x7FFF0000
"""Of the file, what is read without a call: the most that SQLite maps."""
FEW: Final = 1_000
"""Rows of which a table must have more before the planner is told how many it has."""
_GROWING: Final = ("resource", "external_id", "unique_value", "indexed_value", "membership", "change")
_SAMPLE: Final = 10_000
"""Rows of an index that are looked at for its statistics."""
_OURS: Final = {"migration", "installation"}
"""Tables that every database of Headcount has."""


def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order."""
    return migrations_of(__package__)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode; a missing file is created, readable by its owner alone."""
    if not read_only:
        _make_writable(path)
    with as_store_errors(f"cannot open {path}"):
        connection = sqlite3.connect(
            path.absolute().as_uri() + ("?mode=ro" if read_only else "?mode=rw"),
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_SECONDS,
            cached_statements=512,
        )
        if not read_only:
            _use_write_ahead_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA mmap_size = {_MAPPED_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{16 * 1024 if read_only else 64 * 1024}")
        connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def state(connection: sqlite3.Connection) -> MigrationState:
    """Where the database stands.

    Raises OutdatedSchemaError when it is newer than this version, StoreError when it is another program's.
    """
    with as_store_errors("cannot read the database"):
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        if tables and not tables >= _OURS:
            raise StoreError("the database holds the tables of another program")
        rows = connection.execute("SELECT number FROM migration ORDER BY number").fetchall() if tables else []
    return state_of(migrations(), [number for (number,) in rows])


def migrate(connection: sqlite3.Connection, *, upgrade: bool) -> tuple[Migration, ...]:
    """Creates a missing or empty database, and upgrades an older one if asked; gives what was applied.

    Raises OutdatedSchemaError when migrations are due and `upgrade` is false.
    """
    found = state(connection)
    if not found.pending:
        return ()
    check_upgrade(found, upgrade=upgrade)
    with as_store_errors("cannot migrate the database"), locked(connection):
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
    with closing(connect(source, read_only=True)) as original:
        state(original)  # is one of ours
        try:
            with closing(connect(destination)) as copy, as_store_errors(f"cannot back up {source}"):
                original.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
        except StoreError:
            destination.unlink(missing_ok=True)
            raise


def analyze(connection: sqlite3.Connection, *, anew: bool) -> None:
    """Takes statistics of large tables that have none, or of all large ones.

    Those of a table with a row or two would have the planner read it whole, also when it has long grown; without any,
    it takes the index.
    """
    connection.execute(f"PRAGMA analysis_limit = {_SAMPLE}")
    exists = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetchone()
    known = {table for (table,) in connection.execute("SELECT tbl FROM sqlite_stat1")} if exists else set()
    for table in _GROWING:
        (rows,) = connection.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT {FEW + 1})").fetchone()
        if rows > FEW and (anew or table not in known):
            connection.execute(f"ANALYZE {table}")


@contextmanager
def as_store_errors(what: str) -> Iterator[None]:
    """Says SQLite's errors as StoreErrors that tell what could not be done."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{what}: {error}") from error


def place_of(path: Path) -> tuple[int, int] | None:
    """Which file stands at the path now; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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


def _make_writable(path: Path) -> None:
    """Creates a missing file. One that exists is not opened: closing it again would drop SQLite's locks on it."""
    try:
        if not os.path.exists(path):  # noqa: PTH110  false as well where the folder cannot be searched
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreError(f"cannot create {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise StoreError(f"cannot write to {path}: permission denied")


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Waits while others open the same new file: for this one statement SQLite does not wait by itself."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


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
