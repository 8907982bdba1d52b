"""The ASGI application: health, SCIM, and a SCIM error for everything else."""

from collections.abc import Awaitable, Callable
from typing import Final

from headcount.http.requests import Receive, Scope, Send
from headcount.http.responses import Response, error_response, json_response
from headcount.http.scim import ScimEndpoints
from headcount.scim.errors import MethodNotAllowedError, NotFoundError, UnavailableError
from headcount.store.interface import Store, StoreError


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
        assert self._serving is not None, "the lifespan has not started"  # noqa: S101
        if scope["path"].startswith("/t/"):
            await self._serving.scim(scope, receive, send)
        else:
            response = await _other(self._serving, scope["path"], scope["method"])
            await response.send(send, b"-")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._serving = await self._start()
        except Exception as error:  # noqa: BLE001  told to the server, which stops
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._serving.stop()
        await send({"type": "lifespan.shutdown.complete"})


class Serving:
    """What requests need: the SCIM endpoints and the store."""

    def __init__(self, scim: ScimEndpoints, store: Store, stop: Callable[[], Awaitable[None]]) -> None:
        self.scim = scim
        self.store = store
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


async def _other(serving: Serving, path: str, method: str) -> Response:
    page = _PAGES.get(path)
    if page is None:
        return error_response(NotFoundError("There is nothing here; SCIM is at /t/{tenant}/scim/v2."))
    if method not in ("GET", "HEAD"):
        return error_response(MethodNotAllowedError(("GET",)))
    return await page(serving)
