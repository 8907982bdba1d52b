"""Webhook subscriptions managed: made, tested, rotated, looked at, and given to the delivery worker.

Secrets are kept sealed, apart from the subscriptions, because deliveries have to be signed with them.
"""

import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
import structlog

from headcount.directory.identifiers import new_id, now
from headcount.directory.operator import BY_COMMAND, as_dictionary, decoded, find_all, request_of
from headcount.directory.operator_resources import OperatorResources, webhook_scopes
from headcount.directory.operator_schemas import WEBHOOK
from headcount.directory.permissions import Fence
from headcount.directory.resources import Request
from headcount.directory.tenants import Tenants
from headcount.events.feed import Wish
from headcount.events.listening import Listener
from headcount.events.types import TEST, Event
from headcount.events.webhooks.dispatching import begin, end, requeue_range, task_of
from headcount.events.webhooks.subscription import DELIVERIES, Subscription
from headcount.scim import urns
from headcount.scim.registry import Registry
from headcount.scim.schemas import Json
from headcount.scim.scopes import Permissions, scopes_of
from headcount.sealing import NotSealedError, Seal
from headcount.store.administration import DatabaseStore
from headcount.store.keeping import Entry, Put, TenantKeeping

OVERLAP: Final = timedelta(hours=24)
"""How long a secret goes on signing once it is rotated."""
SECRETS: Final = "webhook secret"
_SECRET_BYTES: Final = 32
ROTATED: Final = "webhookSubscription.rotated"
"""The mark that a new secret leaves."""


