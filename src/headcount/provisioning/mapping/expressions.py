"""CEL expressions, compiled once with declared types and kept within bounds.

CEL has no loops but those over lists, of which its interpreter allows a budget of iterations. The rest is bounded
here: the text, the ways in which it can multiply what it is given, and what comes out.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, Protocol

from cel_expr_python import cel

from headcount.provisioning.mapping.calls import LOOP, STRING, outermost_calls
from headcount.provisioning.mapping.functions import FUNCTIONS, LONGEST_TEXT, Function, lookup_of
from headcount.scim.schemas import Json

LONGEST_EXPRESSION: Final = 2_000
MOST_LOOPS: Final = 3
MOST_SUMS: Final = 24
MOST_CALLS: Final = 16
MOST_ITEMS: Final = 1_000
DEEPEST: Final = 6

_STRING: Final = re.compile(STRING, re.DOTALL)
_LOOP: Final = re.compile(LOOP)
_VARIABLE: Final = re.compile(r"\b(?:record|key|today)\b")
_WORD: Final = re.compile(r"(?<![.\w])[A-Za-z_]\w*(?=\s*\()")
_PLACE: Final = "call_"
_PLAIN: Final = re.compile(r"record\.([A-Za-z_]\w*)", re.ASCII)
_NAME: Final = re.compile(r"\brecord\s*\.\s*([A-Za-z_]\w*)", re.ASCII)
_ASKED: Final = re.compile(r"\bhas\s*\(\s*record\s*\.\s*([A-Za-z_]\w*)\s*\)", re.ASCII)
_INDEX: Final = re.compile(r"\brecord\s*\[")
_WHOLE: Final = re.compile(r"\brecord\b(?!\s*[.\[])")
_CODE: Final = re.compile(r"^[A-Z_]+: ")
_SCALARS: Final = frozenset({"STRING", "BOOL", "INT", "UINT", "DOUBLE"})
_TOO_BIG: Final = f"its value has more than {MOST_ITEMS} items or {DEEPEST} levels"
_TEXT: Final = (cel.Type.STRING, cel.Type.NULL)
_PARAMETERS: Final[Mapping[str, tuple[Any, ...]]] = {
    "text": _TEXT,
    "texts": (*_TEXT, cel.Type.List(cel.Type.DYN)),
    "int": (cel.Type.INT,),
    "list": (cel.Type.List(cel.Type.DYN),),
}
_RESULTS: Final[Mapping[str, Any]] = {
    "text": cel.Type.STRING,
    "list": cel.Type.List(cel.Type.DYN),
    "any": cel.Type.DYN,
}
_VARIABLES: Final = {
    "record": cel.Type.Map(cel.Type.STRING, cel.Type.DYN),
    "key": cel.Type.STRING,
    "today": cel.Type.STRING,
}


class ExpressionError(Exception):
    """An expression cannot be compiled, or has no value for a record; the message says why, in words."""


class Expression:
    """A compiled expression."""

    __slots__ = ("_term", "asked", "functions", "names", "reads_all", "result", "text")

    def __init__(self, text: str, term: "Term", result: str) -> None:
        self.text = text
        self._term = term
        bare = _STRING.sub("''", text)
        self.names = frozenset(_NAME.findall(bare))
        """Attributes of the record that it reads."""
        self.asked = frozenset(_ASKED.findall(bare))
        """Attributes whose presence it asks for by `has`; all others are null where a record lacks them."""
        self.reads_all = bool(_INDEX.search(bare) or _WHOLE.search(bare))
        """Whether it may read attributes that it does not name."""
        self.functions = frozenset(_WORD.findall(bare))
        """Names of the functions that it calls."""
        self.result = result
        """The declared kind of its value: STRING, BOOL, …, DYN where it depends on the record."""

    def value(self, row: "Row") -> Json:
        """Its value for a record: JSON; raises ExpressionError."""
        try:
            value = self._term.value(row)
            return value if type(value) is str and len(value) <= LONGEST_TEXT else _checked(value, DEEPEST)
        except ValueError as error:
            raise ExpressionError(f"{error} ({self.text})") from error


class Term(Protocol):
    """A part of an expression."""

    def value(self, row: "Row") -> Any:
        """Its value for a record; raises ValueError."""
        ...


class _Constant:
    """A value that is the same for all records."""

    __slots__ = ("_value",)

    def __init__(self, value: Json) -> None:
        self._value = value

    def value(self, row: "Row") -> Json:  # noqa: ARG002  a term like the others
        return self._value


class _Attribute:
    """`record.name`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def value(self, row: "Row") -> Json:
        return row.record.get(self._name)


