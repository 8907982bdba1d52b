"""Filters that ask for members of a group by name, answered for clients that must not learn of all members.

A part of a filter that names whom it asks for depends on nobody else: `members.value eq "2819…"`, `members[value eq
"2819…" and type eq "User"]`. For a client that cannot see somebody, it is answered as if he were not there. Every other
part would tell of those behind the fence. Pure.
"""

from collections.abc import Set as AbstractSet
from typing import assert_never

from headcount.scim.filters.binding import (
    BoundAnd,
    BoundComparison,
    BoundConstant,
    BoundFilter,
    BoundNot,
    BoundOr,
    BoundPresence,
    BoundValuePath,
)
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath


def named_members(bound: BoundFilter) -> frozenset[str] | None:
    """The ids of all members that a filter over groups asks for; None when it depends on others as well."""
    match bound:
        case BoundComparison(path) | BoundPresence(path) | BoundValuePath(path) if not _is_of_members(path):
            return frozenset()
        case BoundComparison() | BoundPresence():
            return _named(bound)
        case BoundValuePath(_, inner):
            return _named(inner)
        case BoundNot(operand):
            return named_members(operand)
        case BoundAnd(operands) | BoundOr(operands):
            return _all([named_members(operand) for operand in operands])
        case BoundConstant():
            return frozenset()
        case _:
            assert_never(bound)


def among(visible: AbstractSet[str], bound: BoundFilter) -> BoundFilter:
    """The filter, whose members are all named, as if nobody but those who are visible were a member."""
    match bound:
        case BoundNot(operand):
            return BoundNot(among(visible, operand))
        case BoundAnd(operands):
            return BoundAnd(tuple(among(visible, operand) for operand in operands))
        case BoundOr(operands):
            return BoundOr(tuple(among(visible, operand) for operand in operands))
        case BoundValuePath(path, inner):
            hidden = _hidden(bound, visible)
            return BoundValuePath(path, _without(hidden, path, inner)) if hidden else bound
        case BoundComparison():
            return BoundConstant(value=False) if _hidden(bound, visible) else bound
        case BoundPresence() | BoundConstant():
            return bound
        case _:
            assert_never(bound)


def _hidden(bound: BoundFilter, visible: AbstractSet[str]) -> AbstractSet[str]:
    return (named_members(bound) or frozenset()) - visible


def _without(hidden: AbstractSet[str], path: BoundPath, inner: BoundFilter) -> BoundFilter:
    """A filter over elements that none of somebody hidden fulfils."""
    value = BoundPath(None, path.attribute, path.attribute.by_name["value"])
    others = tuple(BoundNot(BoundComparison(value, Operator.EQ, member)) for member in sorted(hidden))
    return BoundAnd((*(inner.operands if isinstance(inner, BoundAnd) else (inner,)), *others))


def _named(bound: BoundFilter) -> frozenset[str] | None:
    """The ids among which that of an element must be to fulfil a filter; None for any."""
    match bound:
        case BoundComparison(path, Operator.EQ, str(value)) if path.target.name == "value":
            return frozenset({value})
        case BoundComparison(path, Operator.EQ, str(value)) if path.target.name == "$ref":
            return frozenset({value.rpartition("/")[2]})
        case BoundAnd(operands):
            return next((named for operand in operands if (named := _named(operand)) is not None), None)
        case BoundOr(operands):
            return _all([_named(operand) for operand in operands])
        case _:
            return None


def _all(named: list[frozenset[str] | None]) -> frozenset[str] | None:
    known = [some for some in named if some is not None]
    return frozenset().union(*known) if len(known) == len(named) else None


def _is_of_members(path: BoundPath) -> bool:
    return path.extension is None and path.attribute.name == "members"
