"""Running what a command does with an open installation."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from headcount.assembly import Installation, open_installation
from headcount.settings import Settings

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

Result = TypeVar("Result")
Action = Callable[[Installation], Awaitable[Result]]


def with_installation(database: str | None, action: Action[Result]) -> Result:
    """The result of an action on the installation; a missing or empty database is created."""
    return with_settings(Settings.from_environment(database=database), action)


def with_settings(settings: Settings, action: Action[Result], *, upgrade: bool = False) -> Result:
    """The result of an action on the installation that the settings describe; an older database only if `upgrade`."""

    async def run() -> Result:
        async with open_installation(settings, upgrade=upgrade) as installation:
            return await action(installation)

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(run())
