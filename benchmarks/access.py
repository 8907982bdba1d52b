"""What policies cost a request: `python benchmarks/access.py`. Processor time in one process, as ratios to none of them.

Tenants that differ in one policy take turns, so that the machine's moods hit all alike. A turn is as many requests as a
second of processor time answers, through the ASGI application as the server calls it, without sockets; at its end what
was gathered for the request log is kept, as a busy process does once a second. Figures are medians over the turns, and
ratios those of the ratios within each round of turns.
"""

import argparse
import asyncio
import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from people import PATCH, person

from headcount import assembly
from headcount.assembly import Installation, open_installation
from headcount.events.notifier import Notifier
from headcount.http.application import Application, Serving
from headcount.settings import Settings

PEOPLE = 500
SCOPES = [{"type": "User", "readable": ["userName", "name", "emails", "active", "title"], "filter": "active eq true"}]
GUARD = [{"kind": kind, "number": 1_000_000, "reaction": "refuse"} for kind in ("delete", "deactivate", "leave")]
OFF = {"requestLog": "off"}
POLICIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nothing": (OFF, {}),
    "request log: metadata": ({"requestLog": "metadata"}, {}),
    "request log: bodies": ({"requestLog": "bodies"}, {}),
    "a rate limit": (OFF | {"limits": {"requestsPerSecond": 1_000_000}}, {}),
    "scopes of all types": (OFF, {"scopes": [{"type": "*"}]}),
    "scopes of one type": (OFF, {"scopes": [{"type": "User"}]}),
    "scopes with a filter and attributes": (OFF, {"scopes": SCOPES}),
    "a guard": (OFF | {"guard": GUARD}, {}),
    "adoption": (OFF | {"adoption": "sameExternalId"}, {}),
}
"""Name → settings of the tenant, options of the token."""


@dataclass
class Tenant:
    """A tenant under measurement."""

    name: str
    token: str
    people: list[str] = field(default_factory=list)


class Caller:
    """Calls the application as a server does."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def call(self, tenant: Tenant, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of a good answer."""
        raw = f"/t/{tenant.name}/scim/v2{path}".encode()
        headers = [(b"authorization", b"Bearer " + tenant.token.encode()), (b"content-type", b"application/scim+json")]
        scope = {"type": "http", "method": method, "path": raw.decode(), "raw_path": raw, "query_string": b""}
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._application(scope | {"headers": headers, "client": ("127.0.0.1", 1)}, receive, send)
        if sent[0]["status"] >= 300:
            raise SystemExit(f"{method} {path}: {sent[0]['status']} {sent[1]['body']!r}")
        return b"".join(message.get("body", b"") for message in sent[1:])


Requests = Callable[[Caller, Tenant], Iterator[Awaitable[bytes]]]


def gets(caller: Caller, tenant: Tenant) -> Iterator[Awaitable[bytes]]:
    """GET by id."""
    return (caller.call(tenant, "GET", f"/Users/{person_id}") for person_id in itertools.cycle(tenant.people))


def creates(caller: Caller, tenant: Tenant) -> Iterator[Awaitable[bytes]]:
    """POST of a full user."""
    for number in itertools.count(time.monotonic_ns()):
        body = person(f"user{number}@example.com", str(number))
        body["emails"][1]["value"] = f"user{number}@home.example"  # nobody shares it
        yield caller.call(tenant, "POST", "/Users", json.dumps(body).encode())


def patches(caller: Caller, tenant: Tenant) -> Iterator[Awaitable[bytes]]:
    """PATCH of one attribute."""
    for number, person_id in enumerate(itertools.cycle(tenant.people), time.monotonic_ns()):
        operation = {"op": "replace", "path": "title", "value": f"Guide {number}"}
        body = json.dumps({"schemas": [PATCH], "Operations": [operation]}).encode()
        yield caller.call(tenant, "PATCH", f"/Users/{person_id}", body)


OPERATIONS: dict[str, Requests] = {"get": gets, "create": creates, "patch": patches}


async def turn(requests: Iterator[Awaitable[bytes]], seconds: float, flush: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of processor time of a request."""
    number, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        for request in itertools.islice(requests, 20):
            await request
        number += 20
    await flush()
    return (time.process_time() - started) / number * 1e6


async def measured(installation: Installation, tenants: dict[str, Tenant], turns: int, seconds: float) -> dict:
    """Operation → policy → microseconds and ratio."""
    serving = assembly._serving(installation, Notifier(), _nothing)  # noqa: SLF001  without what goes on beside requests

    async def start() -> Serving:
        return serving

    application = Application(start)
    application._serving = serving  # noqa: SLF001  as its lifespan does
    caller = Caller(application)
    for tenant in tenants.values():
        made = [await request for request in itertools.islice(creates(caller, tenant), PEOPLE)]
        tenant.people = [json.loads(body)["id"] for body in made]
    taken: dict[str, dict[str, list[float]]] = {name: {policy: [] for policy in tenants} for name in OPERATIONS}
    for name, requests in OPERATIONS.items():
        for _ in range(turns):
            for policy, tenant in tenants.items():
                taken[name][policy].append(await turn(requests(caller, tenant), seconds, installation.requests.flush))
    return {
        name: {
            policy: (statistics.median(values), ratio(values, policies["nothing"]))
            for policy, values in policies.items()
        }
        for name, policies in taken.items()
    }


def ratio(values: list[float], to: list[float]) -> float:
    """The median of how many times as much it is."""
    return statistics.median(value / other for value, other in zip(values, to, strict=True))


async def prepared(installation: Installation) -> dict[str, Tenant]:
    """The tenants, by policy."""
    tenants = {}
    for number, (policy, (settings, token_options)) in enumerate(POLICIES.items()):
        name = f"tenant{number}"
        await installation.tenants.create(name)
        await installation.tenants.update(name, settings)
        token, _ = await installation.tokens.create(name, "load", lifetime=timedelta(days=1), **token_options)
        tenants[policy] = Tenant(name, token)
    return tenants


async def _nothing() -> None:
    pass


async def run(turns: int, seconds: float) -> None:
    """Measures, and prints a table."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database=f"sqlite:///{Path(folder, 'headcount.db')}", log_level="warning")
        async with open_installation(settings) as installation:
            tenants = await prepared(installation)
            figures = await measured(installation, tenants, turns, seconds)
    print(f"| policy | {' | '.join(f'{name}, µs | ratio' for name in OPERATIONS)} |")
    print(f"|{' --- |' * (2 * len(OPERATIONS) + 1)}")
    for policy in POLICIES:
        cells = ["{:.0f} | {:.2f}".format(*figures[name][policy]) for name in figures]
        print(f"| {policy} | {' | '.join(cells)} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="processor time of a turn")
    options = parser.parse_args()
    asyncio.run(run(options.turns, options.seconds))
