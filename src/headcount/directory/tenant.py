"""A tenant as everything else sees it."""

from dataclasses import dataclass, field
from enum import StrEnum

from headcount.directory.guard.rules import Rule
from headcount.scim.profiles import TOLERANT, Profile
from headcount.scim.registry import Registry, ResourceType


class PasswordPolicy(StrEnum):
    """What happens to a password that a client sends."""

    DISCARD = "discard"
    """It is forgotten: identity providers send random ones."""
    HASH = "hash"
    """Its argon2id hash is kept."""


class AdoptionPolicy(StrEnum):
    """What happens when a connection creates somebody who exists."""

    REFUSE = "refuse"
    """409, naming the id."""
    SAME_EXTERNAL_ID = "sameExternalId"
    """Whoever has the externalId of the same connection is updated; other likenesses go to review."""


class RehirePolicy(StrEnum):
    """Who somebody is that was deleted and is created again with the same externalId by the same connection."""

    NEW = "new"
    SAME_ID = "sameId"
    """Whoever it was before: the id comes back."""


class RequestLogPolicy(StrEnum):
    """What is kept of the last requests."""

    OFF = "off"
    METADATA = "metadata"
    """Who asked for what, and how it ended."""
    FAILURES = "failures"
    """The bodies of requests and answers as well, without secrets, where not all was plain: refused or forgiven."""
    BODIES = "bodies"
    """All bodies."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one request may ask for."""

    bulk_operations: int = 1_000
    bulk_bytes: int = 4 * 1024 * 1024
    body_bytes: int = 1024 * 1024
    group_body_bytes: int = 16 * 1024 * 1024
    members: int = 100_000
    patch_operations: int = 1_000
    filter_bytes: int = 8 * 1024
    filter_depth: int = 32
    filter_terms: int = 200
    projection_names: int = 200
    sensitive_attributes: str = ""
    """Attribute paths, separated by commas, that a search in a URL must not name (RFC 7644 §7.5.2)."""
    default_page_size: int = 100
    max_page_size: int = 1_000
    cursor_timeout: int = 3_600
    """Seconds."""
    patched_members: int = 200
    """A PATCH of a group with more members answers 204 unless a projection is asked for."""


@dataclass(frozen=True, slots=True)
class Quotas:
    """Bounds on what a tenant holds and how often it is asked; None for none."""

    users: int | None = None
    groups: int | None = None
    requests_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant: what it knows and how it is served."""

    name: str
    base_url: str
    """The SCIM base URL, without a slash at the end."""
    registry: Registry
    profile: Profile = TOLERANT
    passwords: PasswordPolicy = PasswordPolicy.DISCARD
    refuse_unknown: bool = False
    """Whether attributes that no schema has are refused rather than ignored."""
    limits: Limits = field(default_factory=Limits)
    guard: tuple[Rule, ...] = ()
    """Rules against mass removal."""
    adoption: AdoptionPolicy = AdoptionPolicy.REFUSE
    rehire: RehirePolicy = RehirePolicy.NEW
    connections: frozenset[str] = frozenset()
    """Its connections besides the default one."""
    request_log: RequestLogPolicy = RequestLogPolicy.FAILURES
    quotas: Quotas = field(default_factory=Quotas)
    is_suspended: bool = False
    """Whether its clients are turned away; its data stays."""

    @property
    def is_watched(self) -> bool:
        """Whether writes are looked at beyond what the schemas say."""
        return bool(
            self.guard
            or self.connections
            or self.adoption is not AdoptionPolicy.REFUSE
            or self.rehire is not RehirePolicy.NEW
        )

    def location(self, resource_type: ResourceType, resource_id: str) -> str:
        """The URI of a resource (RFC 7643 §3.1)."""
        return f"{self.base_url}{resource_type.endpoint}/{resource_id}"
