"""A plan: what will be done to one target, change by change, each with a reason. Pure data, saved as JSON."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import overload

import orjson

from headcount.provisioning.records import RecordKind
from headcount.scim.schemas import Json


class Action(StrEnum):
    """What is done to one account or group."""

    CREATE = "create"
    ADOPT = "adopt"
    """An account that is there already becomes this person's, by a named correlation rule."""
    UPDATE = "update"
    DEACTIVATE = "deactivate"
    REACTIVATE = "reactivate"
    DELETE = "delete"
    MEMBERS = "members"
    """Members come and go; `added` and `removed` hold source keys."""
    REVIEW = "review"
    """Nothing is done until a human has decided: the match is ambiguous or contradictory."""
    PARK = "park"
    """Nothing is done: the record is bad, or refers to somebody who is not there yet."""


class GuardKind(StrEnum):
    """Kinds of change that are counted, limited and held apart."""

    CREATE = "create"
    """Adoptions too."""
    UPDATE = "update"
    """Reactivations too."""
    DEACTIVATE = "deactivate"
    DELETE = "delete"
    MEMBERS = "members"
    """Memberships that end; one that begins harms nobody who is there."""
    EMPTYING = "emptying"
    """Groups that lose their last member."""


@dataclass(frozen=True, slots=True)
class ValueChange:
    """One attribute: what the target was last known to have, and what it is to have."""

    path: str
    """An attribute path of RFC 7644 §3.5.2; extension attributes begin with their URN."""
    old: Json = None
    new: Json = None
    """None removes it."""


class Values(Sequence[ValueChange]):
    """Value changes, kept small until they are looked at: the plan of a first load has a million of them."""

    __slots__ = ("_packed", "_paths")

    def __init__(self, changes: Iterable[ValueChange]) -> None:
        changes = tuple(changes)
        olds = [change.old for change in changes]
        columns = [[change.new for change in changes], *([olds] if any(old is not None for old in olds) else [])]
        self._paths = _shared(tuple(change.path for change in changes))
        self._packed = bytes(memoryview(orjson.dumps(columns)))  # a copy without the slack of 4 KiB

    @property
    def wanted(self) -> dict[str, Json]:
        """The new values by path; None where one is removed."""
        return dict(zip(self._paths, orjson.loads(self._packed)[0], strict=True))

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[ValueChange]:
        news, *rest = orjson.loads(self._packed)
        return map(ValueChange, self._paths, rest[0] if rest else [None] * len(news), news)

    @overload
    def __getitem__(self, place: int) -> ValueChange: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[ValueChange, ...]: ...

    def __getitem__(self, place: int | slice) -> ValueChange | tuple[ValueChange, ...]:
        return tuple(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash((self._paths, self._packed))

    def __repr__(self) -> str:
        return repr(tuple(self))


@lru_cache
def _shared(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The same paths, once for all who have them."""
    return paths


NO_VALUES = Values(())


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan."""

    action: Action
    kind: RecordKind
    key: str
    """The source key."""
    label: str
    """What people know it by: a userName or displayName."""
    reason: str
    """Why, in words: `joined: no link, in scope`."""
    target_id: str = ""
    """The id at the target; empty when it is to be created."""
    values: Values = NO_VALUES
    """What changes; of a create everything."""
    agreed: Mapping[str, Json] = field(default_factory=dict)
    """Values, by path, that an adopted account has already."""
    added: tuple[str, ...] = ()
    """Source keys of members to add; those of a create too."""
    removed: tuple[str, ...] = ()
    nested: tuple[str, ...] = ()
    """Which of the keys in `added` and `removed` are groups."""
    is_emptying: bool = False
    """Whether a group that has members will have none."""
    references: tuple[str, ...] = ()
    """Source keys that `values` refer to as `{"$key": …}` in place of a target id (manager)."""
    source_digest: str = ""
    """The record's digest when the plan was made: a precondition."""
    ledger_version: int = 0
    """The link's version when the plan was made: a precondition; 0 for no link."""
    rule: str = ""
    """The correlation rule behind an adoption."""
    candidates: tuple[Mapping[str, Json], ...] = ()
    """What a human has to choose from: (id, userName, …) of the accounts that could be meant."""
    is_leaver: bool = False
    """Whether the account is deactivated because its person left, not because the source says inactive."""
    fingerprint: str = ""
    """Of the desired state: the link carries it when this change is done, and the next plan has nothing to compare.
    Empty when something is left to be done about the record."""


@dataclass(frozen=True, slots=True)
class Held:
    """A kind of change that the guard holds back."""

    kind: GuardKind
    count: int
    """Of this plan and of what was done within the window."""
    limit: str
    """The threshold in words: `more than 10, or 5% of 412 linked, in 24h`."""
    changes: tuple[Change, ...] = ()
    """What is held, and what depends on it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is to happen to one (job, target) pair."""

    job: str
    job_digest: str
    """Of the job's text: a plan is not applied for another version of the job."""
    target: str
    made: str
    """UTC, fixed width."""
    expires: str
    changes: tuple[Change, ...] = field(repr=False)
    """Not in its `repr`, which asyncio makes of results where nobody asks for it."""
    unchanged: int = 0
    """How many linked records need nothing."""
    drift: tuple[Change, ...] = field(default=(), repr=False)
    """What somebody else changed at the target, apart from what is to be done about the source."""
    held: tuple[Held, ...] = field(default=(), repr=False)
    waiting: tuple[str, ...] = ()
    """Keys of groups that are looked at again by the next run, as members of theirs are parked or in the review."""
    requests: int = 0
    """How many requests it takes."""
    seconds: float = 0.0
    """How long these take at the target's limits; 0 when it has none."""
    watermark: str = ""
    linked: int = 0
    """Accounts linked to the target when the plan was made."""
