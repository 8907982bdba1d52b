"""Where the rooms are put together: an open installation, and the application that serves it."""

import gc
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from typing import Final

from headcount.directory.cursors import Cursors
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.tenant import Limits
from headcount.directory.tenant_schemas import TenantSchemas
from headcount.directory.tenants import Tenants
from headcount.directory.tokens import AccessTokens
from headcount.http.admission import Admission
from headcount.http.application import Application, Serving
from headcount.http.gate import Gate
from headcount.http.logs import AccessLog, configure_logs
from headcount.http.protocol import BoundedProtocol
from headcount.http.requests import RequestIds
from headcount.http.scim import ScimEndpoints
from headcount.sealing import Seal
from headcount.settings import Settings, SettingsError
from headcount.store.administration import DatabaseStore
from headcount.store.sqlite.store import SqliteStore

_ALLOCATIONS: Final = 20_000
"""Containers made and not yet gone, past which the youngest are looked through."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An open installation and what manages it."""

    settings: Settings
    store: DatabaseStore
    operator: OperatorResources
    tenants: Tenants
    tokens: AccessTokens
    schemas: TenantSchemas
    key: bytes
    """The installation key, 32 bytes."""


@asynccontextmanager
async def open_installation(settings: Settings, *, upgrade: bool = False) -> AsyncIterator[Installation]:
    """Opens the database, creating a missing or empty one; an older one only when `upgrade` says so.

    Raises OutdatedSchemaError when the database does not fit this version.
    """
    store = store_of(settings, upgrade=upgrade)
    await store.open()
    try:
        yield await _installation(settings, store)
    finally:
        await store.close()


def store_of(settings: Settings, *, upgrade: bool = False) -> DatabaseStore:
    """The store that the settings name, not open yet; raises SettingsError when its driver is not installed."""
    if settings.is_sqlite:
        return SqliteStore(settings.database_path, search_budget=settings.search_budget, upgrade=upgrade)
    try:
        from headcount.store.postgresql.store import PostgresqlStore  # noqa: PLC0415  an extra
    except ImportError as error:
        raise SettingsError("PostgreSQL needs an extra: pip install 'headcount[postgresql]'") from error
    return PostgresqlStore(
        settings.database,
        connections=settings.database_connections,
        pooler=settings.database_pooler == "transaction",
        search_budget=settings.search_budget,
        timeout=settings.database_timeout,
        replica_url=settings.database_replica,
        upgrade=upgrade,
    )


def limits_of(settings: Settings) -> Limits:
    """The bounds on requests, as set."""
    return Limits(**{item.name: getattr(settings, item.name) for item in fields(Limits)})


def create_application(settings: Settings) -> Application:
    """The ASGI application; it opens the installation when its lifespan starts."""

    async def start() -> Serving:
        BoundedProtocol.configure(settings.header_deadline, settings.body_deadline, settings.connections_per_address)
        configure_logs(settings.log_format, settings.log_level)
        stack = AsyncExitStack()
        installation = await stack.enter_async_context(open_installation(settings, upgrade=True))
        limits = limits_of(settings)
        cursors = Cursors(Seal(installation.key, "cursor"), limits.cursor_timeout)
        gate = Gate(
            installation.store,
            installation.tenants,
            installation.tokens,
            installation.operator,
            cursors,
            settings.public_url,
        )
        log = AccessLog(settings.log_format, enabled=settings.log_level in ("debug", "info"))
        ids = RequestIds()
        admission = Admission(settings.requests_in_flight, settings.body_bytes_in_flight)
        deadline = settings.body_deadline
        scim = ScimEndpoints(
            gate,
            limits,
            settings.public_url,
            log,
            ids,
            admission,
            body_deadline=deadline,
            behind_proxy=settings.behind_proxy,
            processes=settings.workers,
        )

        _settle_memory()

        async def stop() -> None:
            log.flush()
            await stack.aclose()

        return Serving(scim, installation.store, log, ids, admission, stop)

    return Application(start)


def _settle_memory() -> None:
    """What was loaded until now stays: the garbage collector need not look at it with every few requests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 50, 50)


def application() -> Application:
    """The application with the settings of the environment: `uvicorn --factory headcount.assembly:application`."""
    return create_application(Settings.from_environment())


async def _installation(settings: Settings, store: DatabaseStore) -> Installation:
    operator = OperatorResources(store, settings.public_url)
    tenants = Tenants(store, operator, limits_of(settings))
    key = settings.installation_key() or await store.installation_key()
    tokens = AccessTokens(store, operator)
    return Installation(settings, store, operator, tenants, tokens, TenantSchemas(store, tenants), key)
