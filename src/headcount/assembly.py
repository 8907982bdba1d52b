"""Where the rooms are put together: an open installation, and the application that serves it."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, fields
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

import structlog

from headcount import __version__
from headcount.directory.audit.attempts import Attempts
from headcount.directory.audit.auditing import Audit
from headcount.directory.client_assertions import ClientAssertions
from headcount.directory.client_credentials import ClientCredentials
from headcount.directory.clients import Clients
from headcount.directory.connections import Connections
from headcount.directory.cursors import Cursors
from headcount.directory.guard.reviewing import Reviewing
from headcount.directory.identifiers import holder, new_id
from headcount.directory.issued_tokens import IssuedTokens
from headcount.directory.lockouts import LockOuts
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.outside_tokens import OutsideTokens
from headcount.directory.request_log import RequestLog
from headcount.directory.retention import keep_forgetting
from headcount.directory.tenant import Limits
from headcount.directory.tenant_export import TenantExport
from headcount.directory.tenant_import import TenantImport
from headcount.directory.tenant_schemas import TenantSchemas
from headcount.directory.tenants import Tenants
from headcount.directory.token_expiry import TokenExpiry
from headcount.directory.token_report import TokenReport
from headcount.directory.tokens import AccessTokens
from headcount.directory.trust import Verifier
from headcount.directory.unknown_attributes import UnknownAttributes
from headcount.directory.value_indexes import ValueIndexes
from headcount.directory.verification import Verification
from headcount.directory.webhooks import Webhooks
from headcount.events.notifier import Notifier
from headcount.http.admission import Admission
from headcount.http.application import Application, Serving
from headcount.http.gate import Gate
from headcount.http.journal import Journal
from headcount.http.logs import AccessLog, configure_logs
from headcount.http.manage import ManageEndpoints, Route, bound
from headcount.http.manage_archives import ARCHIVE_ROUTES, ManagedArchives
from headcount.http.manage_record import RECORD_ROUTES, ManagedRecord
from headcount.http.manage_reviews import REVIEW_ROUTES, ManagedReviews
from headcount.http.manage_schemas import SCHEMA_ROUTES, ManagedSchemas
from headcount.http.manage_tokens import TOKEN_ROUTES, ManagedTokens
from headcount.http.manage_webhooks import WEBHOOK_ROUTES, ManagedWebhooks
from headcount.http.protocol import BoundedProtocol
from headcount.http.requests import RequestIds
from headcount.http.scim import ScimEndpoints
from headcount.sealing import Seal, derived
from headcount.settings import Settings, SettingsError
from headcount.store.administration import DatabaseStore
from headcount.store.interface import OPERATOR_TENANT
from headcount.store.sqlite.store import SqliteStore

if TYPE_CHECKING:
    from headcount.provisioning.synchronization import Synchronization

_ALLOCATIONS: Final = 20_000
"""Containers made and not yet gone, past which the youngest are looked through."""

_FAREWELL: Final = 5.0
"""Seconds."""
_KNOWN_EVERYWHERE: Final = 1.5
"""Seconds after which every process knows how a tenant was changed."""


@dataclass(frozen=True, slots=True)
class Installation:
    """An open installation and what manages it."""

    settings: Settings
    store: DatabaseStore
    operator: OperatorResources
    tenants: Tenants
    tokens: AccessTokens
    token_report: TokenReport
    connections: Connections
    schemas: TenantSchemas
    indexes: ValueIndexes
    unknown: UnknownAttributes
    exports: TenantExport
    imports: TenantImport
    webhooks: Webhooks
    lock_outs: LockOuts
    audit: Audit
    attempts: Attempts
    requests: RequestLog
    reviewing: Reviewing
    clients: Clients
    issued: IssuedTokens
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
        await installation.store.rehearse()
        notifier = Notifier()
        serving = _serving(installation, notifier, stack.aclose)
        stack.callback(serving.log.flush)
        stack.push_async_callback(installation.unknown.flush_at_last)
        stack.push_async_callback(installation.attempts.flush_at_last)
        stack.push_async_callback(installation.requests.flush_at_last)
        stack.push_async_callback(installation.tokens.use.flush_at_last)
        stack.push_async_callback(installation.indexes.stop)
        if verifier := installation.operator.verifier_of():
            stack.push_async_callback(verifier.close)
        for work in _background(installation, notifier):
            stack.push_async_callback(_end, asyncio.create_task(work))
        settle_memory()
        return serving

    return Application(start)


def _serving(installation: Installation, notifier: Notifier, stop: Callable[[], Awaitable[None]]) -> Serving:
    """What answers requests."""
    settings = installation.settings
    limits = limits_of(settings)
    gate = Gate(
        installation.store,
        installation.tenants,
        installation.tokens,
        _verification(installation),
        installation.operator,
        Cursors(Seal(installation.key, "cursor"), limits.cursor_timeout),
        settings.public_url,
        installation.unknown.counts,
        notifier,
    )
    log = AccessLog(settings.log_format, enabled=settings.log_level in ("debug", "info"))
    ids = RequestIds()
    admission = Admission(settings.requests_in_flight, settings.body_bytes_in_flight)
    scim = ScimEndpoints(
        gate,
        limits,
        settings.public_url,
        log,
        ids,
        admission,
        body_deadline=settings.body_deadline,
        behind_proxy=settings.behind_proxy,
        processes=settings.workers,
        notifier=notifier,
        journal=Journal(installation.attempts, installation.requests),
        manage=ManageEndpoints(_managed(installation), __version__, settings.archive_bytes),
        credentials=_client_credentials(installation, gate),
        token_failures=settings.token_failures,
    )
    return Serving(scim, installation.store, log, ids, admission, stop)


def _verification(installation: Installation) -> Verification:
    """What tells what a token opens."""
    verifier = installation.operator.verifier_of()
    outside = OutsideTokens(installation.clients, verifier) if verifier else None
    return Verification(installation.tokens, installation.issued, outside)


def _client_credentials(installation: Installation, gate: Gate) -> ClientCredentials:
    """What gives access tokens to clients."""
    clients, verifier = installation.clients, installation.operator.verifier_of()
    assertions = (
        ClientAssertions(clients, verifier, installation.store.for_tenant(OPERATOR_TENANT)) if verifier else None
    )
    lifetime = installation.settings.access_token_lifetime
    return ClientCredentials(clients, installation.issued, gate.tenant, assertions, lifetime=lifetime)


def _managed(installation: Installation) -> Sequence[Route]:
    """What can be called below `/manage`."""
    managed = ManagedSchemas(installation.schemas, installation.indexes, installation.unknown)
    archives = ManagedArchives(installation.exports, installation.imports)
    reviews = ManagedReviews(installation.reviewing)
    record = ManagedRecord(installation.audit, installation.requests, installation.lock_outs)
    return (
        *bound(SCHEMA_ROUTES, managed),
        *bound(ARCHIVE_ROUTES, archives),
        *bound(RECORD_ROUTES, record),
        *bound(REVIEW_ROUTES, reviews),
        *bound(TOKEN_ROUTES, ManagedTokens(installation.tokens, installation.token_report)),
        *bound(WEBHOOK_ROUTES, ManagedWebhooks(installation.webhooks)),
    )


def _background(installation: Installation, notifier: Notifier) -> Iterator[Coroutine[Any, Any, None]]:
    """What goes on beside requests in every process that serves, until it is cancelled."""
    yield installation.unknown.keep_flushing()
    yield installation.tokens.use.keep_flushing()
    yield TokenExpiry(installation.operator).keep_warning()
    yield installation.attempts.keep_flushing()
    yield installation.requests.keep_flushing()
    yield installation.audit.keep_sealing()
    yield keep_forgetting(
        installation.tenants, installation.store, installation.audit, installation.settings.retention_days
    )
    yield _delivery_if_installed(installation, notifier)
    yield _schedules_if_installed(installation)


async def _end(work: asyncio.Task[None]) -> None:
    """Cancels what goes on, and gives it a moment to leave things as they should be."""
    work.cancel()
    await asyncio.wait({work}, timeout=_FAREWELL)


async def delivery(installation: Installation, notifier: Notifier) -> None:
    """Delivers webhooks until it is cancelled; raises SettingsError when the extra for it is not installed."""
    try:
        from headcount.events.delivery.endpoints import Endpoints  # noqa: PLC0415  an extra
        from headcount.events.delivery.worker import Worker  # noqa: PLC0415  an extra
        from headcount.outbound import Destinations, networks_of  # noqa: PLC0415  an extra
    except ImportError as error:
        raise SettingsError("webhooks need an extra: pip install 'headcount[webhooks]'") from error
    settings = installation.settings
    destinations = Destinations(networks_of(settings.private_networks))
    async with Endpoints(destinations, timeout=settings.webhook_timeout) as endpoints:
        await Worker(installation.store, installation.webhooks, endpoints, notifier, f"{holder()}:{new_id()}").run()


async def _delivery_if_installed(installation: Installation, notifier: Notifier) -> None:
    try:
        await delivery(installation, notifier)
    except SettingsError as error:
        if await installation.webhooks.all():
            structlog.get_logger().warning("webhooks_not_delivered", reason=str(error))


def synchronization_of(
    installation: Installation, report: Callable[[int, str], None] = lambda _amount, _text: None
) -> "Synchronization":
    """The sync jobs of an installation; raises SettingsError when the extra for them is not installed."""
    try:
        from headcount.provisioning.synchronization import Synchronization  # noqa: PLC0415  an extra
    except ImportError as error:
        raise SettingsError("sync jobs need an extra: pip install 'headcount[provisioning]'") from error
    return Synchronization(installation.store, installation.tenants, environment=os.environ, report=report)


async def _schedules_if_installed(installation: Installation) -> None:
    """Runs sync jobs when their time has come, until it is cancelled."""
    with suppress(SettingsError):  # 'headcount sync' says so
        synchronization = synchronization_of(installation)
        from headcount.provisioning.scheduling import keep_running  # noqa: PLC0415  an extra

        await keep_running(synchronization)


def settle_memory() -> None:
    """What was loaded until now stays: the garbage collector need not look at it all the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 50, 50)


