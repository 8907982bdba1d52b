"""Directories of one size in one database: served, and sampled for the questions."""

import http.client
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loading import TENANT, headcount
from people import USER_NAME
from questions import PAGE, Directory
from servers import Server, free_port, start

SAMPLES = 2_000
BASE = f"/t/{TENANT}/scim/v2"


@dataclass(frozen=True)
class Size:
    """How much there is of everything."""

    users: int
    groups: int
    large: int
    """Members of the large group."""


def serve(url: str, workers: int = 1) -> Server:
    """Headcount on a database, as `headcount serve` runs it, on whatever core is free."""
    port = free_port()
    token = headcount("token", "create", "--tenant", TENANT, "--name", "scale", url=url)["token"]
    command = ["-m", "headcount", "serve", "--port", str(port), "--workers", str(workers), "--database", url]
    return Server("headcount", port, start(command, port, core=None), BASE, token)


class Client:
    """One keep-alive connection to a server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)

    def text(self, path: str) -> bytes:
        """The body of the answer to a GET."""
        headers = {"authorization": f"Bearer {self.server.token}"}
        self.connection.request("GET", self.server.base + path, headers=headers)
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path} was answered with {answer.status}: {body[:300]!r}")
        return body

    def get(self, path: str) -> dict[str, Any]:
        """The same as JSON."""
        return json.loads(self.text(path))

    def find(self, kind: str, text: str, more: str = "") -> dict[str, Any]:
        """The one resource that a filter matches."""
        (resource,) = self.get(f"/{kind}?filter={quote(text)}{more}")["Resources"]
        return resource


def survey(server: Server, size: Size) -> Directory:
    """Samples of what is there, found as any client finds it."""
    client = Client(server)
    chance = random.Random(1)
    found = Directory(server, size.users)
    found.numbers = sorted(chance.sample([n for n in range(size.users) if n % 1000], min(SAMPLES, size.users // 2)))
    users = [client.find("Users", f'userName eq "{USER_NAME.format(number=number)}"') for number in found.numbers]
    server.people = [user["id"] for user in users]
    without = "&attributes=id"
    server.group = client.find("Groups", 'displayName eq "Everybody"', without)["id"]
    names = [f"Team {number:06d}" for number in range(min(size.groups, SAMPLES))]
    found.groups = [client.find("Groups", f'displayName eq "{name}"', without)["id"] for name in names]
    outside = range(size.users * 3 // 4, size.users)[:SAMPLES]
    spare = [client.find("Users", f'userName eq "{USER_NAME.format(number=number)}"', without) for number in outside]
    server.spare = [user["id"] for user in spare]
    found.instant = users[len(users) * 9 // 10]["meta"]["lastModified"]
    return found


def walk(found: Directory) -> None:
    """Goes through everybody by cursor, and keeps the cursors of the middle and the last page."""
    client, cursor, pages = Client(found.server), "", -(-found.size // PAGE)
    ids: set[str] = set()
    for number in range(pages):
        if number in (pages // 2, pages - 1):
            found.cursors["last" if number == pages - 1 else "middle"] = cursor
        page = client.get(f"/Users?count={PAGE}&cursor={cursor}")
        ids.update([resource["id"] for resource in page["Resources"]])
        cursor = page.get("nextCursor", "")
    if cursor or len(ids) != found.size:
        raise SystemExit(f"a walk through {found.size} people met {len(ids)}")


def memory(server: Server) -> dict[str, float]:
    """MiB that the server's process has in use: now, and at most until now."""
    with Path(f"/proc/{server.process.pid}/status").open() as status:
        fields = dict(line.split(":", 1) for line in status)
    return {name: int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM", "RssAnon")}
