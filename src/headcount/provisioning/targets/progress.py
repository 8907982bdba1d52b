"""What is certainly there of a step that takes several requests."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.client import Answer
from headcount.provisioning.targets.requests import Patch
from headcount.provisioning.targets.steps import Done
from headcount.scim.schemas import Json


@dataclass(slots=True)
class Progress:
    """One step under way."""

    target_id: str = ""
    version: str = ""
    """The entity tag that the next request may have as its precondition."""
    resource: Mapping[str, Json] = field(default_factory=dict)
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    is_begun: bool = False

    def note(self, answer: Answer, patch: Patch) -> None:
        """A request was carried out."""
        self.version = answer.version
        self.resource = answer.resource or self.resource
        self._note(patch)

    def note_seen(self, record: TargetRecord, patch: Patch) -> None:
        """A read shows that a request was carried out."""
        self.target_id, self.version, self.resource = record.id, record.version, record.resource
        self._note(patch)

    def _note(self, patch: Patch) -> None:
        self.is_begun = True
        self.added += [item.id for item in patch.added]
        self.removed += [item.id for item in patch.removed]

    def done(self, note: str = "") -> Done:
        """The outcome when all of it is there."""
        return Done(self.target_id, self.resource, self.version, tuple(self.added), tuple(self.removed), note)

    @property
    def so_far(self) -> Done | None:
        """What is there although the step failed."""
        return self.done() if self.is_begun else None
