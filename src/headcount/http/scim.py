"""The SCIM endpoints of all tenants, `/t/{tenant}/scim/v2/…`, and of the operator, `/scim/v2/…` (RFC 7644 §3.2).

A plain ASGI callable, because this is the hot path. What may be called is data: the tables at the end.
"""

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import BinaryIO, Final

import structlog

from headcount.directory.client_credentials import ClientCredentials
from headcount.directory.operator_resources import NAME
from headcount.directory.operator_schemas import OPERATOR_REGISTRY
from headcount.directory.tenant import Limits
from headcount.directory.tokens import Access
from headcount.events.notifier import Notifier
from headcount.http.admission import Admission
from headcount.http.call import Call
from headcount.http.endpoint import SPECIAL, Endpoint
from headcount.http.events import EventEndpoints
from headcount.http.gate import Gate, Service
from headcount.http.journal import Journal
from headcount.http.json_body import decode_json
from headcount.http.logs import AccessLog, Line
from headcount.http.manage import ManageEndpoints
from headcount.http.oauth import OAUTH_SECTIONS, OAuthEndpoints, tenant_of_grant, tenant_of_metadata
from headcount.http.rates import Failures, Rates
from headcount.http.requests import (
    IS_WHOLE,
    ClientDisconnectedError,
    Receive,
    RequestIds,
    Scope,
    Send,
    check_accept,
    check_content_type,
    path_segments,
    query_parameters,
    read_body,
)
from headcount.http.responses import Header, Response, error_response, json_response
from headcount.scim import discovery
from headcount.scim.errors import (
    ForbiddenError,
    InvalidVersionError,
    MethodNotAllowedError,
    NotFoundError,
    ScimError,
    TooManyRequestsError,
    UnavailableError,
)
from headcount.scim.messages import list_response
from headcount.scim.registry import Registry, build_registry
from headcount.scim.schemas import Json
from headcount.store.interface import OPERATOR_TENANT, StoreError

_VERSION: Final = re.compile(r"v\d+", re.IGNORECASE)
_HEADERS: Final = {
    b"authorization": "authorization",
    b"content-type": "content_type",
    b"content-length": "content_length",
    b"accept": "accept",
    b"if-match": "if_match",
    b"if-none-match": "if_none_match",
    b"x-request-id": "request_id",
    b"x-forwarded-for": "forwarded_for",
    b"last-event-id": "last_event_id",
}


class InternalError(ScimError):
    """The request failed because of an error in the server."""

    status = 500


