"""The grammar of filters and PATCH paths: text → tree (RFC 7644 §3.4.2.2 figure 1, §3.5.2 figure 7).

Departures from the published ABNF:
- the printed order of precedence is reversed; brackets bind tightest, then operators, `not`, `and`, `or` (E4670);
- value paths do not nest (E4690), groups and `not` within them do (E7322);
- `not` needs no space before its parenthesis (E7319);
- a sub-attribute may stand behind the bracket also in a filter, `emails[type eq "work"].value eq "x"` (Entra ID);
- attribute names admit a leading `$` (E8924);
- a PATCH path may compare a simple multi-valued attribute itself, `attr eq "x"` (E7122).
"""

import json
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isinf
from typing import Final, NoReturn

from headcount.scim.errors import InvalidFilterError, InvalidPathError
from headcount.scim.filters.syntax import (
    And,
    BareBoolean,
    Comparison,
    Filter,
    Literal,
    Not,
    Operator,
    Or,
    PatchPath,
    Presence,
    ValuePath,
)

_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.:$-]))
    | (?P<word>[A-Za-z$][A-Za-z0-9_$:.%/+~@-]*)
    | (?P<mark>[\[\]()])
    | (?P<tail>\.[A-Za-z$][A-Za-z0-9_$-]*)
    | (?P<end>$)
    | (?P<wrong>.)
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS: Final = {operator.value: operator for operator in Operator}
_CONSTANTS: Final[dict[str, Literal]] = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class FilterLimits:
    """How large a filter may be; past any bound it is refused."""

    length: int = 8 * 1024
    """Bytes of UTF-8."""
    depth: int = 32
    """Levels of parentheses and brackets."""
    terms: int = 200
    """Comparisons."""


DEFAULT_LIMITS: Final = FilterLimits()


def parse_filter(text: str, limits: FilterLimits = DEFAULT_LIMITS) -> Filter:
    """The tree of a filter; raises InvalidFilterError that says what was found where."""
    if is_too_long(text, limits):
        raise InvalidFilterError(f"The filter is longer than {limits.length} bytes.")
    parser = _Parser(text, limits)
    parsed = parser.disjunction(0)
    if parser.kind != "end":
        parser.fail("'and', 'or' or the end of the filter")
    return parsed


@lru_cache(maxsize=1024)
def parse_patch_path(text: str) -> PatchPath:
    """The path of a PATCH operation; raises InvalidPathError, or InvalidFilterError for what is in the brackets."""
    if is_too_long(text, DEFAULT_LIMITS):
        raise InvalidPathError(f"The path is longer than {DEFAULT_LIMITS.length} bytes.")
    path, bracket, _ = text.partition("[")
    path = path.strip()
    if not bracket or not _is_path(path):
        return _plain_path(text)
    parser = _Parser(text[text.index(bracket) :], DEFAULT_LIMITS)
    value_filter = parser.bracketed(1)
    sub_attribute = None
    if parser.kind == "tail":
        sub_attribute = parser.text[1:]
        parser.advance()
    if parser.kind != "end":
        raise InvalidPathError(f"'{text}': '{parser.text}' cannot stand behind the brackets.")
    return PatchPath(path, value_filter, sub_attribute)


def _plain_path(text: str) -> PatchPath:
    if _is_path(text.strip()):
        return PatchPath(text.strip())
    try:
        parsed = parse_filter(text)
    except InvalidFilterError:
        parsed = None
    if isinstance(parsed, Comparison):
        return PatchPath(parsed.path, replace(parsed, path="value"))
    raise InvalidPathError(f"'{text}' is not a path.")


def is_too_long(text: str, limits: FilterLimits) -> bool:
    """Whether a filter has more bytes than are read."""
    return len(text) > limits.length or len(text.encode("utf-8", "surrogatepass")) > limits.length


def _is_path(text: str) -> bool:
    match = _TOKEN.match(text)
    return match is not None and match.lastgroup == "word" and match.end() == len(text)


