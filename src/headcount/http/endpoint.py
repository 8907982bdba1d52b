"""The endpoints of a tenant's resources, for one authenticated request: what may be called is data, at the end."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from headcount.directory.representation import Representation
from headcount.directory.resources import Request
from headcount.directory.tenant import Tenant
from headcount.http.call import Call
from headcount.http.gate import Service
from headcount.http.requests import query_parameters
from headcount.http.responses import Header, Response, error_response, json_response
from headcount.scim.errors import (
    MethodNotAllowedError,
    NotFoundError,
    NotImplementedScimError,
    ScimError,
)
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.search import search_from_message, search_from_parameters
from headcount.scim.versions import entity_tag, matches_tag

ReadJson = Callable[[Call, int], Awaitable[Json]]
"""The decoded body of a call, of so many bytes at most."""


class Endpoint:
    """One authenticated request to one tenant."""

    __slots__ = ("_body_of", "_call", "_id", "_service", "_tenant", "_type")

    def __init__(self, body_of: ReadJson, call: Call, service: Service) -> None:
        self._body_of = body_of
        self._call = call
        self._service = service
        self._tenant: Tenant = service.tenant
        self._type: ResourceType | None = None
        self._id = ""

    def resolve(self, rest: list[str]) -> "Handlers":
        """The handlers of a path below a resource type."""
        self._type = self._tenant.registry.by_endpoint.get(rest[0])
        if self._type is None or len(rest) > 2:  # noqa: PLR2004
            raise NotFoundError
        if len(rest) == 1:
            return _COLLECTION
        if rest[1] == ".search":
            return _SEARCH
        self._id = rest[1]
        return _RESOURCE

    @property
    def resource_type(self) -> ResourceType:
        """The resource type that the path names."""
        assert self._type is not None  # noqa: S101  resolved before any handler that asks
        return self._type

    async def root(self) -> Response:
        """A search over all resource types (RFC 7644 §3.4.2.1)."""
        if self._call.method not in ("GET", "HEAD"):
            raise MethodNotAllowedError(("GET",))
        return await self._list(self._tenant.registry.resource_types)

    async def list(self) -> Response:
        """GET on a resource type."""
        return await self._list((self.resource_type,))

    async def _list(self, resource_types: tuple[ResourceType, ...]) -> Response:
        parameters = query_parameters(self._call.query)
        search = search_from_parameters(parameters)
        listing = await self._service.searching.search(resource_types, search, self._call.request(parameters))
        return Response(200, listing.body, pieces=listing.pieces)

    async def search(self) -> Response:
        """POST to `.search` on any level (RFC 7644 §3.4.3)."""
        body = await self._body_of(self._call, self._tenant.limits.body_bytes)
        search = search_from_message(body, self._tenant.profile)
        resource_types = (self._type,) if self._type else self._tenant.registry.resource_types
        names = {
            "attributes": ",".join(search.attributes),
            "excludedAttributes": ",".join(search.excluded_attributes),
        }
        listing = await self._service.searching.search(resource_types, search, self._call.request(names))
        return Response(200, listing.body, pieces=listing.pieces)

    async def create(self) -> Response:
        """POST on a resource type."""
        request = self._request()
        body = await self._body_of(self._call, self._body_limit())
        done = await self._service.resources.create(self.resource_type, body, request)
        return self._represented(done, 201 if done.is_new else 200)

    async def read(self) -> Response:
        """GET on a resource."""
        done = await self._service.resources.read(self.resource_type, self._id, self._request())
        if_none_match = self._call.headers.get("if_none_match")
        if if_none_match is not None and matches_tag(if_none_match.decode("latin-1"), done.version):
            return Response(304, headers=self._headers_of(done))
        return self._represented(done, 200)

    async def replace(self) -> Response:
        """PUT on a resource."""
        request = self._request()
        body = await self._body_of(self._call, self._body_limit())
        done = await self._service.resources.replace(self.resource_type, self._id, body, request)
        return self._represented(done, 200)

    async def patch(self) -> Response:
        """PATCH on a resource; 204 for a large group unless a projection is asked for."""
        request = self._request()
        body = await self._body_of(self._call, self._body_limit())
        done = await self._service.resources.patch(self.resource_type, self._id, body, request)
        return self._represented(done, 200)

    async def delete(self) -> Response:
        """DELETE on a resource."""
        await self._service.resources.delete(self.resource_type, self._id, self._request())
        return Response(204)

    async def bulk(self) -> Response:
        """POST to `/Bulk` (RFC 7644 §3.7)."""
        body = await self._body_of(self._call, self._tenant.limits.bulk_bytes)
        answer, self._call.refused = await self._service.bulk.run(body, self._call.request({}))
        return json_response(answer)

    async def me(self) -> Response:
        """`/Me`: the user that the token stands for (RFC 7644 §3.11)."""
        user = self._call.access.user if self._call.access else None
        if user is None:
            raise NotImplementedScimError("This token stands for no user, so that /Me has no meaning.")
        self._type = self._tenant.registry.by_endpoint["Users"]
        self._id = user
        handler = _RESOURCE.get("GET" if self._call.method == "HEAD" else self._call.method)
        if handler is None:
            raise NotImplementedScimError("/Me stands for an existing user and cannot be created.")
        try:
            response = await handler(self)
        except ScimError as error:
            response = error_response(error)  # a refusal, too, says who is meant
        if not any(name == b"location" for name, _ in response.headers):
            location = self._tenant.location(self._type, user)
            response.headers = (*response.headers, (b"location", location.encode()))
        return response

    def _request(self) -> Request:
        return self._call.request(query_parameters(self._call.query))

    def _body_limit(self) -> int:
        limits = self._tenant.limits
        return limits.group_body_bytes if self.resource_type.keeps_members else limits.body_bytes

    def _represented(self, done: Representation, status: int) -> Response:
        if not done.body and done.rest is None:
            status = 204
        return Response(status, done.body, self._headers_of(done), done.rest)

    def _headers_of(self, done: Representation) -> tuple[Header, ...]:
        location = done.location.encode()
        return (
            (b"etag", entity_tag(done.version).encode()),
            (b"location", location),
            (b"content-location", location),
        )


Handlers = Mapping[str, Callable[[Endpoint], Awaitable[Response]]]

_COLLECTION: Final[Handlers] = {"GET": Endpoint.list, "POST": Endpoint.create}
_RESOURCE: Final[Handlers] = {
    "GET": Endpoint.read,
    "PUT": Endpoint.replace,
    "PATCH": Endpoint.patch,
    "DELETE": Endpoint.delete,
}
_SEARCH: Final[Handlers] = {"POST": Endpoint.search}
SPECIAL: Final[Mapping[str, Handlers]] = {
    ".search": _SEARCH,
    "Bulk": {"POST": Endpoint.bulk},
    "Me": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), Endpoint.me),
}
