"""In which order changes are carried out: nobody is referred to before they are there, and deletions come last."""

from collections.abc import Iterable
from typing import Final

from headcount.provisioning.plan import Action, Change
from headcount.provisioning.records import RecordKind

_PERSON, _GROUP = RecordKind.PERSON, RecordKind.GROUP
LAST: Final = 7


def phase(change: Change) -> int:
    """When it has its turn: changes of one phase may be carried out at the same time, in any order."""
    is_person = change.kind is _PERSON
    match change.action:
        case Action.REVIEW | Action.PARK:
            return LAST
        case Action.DELETE:
            return 6 if is_person else 5
        case Action.MEMBERS:
            return 4
        case Action.UPDATE if is_person and change.references:
            return 1
        case _:
            return 0 if is_person else 2 if change.action is not Action.UPDATE else 3


def ordered(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The changes by phase, and within one as they came."""
    return tuple(sorted(changes, key=phase))


def phases(changes: Iterable[Change]) -> list[tuple[Change, ...]]:
    """What is to be carried out, batch by batch: each waits for the one before. Reviews and parked records are none."""
    batches: dict[int, list[Change]] = {}
    for change in changes:
        batches.setdefault(phase(change), []).append(change)
    return [tuple(batches[number]) for number in sorted(batches) if number != LAST]
