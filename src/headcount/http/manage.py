"""The operator's JSON API below `/manage`, for what is managed and is no SCIM resource.

What can be called is data: tables of `Route`s in the modules `manage_…`, which `assembly` binds to the objects that
answer. A route says what a token needs (a kind that scopes speak of, and an operation) and how it is documented.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final, Protocol

from headcount.directory.managed import check_managed
from headcount.directory.operator import request_of
from headcount.directory.resources import Request
from headcount.http.call import Call
from headcount.http.json_body import decode_json
from headcount.http.requests import query_parameters
from headcount.http.responses import Header, Response, json_response
from headcount.scim.errors import (
    InvalidSyntaxError,
    InvalidValueError,
    MethodNotAllowedError,
    NotFoundError,
    UnsupportedMediaTypeError,
)
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

JSON: Final = "application/json"
_JSON: Final[Header] = (b"content-type", JSON.encode())
_MOST_BODY: Final = 1024 * 1024
_MOST_ROWS: Final = 1_000
_DIGITS: Final = 18
LIMIT: Final = {"limit": "How many, 1,000 at most; 100 unless given."}
"""How `Asked.limit` is documented."""
_STATUS_WORDS: Final = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done"}


class Bodies(Protocol):
    """Reads the bodies of calls, of so many bytes at most."""

    async def raw_body(self, call: Call, limit: int) -> bytes:
        """The bytes of a JSON body."""
        ...

    async def body_in_file(self, call: Call, limit: int, file: BinaryIO) -> None:
        """Writes a body to a file."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as a route's handler sees it."""

    path: Mapping[str, str]
    """What stands in the places of the route's path."""
    query: Mapping[str, str]
    body: Json
    """None for a route without one; a file that was sent is an open one, and goes with the request."""
    actor: str
    """The id of the access token."""
    request_id: str

    @property
    def tenant(self) -> str:
        """The tenant in the path."""
        return self.path["tenant"]

    @property
    def by(self) -> Request:
        """Who asks, for the record."""
        return request_of(self.actor, self.request_id)

    def number(self, name: str) -> int:
        """A parameter that is a number from an answer before, 0 when it is left out; raises InvalidValueError."""
        text = self.query.get(name, "0")
        if not text.isdecimal() or len(text) > _DIGITS:
            raise InvalidValueError(f"'{name}' is a number from an answer before.")
        return int(text)

    @property
    def limit(self) -> int:
        """How many are asked for at most; raises InvalidValueError."""
        text = self.query.get("limit", "100")
        if not text.isdecimal() or len(text) > _DIGITS or not 1 <= int(text) <= _MOST_ROWS:
            raise InvalidValueError(f"'limit' is a number from 1 to {_MOST_ROWS}.")
        return int(text)

    def text(self, name: str) -> str:
        """A member of the body that is a text; raises InvalidValueError."""
        value = self.optional_text(name)
        if not value:
            raise InvalidValueError(f"'{name}' must be a text in the JSON object that is sent.")
        return value

    def optional_text(self, name: str) -> str | None:
        """A member of the body that is a text, None when it is left out; raises InvalidValueError."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if value is not None and not isinstance(value, str):
            raise InvalidValueError(f"'{name}' must be a text.")
        return value


Handler = Callable[..., Awaitable[Json]]
"""A method that takes what was asked; it gives what is sent as JSON, None for nothing (204), or a Response."""


@dataclass(frozen=True, slots=True)
class Route:
    """One thing that can be called."""

    method: str
    path: str
    """Below `/manage`, with places in braces: `/tenants/{tenant}/schemas`."""
    kind: ResourceType
    """What scopes have to speak of."""
    operation: Operation
    summary: str
    handler: Handler
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters and what they mean."""
    body: str = ""
    """What the body is; empty for none."""
    takes: str = JSON
    """The media type of the body; anything but JSON is a file."""
    gives: str = JSON
    """The media type of the answer."""
    status: int = 200


def bound(routes: Sequence[Route], owner: object) -> Iterator[Route]:
    """Routes whose handlers are methods of an object."""
    for route in routes:
        yield replace(route, handler=partial(route.handler, owner))


