"""The database: how it is reached, and migrations under a lock."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from headcount.store.interface import StoreError
from headcount.store.migrations import Migration, MigrationState, check_upgrade, migrations_of, state_of
from headcount.store.tables import OF_TENANTS

Connection: TypeAlias = "asyncpg.Connection[Any]"

UNREACHABLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What it may mean that there is no connection."""
KEY_BYTES: Final = 32
_LOCK: Final = 0x48656164636F756E
"""The advisory lock that migrations hold: "Headcoun" in ASCII."""
_TIMEOUT: Final = 5.0
"""Seconds to connect, unless the URL has `connect_timeout`."""
_HEAD_START: Final = 0.5
"""Seconds that a host which keeps silent has before the next one is tried beside it."""
_IGNORED: Final = frozenset({"keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "gssencmode"})
"""Options of libpq that have no counterpart here and change nothing."""
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl")
"""Options that name files; what is said of one that is missing has to name it."""
PLANNING: Final = {
    "enable_seqscan": "off",  # an index leads to everything, and what others have is hidden from the planner
    "jit": "off",  # these statements run for less time than compiling them takes
    "enable_memoize": "off",  # what derives the groups of each resource would be remembered for that resource alone
}
"""Settings of every connection; through a pooler only the role can set them."""


def connect_arguments(url: str, *, pooler: bool) -> dict[str, Any]:
    """What asyncpg is called with for a URL in the form of libpq (several hosts, TLS options, server settings).

    With `pooler`, nothing is prepared under a name: a pooler in transaction mode gives every statement another server
    connection. Raises ValueError for an option that cannot be meant.
    """
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    timeout = float(options.pop("connect_timeout", 0) or _TIMEOUT)
    options = {name: value for name, value in options.items() if name not in _IGNORED}
    for name in _FILES:
        if options.get(name) and not Path(options[name]).is_file():
            raise ValueError(f"{name}: there is no file {options[name]}")
    options.setdefault("application_name", "headcount")
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(options), ""))
    return {
        "dsn": dsn,
        "timeout": timeout,
        "statement_cache_size": 0 if pooler else 1024,
        "max_cacheable_statement_size": 64 * 1024,
        "server_settings": {} if pooler else PLANNING,
    }


async def connect(url: str, *, pooler: bool = False) -> Connection:
    """A connection; raises StoreError that names what is wrong, without the password."""
    try:
        connection = await dial(**connect_arguments(url, pooler=pooler))
    except (ValueError, *UNREACHABLE) as error:
        raise StoreError(f"cannot connect to {shown(url)}: {error or type(error).__name__}") from error
    return connection


async def dial(dsn: str, **arguments: Any) -> "asyncpg.Connection[Any]":
    """A connection to the first host of a URL that answers and is what its `target_session_attrs` asks for.

    A host that is gone without a word would otherwise use up the time in which the others are to be tried.
    """
    hosts = _each_host(dsn)
    under_way: set[asyncio.Task[asyncpg.Connection[Any]]] = set()
    failure: BaseException | None = None
    try:
        while hosts or under_way:
            if hosts:
                under_way.add(asyncio.create_task(asyncpg.connect(hosts.pop(0), **arguments)))
            head_start = _HEAD_START if hosts else None
            done, under_way = await asyncio.wait(under_way, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                failure = task.exception()
                if failure is None:
                    under_way |= done - {task}
                    return task.result()
    finally:
        await _abandon(under_way)
    assert failure is not None  # noqa: S101  there is a host, and it failed
    raise failure


async def _abandon(dialled: "set[asyncio.Task[asyncpg.Connection[Any]]]") -> None:
    """Calls off what is not needed any more; what got through all the same is hung up."""
    for task in dialled:
        task.cancel()
    for outcome in await asyncio.gather(*dialled, return_exceptions=True):
        if isinstance(outcome, asyncpg.Connection):
            outcome.terminate()


def _each_host(dsn: str) -> list[str]:
    """A URL for each host of a URL, in the order in which they are to be tried."""
    parts = urlsplit(dsn)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    login, at, hosts = parts.netloc.rpartition("@")
    wanted = options.pop("target_session_attrs", None)
    wishes = ("standby", "any") if wanted == "prefer-standby" else (wanted,)
    return [
        urlunsplit((parts.scheme, login + at + host, parts.path, urlencode(options | _wish(wish)), ""))
        for wish in wishes
        for host in hosts.split(",")
    ]


def _wish(target: str | None) -> dict[str, str]:
    return {} if target is None else {"target_session_attrs": target}


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


async def analyze(connection: Connection, seconds: float) -> None:
    """Lets the planner look at the tables; of one that is empty it goes on knowing the sample of migration 4."""
    for table in OF_TENANTS:
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table})"):
            await connection.execute(f"ANALYZE {table}", timeout=seconds)


async def _apply(connection: Connection, migration: Migration) -> None:
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (number integer PRIMARY KEY, name text NOT NULL, applied text NOT NULL)"
    )
    await connection.execute(migration.script)
    await connection.execute("INSERT INTO migration VALUES ($1, $2, $3)", migration.number, migration.name, _now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
