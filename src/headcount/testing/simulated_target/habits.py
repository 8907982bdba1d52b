"""What a simulated target does otherwise than the RFCs ask for, and what it limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Habits:
    """Limits and bad habits; without any it is a well-behaved server. Shares are of requests, 0 to 1, by the seed."""

    # methods
    put: bool = True
    group_put: bool = True
    patch: bool = True
    group_patch: bool = True
    missing_as_html: bool = False
    """A missing method answers with an HTML page and 404, as if the resource were not there."""
    deletes: Literal["deletes", "deactivates", "refuses"] = "deletes"

    # members
    members_per_request: int | None = None
    """More are refused with 400."""
    member_operations: int | None = None
    """More operations on members in one PATCH are refused with 400."""
    members_on_create: int | None = None
    """More in a POST are refused with 400."""
    members_returned: bool = True
    members_by_name: bool = False
    """Members are shown by userName, and none is removed by id, which is noTarget."""
    removal: Literal["any", "filter", "value"] = "any"
    """Other forms of removing a member are refused with 400."""
    unknown_members: Literal["refused", "kept"] = "refused"
    """What happens with a member whom nobody knows; refused with 404."""

    # values
    operations: int | None = None
    """More in a PATCH are refused with 400."""
    value_paths: bool = True
    """Without them a PATCH through a path with a filter is answered with success and does nothing."""
    elements: int | None = None
    """A multi-valued attribute with more values is refused with 400."""
    normalises: bool = False
    """userName and e-mail addresses are kept in lower case, display names without outer blanks."""
    keeps_names: bool = False
    """A changed userName is answered with success and not changed."""
    unique_names: bool = True
    """Without it two users may have one userName."""
    external_id_returned: bool = True

    # reads
    filters: Literal["heeded", "ignored", "refused"] = "heeded"
    count_refused: bool = False
    count_fails: bool = False
    """A request with `count` is answered with 500."""
    largest_page: int = 100
    cursors: bool = False
    start_ignored: bool = False
    """Every page is the first one."""
    lag: int = 0
    """Reads show a change only after so many further requests."""

    # answers
    empty_success: bool = False
    """A change is answered with 200 and `{}`."""
    locations: Literal["none", "id", "name"] = "none"
    """A create is answered without a body and with a `Location` that ends so."""
    html_errors: bool = False
    etags: bool = False
    bulk: int = 0
    """Operations that a bulk request may hold; 0 without a bulk endpoint."""
    discovery: bool = True

    # failures, at random
    throttled: float = 0.0
    """Share of requests answered with 429 and `Retry-After`."""
    retry_after: str = "0"
    """`date` for an HTTP date that has passed."""
    storm: int = 0
    """So many requests are answered with 429 from the first one on."""
    failing: float = 0.0
    """Share of requests answered with 500 before anything is done."""
    failing_after_success: float = 0.0
    """Share of writes that are carried out and answered with 500."""
    lost_requests: float = 0.0
    """Share of requests that end with a closed connection before anything is done."""
    lost_responses: float = 0.0
    """Share of writes that are carried out and end with a closed connection."""


HABITS_OF_PACKS: Final[Mapping[str, Habits]] = {
    "generic": Habits(),
    "headcount": Habits(etags=True, cursors=True, largest_page=1_000, bulk=1_000),
    "aws-iam-identity-center": Habits(
        group_put=False,
        members_per_request=100,
        members_on_create=100,
        members_returned=False,
        removal="value",
        elements=1,
        largest_page=50,
    ),
    "canaille": Habits(
        group_patch=False,
        members_by_name=True,
        value_paths=False,
        external_id_returned=False,
        filters="ignored",
        count_fails=True,
        etags=True,
    ),
    "github": Habits(value_paths=False, group_put=False, largest_page=30),
    "slack": Habits(deletes="deactivates", largest_page=1_000),
    "google-cloud-identity": Habits(
        put=False,
        missing_as_html=True,
        operations=20,
        member_operations=1,
        members_per_request=1,
        members_on_create=0,
        removal="filter",
        empty_success=True,
    ),
}
"""By name of a pack: what the target behind it limits."""
