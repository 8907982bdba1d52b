"""What a store keeps, as values and as one small interface.

`sqlite` and `memory` implement it (`headcount.testing.store_contract` proves that they agree). A store knows no
protocol rule: it is told what to keep, what must be unique and what the resource is found by.
Only `Store.for_tenant` takes a tenant; nothing it returns does, so that no statement can cross tenants.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, Protocol, TypeAlias

from headcount.scim.filters.binding import BoundFilter
from headcount.scim.paths import BoundPath
from headcount.scim.registry import ResourceType

OPERATOR_TENANT: Final = "_operator"
"""Holds tenants and access tokens; no tenant can have this name."""
TENANT_TYPE: Final = "Tenant"
"""The resource type of tenants there."""

DEFAULT_CONNECTION: Final = "default"
"""The connection whose externalIds a tenant starts with."""


class StoreError(Exception):
    """The store cannot do what was asked."""


class NotUniqueError(StoreError):
    """Another resource has the value of a unique attribute."""

    def __init__(self, attribute: str, value: str, owner: str) -> None:
        self.attribute = attribute
        """The attribute as a qualified path."""
        self.value = value
        self.owner = owner
        """The id of the resource that has the value."""
        super().__init__(f"{attribute} {value!r} belongs to {owner}")


class VersionConflictError(StoreError):
    """The resource has another version than expected."""


class MissingError(StoreError):
    """The resource does not exist (any more)."""


class UnknownMemberError(StoreError):
    """A member to add is no resource of the tenant."""

    def __init__(self, member: str) -> None:
        self.member = member
        super().__init__(f"no resource {member}")


class MembershipCycleError(StoreError):
    """A group would become, directly or through others, a member of itself."""

    def __init__(self, member: str) -> None:
        self.member = member
        super().__init__(f"group {member} contains the group")


REFUSALS: Final = (NotUniqueError, VersionConflictError, MissingError, UnknownMemberError, MembershipCycleError)
"""What is wrong with one write, rather than with the database."""


class TimeBudgetError(StoreError):
    """A search took longer than its budget."""


class OutdatedSchemaError(StoreError):
    """The database has another schema than this version of Headcount expects."""


class StoredResource(NamedTuple):
    """A resource as it is read: stored attributes, and the derived ones as JSON fragments."""

    type: str
    id: str
    version: int
    created: str
    """UTC, `2026-01-31T08:30:00.000000Z`."""
    modified: str
    document: bytes
    """The canonical JSON object: `schemas`, `id`, attributes; no `meta`, no derived value, no secret."""
    groups: bytes | None = None
    """`User.groups` as a JSON array whose `$ref`s begin with a slash; None when not asked for or empty."""
    manager: bytes | None = None
    """`"$ref":"/Users/…"` and, of whoever has a name, `,"displayName":"…"` of a manager in the same tenant."""
    member_count: int = 0
    private: bytes | None = None
    """The JSON object of attributes that are never returned; only `read` with `private=True` fills it."""
    connection: str = DEFAULT_CONNECTION
    """Who created it."""


class Keys(NamedTuple):
    """What a resource is found by. Strings are folded unless the attribute is case-exact."""

    user_name: str | None = None
    display_name: str | None = None
    title: str | None = None
    active: bool | None = None
    external_id: str | None = None
    manager: str | None = None
    """The id that the enterprise extension's `manager.value` holds."""
    label: str = ""
    """What a reference to the resource displays; empty for nothing."""
    folded_label: str = ""
    unique: tuple[tuple[str, str], ...] = ()
    """(qualified attribute path, value) of every other attribute with uniqueness server or global."""
    values: tuple[tuple[str, int, str], ...] = ()
    """(path, element number, value) of multi-valued and declared indexed attributes: `emails.value`."""


class Origin(NamedTuple):
    """Who asked for a change, and when: part of every row of the change log."""

    at: str
    """UTC, fixed width."""
    actor: str
    """The id of the access token, or `cli`; behind a space may stand what else is known of it."""
    request_id: str
    connection: str = DEFAULT_CONNECTION
    """Whose externalIds are meant, and who owns what is created."""


class MembershipChange(NamedTuple):
    """What happens to a group's members: `removed` first (all of them when `clear`), then `added`."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    clear: bool = False


class Create(NamedTuple):
    """A resource to add, with its members when it is a group."""

    type: str
    id: str
    document: bytes
    compare: bytes
    """The canonical document with folded strings and UTC instants, what searches read."""
    private: bytes | None
    keys: Keys
    origin: Origin
    members: MembershipChange | None = None


class Update(NamedTuple):
    """New stored attributes of a resource whose version is `expected_version`.

    `document` None leaves the stored attributes alone: a change of members only, for which `expected_version` None
    accepts any version. `private` None keeps what there is. Members that are there already, or not there to be
    removed, are no change.
    """

    type: str
    id: str
    origin: Origin
    expected_version: int | None
    document: bytes | None = None
    compare: bytes | None = None
    private: bytes | None = None
    keys: Keys | None = None
    previous: Keys | None = None
    """The keys of the version that is replaced: side tables are touched only where they differ.

    Their externalId is the one of the connection that writes; those of others stay as they are.
    """
    before: bytes | None = None
    """The document that is replaced, for the change log."""
    members: MembershipChange | None = None


class Delete(NamedTuple):
    """A resource to remove, with its memberships on both sides. Groups it leaves get a new version."""

    type: str
    id: str
    origin: Origin
    expected_version: int | None


Write = Create | Update | Delete


class Written(NamedTuple):
    """What a write left behind: the version and instant of last modification that now hold."""

    version: int
    created: str
    modified: str
    changed: bool
    member_count: int = 0


class Member(NamedTuple):
    """One member of a group."""

    id: str
    type: str
    """The name of its resource type: `User` or `Group`."""
    display: str
    """Empty when it has no name."""


class Target(NamedTuple):
    """A resource type to search, with the filter and the sort path bound to it."""

    resource_type: ResourceType
    filter: BoundFilter | None = None
    sort: BoundPath | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: the sort value (None without sorting, or when missing) and the id."""

    value: str | float | int | bool | None
    id: str