class _Parser:
    """Recursive descent over one token of look-ahead; depth is bounded, so recursion is."""

    __slots__ = ("_end", "_limits", "_source", "_start", "_terms", "kind", "text")

    def __init__(self, source: str, limits: FilterLimits) -> None:
        self._source = source
        self._limits = limits
        self._terms = 0
        self._end = 0
        self.advance()

    def advance(self) -> None:
        """Reads the next token."""
        match = _TOKEN.match(self._source, self._end)
        assert match is not None  # noqa: S101  the last alternatives match anything
        self.kind = match.lastgroup or "wrong"
        self.text = match[self.kind]
        self._start = match.start(self.kind)
        self._end = match.end()

    def fail(self, expected: str) -> NoReturn:
        """Refuses the filter, naming what was found."""
        found = "the end" if self.kind == "end" else f"'{self._source[self._start : self._start + 24]}'"
        hint = "; strings stand in double quotes" if self.kind == "wrong" and self.text in "'`" else ""
        raise InvalidFilterError(f"Expected {expected} at position {self._start + 1}, found {found}{hint}.")

    def disjunction(self, depth: int, *, in_value_path: bool = False) -> Filter:
        """`a or b or …`."""
        operands = [self._conjunction(depth, in_value_path)]
        while self._takes_word("or"):
            operands.append(self._conjunction(depth, in_value_path))
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def bracketed(self, depth: int) -> Filter:
        """`[ … ]`: a filter over the elements of an attribute."""
        self._check_depth(depth)
        self.advance()
        parsed = self.disjunction(depth, in_value_path=True)
        if self.text != "]":
            self.fail("'and', 'or' or ']'")
        self.advance()
        return parsed

    def _conjunction(self, depth: int, in_value_path: bool) -> Filter:  # noqa: FBT001
        operands = [self._term(depth, in_value_path)]
        while self._takes_word("and"):
            operands.append(self._term(depth, in_value_path))
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _term(self, depth: int, in_value_path: bool) -> Filter:  # noqa: FBT001
        if self.text == "(":
            return self._group(depth, in_value_path)
        if self.kind != "word":
            self.fail("an attribute, 'not' or '('")
        word = self.text
        self.advance()
        if word.lower() == "not":
            if self.text != "(":
                self.fail("'(' behind 'not'")
            return Not(self._group(depth, in_value_path))
        if self.text == "[":
            if in_value_path:
                self.fail("an operator; value paths do not nest")
            return self._value_path(word, depth)
        return self._expression(word)

    def _group(self, depth: int, in_value_path: bool) -> Filter:  # noqa: FBT001
        self._check_depth(depth + 1)
        self.advance()
        parsed = self.disjunction(depth + 1, in_value_path=in_value_path)
        if self.text != ")":
            self.fail("'and', 'or' or ')'")
        self.advance()
        return parsed

    def _value_path(self, path: str, depth: int) -> Filter:
        parsed = self.bracketed(depth + 1)
        if self.kind != "tail":
            return ValuePath(path, parsed)
        sub_attribute = self.text[1:]
        self.advance()
        return ValuePath(path, _conjoined(parsed, self._expression(sub_attribute)))

    def _expression(self, path: str) -> Filter:
        self._terms += 1
        if self._terms > self._limits.terms:
            raise InvalidFilterError(f"The filter has more than {self._limits.terms} terms.")
        name = self.text.lower()
        if name == "pr":
            self.advance()
            return Presence(path)
        operator = _OPERATORS.get(name)
        if operator is None or self.kind != "word":
            self.fail(f"an operator ({', '.join(_OPERATORS)} or pr) behind '{path}'")
        self.advance()
        return Comparison(path, operator, self._literal())

    def _literal(self) -> Literal:
        if self.kind == "string":
            value: Literal = self._string()
        elif self.kind == "number":
            value = self._number()
        elif self.kind == "word" and self.text in _CONSTANTS:
            value = _CONSTANTS[self.text]
        elif self.kind == "word" and self.text in ("True", "False"):
            value = BareBoolean(self.text)
        else:
            self.fail("a string in double quotes, a number, true, false or null")
        self.advance()
        return value

    def _string(self) -> str:
        text: str = json.loads(self.text) if "\\" in self.text else self.text[1:-1]
        if "\0" in text or not _is_unicode(text):
            self.fail("a string of Unicode characters other than NUL")
        return text

    def _number(self) -> int | float:
        if isinf(float(self.text)):
            self.fail("a number that a double can hold")
        number: int | float = json.loads(self.text)
        return number

    def _takes_word(self, word: str) -> bool:
        if self.kind == "word" and self.text.lower() == word:
            self.advance()
            return True
        return False

    def _check_depth(self, depth: int) -> None:
        if depth > self._limits.depth:
            raise InvalidFilterError(f"The filter is nested deeper than {self._limits.depth} levels.")


def _conjoined(one: Filter, other: Filter) -> Filter:
    operands = one.operands if isinstance(one, And) else (one,)
    return And((*operands, other))


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
