"""The change feed over HTTP: `/t/{tenant}/events`, read once, waited for, or followed as server-sent events.

The operator's own, of tenants, connections and tokens, is at `/scim/events`.
"""

import asyncio
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import astuple
from itertools import zip_longest
from typing import Final

import orjson

from headcount.directory.identifiers import now
from headcount.directory.permissions import Fence
from headcount.directory.tokens import Access
from headcount.events.feed import Batch, Feed, Item, SnapshotPlace, Wish, known_types, names_of_types
from headcount.events.notifier import Notifier
from headcount.events.telling import text_of
from headcount.events.types import LOCKED_OUT
from headcount.http.admission import Admission
from headcount.http.call import Call
from headcount.http.gate import Service
from headcount.http.json_body import decode_json
from headcount.http.requests import Receive, query_parameters
from headcount.http.responses import Header, Response, json_response
from headcount.scim.errors import (
    InvalidSyntaxError,
    InvalidValueError,
    MethodNotAllowedError,
    NotFoundError,
    ScimError,
)
from headcount.scim.registry import Registry, ResourceType
from headcount.scim.scopes import Operation
from headcount.store.interface import StoreError

EVENT_STREAM: Final[Header] = (b"content-type", b"text/event-stream")
JSON: Final[Header] = (b"content-type", b"application/json")
MOST_EVENTS: Final = 1_000
MOST_WAIT: Final = 60
"""Seconds that a request waits for something to happen."""
BEAT: Final = 15.0
"""Seconds after which a stream without events says that it is alive, unless it asks for others by `wait`."""
_CONSUMER: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")

ReadBody = Callable[[Call, int], Awaitable[bytes]]
Admit = Callable[[Call], Awaitable[tuple[Access, Service]]]
"""Lets the caller in, or raises: also one who was let in a while ago."""


class EventEndpoints:
    """Answers requests for events."""

    def __init__(self, notifier: Notifier, body_of: ReadBody, admit: Admit, admission: Admission) -> None:
        self._notifier = notifier
        self._body_of = body_of
        self._admit = admit
        self._admission = admission

    async def respond(self, call: Call, rest: list[str], service: Service) -> Response:
        """The response to an authenticated call; `rest` is what stands behind `events` in its path."""
        handlers = _HANDLERS.get("/".join(rest))
        if handlers is None:
            raise NotFoundError
        handler = handlers.get("GET" if call.method == "HEAD" else call.method)
        if handler is None:
            raise MethodNotAllowedError(tuple(handlers))
        return await handler(self, call, self._feed(call, service), service.tenant.registry)

    async def read(self, call: Call, feed: Feed, registry: Registry) -> Response:
        """What followed a position: at once, within `wait` seconds, or as an endless stream."""
        parameters = query_parameters(call.query)
        wish = _wish(parameters, registry)
        streams = b"text/event-stream" in call.headers.get("accept", b"") and call.method == "GET"
        text = parameters.get("after", "")
        if streams and "last_event_id" in call.headers:
            text = call.headers["last_event_id"].decode("latin-1")
        after = await feed.position() if text == "now" else _number("after", text or "0")
        wait = min(_number("wait", parameters.get("wait", "0")), MOST_WAIT)
        batch = await feed.read(after, wish, call.feed_permissions)  # what is wrong is said before a stream begins
        if streams:
            pieces = _stream(_Listener(call, feed, wish, self.again), batch, wait or BEAT)
            return Response(200, pieces=pieces, content_type=EVENT_STREAM)
        if wait and not batch.events and not batch.more:
            batch = await self._waited(_Listener(call, feed, wish, self.again), batch, wait)
        events = b",".join(map(text_of, batch.events))
        more = b"true" if batch.more else b"false"
        return Response(200, b'{"events":[%b],"next":%d,"more":%b}' % (events, batch.next, more), content_type=JSON)

    async def again(self, call: Call) -> Feed:
        """The feed for a client that has waited; raises when it is not let in any more."""
        _, service = await self._admit(call)
        return self._feed(call, service)

    async def _waited(self, listener: "_Listener", batch: Batch, wait: float) -> Batch:
        """What happens while a client waits, which takes nobody's place meanwhile."""
        self._admission.leave()
        try:
            return await listener.next(batch.next, wait) or batch
        finally:
            self._admission.enter()
            listener.close()

    def _feed(self, call: Call, service: Service) -> Feed:
        store, registry = service.resources.store, service.tenant.registry
        return Feed(
            store, call.tenant_name, registry, self._notifier, lambda permissions: Fence(permissions, registry, store)
        )

    async def snapshot(self, call: Call, feed: Feed, registry: Registry) -> Response:
        """A page of all resources, and the position to read the feed from once the last page is read."""
        parameters = query_parameters(call.query)
        kinds = _kinds(parameters.get("types", ""), registry, call)
        place = _place(parameters["cursor"]) if parameters.get("cursor") else None
        limit = _limit(parameters)
        began, items, following = await feed.snapshot(kinds, place, limit, call.feed_permissions)
        head = b'{"position":%d,' % began.position
        if following is not None:
            head += b'"nextCursor":"%b",' % _cursor(following)
        body = head + b'"resources":[' + b",".join(map(_item, items)) + b"]}"
        return Response(200, body, content_type=JSON)

    async def acknowledge(self, call: Call, feed: Feed, _registry: Registry) -> Response:
        """Keeps how far a named consumer has come."""
        body = decode_json(await self._body_of(call, 10_000))
        if not isinstance(body, Mapping):
            raise InvalidSyntaxError("The body must be a JSON object with 'consumer' and 'position'.")
        consumer, position = body.get("consumer"), body.get("position")
        if not isinstance(consumer, str) or not _CONSUMER.fullmatch(consumer):
            raise InvalidValueError("'consumer' is a name of 1 to 100 letters, digits, dots, hyphens and underscores.")
        if "position" not in body or (position is not None and type(position) is not int):
            raise InvalidValueError("'position' is a whole number, or null to forget the consumer.")
        await feed.acknowledge(consumer, position, at=now(), actor=call.access.token_id if call.access else "")
        return Response(204)

    async def consumers(self, _call: Call, feed: Feed, _registry: Registry) -> Response:
        """How far each named consumer has come."""
        return json_response({"consumers": await feed.consumers()}, content_type=JSON)


