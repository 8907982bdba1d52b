"""The database: how it is reached, and migrations under a lock."""

import os
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from headcount.store.interface import StoreError
from headcount.store.migrations import Migration, MigrationState, check_upgrade, migrations_of, state_of

Connection: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"

KEY_BYTES: Final = 32
_LOCK: Final = 0x48656164636F756E
"""The advisory lock that migrations hold: "Headcoun" in ASCII."""
_TIMEOUT: Final = 10.0
"""Seconds to connect, unless the URL has `connect_timeout`."""
_IGNORED: Final = frozenset({"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "gssencmode"})
"""Options of libpq that have no counterpart here and change nothing."""


def connect_arguments(url: str, *, pooler: bool) -> dict[str, Any]:
    """What asyncpg is called with for a URL in the form of libpq (several hosts, TLS options, server settings).

    With `pooler`, nothing is prepared under a name: a pooler in transaction mode gives every statement another server
    connection.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    timeout = float(options.pop("connect_timeout", 0) or _TIMEOUT)
    options = {name: value for name, value in options.items() if name not in _IGNORED}
    options.setdefault("application_name", "headcount")
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(options), ""))
    settings = {"jit": "off"}  # these statements run for less time than compiling them takes
    return {
        "dsn": dsn,
        "timeout": timeout,
        "statement_cache_size": 0 if pooler else 1024,
        "max_cacheable_statement_size": 64 * 1024,
        "server_settings": {} if pooler else settings,
    }


async def connect(url: str, *, pooler: bool = False) -> Connection:
    """A connection; raises StoreError that names what is wrong, without the password."""
    try:
        connection: Connection = await asyncpg.connect(**connect_arguments(url, pooler=pooler))
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreError(f"cannot connect to {shown(url)}: {error or type(error).__name__}") from error
    return connection


def shown(url: str) -> str:
    """A database URL as it may be shown: without user and password."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def migrations() -> tuple[Migration, ...]:
    """All migrations of this version, in order."""
    return migrations_of(__package__)


async def state(connection: Connection) -> MigrationState:
    """Where the database stands; raises OutdatedSchemaError when it is newer than this version."""
    exists = await connection.fetchval("SELECT to_regclass('migration') IS NOT NULL")
    rows = await connection.fetch("SELECT number FROM migration ORDER BY number") if exists else []
    return state_of(migrations(), [row["number"] for row in rows])


async def migrate(connection: Connection, *, upgrade: bool) -> tuple[Migration, ...]:
    """Creates an empty database's schema, and upgrades an older one if asked; gives what was applied.

    Raises OutdatedSchemaError when migrations are due and `upgrade` is false.
    """
    found = await state(connection)
    if not found.pending:
        return ()
    check_upgrade(found, upgrade=upgrade)
    if await connection.fetchval("SHOW server_encoding") != "UTF8":
        raise StoreError("the database must have the encoding UTF8")
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
        due = (await state(connection)).pending  # another process may have been faster
        for migration in due:
            await _apply(connection, migration)
        if due and await connection.fetchval("SELECT NOT EXISTS (SELECT 1 FROM installation)"):
            await connection.execute("INSERT INTO installation VALUES ($1, $2)", os.urandom(KEY_BYTES), _now())
    return due


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL, applied text NOT NULL)"
    )
    await connection.execute(migration.script)
    await connection.execute("INSERT INTO migration VALUES ($1, $2, $3)", migration.number, migration.name, _now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
