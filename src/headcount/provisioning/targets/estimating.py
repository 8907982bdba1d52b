"""How many requests steps take, and how long at the target's limits."""

from collections import Counter
from collections.abc import Iterable, Iterator

from headcount.provisioning.plan import Action
from headcount.provisioning.targets.capabilities import CapabilityProfile
from headcount.provisioning.targets.judging import uses_put
from headcount.provisioning.targets.pacing import duration
from headcount.provisioning.targets.requests import patches
from headcount.provisioning.targets.steps import Step

_CONFIRMED = frozenset({Action.DELETE, Action.DEACTIVATE, Action.ADOPT})


def estimate(steps: Iterable[Step], profile: CapabilityProfile) -> tuple[int, float]:
    """(requests, seconds): confirmations cost time, and are no requests of the step."""
    work: Counter[tuple[str, str]] = Counter()
    confirmations: Counter[tuple[str, str]] = Counter()
    for step in steps:
        work.update(_work(step, profile))
        confirmations["GET", profile.endpoint(step.type)] += _is_confirmed(step, profile)
    return work.total(), duration(work + confirmations, profile.budgets)


def _work(step: Step, profile: CapabilityProfile) -> Iterator[tuple[str, str]]:
    """(method, path) of the requests that change something."""
    endpoint = profile.endpoint(step.type)
    if step.action is Action.DELETE:
        yield "DELETE", endpoint
        return
    if step.action is Action.CREATE:
        yield "POST", endpoint
        if further := step.added[profile.members.on_create :]:
            rest = Step(Action.MEMBERS, step.type, step.key, added=further)
            yield from [("PATCH", endpoint)] * len(patches(rest, profile, {}))
    elif uses_put(profile.of(step.type)):
        yield "PUT", endpoint
    else:
        yield from [("PATCH", endpoint)] * max(len(patches(step, profile, step.resource)), 1)


def _is_confirmed(step: Step, profile: CapabilityProfile) -> bool:
    is_read = uses_put(profile.of(step.type)) and step.action is not Action.CREATE
    return step.action in _CONFIRMED or step.empties or is_read
