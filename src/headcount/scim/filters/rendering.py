"""Filters as text: `parse_filter(render(tree)) == tree`."""

import json
from typing import assert_never

from headcount.scim.filters.syntax import And, BareBoolean, Comparison, Filter, Not, Or, Presence, ValuePath


def render(parsed: Filter) -> str:
    """The text of a filter, with parentheses only where they are needed."""
    match parsed:
        case Comparison(path, operator, value):
            literal = value if isinstance(value, BareBoolean) else json.dumps(value, ensure_ascii=False)
            return f"{path} {operator.value} {literal}"
        case Presence(path):
            return f"{path} pr"
        case Not(operand):
            return f"not ({render(operand)})"
        case And(operands):
            return " and ".join(_within(operand, And, Or) for operand in operands)
        case Or(operands):
            return " or ".join(_within(operand, Or) for operand in operands)
        case ValuePath(path, inner):
            return f"{path}[{render(inner)}]"
        case _:
            assert_never(parsed)


def _within(operand: Filter, *weaker: type[And] | type[Or]) -> str:
    return f"({render(operand)})" if isinstance(operand, weaker) else render(operand)
