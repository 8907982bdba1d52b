"""Calls of our own functions within an expression, found so that they can be carried out outside of the interpreter.

The interpreter keeps a reference to everything that it hands to a function written in Python, and to what comes back:
a server that maps a hundred thousand records every quarter of an hour would grow without end. So a call is taken out,
its arguments are evaluated, the function is called, and the rest of the expression sees a variable in its place.
Within a loop (`map`, `filter`, …) no call can be taken out, for it depends on the variable of the loop.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

STRING: Final = r"[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*')|//[^\n]*"
LOOP: Final = r"\.\s*(?:map|filter|all|exists_one|exists)\s*\("
_TOKEN: Final = re.compile(
    rf"(?P<string>{STRING})|(?P<loop>{LOOP})|(?P<name>(?:\.\s*)?[A-Za-z_]\w*)|(?P<other>.)", re.DOTALL | re.ASCII
)
_OPEN, _CLOSED = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Call:
    """A call in the text of an expression."""

    name: str
    arguments: tuple[str, ...]
    start: int
    end: int


def outermost_calls(text: str, names: Collection[str]) -> Iterator[Call]:
    """The calls of named functions that are in no other such call and in no loop."""
    tokens = list(_TOKEN.finditer(text))
    index = 0
    while index < len(tokens):
        token = tokens[index]
        index += 1
        if token.lastgroup == "loop":
            index, _ = _inner(text, tokens, index)
        elif token.lastgroup == "name" and token[0] in names:
            opening = _next(tokens, index)
            if opening < len(tokens) and tokens[opening][0] == "(":
                index, arguments = _inner(text, tokens, opening + 1)
                yield Call(token[0], arguments, token.start(), tokens[index - 1].end())


def _next(tokens: list[re.Match[str]], index: int) -> int:
    while index < len(tokens) and tokens[index][0].isspace():
        index += 1
    return index


def _inner(text: str, tokens: list[re.Match[str]], index: int) -> tuple[int, tuple[str, ...]]:
    """What is behind the closing bracket, and the parts between the commas within."""
    depth, parts, start = 1, [], tokens[index].start() if index < len(tokens) else len(text)
    while index < len(tokens):
        token = tokens[index]
        index += 1
        mark = token[0]
        depth += (mark in _OPEN or token.lastgroup == "loop") - (mark in _CLOSED)
        if not depth or (depth == 1 and mark == ","):
            parts.append(text[start : token.start()].strip())
            start = token.end()
        if not depth:
            break
    return index, tuple(part for part in parts if part)
