"""A real server for tests: the command `headcount serve` in a process of its own, and a client that sends exact bytes."""

import asyncio
import contextlib
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from headcount.assembly import Installation, open_installation
from headcount.settings import PREFIX, Settings
from headcount.store.interface import OPERATOR_TENANT

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGES = "urn:ietf:params:scim:api:messages:2.0"
PATCH_OP, SEARCH, LIST = f"{MESSAGES}:PatchOp", f"{MESSAGES}:SearchRequest", f"{MESSAGES}:ListResponse"
BULK, BULK_RESPONSE, ERROR = f"{MESSAGES}:BulkRequest", f"{MESSAGES}:BulkResponse", f"{MESSAGES}:Error"

SCIM_JSON = {"Accept": "application/scim+json", "Content-Type": "application/scim+json"}
_NUMBERS = count(1)


@dataclass(frozen=True)
class Answer:
    """What came back for one request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str | None]:
        """Status and scimType, once the body is a SCIM error without members of its own (RFC 7644 §3.12)."""
        body = self.json
        assert self.headers["content-type"] == "application/scim+json"
        assert body["schemas"] == [ERROR]
        assert body["status"] == str(self.status)
        assert body.keys() <= {"schemas", "status", "scimType", "detail"}
        return self.status, body.get("scimType")

    def ok(self, status: int = 200) -> Any:
        """The decoded body, None without one, of an answer that has to have this status."""
        assert self.status == status, self.body
        return self.json if self.body else None


class Client:
    """A client of one base path over one connection that stays open."""

    def __init__(
        self, url: str, path: str = "", token: str | None = None, connection: HTTPConnection | None = None
    ) -> None:
        parts = urlsplit(url)
        self.url, self.path, self.token = url, path, token
        self.address = (str(parts.hostname), int(parts.port or 80))
        self._connection = connection or HTTPConnection(*self.address, timeout=20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def base_url(self) -> str:
        """The base URL that this client calls."""
        return self.url + self.path

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def with_token(self, token: str | None) -> "Client":
        """A client of the same base path with another token or none, over the same connection."""
        return Client(self.url, self.path, token, self._connection)

    def at(self, path: str) -> "Client":
        """A client of another base path with the same token, over the same connection."""
        return Client(self.url, path, self.token, self._connection)

    def apart(self) -> "Client":
        """The same client over a connection of its own."""
        return Client(self.url, self.path, self.token)

    def send(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str | None] | None = None, **query: Any
    ) -> Answer:
        """Sends a request; a body that is not bytes is sent as JSON, a header that is None is left out."""
        sent: dict[str, str | None] = dict(SCIM_JSON)
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        sent |= headers or {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if query:
            path += "?" + urlencode(query, quote_via=quote)
        self._connection.request(
            method, self.path + path, body, {name: value for name, value in sent.items() if value is not None}
        )
        response = self._connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def get(self, path: str, **query: Any) -> Answer:
        """GET with query parameters."""
        return self.send("GET", path, **query)

    def post(self, path: str, body: Any, **query: Any) -> Answer:
        """POST."""
        return self.send("POST", path, body, **query)

    def put(self, path: str, body: Any, **query: Any) -> Answer:
        """PUT."""
        return self.send("PUT", path, body, **query)

    def patch(self, path: str, *operations: Mapping[str, Any], **query: Any) -> Answer:
        """PATCH with these operations."""
        return self.send("PATCH", path, {"schemas": [PATCH_OP], "Operations": operations}, **query)

    def delete(self, path: str, **query: Any) -> Answer:
        """DELETE."""
        return self.send("DELETE", path, **query)

    def bulk(self, *operations: Mapping[str, Any], **members: Any) -> Answer:
        """A bulk request with these operations."""
        return self.post("/Bulk", {"schemas": [BULK], **members, "Operations": operations})

    def new_user(self, **attributes: Any) -> Any:
        """A user that was created; the userName is a fresh one unless given."""
        return self.post("/Users", user(**attributes)).ok(201)

    def new_group(self, *members: str, **attributes: Any) -> Any:
        """A group that was created with these members."""
        return self.post("/Groups", group(*members, **attributes)).ok(201)

    def found(self, filter_text: str, endpoint: str = "/Users", **query: Any) -> list[str]:
        """The ids of what a filter finds, in order."""
        return [item["id"] for item in self.get(endpoint, filter=filter_text, **query).ok()["Resources"]]


def user(**attributes: Any) -> dict[str, Any]:
    """The body of a new user."""
    return {"schemas": [USER], "userName": f"user{next(_NUMBERS)}@example.com", **attributes}


def group(*members: str, **attributes: Any) -> dict[str, Any]:
    """The body of a new group."""
    body = {"schemas": [GROUP], "displayName": f"Group {next(_NUMBERS)}", **attributes}
    return body | {"members": [{"value": member} for member in members]} if members else body


@dataclass(frozen=True)
class Server:
    """A running server."""

    url: str
    database: Path
    log: Path
    process: subprocess.Popen[str]

    def client(self, path: str = "", token: str | None = None) -> Client:
        """A client of this server."""
        return Client(self.url, path, token)

    def administer(self, action: Callable[[Installation], Awaitable[Any]]) -> Any:
        """The result of an action on the installation that is served, from this process."""

        async def run() -> Any:
            settings = Settings(database=f"sqlite:///{self.database}", public_url=self.url)
            async with open_installation(settings) as installation:
                return await action(installation)

        return asyncio.run(run())

    def new_tenant(self, profile: str = "tolerant", **settings: Any) -> Client:
        """A client with a token of a new tenant."""
        name = f"{profile}-{next(_NUMBERS)}"

        async def create(installation: Installation) -> str:
            await installation.tenants.create(name, profile=profile, **settings)
            token, _ = await installation.tokens.create(name, "test", lifetime=timedelta(days=1))
            return token

        return self.client(f"/t/{name}/scim/v2", self.administer(create))

    def new_token(self, client: Client, **options: Any) -> str:
        """A further token of a client's tenant."""
        options = {"lifetime": timedelta(days=1), **options}

        async def create(installation: Installation) -> str:
            token, _ = await installation.tokens.create(tenant_of(client), "test", **options)
            return token

        return str(self.administer(create))

    def operator_token(self, **options: Any) -> str:
        """A token of the operator's API."""
        options = {"lifetime": timedelta(days=1), **options}

        async def create(installation: Installation) -> str:
            token, _ = await installation.tokens.create(OPERATOR_TENANT, "test", **options)
            return token

        return str(self.administer(create))

    def add_schemas(self, client: Client, *documents: Any) -> None:
        """Adds documents to the registry of a client's tenant."""
        self.administer(lambda installation: installation.schemas.add(tenant_of(client), list(documents)))


