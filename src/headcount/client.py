"""What an application needs to hear of its directory: events in order, and a copy that stays equal.

    client = EventClient("https://scim.example.com/t/acme", token)
    async for event in client.events(after=position): ...

    event = verify_webhook(request.body, request.headers, secret)

Synchronous programs use the same through `headcount.embed.Portal`. Needs `pip install 'headcount[client]'`.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import httpx2
from standardwebhooks import Webhook, WebhookVerificationError

EventObject: TypeAlias = dict[str, Any]
"""An event as it is decoded: `{"type": …, "timestamp": …, "data": {…}}`."""
Key: TypeAlias = tuple[str, str]
"""Resource type and id."""

WAIT: Final = 30
"""Seconds that one request waits for something to happen."""
_PAGE: Final = 1_000
_LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts to reach the server."""


class ResnapshotNeededError(Exception):
    """What followed the position is not kept any more, or an import asks for it: take a new snapshot."""


class RefusedError(Exception):
    """The server refuses, and would again: the token, the scopes or the request are wrong."""


class ForgedError(Exception):
    """A request that says it is a webhook, and is not signed with the secret, or was sent too long ago."""


@dataclass(slots=True)
class Known:
    """What a copy holds of one resource."""

    version: int
    resource: EventObject
    members: set[str] = field(default_factory=set)
    """The ids of a group's members; empty for what has none."""


@dataclass(slots=True)
class Copy:
    """A copy of a tenant's directory, kept equal by applying events in order."""

    position: int = 0
    """Where the feed goes on."""
    resources: dict[Key, Known] = field(default_factory=dict)
    _with_members: set[Key] = field(default_factory=set, repr=False)

    def __iter__(self) -> Iterator[Key]:
        return iter(self.resources)

    def apply(self, event: EventObject) -> bool:
        """Takes an event in; whether it changed anything. What is no newer than the copy is skipped."""
        data = event["data"]
        self.position = max(self.position, data["position"] - 1)  # more events may have the same position
        resource = data.get("resource")
        if resource is None:
            return False
        key, version = (resource["type"], resource["id"]), resource["version"]
        known = self.resources.get(key)
        kind = event["type"].partition(".")[2]
        if kind == "deleted":
            return self._remove(key)
        if kind == "members" and data.get("reason") == "entered":  # as things are now, whatever the version
            return known is not None and self._move(key, known.version, data)
        if known is not None and version < known.version:
            return False
        if kind == "members":
            return known is not None and self._move(key, version, data)
        if "after" not in data or (known is not None and version == known.version and known.resource == data["after"]):
            return False
        members = known.members if known is not None else set()
        self.resources[key] = Known(version, data["after"], members)
        return True

    def add(self, key: Key, known: Known) -> None:
        """Adds what a snapshot holds of one resource."""
        self.resources[key] = known
        if known.members:
            self._with_members.add(key)

    def _remove(self, key: Key) -> bool:
        """Who is no longer seen is in no group either; of one who left a fence that is not told."""
        for group in self._with_members:
            self.resources[group].members.discard(key[1])
        self._with_members.discard(key)
        return self.resources.pop(key, None) is not None

    def _move(self, key: Key, version: int, data: Mapping[str, Any]) -> bool:
        known = self.resources[key]
        before, known.version = known.members, version
        known.members = (before | set(data.get("added", ()))) - set(data.get("removed", ()))
        self._with_members.add(key)
        return known.members != before


class EventClient:
    """Reads one tenant's events; gives up never on a server that is away, at once on one that refuses."""

    def __init__(self, url: str, token: str, *, http: httpx2.AsyncClient | None = None) -> None:
        """`url` is the tenant's: `https://scim.example.com/t/acme`; `http` may bring proxies and certificates."""
        self._url = url.rstrip("/")
        self._http = http or httpx2.AsyncClient()
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def events(
        self, after: int | str = 0, *, types: Collection[str] = (), resource: str = ""
    ) -> AsyncIterator[EventObject]:
        """Events behind a position, or from `now` on, without end; waits where nothing happens.

        Several events may share a position. Whoever comes back goes on behind `position - 1` of the last event he
        had, and skips those whose `id` he has had. Raises ResnapshotNeededError and RefusedError.
        """
        async for events, _ in self._batches(after, types, resource):
            for event in events:
                yield event

    async def snapshot(self, types: Collection[str] = ()) -> Copy:
        """A copy of everything the token may read; `position` is where its events go on."""
        copy = Copy()
        cursor = ""
        while True:
            asked = {"limit": str(_PAGE), "types": ",".join(types), "cursor": cursor}
            page = await self._get("/snapshot", asked)
            copy.position = page["position"]
            for item in page["resources"]:
                known = Known(item["version"], item["resource"], set(item.get("members", ())))
                copy.add((item["type"], item["id"]), known)
            cursor = page.get("nextCursor", "")
            if not cursor:
                return copy

    async def follow(self, copy: Copy) -> AsyncIterator[EventObject]:
        """Keeps a copy equal, event by event; gives each event that changed it.

        Raises ResnapshotNeededError when the copy is too old, or an import has changed very much.
        """
        async for events, following in self._batches(copy.position, (), ""):
            for event in events:
                if event["type"] == "snapshot.needed":
                    raise ResnapshotNeededError(event["data"]["id"])
                if copy.apply(event):
                    yield event
            copy.position = following

    async def acknowledge(self, consumer: str, position: int) -> None:
        """Tells the server how far a named consumer has come."""
        await self._send("POST", "/ack", json={"consumer": consumer, "position": position})

    async def _batches(
        self, after: int | str, types: Collection[str], resource: str
    ) -> AsyncIterator[tuple[list[EventObject], int]]:
        asked = {"types": ",".join(types), "resource": resource, "limit": str(_PAGE), "wait": str(WAIT)}
        while True:
            page = await self._get("", {**asked, "after": str(after)})
            after = page["next"]
            yield page["events"], page["next"]

    async def _get(self, path: str, query: Mapping[str, str]) -> Any:
        given = {name: value for name, value in query.items() if value}
        response = await self._send("GET", path, params=given)
        return response.json()

    async def _send(self, method: str, path: str, **arguments: Any) -> httpx2.Response:
        """The answer, tried again for as long as the server is away or overloaded."""
        pause = 0.25
        while True:
            response = await self._attempt(method, path, **arguments)
            if response is not None and response.is_success:
                return response
            if response is not None:
                _check_refusal(response)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret, only no herd
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _attempt(self, method: str, path: str, **arguments: Any) -> httpx2.Response | None:
        url = f"{self._url}/events{path}"
        try:
            return await self._http.request(method, url, headers=self._headers, timeout=WAIT + 15, **arguments)
        except httpx2.TransportError:
            return None


def verify_webhook(body: bytes | str, headers: Mapping[str, str], secret: str) -> EventObject:
    """The event, or batch of events, in the body of a webhook request, once its signature is checked.

    `body` is what arrived, to the byte. Raises ForgedError: answer 401, and do nothing else.
    """
    try:
        event: EventObject = Webhook(secret).verify(body, {name.lower(): value for name, value in headers.items()})
    except (WebhookVerificationError, ValueError) as error:
        raise ForgedError(str(error)) from error
    return event


def _check_refusal(response: httpx2.Response) -> None:
    status = response.status_code
    if status == 410:  # noqa: PLR2004
        raise ResnapshotNeededError(response.text)
    if 400 <= status < 500 and status not in (408, 429):  # noqa: PLR2004
        raise RefusedError(f"{status}: {response.text[:500]}")