class Query(NamedTuple):
    """A search. Without a sort path the order is by id; missing values come last, first when descending."""

    targets: tuple[Target, ...]
    limit: int
    offset: int = 0
    after: Position | None = None
    """Keyset position; then `offset` is 0."""
    descending: bool = False
    total: bool = True
    """Whether to count all matches."""
    groups: bool = True
    """Whether to derive `User.groups`."""
    base_url: str = ""
    """The tenant's base URL, that references in filters may begin with."""
    connection: str | None = None
    """Whose externalIds filters and sorting are about; None for those of any."""


class Page(NamedTuple):
    """A page of resources, in order."""

    resources: tuple[StoredResource, ...]
    total: int | None
    last: Position | None
    """The position of the last resource, when there is at least one more behind it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one version of a resource is to be found by under one path."""

    id: str
    version: int
    values: tuple[tuple[int, str], ...]
    """(element number, value)."""


KeyName: TypeAlias = Literal["user_name", "external_id", "display_name"]
"""A key that resources are found by one by one: a member of `Keys`."""


class TenantStore(Protocol):
    """Everything of one tenant, and of no other."""

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        ...

    async def write(self, write: Write) -> Written:
        """Carries out one write with its row in the change log, durably, or raises and leaves nothing behind.

        Raises NotUniqueError, VersionConflictError, MissingError, UnknownMemberError, MembershipCycleError.
        """
        ...

    async def write_many(self, batch: Sequence[Write]) -> Sequence[Written | StoreError]:
        """Carries out writes as `write` does, each wholly or not at all; gives the outcome or the refusal of each."""
        ...

    async def ids_of(
        self, type_name: str, key: KeyName, values: Sequence[str], *, connection: str | None = None
    ) -> Sequence[tuple[str, str]]:
        """The (value, id) of resources of a type that have one of these values, folded as keys are.

        With `connection`, externalIds are that connection's; without it, anybody's.
        """
        ...

    async def search(self, query: Query) -> Page:
        """A page of the resources that match; raises TimeBudgetError."""
        ...

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids, behind `after`; with `only`, those of them that are members."""
        ...

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The keyed records of a kind, by key."""
        ...

    async def change_records(
        self, kind: str, changes: Mapping[str, bytes | None], *, expected_revision: int | None = None
    ) -> None:
        """Keeps records in place of those with the same keys, and forgets those that are None: all or none.

        Raises VersionConflictError when any record has changed since a revision that is expected.
        """
        ...

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        ...

    async def index(self, type_name: str, path: str, found: Sequence[Found], *, unique: bool) -> Sequence[str]:
        """Replaces what resources are found by under a path, durably: values to search by, or unique ones.

        Gives the ids of resources that have another version by now, which are left alone. Raises NotUniqueError when
        two resources have one unique value; then nothing is replaced.
        """
        ...

    async def forget_index(self, type_name: str, path: str, *, unique: bool) -> None:
        """Removes everything that is found by a path."""
        ...

    async def is_empty(self) -> bool:
        """Whether nothing of the tenant is kept."""
        ...

    async def clear(self, *, registration: str | None = None) -> None:
        """Removes everything of the tenant: resources, memberships, records, change log.

        With `registration`, the id of its resource, only while the operator has that, and it stays there meanwhile;
        raises MissingError.
        """
        ...

    def changes(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """The rows of the change log behind a sequence number, in order."""
        ...


class Store(Protocol):
    """One installation's data."""

    def for_tenant(self, tenant: str) -> TenantStore:
        """The part of the tenant with that name."""
        ...

    async def migrate(self) -> Sequence[str]:
        """Brings the schema up to date, under a lock, before `open`; gives the migrations that were applied."""
        ...

    async def migrations(self) -> Mapping[str, bool]:
        """All migrations of this version, and whether each is applied; changes nothing."""
        ...

    async def open(self) -> None:
        """Connects; raises OutdatedSchemaError when migrations are due."""
        ...

    async def close(self) -> None:
        """Finishes what is under way and disconnects."""
        ...

    async def ready(self) -> None:
        """Raises StoreError when the database cannot be reached or is not current."""
        ...

    async def installation_key(self) -> bytes:
        """The 32 random bytes that were made at the first migration."""
        ...
