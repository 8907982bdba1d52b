"""Steps that travel together in bulk requests (RFC 7644 §3.7), where the target has them.

Whatever a bulk request leaves open is settled step by step, as if each had been sent alone and its answer were lost.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import orjson

from headcount.provisioning.plan import Action
from headcount.provisioning.targets.carrying import Carrier, with_values
from headcount.provisioning.targets.client import Answer, Request, ScimClient
from headcount.provisioning.targets.errors import TargetError, UncertainError
from headcount.provisioning.targets.judging import uses_put
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.paths import member
from headcount.provisioning.targets.requests import (
    Patch,
    creation,
    missing,
    patch_request,
    patches,
    whole_values_needed,
)
from headcount.provisioning.targets.steps import Outcome, Step
from headcount.scim import urns
from headcount.scim.schemas import Json

_TOGETHER = frozenset({Action.CREATE, Action.UPDATE, Action.REACTIVATE, Action.MEMBERS})
"""What needs no look before it is done."""
_FAULT = 500
_NO_BULK = frozenset({403, 404, 405, 501})
_ENVELOPE = 200
"""Bytes of a bulk request around its operations, and around each of them."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A step as one operation of a bulk request."""

    step: Step
    patch: Patch
    """What its request says; for a create, the members that it holds."""
    operation: bytes
    """JSON."""
    bulk_id: str = ""

    @property
    def size(self) -> int:
        """Bytes in the request."""
        return len(self.operation) + _ENVELOPE


class Together:
    """Carries out several steps with as few requests as the target's bulk endpoint allows."""

    def __init__(self, client: ScimClient, knowledge: Knowledge, carrier: Carrier) -> None:
        self._client = client
        self._knowledge = knowledge
        self._carrier = carrier

    async def carry_out(self, steps: Sequence[Step]) -> list[Outcome]:
        """What became of each step, in their order. No step may depend on another one."""
        outcomes: dict[int, Outcome] = {}
        if self._knowledge.profile.bulk.supported and len(steps) > 1:
            for batch in self._batches(steps):
                if len(batch) > 1:
                    outcomes |= await self._sent(batch)
        for index, step in enumerate(steps):
            if index not in outcomes:
                outcomes[index] = await self._carrier.carry_out(step)
        return [outcomes[index] for index in range(len(steps))]

    def _batches(self, steps: Sequence[Step]) -> Iterator[dict[int, _Entry]]:
        """What fits into one request each, by the step's place."""
        limits = self._knowledge.profile.bulk
        batch: dict[int, _Entry] = {}
        size = _ENVELOPE
        for index, step in enumerate(steps):
            entry = self._entry(index, step)
            if entry is None or entry.size + _ENVELOPE > limits.bytes:
                continue
            if len(batch) >= limits.operations or size + entry.size > limits.bytes:
                yield batch
                batch, size = {}, _ENVELOPE
            batch[index] = entry
            size += entry.size
        yield batch

    def _entry(self, index: int, step: Step) -> _Entry | None:
        """The step as an operation; None when it takes more than one request, or a look before it."""
        profile = self._knowledge.profile
        if step.action not in _TOGETHER or step.empties:
            return None
        if step.action is Action.CREATE:
            request, members = creation(step, profile)
            if missing(step.resource, profile.of(step.type).required) or len(members) < len(step.added):
                return None
            return _entry_of(step, Patch(added=members), request, f"{index}")
        if uses_put(profile.of(step.type)) or whole_values_needed(step, profile.of(step.type)):
            return None
        parts = patches(with_values(step), profile, step.resource)
        if len(parts) != 1:
            return None
        request = patch_request(step, parts[0], profile, step.version if profile.etag else "")
        return _entry_of(step, parts[0], request, "")

    async def _sent(self, batch: Mapping[int, _Entry]) -> dict[int, Outcome]:
        """What became of the steps of one request; those that it says nothing of are missing."""
        body = {
            "schemas": [urns.BULK_REQUEST],
            "Operations": [orjson.Fragment(entry.operation) for entry in batch.values()],
        }
        try:
            answer = await self._client.send(Request("POST", "/Bulk", body=body))
        except UncertainError as error:
            return {index: await self._carrier.resume(entry.step, error) for index, entry in batch.items()}
        except TargetError:
            return {}
        if not answer.is_success:
            if answer.status in _NO_BULK and self._client.refusal(answer).is_certain:
                self._knowledge.learn("It has no bulk endpoint.", {"bulk": {"supported": False}})
            return {}
        results = member(answer.resource, "Operations")
        told = zip_longest(batch.items(), results if isinstance(results, list) else [])
        outcomes = {pair[0]: await self._judged(pair[1], item) for pair, item in told if pair}
        return {index: outcome for index, outcome in outcomes.items() if outcome}

    async def _judged(self, entry: _Entry, result: Json) -> Outcome | None:
        """What one result means; None when the step is to be sent alone, to learn why it was refused."""
        answer = _answer_of(result)
        is_told = (member(result, "bulkId") or "") in ("", entry.bulk_id)
        if not is_told or not answer.status or answer.status >= _FAULT:
            words = (
                f"The target failed ({self._client.refusal(answer)})." if is_told else "Its results are out of order."
            )
            return await self._carrier.resume(entry.step, UncertainError(words, status=answer.status))
        return await self._carrier.accept(entry.step, entry.patch, answer) if answer.is_success else None


def _entry_of(step: Step, patch: Patch, request: Request, bulk_id: str) -> _Entry:
    operation: dict[str, Any] = {"method": request.method, "path": request.path, "data": request.body}
    operation |= {"bulkId": bulk_id} if bulk_id else {}
    operation |= {"version": request.version} if request.version else {}
    return _Entry(step, patch, orjson.dumps(operation), bulk_id)


def _answer_of(item: Json) -> Answer:
    """The result of one operation, as if it had been answered alone."""
    status = member(item, "status")
    status = member(status, "code") if isinstance(status, Mapping) else status
    location, version = member(item, "location"), member(item, "version")
    headers = {"location": location if isinstance(location, str) else ""}
    headers["etag"] = version if isinstance(version, str) else ""
    response = member(item, "response")
    decoded = response if isinstance(response, Mapping) else None
    status = int(status) if str(status).isdecimal() else 0
    is_refusal = status // 100 != 2 and decoded is not None  # noqa: PLR2004  2xx
    return Answer(status, headers, orjson.dumps(decoded) if is_refusal else b"", decoded=decoded)
