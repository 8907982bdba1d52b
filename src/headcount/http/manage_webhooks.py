"""What became of events that webhook subscriptions were told of, below `/manage`; subscriptions are resources."""

from dataclasses import dataclass
from typing import Final

from headcount.directory.managed import DELIVERY
from headcount.directory.webhooks import Webhooks
from headcount.http.manage import LIMIT, Asked, Route
from headcount.scim.errors import InvalidValueError, NotFoundError
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

_RANGE: Final = frozenset({"after", "until"})
_MOST_POSITION: Final = 2**62


@dataclass(frozen=True, slots=True)
class ManagedWebhooks:
    """Answers what `WEBHOOK_ROUTES` calls."""

    webhooks: Webhooks

    async def deliveries(self, asked: Asked) -> Json:
        """The last attempts."""
        return {"deliveries": await self.webhooks.deliveries(await self._id(asked), limit=asked.limit)}

    async def parked(self, asked: Asked) -> Json:
        """What is not tried any more."""
        return {"parked": await self.webhooks.parked(await self._id(asked))}

    async def redeliver(self, asked: Asked) -> Json:
        """Queues parked events, or a range of the change log, again."""
        subscription, body = await self._id(asked), asked.body
        if not isinstance(body, dict) or not (body.keys() <= {"tasks"} or body.keys() <= _RANGE):
            raise InvalidValueError("Send an object with 'tasks', or with 'after' and 'until', or an empty one.")
        if "tasks" in body:
            return {"queued": await self.webhooks.redeliver(subscription, _numbers("tasks", body["tasks"]))}
        if "after" not in body and "until" in body:
            raise InvalidValueError("'until' goes with 'after'.")
        if "after" in body:
            after, until = _numbers("after and until", [body["after"], body.get("until", 0)])
            return {"queued": await self.webhooks.send_again(subscription, after, until)}
        return {"queued": await self.webhooks.redeliver(subscription)}

    async def test(self, asked: Asked) -> Json:
        """Queues a test event."""
        return {"webhookId": await self.webhooks.test(await self._id(asked))}

    async def rotate(self, asked: Asked) -> Json:
        """Makes a new secret."""
        return {"secret": await self.webhooks.rotate(await self._id(asked), by=asked.by)}

    async def _id(self, asked: Asked) -> str:
        """The subscription in the path, once it is seen to be the tenant's; raises NotFoundError."""
        subscription = asked.path["subscription"]
        if (await self.webhooks.get(subscription))["tenant"] != asked.tenant:
            raise NotFoundError(f"There is no resource '{subscription}'.")
        return subscription


def _numbers(name: str, value: Json) -> list[int]:
    if not isinstance(value, list) or not all(type(item) is int and 0 <= item < _MOST_POSITION for item in value):
        raise InvalidValueError(f"'{name}' must be whole numbers from an answer before.")
    return value


_SUBSCRIPTION: Final = "/tenants/{tenant}/webhooks/{subscription}"

WEBHOOK_ROUTES: Final = (
    Route(
        "GET",
        f"{_SUBSCRIPTION}/deliveries",
        DELIVERY,
        Operation.READ,
        "List the last attempts to send events, the newest first.",
        ManagedWebhooks.deliveries,
        query=LIMIT,
    ),
    Route(
        "GET",
        f"{_SUBSCRIPTION}/parked",
        DELIVERY,
        Operation.READ,
        "List events that are not tried any more, 1,000 at most.",
        ManagedWebhooks.parked,
    ),
    Route(
        "POST",
        f"{_SUBSCRIPTION}/redeliveries",
        DELIVERY,
        Operation.UPDATE,
        "Try parked events again, or send a range of the change log once more.",
        ManagedWebhooks.redeliver,
        body="An object with 'tasks', the numbers of parked events; or with 'after' and 'until', positions (the second "
        "may be left out); an empty one for everything that is parked.",
        status=202,
    ),
    Route(
        "POST",
        f"{_SUBSCRIPTION}/test",
        DELIVERY,
        Operation.UPDATE,
        "Send a test event.",
        ManagedWebhooks.test,
        status=202,
    ),
    Route(
        "POST",
        f"{_SUBSCRIPTION}/rotation",
        DELIVERY,
        Operation.UPDATE,
        "Make a new secret, shown this once; for a day requests carry signatures of both.",
        ManagedWebhooks.rotate,
    ),
)
"""What can be called."""
