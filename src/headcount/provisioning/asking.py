"""Answers to what a plan asks of a target: one by one, or out of one listing where that takes fewer requests."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from headcount.provisioning.correlation import Question, answers_from
from headcount.provisioning.diff import first_questions, plan_as_far
from headcount.provisioning.plan import Plan
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.situation import Situation
from headcount.provisioning.targets.errors import TargetError
from headcount.provisioning.targets.paths import values_at
from headcount.provisioning.targets.target import Target
from headcount.scim.folding import fold

_FEW: Final = 50
"""Questions that are always asked one by one."""
_ROUNDS: Final = 200
_USER_NAME: Final = "userName"


class Asker:
    """Asks one target. Who was listed once is not asked for again."""

    def __init__(self, target: Target, linked: int) -> None:
        self._target = target
        self._pages = linked // max(target.profile.page_size, 1)
        """Of a listing, as far as is known."""
        self._listed: dict[str, dict[str, list[TargetRecord]]] = {}
        """By type, and folded userName, who was listed."""

    async def plan(self, situation: Situation) -> Plan:
        """The plan for a situation, with everything answered that it asks; raises TargetError."""
        asked = await asyncio.to_thread(first_questions, situation)  # a server goes on answering meanwhile
        for _ in range(_ROUNDS):
            if asked:
                situation = replace(situation, answers={**situation.answers, **await self._answers(asked)})
            plan, asked = await asyncio.to_thread(plan_as_far, situation)
            if not asked:
                return plan
            del plan  # that of a first load is large, and the next is made beside it
        raise TargetError(f"More than {_ROUNDS} rounds of questions, as for names that are all taken, and no end.")

    async def _answers(self, asked: Sequence[Question]) -> Mapping[Question, tuple[TargetRecord, ...]]:
        found: dict[Question, tuple[TargetRecord, ...]] = {}
        for type_name in {question.type for question in asked}:
            some = [item for item in asked if item.type == type_name and item.attribute != "id"]
            if type_name in self._listed:
                found |= {item: self._known(item) for item in some if item.attribute == _USER_NAME}
            elif len(some) > max(_FEW, self._pages):
                found |= await self._from_listing(type_name, some)
        for question in asked:
            if question not in found:
                found[question] = await self._one(question)
        return found

    async def _one(self, question: Question) -> tuple[TargetRecord, ...]:
        if question.attribute == "id":
            record = await self._target.get(question.type, question.value)
            return (record,) if record else ()
        return tuple(await self._target.find(question.type, question.attribute, question.value))

    def _known(self, question: Question) -> tuple[TargetRecord, ...]:
        return tuple(self._listed[question.type].get(fold(question.value), ()))

    async def _from_listing(
        self, type_name: str, asked: Sequence[Question]
    ) -> Mapping[Question, tuple[TargetRecord, ...]]:
        """Reads everybody; only those who were asked for are kept in whole."""
        wanted = {(question.attribute, fold(question.value)) for question in asked}
        attributes = {attribute for attribute, _ in wanted}
        names = self._listed.setdefault(type_name, {})
        kept = []
        async for record in self._target.everything(type_name):
            values = [(name, fold(str(value))) for name in attributes for value in values_at(record.resource, name)]
            if not wanted.isdisjoint(values):
                kept.append(record)
            for value in values_at(record.resource, _USER_NAME):
                slim = TargetRecord(type_name, record.id, {_USER_NAME: value})
                names.setdefault(fold(str(value)), []).append(slim)
        return answers_from(kept, asked)
