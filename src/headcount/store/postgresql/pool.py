"""Connections to one PostgreSQL, and what their failures mean to whoever waits."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

import asyncpg

from headcount.store.interface import StoreError, TimeBudgetError
from headcount.store.postgresql import database
from headcount.store.postgresql.connections import Connections
from headcount.store.postgresql.database import Connection
from headcount.store.postgresql.dialect import numbered
from headcount.store.search.sql import Sql

_PAUSES: Final = (0.05, 0.2, 0.5)
"""Seconds before each further attempt: a server that restarts at once is hardly noticed."""
_LOOK_SECONDS: Final = 1.0
"""In which a server that is alive answers anything."""

_LATE: Final = (TimeoutError, asyncpg.QueryCanceledError)
_ROLLED_BACK: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""The transaction certainly did not happen, and may well succeed next time."""
_EXHAUSTED: Final = (asyncpg.InsufficientResourcesError, asyncpg.PostgresSystemError)
"""A full disk and the like: trying again at once makes it worse."""
_LOST: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what the driver makes of a farewell that comes between two statements
    asyncpg.OperatorInterventionError,
)
"""The connection is gone, and with it the knowledge whether a write was carried out."""

_Result = TypeVar("_Result")


class _UnreachableError(StoreError):
    """There is no connection, so that nothing was asked of the database."""


class Pool:
    """A bounded number of connections to the server, or the one of several, that a URL leads to."""

    def __init__(self, url: str, *, connections: int, pooler: bool, search_budget: float, timeout: float) -> None:
        self._url = url
        self._connections = connections
        self._pooler = pooler
        self._budget = search_budget
        self._timeout = timeout
        self._open_connections: Connections | None = None

    async def open(self) -> None:
        """Makes the pool; connections are made when they are needed."""
        arguments = database.connect_arguments(self._url, pooler=self._pooler)
        dial = partial(database.dial, **arguments, command_timeout=self._timeout)
        self._open_connections = Connections(dial, most=self._connections, patience=arguments["timeout"])

    async def close(self) -> None:
        """Closes all connections."""
        if self._open_connections is not None:
            connections, self._open_connections = self._open_connections, None
            await connections.close()

    async def rehearse(self, action: Callable[[Connection], Awaitable[None]]) -> None:
        """Makes all connections, and carries out an action on each, as far as the server lets it."""

        async def on_one() -> None:
            with suppress(StoreError, asyncpg.PostgresError):
                await self.call(action)

        await asyncio.gather(*(on_one() for _ in range(self._connections)))

    async def call(self, action: Callable[[Connection], Awaitable[_Result]], *, again: bool = True) -> _Result:
        """What an action gives on a connection.

        What certainly did not happen is tried again for a moment. `again` says that an action of which nobody knows
        whether it happened, because the connection was lost, may be repeated as well. Raises StoreError when the
        database cannot be reached or does not answer in time.
        """
        for pause in (*_PAUSES, None):
            try:
                return await self._once(action)
            except (_UnreachableError, *_ROLLED_BACK) as error:
                failure: Exception = error
                if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                    self._forget_connections()
            except _LATE as error:
                self._forget_connections()
                raise StoreError("the database did not answer in time") from error
            except _EXHAUSTED as error:
                raise StoreError(f"the database cannot carry it out: {error}") from error
            except _LOST as error:
                if isinstance(error, ValueError):  # a parameter that cannot be sent, which is nobody's fault but ours
                    raise
                failure = error
                pause = pause if again else None  # noqa: PLW2901
            if pause is None:
                break
            await asyncio.sleep(pause)
        raise StoreError(f"the database cannot be reached: {failure or type(failure).__name__}") from failure

    async def run(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement."""
        text = numbered(statement.text)
        return await self.call(lambda connection: connection.fetch(text, *statement.parameters))

    async def run_bounded(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement that may have to read much; raises TimeBudgetError.

        It is planned for its own values each time: how many resources a part of a name finds is not known without it.
        """
        text = numbered(statement.text)

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            try:
                prepared = await connection.prepare(text)
                return await prepared.fetch(*statement.parameters, timeout=self._budget)
            except _LATE as error:
                await connection.fetchval("SELECT 1", timeout=_LOOK_SECONDS)  # or else it is the server that is late
                raise TimeBudgetError(
                    f"The search took longer than {self._budget:g} seconds; compare an indexed attribute."
                ) from error

        return await self.call(fetch)

    async def _once(self, action: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        connections = self._open_connections
        if connections is None:
            raise StoreError("the store is closed")
        try:
            link = await connections.take()
        except TimeoutError as error:
            raise StoreError("no connection to the database became free in time") from error
        except database.UNREACHABLE as error:
            raise _UnreachableError(str(error) or type(error).__name__) from error
        try:
            result = await action(link.connection)
        except BaseException:
            connections.give_up(link)
            raise
        connections.give_back(link)
        return result

    def _forget_connections(self) -> None:
        """The server hangs, or another one has become the primary: whoever asks next looks for it anew."""
        if self._open_connections is not None:
            self._open_connections.forget()
