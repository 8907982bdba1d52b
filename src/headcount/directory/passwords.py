"""Password hashing: argon2id at 19 MiB and two passes, off the event loop, at most two at once."""

import asyncio
from typing import Final

from argon2 import PasswordHasher

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE: Final = 2


class Passwords:
    """Hashes passwords without holding up requests."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: str) -> str:
        """The encoded hash of a password."""
        async with self._places:
            return await asyncio.to_thread(_HASHER.hash, password)
