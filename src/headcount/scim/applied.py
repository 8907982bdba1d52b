"""Which tolerations a request was in need of: those without which it would have come to something else. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headcount.scim.errors import ScimError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.patch import MembersNeededError, apply_patch, read_patch
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.validation import validate_resource

_Meaning = Callable[[Profile], Any]


def applied_to_body(body: Json, resource_type: ResourceType, profile: Profile) -> list[Toleration]:
    """The tolerations that a resource was in need of."""
    return _applied(lambda tried: validate_resource(body, resource_type, tried), profile)


def applied_to_patch(
    body: Json, current: Mapping[str, Json], resource_type: ResourceType, profile: Profile
) -> list[Toleration]:
    """The tolerations that a PATCH of a resource was in need of."""

    def meaning(tried: Profile) -> Any:
        result = apply_patch(current, read_patch(body, tried), resource_type, tried)
        return result.resource, result.members, dict(result.private)

    return _applied(meaning, profile)


def applied_to_filter(text: str, resource_type: ResourceType, profile: Profile) -> list[Toleration]:
    """The tolerations that a filter was in need of."""
    return _applied(lambda tried: bind_filter(parse_filter(text), resource_type, tried), profile)


def in_words(toleration: Toleration) -> str:
    """A toleration as people read it: `string booleans accepted`."""
    return f"{toleration.name.lower().replace('_', ' ')} accepted"


def _applied(meaning: _Meaning, profile: Profile) -> list[Toleration]:
    """The fewest tolerations with which it comes to the same: of two that each suffice, one."""
    outcome = _outcome(meaning, profile)
    if _outcome(meaning, replace(profile, tolerations=frozenset())) == outcome:
        return []
    needed = profile.tolerations
    for toleration in Toleration:
        if _outcome(meaning, replace(profile, tolerations=needed - {toleration})) == outcome:
            needed -= {toleration}
    return [toleration for toleration in Toleration if toleration in needed]


def _outcome(meaning: _Meaning, profile: Profile) -> Any:
    try:
        return meaning(profile)
    except (ScimError, MembersNeededError) as error:
        return type(error), str(error)
