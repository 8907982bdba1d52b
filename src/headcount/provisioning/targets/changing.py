"""Changing what is there: values and members, by PATCH or by PUT."""

from collections import deque
from dataclasses import replace
from typing import Final

from headcount.provisioning.targets.client import Answer, Request, ScimClient, path_of
from headcount.provisioning.targets.errors import UncertainError
from headcount.provisioning.targets.judging import Judge, kept_value, uses_put
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.lookups import Lookups
from headcount.provisioning.targets.progress import Progress
from headcount.provisioning.targets.requests import (
    Patch,
    patch_request,
    patches,
    replacement,
    split,
    whole_values_needed,
)
from headcount.provisioning.targets.steps import Moved, Outcome, Refused, Step

_ONE_IS_BAD: Final = frozenset({400, 404, 409, 413, 422})
"""Statuses of a membership request in which one member can be to blame, or the number of them."""
_MOST_BAD: Final = 10
"""Members that are refused one by one before the rest of the step is given up."""


class Changer:
    """Changes accounts and groups of one target."""

    def __init__(self, client: ScimClient, knowledge: Knowledge, lookups: Lookups, judge: Judge) -> None:
        self._client = client
        self._knowledge = knowledge
        self._lookups = lookups
        self._judge = judge

    async def change(self, step: Step, progress: Progress) -> Outcome:
        """All values and members of a step. A member that is refused does not stop the others."""
        if uses_put(self._knowledge.profile.of(step.type)):
            return await self._replace(step, progress)
        queue = deque(await self._patches(step))
        bad: list[tuple[str, Refused]] = []
        while queue and len(bad) < _MOST_BAD:
            patch = queue.popleft()
            outcome = await self._sent(step, self._patch_request(step, patch, progress), patch, progress)
            if outcome is None:
                continue
            if uses_put(self._knowledge.profile.of(step.type)):  # as was learned just now
                return await self._replace(step, progress)
            if not isinstance(outcome, Refused) or outcome.status not in _ONE_IS_BAD or patch.values:
                return outcome
            parts = split(patch, self._knowledge.profile.members)
            queue.extendleft(reversed(parts))
            if not parts:
                bad.append(((patch.added or patch.removed)[0].id, outcome))
        return _some_refused(bad, progress) if bad else progress.done()

    async def _patches(self, step: Step) -> list[Patch]:
        basis = step.resource
        if whole_values_needed(step, self._knowledge.profile.of(step.type)):
            current = await self._lookups.get(step.type, step.target_id)
            basis = current.resource if current else basis
        return patches(step, self._knowledge.profile, basis)

    def _patch_request(self, step: Step, patch: Patch, progress: Progress) -> Request:
        profile = self._knowledge.profile
        return patch_request(step, patch, profile, progress.version if profile.etag else "")

    async def _sent(self, step: Step, request: Request, patch: Patch, progress: Progress) -> Outcome | None:
        """One request: None when it was carried out, else why not."""
        try:
            answer = await self._client.send(request)
        except UncertainError as error:
            return await self._judge.perhaps_changed(step, error, patch, progress)
        if not answer.is_success:
            return await self._judge.refused_surely(step, answer, patch, progress)
        return self.accept(answer, patch, progress)

    @staticmethod
    def accept(answer: Answer, patch: Patch, progress: Progress) -> Outcome | None:
        """A success, taken at its word unless it shows something else: then what it is."""
        progress.note(answer, patch)
        if kept := kept_value(answer.resource, patch.values):
            reason = f"The target answered with success, and kept the old value of {kept}."
            return Refused(reason, answer.status, so_far=progress.so_far)
        return None

    async def _replace(self, step: Step, progress: Progress) -> Outcome:
        """Read, merge, write."""
        profile = self._knowledge.profile
        if not profile.of(step.type).put:
            return Refused("The target changes nothing: it has neither PATCH nor PUT.", so_far=progress.so_far)
        current = await self._lookups.get(step.type, step.target_id)
        if current is None:
            return self._judge.gone(progress)
        if profile.etag and progress.version and current.version not in ("", progress.version):
            return Moved("Somebody else changed it since.", current, progress.so_far)
        body = replacement(step, current.resource, profile)
        if body is None:
            reason = "The target replaces groups as a whole and does not show their members: all of them are needed."
            return Refused(reason, so_far=progress.so_far)
        version = current.version if profile.etag else ""
        request = Request("PUT", path_of(profile.endpoint(step.type), step.target_id), body=body, version=version)
        patch = Patch(values=step.values, added=step.added, removed=step.removed)
        return await self._sent(step, request, patch, progress) or progress.done()


def _some_refused(bad: list[tuple[str, Refused]], progress: Progress) -> Refused:
    """Some members were refused; the others are there."""
    names = ", ".join(identifier for identifier, _ in bad)
    return replace(bad[0][1], reason=f"{bad[0][1].reason} Members: {names}.", so_far=progress.so_far)
