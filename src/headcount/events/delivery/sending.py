"""Queued events sent to an endpoint, signed as Standard Webhooks has it, each at least once.

An event that fails blocks its order key, the changed resource, until it is delivered or parked; others go on. Every
attempt has the same `webhook-id`, so that a receiver knows what it has had.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import orjson
from standardwebhooks import Webhook

from headcount.events.delivery.endpoints import Endpoints
from headcount.events.delivery.retries import DEAD_AFTER, instant_in, pause_after
from headcount.events.delivery.turns import Turns
from headcount.events.types import LOCKED_OUT
from headcount.events.webhooks.subscription import DELIVERIES, LOCKED, TROUBLE, Subscription, Subscriptions
from headcount.store.keeping import Line, Put, Task, TenantKeeping

CONCURRENCY: Final = 16
"""Requests under way to one endpoint from one loop."""
_SETTLING: Final = 5.0
"""Seconds in which what became of requests is written down."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one request to an endpoint ended."""

    status: int
    """0 when there was no answer."""
    seconds: float
    answer: str
    """The beginning of the answer, or what went wrong."""

    @property
    def is_delivered(self) -> bool:
        """Whether the endpoint has taken it."""
        return 200 <= self.status < 300  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class _Message:
    tasks: tuple[Task, ...]
    id: str
    type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """What became of some tasks."""

    taken: int
    delivered: int


_Outcome = tuple[_Message, Attempt | None]


class Delivery:
    """Delivers what is queued for one subscription."""

    def __init__(
        self, store: TenantKeeping, subscription: Subscription, endpoints: Endpoints, holder: str, turns: Turns
    ) -> None:
        self._store = store
        self._subscription = subscription
        self._endpoints = endpoints
        self._holder = holder
        self._turns = turns

    async def take(self, queue: str, most: int) -> Sequence[Task]:
        """Some of what is due, held long enough to be delivered."""
        until = instant_in(2 * self._endpoints.timeout + _SETTLING)
        return await self._store.take(queue, self._holder, now=instant_in(0), until=until, limit=most)

    async def deliver(self, queue: str, tasks: Sequence[Task]) -> Done:
        """Delivers what was taken in order, some of it at a time and each when its turn comes.

        No request begins once others took the endpoint's whole time, so that what was taken is let go of or written
        down before its hold ends: two workers deliver the same only when one of them is lost.
        """
        trouble = await self._trouble(tasks)
        limit = asyncio.Semaphore(CONCURRENCY)
        deadline = time.monotonic() + self._endpoints.timeout

        async def send(message: _Message) -> _Outcome:
            async with limit:
                await self._turns.take()
                is_late = time.monotonic() > deadline
                return message, None if is_late else await attempt(self._endpoints, self._subscription, message)

        messages = _messages(tasks, self._subscription.batch_size, self._gaps(tasks, trouble))
        return await self._settle(queue, await asyncio.gather(*map(send, messages)), trouble)

    async def deliver_urgently(self, queue: str, tasks: Sequence[Task]) -> Done:
        """Delivers lock-outs at once, each by itself so that its proof is found; others go on when all are sent."""

        async def send(message: _Message) -> _Outcome:
            return message, await attempt(self._endpoints, self._subscription, message, urgent=True)

        sending = asyncio.gather(*map(send, _messages(tasks, 1, set())))
        await asyncio.sleep(0)
        self._turns.let_go()
        return await self._settle(queue, await sending, None)

    async def check(self, subscriptions: Subscriptions) -> None:
        """Disables an endpoint that nothing could be delivered to for days."""
        since = await self._store.entry(TROUBLE, self._subscription.id)
        if since is None:
            await self._store.put([Put(TROUBLE, self._subscription.id, instant_in(0).encode())])
            return
        began = since.value.decode()
        if datetime.now(UTC) - datetime.fromisoformat(began) > DEAD_AFTER:
            await subscriptions.disable(self._subscription, f"nothing could be delivered since {began}")
            await self._store.put([Put(TROUBLE, self._subscription.id, None)])

    async def _settle(self, queue: str, outcomes: Sequence[_Outcome], trouble: set[str] | None) -> Done:
        """Writes down what became of requests: the log first, for it is the proof that they were answered."""
        lines = [(message.type, self._line(message, found)) for message, found in outcomes if found is not None]
        if lines:
            await self._store.append(DELIVERIES, [line for _, line in lines])
        if proof := [_proof(line) for kind, line in lines if kind == LOCKED_OUT]:
            await self._store.append(LOCKED, proof)
        delivered = [task for message, found in outcomes if found and found.is_delivered for task in message.tasks]
        if delivered:
            await self._store.finish(queue, self._holder, [task.id for task in delivered])
            known = await self._trouble(()) if trouble is None else trouble
            over = {self._subscription.id, *map(self._gap, delivered)} & known
            if over:
                await self._store.put([Put(TROUBLE, key, None) for key in over])
        for message, found in outcomes:
            if found is None or not found.is_delivered:
                await self._put_off(queue, message, found)
        return Done(sum(len(message.tasks) for message, _ in outcomes), len(delivered))

    async def _put_off(self, queue: str, message: _Message, found: Attempt | None) -> None:
        reason = "not tried" if found is None else f"{found.status or 'no answer'}: {found.answer[:200]}"
        for task in message.tasks:
            pause = 0.0 if found is None else pause_after(task.attempts + 1)
            if pause is not None:
                await self._store.put_off(queue, self._holder, task.id, due=instant_in(pause), reason=reason)
                continue
            if task.order_key:
                await self._store.put([Put(TROUBLE, self._gap(task), b"1")])
            await self._store.park(queue, self._holder, task.id, reason=reason)

    async def _trouble(self, tasks: Sequence[Task]) -> set[str]:
        """What there was: the keys of entries about these tasks and about their endpoint."""
        keys = {self._subscription.id, *map(self._gap, tasks)}
        return {entry.key for entry in await self._store.entries_of(TROUBLE, list(keys))}

    def _gaps(self, tasks: Sequence[Task], trouble: set[str] | None) -> set[str]:
        """The order keys of which an event was parked before."""
        return {task.order_key for task in tasks if trouble and self._gap(task) in trouble}

    def _gap(self, task: Task) -> str:
        return f"{self._subscription.id}/{task.order_key}"

    def _line(self, message: _Message, found: Attempt) -> Line:
        value = {
            "webhookId": message.id,
            "type": message.type,
            "url": self._subscription.url,
            "tasks": [task.id for task in message.tasks],
            "attempt": message.tasks[0].attempts + 1,
            "bytes": len(message.body),
            "status": found.status,
            "milliseconds": round(found.seconds * 1000, 1),
            "answer": found.answer,
        }
        return Line(instant_in(0), orjson.dumps(value), self._subscription.id)


