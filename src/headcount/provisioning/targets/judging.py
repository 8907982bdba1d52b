"""What answers that are no success mean, and errors that are no answer. Nothing is taken for gone on one word."""

from collections.abc import Mapping, Sequence
from typing import Final

from headcount.provisioning.plan import ValueChange
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.capabilities import TypeCapabilities, Verb
from headcount.provisioning.targets.client import Answer, ScimClient
from headcount.provisioning.targets.errors import TargetError, UncertainError, UnreachableError
from headcount.provisioning.targets.explaining import NO_SUCH_METHOD, Refusal
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.lookups import Lookups
from headcount.provisioning.targets.paths import holds, member, values_at
from headcount.provisioning.targets.progress import Progress
from headcount.provisioning.targets.requests import Patch
from headcount.provisioning.targets.steps import (
    Conflict,
    Gone,
    Member,
    Moved,
    Outcome,
    Refused,
    Step,
    Unknown,
    Unreachable,
)
from headcount.scim.folding import fold
from headcount.scim.schemas import Json

_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_FAILED_PRECONDITION: Final = 412


class Judge:
    """Tells what became of requests to one target."""

    def __init__(self, client: ScimClient, knowledge: Knowledge, lookups: Lookups) -> None:
        self._client = client
        self._knowledge = knowledge
        self._lookups = lookups

    async def refused(self, step: Step, answer: Answer, patch: Patch, progress: Progress) -> Outcome | None:
        """What an answer that is no success means; None when the state is there all the same. Raises TargetError."""
        refusal = self._client.refusal(answer)
        if answer.status == _UNAUTHORIZED:
            reason = f"The target does not accept the credentials ({refusal})."
            return Unreachable(reason, so_far=progress.so_far)
        if answer.was_repeated and await self._shows(step, patch, progress):
            return None
        if answer.status in NO_SUCH_METHOD and progress.target_id:
            return self._without_method(step, refusal, progress)
        if answer.status == _NOT_FOUND and progress.target_id:
            return await self._not_found(step, answer, refusal, progress)
        if answer.status == _FAILED_PRECONDITION:
            current = await self._lookups.get(step.type, progress.target_id)
            return (
                Moved("Somebody else changed it since.", current, progress.so_far) if current else self.gone(progress)
            )
        if answer.status == _CONFLICT and patch.values:
            return await self._conflict(step, refusal, patch)
        if _removes_no_member(refusal, patch):
            return await self._no_member(step, answer, patch, progress)
        reason = f"The target refuses it ({refusal})."
        return Refused(reason, answer.status, refusal.scim_type, so_far=progress.so_far)

    async def refused_surely(self, step: Step, answer: Answer, patch: Patch, progress: Progress) -> Outcome | None:
        """As `refused`; when an earlier attempt may have been carried out, a read that fails leaves it unknown."""
        try:
            return await self.refused(step, answer, patch, progress)
        except TargetError as error:
            if answer.was_repeated:
                return self.unknown(error.reason, progress)
            raise

    async def perhaps_changed(
        self, step: Step, error: UncertainError, patch: Patch, progress: Progress
    ) -> Outcome | None:
        """After a lost response or a 5xx: None when a read shows the state, else what is to be thought of it."""
        try:
            current = await self._lookups.get(step.type, progress.target_id)
        except TargetError:
            return self.unknown(error.reason, progress)
        if current is None:
            return self.gone(progress)
        if self._note_what_is_there(current, patch, progress):
            return None
        if self._knowledge.profile.settle == 0 and error.status:
            return Refused(error.reason, error.status, retry_after=error.retry_after, so_far=progress.so_far)
        return self.unknown(error.reason, progress)

    def is_there(self, resource: Mapping[str, Json], patch: Patch) -> bool:
        """Whether a resource shows everything that a patch says; what it cannot show is not there."""
        if (patch.added or patch.removed) and not self._knowledge.profile.members.returned:
            return False
        are_in = all(_is_member(resource, item) for item in patch.added)
        are_out = not any(_is_member(resource, item) for item in patch.removed)
        return are_in and are_out and all(holds(resource, change.path, change.new) for change in patch.values)

    def gone(self, progress: Progress) -> Outcome:
        """A GET does not find whom this is about."""
        if self._knowledge.is_settling(progress.target_id):
            return self.unknown("The target does not show yet what was created a moment ago.", progress)
        return Gone("The target does not have it any more; a GET says so too.")

    def unknown(self, reason: str, progress: Progress) -> Unknown:
        """Nobody knows."""
        return Unknown(reason, self._knowledge.profile.settle, progress.so_far)

    @staticmethod
    def failed(error: TargetError, progress: Progress) -> Outcome:
        """A request was surely not carried out, or a read failed."""
        if isinstance(error, UnreachableError):
            return Unreachable(error.reason, error.retry_after, progress.so_far)
        return Refused(error.reason, error.status, retry_after=error.retry_after, so_far=progress.so_far)

    async def _shows(self, step: Step, patch: Patch, progress: Progress) -> bool:
        """Whether a read shows what an earlier attempt may have done; noted then."""
        if not progress.target_id or patch == Patch():
            return False
        current = await self._lookups.get(step.type, progress.target_id)
        return current is not None and self._note_what_is_there(current, patch, progress)

    def _note_what_is_there(self, current: TargetRecord, patch: Patch, progress: Progress) -> bool:
        """Whether all of a patch is there. When a part of it is, what is there is noted, and the rest is not."""
        if self.is_there(current.resource, patch):
            progress.note_seen(current, patch)
            return True
        if any(_took_effect(current.resource, change) for change in patch.values):
            progress.note_seen(current, Patch())
        return False

    async def _not_found(self, step: Step, answer: Answer, refusal: Refusal, progress: Progress) -> Outcome:
        """A 404 on a known id is believed only when a GET says the same."""
        if await self._lookups.get(step.type, progress.target_id) is None:
            return self.gone(progress)
        if answer.was_repeated and self._knowledge.profile.settle > 0:
            return self.unknown(
                "An answer was lost; then the target said that it is gone, and still shows it.", progress
            )
        if not refusal.is_certain:
            verb = self._verb(step)
            words = f"The target shows it, and answers {verb.upper()} with something else ({refusal})."
            reason = f"{words} If it has no {verb.upper()}, say so in the target's capabilities."
            return Refused(reason, refusal.status, so_far=progress.so_far)
        reason = f"The target says that something is not there ({refusal}); it is not whom this is about."
        return Refused(reason, refusal.status, refusal.scim_type, so_far=progress.so_far)

    async def _no_member(self, step: Step, answer: Answer, patch: Patch, progress: Progress) -> Outcome | None:
        """Who is no member need not be removed; but some groups show their members by name, and remove none by id."""
        profile = self._knowledge.profile
        current = await self._lookups.get(step.type, progress.target_id) if profile.members.returned else None
        if current is None or not _is_member(current.resource, patch.removed[0]):
            progress.note(Answer(answer.status, {}, b""), patch)
            return None
        if profile.groups.put:
            self._knowledge.learn("It removes no member by id; groups are replaced.", {"groups": {"patch": False}})
        reason = f"The target says that somebody is no member, and shows them as one ({self._client.refusal(answer)})."
        return Refused(reason, answer.status, so_far=progress.so_far)

    def _without_method(self, step: Step, refusal: Refusal, progress: Progress) -> Outcome:
        """The method is not there: it is not tried again."""
        part, verb = f"{step.type.lower()}s", self._verb(step)
        self._knowledge.learn(f"{part.capitalize()} have no {verb.upper()}.", {part: {verb.value: False}})
        reason = f"The target has no {verb.upper()} ({refusal})."
        return Refused(reason, refusal.status, so_far=progress.so_far)

    def _verb(self, step: Step) -> Verb:
        """How resources of its type are changed."""
        return Verb.PUT if uses_put(self._knowledge.profile.of(step.type)) else Verb.PATCH

    async def _conflict(self, step: Step, refusal: Refusal, patch: Patch) -> Outcome:
        """A new value that somebody else has."""
        unique = {path.lower() for path in self._knowledge.profile.of(step.type).unique}
        candidates: dict[str, TargetRecord] = {}
        for change in patch.values:
            if change.path.lower() in unique and isinstance(change.new, str):
                records = await self._lookups.find(step.type, change.path, change.new, is_fresh=True)
                candidates |= {record.id: record for record in records if record.id != step.target_id}
        return Conflict(f"Somebody else has the new value ({refusal}).", tuple(candidates.values()))


