"""PATCH as pure functions: (resource, operations, profile) → resource (RFC 7644 §3.5.2)."""

from headcount.scim.patch.application import PatchResult, apply_patch
from headcount.scim.patch.members import MembershipDelta, MembersNeededError
from headcount.scim.patch.operations import Op, PatchOperation, read_patch

__all__ = [
    "MembersNeededError",
    "MembershipDelta",
    "Op",
    "PatchOperation",
    "PatchResult",
    "apply_patch",
    "read_patch",
]