class ScimEndpoints:
    """Answers every request below `/t/`, `/scim` and `/manage`."""

    def __init__(
        self,
        gate: Gate,
        limits: Limits,
        public_url: str,
        log: AccessLog,
        ids: RequestIds,
        admission: Admission,
        *,
        body_deadline: float,
        behind_proxy: bool,
        processes: int,
        notifier: Notifier,
        journal: Journal,
        manage: ManageEndpoints,
        credentials: ClientCredentials,
        token_failures: int,
    ) -> None:
        self._manage = manage
        self._rates = Rates(processes)
        failures = Failures.of(token_failures, processes)
        self._oauth = OAuthEndpoints(credentials, gate.base_url, self.any_body, self._rates, failures)
        self._journal = journal
        self._events = EventEndpoints(notifier, self.raw_body, self._admit, admission)
        self._gate = gate
        self._behind_proxy = behind_proxy
        self._admission = admission
        self._limits = limits
        self._public_url = public_url
        self._log = log
        self._body_deadline = body_deadline
        self._standard = build_registry()
        self._capabilities = discovery.Capabilities(
            limits.bulk_operations,
            limits.bulk_bytes,
            limits.default_page_size,
            limits.max_page_size,
            limits.cursor_timeout,
        )
        self._ids = ids

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        started = time.perf_counter()
        headers = _headers_of(scope["headers"])
        request_id = self._ids.of(headers.get("request_id"))
        call = Call(scope["method"], receive, scope["query_string"], headers, request_id, self._address(scope, headers))
        call.is_whole = IS_WHOLE in scope.get("extensions", ())
        self._admission.enter()
        try:
            response = await self._respond(call, scope["raw_path"])
        except ClientDisconnectedError:
            return
        finally:
            self._admission.leave()
            self._admission.release(call.held)
        if call.standing is not None:
            response.headers = (*response.headers, *call.standing.headers())
        await response.send(send, call.request_id.encode())
        access, tenant_name = call.access, call.tenant_name
        if access is None and not NAME.fullmatch(tenant_name):
            tenant_name = ""  # decoded, it may hold anything
        seconds = time.perf_counter() - started
        self._journal.note(call, scope["raw_path"], response, seconds)
        self._log.record(
            Line(
                time.time(),
                call.method,
                scope["raw_path"],
                response.status,
                seconds,
                call.request_id,
                tenant_name,
                access.token_id if access else "",
                response.sent,
            )
        )

    def _address(self, scope: Scope, headers: Mapping[str, bytes]) -> str:
        """Where the client is: what a proxy in front says, if there is one, of who connected to it."""
        forwarded = headers.get("forwarded_for") if self._behind_proxy else None
        if forwarded is not None:
            return forwarded.decode("latin-1").rpartition(",")[2].strip()
        return scope["client"][0] if scope.get("client") else ""

    async def _respond(self, call: Call, raw_path: bytes) -> Response:
        try:
            return await self._route(call, path_segments(raw_path))
        except StoreError as error:
            return _unavailable(call, error, UnavailableError())
        except UnavailableError as error:
            return _unavailable(call, error.__cause__ or error, error)
        except ScimError as error:
            return error_response(error, credentials_sent="authorization" in call.headers)
        except ClientDisconnectedError:
            raise
        except Exception:  # noqa: BLE001  logged with its traceback, and said nothing of
            structlog.get_logger().exception("request_failed", request_id=call.request_id, method=call.method)
            return error_response(InternalError(f"Internal error; the server's log has request {call.request_id}."))

    async def _route(self, call: Call, segments: list[str]) -> Response:
        """Finds what is called; everything but discovery needs a token, whether it exists or not."""
        beside = _BESIDE.get(_area_of(segments))
        if beside is not None:
            return await beside(self, call, segments)
        call.tenant_name, rest = _split(segments)
        if rest and rest[0] in _DISCOVERY:
            return await self._discover(call, rest)
        service = await self._enter(call)
        check_accept(call.headers.get("accept"))
        endpoint = Endpoint(self.body, call, service)
        if not rest:
            return await endpoint.root()
        handlers = SPECIAL.get(rest[0]) if len(rest) == 1 else None
        if handlers is None:
            handlers = endpoint.resolve(rest)
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            raise MethodNotAllowedError(tuple(handlers))
        return await handler(endpoint)

    async def _event(self, call: Call, segments: list[str]) -> Response:
        call.tenant_name, rest = _split(segments, "events")
        return await self._events.respond(call, rest, await self._enter(call))

    async def _grant(self, call: Call, segments: list[str]) -> Response:
        call.tenant_name, rest = tenant_of_grant(segments)
        return await self._oauth.respond(call, rest)

    async def _metadata(self, call: Call, segments: list[str]) -> Response:
        call.tenant_name, rest = tenant_of_metadata(segments)
        return await self._oauth.respond(call, rest)

    async def _management(self, call: Call, segments: list[str]) -> Response:
        call.tenant_name = OPERATOR_TENANT
        await self._enter(call)
        return await self._manage.respond(call, segments[2:], self)

    async def _enter(self, call: Call) -> Service:
        """Lets the caller in; raises UnauthorizedError or ForbiddenError."""
        access, service = await self._admit(call)
        call.request_log, call.profile = service.tenant.request_log, service.tenant.profile.name
        own, whole = access.requests_per_second, service.tenant.quotas.requests_per_second
        if own is not None or whole is not None:
            standing = call.standing = self._rates.take(((access.token_id, own), (call.tenant_name, whole)))
            if standing is not None and standing.wait:
                raise TooManyRequestsError("Too many requests for now; see Retry-After.", retry_after=standing.wait)
        return service

    async def _admit(self, call: Call) -> tuple[Access, Service]:
        """Lets the caller in without counting."""
        access, service = await self._gate.enter(call.tenant_name, call.headers.get("authorization"), call.address)
        call.access, call.permissions = access, self._gate.permissions(access, service)
        return access, service

    async def body(self, call: Call, limit: int) -> Json:
        """The decoded JSON body."""
        return decode_json(await self.raw_body(call, limit))

    async def raw_body(self, call: Call, limit: int) -> bytes:
        """The bytes of a JSON body."""
        check_content_type(call.headers.get("content_type"))
        return await self.any_body(call, limit)

    async def any_body(self, call: Call, limit: int) -> bytes:
        """The bytes of a body, whatever it is."""
        pieces: list[bytes] = []

        def keep(piece: bytes) -> None:
            self._admission.hold(len(piece))
            call.held += len(piece)
            pieces.append(piece)

        await self._read(call, limit, keep)
        call.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return call.body

    async def body_in_file(self, call: Call, limit: int, file: BinaryIO) -> None:
        """Writes a body to a file: nothing of it is held in memory."""
        await self._read(call, limit, file.write)

    async def _read(self, call: Call, limit: int, take: Callable[[bytes], object]) -> None:
        self._admission.leave()
        try:
            declared, deadline = call.headers.get("content_length"), None if call.is_whole else self._body_deadline
            await read_body(call.receive, declared, limit=limit, deadline=deadline, take=take)
        finally:
            self._admission.enter()

    async def _discover(self, call: Call, rest: list[str]) -> Response:
        """Discovery is public. A stranger sees what every tenant has, so that nobody learns which tenants exist."""
        tenant_name = call.tenant_name
        is_operator = tenant_name == OPERATOR_TENANT
        registry = OPERATOR_REGISTRY if is_operator else self._standard
        base_url = f"{self._public_url}/scim/v2" if is_operator else f"{self._public_url}/t/{tenant_name}/scim/v2"
        if "authorization" in call.headers:
            tenant = (await self._enter(call)).tenant
            registry, base_url = tenant.registry, tenant.base_url
        if not (NAME.fullmatch(tenant_name) or is_operator) or len(rest) > 2:  # noqa: PLR2004
            raise NotFoundError
        if call.method not in ("GET", "HEAD"):
            raise MethodNotAllowedError(("GET",))
        check_accept(call.headers.get("accept"))
        if "filter" in query_parameters(call.query):
            raise ForbiddenError("Discovery endpoints cannot be filtered (RFC 7644 §4).")
        return json_response(self._discovered(rest, registry, base_url))

    def _discovered(self, rest: list[str], registry: Registry, base_url: str) -> Json:
        if rest[0] == "ServiceProviderConfig":
            if len(rest) > 1:
                raise NotFoundError
            return discovery.service_provider_config(self._capabilities, base_url)
        documents = _DOCUMENTS[rest[0]](registry, base_url)
        if len(rest) == 1:
            return list_response(documents)
        for document in documents:
            if document["id"].lower() == rest[1].lower():
                return document
        raise NotFoundError(f"There is no '{rest[1]}' among the {rest[0]}.")


