"""From a situation to a plan. Pure: what has to be looked up at the target is asked first, by `questions`."""

from datetime import datetime, timedelta
from typing import Final

from headcount.provisioning.correlation import Answers, Question
from headcount.provisioning.drift import drift_of, overwritten
from headcount.provisioning.groups import Groups
from headcount.provisioning.ordering import ordered
from headcount.provisioning.people import People
from headcount.provisioning.plan import Change, Plan
from headcount.provisioning.references import References
from headcount.provisioning.situation import Situation

LIFETIME: Final = timedelta(hours=24)


def questions(situation: Situation) -> tuple[Question, ...]:
    """What has to be looked up before a plan can be made; empty once everything is answered.

    Names that have to be unique ask in rounds: put the answers into the situation, and ask again.
    """
    return plan_as_far(situation)[1]


def first_questions(situation: Situation) -> tuple[Question, ...]:
    """What is asked about those who have no account yet, most of it all: found without making a plan."""
    answers = Answers(situation.answers)
    people = People(situation, answers)
    people.ask()
    Groups(situation, answers, people).ask()
    return tuple(answers.missing)


def make_plan(situation: Situation) -> Plan:
    """What is to be done. Nobody is recognised by a question that has no answer yet."""
    return plan_as_far(situation)[0]


def plan_as_far(situation: Situation) -> tuple[Plan, tuple[Question, ...]]:
    """The plan as far as everything is answered, and what is still asked: the plan is final when that is nothing."""
    answers = Answers(situation.answers)
    people, groups, changes = _planned(situation, answers)
    drift = list(drift_of(situation))
    plan = Plan(
        job=situation.job.name,
        job_digest=situation.job.digest,
        target=situation.target.name,
        made=situation.now,
        expires=_later(situation.now),
        changes=ordered(overwritten(changes, drift, situation)),
        unchanged=people.unchanged + groups.unchanged,
        waiting=tuple(sorted(groups.waiting)),
        drift=tuple(drift),
        watermark=situation.watermark,
        linked=len(situation.links.persons),
    )
    return plan, tuple(answers.missing)


def _planned(situation: Situation, answers: Answers) -> tuple[People, Groups, list[Change]]:
    people = People(situation, answers)
    people.plan()
    groups = Groups(situation, answers, people)
    changes = [*References(situation, people).settled(), *groups.changes()]
    return people, groups, changes


def _later(instant: str) -> str:
    later = datetime.fromisoformat(instant) + LIFETIME
    return later.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
