"""The ASGI application: health, SCIM, and a SCIM error for everything else."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from headcount.http.admission import Admission
from headcount.http.logs import AccessLog, Line
from headcount.http.requests import Receive, RequestIds, Scope, Send
from headcount.http.responses import Response, error_response, json_response
from headcount.http.scim import ScimEndpoints
from headcount.scim.errors import MethodNotAllowedError, NotFoundError, UnavailableError
from headcount.store.interface import OutdatedSchemaError, Store, StoreError

_BETWEEN_STARTS: Final = 1.0
"""Seconds."""
_SCIM_PATHS: Final = ("/t/", "/scim", "/manage", "/oauth/", "/.well-known/")


class Application:
    """Everything that one process serves.

    `start` builds what requests need once the event loop runs, and gives what `stop` is to be called with.
    """

    def __init__(self, start: Callable[[], Awaitable["Serving"]]) -> None:
        self._start = start
        self._serving: Serving | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if self._serving is None:
            await _answer_while_starting(scope, send)
        elif not scope["path"].startswith(_SCIM_PATHS):
            await _answer(self._serving, scope, send, _other)
        elif self._serving.admission.is_full:
            await _answer(self._serving, scope, send, _refuse)
        else:
            await self._serving.scim(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        starting = None
        try:
            self._serving = await self._start()
        except Exception as error:  # noqa: BLE001  told to the server, which stops
            if isinstance(error, OutdatedSchemaError) or not isinstance(error, StoreError):
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            starting = asyncio.create_task(self._keep_starting(error))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if starting is not None:
            starting.cancel()
        if self._serving is not None:
            await self._serving.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _keep_starting(self, error: StoreError) -> None:
        """Until the database is there: a server whose workers gave up would stay down when the database comes back."""
        while self._serving is None:
            structlog.get_logger().warning("waiting for the database", reason=str(error))
            await asyncio.sleep(_BETWEEN_STARTS)
            try:
                self._serving = await self._start()
            except StoreError as again:
                error = again


class Serving:
    """What requests need: the SCIM endpoints, the store, and what every request leaves behind."""

    def __init__(
        self,
        scim: ScimEndpoints,
        store: Store,
        log: AccessLog,
        ids: RequestIds,
        admission: Admission,
        stop: Callable[[], Awaitable[None]],
    ) -> None:
        self.scim = scim
        self.admission = admission
        self.store = store
        self.log = log
        self.ids = ids
        self.stop = stop


async def _healthz(_serving: Serving) -> Response:
    """Alive: the event loop answers."""
    return json_response({"status": "ok"})


async def _readyz(serving: Serving) -> Response:
    """Ready: the database can be reached and its migrations are current."""
    try:
        await serving.store.ready()
    except StoreError:
        return error_response(UnavailableError("The database cannot be reached, or is not current."))
    return json_response({"status": "ready"})


_PAGES: Final = {"/healthz": _healthz, "/readyz": _readyz}


async def _answer_while_starting(scope: Scope, send: Send) -> None:
    """Alive, but not ready."""
    response = json_response({"status": "ok"})
    if scope["path"] != "/healthz":
        response = error_response(UnavailableError("The database cannot be reached."))
    await response.send(send, b"-")


_Answering = Callable[[Serving, str, str], Awaitable[Response]]


async def _answer(serving: Serving, scope: Scope, send: Send, answering: _Answering) -> None:
    """Everything that the SCIM endpoints do not. Probes ask every few seconds and leave no line."""
    started = time.perf_counter()
    path, method = scope["path"], scope["method"]
    request_id = serving.ids.of(dict(scope["headers"]).get(b"x-request-id"))
    response = await answering(serving, path, method)
    await response.send(send, request_id.encode())
    if path not in _PAGES:
        seconds = time.perf_counter() - started
        line = Line(time.time(), method, scope["raw_path"], response.status, seconds, request_id, "", "", response.sent)
        serving.log.record(line)


async def _refuse(_serving: Serving, _path: str, _method: str) -> Response:
    """More than this process can do at a time."""
    return error_response(UnavailableError("Too many requests are under way; try again."))


async def _other(serving: Serving, path: str, method: str) -> Response:
    page = _PAGES.get(path)
    if page is None:
        return error_response(NotFoundError("There is nothing here; SCIM is at /t/{tenant}/scim/v2."))
    if method not in ("GET", "HEAD"):
        return error_response(MethodNotAllowedError(("GET",)))
    return await page(serving)
