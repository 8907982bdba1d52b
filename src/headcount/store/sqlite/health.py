"""What is to be said of a SQLite file, and what can be repaired."""

import shutil
import sqlite3
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from headcount.store.administration import Finding, State
from headcount.store.interface import StoreError
from headcount.store.migrations import indexes_of
from headcount.store.sqlite import database

_LITTLE: Final = 1024**3
"""Bytes of free disk below which it is said."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def examine(path: Path) -> Sequence[Finding]:
    """Findings, the most basic first; what cannot be looked at is left out."""
    if not path.exists():
        advice = "'headcount serve' and 'headcount db migrate' create it; is --database what you meant?"
        return [Finding("database", State.BROKEN, f"there is no database {path}", advice)]
    try:
        with closing(database.connect(path, read_only=True)) as connection:
            return [*_content(connection, path), *_surroundings(path)]
    except (StoreError, sqlite3.Error) as error:
        return [Finding("database", State.BROKEN, str(error)), *_surroundings(path)]


def repair(path: Path) -> Sequence[str]:
    """Makes missing indexes; writers wait meanwhile."""
    if not path.exists():
        return []
    with closing(database.connect(path)) as connection, database.as_store_errors("cannot repair the database"):
        missing = {} if database.state(connection).pending else _missing_indexes(connection)
        for statement in missing.values():
            connection.execute(statement)
    return [f"made the index {name}" for name in missing]


def _content(connection: sqlite3.Connection, path: Path) -> Iterator[Finding]:
    pending = database.state(connection).pending
    yield Finding("database", State.OK, f"{path} answers, SQLite {sqlite3.sqlite_version}")
    if pending:
        names = ", ".join(migration.label for migration in pending)
        yield Finding("migrations", State.BROKEN, f"due: {names}", "run 'headcount db migrate'")
        return
    yield Finding("migrations", State.OK, "all are applied")
    yield _integrity(connection)
    missing = _missing_indexes(connection)
    if missing:
        message = f"missing: {', '.join(missing)}; searches that use them read whole tables"
        yield Finding("indexes", State.WARNING, message, "run 'headcount doctor --fix'")
    else:
        yield Finding("indexes", State.OK, "all are there")


def _integrity(connection: sqlite3.Connection) -> Finding:
    (first, *others) = [text for (text,) in connection.execute("PRAGMA quick_check(3)")]
    if first == "ok":
        return Finding("integrity", State.OK, "the file is sound")
    return Finding("integrity", State.BROKEN, "; ".join((first, *others)), "stop the servers and restore a backup")


def _missing_indexes(connection: sqlite3.Connection) -> dict[str, str]:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'index'")}
    wanted = indexes_of(database.migrations())
    return {name: statement for name, statement in wanted.items() if name not in there}


def _surroundings(path: Path) -> Iterator[Finding]:
    files = [file for suffix in ("", "-wal", "-shm") if (file := path.with_name(path.name + suffix)).exists()]
    open_files = [file for file in files if file.stat().st_mode & _OTHERS]
    if open_files:
        names = " ".join(map(str, open_files))
        message = f"other accounts may open {names}, and read everything in it"
        yield Finding("file mode", State.WARNING, message, f"chmod 600 {names}")
    else:
        yield Finding("file mode", State.OK, "only the owner may open the file")
    free, size = shutil.disk_usage(path.parent).free, sum(file.stat().st_size for file in files)
    state = State.WARNING if free < max(_LITTLE, size) else State.OK
    advice = "a backup and a large import need as much room as the database" if state is State.WARNING else ""
    yield Finding("disk", state, f"{free // 1024**2:,} MiB are free, the database has {size // 1024**2:,} MiB", advice)
