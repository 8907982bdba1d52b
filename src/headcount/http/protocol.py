"""HTTP/1.1 connections with deadlines and bounds that the server itself does not have.

A request line and its headers must arrive within a deadline, and one address may hold a bounded number of
connections. What is refused here gets a SCIM error as well (RFC 7644 §3.12).
"""

import asyncio
from collections import Counter
from typing import Any, ClassVar, Final

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from headcount.http.requests import IS_WHOLE
from headcount.scim.errors import InvalidSyntaxError, RequestTimeoutError, ScimError, TooManyRequestsError
from headcount.scim.messages import error_message

MAX_HEADER_BYTES: Final = 64 * 1024
WAITING: Final = "/events"
"""Where clients may wait without end: the end of the path."""
_BODY: Final = {b"content-length", b"transfer-encoding"}
_WHOLE: Final[dict[str, dict[object, object]]] = {IS_WHOLE: {}}
_REASONS: Final = {
    400: b"Bad Request",
    408: b"Request Timeout",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
}
_LINE_END: Final = b"\r\n"
_OF_LINES: Final = bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100)) + b"\t"
"""The bytes that a header may hold."""
_REFUSED: Final = 300
"""And above: answers that may end the connection."""


class HeadersTooLargeError(ScimError):
    """The request line and headers are larger than the server accepts."""

    status = 431


class Cycle(RequestResponseCycle):
    """One request and its answer, which leaves in one piece when it is whole.

    The server writes head and body apart, and looks at every header by itself.
    """

    _head: bytes = b""
    """Held until the body is there."""

    async def send(self, message: Any) -> None:
        """The ASGI interface."""
        if self._head:
            self.transport.write(self._head + message["body"])
            self._head = b""
            self.response_complete = True
            self.message_event.set()
            self.on_response()
        elif self._begins_whole(message):
            self._head = STATUS_LINE[message["status"]] + _lines(self.default_headers + message["headers"])
            self.response_started = True
        else:
            await super().send(message)

    def _begins_whole(self, message: Any) -> bool:
        """Whether a message begins an answer whose body comes as the next one, on a connection that goes on."""
        return (
            message["type"] == "http.response.start"
            and message["headers"][-1][0] == b"content-length"
            and message["status"] < _REFUSED
            and self.keep_alive
            and not (self.disconnected or self.flow.write_paused)
            and self.scope["method"] != "HEAD"
        )


def _lines(headers: list[tuple[bytes, bytes]]) -> bytes:
    """The lines of headers and the empty one; raises ValueError for a character that would begin another."""
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.translate(None, _OF_LINES) != _LINE_END * len(headers):
        raise ValueError("A header holds a control character.")
    return lines + _LINE_END


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    header_deadline: ClassVar[float] = 10.0
    """Seconds."""
    response_deadline: ClassVar[float] = 30.0
    """Seconds."""
    connections_per_address: ClassVar[int] = 0
    """0 for any number."""
    _open: ClassVar[Counter[str]] = Counter()

    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _counted: str | None = None
    _header_bytes: int = 0
    _in_headers: bool = True

    @classmethod
    def configure(cls, header_deadline: float, response_deadline: float, connections_per_address: int) -> None:
        """Sets the bounds of all connections of this process; the server makes the protocols itself."""
        cls.header_deadline = header_deadline
        cls.response_deadline = response_deadline
        cls.connections_per_address = connections_per_address

    def connection_made(self, transport: Any) -> None:
        """Counts the connection, and starts the clock for its first request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=1)  # so that it sends what is written at once, not in a later turn
        address = self.client[0] if self.client else ""
        if self.connections_per_address and self._open[address] >= self.connections_per_address:
            self._refuse(TooManyRequestsError("Too many connections from this address."), b"retry-after: 1\r\n")
            return
        self._counted = address
        self._open[address] += 1
        self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._stop_clock()
        self._stop_stalled()
        if self._counted is not None:
            self._open[self._counted] -= 1
            if not self._open[self._counted]:
                del self._open[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Starts the clock for headers that have begun; most arrive at once, and need none."""
        if self._in_headers:
            self._header_bytes += len(data)
        super().data_received(data)
        if not (self._in_headers and self._header_bytes) or self.transport.is_closing():
            return
        if self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(HeadersTooLargeError())
        elif self._deadline is None:
            self._start_clock()

    def on_headers_complete(self) -> None:
        """Stops the clock, and refuses what is too large or cannot be read on from here."""
        self._stop_clock()
        error = self._fault_in_headers()
        if error is not None:
            self._refuse(error)
            raise error  # so that the parser stops here
        self._in_headers = False
        self._header_bytes = 0
        super().on_headers_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        cycle.__class__ = Cycle  # the server makes it itself
        super()._start_asgi_task(cycle, app)

    def _fault_in_headers(self) -> ScimError | None:
        if self._header_bytes > MAX_HEADER_BYTES:  # part of it may be body
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > MAX_HEADER_BYTES:
                return HeadersTooLargeError()
        if self.parser.should_upgrade() and _BODY & {name for name, _ in self.headers}:
            # the parser would take the body for another protocol, and what comes after for a request
            return InvalidSyntaxError("A request with a body cannot ask for another protocol.")
        return None

    def shutdown(self) -> None:
        """Ends a connection between two requests, and one on which a client waits for events: it comes back."""
        super().shutdown()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.scope["path"].endswith(WAITING):
            cycle.disconnected = True
            cycle.message_event.set()
            if self.flow.write_paused:  # what the client does not take would be waited for
                self.transport.abort()
            else:
                self.transport.close()

    def on_message_complete(self) -> None:
        """What follows is another request."""
        self._stop_clock()
        super().on_message_complete()
        self.scope["extensions"] = _WHOLE
        self._in_headers = True
        if self.cycle.response_complete:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """Reads past what is left of a body whose request is answered, within a deadline.

        Closing the connection at once would reset it, and most clients would lose the answer.
        """
        super().on_response_complete()
        if self._in_headers or not self.cycle.response_complete or self.transport.is_closing():
            return
        if self.expect_100_continue:
            self.transport.close()  # the client has not begun to send the body
        else:
            self._start_clock()

    def pause_writing(self) -> None:
        """The client takes less than there is to say: it has a while to go on."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.response_deadline, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken a good part of it."""
        self._stop_stalled()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Ends a connection on which nothing has happened for long, whether its client took the last answer or not."""
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP."""
        self._refuse(InvalidSyntaxError(f"The request is not valid HTTP: {msg}"))

    def _start_clock(self) -> None:
        self._deadline = self.loop.call_later(self.header_deadline, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_slow(self) -> None:
        if self._header_bytes:
            self._refuse(RequestTimeoutError("The request's headers did not arrive in time."))
        else:
            self.transport.close()

    def _refuse(self, error: ScimError, header: bytes = b"") -> None:
        self._stop_clock()
        if self.transport.is_closing():
            return
        body = orjson.dumps(error_message(error))
        self.transport.write(
            b"HTTP/1.1 %d %s\r\n%sconnection: close\r\n" % (error.status, _REASONS[error.status], header)
            + b"content-type: application/scim+json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
        )
        self.transport.close()
