"""What is to be done at a target, with every id filled in, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from headcount.provisioning.plan import Action, ValueChange
from headcount.provisioning.records import TargetRecord
from headcount.scim.schemas import Json


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a group, by its id at the target."""

    id: str
    type: str = "User"
    """`User` or `Group`."""
    display: str = ""
    """For targets that ask for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """A change in which every source key has become an id of the target."""

    action: Action
    type: str
    """`User` or `Group`."""
    key: str
    """The source key; it names the step, and never reaches the target."""
    target_id: str = ""
    """Empty when it is to be created."""
    resource: Mapping[str, Json] = field(default_factory=dict)
    """The whole desired resource, without members; a create sends it, an adoption and a PUT merge it in."""
    values: tuple[ValueChange, ...] = ()
    added: tuple[Member, ...] = ()
    removed: tuple[Member, ...] = ()
    members: tuple[Member, ...] | None = None
    """Everybody who is to be in the group afterwards; only a group that can be replaced but not patched needs it."""
    version: str = ""
    """The entity tag that the target gave last; sent as a precondition where the target heeds it."""
    expected: Mapping[str, Json] = field(default_factory=dict)
    """Singular attributes (`userName`, `displayName`, `externalId`) as the target gave them last. Before somebody is
    deleted or deactivated and before a group is emptied, what is there has to agree with them."""
    empties: bool = False
    """Whether the group has no member afterwards."""


@dataclass(frozen=True, slots=True)
class Done:
    """The state is there."""

    target_id: str = ""
    resource: Mapping[str, Json] = field(default_factory=dict)
    """As the target answered; empty when it answered without a body, and after a delete."""
    version: str = ""
    """Its entity tag now, where the target has one."""
    added: tuple[str, ...] = ()
    """Ids of the members that were added."""
    removed: tuple[str, ...] = ()
    note: str = ""
    """What a human might wonder about: `was gone already`."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The target will not have it; it stays as it was, but for `so_far`."""

    reason: str
    """In words, bounded, without secrets."""
    status: int = 0
    """The HTTP status; 0 when it was not even sent."""
    scim_type: str = ""
    retry_after: float | None = None
    """Seconds after which the target itself wants to be asked again."""
    so_far: Done | None = None
    """What is there all the same: the group that was created, the members that arrived."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """A value that has to be unique is taken by somebody whom the plan did not speak of."""

    reason: str
    candidates: tuple[TargetRecord, ...] = ()
    """Who has it, when the target lets us see."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A precondition does not hold: somebody else changed it since. Nothing was done, but for `so_far`."""

    reason: str
    current: TargetRecord | None = None
    so_far: Done | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """Who was to be changed is not there any more; a GET has confirmed it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have happened or not, and nothing tells which. To be looked at again later, never blindly repeated."""

    reason: str
    settle_after: float = 0.0
    """Seconds after which the target's lookups can be believed."""
    so_far: Done | None = None


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The target does not answer, or not to us: no step will do better until that is mended."""

    reason: str
    retry_after: float | None = None
    so_far: Done | None = None


Outcome: TypeAlias = Done | Refused | Conflict | Moved | Gone | Unknown | Unreachable
