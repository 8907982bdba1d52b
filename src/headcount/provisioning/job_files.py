"""Job files: YAML 1.2 with the place of every value, read by the description in `job_schema`."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from headcount.provisioning.job_reading import JobReader
from headcount.provisioning.job_schema import JOB
from headcount.provisioning.jobs import SyncJob
from headcount.provisioning.shapes import Fault, Faults, Node

_LONGEST: Final = 1024 * 1024
_MOST_NODES: Final = 100_000
_CONSTANTS: Final = {"null": None, "~": None, "": None, "true": True, "false": False}
_KIND: Final = "tag:yaml.org,2002:"


class JobFileError(Exception):
    """A job file is wrong; lists everything that is, by line, column and key."""

    def __init__(self, faults: list[Fault], path: str = "") -> None:
        self.faults = tuple(sorted(faults, key=lambda found: (found.line, found.column)))
        self.path = path
        super().__init__("\n".join(f"{path}:{found}" if path else str(found) for found in self.faults))


def load_job(text: str, *, path: str = "") -> SyncJob:
    """The job that a file describes; raises JobFileError that lists all faults. `path` stands before each of them."""
    try:
        root = read_yaml(text)
    except _YamlFaultError as error:
        raise JobFileError([error.fault], path) from error
    faults: Faults = []
    values = JOB.read(root, faults)
    _refuse(faults, path)
    job = JobReader(values, _places(root), faults).job(text, hashlib.sha256(text.encode()).hexdigest()[:32])
    _refuse(faults, path)
    return job


def _refuse(faults: Faults, path: str) -> None:
    if faults:
        raise JobFileError(faults, path)


class _YamlFaultError(Exception):
    """The text is no YAML that is understood here."""

    def __init__(self, line: int, column: int, key: str, message: str) -> None:
        self.fault = Fault(line, column, key, message)
        super().__init__(message)


def read_yaml(text: str) -> Node:
    """The tree of a YAML 1.2 document with the place of each value."""
    if len(text) > _LONGEST:
        raise _YamlFaultError(1, 1, "", f"it is longer than {_LONGEST} characters.")
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        message = str(getattr(error, "problem", None) or "it cannot be read")
        hint = '; put "${NAME}" in double quotes within {…}' if "${" in text and "expected" in message else ""
        raise _YamlFaultError(line, column, "", f"this is no YAML: {message}{hint}.") from error
    if root is None:
        raise _YamlFaultError(1, 1, "", "it is empty.")
    return _Tree().node(root, "", root)


class _Tree:
    """Turns YAML's own nodes into ours, so many of them at most: aliases can multiply."""

    def __init__(self) -> None:
        self._count = 0

    def node(self, found: Any, path: str, key: Any) -> Node:
        """A value, with the place of its key."""
        self._count += 1
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if self._count > _MOST_NODES:
            raise _YamlFaultError(line, column, path, f"there are more than {_MOST_NODES} values.")
        match found:
            case MappingNode():
                return Node(dict(self._members(found, path)), path, line, column)
            case SequenceNode():
                items = [self.node(item, f"{path}[{index}]", item) for index, item in enumerate(found.value)]
                return Node(items, path, line, column)
            case _:
                return Node(_scalar(found, path), path, line, column)

    def _members(self, found: MappingNode, path: str) -> Iterator[tuple[str, Node]]:
        seen: set[str] = set()
        for key, value in found.value:
            name = key.value if isinstance(key, ScalarNode) else ""
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if not name or name in seen:
                message = f"'{name}' is there twice." if name else "a key is a plain text."
                raise _YamlFaultError(line, column, path, message)
            seen.add(name)
            yield name, self.node(value, f"{path}.{name}" if path else name, key)


def _scalar(found: ScalarNode, path: str) -> str | int | float | bool | None:
    kind = str(found.tag).removeprefix(_KIND)
    text = found.value
    try:
        match kind:
            case "null" | "bool":
                return _CONSTANTS[text.lower()]
            case "int":
                return int(text.replace("_", ""), 0 if text.lstrip("+-")[:2] in ("0x", "0o", "0b") else 10)
            case "float":
                return float(text)
            case "str" | "timestamp":
                return str(text)
    except (ValueError, KeyError):
        pass
    line, column = found.start_mark.line + 1, found.start_mark.column + 1
    raise _YamlFaultError(line, column, path, f"'{text[:50]}' is not understood ({found.tag}).")


def _places(root: Node) -> Mapping[str, Node]:
    """Nodes by their path."""
    return {node.path: node for node in _walk(root)}


def _walk(node: Node) -> Iterator[Node]:
    yield node
    inner = node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    for item in inner:
        yield from _walk(item)
