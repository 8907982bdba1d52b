"""Creating an account or group: once, whatever happens to the answers."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.client import Answer, Request, ScimClient
from headcount.provisioning.targets.errors import TargetError, UncertainError
from headcount.provisioning.targets.judging import Judge
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.lookups import Lookups, record_of
from headcount.provisioning.targets.paths import agrees, is_same, member, values_at
from headcount.provisioning.targets.progress import Progress
from headcount.provisioning.targets.requests import Patch, accepted, creation, missing
from headcount.provisioning.targets.steps import Conflict, Done, Member, Outcome, Refused, Step

_CONFLICT: Final = 409
_ATTEMPTS: Final = 3
"""At a create whose answers are lost."""
_SILENT: Final = frozenset({"password", "schemas", "externalid"})
"""What does not tell whether an account is the one that was sent."""


class Creator:
    """Creates at one target."""

    def __init__(self, client: ScimClient, knowledge: Knowledge, lookups: Lookups, judge: Judge) -> None:
        self._client = client
        self._knowledge = knowledge
        self._lookups = lookups
        self._judge = judge
        self._locations_hold_ids = False
        """Whether a `Location` was seen to end with the id of what was created."""

    async def create(self, step: Step, progress: Progress, earlier: UncertainError | None = None) -> Outcome | None:
        """None when the account is there and noted in `progress`, with the members that the POST held.

        `earlier` is what became of an attempt before this one.
        """
        if lacking := missing(step.resource, self._knowledge.profile.of(step.type).required):
            return Refused(f"The target requires {', '.join(lacking)}; the mapping gives no value.")
        request, members = creation(step, self._knowledge.profile)
        return self._noted(await self._created(step, request, earlier), members, progress)

    async def accept(self, step: Step, answer: Answer, members: Sequence[Member], progress: Progress) -> Outcome | None:
        """As `create`, when a success has been answered already."""
        return self._noted(await self._answered(step, answer), members, progress)

    async def settle(self, step: Step) -> Outcome:
        """What became of a create whose outcome was unknown; Refused without a status when it did not happen."""
        ours, others = await self._candidates(step)
        if ours:
            return Done(ours.id, ours.resource, ours.version, note="found after its response was lost")
        return Conflict("Somebody else has its place.", others) if others else Refused("It did not happen.")

    def _noted(self, created: TargetRecord | Outcome, members: Sequence[Member], progress: Progress) -> Outcome | None:
        if not isinstance(created, TargetRecord):
            return created
        self._knowledge.note_created(created.id)
        self._lookups.note(created)
        progress.note_seen(created, Patch(added=tuple(members)))
        return None

    async def _created(self, step: Step, request: Request, error: UncertainError | None) -> TargetRecord | Outcome:
        reason = ""
        for _ in range(_ATTEMPTS):
            if error:
                reason = error.reason
                if (found := await self._perhaps_created(step, reason)) is not None:
                    return found
                if not self._may_repeat(step, error):
                    break
            try:
                return await self._judged(step, await self._client.send(request), reason)
            except UncertainError as again:
                error = again
            except TargetError as refused:
                if not reason:
                    return self._judge.failed(refused, Progress())
                break  # this attempt did nothing; an earlier one may have
        return self._judge.unknown(error.reason if error else reason, Progress())

    async def _judged(self, step: Step, answer: Answer, earlier: str) -> TargetRecord | Outcome:
        """What an answer means; `earlier` says why an attempt before it may have been carried out."""
        if answer.is_success:
            return await self._answered(step, answer)
        if answer.status == _CONFLICT:
            return await self._conflict(step, answer, earlier)
        refused = await self._judge.refused(step, answer, Patch(), Progress())
        return self._judge.unknown(earlier, Progress()) if earlier or refused is None else refused

    async def _perhaps_created(self, step: Step, reason: str) -> TargetRecord | Outcome | None:
        """What a lookup says after a lost response; None when it finds nobody."""
        try:
            ours, others = await self._candidates(step)
        except TargetError as error:
            return self._judge.unknown(f"{reason} Looking it up failed as well: {error.reason}", Progress())
        if ours:
            return ours
        return Conflict(f"{reason} Somebody else has its place.", others) if others else None

    def _may_repeat(self, step: Step, error: UncertainError) -> bool:
        """Whether the target keeps a second account from being made, or has surely not made the first."""
        profile = self._knowledge.profile
        is_unique = any(values_at(step.resource, path) for path in profile.of(step.type).unique)
        return is_unique or (profile.settle == 0 and error.status > 0)

    async def _answered(self, step: Step, answer: Answer) -> TargetRecord | Outcome:
        """A success, which need not hold the resource."""
        if record := record_of(step.type, answer.resource, answer.version):
            self._learn(step, record)
            return record
        identifier = unquote(answer.headers.get("location", "").rstrip("/").rpartition("/")[2])
        if identifier and self._locations_hold_ids:
            return TargetRecord(step.type, identifier, {}, answer.version)
        if identifier and (record := await self._located(step, identifier)):
            self._locations_hold_ids = True
            return record
        reason = "The target answered with success and without the resource."
        return await self._perhaps_created(step, reason) or self._judge.unknown(reason, Progress())

    async def _located(self, step: Step, identifier: str) -> TargetRecord | None:
        """What is at a location, when it is ours under that id: the last part of a location may be a name."""
        try:
            record = await self._lookups.get(step.type, identifier)
        except TargetError:
            return None
        return record if record and self._is_ours(step, record) else None

    def _learn(self, step: Step, record: TargetRecord) -> None:
        """A whole resource without the externalId that was sent tells that the target keeps it for itself."""
        is_whole = member(record.resource, "userName" if step.type == "User" else "displayName") is not None
        if is_whole and member(step.resource, "externalId") and member(record.resource, "externalId") is None:
            self._knowledge.learn("It never returns externalId.", {"externalIdReturned": False})

    async def _conflict(self, step: Step, answer: Answer, earlier: str) -> TargetRecord | Outcome:
        """A value is taken: by ourselves, when an `earlier` attempt may have been carried out."""
        words = f"The target already has somebody with these values ({self._client.refusal(answer)})."
        try:
            ours, others = await self._candidates(step)
        except TargetError as error:
            ours, others, words = None, (), f"{words} Who that is could not be read: {error.reason}"
        if earlier and ours:
            return ours
        if earlier and not others:
            return self._judge.unknown(f"{earlier} Then: {words}", Progress())
        return Conflict(words, (ours, *others) if ours else others)

    async def _candidates(self, step: Step) -> tuple[TargetRecord | None, tuple[TargetRecord, ...]]:
        """Who is there under the step's keys: the one account that is ours, and all others."""
        profile = self._knowledge.profile
        keys = ["externalId"] if profile.external_id_returned else []
        keys += [*profile.of(step.type).unique, "userName" if step.type == "User" else "displayName"]
        found: dict[str, TargetRecord] = {}
        for path in dict.fromkeys(keys):
            for value in values_at(step.resource, path):
                if isinstance(value, str):
                    records = await self._lookups.find(step.type, path, value, is_fresh=True)
                    found |= {record.id: await self._whole(record) for record in records}
        ours = [record for record in found.values() if self._is_ours(step, record)]
        mine = ours[0] if len(ours) == 1 else None
        return mine, tuple(record for record in found.values() if record is not mine)

    async def _whole(self, record: TargetRecord) -> TargetRecord:
        """The record with everything that tells whose it is; of a list of everybody only the keys were kept."""
        if self._knowledge.profile.filters:
            return record
        return await self._lookups.get(record.type, record.id) or record

    def _is_ours(self, step: Step, record: TargetRecord) -> bool:
        """Whether an account is what this step created, and not one that was there before."""
        sent, there = member(step.resource, "externalId"), member(record.resource, "externalId")
        if sent is not None and (there is not None or self._knowledge.profile.external_id_returned):
            return is_same(sent, there, exact=True)
        sent_values = accepted(step.resource, self._knowledge.profile.of(step.type))
        return all(
            agrees(value, member(record.resource, name))
            for name, value in sent_values.items()
            if name.lower() not in _SILENT
        )
