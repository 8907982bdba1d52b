"""HTTP responses as small values, and the one place where an error becomes one."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson

from headcount.http.requests import Send
from headcount.scim.errors import (
    MethodNotAllowedError,
    RequestTimeoutError,
    ScimError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from headcount.scim.messages import error_message
from headcount.scim.schemas import Json

Header = tuple[bytes, bytes]

_SCIM: Final = (b"content-type", b"application/scim+json")
_PRIVATE: Final = (b"cache-control", b"private, no-cache")
_CLOSE: Final = (b"connection", b"close")


@dataclass(slots=True)
class Response:
    """What is sent: a body, or pieces of one as they become ready."""

    status: int
    body: bytes = b""
    headers: tuple[Header, ...] = ()
    pieces: AsyncIterator[bytes] | None = None
    sent: int = 0
    """Bytes of body that went out."""
    content_type: Header = _SCIM
    caching: Header = _PRIVATE

    async def send(self, send: Send, request_id: bytes) -> None:
        """Sends the response."""
        headers = [(b"x-request-id", request_id), *self.headers]
        if self.pieces is not None:
            await self._send_pieces(send, [self.content_type, self.caching, *headers])
            return
        if self.body:
            headers += (self.content_type, self.caching, (b"content-length", b"%d" % len(self.body)))
        elif self.status not in (204, 304):
            headers.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})
        self.sent = len(self.body)

    async def _send_pieces(self, send: Send, headers: list[Header]) -> None:
        assert self.pieces is not None  # noqa: S101
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        async for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.sent += len(piece)
        await send({"type": "http.response.body", "body": b""})


def json_response(
    value: Json,
    status: int = 200,
    headers: tuple[Header, ...] = (),
    *,
    content_type: Header = _SCIM,
    caching: Header = _PRIVATE,
) -> Response:
    """A response with a JSON body."""
    return Response(status, orjson.dumps(value), headers, content_type=content_type, caching=caching)


def error_response(error: ScimError, *, credentials_sent: bool = False) -> Response:
    """The response that an error becomes (RFC 7644 §3.12)."""
    return json_response(error_message(error), error.status, tuple(_headers_of(error, credentials_sent)))


def _headers_of(error: ScimError, credentials_sent: bool) -> list[Header]:  # noqa: FBT001
    match error:
        case UnauthorizedError():
            # no error code when no credentials were sent (RFC 6750 §3)
            challenge = b'Bearer realm="SCIM"' + (b', error="invalid_token"' if credentials_sent else b"")
            return [(b"www-authenticate", challenge)]
        case MethodNotAllowedError():
            # HEAD goes with GET everywhere (RFC 9110 §9.3.2)
            allowed = [*error.allowed, *(["HEAD"] if "GET" in error.allowed else [])]
            return [(b"allow", ", ".join(allowed).encode())]
        case RequestTimeoutError():
            return [_CLOSE]  # the rest of the body is not waited for
        case TooManyRequestsError():
            return [(b"retry-after", b"%d" % error.retry_after)]
        case UnavailableError():
            return [(b"retry-after", b"1")]
        case _:
            return []