def uses_put(caps: TypeCapabilities) -> bool:
    """Whether resources of a type are replaced, not patched."""
    return not caps.patch or (caps.put and caps.update is Verb.PUT)


def kept_value(resource: Mapping[str, Json], values: Sequence[ValueChange]) -> str:
    """The path of a value that a successful answer shows as it was before the change; empty when there is none."""
    for change in values:
        is_plain = isinstance(change.old, str | bool | int) and isinstance(change.new, str | bool | int)
        if is_plain and holds(resource, change.path, change.old) and not holds(resource, change.path, change.new):
            return change.path
    return ""


def _took_effect(resource: Mapping[str, Json], change: ValueChange) -> bool:
    return holds(resource, change.path, change.new) and not holds(resource, change.path, change.old)


def _is_member(resource: Mapping[str, Json], item: Member) -> bool:
    """Whether a group shows somebody, by id or, as some do, by name."""
    shown = {str(member(element, "value")) for element in values_at(resource, "members")}
    return item.id in shown or (bool(item.display) and fold(item.display) in {fold(value) for value in shown})


def _removes_no_member(refusal: Refusal, patch: Patch) -> bool:
    """Whether all that was refused is the removal of one who is no member."""
    return refusal.scim_type == "noTarget" and len(patch.removed) == 1 and not patch.added and not patch.values
