"""A bounded number of connections, each used by one at a time.

To take one and give it back costs no round trip, no task and no timer: the pool of the driver spends on that as much as
a small statement costs on this side of the wire.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from headcount.store.postgresql.database import UNREACHABLE, Connection

_LIFE_SECONDS: Final = 3_600.0
"""After which a connection is replaced: what its server process remembers only grows."""
_IDLE_SECONDS: Final = 300.0
"""After which one that nobody used is closed: somebody on the way may have forgotten it."""
_LOOK_SECONDS: Final = 1.0
"""In which a server that is alive answers anything, and confirms that it cancelled a statement."""
_CLOSE_SECONDS: Final = 5.0


@dataclass(eq=False, slots=True)
class Link:
    """A connection that is kept."""

    connection: Connection
    made: float
    rested: float = 0.0
    """Since when nobody uses it, by the clock of the event loop."""


class Connections:
    """Makes connections when they are needed; the one that was used last is used next."""

    def __init__(self, dial: Callable[[], Awaitable[Connection]], *, most: int, patience: float) -> None:
        self._dial = dial
        self._most = most
        self._patience = patience
        self._turns = asyncio.Semaphore(most)
        self._idle: deque[Link] = deque()
        self._open: set[Link] = set()
        self._settling: set[asyncio.Task[None]] = set()

    async def take(self) -> Link:
        """A connection that is nobody else's; raises TimeoutError, or what it means that there is none."""
        if self._turns.locked():
            async with asyncio.timeout(self._patience):
                await self._turns.acquire()
        else:
            await self._turns.acquire()
        try:
            return self._rested() or await self._new()
        except BaseException:
            self._turns.release()
            raise

    def give_back(self, link: Link) -> None:
        """The end of a use after which nothing is under way."""
        now = asyncio.get_running_loop().time()
        if link in self._open and now - link.made < _LIFE_SECONDS and not link.connection.is_closed():
            link.rested = now
            self._idle.append(link)
        else:
            self._drop(link)
        while self._idle and now - self._idle[0].rested > _IDLE_SECONDS:
            self._drop(self._idle.popleft())
        self._turns.release()

    def give_up(self, link: Link) -> None:
        """The end of a use that failed: the connection is kept if it soon answers, and nobody waits for that."""
        task = asyncio.create_task(self._settle(link))
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    def forget(self) -> None:
        """Whoever asks next gets a new connection; those in use are not kept afterwards."""
        self._open.clear()
        while self._idle:
            self._drop(self._idle.pop())

    async def close(self) -> None:
        """Waits for those in use, and closes all; cuts off those that do not answer."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                for _ in range(self._most):
                    await self._turns.acquire()
                for link in self._idle:
                    await link.connection.close()
        except (TimeoutError, *UNREACHABLE):
            for link in self._open:
                link.connection.terminate()

    def _rested(self) -> Link | None:
        """The idle connection that was used last, unless none is good."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            link = self._idle.pop()
            if now - link.rested <= _IDLE_SECONDS and not link.connection.is_closed():
                return link
            self._drop(link)
        return None

    async def _new(self) -> Link:
        link = Link(await self._dial(), asyncio.get_running_loop().time())
        self._open.add(link)
        return link

    async def _settle(self, link: Link) -> None:
        connection = link.connection
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await connection.execute("ROLLBACK" if connection.is_in_transaction() else "SELECT 1")
        except UNREACHABLE:
            self._open.discard(link)
        self.give_back(link)

    def _drop(self, link: Link) -> None:
        self._open.discard(link)
        link.connection.terminate()
