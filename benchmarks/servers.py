"""The servers under measurement: started on the first core, filled with the same people."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from people import GROUP, SCHEMA, USER_NAME, person

HERE = Path(__file__).parent
PEOPLE = 2_000
MEMBERS = 2_000
SPARE = 6_000
"""People who are no members yet."""


@dataclass
class Server:
    """A running server, and the ids on it."""

    name: str
    port: int
    process: subprocess.Popen
    base: str = ""
    token: str = "none"
    people: list[str] = field(default_factory=list)
    group: str = ""
    spare: list[str] = field(default_factory=list)

    def stop(self) -> None:
        """Ends the process."""
        self.process.terminate()
        self.process.wait()


def pinned(core: int | None):
    """What makes a child process stay on one core; None lets it run on any."""
    return None if core is None else lambda: os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def start_headcount(folder: Path) -> Server:
    """Headcount over SQLite, as `headcount serve` runs it."""
    database, port = folder / "headcount.db", free_port()
    headcount(["tenant", "create", "bench"], database)
    token = headcount(["token", "create", "--tenant", "bench", "--name", "benchmark"], database)["token"]
    process = start(["-m", "headcount", "serve", "--port", str(port), "--database", f"sqlite:///{database}"], port)
    server = Server("headcount", port, process, "/t/bench/scim/v2", token)
    fill(server)
    brief = {"schemas": [SCHEMA]}
    server.spare = [post(server, "/Users", {**brief, "userName": f"spare-{number}"}) for number in range(SPARE)]
    return server


def start_floor(folder: Path, filled: Server) -> Server:
    """The floor, over a copy of Headcount's database."""
    port, database = free_port(), folder / "floor.db"
    headcount(["db", "backup", str(database)], folder / "headcount.db")
    process = start([str(HERE / "floor.py"), str(port), str(database)], port)
    return Server("floor", port, process, people=filled.people, group=filled.group, spare=filled.spare)


def start_peer() -> Server:
    """scim2-server over memory; it does not look who members are."""
    port = free_port()
    server = Server("scim2-server", port, start([str(HERE / "peer.py"), str(port)], port))
    fill(server)
    server.spare = [f"{number:036d}" for number in range(SPARE)]
    return server


def start_constant() -> Server:
    """A server that does nothing, for the ceiling of the load generator."""
    port = free_port()
    return Server("constant", port, start([str(HERE / "constant.py"), str(port)], port), people=["0" * 36])


def start(command: list[str], port: int, core: int | None = 0) -> subprocess.Popen:
    """A server process that listens."""
    process = subprocess.Popen(
        [sys.executable, *command], preexec_fn=pinned(core), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.05)
    process.kill()
    raise SystemExit(f"{' '.join(command)} does not listen on port {port}")


def headcount(arguments: list[str], database: Path) -> dict[str, Any]:
    """What a command answers."""
    command = [sys.executable, "-m", "headcount", *arguments, "--json", "--database", f"sqlite:///{database}"]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def fill(server: Server) -> None:
    """The same people on every server, and a group of them; searches have to find them."""
    names = [USER_NAME.format(number=number) for number in range(PEOPLE)]
    server.people = [post(server, "/Users", person(name, str(number))) for number, name in enumerate(names)]
    members = [{"value": resource_id} for resource_id in server.people[:MEMBERS]]
    server.group = post(server, "/Groups", {"schemas": [GROUP], "displayName": "Everybody", "members": members})
    page = call(server, "GET", "/Users?count=100", 200)
    assert (page["totalResults"], len(page["Resources"])) == (PEOPLE, 100)
    found = call(server, "GET", f"/Users?filter=userName%20eq%20%22{names[-1]}%22", 200)
    assert [resource["id"] for resource in found["Resources"]] == [server.people[-1]]


def post(server: Server, path: str, body: dict[str, Any]) -> str:
    """The id of a new resource."""
    return call(server, "POST", path, 201, body)["id"]


def call(server: Server, method: str, path: str, expected: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request on a connection of its own."""
    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/scim+json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        connection.request(method, server.base + path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
    if answer.status != expected:
        raise SystemExit(f"{server.name} answered {answer.status}: {content}")
    return content


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
