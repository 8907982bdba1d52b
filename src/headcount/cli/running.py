"""Running what a command does with an open installation."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headcount.assembly import Installation, open_installation
from headcount.settings import Settings

_Result = TypeVar("_Result")


def with_installation(database: str | None, action: Callable[[Installation], Awaitable[_Result]]) -> _Result:
    """The result of an action on the installation; a missing or empty database is created."""

    async def run() -> _Result:
        async with open_installation(Settings.from_environment(database=database)) as installation:
            return await action(installation)

    return asyncio.run(run())
