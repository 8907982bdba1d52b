"""Carrying out a step: one way for each action. An outcome is never better than what is known."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from headcount.provisioning.plan import Action, ValueChange
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.capabilities import Deletion
from headcount.provisioning.targets.changing import Changer
from headcount.provisioning.targets.client import Answer, Request, ScimClient, path_of
from headcount.provisioning.targets.creating import Creator
from headcount.provisioning.targets.errors import TargetError, UncertainError
from headcount.provisioning.targets.judging import Judge
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.lookups import Lookups
from headcount.provisioning.targets.paths import agrees, holds, member, values_at
from headcount.provisioning.targets.progress import Progress
from headcount.provisioning.targets.requests import Patch
from headcount.provisioning.targets.steps import Done, Gone, Moved, Outcome, Refused, Step
from headcount.scim.schemas import Json

_NOT_FOUND: Final = 404


class Carrier:
    """Carries out steps at one target, one request after the other."""

    def __init__(self, client: ScimClient, knowledge: Knowledge, lookups: Lookups) -> None:
        self._client = client
        self._knowledge = knowledge
        self._lookups = lookups
        self._judge = Judge(client, knowledge, lookups)
        self._creator = Creator(client, knowledge, lookups, self._judge)
        self._changer = Changer(client, knowledge, lookups, self._judge)

    async def carry_out(self, step: Step) -> Outcome:
        """What became of a step; no target can make it raise. Raises ValueError for what no target is asked to do."""
        if step.action not in _HOW:
            raise ValueError(f"A step with the action '{step.action}' cannot be carried out.")
        progress = Progress(step.target_id, step.version)
        try:
            outcome = await _HOW[step.action](self, step, progress)
        except TargetError as error:
            return self._judge.failed(error, progress)
        self._remember(step, outcome)
        return outcome

    def _remember(self, step: Step, outcome: Outcome) -> None:
        """What later lookups and reads have to know of a step."""
        if not isinstance(outcome, Done):
            return
        if step.action is Action.DELETE:
            self._knowledge.note_deleted(step.target_id)
            self._lookups.forget(step.type, step.target_id)
        elif outcome.resource:
            self._lookups.note(TargetRecord(step.type, outcome.target_id, outcome.resource, outcome.version))

    async def settle(self, step: Step) -> Outcome:
        """What became of a create whose outcome was unknown; Refused without a status when it did not happen."""
        try:
            return await self._creator.settle(step)
        except TargetError as error:
            return self._judge.failed(error, Progress())

    async def resume(self, step: Step, earlier: UncertainError) -> Outcome:
        """As `carry_out`, after an attempt that may have been carried out."""
        if step.action is not Action.CREATE:
            return await self.carry_out(step)
        progress = Progress()
        try:
            return await self._created(step, progress, earlier)
        except TargetError as error:
            return self._judge.failed(error, progress)

    async def accept(self, step: Step, patch: Patch, answer: Answer) -> Outcome:
        """As `carry_out`, when the one request of the step has been answered with success already."""
        progress = Progress(step.target_id, step.version)
        if step.action is Action.CREATE:
            return await self._creator.accept(step, answer, patch.added, progress) or progress.done()
        return self._changer.accept(answer, patch, progress) or progress.done()

    async def create(self, step: Step, progress: Progress) -> Outcome:
        """A new account or group, with its members."""
        return await self._created(step, progress, None)

    async def _created(self, step: Step, progress: Progress, earlier: UncertainError | None) -> Outcome:
        failure = await self._creator.create(step, progress, earlier)
        if failure:
            return failure
        there = set(progress.added)
        further = tuple(item for item in step.added if item.id not in there)
        rest = replace(step, target_id=progress.target_id, values=(), added=further, removed=())
        return await self._changer.change(rest, progress) if further else progress.done()

    async def update(self, step: Step, progress: Progress) -> Outcome:
        """Values change, members come and go."""
        stop = await self._confirm(step, progress) if step.empties and step.removed else None
        return stop or await self._changer.change(step, progress)

    async def adopt(self, step: Step, progress: Progress) -> Outcome:
        """An account that is there gets the desired values, as far as it does not have them."""
        current = await self._lookups.get(step.type, step.target_id)
        if current is None:
            return self._judge.gone(progress)
        step = replace(step, values=step.values or tuple(_differences(current.resource, step.resource)))
        progress.version, progress.resource = progress.version or current.version, current.resource
        if not step.values and not step.added and not step.removed:
            return progress.done("has everything already")
        return await self._changer.change(step, progress)

    async def deactivate(self, step: Step, progress: Progress) -> Outcome:
        """The account stays, and cannot be used."""
        return await self._confirm(step, progress) or await self._changer.change(with_values(step), progress)

    async def reactivate(self, step: Step, progress: Progress) -> Outcome:
        """The account can be used again."""
        return await self._changer.change(with_values(step), progress)

    async def delete(self, step: Step, progress: Progress) -> Outcome:
        """The account or group goes."""
        if self._knowledge.profile.of(step.type).deletion is Deletion.UNSUPPORTED:
            return Refused("The target deletes nobody; choose to deactivate or to keep leavers.")
        stop = await self._confirm(step, progress) or await self._deleted(step, progress)
        return Done(step.target_id, note="was gone already") if isinstance(stop, Gone) else stop

    async def _deleted(self, step: Step, progress: Progress) -> Outcome:
        profile = self._knowledge.profile
        version = step.version if profile.etag else ""
        request = Request("DELETE", path_of(profile.endpoint(step.type), step.target_id), version=version)
        try:
            answer = await self._client.send(request)
        except UncertainError as error:
            return await self._perhaps_deleted(step, error, progress)
        if not answer.is_success and (failure := await self._judge.refused_surely(step, answer, Patch(), progress)):
            return failure
        return Done(step.target_id)

    async def _perhaps_deleted(self, step: Step, error: UncertainError, progress: Progress) -> Outcome:
        try:
            current = await self._lookups.get(step.type, step.target_id)
        except TargetError:
            return self._judge.unknown(error.reason, progress)
        return self._judge.unknown(error.reason, progress) if current else Done(step.target_id)

    async def _confirm(self, step: Step, progress: Progress) -> Outcome | None:
        """Whether the target still has whom the plan spoke of: what stops the step, or None."""
        current = await self._lookups.get(step.type, step.target_id)
        if current is None:
            return self._judge.gone(progress)
        for path, value in step.expected.items():
            if value is not None and values_at(current.resource, path) and not holds(current.resource, path, value):
                return Moved(f"{path} was {value!r} when the target answered last, and is another now.", current)
        return None


_How = Callable[[Carrier, Step, Progress], Awaitable[Outcome]]
_HOW: Final[Mapping[Action, _How]] = {
    Action.CREATE: Carrier.create,
    Action.ADOPT: Carrier.adopt,
    Action.UPDATE: Carrier.update,
    Action.DEACTIVATE: Carrier.deactivate,
    Action.REACTIVATE: Carrier.reactivate,
    Action.DELETE: Carrier.delete,
    Action.MEMBERS: Carrier.update,
}


_ACTIVITY: Final = {
    Action.DEACTIVATE: ValueChange("active", old=True, new=False),
    Action.REACTIVATE: ValueChange("active", old=False, new=True),
}


def with_values(step: Step) -> Step:
    """The step with what its action means, where it does not say so itself."""
    change = _ACTIVITY.get(step.action)
    return step if change is None or step.values else replace(step, values=(change,))


def _differences(current: Mapping[str, Json], desired: Mapping[str, Json], urn: str = "") -> list[ValueChange]:
    """What an account has to be given to have all desired values."""
    changes = []
    for name, value in desired.items():
        found = member(current, name)
        if name.lower().startswith("urn:") and isinstance(value, Mapping) and not urn:
            changes += _differences(found if isinstance(found, Mapping) else {}, value, name)
        elif name != "schemas" and not agrees(value, found):
            changes.append(ValueChange(f"{urn}:{name}" if urn else name, found, value))
    return changes
