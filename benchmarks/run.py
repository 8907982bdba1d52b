"""Headcount beside a floor and a peer, over HTTP, in one go: `python benchmarks/run.py`.

One worker each, servers on the first core and the load on the second. Every operation is measured on all servers in
turn, several rounds, so that the machine's moods hit all alike; reported are medians over the rounds and their ratios.
"""

import argparse
import contextlib
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from people import GROUP, PATCH, USER_NAME, person

HERE = Path(__file__).parent
PEOPLE = 2_000
MEMBERS = 2_000
SPARE = 6_000
CONNECTIONS = (1, 32)
TARGETS = {
    "create": (0.5, 3),
    "get": (0.5, 10),
    "patch": (0.5, 3),
    "filter": (None, 12),
    "page": (None, 40),
    "member": (None, 100),
}
"""Operation → least share of the floor, least multiple of the peer."""


@dataclass
class Server:
    name: str
    port: int
    base: str
    token: str
    process: subprocess.Popen
    people: list[str]
    group: str
    spare: list[str]

    def head(self, method: str, path: str, length: int | None = None) -> str:
        lines = [f"{method} {self.base}{path} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {self.token}"]
        lines += ["accept: application/scim+json"]
        if length is not None:
            lines += ["content-type: application/scim+json", f"content-length: {length}"]
        return "\r\n".join(lines) + "\r\n\r\n"

    def template(self, operation: str) -> tuple[str, list[str], list[int]]:
        if operation == "get":
            return self.head("GET", "/Users/{v}"), self.people, [200]
        if operation == "filter":
            names = [quote(USER_NAME.format(number=number)) for number in range(PEOPLE)]
            return self.head("GET", "/Users?filter=userName%20eq%20%22{v}%22"), names, [200]
        if operation == "page":
            return self.head("GET", "/Users?count=100"), [""], [200]
        if operation == "create":
            body = json.dumps(person("new-{n}@example.com", "{n}"))
            return self.sized("POST", "/Users", body), [""], [200, 201]
        if operation == "patch":
            change = {"op": "replace", "path": "displayName", "value": "Babs {n}"}
            return self.sized("PATCH", "/Users/{v}", patch(change)), self.people, [200, 204]
        change = {"op": "add", "path": "members", "value": [{"value": "{v}"}]}
        return self.sized("PATCH", f"/Groups/{self.group}", patch(change)), self.spare, [200, 204]

    def sized(self, method: str, path: str, body: str) -> str:
        length = len(body.replace("{n}", "0" * 12).replace("{v}", "0" * len(self.people[0])).encode())
        return self.head(method, path, length) + body


def patch(operation: dict) -> str:
    return json.dumps({"schemas": [PATCH], "Operations": [operation]})


def pinned(core: int):
    return lambda: os.sched_setaffinity(0, {core % (os.cpu_count() or 1)})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


