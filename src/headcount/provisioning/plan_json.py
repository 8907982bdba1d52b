"""Plans as JSON: saved, read back, and written piece by piece."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final

import orjson

from headcount.provisioning.plan import Action, Change, GuardKind, Held, Plan, ValueChange, Values
from headcount.provisioning.records import RecordKind


def plan_to_json(plan: Plan) -> bytes:
    """The plan as it is saved."""
    return orjson.dumps(plan, default=plain)


def pieces_of(value: Any) -> Iterator[bytes]:
    """A value that may hold plans as JSON, change by change: all at once would be as large as the plan once more."""
    if isinstance(value, Plan | Held):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        members = ((orjson.dumps(name) + b":", item) for name, item in value.items())
        yield from _enclosed(b"{", members, b"}")
    elif isinstance(value, list | tuple):
        yield from _enclosed(b"[", ((b"", item) for item in value), b"]")
    else:
        yield orjson.dumps(value, default=plain)


def _enclosed(opening: bytes, items: Iterable[tuple[bytes, Any]], closing: bytes) -> Iterator[bytes]:
    separator = opening
    for name, item in items:
        yield separator + name
        yield from pieces_of(item)
        separator = b","
    yield closing if separator == b"," else opening + closing


def plain(value: Any) -> Any:
    """What is no JSON by itself in a plan or change, as JSON."""
    if isinstance(value, Values):
        return list(value)
    raise TypeError


def plan_from_json(document: bytes) -> Plan:
    """The plan that `plan_to_json` wrote; raises ValueError for anything else."""
    try:
        values = orjson.loads(document)
        held = tuple(
            Held(GuardKind(item["kind"]), item["count"], item["limit"], _changes(item["changes"]))
            for item in values.pop("held")
        )
        changes = {name: _changes(values[name]) for name in ("changes", "drift")}
        return Plan(**{**values, **changes, "waiting": tuple(values.get("waiting", ()))}, held=held)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"This is no saved plan: {error}.") from error


_NAMES: Final = tuple(field.name for field in fields(Change))
_TUPLES: Final = tuple(field.name for field in fields(Change) if field.default == ())


def _changes(documents: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    return tuple(change_from_json(document) for document in documents)


def change_from_json(document: Mapping[str, Any]) -> Change:
    """A change of a plan as it is saved, whatever else an earlier version wrote of it."""
    tuples = {name: tuple(document[name]) for name in _TUPLES}
    values = Values(ValueChange(**value) for value in document["values"])
    kinds = {"action": Action(document["action"]), "kind": RecordKind(document["kind"]), "values": values}
    return Change(**{name: document[name] for name in _NAMES if name in document} | tuples | kinds)
