"""One SCIM server over HTTP: requests that are paced and bounded, and repeated where that is safe.

A request comes back as an `Answer`, whatever its status, unless nothing certain can be said: then as a TargetError.
"""

import asyncio
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from ipaddress import ip_address
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx2
import orjson
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from headcount import __version__
from headcount.provisioning.targets.authentication import Authentication, ClientCredentials, secrets_of, signer_of
from headcount.provisioning.targets.errors import TargetError, ThrottledError, UncertainError, UnreachableError
from headcount.provisioning.targets.explaining import Redaction, Refusal, explain, retry_after
from headcount.provisioning.targets.pacing import Pace
from headcount.scim.schemas import Json

_ACCEPT: Final = "application/scim+json, application/json"
_SCIM_JSON: Final = "application/scim+json"
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})
_SEGMENT: Final = "!$&'()*+,;=:@~"
"""What stands in a path segment as it is (RFC 3986 §3.3), so that an id is never encoded where it need not be."""
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
_UNAUTHORIZED: Final = 401
_THROTTLED: Final = 429
_FAULT: Final = 500
_NOT_IMPLEMENTED: Final = 501
_REDIRECTS: Final = range(300, 400)
_SHOWN: Final = 4_000
"""Characters of a body that are shown to who watches."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How the connection is secured."""

    required: bool = True
    """Plain HTTP is refused unless the target is this machine."""
    verify: bool = True
    authorities: str = ""
    """A PEM file of certificate authorities, in place of the system's."""
    certificate: str = ""
    """A PEM file with a client certificate."""
    key: str = ""
    """Its private key, when that is in a file of its own."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried."""

    attempts: int = 6
    first_wait: float = 0.5
    """Seconds, doubled with each attempt, and taken at random up to that."""
    longest_wait: float = 120.0
    """Seconds; a target that wants more is asked again by the next run."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a target is, and how it is talked to. Secrets are resolved already."""

    url: str
    """The base URL: what stands before `/Users`."""
    authentication: Authentication | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Sent with each request; no secrets."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Added to each request, for targets that want an API version there."""
    tls: Tls = Tls()
    proxy: str = field(default="", repr=False)
    """The URL of a proxy; without it the environment decides."""
    connect_timeout: float = 10.0
    timeout: float = 60.0
    """Seconds from the request to the end of its answer."""
    largest_answer: int = 64 * 1024 * 1024
    """Bytes."""
    patience: Patience = Patience()


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    method: str
    path: str
    """Below the base URL, its segments encoded: see `path_of`."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    version: str = ""
    """Sent as `If-Match`."""
    is_idempotent: bool = False
    """Whether a POST or PATCH may be repeated: twice is once."""
    is_confirmation: bool = False
    """Whether it only looks whether something is so."""

    @property
    def is_repeatable(self) -> bool:
        """Whether it may be sent again when nobody knows what became of it."""
        return self.is_idempotent or self.method in _REPEATABLE


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes
    was_repeated: bool = False
    """Whether an earlier attempt may have been carried out already."""
    decoded: Json = None
    """The body, where it was part of a larger one that is decoded already."""

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return httpx2.codes.is_success(self.status)

    @cached_property
    def json(self) -> Json:
        """The decoded body; None when it is no JSON."""
        if self.decoded is not None:
            return self.decoded
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    @property
    def resource(self) -> Mapping[str, Json]:
        """The JSON object of a success; empty for anything else."""
        return self.json if self.is_success and isinstance(self.json, dict) else {}

    @property
    def version(self) -> str:
        """The entity tag, in the header or in `meta.version`."""
        meta = self.resource.get("meta")
        inner = meta.get("version") if isinstance(meta, dict) else ""
        return self.headers.get("etag", "") or (inner if isinstance(inner, str) else "")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that was sent and what came back, as it is shown: without secrets, and cut where it is long."""

    method: str
    path: str
    """With its query."""
    status: int
    """0 when nothing came back."""
    milliseconds: float
    sent: str = ""
    received: str = ""

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status or 'no answer'}, {self.milliseconds:.0f} ms"


@dataclass(slots=True)
class Tally:
    """Requests that were sent."""

    requests: int = 0
    """First attempts, confirmations apart."""
    confirmations: int = 0
    retries: int = 0