class _Call:
    """A function of ours with its arguments."""

    __slots__ = ("_arguments", "_function")

    def __init__(self, function: Function, arguments: Sequence[Term]) -> None:
        self._function = function
        self._arguments = tuple(arguments)

    def value(self, row: "Row") -> Json:
        return self._function.value([term.value(row) for term in self._arguments])


class _Interpreted:
    """What is left to the interpreter once calls are taken out of it."""

    __slots__ = ("_calls", "_compiled", "_environment")

    def __init__(self, environment: Any, text: str, calls: Mapping[str, Term]) -> None:
        self._environment = environment
        self._compiled = environment.compile(text)
        self._calls = calls

    def value(self, row: "Row") -> Json:
        failed: ValueError | None = None
        activation = row.activation
        if self._calls:
            found = dict(row.seen)
            for name, call in self._calls.items():
                try:
                    found[name] = call.value(row)
                except ValueError as error:  # of no consequence if the expression turns out not to need it
                    failed = error
            activation = self._environment.Activation(found)
        return self._evaluated(activation, failed)

    def _evaluated(self, activation: Any, failed: ValueError | None) -> Json:
        try:
            return _from_interpreter(self._compiled.eval(activation), DEEPEST)
        except (RuntimeError, ValueError) as error:
            raise failed or ValueError(_words(error)) from error


class Row:
    """A record as expressions see it; shared by all expressions that are evaluated for it."""

    __slots__ = ("activation", "record", "seen")

    def __init__(self, record: Mapping[str, Json], seen: Mapping[str, Json], activation: Any) -> None:
        self.record = record
        self.seen = seen
        """The variables by name."""
        self.activation = activation


class Frame:
    """What a set of expressions reads of each record."""

    __slots__ = ("_activation", "_asked", "_filled", "_reads_all", "_today")

    def __init__(self, compiler: "Compiler", expressions: Iterable[Expression], *, today: str) -> None:
        expressions = tuple(expressions)
        self._activation = compiler.activation
        self._asked = frozenset[str]().union(*(expression.asked for expression in expressions))
        self._filled = frozenset[str]().union(*(expression.names for expression in expressions)) - self._asked
        self._reads_all = any(expression.reads_all for expression in expressions)
        self._today = today

    def row(self, record: Mapping[str, Json], key: str) -> Row:
        """A record; raises ExpressionError for one that expressions cannot read."""
        seen: dict[str, Json] = dict(record) if self._reads_all else {}
        for name in self._filled:
            seen[name] = record.get(name)
        for name in self._asked & record.keys():
            seen[name] = record[name]
        for value in seen.values():
            if isinstance(value, str) and (problem := _problem(value)):
                raise ExpressionError(f"the record holds a text {problem}")
        try:
            variables = {"record": seen, "key": key, "today": self._today}
            return Row(record, variables, self._activation(variables))
        except (RuntimeError, TypeError, ValueError) as error:
            raise ExpressionError(f"the record cannot be read: {_words(error)}") from error


class Compiler:
    """Compiles the expressions of one job."""

    __slots__ = ("_environment", "_functions", "_inner", "activation")

    def __init__(self, lookups: Mapping[str, Mapping[str, str]]) -> None:
        self._functions = {function.name: function for function in (*FUNCTIONS, *lookup_of(lookups))}
        declared = [_declared(function) for function in self._functions.values()]
        self._environment = cel.NewEnv(variables=_VARIABLES, functions=declared)
        places = {f"{_PLACE}{number}": cel.Type.DYN for number in range(MOST_CALLS)}
        self._inner = cel.NewEnv(variables={**_VARIABLES, **places})
        self.activation: Callable[[Mapping[str, Json]], Any] = self._inner.Activation

    def compile(self, text: str) -> Expression:
        """The expression; raises ExpressionError that says what is wrong with it and where."""
        _check_bounds(text)
        try:
            result = self._environment.compile(text).return_type().name()
            return Expression(text, self._term(text), result)
        except (RuntimeError, ValueError) as error:
            raise ExpressionError(_words(error)) from error

    def _term(self, text: str) -> Term:
        if plain := _PLAIN.fullmatch(text.strip()):
            return _Attribute(plain[1])
        calls, rest = self._taken_out(text)
        if rest.strip() in calls:
            return calls[rest.strip()]
        if left := next((name for name in _WORD.findall(_STRING.sub("''", rest)) if name in self._functions), None):
            raise ValueError(f"{left} cannot be called within map, filter, all or exists; give it the whole list")
        term = _Interpreted(self._inner, rest, calls)
        if calls or _VARIABLE.search(_STRING.sub("''", text)):
            return term
        return _Constant(term.value(Row({}, {}, self.activation({}))))

    def _taken_out(self, text: str) -> tuple[dict[str, Term], str]:
        """The calls of our functions, and the expression with a variable in the place of each."""
        calls: dict[str, Term] = {}
        rest, end = "", 0
        for call in outermost_calls(text, self._functions):
            if len(calls) == MOST_CALLS:
                raise ValueError(f"an expression has at most {MOST_CALLS} calls beside each other")
            place = f"{_PLACE}{len(calls)}"
            calls[place] = _Call(self._functions[call.name], [self._term(argument) for argument in call.arguments])
            rest += text[end : call.start] + place
            end = call.end
        return calls, rest + text[end:]


