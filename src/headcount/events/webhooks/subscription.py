"""A webhook subscription as its delivery sees it, and the names of what is kept about it."""

from dataclasses import dataclass
from typing import Final, Protocol

from headcount.events.feed import Wish
from headcount.events.listening import Listener

DELIVERIES: Final = "delivery"
"""The log of attempts; its key is the subscription's id."""
PROGRESS: Final = "webhook progress"
"""The collection of how far each subscription's events are queued, by subscription id."""
LOCKED: Final = "locked out"
"""The log of attempts to tell of lock-outs, kept for as long as the change log; its key is the `webhook-id`."""
TROUBLE: Final = "webhook trouble"
"""The collection of since when deliveries fail, by subscription id, and of order keys of which an event was parked, as
`subscription id/order key`.
"""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Who is told what, and how."""

    id: str
    listener: Listener
    url: str
    secrets: tuple[str, ...]
    """`whsec_…`, the newest first; each signs until its time is over."""
    wish: Wish
    batch_size: int = 1
    """Events in one request."""

    @property
    def tenant(self) -> str:
        """Whose events it is told."""
        return self.listener.tenant

    @property
    def queue(self) -> str:
        """The queue of what it is told in order."""
        return queues_of(self.id)[0]

    @property
    def express_queue(self) -> str:
        """The queue of lock-outs, which go ahead of everything."""
        return queues_of(self.id)[1]


def queues_of(subscription_id: str) -> tuple[str, str]:
    """The queue of what a subscription is told in order, and the one of lock-outs."""
    return f"webhook {subscription_id}", f"lockout {subscription_id}"


class Subscriptions(Protocol):
    """Where subscriptions are managed."""

    async def active(self) -> list[Subscription]:
        """The subscriptions of all tenants that are to be served now."""
        ...

    async def disable(self, subscription: Subscription, reason: str) -> None:
        """Ends deliveries to an endpoint that has been dead for long."""
        ...