class ScimClient:
    """A client of one SCIM server. Close it, or use it as a context manager."""

    def __init__(self, connection: Connection, pace: Pace | None = None) -> None:
        _check(connection)
        self.connection = connection
        self.pace = pace or Pace(4)
        self.tally = Tally()
        self.redact = Redaction(secrets_of(connection.authentication))
        self._base = connection.url.rstrip("/")
        self._signer = signer_of(connection.authentication)
        self.watcher: Callable[[Exchange], None] | None = None
        """Told of each request and its answer."""
        self._http = httpx2.AsyncClient(
            headers={"User-Agent": f"headcount/{__version__}", "Accept": _ACCEPT, **connection.headers},
            verify=_tls_context(connection.tls),
            proxy=connection.proxy or None,
            timeout=httpx2.Timeout(connection.timeout, connect=connection.connect_timeout),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends its connections."""
        await self._http.aclose()

    async def send(self, request: Request) -> Answer:
        """The answer to a request, repeated where that is safe.

        Raises UnreachableError when it never arrived, ThrottledError when there are too many, UncertainError when it
        may have been carried out or not.
        """
        unsure = False

        def may_repeat(error: BaseException) -> bool:
            nonlocal unsure
            unsure = unsure or isinstance(error, UncertainError)
            return self._may_repeat(request, error)

        patience = self.connection.patience
        attempts = AsyncRetrying(
            retry=retry_if_exception(may_repeat),
            stop=stop_after_attempt(patience.attempts),
            wait=_Waits(patience),
            reraise=True,
        )
        try:
            async for attempt in attempts:
                with attempt:
                    answer = await self._attempt(request, is_first=attempt.retry_state.attempt_number == 1)
        except (ThrottledError, UnreachableError) as error:
            if unsure:  # this attempt did nothing; an earlier one may have
                raise UncertainError(error.reason, status=error.status, retry_after=error.retry_after) from error
            raise
        return replace(answer, was_repeated=True) if unsure else answer

    async def get(self, path: str, query: Mapping[str, str] | None = None, *, is_confirmation: bool = False) -> Answer:
        """The answer to a GET."""
        return await self.send(Request("GET", path, query or {}, is_confirmation=is_confirmation))

    def refusal(self, answer: Answer) -> Refusal:
        """What an answer that is no success says."""
        return explain(answer.status, answer.body, self.redact)

    def _may_repeat(self, request: Request, error: BaseException) -> bool:
        if not isinstance(error, TargetError) or (error.retry_after or 0.0) > self.connection.patience.longest_wait:
            return False
        if isinstance(error, UncertainError):
            return request.is_repeatable
        return isinstance(error, ThrottledError) or (isinstance(error, UnreachableError) and not error.status)

    async def _attempt(self, request: Request, *, is_first: bool) -> Answer:
        async with self.pace.turn(request.method, request.path) as began:
            self._count(request, is_first=is_first)
            answer = await self._watched(request)
            if answer.status == _THROTTLED:
                wait = self._wait_of(answer)
                self.pace.slow_down(began, wait)
                words = f"The target refuses more requests for now ({self.refusal(answer)})."
                raise ThrottledError(words, status=answer.status, retry_after=wait)
            if answer.status in _REDIRECTS:
                raise TargetError(self._redirection(answer), status=answer.status)
            if answer.status >= _FAULT and answer.status != _NOT_IMPLEMENTED:
                words = f"The target failed ({self.refusal(answer)})."
                raise UncertainError(words, status=answer.status, retry_after=self._wait_of(answer))
            self.pace.speed_up()
            return answer

    def _count(self, request: Request, *, is_first: bool) -> None:
        if not is_first:
            self.tally.retries += 1
        elif request.is_confirmation:
            self.tally.confirmations += 1
        else:
            self.tally.requests += 1

    async def _watched(self, request: Request) -> Answer:
        """One exchange, of which whoever watches is told."""
        if self.watcher is None:
            return await self._exchange(request)
        began, answer = time.perf_counter(), None
        try:
            answer = await self._exchange(request)
        finally:
            took = 1000 * (time.perf_counter() - began)
            path = f"{request.path}{'?' if request.query else ''}{urlencode(request.query, quote_via=quote)}"
            sent = self._shown(orjson.dumps(request.body)) if request.body is not None else ""
            received = (answer.status, took, sent, self._shown(answer.body)) if answer else (0, took, sent)
            self.watcher(Exchange(request.method, path, *received))
        return answer

    def _shown(self, body: bytes) -> str:
        return self.redact(body.decode("utf-8", "replace"))[:_SHOWN]

    async def _exchange(self, request: Request) -> Answer:
        """One HTTP exchange with a deadline for the whole of it."""
        try:
            return await self._signed(request)
        except _NOT_SENT as error:
            raise UnreachableError(f"The target cannot be reached: {self._words(error)}.") from error
        except httpx2.ProxyError as error:
            raise UnreachableError(f"The proxy does not let the request through: {self._words(error)}.") from error
        except httpx2.InvalidURL as error:
            raise TargetError(f"The URL cannot be called: {self._words(error)}.") from error
        except (httpx2.TransportError, httpx2.DecodingError, TimeoutError) as error:
            raise UncertainError(f"The response was lost: {self._words(error)}.") from error

    async def _signed(self, request: Request) -> Answer:
        """The answer to a request that shows who we are; once more with a new access token, when one can be had."""
        signed = await self._signer.headers(self._http)
        answer = await self._streamed(request, signed)
        if answer.status == _UNAUTHORIZED and self._signer.renews(signed):
            answer = await self._streamed(request, await self._signer.headers(self._http))
        return answer

    async def _streamed(self, request: Request, signed: Mapping[str, str]) -> Answer:
        query = urlencode({**self.connection.query, **request.query}, quote_via=quote)
        headers = {**signed, **({"If-Match": request.version} if request.version else {})}
        content = None
        if request.body is not None:
            content, headers["Content-Type"] = orjson.dumps(request.body), _SCIM_JSON
        url = f"{self._base}{request.path}{'?' + query if query else ''}"
        async with (
            asyncio.timeout(self.connection.timeout),
            self._http.stream(request.method, url, content=content, headers=headers) as response,
        ):
            body = await self._body(response)
            return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)

    async def _body(self, response: httpx2.Response) -> bytes:
        pieces, size = [], 0
        async for piece in response.aiter_bytes():
            size += len(piece)
            if size > self.connection.largest_answer:
                raise UncertainError(
                    f"The answer is larger than {self.connection.largest_answer:,} bytes, and was not read."
                )
            pieces.append(piece)
        return b"".join(pieces)

    def _words(self, error: Exception) -> str:
        if isinstance(error, TimeoutError | httpx2.TimeoutException):
            return "it took too long"
        return self.redact(str(error) or type(error).__name__)[:300].rstrip(".")

    def _wait_of(self, answer: Answer) -> float | None:
        return retry_after(answer.headers.get("retry-after"), datetime.now(UTC))

    def _redirection(self, answer: Answer) -> str:
        place = self.redact(answer.headers.get("location", "elsewhere"))[:200]
        return f"The target redirects to {place} ({answer.status}); set its URL to where it really is."


class _Waits:
    """Seconds before the next attempt: what the target asks for, with jitter; else random and growing."""

    def __init__(self, patience: Patience) -> None:
        self._growing = wait_random_exponential(multiplier=patience.first_wait, max=patience.longest_wait)

    def __call__(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TargetError) else None
        growing = self._growing(state)
        return growing if asked is None else asked + min(growing, 0.1 * asked)


def path_of(endpoint: str, identifier: str) -> str:
    """The path of a resource; raises TargetError for an id that a URL cannot hold."""
    if identifier in ("", ".", ".."):
        raise TargetError(f"The target gave the id '{identifier}', which cannot stand in a URL.")
    return f"{endpoint}/{quote(identifier, safe=_SEGMENT)}"


def _check(connection: Connection) -> None:
    """Raises TargetError for a URL that cannot be used, or would give a secret away."""
    urls = {"The target's URL": connection.url}
    if isinstance(connection.authentication, ClientCredentials):
        urls["The URL of the token endpoint"] = connection.authentication.token_url
    for what, url in urls.items():
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            parts, host = urlsplit(""), None
        if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
            raise TargetError(f"{what} is one such as https://example.com/scim/v2, without query and fragment.")
        if parts.username or parts.password:
            raise TargetError(f"{what} holds credentials; they belong into the authentication.")
        if parts.scheme == "http" and connection.tls.required and not _is_this_machine(host):
            raise TargetError(f"{what} is plain HTTP: credentials and people would travel unencrypted. Use https.")


def _is_this_machine(host: str) -> bool:
    if not re.fullmatch(r"[0-9.]+|.*:.*", host):
        return host == "localhost"
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@lru_cache
def _usual_context() -> ssl.SSLContext:
    """The context of all who want nothing special: to read the authorities takes as long as many requests."""
    return httpx2.create_ssl_context()


def _tls_context(tls: Tls) -> ssl.SSLContext:
    """The context of a connection; raises TargetError for files that cannot be read."""
    if tls == Tls(required=tls.required):
        return _usual_context()
    try:
        context = ssl.create_default_context(cafile=tls.authorities) if tls.authorities else httpx2.create_ssl_context()
        if not tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.certificate:
            context.load_cert_chain(tls.certificate, tls.key or None)
    except (OSError, ssl.SSLError) as error:
        raise TargetError(f"The TLS files of the target cannot be used: {error}.") from error
    return context
