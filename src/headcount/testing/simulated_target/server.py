"""A simulated target over HTTP: a real server in a thread, whose failures are drawn from a seed."""

import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from socket import socket
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
import uvicorn

from headcount.scim.errors import InvalidSyntaxError, ScimError, TooManyRequestsError, UnauthorizedError
from headcount.testing.simulated_target.contents import Resource
from headcount.testing.simulated_target.habits import Habits
from headcount.testing.simulated_target.service import Call, Reply, Service

_START_SECONDS: Final = 20.0
_PAST: Final = "Wed, 21 Oct 2015 07:28:00 GMT"
_Scope = Mapping[str, Any]
_Receive = Callable[[], Awaitable[Mapping[str, Any]]]
_Send = Callable[[Mapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request, and what became of it."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    status: int
    """0 when the connection was closed without an answer."""
    was_carried_out: bool
    """Whether it reached the service at all."""
    headers: Mapping[str, str]
    """Without `Authorization`."""


class SimulatedTarget:
    """A SCIM server with habits; `token`, if given, is what it wants as Bearer."""

    def __init__(self, habits: Habits | None = None, *, seed: int = 0, token: str = "") -> None:
        self.url = ""
        """Its base URL while it is running."""
        self._token = token
        self.become(habits or Habits(), seed=seed)

    def become(self, habits: Habits, *, seed: int = 0) -> None:
        """Another target at the same URL, with nobody in it."""
        self.habits = habits
        self.requests: list[RecordedRequest] = []
        self._chance = Random(seed)  # noqa: S311  repeatable, no secret
        self._storm = habits.storm
        self._service = Service(habits)

    @property
    def users(self) -> list[Resource]:
        """All users as they really are, whatever reads show."""
        return self._service.contents.all("User")

    @property
    def groups(self) -> list[Resource]:
        """All groups as they really are, each with its members."""
        return self._service.contents.all("Group")

    def put(self, type_name: str, resource: Mapping[str, Any]) -> str:
        """Somebody who is there without having been provisioned; gives the id."""
        identifier = self._service.contents.new_id()
        members: Mapping[str, Any] = {"members": []} if type_name == "Group" else {}
        self._service.contents.write(type_name, identifier, {**members, **resource, "id": identifier, "version": 1})
        return identifier

    def remove(self, type_name: str, identifier: str) -> None:
        """Somebody goes behind everybody's back."""
        self._service.contents.write(type_name, identifier, None)

    def change(self, type_name: str, identifier: str, **values: Any) -> None:
        """Somebody is changed behind everybody's back."""
        before = self._service.contents.get(type_name, identifier) or {}
        after = {**before, **values, "version": before["version"] + 1}
        self._service.contents.write(type_name, identifier, after)

    def take_on(self, **habits: Any) -> None:
        """From now on it has these habits too, and whom it had."""
        self.habits = self._service.habits = replace(self.habits, **habits)

    def become_quiet(self) -> None:
        """From now on nothing fails any more, and reads show everything."""
        self.take_on(throttled=0.0, storm=0, failing=0.0, failing_after_success=0.0)
        self.take_on(lost_requests=0.0, lost_responses=0.0)
        self._service.contents.settle()

    def counted(self, method: str, path: str = "") -> int:
        """How many requests came with a method, to paths that begin so."""
        return sum(1 for item in self.requests if item.method == method and item.path.startswith(path))

    @contextmanager
    def running(self) -> Iterator["SimulatedTarget"]:
        """The target on a free port of this machine."""
        with socket() as listener:
            listener.bind(("127.0.0.1", 0))
            server = _Server(uvicorn.Config(self, log_level="critical", lifespan="off", access_log=False))
            thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
            thread.start()
            if not server.is_ready.wait(_START_SECONDS):
                raise RuntimeError("The simulated target did not start.")
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}/scim/v2"
            try:
                yield self
            finally:
                server.should_exit = True
                thread.join()

    async def __call__(self, scope: _Scope, receive: _Receive, send: _Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        call = Call(scope["method"], scope["path"].removeprefix("/scim/v2"), query, headers, await _body(receive))
        reply, is_lost, was_carried_out = self._reply(call)
        kept = {name: value for name, value in headers.items() if name != "authorization"}
        status = 0 if is_lost else reply.status
        self.requests.append(RecordedRequest(call.method, call.path, query, call.body, status, was_carried_out, kept))
        await _send(send, reply, is_lost=is_lost)

    def _reply(self, call: Call) -> tuple[Reply, bool, bool]:
        """The answer, whether it gets lost, and whether the request was carried out."""
        habits, is_write = self.habits, call.method != "GET"
        if self._token and call.headers.get("authorization") != f"Bearer {self._token}":
            return self._service.refusal(UnauthorizedError()), False, False
        if self._storm > 0 or self._happens(habits.throttled):
            self._storm -= 1
            return self._throttled(), False, False
        if self._happens(habits.lost_requests):
            return Reply(500), True, False
        if self._happens(habits.failing):
            return self._service.refusal(ScimError("It failed before anything was done.")), False, False
        if call.method != "GET" and call.body is _NO_JSON:
            return self._service.refusal(InvalidSyntaxError()), False, False
        reply = self._service.answer(call)
        if is_write and self._happens(habits.failing_after_success):
            return self._service.refusal(ScimError("It failed after it was done.")), False, True
        return reply, is_write and self._happens(habits.lost_responses), True

    def _happens(self, share: float) -> bool:
        return share > 0 and self._chance.random() < share

    def _throttled(self) -> Reply:
        reply = self._service.refusal(TooManyRequestsError())
        wait = _PAST if self.habits.retry_after == "date" else self.habits.retry_after
        return Reply(reply.status, reply.body, {**reply.headers, "retry-after": wait})


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_ready.set()


_NO_JSON: Final = object()


async def _body(receive: _Receive) -> Any:
    """The decoded body."""
    pieces, is_more = [], True
    while is_more:
        message = await receive()
        pieces.append(message.get("body", b""))
        is_more = message.get("more_body", False)
    raw = b"".join(pieces)
    try:
        return orjson.loads(raw) if raw else None
    except orjson.JSONDecodeError:
        return _NO_JSON


async def _send(send: _Send, reply: Reply, *, is_lost: bool) -> None:
    """The answer; a lost one begins and never ends, so that the server closes the connection."""
    body = b" " if is_lost else reply.body
    length = len(body) + is_lost
    headers = [*reply.headers.items(), ("content-length", str(length))]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": is_lost})