class ManageEndpoints:
    """Answers requests below `/manage`."""

    def __init__(self, routes: Sequence[Route], version: str, most_file_bytes: int) -> None:
        self._routes = [(route, route.path.split("/")[1:]) for route in routes]
        self._document = openapi(routes, version)
        self._most_file_bytes = most_file_bytes

    async def respond(self, call: Call, segments: Sequence[str], bodies: Bodies) -> Response:
        """The response to an authenticated call; `segments` stand behind `/manage` in its path, decoded."""
        if list(segments) == ["openapi.json"]:
            return json_response(self._document, content_type=_JSON)
        method = "GET" if call.method == "HEAD" else call.method
        found = [
            (route, places) for route, pattern in self._routes if (places := _places(pattern, segments)) is not None
        ]
        for route, places in found:
            if route.method == method:
                return await self._answer(route, places, call, bodies)
        if found:
            raise MethodNotAllowedError(tuple(route.method for route, _ in found))
        raise NotFoundError("There is nothing here; see /manage/openapi.json.")

    async def _answer(self, route: Route, places: dict[str, str], call: Call, bodies: Bodies) -> Response:
        check_managed(call.permissions, route.kind, route.operation, places.get("tenant", ""))
        query = query_parameters(call.query)
        if unknown := query.keys() - route.query.keys():
            raise InvalidSyntaxError(f"'{min(unknown)}' is not a parameter of {route.path}.")
        actor = call.access.token_id if call.access else ""
        async with self._sent(route, call, bodies) as body:
            answer = await route.handler(Asked(places, query, body, actor, call.request_id))
        if isinstance(answer, Response):
            return answer
        return Response(204) if answer is None else json_response(answer, route.status, content_type=_JSON)

    @asynccontextmanager
    async def _sent(self, route: Route, call: Call, bodies: Bodies) -> AsyncIterator[Json]:
        """The body of a call, as the route takes it."""
        if not route.body:
            yield None
        elif route.takes == JSON:
            yield decode_json(await bodies.raw_body(call, _MOST_BODY))
        else:
            media_type = call.headers.get("content_type", b"").partition(b";")[0].strip().lower()
            if media_type != route.takes.encode():
                raise UnsupportedMediaTypeError(f"The body must be {route.takes}.")
            with TemporaryFile() as file:
                await bodies.body_in_file(call, self._most_file_bytes, file)
                yield file


def openapi(routes: Sequence[Route], version: str) -> dict[str, Json]:
    """The OpenAPI 3.1 document of routes."""
    paths: dict[str, dict[str, Json]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headcount: management",
            "version": version,
            "description": "What is managed and is no SCIM resource. Tenants, connections and access tokens are "
            "resources below /scim/v2. Errors have the form of SCIM errors (RFC 7644 §3.12).",
        },
        "servers": [{"url": "/manage"}],
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": paths,
    }


def _operation(route: Route) -> dict[str, Json]:
    places = [piece[1:-1] for piece in route.path.split("/") if piece.startswith("{")]
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in places] + [
        {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
        for name, text in route.query.items()
    ]
    response: dict[str, Json] = {"description": _STATUS_WORDS[route.status]}
    if route.status != 204:  # noqa: PLR2004  no content
        response["content"] = {route.gives: {}}
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": f"Needs a scope for {route.kind.name} with {route.operation}, or a token without scopes.",
        "parameters": parameters,
        "responses": {str(route.status): response},
    }
    if route.body:
        content: dict[str, Json] = {route.takes: {}}
        operation["requestBody"] = {"required": True, "description": route.body, "content": content}
    return operation


def _places(pattern: Sequence[str], segments: Sequence[str]) -> dict[str, str] | None:
    """What stands in the places of a pattern; None when the path is another one."""
    if len(pattern) != len(segments):
        return None
    places = {}
    for expected, found in zip(pattern, segments, strict=True):
        if expected.startswith("{") and found:
            places[expected[1:-1]] = found
        elif expected != found:
            return None
    return places