class Webhooks:
    """The webhook subscriptions of an installation."""

    def __init__(self, store: DatabaseStore, operator: OperatorResources, tenants: Tenants, seal: Seal) -> None:
        self._store = store
        self._operator = operator
        self._tenants = tenants
        self._seal = seal
        self._made: dict[str, tuple[Json, Registry, Subscription]] = {}
        operator.webhook_made = self._begin
        operator.webhook_gone = self._end

    async def create(self, tenant: str, name: str, url: str, **settings: Json) -> dict[str, Json]:
        """A new subscription; its `secret` is shown this once."""
        body = {"schemas": [WEBHOOK.schema.id], "tenant": tenant, "name": name, "url": url, **settings}
        return decoded(await self._operator.create(WEBHOOK, body, BY_COMMAND))

    async def all(self, tenant: str | None = None) -> list[dict[str, Json]]:
        """All subscriptions, or those of one tenant."""
        if tenant is not None:
            await self._operator.check_tenant(tenant)
        equals = None if tenant is None else ("tenant", tenant)
        return [item async for item in find_all(self._operator, WEBHOOK, equals)]

    async def get(self, subscription_id: str) -> dict[str, Json]:
        """One subscription; raises NotFoundError."""
        return as_dictionary(await self._operator.stored(WEBHOOK, subscription_id, groups=False))

    async def delete(self, subscription_id: str) -> None:
        """Removes a subscription; what is queued for it is not delivered any more."""
        await self._operator.delete(WEBHOOK, subscription_id, BY_COMMAND)

    async def rotate(self, subscription_id: str, *, by: Request = BY_COMMAND) -> str:
        """A new secret; the one before goes on signing for a day."""
        tenant = (await self.get(subscription_id))["tenant"]
        until = (datetime.now(UTC) + OVERLAP).isoformat()
        kept = [{"secret": secret, "until": until} for secret in (await self._secrets(subscription_id))[:1]]
        secret = await self._keep_new_secret(subscription_id, kept)
        await self._tenants.record(ROTATED, tenant, {"subscription": subscription_id}, by)
        return secret

    async def test(self, subscription_id: str) -> str:
        """Queues a test event; gives its `webhook-id`."""
        subscription = await self._one(subscription_id)
        event = Event(
            TEST, now(), f"test.{new_id()}", subscription.tenant, 0, txn="test", actor="cli", request_id="test"
        )
        store = self._of(subscription)
        await store.enqueue(subscription.queue, [task_of(event, subscription, now(), "")])
        return f"{subscription.id}.{event.id}"

    async def deliveries(self, subscription_id: str, *, limit: int = 100) -> list[dict[str, Json]]:
        """The last attempts, the newest first."""
        store = self._of(await self._one(subscription_id))
        lines = await store.lines(DELIVERIES, key=subscription_id, newest_first=True, limit=limit)
        return [{"at": line.at, **orjson.loads(line.value)} for line in lines]

    async def parked(self, subscription_id: str) -> list[dict[str, Json]]:
        """What is not tried any more until it is redelivered."""
        subscription = await self._one(subscription_id)
        tasks = await self._of(subscription).parked(subscription.queue, limit=1_000)
        return [
            {"task": task.id, "reason": task.reason, **orjson.loads(task.value.partition(b"\n")[0])} for task in tasks
        ]

    async def redeliver(self, subscription_id: str, tasks: Sequence[int] = ()) -> int:
        """Makes parked events due again, these or all of them; gives how many."""
        subscription = await self._one(subscription_id)
        store = self._of(subscription)
        chosen = list(tasks) or [task["task"] for task in await self.parked(subscription_id)]
        return await store.requeue(subscription.queue, chosen, due=now())

    async def send_again(self, subscription_id: str, after: int, until: int) -> int:
        """Queues what happened between two positions once more, with the ids it had; gives how many events."""
        subscription = await self._one(subscription_id)
        return await requeue_range(self._of(subscription), subscription, now(), after=after, until=until)

    async def active(self) -> list[Subscription]:
        """The subscriptions of all tenants that are to be served now."""
        served = {tenant["name"]: tenant for tenant in await self._tenants.list() if tenant.get("state") != "suspended"}
        every = [item async for item in find_all(self._operator, WEBHOOK) if item.get("active", True)]
        found = [item for item in every if item["tenant"] in served]
        if not found:
            return []
        pulses = await self._store.pulses(list({item["tenant"] for item in found}))
        registries = {
            name: await self._tenants.registry_at(served[name], pulse.revision) for name, pulse in pulses.items()
        }
        entries = await self._operator.store.entries_of(SECRETS, [item["id"] for item in found])
        secrets_of = {entry.key: self._opened(entry) for entry in entries}
        return [self._made_of(item, registries[item["tenant"]], secrets_of.get(item["id"], [])) for item in found]

    async def disable(self, subscription: Subscription, reason: str) -> None:
        """Ends deliveries to an endpoint that has been dead for long."""
        operations = [
            {"op": "replace", "path": "active", "value": False},
            {"op": "replace", "path": "disabledReason", "value": reason},
        ]
        patch = {"schemas": [urns.PATCH_OP], "Operations": operations}
        await self._operator.patch(WEBHOOK, subscription.id, patch, request_of("delivery"))
        structlog.get_logger().warning("webhook_disabled", subscription=subscription.id, reason=reason)

    async def _begin(self, subscription_id: str, tenant: str) -> str:
        await begin(self._store.for_tenant(tenant), subscription_id)
        return await self._keep_new_secret(subscription_id, [])

    async def _end(self, subscription_id: str, tenant: str) -> None:
        await self._operator.store.put([Put(SECRETS, subscription_id, None)])
        self._made.pop(subscription_id, None)
        await end(self._store.for_tenant(tenant), subscription_id, now())

    async def _keep_new_secret(self, subscription_id: str, older: list[dict[str, str]]) -> str:
        secret = "whsec_" + b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
        content = orjson.dumps([{"secret": secret}, *older])
        sealed = self._seal.seal(content, subscription_id.encode()).encode()
        await self._operator.store.put([Put(SECRETS, subscription_id, sealed)])
        self._made.pop(subscription_id, None)
        return secret

    async def _secrets(self, subscription_id: str) -> list[str]:
        """The secrets that sign now, the newest first; none when the installation key is another one."""
        entry = await self._operator.store.entry(SECRETS, subscription_id)
        return self._opened(entry) if entry else []

    def _opened(self, entry: Entry) -> list[str]:
        try:
            content = orjson.loads(self._seal.open(entry.value.decode(), entry.key.encode()))
        except NotSealedError:
            structlog.get_logger().warning("webhook_secret_unreadable", subscription=entry.key)
            return []
        current = datetime.now(UTC).isoformat()
        return [item["secret"] for item in content if item.get("until", "9") > current]

    async def _one(self, subscription_id: str) -> Subscription:
        return await self._subscription(await self.get(subscription_id))

    async def _subscription(self, item: Mapping[str, Json]) -> Subscription:
        registry = await self._tenants.registry(item["tenant"])
        return self._made_of(item, registry, await self._secrets(item["id"]))

    def _made_of(self, item: Mapping[str, Json], registry: Registry, signing: list[str]) -> Subscription:
        key = {**item, "signing": signing}
        known = self._made.get(item["id"])
        if known is not None and known[0] == key and known[1] is registry:
            return known[2]
        permissions = Permissions(scopes_of(webhook_scopes(item)), registry)
        sight = Fence(permissions, registry, self._store.for_tenant(item["tenant"]))
        made = Subscription(
            id=item["id"],
            listener=Listener(item["tenant"], registry, permissions, sight),
            url=item["url"],
            secrets=tuple(signing),
            wish=Wish(frozenset(item.get("events", ()))),
            batch_size=item.get("batchSize", 1),
        )
        self._made[item["id"]] = key, registry, made
        return made

    def _of(self, subscription: Subscription) -> TenantKeeping:
        return self._store.for_tenant(subscription.tenant)
