"""The filter that every identity provider sends, `userName eq "…"`, bound in one step.

What it means is what `parse_filter` and `bind_filter` make of it; this is the same, sooner.
"""

import re
from typing import Final

from headcount.scim.comparison import comparable
from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.binding import BoundComparison, bind_filter
from headcount.scim.filters.grammar import FilterLimits, is_too_long
from headcount.scim.filters.syntax import Comparison, Operator
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import Profile
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Type

_LOOK_UP: Final = re.compile(
    r"""\s*([A-Za-z$][A-Za-z0-9_$:.%/+~@-]*)\s+[Ee][Qq]\s*"([^"\\\x00-\x1f\ud800-\udfff]*)"\s*"""
)
"""One comparison with a string that has no escapes; what else a filter may be, the grammar reads."""
_MOST: Final = 256
"""Paths that are remembered, each in the spelling of the client; past that all are forgotten."""


class LookUps:
    """Comparisons for equality with the strings of one resource type."""

    def __init__(self, resource_type: ResourceType, profile: Profile, limits: FilterLimits) -> None:
        self._resource_type = resource_type
        self._profile = profile
        self._limits = limits
        self._paths: dict[str, BoundPath] = {}

    def bind(self, text: str) -> BoundComparison | None:
        """The bound filter; None for what is no such comparison, or none that can be understood."""
        match = _LOOK_UP.fullmatch(text)
        if match is None or is_too_long(text, self._limits):
            return None
        name, value = match.groups()
        path = self._paths.get(name) or self._learn(name)
        return BoundComparison(path, Operator.EQ, comparable(path.target, value)) if path is not None else None

    def _learn(self, name: str) -> BoundPath | None:
        """The path as it is bound in a comparison with a string, remembered."""
        if name.lower() == "not":
            return None
        try:
            bound = bind_filter(Comparison(name, Operator.EQ, ""), self._resource_type, self._profile)
        except InvalidFilterError:
            return None
        if not isinstance(bound, BoundComparison) or bound.path.target.type is not Type.STRING:
            return None
        if len(self._paths) >= _MOST:
            self._paths.clear()
        self._paths[name] = bound.path
        return bound.path
