"""What is measured: each operation as a request template, with the values to fill in."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from people import PATCH, USER_NAME, person
from servers import PEOPLE, Server

Job = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """An operation with its targets."""

    name: str
    job: Callable[[Server], Job]
    of_floor: float | None
    """The least share of the floor's rate."""
    of_peer: float
    """The least multiple of scim2-server's rate."""


def create(server: Server) -> Job:
    """POST of a full enterprise user."""
    return job(server, "POST", "/Users", person("new-{n}@example.com", "{n}"))


def get(server: Server) -> Job:
    """GET of a user by id."""
    return job(server, "GET", "/Users/{v}", values=server.people)


def patch(server: Server) -> Job:
    """PATCH of one attribute of a user."""
    change = {"op": "replace", "path": "displayName", "value": "Babs {n}"}
    return job(server, "PATCH", "/Users/{v}", {"schemas": [PATCH], "Operations": [change]}, server.people)


def find(server: Server) -> Job:
    """`filter=userName eq`, what every identity provider asks first."""
    names = [quote(USER_NAME.format(number=number)) for number in range(PEOPLE)]
    return job(server, "GET", "/Users?filter=userName%20eq%20%22{v}%22", values=names)


def page(server: Server) -> Job:
    """A page of 100 users."""
    return job(server, "GET", "/Users?count=100")


def member(server: Server) -> Job:
    """One member more for a group of 2,000."""
    change = {"op": "add", "path": "members", "value": [{"value": "{v}"}]}
    body = {"schemas": [PATCH], "Operations": [change]}
    return job(server, "PATCH", f"/Groups/{server.group}", body, server.spare)


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("create", create, 0.5, 3),
        Operation("get", get, 0.5, 10),
        Operation("patch", patch, 0.5, 3),
        Operation("filter", find, None, 12),
        Operation("page", page, None, 40),
        Operation("member", member, None, 100),
    )
}


def job(server: Server, method: str, path: str, body: Job | None = None, values: list[str] | None = None) -> Job:
    """What `load.py` reads, but for connections and times."""
    values = values or [""]
    lines = [
        f"{method} {server.base}{path} HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Bearer {server.token}",
        "accept: application/scim+json",
    ]
    text = ""
    if body is not None:
        text = json.dumps(body)
        length = len(text.replace("{n}", "0" * 12).replace("{v}", values[0]))
        lines += ["content-type: application/scim+json", f"content-length: {length}"]
    template = "\r\n".join(lines) + "\r\n\r\n" + text
    return {"template": template, "values": values, "expected": [200, 201, 204], "port": server.port}
