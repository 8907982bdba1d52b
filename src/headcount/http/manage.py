"""The operator's JSON API below `/manage`, for what is managed and is no SCIM resource.

What can be called is data: tables of `Route`s in the modules `manage_…`, which `assembly` binds to the objects that
answer. A route says what a token needs (a kind that scopes speak of, and an operation) and how it is documented.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from headcount.directory.managed import check_managed
from headcount.http.call import Call
from headcount.http.json_body import decode_json
from headcount.http.requests import query_parameters
from headcount.http.responses import Header, Response, json_response
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, MethodNotAllowedError, NotFoundError
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

JSON: Final[Header] = (b"content-type", b"application/json")
_MOST_BODY: Final = 1024 * 1024
_STATUS_WORDS: Final = {200: "OK", 201: "Created", 202: "Accepted", 204: "Done"}

ReadBody = Callable[[Call, int], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as a route's handler sees it."""

    path: Mapping[str, str]
    """What stands in the places of the route's path."""
    query: Mapping[str, str]
    body: Json
    """None for a route without one."""
    actor: str
    """The id of the access token."""
    request_id: str

    @property
    def tenant(self) -> str:
        """The tenant in the path."""
        return self.path["tenant"]

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
    status: int = 200


def bound(routes: Sequence[Route], owner: object) -> Iterator[Route]:
    """Routes whose handlers are methods of an object."""
    for route in routes:
        yield replace(route, handler=partial(route.handler, owner))


class ManageEndpoints:
    """Answers requests below `/manage`."""

    def __init__(self, routes: Sequence[Route], version: str) -> None:
        self._routes = [(route, route.path.split("/")[1:]) for route in routes]
        self._document = openapi(routes, version)

    async def respond(self, call: Call, segments: Sequence[str], body_of: ReadBody) -> Response:
        """The response to an authenticated call; `segments` stand behind `/manage` in its path, decoded."""
        if list(segments) == ["openapi.json"]:
            return json_response(self._document, content_type=JSON)
        method = "GET" if call.method == "HEAD" else call.method
        found = [
            (route, places) for route, pattern in self._routes if (places := _places(pattern, segments)) is not None
        ]
        for route, places in found:
            if route.method == method:
                return await self._answer(route, places, call, body_of)
        if found:
            raise MethodNotAllowedError(tuple(route.method for route, _ in found))
        raise NotFoundError("There is nothing here; see /manage/openapi.json.")

    async def _answer(self, route: Route, places: dict[str, str], call: Call, body_of: ReadBody) -> Response:
        check_managed(call.permissions, route.kind, route.operation, places.get("tenant", ""))
        query = query_parameters(call.query)
        if unknown := query.keys() - route.query.keys():
            raise InvalidSyntaxError(f"'{min(unknown)}' is not a parameter of {route.path}.")
        body = decode_json(await body_of(call, _MOST_BODY)) if route.body else None
        actor = call.access.token_id if call.access else ""
        answer = await route.handler(Asked(places, query, body, actor, call.request_id))
        if isinstance(answer, Response):
            return answer
        return Response(204) if answer is None else json_response(answer, route.status, content_type=JSON)


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
    operation: dict[str, Any] = {
        "summary": route.summary,
        "description": f"Needs a scope for {route.kind.name} with {route.operation}, or a token without scopes.",
        "parameters": parameters,
        "responses": {str(route.status): {"description": _STATUS_WORDS[route.status]}},
    }
    if route.body:
        content: dict[str, Json] = {"application/json": {"schema": {}}}
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