def _check_bounds(text: str) -> None:
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(f"an expression is at most {LONGEST_EXPRESSION} characters long")
    bare = _STRING.sub("''", text)
    if len(_LOOP.findall(bare)) > MOST_LOOPS:
        raise ExpressionError(f"an expression has at most {MOST_LOOPS} of map, filter, all and exists")
    if bare.count("+") > MOST_SUMS:
        raise ExpressionError(f"an expression has at most {MOST_SUMS} '+'")


def _declared(function: Function) -> Any:
    """A function with an overload for each combination of kinds that it takes, for the type checker alone."""
    required = [kind for kind in function.parameters if not kind.endswith("?")]
    optional = [kind[:-1] for kind in function.parameters if kind.endswith("?")]
    overloads = [
        cel.Overload(
            f"{function.name}_{'_'.join(kind.name() for kind in kinds)}",
            _RESULTS["any" if "texts" in function.parameters else function.result],
            list(kinds),
            impl=_never_called,
        )
        for count in range(len(optional) + 1)
        for kinds in product(*(_PARAMETERS[kind] for kind in [*required, *optional[:count]]))
    ]
    return cel.FunctionDecl(function.name, overloads)


def _never_called(*arguments: Json) -> Json:
    raise NotImplementedError


def _from_interpreter(found: Any, depth: int) -> Json:
    """A value of the interpreter as JSON, within bounds; raises ValueError.

    Its own conversion of null takes away a reference to None, which ends the process sooner or later.
    """
    kind = found.type().name()
    if kind == "NULL":
        return None
    if kind in _SCALARS:
        return found.value()
    if kind == "ERROR":
        raise ValueError(_words(found.plain_value()))
    if kind == "TIMESTAMP":
        return found.value().isoformat().replace("+00:00", "Z")
    if kind.startswith(("LIST", "MAP")):
        inner = found.value()
        if len(inner) > MOST_ITEMS or not depth:
            raise ValueError(_TOO_BIG)
        if isinstance(inner, list):
            return [_from_interpreter(item, depth - 1) for item in inner]
        return {str(name): _from_interpreter(item, depth - 1) for name, item in inner.items()}
    raise ValueError(f"its value is a {kind}, which has no place in a SCIM resource")


def _checked(value: Any, depth: int) -> Json:
    """A value, if it is JSON within bounds; raises ValueError."""
    if isinstance(value, str):
        if len(value) > LONGEST_TEXT:
            raise ValueError(f"its value is longer than {LONGEST_TEXT} characters")
    elif isinstance(value, list | dict):
        if len(value) > MOST_ITEMS or not depth:
            raise ValueError(_TOO_BIG)
        for item in value.values() if isinstance(value, dict) else value:
            _checked(item, depth - 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("its value is no finite number")
    return value


def _problem(text: str) -> str:
    """What keeps a text of a record from the interpreter, which is quiet about it; empty for most."""
    if len(text) > LONGEST_TEXT:
        return f"of more than {LONGEST_TEXT} characters"
    is_sound = "\0" not in text and (text.isascii() or not any("\ud800" <= one <= "\udfff" for one in text))
    return "" if is_sound else "with a character that no text may hold (NUL or half a surrogate pair)"


def _words(error: object) -> str:
    """The first line of an error of the interpreter, without its codes."""
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    line = re.sub(r"^[A-Z_]+: ERROR: <input>:(-?\d+):(-?\d+): ", r"at character \2: ", line)
    line = re.sub(r" \(in container ''\)|\s*\[INVALID_ARGUMENT\]", "", line).replace("at character -1: ", "")
    return _CODE.sub("", line)[:500]
