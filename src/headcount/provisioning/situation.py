"""What a plan is made of: the desired state, the ledger, and what is known of the target."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from headcount.provisioning.correlation import Decision, Question
from headcount.provisioning.desired import Desired
from headcount.provisioning.jobs import SyncJob, TargetSettings
from headcount.provisioning.links import Links
from headcount.provisioning.records import RecordKind, TargetRecord
from headcount.provisioning.targets.paths import place_of


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything about one (job, target) pair at one time."""

    job: SyncJob
    target: TargetSettings
    desired: Desired
    links: Links
    now: str
    """UTC, fixed width."""
    answers: Mapping[Question, tuple[TargetRecord, ...]] = field(default_factory=dict)
    """Who at the target has what was asked; see `questions`."""
    decisions: Mapping[tuple[RecordKind, str], Decision] = field(default_factory=dict)
    """What humans have decided in the review."""
    actual: Mapping[str, TargetRecord] | None = None
    """Everybody at the target by id, when all were read: only then is drift seen."""
    has_groups: bool = True
    """Whether the target has groups at all."""
    has_nested_groups: bool = True
    """Whether groups can be members of groups there."""
    untaken: frozenset[str] = frozenset()
    """Attributes of persons that the target is never sent, in lower case."""
    watermark: str = ""
    """Where the source was read up to."""

    def takes(self, path: str) -> bool:
        """Whether the target is sent a person's attribute."""
        return not self.untaken or self.untaken.isdisjoint((path.lower(), place_of(path).root.lower()))

    def seconds_since(self, instant: str) -> float:
        """The time from an instant up to now."""
        return (datetime.fromisoformat(self.now) - datetime.fromisoformat(instant)).total_seconds()