async def attempt(
    endpoints: Endpoints, subscription: Subscription, message: _Message, *, urgent: bool = False
) -> Attempt:
    """Sends one signed request; never raises for what the endpoint does."""
    headers = signed(subscription.secrets, message.id, message.body, datetime.now(UTC))
    started = time.perf_counter()
    status, answer = await endpoints.post(subscription.url, message.body, headers, urgent=urgent)
    return Attempt(status, time.perf_counter() - started, answer)


def signed(secrets: Sequence[str], message_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of a request, signed with every secret that is valid (Standard Webhooks)."""
    text = body.decode()
    return {
        "content-type": "application/json",
        "user-agent": "Headcount",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(_signer(secret).sign(message_id, now, text) for secret in secrets),
    }


_signer: Final = lru_cache(maxsize=1_000)(Webhook)
"""What signs with a secret; to read the secret takes longer than to sign."""


def _messages(tasks: Sequence[Task], batch_size: int, gaps: set[str]) -> list[_Message]:
    """One request for each task, or for some of them together."""
    parts = [tasks[start : start + batch_size] for start in range(0, len(tasks), batch_size)]
    return [_message(part, gaps) for part in parts]


def _message(tasks: Sequence[Task], gaps: set[str]) -> _Message:
    opened = [_opened(task, task.order_key in gaps) for task in tasks]
    if len(opened) == 1:
        header, body = opened[0]
        return _Message(tuple(tasks), header["id"], header["type"], body)
    ids = orjson.dumps([header["id"] for header, _ in opened])
    body = b'{"type":"batch","events":[' + b",".join(body for _, body in opened) + b"]}"
    return _Message(tuple(tasks), f"batch.{sha256(ids).hexdigest()}", "batch", body)


def _opened(task: Task, has_gap: bool) -> tuple[dict[str, Any], bytes]:  # noqa: FBT001
    header, _, body = task.value.partition(b"\n")
    if has_gap:
        body = body[:-2] + b',"gapBefore":true}}'
    return orjson.loads(header), body


def _proof(line: Line) -> Line:
    """An attempt to tell of a lock-out, found by its `webhook-id`."""
    return Line(line.at, line.value, orjson.loads(line.value)["webhookId"])