def headcount(arguments: list[str], database: Path) -> dict:
    command = [sys.executable, "-m", "headcount", *arguments, "--json", "--database", f"sqlite:///{database}"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def start(command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command],
        preexec_fn=pinned(0),
        env={**os.environ, **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def start_headcount(folder: Path) -> Server:
    database, port = folder / "headcount.db", free_port()
    headcount(["tenant", "create", "bench"], database)
    token = headcount(["token", "create", "--tenant", "bench", "--name", "benchmark"], database)["token"]
    process = start(["-m", "headcount", "serve", "--port", str(port), "--database", f"sqlite:///{database}"])
    wait_for(port)
    server = Server("headcount", port, "/t/bench/scim/v2", token, process, [], "", [])
    fill(server)
    return server


def start_peer(_folder: Path) -> Server:
    port = free_port()
    process = start([str(HERE / "peer.py"), str(port)])
    wait_for(port)
    server = Server("scim2-server", port, "", "none", process, [], "", [])
    fill(server)
    return server


def start_floor(folder: Path, filled: Server) -> Server:
    """Over a copy of Headcount's database."""
    port, database = free_port(), folder / "floor.db"
    headcount(["db", "backup", str(database)], folder / "headcount.db")
    process = start([str(HERE / "floor.py"), str(port), str(database)])
    wait_for(port)
    return Server("floor", port, "", "none", process, filled.people, filled.group, filled.spare)


def fill(server: Server) -> None:
    """The same people on every server."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/scim+json"}

    def post(path: str, body: dict) -> str:
        connection.request("POST", server.base + path, json.dumps(body), headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        if answer.status != 201:
            raise SystemExit(f"{server.name} answered {answer.status}: {content}")
        return content["id"]

    names = [USER_NAME.format(number=number) for number in range(PEOPLE)]
    server.people = [post("/Users", person(name, str(number))) for number, name in enumerate(names)]
    server.group = post(
        "/Groups",
        {
            "schemas": [GROUP],
            "displayName": "Everybody",
            "members": [{"value": item} for item in server.people[:MEMBERS]],
        },
    )
    if server.name == "headcount":
        brief = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"]}
        server.spare = [post("/Users", {**brief, "userName": f"spare-{number}"}) for number in range(SPARE)]
    else:
        server.spare = [f"{number:036d}" for number in range(SPARE)]  # it does not look who they are
    connection.close()


def measure(server: Server, operation: str, connections: int, seconds: float) -> dict:
    template, values, expected = server.template(operation)
    spec = {
        "template": template,
        "values": values,
        "expected": expected,
        "connections": connections,
        "port": server.port,
        "warm_up": seconds / 6,
        "seconds": seconds,
    }
    result = subprocess.run(
        [sys.executable, str(HERE / "load.py")],
        input=json.dumps(spec),
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=pinned(1),
    )
    figures = json.loads(result.stdout)
    if figures["unexpected"]:
        raise SystemExit(f"{server.name}, {operation}: unexpected answers {figures['unexpected']}")
    return figures


def take(servers: list[Server], operations: list[str], seconds: float, rounds: int) -> list[dict]:
    rows = []
    for operation in operations:
        for connections in CONNECTIONS:
            figures: dict[str, list[dict]] = {server.name: [] for server in servers}
            for _ in range(rounds):
                for server in servers:
                    figures[server.name].append(measure(server, operation, connections, seconds))
            row = {"operation": operation, "connections": connections}
            for name, taken in figures.items():
                row[name] = {
                    key: statistics.median(item[key] for item in taken) for key in ("rate", "median_ms", "p99_ms")
                }
            rows.append(row)
            report(row)
    return rows


def report(row: dict) -> None:
    own, floor, peer = (row[name]["rate"] for name in ("headcount", "floor", "scim2-server"))
    least_floor, least_peer = TARGETS[row["operation"]]
    of_floor, of_peer = own / floor, own / peer
    verdicts = [
        f"{of_floor:.2f} of the floor" + verdict(of_floor, least_floor),
        f"{of_peer:.1f} x scim2-server" + verdict(of_peer, least_peer),
    ]
    print(
        f"| {row['operation']} | {row['connections']} | {own:,.0f} | {row['headcount']['median_ms']:.2f} / "
        f"{row['headcount']['p99_ms']:.2f} | {floor:,.0f} | {peer:,.1f} | {' | '.join(verdicts)} |",
        flush=True,
    )


def verdict(value: float, least: float | None) -> str:
    return "" if least is None else f" (≥ {least:g}: {'yes' if value >= least else 'NO'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--only", choices=TARGETS, action="append", help="this operation only (repeatable)")
    parser.add_argument("--json", metavar="FILE", help="write the figures")
    arguments = parser.parse_args()
    seconds, rounds = (1.0, 1) if arguments.quick else (3.0, 3)
    folder = Path(tempfile.mkdtemp(prefix="headcount-benchmark-", dir=HERE.parent))
    servers: list[Server] = []
    try:
        servers.append(start_headcount(folder))
        servers.append(start_floor(folder, servers[0]))
        servers.append(start_peer(folder))
        print(
            "| operation | connections | headcount/s | median / p99 ms | floor/s | scim2-server/s | share of the floor | multiple of scim2-server |"
        )
        print("|---|---|---|---|---|---|---|---|")
        rows = take(servers, arguments.only or list(TARGETS), seconds, rounds)
    finally:
        for server in servers:
            server.process.terminate()
            server.process.wait()
        shutil.rmtree(folder)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
