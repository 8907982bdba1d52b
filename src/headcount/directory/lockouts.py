"""The proof that somebody was locked out: when the change was accepted, and who has taken note of it."""

from typing import Final

import orjson

from headcount.directory.operator_resources import OperatorResources
from headcount.directory.webhooks import Webhooks
from headcount.events.feed import ACKNOWLEDGED, CONSUMERS
from headcount.events.telling import INACTIVE, events_of, lock_out_of, locks_out
from headcount.events.types import Event
from headcount.events.webhooks.subscription import LOCKED, Subscription
from headcount.scim.errors import NotFoundError
from headcount.scim.folding import fold
from headcount.scim.registry import build_registry
from headcount.scim.schemas import Json
from headcount.scim.scopes import UNRESTRICTED
from headcount.store.administration import DatabaseStore
from headcount.store.keeping import ChangeRow, TenantKeeping

_PAGE: Final = 1_000
_WINDOW: Final = 10_000
"""Positions."""


class LockOuts:
    """Looks lock-outs up."""

    def __init__(self, store: DatabaseStore, operator: OperatorResources, webhooks: Webhooks) -> None:
        self._store = store
        self._operator = operator
        self._webhooks = webhooks

    async def show(self, tenant: str, user: str) -> dict[str, Json]:
        """The last lock-out of a user, by id or userName; raises NotFoundError when there was none."""
        await self._operator.check_tenant(tenant)
        store = self._store.for_tenant(tenant)
        while await store.sequence_changes():
            pass
        event = await _last(store, tenant, user)
        if event is None:
            raise NotFoundError(f"The user '{user}' was not locked out of '{tenant}', as far back as the log is kept.")
        subscriptions = [item for item in await self._webhooks.active() if item.tenant == tenant]
        told = [await _told(store, item, event) for item in subscriptions if item.wish.wants(lock_out_of(event))]
        consumers = [await _acknowledged(store, entry.key, event.position) for entry in await store.entries(CONSUMERS)]
        return {
            "user": event.resource_id,
            "event": event.type,
            "version": event.version,
            "accepted": event.timestamp,
            "actor": event.actor,
            "position": event.position,
            "subscriptions": told,
            "consumers": consumers,
        }


async def _last(store: TenantKeeping, tenant: str, user: str) -> Event | None:
    """The last deactivation or deletion of somebody: of who has that id or name, else of who had that name."""
    holders = [resource_id for _, resource_id in await store.ids_of("User", "user_name", [fold(user)])]
    for resource_id in (user, *holders):
        if event := await _last_among(store, tenant, resource_id=resource_id):
            return event
    return await _last_named(store, tenant, user)


async def _last_named(store: TenantKeeping, tenant: str, name: str) -> Event | None:
    """The last one of somebody who had a name then: the newest rows are looked at first."""
    until, first, size = await store.last_position(), await store.first_position(), _WINDOW
    while until > first:
        after = max(until - size, first - 1, 0)
        if event := await _last_among(store, tenant, name=name, after=after, until=until):
            return event
        until, size = after, 2 * size
    return None


async def _last_among(  # rows of one resource, or of one name
    store: TenantKeeping, tenant: str, *, resource_id: str = "", name: str = "", after: int = 0, until: int = 0
) -> Event | None:
    found: Event | None = None
    while rows := await store.changes_after(
        after, until=until, limit=_PAGE, types=("User",), resource_id=resource_id, marked=INACTIVE
    ):
        after = rows[-1].position
        for row in rows:
            if locks_out(row) and (resource_id or _is_named(row, name)):
                found = next(iter(events_of(row, tenant, _STANDARD, UNRESTRICTED)), found)
    return found


_STANDARD: Final = build_registry()


def _is_named(row: ChangeRow, user: str) -> bool:
    document = row.after or row.before
    return document is not None and fold(str(orjson.loads(document).get("userName", ""))) == fold(user)


async def _told(store: TenantKeeping, subscription: Subscription, event: Event) -> dict[str, Json]:
    """When an endpoint took the lock-out, if it did."""
    wanted = f"{subscription.id}.{lock_out_of(event).id}"
    lines = await store.lines(LOCKED, key=wanted, limit=_PAGE)
    attempts = [(line.at, orjson.loads(line.value)) for line in lines]
    taken = [at for at, attempt in attempts if 200 <= attempt["status"] < 300]  # noqa: PLR2004
    told: dict[str, Json] = {
        "subscription": subscription.id,
        "url": subscription.url,
        "acknowledged": taken[0] if taken else None,
    }
    if not taken:
        last = attempts[-1][1] if attempts else None
        told["failedAttempts"] = len(attempts)
        told["lastAnswer"] = f"{last['status'] or 'no answer'}: {last['answer'][:100]}" if last else ""
    return told


async def _acknowledged(store: TenantKeeping, consumer: str, position: int) -> dict[str, Json]:
    """When a consumer first said that it had come this far, if it did."""
    at: str | None = None
    before: int | None = None
    while lines := await store.lines(ACKNOWLEDGED, key=consumer, newest_first=True, before=before, limit=_PAGE):
        before = lines[-1].sequence
        for line in lines:
            if orjson.loads(line.value)["position"] < position:
                return {"consumer": consumer, "acknowledged": at}
            at = line.at
    return {"consumer": consumer, "acknowledged": at}
