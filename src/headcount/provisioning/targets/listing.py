"""Lists, page by page, to their end, or an error: whoever is missing from a list would be taken for gone."""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from headcount.provisioning.targets.capabilities import CapabilityProfile, Paging
from headcount.provisioning.targets.client import Answer, ScimClient
from headcount.provisioning.targets.errors import TargetError, UnreachableError
from headcount.provisioning.targets.paths import member
from headcount.scim.schemas import Json

_UNAUTHORIZED: Final = 401


async def listed(
    client: ScimClient,
    profile: CapabilityProfile,
    endpoint: str,
    query: Mapping[str, str],
    *,
    is_confirmation: bool = False,
) -> AsyncIterator[Mapping[str, Json]]:
    """All resources of a list; raises TargetError when the list ends before everybody was in it."""
    position = _first(profile, query)
    seen: set[str] = set()
    total: int | None = None
    while position is not None:
        answer = await client.get(endpoint, {**query, **position}, is_confirmation=is_confirmation)
        page = list_of(client, answer)
        items = [item for item in resources_of(page) if item.get("id") not in seen]
        if "cursor" not in position:
            seen.update(str(item.get("id")) for item in items)
            total = _whole_number(member(page, "totalResults"))
        for item in items:
            yield item
        position = _following(position, page, len(seen) if items and (total is None or len(seen) < total) else None)
    if total is not None and len(seen) < total:
        raise TargetError(f"The list at {endpoint} ended after {len(seen)} of {total}: nobody may be taken for gone.")


def list_of(client: ScimClient, answer: Answer) -> Mapping[str, Json]:
    """The ListResponse in an answer; raises TargetError when it is none."""
    check_readable(client, answer)
    if not isinstance(member(answer.resource, "Resources"), list) and member(answer.resource, "totalResults") != 0:
        raise TargetError("The target answered a list request with something that is no list.", status=answer.status)
    return answer.resource


def check_readable(client: ScimClient, answer: Answer) -> None:
    """Raises the error that an answer to a GET stands for."""
    if answer.is_success:
        return
    words = str(client.refusal(answer))
    if answer.status == _UNAUTHORIZED:
        raise UnreachableError(f"The target does not accept the credentials ({words}).", status=answer.status)
    raise TargetError(f"The target cannot be read ({words}).", status=answer.status)


def resources_of(page: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """What a page holds."""
    return [item for item in member(page, "Resources") or [] if isinstance(item, Mapping)]


def _first(profile: CapabilityProfile, query: Mapping[str, str]) -> Mapping[str, str] | None:
    count = {"count": str(profile.page_size)} if profile.count and "count" not in query else {}
    if profile.paging is Paging.CURSOR:
        return {"cursor": "", **count}
    return {"startIndex": "1", **count} if profile.count else count


def _following(position: Mapping[str, str], page: Mapping[str, Json], seen: int | None) -> Mapping[str, str] | None:
    """Where the next page is; None at the end, which an index page is when `seen` is None.

    A server may go over to cursors by itself (RFC 9865 §2.3).
    """
    following = member(page, "nextCursor")
    rest = {name: value for name, value in position.items() if name == "count"}
    if isinstance(following, str) and following:
        if following == position.get("cursor"):
            raise TargetError("The target gives the same cursor again: its list has no end.")
        return {"cursor": following, **rest}
    return None if "cursor" in position or seen is None else {"startIndex": str(seen + 1), **rest}


def _whole_number(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
