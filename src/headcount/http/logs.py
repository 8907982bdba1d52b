"""Logs: structured, without secrets and query strings, and an access log that hardly costs anything."""

import asyncio
import logging
import os
import sys
from collections.abc import MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
import structlog

_SECRET: Final = ("authorization", "password", "token", "secret", "digest", "cookie")
_HIDDEN: Final = "[redacted]"
_PLAIN: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
"""Tracebacks without local variables, which hold bodies, passwords and tokens."""
_FLUSH_SECONDS: Final = 0.1
_FLUSH_LINES: Final = 1_000


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor that hides the values of members whose names speak of secrets, and query strings."""
    for name, value in event.items():
        if name != "token_id" and any(word in name.lower() for word in _SECRET):
            event[name] = _HIDDEN
        elif name in ("path", "url") and isinstance(value, str):
            event[name] = value.partition("?")[0]
    return event


def configure_logs(log_format: str, level: str) -> None:
    """Sends this program's logs, and those of its libraries, to standard error in one format."""
    number = getattr(logging, level.upper())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        redact,
    ]
    if log_format == "json":
        shared += [structlog.processors.ExceptionRenderer(_PLAIN), structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        shared.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain))
    structlog.configure(
        processors=shared,
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = _ToStructlog()
    for name in ("uvicorn", "uvicorn.error", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(max(number, logging.WARNING))


class _ToStructlog(logging.Handler):
    """Passes the records of the standard library's loggers on."""

    def emit(self, record: logging.LogRecord) -> None:
        """Logs a record under its logger's name."""
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None
        )


class Line(NamedTuple):
    """One answered request."""

    at: float
    """Seconds since the epoch."""
    method: str
    path: bytes
    """As it was sent, percent-encoded, without the query string."""
    status: int
    seconds: float
    request_id: str
    tenant: str
    token_id: str
    size: int
    """Bytes of the body that was sent."""


class AccessLog:
    """A line for each request, collected and written a few times a second: a line costs one or two microseconds."""

    def __init__(self, log_format: str, *, enabled: bool) -> None:
        self._render = _json_line if log_format == "json" else _text_line
        self._enabled = enabled
        self._lines: list[bytes] = []
        self._scheduled = False

    def record(self, line: "Line") -> None:
        """One answered request."""
        if not self._enabled:
            return
        self._lines.append(self._render(line))
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)
        elif len(self._lines) >= _FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was collected."""
        self._scheduled = False
        lines, self._lines = self._lines, []
        if lines:
            os.write(sys.stderr.fileno(), b"".join(lines))


def _json_line(line: Line) -> bytes:
    return orjson.dumps(
        {
            "event": "request",
            "level": "info",
            "timestamp": datetime.fromtimestamp(line.at, UTC),
            "method": line.method,
            "path": line.path.decode("latin-1"),
            "status": line.status,
            "milliseconds": round(line.seconds * 1000, 2),
            "request_id": line.request_id,
            "tenant": line.tenant,
            "token_id": line.token_id,
            "bytes": line.size,
        },
        option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z,
    )


def _text_line(line: Line) -> bytes:
    path = line.path.decode("latin-1")
    if not (path.isascii() and path.isprintable()) or "\\" in path:
        path = path.encode("unicode_escape").decode()  # no control character reaches a terminal
    second, fraction = divmod(line.at, 1)
    took = f"{line.seconds * 1000:.2f} ms {line.size} bytes"
    return (
        f"{_second(second)}.{int(fraction * 1000):03d}Z {line.status} {line.method} {path} {took} "
        f"{line.request_id} {line.tenant}\n"
    ).encode()


@lru_cache(maxsize=2)
def _second(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()[:-6]
