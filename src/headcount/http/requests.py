"""HTTP requests as small values, read strictly."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_to_bytes

from headcount.scim.errors import (
    InvalidValueError,
    NotAcceptableError,
    NotFoundError,
    PayloadTooLargeError,
    RequestTimeoutError,
    UnsupportedMediaTypeError,
)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

IS_WHOLE: Final = "headcount.is_whole"
"""Among the extensions of a scope, where the server can tell: that the body has arrived."""
_MOST_PARAMETERS: Final = 100
_SINGLE: Final = frozenset(
    {"filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes"}
)
_MEDIA_TYPES: Final = frozenset({"application/scim+json", "application/json"})
_ACCEPTED: Final = _MEDIA_TYPES | {"*/*", "application/*"}
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


class ClientDisconnectedError(Exception):
    """The client went away before its request was complete."""


@lru_cache(maxsize=256)
def accepts_scim(accept: bytes) -> bool:
    """Whether an Accept header admits application/scim+json (RFC 7644 §3.8)."""
    for part in accept.decode("latin-1").lower().split(","):
        media_type, _, parameters = part.partition(";")
        if media_type.strip() in _ACCEPTED and not re.search(r"q=0(?:\.0*)?\s*(?:;|$)", parameters):
            return True
    return not accept.strip()


@lru_cache(maxsize=256)
def is_json(content_type: bytes) -> bool:
    """Whether a Content-Type header names JSON in UTF-8 (RFC 7644 §3.8)."""
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([\w-]+)", parameters)
    return media_type.strip() in _MEDIA_TYPES and (charset is None or charset[1] in ("utf-8", "utf8"))


def check_accept(accept: bytes | None) -> None:
    """Raises NotAcceptableError when the client takes no SCIM."""
    if accept is not None and not accepts_scim(accept):
        raise NotAcceptableError


def check_content_type(content_type: bytes | None) -> None:
    """Raises UnsupportedMediaTypeError unless the body is declared to be JSON."""
    if content_type is None or not is_json(content_type):
        raise UnsupportedMediaTypeError


def path_segments(raw_path: bytes) -> list[str]:
    """The decoded segments of a path; raises NotFoundError for encodings that hide another path."""
    if b"%" not in raw_path:
        return raw_path.decode("latin-1").split("/")
    segments = []
    for segment in raw_path.split(b"/"):
        try:
            text = unquote_to_bytes(segment).decode()
        except UnicodeDecodeError:
            raise NotFoundError from None
        if "/" in text or "\0" in text or text in (".", ".."):
            raise NotFoundError
        segments.append(text)
    return segments


def query_parameters(query: bytes) -> dict[str, str]:
    """The parameters of a query string; raises InvalidValueError for a repeated one that SCIM knows."""
    if not query:
        return {}
    pairs = query.split(b"&")
    if len(pairs) > _MOST_PARAMETERS:
        raise InvalidValueError(f"The query string has more than {_MOST_PARAMETERS} parameters.")
    parameters: dict[str, str] = {}
    for pair in pairs:
        if not pair:
            continue  # OneLogin's dangling '&'
        encoded_name, _, encoded_value = pair.partition(b"=")
        name, value = _decoded(encoded_name), _decoded(encoded_value)
        if name in parameters and name in _SINGLE:
            raise InvalidValueError(f"The parameter '{name}' stands more than once.")
        if "\0" in value:
            raise InvalidValueError(f"The parameter '{name}' holds the character NUL.")
        parameters[name] = value
    return parameters


def _decoded(text: bytes) -> str:
    """Form decoding: `+` is a space."""
    try:
        if b"%" in text or b"+" in text:
            text = unquote_to_bytes(text.replace(b"+", b" "))
        return text.decode()
    except UnicodeDecodeError:
        raise InvalidValueError("The query string is not percent-encoded UTF-8.") from None


class RequestIds:
    """The ids of requests: what the client sent if it is fit to be logged and echoed, else one of our own."""

    def __init__(self) -> None:
        self._prefix = f"{time.time_ns():x}"
        self._count = 0

    def of(self, given: bytes | None) -> str:
        """The id of one request."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given.decode()
        self._count += 1
        return f"{self._prefix}-{self._count:x}"


async def read_body(
    receive: Receive, declared: bytes | None, *, limit: int, deadline: float | None, take: Callable[[bytes], object]
) -> None:
    """Reads the whole body, of at most `limit` bytes, as long as it keeps coming; `take` is given each part.

    A body that has arrived needs no `deadline`. Raises PayloadTooLargeError, RequestTimeoutError when nothing arrives
    for so many seconds, and ClientDisconnectedError.
    """
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise PayloadTooLargeError(f"The body has {int(declared)} bytes; at most {limit} are accepted.")
    size = 0
    while True:
        message = await (receive() if deadline is None else _in_time(receive, deadline))
        if message["type"] == "http.disconnect":
            raise ClientDisconnectedError
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise PayloadTooLargeError(f"The body is larger than the {limit} bytes that are accepted.")
        take(piece)
        if not message.get("more_body"):
            return


async def _in_time(receive: Receive, deadline: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(deadline):
            return await receive()
    except TimeoutError:
        raise RequestTimeoutError("The body did not arrive in time.") from None
