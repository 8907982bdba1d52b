"""Connections to one PostgreSQL, and what their failures mean to whoever waits."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import asyncpg

from headcount.store.interface import StoreError, TimeBudgetError
from headcount.store.postgresql import database
from headcount.store.postgresql.database import Connection
from headcount.store.postgresql.dialect import numbered
from headcount.store.search.sql import Sql

_ATTEMPTS: Final = 4
_COMMAND_SECONDS: Final = 15.0
"""After which a statement, and whoever waits for it, gives up."""
_ACQUIRE_SECONDS: Final = 5.0

_TRANSIENT: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_MOVED: Final = (asyncpg.ReadOnlySQLTransactionError,)
_DISCONNECTED: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
)

_Result = TypeVar("_Result")


class Pool:
    """A bounded number of connections to the server, or the one of several, that a URL leads to."""

    def __init__(self, url: str, *, connections: int, pooler: bool, search_budget: float) -> None:
        self._url = url
        self._connections = connections
        self._pooler = pooler
        self._budget = search_budget
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self, *, at_least: int = 1) -> None:
        """Makes the pool, with so many connections from the start."""
        self._pool = await asyncpg.create_pool(
            **database.connect_arguments(self._url, pooler=self._pooler),
            min_size=at_least,
            max_size=self._connections,
            command_timeout=_COMMAND_SECONDS,
            reset=_keep,
        )

    async def close(self) -> None:
        """Closes all connections."""
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def call(self, action: Callable[[Connection], Awaitable[_Result]], *, again: bool = True) -> _Result:
        """What an action gives on a connection; `again` says that it may be repeated when the connection was lost.

        Raises StoreError when the database cannot be reached or does not answer in time.
        """
        for attempt in range(_ATTEMPTS):
            try:
                return await self._once(action)
            except _TRANSIENT as error:
                if attempt == _ATTEMPTS - 1:
                    raise StoreError(str(error)) from error
            except _MOVED as error:
                await self._forget_connections()
                raise StoreError("the database has become read-only") from error
            except _DISCONNECTED as error:
                if not again or attempt == _ATTEMPTS - 1:
                    raise StoreError(f"the database cannot be reached: {error or type(error).__name__}") from error
        raise AssertionError("unreachable")

    async def run(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement."""
        text = numbered(statement)
        return await self.call(lambda connection: connection.fetch(text, *statement.parameters))

    async def run_bounded(self, statement: Sql) -> list["asyncpg.Record"]:
        """The rows of a statement that may have to read much; raises TimeBudgetError."""
        text = numbered(statement)

        async def fetch(connection: Connection) -> list[asyncpg.Record]:
            try:
                return await connection.fetch(text, *statement.parameters, timeout=self._budget)
            except TimeoutError as error:
                raise TimeBudgetError(
                    f"The search took longer than {self._budget:g} seconds; compare an indexed attribute."
                ) from error

        return await self.call(fetch)

    async def _once(self, action: Callable[[Connection], Awaitable[_Result]]) -> _Result:
        if self._pool is None:
            raise StoreError("the store is closed")
        try:
            connection = await self._pool.acquire(timeout=_ACQUIRE_SECONDS)
        except TimeoutError as error:
            raise StoreError("no connection to the database became free in time") from error
        try:
            return await action(connection)
        except TimeoutError as error:
            raise StoreError("the database did not answer in time") from error
        finally:
            await self._pool.release(connection)

    async def _forget_connections(self) -> None:
        """Another server has become the primary: whoever asks next looks for it."""
        if self._pool is not None:
            await self._pool.expire_connections()


async def _keep(_connection: Connection) -> None:
    """No session state is ever set, so that a connection needs no reset, which would cost a round trip."""
