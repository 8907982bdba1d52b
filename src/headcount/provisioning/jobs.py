"""A sync job: who is read from where, what becomes of them, and which targets have them. Pure data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from headcount.provisioning.mapping.attributes import AttributeMapping
from headcount.provisioning.mapping.expressions import Compiler, Expression
from headcount.provisioning.plan import GuardKind
from headcount.scim.filters.binding import BoundFilter

DAY: Final = 86_400.0


class Leaver(StrEnum):
    """What becomes of the account of somebody who has left."""

    DEACTIVATE = "deactivate"
    DELETE = "delete"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class LeaverPolicy:
    """What is done about leavers."""

    at_once: Leaver = Leaver.DEACTIVATE
    delete_after: float | None = None
    """Seconds between deactivation and deletion; None where nothing is deleted later."""


class Drift(StrEnum):
    """What is done about what somebody else changed at a target."""

    REPORT = "report"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class Limit:
    """How much of one kind may happen within a window."""

    number: int | None = None
    """Of changes; None for any number."""
    share: float | None = None
    """Of the accounts (or, for emptying, the groups) that are linked, from 0 to 1; a handful always passes."""
    window: float = DAY
    """Seconds, across runs."""


DEFAULT_GUARD: Final[Mapping[GuardKind, Limit]] = {
    GuardKind.CREATE: Limit(),
    GuardKind.UPDATE: Limit(share=0.5),
    GuardKind.DEACTIVATE: Limit(number=500, share=0.1),
    GuardKind.DELETE: Limit(number=100, share=0.05),
    GuardKind.MEMBERS: Limit(number=10_000, share=0.25),
    GuardKind.EMPTYING: Limit(number=10, share=0.1),
}
"""What holds where a job says nothing. A first load creates without limit."""


@dataclass(frozen=True, slots=True)
class CorrelationRule:
    """How an account that is there already is recognised."""

    name: str
    """As `adopt` and plans name it."""
    attribute: str
    """What is looked up at the target: `userName`, `emails.value`."""
    expression: Expression | None = None
    """Gives the value; without it the person's mapped value is taken."""


EXTERNAL_ID: Final = CorrelationRule("externalId", "externalId")
USER_NAME: Final = CorrelationRule("userName", "userName")
EMAIL: Final = CorrelationRule("email", "emails.value")
DISPLAY_NAME: Final = CorrelationRule("displayName", "displayName")
WELL_KNOWN: Final[Mapping[str, CorrelationRule]] = {rule.name: rule for rule in (EXTERNAL_ID, USER_NAME, EMAIL)}
GROUP_RULES: Final = (EXTERNAL_ID, DISPLAY_NAME)
DEFAULT_ADOPT: Final = ("externalId", "userName")
DEFAULT_GROUP_ADOPT: Final = ("externalId", "displayName")


@dataclass(frozen=True, slots=True)
class Scope:
    """Who takes part, in SCIM filter syntax over the mapped person or group."""

    text: str
    bound: BoundFilter


class Nested(StrEnum):
    """What becomes of groups within groups."""

    KEEP = "keep"
    FLATTEN = "flatten"


class GroupOrigin(StrEnum):
    """Where groups come from."""

    SOURCE = "source"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Which groups there are, and what they look like."""

    origin: GroupOrigin
    attribute: str = ""
    """The attribute of a person's record whose values are groups."""
    separator: str = ""
    """Between several values in one text; empty where a text is one value."""
    mappings: tuple[AttributeMapping, ...] = ()
    scope: Scope | None = None
    nested: Nested = Nested.KEEP


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """One source, as the file names it."""

    type: str
    """`csv`, `ndjson`, `scim`, `headcount`."""
    key: str
    """The attribute that a record is known by for ever."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The rest, by the names of the file; secrets are `Secret`s."""


@dataclass(frozen=True, slots=True)
class Join:
    """Another source whose attributes join the records of the primary one."""

    name: str
    source: SourceSettings
    on: str
    """The attribute of the primary record that holds the other source's key."""
    precedence: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By attribute: names of joins and `source`, the first that has a value wins; without it `source` wins."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """One target of a job."""

    name: str
    url: str
    index: int
    """Its place among the job's targets."""
    variant: int
    """Which of the job's sets of mappings it takes."""
    pack: str = "generic"
    authentication: Mapping[str, Any] = field(default_factory=dict)
    """`type` is bearer, basic, oauth2, headers or none; secrets are `Secret`s."""
    connection: Mapping[str, Any] = field(default_factory=dict)
    """headers, query, tls, proxy, timeout, as the file names them."""
    capabilities: Mapping[str, Any] = field(default_factory=dict)
    """What a human knows better than the pack: a layer of the capability profile."""
    scope: Scope | None = None
    has_groups: bool = True
    group_scope: Scope | None = None
    nested: Nested = Nested.KEEP
    group_leaver: Leaver = Leaver.DELETE
    """What becomes of a group that is gone; delete or keep."""
    leaver: LeaverPolicy = LeaverPolicy()
    guard: Mapping[GuardKind, Limit] = field(default_factory=lambda: DEFAULT_GUARD)
    adopt: tuple[str, ...] = DEFAULT_ADOPT
    """Names of the correlation rules that link a person's account without asking."""
    adopt_groups: tuple[str, ...] = DEFAULT_GROUP_ADOPT
    """The same of groups, which are recognised by externalId and displayName."""
    drift: Drift = Drift.REPORT
    concurrency: int | None = None
    """Requests at a time; None leaves it to the pack."""
    rate: float | None = None
    """Requests per second; None leaves it to the pack."""


@dataclass(frozen=True, slots=True)
class SyncJob:
    """Everything that a job file says."""

    name: str
    tenant: str
    source: SourceSettings
    variants: tuple[tuple[AttributeMapping, ...], ...]
    """The sets of mappings of persons that the targets take; most jobs have one."""
    targets: Mapping[str, TargetSettings]
    joins: tuple[Join, ...] = ()
    scope: Scope | None = None
    groups: GroupSettings | None = None
    correlation: tuple[CorrelationRule, ...] = (EXTERNAL_ID, USER_NAME)
    lookups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schedule: str = ""
    """A cron expression, UTC; empty where nothing runs by itself."""
    compiler: Compiler = field(default_factory=lambda: Compiler({}), repr=False, compare=False)
    """What its expressions were compiled by, and are evaluated with."""
    description: str = ""
    text: str = ""
    """The file."""
    digest: str = ""
    """Of the text."""

    def mappings(self, target: TargetSettings) -> tuple[AttributeMapping, ...]:
        """The mappings of persons that a target takes."""
        return self.variants[target.variant]

    def scope_of(self, target: TargetSettings) -> tuple[Scope, ...]:
        """All the rules that somebody has to satisfy to take part in a target."""
        return tuple(scope for scope in (self.scope, target.scope) if scope is not None)
