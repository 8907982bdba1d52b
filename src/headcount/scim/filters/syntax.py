"""Filters as they are written, before anything is known of schemas (RFC 7644 §3.4.2.2, figure 1)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias


class Operator(StrEnum):
    """Comparison operators (RFC 7644 Table 3); `pr` is a node of its own."""

    EQ = "eq"
    NE = "ne"
    CO = "co"
    SW = "sw"
    EW = "ew"
    GT = "gt"
    LT = "lt"
    GE = "ge"
    LE = "le"


class BareBoolean(str):
    """`True` or `False` without quotes: no JSON, and a boolean where string booleans are tolerated (Entra ID)."""

    __slots__ = ()


Literal: TypeAlias = str | bool | int | float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`userName eq "ada"`."""

    path: str
    operator: Operator
    value: Literal


@dataclass(frozen=True, slots=True)
class Presence:
    """`title pr`."""

    path: str


@dataclass(frozen=True, slots=True)
class Not:
    """`not (…)`."""

    operand: "Filter"


@dataclass(frozen=True, slots=True)
class And:
    """`… and …`, two operands or more."""

    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """`… or …`, two operands or more."""

    operands: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class ValuePath:
    """`emails[type eq "work"]`: one element for which the filter holds."""

    path: str
    filter: "Filter"


Filter: TypeAlias = Comparison | Presence | Not | And | Or | ValuePath


@dataclass(frozen=True, slots=True)
class PatchPath:
    """The path of a PATCH operation (RFC 7644 §3.5.2, figure 7)."""

    path: str
    filter: Filter | None = None
    sub_attribute: str | None = None
    """What stands behind the bracket."""