def application() -> Application:
    """The application with the settings of the environment: `uvicorn --factory headcount.assembly:application`."""
    return create_application(Settings.from_environment())


def _verifier_if_installed(settings: Settings) -> Verifier | None:
    """What checks signed tokens; None when the extra for it is not installed."""
    try:
        from headcount.directory.oauth.key_sets import KeySets  # noqa: PLC0415  an extra
        from headcount.directory.oauth.signatures import Signatures  # noqa: PLC0415  an extra
        from headcount.outbound import Destinations, networks_of  # noqa: PLC0415  an extra
    except ImportError:
        return None
    destinations = Destinations(networks_of(settings.private_networks))
    return Signatures(KeySets(destinations, f"Headcount/{__version__}"), destinations)


async def _installation(settings: Settings, store: DatabaseStore) -> Installation:
    operator = OperatorResources(store, settings.public_url)
    operator.verifier_of = cache(partial(_verifier_if_installed, settings))
    tenants = Tenants(store, operator, limits_of(settings))
    key = settings.installation_key() or await store.installation_key()
    tokens = AccessTokens(store, operator)
    clients = Clients(operator, tokens)
    indexes = ValueIndexes(store, tenants, settle_seconds=_KNOWN_EVERYWHERE + settings.body_deadline)
    schemas = TenantSchemas(store, tenants, indexes)
    unknown = UnknownAttributes(store, tenants, schemas)
    exports = TenantExport(store, tenants, operator, __version__)
    imports = TenantImport(store, tenants, operator)
    webhooks = Webhooks(store, operator, tenants, Seal(key, "webhook"))
    lock_outs = LockOuts(store, operator, webhooks)
    return Installation(
        settings=settings,
        store=store,
        operator=operator,
        tenants=tenants,
        tokens=tokens,
        token_report=TokenReport(store, operator, tenants, tokens),
        connections=Connections(operator),
        schemas=schemas,
        indexes=indexes,
        unknown=unknown,
        exports=exports,
        imports=imports,
        webhooks=webhooks,
        lock_outs=lock_outs,
        audit=Audit(store, tenants, derived(key, "audit")),
        attempts=Attempts(store, tenants),
        requests=RequestLog(store, tenants),
        reviewing=Reviewing(store, tenants, settings.public_url),
        clients=clients,
        issued=IssuedTokens(Seal(key, "access token"), clients),
        key=key,
    )