_Beside = Callable[[ScimEndpoints, Call, list[str]], Awaitable[Response]]

_BESIDE: Final[Mapping[str, _Beside]] = {
    "events": ScimEndpoints._event,  # noqa: SLF001  the areas of this class, by the segment that begins them
    **dict.fromkeys(OAUTH_SECTIONS, ScimEndpoints._grant),  # noqa: SLF001
    "/.well-known": ScimEndpoints._metadata,  # noqa: SLF001
    "/oauth": ScimEndpoints._grant,  # noqa: SLF001
    "/manage": ScimEndpoints._management,  # noqa: SLF001
}
"""What is answered beside SCIM: by the segment behind the tenant, or the first one with a slash before it."""


def _area_of(segments: list[str]) -> str:
    """The segment that says what a path is about."""
    if segments[1] == "t" and len(segments) > 3:  # noqa: PLR2004
        return segments[3]
    return "events" if segments[1:3] == ["scim", "events"] else f"/{segments[1]}"


def _unavailable(call: Call, cause: BaseException, error: UnavailableError) -> Response:
    """The client is told to come again; the operator is told why."""
    structlog.get_logger().warning("unavailable", request_id=call.request_id, reason=str(cause))
    return error_response(error)


_DOCUMENTS: Final = {
    "Schemas": discovery.schema_documents,
    "ResourceTypes": discovery.resource_type_documents,
}
_DISCOVERY: Final = frozenset({"ServiceProviderConfig", *_DOCUMENTS})


def _headers_of(sent: Iterable[Header]) -> dict[str, bytes]:
    """The headers that matter here; lines of one name are one list (RFC 9110 §5.3)."""
    headers: dict[str, bytes] = {}
    for name, value in sent:
        known = _HEADERS.get(name)
        if known is not None:
            headers[known] = headers[known] + b", " + value if known in headers else value
    return headers


def _split(segments: list[str], section: str = "scim") -> tuple[str, list[str]]:
    """The tenant's name, and the segments behind the base URL; raises NotFoundError or InvalidVersionError."""
    if segments[1] == "t" and len(segments) > 3 and segments[2] != OPERATOR_TENANT:  # noqa: PLR2004
        tenant_name, rest = segments[2], segments[3:]
    else:
        tenant_name, rest = OPERATOR_TENANT, segments[1 if section == "scim" else 2 :]
    if rest[0] != section:
        raise NotFoundError
    rest = rest[1:]
    if rest and rest[0] == "v2":
        rest = rest[1:]
    elif rest and _VERSION.fullmatch(rest[0]):
        raise InvalidVersionError(f"'{rest[0]}' is not a supported protocol version; use 'v2'.")
    if rest and rest[-1] == "":
        rest = rest[:-1]  # a slash at the end changes nothing
    return tenant_name, rest
