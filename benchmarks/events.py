"""Events, measured: `python benchmarks/events.py`, about seven minutes; --small for a first look, --postgresql for that.

`headcount serve` with one worker process serves and delivers; the receiver (`taker.py`) is another process. How late an
event is counts from the instant that the write began to the arrival of its whole request, the commit included.
"""

import argparse
import asyncio
import contextlib
import http.client
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from operations import OPERATIONS
from people import PATCH, person
from run import measure
from servers import HERE, Server, call, free_port, start

from headcount.assembly import Installation, open_installation
from headcount.scim.registry import USER
from headcount.settings import Settings
from headcount.store.interface import Create, Keys, Origin
from headcount.testing.postgresql import temporary_postgresql

TENANT = "bench"
WITHOUT_LOG = {
    "sqlite": "CREATE TRIGGER no_log BEFORE INSERT ON change BEGIN SELECT RAISE(IGNORE); END",
    "postgresql": "CREATE RULE no_log AS ON INSERT TO change DO INSTEAD NOTHING",
}
"""What makes a database forget every row of the change log before it is written."""


class Place:
    """Where databases are made: a folder, or a PostgreSQL."""

    def __init__(self, folder: Path, postgresql: Any = None) -> None:
        self.folder = folder
        self.postgresql = postgresql
        self.number = 0

    def database(self) -> str:
        """The URL of a new one."""
        self.number += 1
        if self.postgresql is not None:
            return self.postgresql.create_database(f"bench{self.number}")
        return f"sqlite:///{self.folder / f'bench{self.number}.db'}"

    def transactions(self, database: str) -> int:
        """How many transactions a PostgreSQL has ended, by its own count: a statement is one or a few."""
        time.sleep(1.5)  # it counts when it has nothing to do
        name = database.rpartition("/")[2]
        return int(self.postgresql.sql(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{name}'"))

    def execute(self, database: str, statement: str) -> None:
        """Carries out a statement on one."""
        if self.postgresql is not None:
            self.postgresql.sql(statement, database.rpartition("/")[2])
        else:
            with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection:
                connection.execute(statement)


async def administer(database: str, action: Any) -> Any:
    """The result of an action on an installation."""
    async with open_installation(Settings(database=database), upgrade=True) as installation:
        return await action(installation)


def new_tenant(database: str) -> str:
    """A token of a new tenant."""

    async def create(installation: Installation) -> str:
        await installation.tenants.create(TENANT)
        token, _ = await installation.tokens.create(TENANT, "benchmark", lifetime=timedelta(days=1))
        return token

    return asyncio.run(administer(database, create))


def subscribe(database: str, url: str) -> None:
    """Tells an endpoint of everything from now on."""
    asyncio.run(administer(database, lambda installation: installation.webhooks.create(TENANT, "benchmark", url)))


@contextlib.contextmanager
def serving(database: str, token: str) -> Iterator[Server]:
    """A server of a database, on the first core."""
    os.environ["HEADCOUNT_PRIVATE_NETWORKS"] = "127.0.0.0/8"
    port = free_port()
    process = start(["-m", "headcount", "serve", "--port", str(port), "--database", database], port)
    server = Server("headcount", port, process, f"/t/{TENANT}/scim/v2", token)
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def taking() -> Iterator[int]:
    """A receiver, on the second core; gives its port."""
    port = free_port()
    process = start([str(HERE / "taker.py"), str(port)], port, core=1)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def ask(port: int, path: str) -> Any:
    """What a receiver tells."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())


def hooks(port: int) -> str:
    return f"http://127.0.0.1:{port}/hooks"


def wait_until(condition: Any, seconds: float = 600) -> float:
    """How long it takes until a condition holds."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise SystemExit("it did not come about")
        time.sleep(0.01)
    return time.monotonic() - began


def cost_of_the_log(place: Place, seconds: float, rounds: int) -> None:
    """Creates with the change log and without it, in turns."""
    rates: dict[str, list[float]] = {"with": [], "without": []}
    databases = {name: place.database() for name in rates}
    tokens = {name: new_tenant(database) for name, database in databases.items()}
    kind = "sqlite" if place.postgresql is None else "postgresql"
    place.execute(databases["without"], WITHOUT_LOG[kind])
    with contextlib.ExitStack() as stack:
        servers = {name: stack.enter_context(serving(databases[name], tokens[name])) for name in rates}
        for server in servers.values():
            server.people = [call(server, "POST", "/Users", 201, person("somebody@example.com", "1"))["id"]]
        for _ in range(rounds):
            for connections in (1, 32):
                for name, server in servers.items():
                    job = OPERATIONS["create"].job(server)
                    rates[name].append(measure(job, connections, seconds)["rate"])
    ratios = [one / other for one, other in zip(rates["without"], rates["with"], strict=True)]
    for place_of, connections in ((0, 1), (1, 32)):
        told(
            f"create at {connections} connections, without the log ÷ with it",
            statistics.median(ratios[place_of::2]),
            "≤ 1.15",
        )


def lateness(place: Place, seconds: float) -> None:
    """How late events come, when there is one now and then, and when there are 500 a second."""
    database = place.database()
    token = new_tenant(database)
    with taking() as port:
        subscribe(database, hooks(port))
        with serving(database, token) as server:
            ids = [call(server, "POST", "/Users", 201, person(f"p{n}@example.com", str(n)))["id"] for n in range(100)]
            wait_until(lambda: ask(port, "/count") >= 100)
            ask(port, "/report")
            change(server, ids, rate=10, seconds=seconds, writers=1)
            show_lateness("idle", port)
            before = place.postgresql and place.transactions(database)
            made = change(server, ids, rate=500, seconds=seconds, writers=4)
            show_lateness(f"under {made / seconds:.0f} changes a second", port)
            if place.postgresql:
                told("transactions for one of these changes", (place.transactions(database) - before) / made, "")


def change(server: Server, ids: list[str], *, rate: float, seconds: float, writers: int) -> int:
    """Changes at a steady rate; gives how many."""
    made = [0] * writers

    def write(number: int) -> None:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
            headers = {"authorization": f"Bearer {server.token}", "content-type": "application/scim+json"}
            began = time.monotonic()
            while (now := time.monotonic() - began) < seconds:
                if made[number] > now * rate / writers:
                    time.sleep(0.0005)
                    continue
                made[number] += 1
                body = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": str(time.time())}]}
                path = f"{server.base}/Users/{ids[(made[number] * writers + number) % len(ids)]}"
                connection.request("PATCH", path, json.dumps(body), headers)
                connection.getresponse().read()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(made)


def show_lateness(when: str, port: int) -> None:
    time.sleep(1.0)
    lates = sorted(late for _, late in ask(port, "/report"))
    p99 = lates[int(len(lates) * 0.99)]
    told(f"from the write to its webhook, {when}: median / p99 ms", f"{statistics.median(lates):.1f} / {p99:.1f}", "")


def fill(database: str, number: int) -> None:
    """So many creations in the change log, straight into the store."""

    async def write(installation: Installation) -> None:
        store = installation.store.for_tenant(TENANT)
        for begin in range(0, number, 1000):
            await store.write_many([creation(n) for n in range(begin, min(begin + 1000, number))])

    asyncio.run(administer(database, write))


def creation(number: int) -> Create:
    """A person of 1.4 KB."""
    name = f"backlog{number:09d}@example.com"
    resource_id = f"backlog-{number:09d}"
    document = json.dumps({**person(name, str(number)), "id": resource_id}, separators=(",", ":")).encode()
    origin = Origin(time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime()), "benchmark", f"r{number}")
    return Create(USER.name, resource_id, document, document, None, Keys(user_name=name), origin)


def idling(place: Place, seconds: float) -> None:
    """What a worker asks of PostgreSQL when nothing happens in twenty tenants that would be told of it."""
    database = place.database()
    new_tenant(database)

    async def more(installation: Installation) -> None:
        for number in range(20):
            await installation.tenants.create(f"idle{number}")
            await installation.webhooks.create(f"idle{number}", "benchmark", hooks(free_port()))

    asyncio.run(administer(database, more))
    worker = subprocess.Popen(
        [sys.executable, "-m", "headcount", "worker", "--database", database], stdout=subprocess.DEVNULL
    )
    try:
        time.sleep(10)  # it looks at everything once
        before, began = place.transactions(database), time.monotonic()
        time.sleep(seconds)
        ended = place.transactions(database) - before
    finally:
        worker.terminate()
        worker.wait()
    told("transactions a second, idle, with twenty subscriptions", round(ended / (time.monotonic() - began)), "")


def reading(place: Place, number: int) -> None:
    """How fast one client reads the feed."""
    database = place.database()
    token = new_tenant(database)
    fill(database, number)
    with serving(database, token) as server:
        rates = [number / read_all(server) for _ in range(3)]
    told("reading the feed over HTTP, events a second", round(statistics.median(rates)), "≥ 20,000")


def read_all(server: Server) -> float:
    """The seconds it takes to read the feed from the beginning."""
    after, more, began = 0, True, time.monotonic()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        while more:
            headers = {"authorization": f"Bearer {server.token}"}
            connection.request("GET", f"/t/{TENANT}/events?after={after}&limit=1000", headers=headers)
            text = connection.getresponse().read()
            end = text[text.rindex(b'],"next":') + 9 : -1].split(b',"more":')
            after, more = int(end[0]), end[1] == b"true"
    return time.monotonic() - began


def backlog(place: Place, number: int) -> None:
    """A backlog drained to a fast receiver, alone and beside a dead one, in turns; the same lock-outs behind both."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    lates: dict[bool, list[float]] = {False: [], True: []}
    for dead in (False, True, True, False):  # what one drain leaves the database to do falls on the next
        rate, late = drain(place, number, dead=dead)
        rates[dead].append(rate)
        lates[dead] += late
    for dead, beside in ((False, ""), (True, ", beside a dead one")):
        rate = round(statistics.mean(rates[dead]))
        told(f"a backlog of {number:,} to a fast receiver{beside}, deliveries a second", rate, "≥ 1,000")
        late = sorted(lates[dead])
        shown = f"{statistics.median(late):.1f} / {late[-1]:.1f}"
        told(f"{len(late)} of 40 lock-outs behind the backlog{beside}: median / worst ms", shown, "≤ 100")
    told("alone ÷ beside a dead one", statistics.mean(rates[False]) / statistics.mean(rates[True]), "1")


def drain(place: Place, number: int, *, dead: bool) -> tuple[float, list[float]]:
    """Deliveries a second while a backlog is drained, and how late lock-outs come meanwhile."""
    database = place.database()
    token = new_tenant(database)
    with taking() as port:
        subscribe(database, hooks(port))
        if dead:
            subscribe(database, hooks(free_port()))
        fill(database, number)
        with serving(database, token) as server:
            wait_until(lambda: ask(port, "/count") > number // 20)
            began, first = time.monotonic(), ask(port, "/count")
            lates = lock_out(server, port)
            wait_until(lambda: ask(port, "/count") >= number)
            return (number - first) / (time.monotonic() - began), lates


def lock_out(server: Server, port: int) -> list[float]:
    """How late lock-outs come while the backlog is drained, in ms."""
    ask(port, "/report")
    for number in range(20):
        body = {"schemas": [PATCH], "Operations": [{"op": "add", "path": "active", "value": False}]}
        call(server, "PATCH", f"/Users/backlog-{number:09d}", 200, body)
        time.sleep(0.1)
    time.sleep(1.0)
    return [late for kind, late in ask(port, "/report") if kind == "user.lockedOut"]


def told(what: str, value: Any, target: str) -> None:
    """A row in Markdown."""
    shown = f"{value:.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
    print(f"| {what} | {shown} | {target} |", flush=True)


_ALL = ("log", "lateness", "idling", "reading", "backlog")


def main() -> None:
    """Measures, and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a tenth of it")
    parser.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    parser.add_argument("--only", choices=[*_ALL], action="append")
    options = parser.parse_args()
    number, seconds, rounds = (10_000, 2.0, 1) if options.small else (100_000, 5.0, 3)
    folder = Path(tempfile.mkdtemp(prefix="headcount-benchmark-", dir=HERE.parent))
    only = options.only or _ALL
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        place = Place(folder, stack.enter_context(temporary_postgresql()) if options.postgresql else None)
        print("| what | measured | target |", "| --- | --- | --- |", sep="\n")
        if "log" in only:
            cost_of_the_log(place, seconds, rounds)
        if "lateness" in only:
            lateness(place, seconds)
        if "idling" in only and options.postgresql:
            idling(place, seconds)
        if "reading" in only:
            reading(place, number)
        if "backlog" in only:
            backlog(place, number)


if __name__ == "__main__":
    main()
