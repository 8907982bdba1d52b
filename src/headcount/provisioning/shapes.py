"""What a file of settings may hold, as data: one description reads it, names its errors, and is its JSON Schema.

`Shape.read` turns a node of the file into a plain value and notes what is wrong with it; `Shape.schema` is the same
description for editors (JSON Schema 2020-12).
"""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from headcount.provisioning.credentials import Secret
from headcount.scim.schemas import Json

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file and where it stands."""

    value: Any
    """A scalar, a list of nodes, or a dict of nodes by key."""
    path: str
    """The keys that lead to it: `targets.slack.url`."""
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a file."""

    line: int
    column: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.key or 'the file'}: {self.message}"


Faults = list[Fault]


def fault(node: Node, message: str) -> Fault:
    """A fault of the value at a node."""
    return Fault(node.line, node.column, node.path, message)


class Shape(Protocol):
    """What a value may be."""

    def read(self, node: Node, faults: Faults) -> Any:
        """The plain value; what is wrong goes to `faults`, and None stands for it."""
        ...

    def schema(self) -> dict[str, Json]:
        """As JSON Schema."""
        ...

    def fits(self, node: Node) -> bool:
        """Whether a value is of this kind at all: chooses between alternatives."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    choices: tuple[str, ...] = ()
    pattern: str = ""
    example: str = ""
    """Shown where the pattern is not met."""
    convert: Callable[[str], Any] | None = None
    """Makes a value of it; a ValueError says what is wrong."""
    longest: int = 4_000

    def read(self, node: Node, faults: Faults) -> Any:
        """The string, converted."""
        value = node.value
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        try:
            return self._checked(value)
        except ValueError as error:
            faults.append(fault(node, str(error)))
            return None

    def _checked(self, value: Json) -> Any:
        if not isinstance(value, str) or not value:
            raise ValueError("a text is expected here.")
        if len(value) > self.longest:
            raise ValueError(f"it is longer than {self.longest} characters.")
        if self.choices and value not in self.choices:
            raise ValueError(f"'{value}' is none of {', '.join(self.choices)}.")
        if self.pattern and not re.fullmatch(self.pattern, value, re.ASCII):
            raise ValueError(f"'{value}' is not understood; write it like {self.example}.")
        return self.convert(value) if self.convert else value

    def schema(self) -> dict[str, Json]:
        """A string, with its choices or pattern."""
        document: dict[str, Json] = {"type": "string"}
        if self.choices:
            document["enum"] = list(self.choices)
        if self.pattern:
            document |= {"pattern": f"^(?:{self.pattern})$", "examples": [self.example]}
        return document

    def fits(self, node: Node) -> bool:
        """Scalars that are no flags; of texts with choices, those of them."""
        return isinstance(node.value, str | int | float) and not isinstance(node.value, bool)


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds."""

    least: float = 0
    most: float = 1_000_000_000
    is_whole: bool = True

    def read(self, node: Node, faults: Faults) -> Any:
        """The number."""
        value = node.value
        kinds = int if self.is_whole else int | float
        if isinstance(value, kinds) and not isinstance(value, bool) and self.least <= value <= self.most:
            return value
        kind = "a whole number" if self.is_whole else "a number"
        faults.append(fault(node, f"{kind} from {self.least} to {self.most} is expected here."))
        return None

    def schema(self) -> dict[str, Json]:
        """A number with its bounds."""
        return {"type": "integer" if self.is_whole else "number", "minimum": self.least, "maximum": self.most}

    def fits(self, node: Node) -> bool:
        """Numbers."""
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false."""

    only: bool | None = None
    """The one of the two that has a meaning here."""

    def read(self, node: Node, faults: Faults) -> Any:
        """The flag."""
        if not isinstance(node.value, bool) or self.only not in (None, node.value):
            wanted = "true or false" if self.only is None else str(self.only).lower()
            faults.append(fault(node, f"{wanted} is expected here."))
            return None
        return node.value

    def schema(self) -> dict[str, Json]:
        """A boolean."""
        return {"type": "boolean"} if self.only is None else {"const": self.only}

    def fits(self, node: Node) -> bool:
        """Booleans."""
        return isinstance(node.value, bool)


@dataclass(frozen=True, slots=True)
class Nothing:
    """null."""

    def read(self, node: Node, faults: Faults) -> None:
        """None."""
        if node.value is not None:
            faults.append(fault(node, "null is expected here."))

    def schema(self) -> dict[str, Json]:
        """The null type."""
        return {"type": "null"}

    def fits(self, node: Node) -> bool:
        """Null."""
        return node.value is None


@dataclass(frozen=True, slots=True)
class Anything:
    """Any value, as it is."""

    def read(self, node: Node, faults: Faults) -> Any:
        """The plain value."""
        if isinstance(node.value, dict):
            return {key: self.read(item, faults) for key, item in node.value.items()}
        if isinstance(node.value, list):
            return [self.read(item, faults) for item in node.value]
        return node.value

    def schema(self) -> dict[str, Json]:
        """The schema that anything satisfies."""
        return {}

    def fits(self, node: Node) -> bool:  # noqa: ARG002  an alternative like the others
        """Everything."""
        return True


@dataclass(frozen=True, slots=True)
class SecretText:
    """The place of a secret: `${NAME}` or `{file: PATH}`. A literal is refused, and never repeated."""

    def read(self, node: Node, faults: Faults) -> Secret | None:
        """The place."""
        value = node.value
        if isinstance(value, str) and (match := _VARIABLE.fullmatch(value)):
            return Secret(variable=match[1])
        if isinstance(value, dict) and list(value) == ["file"] and isinstance(value["file"].value, str):
            return Secret(file=value["file"].value)
        faults.append(
            fault(
                node, 'a secret never stands in the file: write "${NAME}" for an environment variable, or {file: PATH}.'
            )
        )
        return None

    def schema(self) -> dict[str, Json]:
        """`${NAME}` or `{file: …}`."""
        return {
            "description": "A secret: ${NAME} reads an environment variable, {file: PATH} a file.",
            "oneOf": [
                {"type": "string", "pattern": f"^{_VARIABLE.pattern}$"},
                _object({"file": {"type": "string"}}, ["file"]),
            ],
        }

    def fits(self, node: Node) -> bool:  # noqa: ARG002  an alternative like the others
        """Everything: what is no place of a secret is refused in words."""
        return True


@dataclass(frozen=True, slots=True)
class Listing:
    """A list."""

    item: Shape
    most: int = 1_000

    def read(self, node: Node, faults: Faults) -> Any:
        """The items that are in order."""
        if not isinstance(node.value, list) or len(node.value) > self.most:
            faults.append(fault(node, f"a list of at most {self.most} items is expected here."))
            return []
        return [self.item.read(item, faults) for item in node.value]

    def schema(self) -> dict[str, Json]:
        """An array."""
        return {"type": "array", "items": self.item.schema(), "maxItems": self.most}

    def fits(self, node: Node) -> bool:
        """Lists."""
        return isinstance(node.value, list)


@dataclass(frozen=True, slots=True)
class Member:
    """What a key of a table stands for."""

    shape: Shape
    help: str
    is_required: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class Table:
    """An object with the keys that are listed here."""

    members: Mapping[str, Member]
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Keys whose value has chosen this table."""

    def read(self, node: Node, faults: Faults) -> Any:
        """The values by key, defaults included."""
        if not isinstance(node.value, dict):
            faults.append(fault(node, f"keys and values are expected here: {', '.join(self.members)}."))
            return {}
        for key, inner in node.value.items():
            if key not in self.members and key not in self.fixed:
                faults.append(fault(inner, f"there is no '{key}' here; {suggestion(key, self.members)}"))
        for key, member in self.members.items():
            if member.is_required and key not in node.value:
                faults.append(fault(node, f"'{key}' is missing: {member.help}"))
        return {**self.fixed, **{key: self._value(node, key, member, faults) for key, member in self.members.items()}}

    def _value(self, node: Node, key: str, member: Member, faults: Faults) -> Any:
        inner = node.value.get(key)
        return member.default if inner is None else member.shape.read(inner, faults)

    def schema(self) -> dict[str, Json]:
        """An object that has no other members."""
        fixed = {key: {"const": value} for key, value in self.fixed.items()}
        members = {key: _described(member) for key, member in self.members.items()}
        required = [*self.fixed, *(key for key, member in self.members.items() if member.is_required)]
        return _object(fixed | members, required)

    def fits(self, node: Node) -> bool:
        """Objects."""
        return isinstance(node.value, dict)


