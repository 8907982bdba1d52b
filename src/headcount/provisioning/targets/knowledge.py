"""What is known of one target while a job works with it, and what is learned on the way."""

import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headcount.provisioning.targets.capabilities import CapabilityProfile, merge, profile_of
from headcount.scim.schemas import Json

_MOST_RECENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out about a target, as it is kept between runs."""

    at: str
    """When it was probed: UTC, fixed width."""
    basis: str
    """What it was asked on: URL, pack and what a human says. Another one is probed anew."""
    config: str
    """A digest of its ServiceProviderConfig then."""
    said: Mapping[str, Json]
    seen: Mapping[str, Json]
    words: tuple[str, ...] = ()


class Knowledge:
    """The layers of a target's profile; what a human says stays on top of whatever is learned."""

    def __init__(self, pack: Mapping[str, Json], override: Mapping[str, Json]) -> None:
        self._said: Mapping[str, Json] = {}
        self._pack = pack
        self._seen: Mapping[str, Json] = {}
        self._override = override
        self._created: OrderedDict[str, float] = OrderedDict()
        self.findings: list[str] = []
        """In words, what was learned that nobody had said."""
        self.profile: CapabilityProfile = profile_of(pack, override)

    def found(self, at: str, basis: str, config: str) -> Findings:
        """All that was heard and learned until now."""
        return Findings(at, basis, config, self._said, self._seen, tuple(self.findings))

    def recall(self, found: Findings) -> None:
        """What was found out by an earlier run."""
        self._said, self._seen, self.findings = found.said, found.seen, list(found.words)
        self._combine()

    def hear(self, layer: Mapping[str, Json]) -> None:
        """What the target says of itself; pack and human know better."""
        self._said = merge(self._said, layer)
        self._combine()

    def learn(self, finding: str, layer: Mapping[str, Json]) -> None:
        """What the target was seen to do; a human alone knows better."""
        before = self.profile
        self._seen = merge(self._seen, layer)
        self._combine()
        if self.profile != before:
            self.findings.append(finding)

    def note_created(self, identifier: str) -> None:
        """Somebody was created just now: reads need not show it for a while."""
        self._created[identifier] = time.monotonic()
        if len(self._created) > _MOST_RECENT:
            self._created.popitem(last=False)

    def note_deleted(self, identifier: str) -> None:
        """Somebody was deleted by ourselves: a read that does not find him is right."""
        self._created.pop(identifier, None)

    def is_settling(self, identifier: str) -> bool:
        """Whether a read that does not find somebody proves nothing yet."""
        created = self._created.get(identifier)
        return created is not None and time.monotonic() < created + self.profile.settle

    def _combine(self) -> None:
        self.profile = profile_of(self._said, self._pack, self._seen, self._override)