def tenant_of(client: Client) -> str:
    """The name of a client's tenant."""
    return client.path.split("/")[2]


@contextlib.contextmanager
def running_server(folder: Path, *arguments: str, **settings: Any) -> Iterator[Server]:
    """A server on a free port, with its database and log in a folder; settings are named as in `Settings`."""
    database, log = folder / "headcount.db", folder / "server.log"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {PREFIX + name.upper(): str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "headcount", "serve", "--port", "0", "--json", "--log-format", "json"]
    with log.open("w") as errors:
        process = subprocess.Popen(
            [*command, "--database", f"sqlite:///{database}", *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
        )
    with process:
        try:
            assert process.stdout is not None
            announced = json.loads(process.stdout.readline() or log.read_text())
            server = Server(announced["url"], database, log, process)
            client = server.client()
            client.get("/readyz").ok()
            client.close()
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)


class Wire:
    """One connection on which a test says what it likes, byte by byte."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=15)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._file.close()
        self._socket.close()

    def say(self, data: bytes) -> None:
        """Sends bytes, as far as the other side takes them."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes for so long."""
        return not select.select([self._socket], [], [], seconds)[0]

    def answer(self) -> Answer:
        """The next answer, one with a Content-Length or without a body."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            assert line, f"the connection ended after {head!r}"
            head += line
        answer = parsed(head)
        return replace(answer, body=self._file.read(int(answer.headers.get("content-length", 0))))

    def rest(self) -> bytes:
        """All that comes until the other side closes the connection."""
        rest = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := self._file.read1(65536):
                rest += piece
        return rest


def exchange(address: tuple[str, int], *pieces: bytes) -> bytes:
    """All that the server says to these bytes until it closes the connection."""
    with Wire(address) as wire:
        for piece in pieces:
            wire.say(piece)
        return wire.rest()


def parsed(raw: bytes) -> Answer:
    """The first answer in raw bytes; its body is all that follows."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    return Answer(int(status.split()[1]), headers, body)
