"""Headcount on one database: a tenant with a token, and servers with as many workers as are asked for."""

import asyncio
import os
import signal
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from headcount.assembly import open_installation
from headcount.settings import Settings
from processes import eventually, server
from serving import Client
from torture.load import waiting


class Installation(NamedTuple):
    """A database with the tenant `acme`."""

    url: str
    token: str

    def with_options(self, **options):
        """The same database under a URL with these options."""
        return self._replace(url=f"{self.url}?{urlencode(options)}")

    def administer(self, action):
        """The result of an action on it, from this process."""
        return administer(self.url, action)


def administer(database, action):
    """The result of an action on the installation in a database, from this process."""

    async def run():
        async with open_installation(Settings(database=database)) as installation:
            return await action(installation)

    return asyncio.run(run())


def new_tenant(database, name="acme"):
    """A token of a new tenant."""

    async def create(installation):
        await installation.tenants.create(name)
        token, _ = await installation.tokens.create(name, "test", lifetime=timedelta(days=1))
        return token

    return administer(database, create)


@contextmanager
def serving(folder, installation, *arguments, **settings):
    """A running server and a client of it, once it answers."""
    values = {f"HEADCOUNT_{name.upper()}": str(value) for name, value in settings.items()}
    values["HEADCOUNT_DATABASE"] = installation.url
    with (
        server(folder, *arguments, settings=values) as running,
        waiting(Client(running.url, "/t/acme/scim/v2", installation.token)) as client,
    ):
        yield running, client


def workers(running):
    """The process ids of a server's workers."""
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    return [int(child) for child in children if _is_worker(child)]


def _is_worker(process):
    try:
        return b"spawn_main" in Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:  # it has just ended
        return False


def kill(*processes):
    """Ends processes as a crash does, and waits until they are gone."""
    for process in processes:
        os.kill(process, signal.SIGKILL)
    eventually(lambda: not any(_runs(process) for process in processes))


def _runs(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def resident_bytes(process):
    """The memory that a process occupies."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def unprivileged():
    """Arguments that start a process as a user who may do nothing, for programs that refuse to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
