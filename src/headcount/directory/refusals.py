"""What a store refuses, said in SCIM terms."""

from collections.abc import Iterator
from contextlib import contextmanager

from headcount.scim.errors import (
    InvalidValueError,
    NotFoundError,
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
    VersionConflictError,
)


@contextmanager
def in_scim_terms(*, names_owner: bool = True) -> Iterator[None]:
    """Turns a store's refusal into the SCIM error that the client can act on; a version conflict passes.

    Who has a value that is taken is said only to those who may see everybody.
    """
    try:
        yield
    except VersionConflictError:
        raise
    except NotUniqueError as error:
        owner = f", by the resource {error.owner}" if names_owner else ""
        message = f"{error.attribute} '{error.value}' is already in use{owner}."
        raise UniquenessError(message) from error
    except UnknownMemberError as error:
        raise InvalidValueError(f"members: there is no resource '{error.member}'.") from error
    except MembershipCycleError as error:
        raise InvalidValueError(f"members: the group '{error.member}' contains this group already.") from error
    except MissingError as error:
        raise NotFoundError("The resource does not exist.") from error
    except TimeBudgetError as error:
        raise TooManyError(str(error)) from error
    except StoreError as error:
        raise UnavailableError from error