@dataclass(frozen=True, slots=True)
class Dictionary:
    """An object whose keys the user chooses."""

    item: Shape
    pattern: str = ""
    """Of the keys."""
    example: str = ""
    most: int = 1_000

    def read(self, node: Node, faults: Faults) -> Any:
        """The values by key."""
        if not isinstance(node.value, dict) or len(node.value) > self.most:
            faults.append(fault(node, f"at most {self.most} keys and values are expected here."))
            return {}
        for key, inner in node.value.items():
            if self.pattern and not re.fullmatch(self.pattern, key, re.ASCII):
                faults.append(fault(inner, f"'{key}' cannot be a name here; write it like {self.example}."))
        return {key: self.item.read(inner, faults) for key, inner in node.value.items()}

    def schema(self) -> dict[str, Json]:
        """An object with any members of one shape."""
        document: dict[str, Json] = {"type": "object", "additionalProperties": self.item.schema()}
        return document | ({"propertyNames": {"pattern": f"^(?:{self.pattern})$"}} if self.pattern else {})

    def fits(self, node: Node) -> bool:
        """Objects."""
        return isinstance(node.value, dict)


@dataclass(frozen=True, slots=True)
class Either:
    """The first of several shapes that a value fits."""

    shapes: tuple[Shape, ...]

    def read(self, node: Node, faults: Faults) -> Any:
        """As the shape that fits reads it."""
        fitting = next((shape for shape in self.shapes if shape.fits(node)), self.shapes[0])
        return fitting.read(node, faults)

    def schema(self) -> dict[str, Json]:
        """Any of them."""
        return {"anyOf": [shape.schema() for shape in self.shapes]}

    def fits(self, node: Node) -> bool:
        """What one of them takes."""
        return any(shape.fits(node) for shape in self.shapes)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several tables, chosen by the value of a key."""

    key: str
    tables: Mapping[str, Table]

    def read(self, node: Node, faults: Faults) -> Any:
        """As the chosen table reads it."""
        chosen = node.value.get(self.key) if isinstance(node.value, dict) else None
        if chosen is None:
            faults.append(fault(node, f"'{self.key}' is missing: one of {', '.join(self.tables)}."))
            return {}
        if chosen.value not in self.tables:
            faults.append(fault(chosen, f"'{chosen.value}' is none of {', '.join(self.tables)}."))
            return {}
        return self._table(chosen.value).read(node, faults)

    def _table(self, name: str) -> Table:
        return Table(self.tables[name].members, {self.key: name})

    def schema(self) -> dict[str, Json]:
        """One of them."""
        return {"oneOf": [self._table(name).schema() for name in self.tables]}

    def fits(self, node: Node) -> bool:
        """Objects."""
        return isinstance(node.value, dict)


def suggestion(name: str, known: Iterable[str]) -> str:
    """What might have been meant by a name that is not known, in words."""
    known = tuple(known)
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}."


def _described(member: Member) -> dict[str, Json]:
    document = {"description": member.help, **member.shape.schema()}
    return document | ({} if member.default is None else {"default": member.default})


def _object(members: Mapping[str, Json], required: list[str]) -> dict[str, Json]:
    document: dict[str, Json] = {"type": "object", "properties": dict(members), "additionalProperties": False}
    return document | ({"required": required} if required else {})
