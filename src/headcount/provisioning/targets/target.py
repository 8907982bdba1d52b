"""A connected target: what it can do, who is there, and steps carried out."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import orjson

from headcount.provisioning.moments import later
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.capabilities import CapabilityProfile
from headcount.provisioning.targets.carrying import Carrier
from headcount.provisioning.targets.client import Connection, Exchange, ScimClient, Tally
from headcount.provisioning.targets.estimating import estimate
from headcount.provisioning.targets.knowledge import Findings, Knowledge
from headcount.provisioning.targets.lookups import Lookups
from headcount.provisioning.targets.pacing import Pace
from headcount.provisioning.targets.packs import pack_of
from headcount.provisioning.targets.probing import discover, probe, read_config
from headcount.provisioning.targets.steps import Outcome, Step
from headcount.provisioning.targets.together import Together
from headcount.scim.schemas import Json

_LONGEST_GAP: Final = 10.0
"""Seconds between requests to a target that says `429` all the time."""
_LIFETIME: Final = 86_400.0
"""Seconds for which a target is taken for what it was when it was probed."""


class Target:
    """One target. Close it, or use it as a context manager; raises CapabilityError for an unknown pack or override."""

    def __init__(
        self, connection: Connection, pack: str = "generic", override: Mapping[str, Json] | None = None
    ) -> None:
        capabilities = pack_of(pack).capabilities
        self._knowledge = Knowledge(capabilities, override or {})
        self._basis = _digest([connection.url, capabilities, override or {}])
        self._config = self._probed = ""
        profile = self._knowledge.profile
        self._client = ScimClient(
            connection, Pace(profile.concurrency, profile.budgets, min(connection.patience.longest_wait, _LONGEST_GAP))
        )
        self._lookups = Lookups(self._client, self._knowledge)
        self._carrier = Carrier(self._client, self._knowledge, self._lookups)
        self._together = Together(self._client, self._knowledge, self._carrier)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def profile(self) -> CapabilityProfile:
        """What is known of the target now: requests teach more."""
        return self._knowledge.profile

    @property
    def findings(self) -> Sequence[str]:
        """In words, what the target was seen to do and nobody had said."""
        return tuple(self._knowledge.findings)

    @property
    def tally(self) -> Tally:
        """Requests until now."""
        return self._client.tally

    @property
    def found(self) -> Findings:
        """All that was found out since the target was probed, for the next run."""
        return self._knowledge.found(self._probed, self._basis, self._config)

    def watch(self, watcher: Callable[[Exchange], None]) -> None:
        """From now on `watcher` is told of each request and its answer."""
        self._client.watcher = watcher

    async def connect(self, found: Findings | None = None, *, now: str = "") -> CapabilityProfile:
        """What the target can do: as it says, as its pack says, as is seen, as a human says. Raises TargetError.

        It is not probed again while what was `found` holds: for a day, unless what it says of itself has changed.
        """
        config = await read_config(self._client)
        self._config = _digest(config)
        if found and self._holds(found, now):
            self._probed = found.at
            self._knowledge.recall(found)
        else:
            self._probed = now
            self._knowledge.hear(await discover(self._client, config))
            await probe(self._client, self._knowledge)
        return self.profile

    def _holds(self, found: Findings, now: str) -> bool:
        is_same = (found.basis, found.config) == (self._basis, self._config)
        return is_same and found.at <= now < later(found.at, _LIFETIME)

    async def find(self, type_name: str, attribute: str, value: str) -> list[TargetRecord]:
        """Everybody who has a value, and only those who really have it; raises TargetError."""
        return await self._lookups.find(type_name, attribute, value)

    async def get(self, type_name: str, identifier: str) -> TargetRecord | None:
        """The resource of an id; None only when the target says plainly that there is none. Raises TargetError."""
        return await self._lookups.get(type_name, identifier)

    def everything(self, type_name: str, attributes: Sequence[str] = ()) -> AsyncIterator[TargetRecord]:
        """Everybody of a type; raises TargetError when the list ends too early."""
        return self._lookups.everything(type_name, attributes)

    async def carry_out(self, step: Step) -> Outcome:
        """What became of a step; nothing that a target does makes it raise."""
        return await self._carrier.carry_out(step)

    async def carry_out_together(self, steps: Sequence[Step]) -> list[Outcome]:
        """What became of steps of which none depends on another, in their order; in bulk requests where there are."""
        return await self._together.carry_out(steps)

    async def settle(self, step: Step) -> Outcome:
        """What became of a create whose outcome was unknown; Refused without a status when it did not happen."""
        return await self._carrier.settle(step)

    def estimate(self, steps: Iterable[Step]) -> tuple[int, float]:
        """How many requests steps take, confirmations apart, and how many seconds at the target's limits."""
        return estimate(steps, self.profile)

    async def close(self) -> None:
        """Ends its connections."""
        await self._client.close()


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
