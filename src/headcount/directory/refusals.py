"""What a store refuses, said in SCIM terms."""

from headcount.scim.errors import (
    InvalidValueError,
    NotFoundError,
    ScimError,
    TooManyError,
    UnavailableError,
    UniquenessError,
)
from headcount.store.interface import (
    MembershipCycleError,
    MissingError,
    NotUniqueError,
    StoreError,
    TimeBudgetError,
    UnknownMemberError,
)


def in_scim_terms(refusal: StoreError, *, names_owner: bool = True) -> ScimError:
    """The SCIM error that a store's refusal is to the client; a version conflict is for the caller to settle.

    Who has a value that is taken is said only to those who may see everybody.
    """
    match refusal:
        case NotUniqueError():
            owner = f", by the resource {refusal.owner}" if names_owner else ""
            return UniquenessError(f"{refusal.attribute} '{refusal.value}' is already in use{owner}.")
        case UnknownMemberError():
            return InvalidValueError(f"members: there is no resource '{refusal.member}'.")
        case MembershipCycleError():
            return InvalidValueError(f"members: the group '{refusal.member}' contains this group already.")
        case MissingError():
            return NotFoundError("The resource does not exist.")
        case TimeBudgetError():
            return TooManyError(str(refusal))
        case _:
            return UnavailableError()
