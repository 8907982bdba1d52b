"""Client profiles: which departures from the RFCs a tenant forgives its clients.

Tolerance is data. Each departure is a named toleration whose docstring says which client needs it; a profile is
a set of them. Nothing in this project asks for a client by name.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final


class Toleration(Enum):
    """One departure from RFC 7643 or RFC 7644 that is accepted."""

    STRING_BOOLEANS = auto()
    """`"True"`, `"False"` for a boolean, in bodies and filters (Entra ID, Keycloak extension)."""
    STRING_FOR_COMPLEX = auto()
    """A string where the schema has a complex value with `value`: `manager`, a member, an e-mail (Entra ID)."""
    OBJECT_FOR_LIST = auto()
    """A single value where the schema has a list (OneLogin, Rippling); a list of one for a single value (Entra ID)."""
    LEGACY_URNS = auto()
    """`urn:scim:schemas:core:2.0` and `…:1.0`, from before the RFC (OneLogin)."""
    UNKNOWN_URNS = auto()
    """URNs in `schemas` that the tenant does not know are ignored (Entra ID groups, custom extensions)."""
    MISSING_SCHEMAS = auto()
    """A body or message without `schemas` (OneLogin's PATCH, editable templates)."""
    DOTTED_KEYS = auto()
    """Keys of a path-less PATCH value, or of a body, that are paths: `name.givenName`, `emails[…].value` (Entra ID)."""
    CREATE_ON_FILTER_MISS = auto()
    """PATCH through a filter that matches nothing creates the element from the filter's `eq` terms (Entra ID)."""
    NESTED_MEMBERS = auto()
    """`{"members": [...]}` as the value of path `members` (Salesforce-shaped clients)."""
    IGNORED_READ_ONLY = auto()
    """Read-only attributes in a path-less PATCH value are ignored (Okta's `id`, authentik's `schemas`)."""
    BARE_EXTENSION_NAMES = auto()
    """Attributes of an extension named without its URN: `manager`, `department` (Entra ID)."""
    COMPLEX_AS_VALUE = auto()
    """A complex attribute with `value` compared as that value: `manager eq "…"` (Entra ID)."""
    EMPTY_OPERATIONS = auto()
    """A PATCH with an empty `Operations` array changes nothing (Entra's validator)."""
    MEMBERS_WITH_OPERATION = auto()
    """Members in SCIM 1.1 form, `{"members": [{"value": "…", "operation": "delete"}]}` (OneLogin's 1.1 connector)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of tolerations."""

    name: str
    tolerations: frozenset[Toleration]

    def tolerates(self, toleration: Toleration) -> bool:
        """Whether the departure is accepted."""
        return toleration in self.tolerations


STRICT: Final = Profile("strict", frozenset())
"""The RFCs to the letter, and our decisions where they are silent."""

TOLERANT: Final = Profile("tolerant", frozenset(Toleration))
"""What real identity providers send."""

PROFILES: Final = {profile.name: profile for profile in (STRICT, TOLERANT)}