_Handler = Callable[[EventEndpoints, Call, Feed, Registry], Awaitable[Response]]

_HANDLERS: Final[Mapping[str, Mapping[str, _Handler]]] = {
    "": {"GET": EventEndpoints.read},
    "snapshot": {"GET": EventEndpoints.snapshot},
    "ack": {"POST": EventEndpoints.acknowledge},
    "consumers": {"GET": EventEndpoints.consumers},
}


class _Listener:
    """One client that waits for events: for as long as it stays, and is let in."""

    def __init__(self, call: Call, feed: Feed, wish: Wish, again: Callable[[Call], Awaitable[Feed]]) -> None:
        self._call = call
        self._feed = feed
        self._wish = wish
        self._again = again
        self._gone = asyncio.ensure_future(_gone(call.receive))

    async def next(self, after: int, wait: float) -> Batch | None:
        """What followed a position, within so many seconds; None once the client has gone.

        Raises UnauthorizedError and the like for one that is not let in any more: tokens end, and scopes change.
        """
        permissions = self._call.feed_permissions
        reading = asyncio.ensure_future(self._feed.read(after, self._wish, permissions, wait=wait))
        try:
            await asyncio.wait((self._gone, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            reading.cancel()
        if not reading.done():
            return None
        batch = reading.result()
        self._feed = await self._again(self._call)
        if self._call.feed_permissions is permissions:
            return batch
        return await self._feed.read(after, self._wish, self._call.feed_permissions)

    def close(self) -> None:
        """The client is waited for no longer."""
        self._gone.cancel()


async def _stream(listener: _Listener, batch: Batch | None, beat: float) -> AsyncIterator[bytes]:
    """Server-sent events until the client goes, or would be refused: it comes back, and is told why."""
    yield b"retry: 2000\n\n"
    try:
        with suppress(ScimError, StoreError):
            while batch is not None:
                yield _told(batch)
                batch = await listener.next(batch.next, beat)
    finally:
        listener.close()


def _told(batch: Batch) -> bytes:
    """A batch as server-sent events.

    What a stream is resumed by is the id, so that of several events with one position only the last has one.
    """
    if not batch.events:
        return b"id: %d\n: nothing\n\n" % batch.next
    pieces = []
    for event, following in zip_longest(batch.events, batch.events[1:]):
        if following is None or following.position != event.position:
            pieces.append(b"id: %d\n" % event.position)
        pieces.append(b"event: %b\ndata: %b\n\n" % (event.type.encode(), text_of(event)))
    return b"".join(pieces)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wish(parameters: Mapping[str, str], registry: Registry) -> Wish:
    types = names_of_types(parameters.get("types", ""), known_types(registry))
    if LOCKED_OUT in types and len(types) > 1:
        raise InvalidValueError(f"'{LOCKED_OUT}' stands in no order with others: ask for it by itself.")
    return Wish(types, parameters.get("resource", ""), _limit(parameters))


def _limit(parameters: Mapping[str, str]) -> int:
    return min(max(_number("limit", parameters.get("limit", "100")), 1), MOST_EVENTS)


def _number(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:  # noqa: PLR2004  what fits into 64 bits
        raise InvalidValueError(f"'{name}' is a whole number, not '{text[:40]}'.")
    return int(text)


def _kinds(text: str, registry: Registry, call: Call) -> list[ResourceType]:
    """The resource types of a snapshot: those named, or all that the client may read."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in registry.by_name]
    if unknown:
        raise InvalidValueError(f"There is no resource type '{unknown[0]}'.")
    kinds = [kind for kind in registry.resource_types if not names or kind.name in names]
    return [kind for kind in kinds if call.feed_permissions.of(kind).may(Operation.READ)]


def _item(item: Item) -> bytes:
    members = b"" if item.members is None else b',"members":' + orjson.dumps(item.members)
    described = orjson.dumps({"type": item.type, "id": item.id, "version": item.version})[:-1]
    return described + b',"resource":' + item.document + members + b"}"


def _cursor(place: SnapshotPlace) -> bytes:
    return urlsafe_b64encode(orjson.dumps(astuple(place))).rstrip(b"=")


def _place(text: str) -> SnapshotPlace:
    """Where a snapshot goes on; nothing that a forged one names is shown to who may not see it."""
    try:
        position, kind, after = orjson.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, TypeError):
        raise InvalidValueError("'cursor' is none that a snapshot has given.") from None
    if not isinstance(position, int) or not isinstance(kind, str) or not isinstance(after, str):
        raise InvalidValueError("'cursor' is none that a snapshot has given.")
    return SnapshotPlace(position, kind, after)
