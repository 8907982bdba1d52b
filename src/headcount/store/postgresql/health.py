"""What is to be said of a PostgreSQL database, and what can be repaired while servers go on."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Final

import asyncpg

from headcount.store.administration import Finding, State
from headcount.store.interface import StoreError
from headcount.store.migrations import indexes_of
from headcount.store.postgresql import database
from headcount.store.postgresql.database import Connection

_OLDEST: Final = 140_000
"""The first version that is supported, as the server numbers it."""
_EXTENSIONS: Final = ("pg_trgm", "btree_gin")
_TRIGRAMS: Final = "gin_trgm_ops"
_SETTINGS: Final = ("server_version_num", "server_version", "server_encoding", "max_connections")
_RESERVED: Final = ("superuser_reserved_connections", "reserved_connections")
_LOSING: Final = {
    "fsync": "a crash of the machine may destroy the database",
    "full_page_writes": "a crash of the machine may destroy the database",
    "synchronous_commit": "a crash loses writes that were answered with success",
}
"""Settings that lose data when they are off."""


async def examine(url: str, *, pooler: bool, connections: int) -> Sequence[Finding]:
    """Findings, the most basic first; `connections` is how many all processes together open."""
    try:
        connection = await database.connect(url, pooler=pooler)
    except StoreError as error:
        advice = "is the server running, and may this account connect from here?"
        return [Finding("database", State.BROKEN, str(error), advice)]
    try:
        return [finding async for finding in _findings(connection, url, pooler=pooler, connections=connections)]
    except (StoreError, asyncpg.PostgresError, OSError) as error:
        return [Finding("database", State.BROKEN, f"{database.shown(url)}: {error}")]
    finally:
        await connection.close()


async def repair(url: str, *, pooler: bool) -> Sequence[str]:
    """Adds the extensions that this account may add, and makes missing indexes without holding up writers."""
    connection = await database.connect(url, pooler=pooler)
    try:
        if (await database.state(connection)).pending:
            return []
        missing = await _missing_extensions(connection)
        done = [f"added the extension {name}" for name in missing if await _add(connection, name)]
        for name, statement in (await _wanted_indexes(connection)).items():
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # what an interrupted attempt left
            await connection.execute(statement.replace(" INDEX ", " INDEX CONCURRENTLY ", 1))
            done.append(f"made the index {name}")
    except (asyncpg.PostgresError, OSError) as error:
        raise StoreError(f"cannot repair the database: {error}") from error
    else:
        return done
    finally:
        await connection.close()


async def _findings(connection: Connection, url: str, *, pooler: bool, connections: int) -> AsyncIterator[Finding]:
    settings = await _settings(connection)
    yield Finding("database", State.OK, f"{database.shown(url)} answers, PostgreSQL {settings['server_version']}")
    for finding in _server(settings):
        yield finding
    if await connection.fetchval("SELECT pg_is_in_recovery()"):
        advice = "name the primary, or all hosts and target_session_attrs=read-write, in HEADCOUNT_DATABASE"
        yield Finding("primary", State.BROKEN, "this server is a replica: nothing can be written to it", advice)
    yield await _pooler(connection, pooler=pooler)
    yield _planning(settings)
    yield _connections(settings, connections)
    yield await _migrations(connection)
    yield await _extensions(connection)
    if not (await database.state(connection)).pending:
        yield await _indexes(connection)


def _server(settings: Mapping[str, str]) -> Iterator[Finding]:
    old = int(settings["server_version_num"]) < _OLDEST
    state = State.BROKEN if old else State.OK
    yield Finding("version", state, settings["server_version"], "Headcount needs PostgreSQL 14 or later" if old else "")
    encoding = settings["server_encoding"]
    if encoding == "UTF8":
        yield Finding("encoding", State.OK, "UTF8")
    else:
        advice = "create a database with ENCODING 'UTF8' TEMPLATE template0, and name it in HEADCOUNT_DATABASE"
        yield Finding("encoding", State.BROKEN, f"{encoding} cannot hold every name", advice)
    losing = [f"{name} is off: {harm}" for name, harm in _LOSING.items() if settings[name] == "off"]
    advice = f"ALTER SYSTEM RESET {losing[0].split()[0]}; SELECT pg_reload_conf();" if losing else ""
    yield Finding(
        "durability", State.BROKEN if losing else State.OK, "; ".join(losing) or "commits wait for the disk", advice
    )


async def _settings(connection: Connection) -> dict[str, str]:
    names = [*_SETTINGS, *_RESERVED, *_LOSING, *database.PLANNING]
    rows = await connection.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", names)
    return {row["name"]: row["setting"] for row in rows}


async def _pooler(connection: Connection, *, pooler: bool) -> Finding:
    """A pooler gives every statement any of its server connections, so that the process is not the one greeted by."""
    between = connection.get_server_pid() != await connection.fetchval("SELECT pg_backend_pid()")
    if between and not pooler:
        advice = "if it works in transaction mode, set HEADCOUNT_DATABASE_POOLER=transaction"
        return Finding("pooler", State.WARNING, "a pooler stands before the server", advice)
    if pooler and not between:
        advice = "unset HEADCOUNT_DATABASE_POOLER: statements that are prepared once are faster"
        return Finding("pooler", State.WARNING, "the setting says a pooler, and there is none", advice)
    return Finding("pooler", State.OK, "in transaction mode, as set" if pooler else "none")


def _planning(settings: Mapping[str, str]) -> Finding:
    other = {name: value for name, value in database.PLANNING.items() if settings[name] != value}
    if not other:
        return Finding("planning", State.OK, "as Headcount sets it")
    message = f"{', '.join(other)} cannot be set through a pooler: searches may read more than they have to"
    statements = " ".join(f"ALTER ROLE CURRENT_USER SET {name} = {value};" for name, value in other.items())
    return Finding("planning", State.WARNING, message, f"run, as the account of HEADCOUNT_DATABASE: {statements}")


def _connections(settings: Mapping[str, str], wanted: int) -> Finding:
    allowed = int(settings["max_connections"]) - sum(int(settings.get(name, "0")) for name in _RESERVED)
    if wanted <= allowed:
        return Finding("connections", State.OK, f"this machine opens at most {wanted} of {allowed}")
    advice = "lower HEADCOUNT_DATABASE_CONNECTIONS or the workers, raise max_connections, or put a pooler before it"
    return Finding("connections", State.WARNING, f"workers may open {wanted}, the server allows {allowed}", advice)


async def _migrations(connection: Connection) -> Finding:
    pending = (await database.state(connection)).pending
    if not pending:
        return Finding("migrations", State.OK, "all are applied")
    names = ", ".join(migration.label for migration in pending)
    return Finding("migrations", State.BROKEN, f"due: {names}", "run 'headcount db migrate'")


async def _extensions(connection: Connection) -> Finding:
    missing = await _missing_extensions(connection)
    if not missing:
        return Finding("trigrams", State.OK, "searches for a part of a name or an address use an index")
    statements = " ".join(f"CREATE EXTENSION {name};" for name in missing)
    message = (
        f"without {' and '.join(missing)}, filters such as 'displayName co \"smith\"', 'userName ew …' and "
        "'emails.value co …' read all people of the tenant: a hundred times slower for a million"
    )
    advice = f"let a database administrator run: {statements} Then run 'headcount doctor --fix'."
    return Finding("trigrams", State.WARNING, message, advice)


async def _indexes(connection: Connection) -> Finding:
    missing = await _wanted_indexes(connection)
    if not missing:
        return Finding("indexes", State.OK, "all are there")
    message = f"missing: {', '.join(missing)}; searches that use them read whole tables"
    return Finding("indexes", State.WARNING, message, "run 'headcount doctor --fix'; servers may go on meanwhile")


async def _missing_extensions(connection: Connection) -> list[str]:
    there = {row["extname"] for row in await connection.fetch("SELECT extname FROM pg_extension")}
    return [name for name in _EXTENSIONS if name not in there]


async def _wanted_indexes(connection: Connection) -> dict[str, str]:
    """Those that are not there and could be; one whose making was interrupted is there and not valid."""
    rows = await connection.fetch(
        "SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid "
        "WHERE i.indisvalid AND pg_table_is_visible(c.oid)"
    )
    there = {row["relname"] for row in rows}
    without_trigrams = bool(await _missing_extensions(connection))
    return {
        name: statement
        for name, statement in indexes_of(database.migrations()).items()
        if name not in there and not (without_trigrams and _TRIGRAMS in statement)
    }


async def _add(connection: Connection, extension: str) -> bool:
    """Whether this account may add the extension, and has."""
    try:
        await connection.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    except asyncpg.PostgresError:
        return False
    return True
