"""Who may go on when what is urgent goes first: one process has one event loop for all that it serves and delivers."""

import asyncio
from collections import deque
from typing import Final

_AT_A_TIME: Final = 4
"""Who goes on in one turn of the event loop, so that it comes round within a millisecond or two."""
_HELD_AT_MOST: Final = 0.1
"""Seconds for which something urgent holds up everything else."""
_LOOK_AGAIN: Final = 0.002
"""Seconds."""


class Turns:
    """Lets those who ask go on a few at a time, in order, and nobody while something urgent is under way."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._held_until = 0.0
        self._is_going_round = False

    async def take(self) -> None:
        """Until it is one's turn."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        if not self._is_going_round:
            self._is_going_round = True
            loop.call_soon(self._go_round)
        await mine

    def hold(self) -> None:
        """Something urgent begins: it goes first, for a moment at most."""
        self._held_until = asyncio.get_running_loop().time() + _HELD_AT_MOST

    def let_go(self) -> None:
        """It is done."""
        self._held_until = 0.0

    def _go_round(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._held_until:
            loop.call_later(_LOOK_AGAIN, self._go_round)
            return
        for _ in range(min(_AT_A_TIME, len(self._waiting))):
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
        self._is_going_round = bool(self._waiting)
        if self._is_going_round:
            loop.call_soon(self._go_round)
