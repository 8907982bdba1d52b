"""OAuth scopes as text: what a client asks a token to be narrowed to, `User:read Group` (RFC 6749 §3.3). Pure.

A scope value is a resource type, or `*` for any, and an operation, or without one all of them. Several add up. They
narrow the scopes of the client, never widen them: attributes and filters stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from headcount.scim.errors import InvalidValueError
from headcount.scim.registry import Registry
from headcount.scim.scopes import ANY_TYPE, Operation, Scope

MOST_CHARACTERS: Final = 1_000
_OPERATIONS: Final[Mapping[str, frozenset[Operation]]] = {
    "": frozenset(Operation),
    **{str(operation): frozenset({operation}) for operation in Operation},
}

Wanted = Mapping[str, frozenset[Operation]]
"""Operations by the name of a resource type."""


def wanted_of(text: str) -> Wanted:
    """What a scope parameter asks for, nothing when it is empty; raises InvalidValueError."""
    if len(text) > MOST_CHARACTERS:
        raise InvalidValueError(f"The scope is longer than {MOST_CHARACTERS} characters.")
    wanted: dict[str, frozenset[Operation]] = {}
    for value in text.split(" "):
        name, colon, operation = value.partition(":")
        if not value:
            continue
        if not name or operation not in _OPERATIONS or (colon and not operation):
            raise InvalidValueError(
                f"The scope '{value[:100]}' is none: write a resource type, and an operation if not all are wanted, "
                f"such as User:read. Operations are {', '.join(Operation)}."
            )
        wanted[name] = wanted.get(name, frozenset()) | _OPERATIONS[operation]
    return wanted


def check_wanted(wanted: Wanted, scopes: Sequence[Scope], registry: Registry) -> None:
    """Raises InvalidValueError for a type that does not exist, or of which nothing that is asked for is allowed."""
    for name, operations in wanted.items():
        if name != ANY_TYPE and name not in registry.by_name:
            raise InvalidValueError(f"The scope names the resource type '{name}', which does not exist.")
        if not any(scope.operations for scope in narrowed(scopes, {name: operations})):
            raise InvalidValueError(f"The client has no permission that the scope '{name}' could be narrowed to.")


def narrowed(scopes: Sequence[Scope], wanted: Wanted) -> tuple[Scope, ...]:
    """The scopes of a client cut down to what it asks for; a client without scopes may do everything.

    A type that is left with nothing keeps a scope that says so: without one, the scope for any type would hold.
    """
    if not wanted:
        return tuple(scopes)
    by_type = {scope.type: scope for scope in scopes or (Scope(ANY_TYPE),)}
    names = dict.fromkeys((*by_type, *wanted))
    everywhere = wanted.get(ANY_TYPE, frozenset())
    found = ((name, by_type.get(name) or by_type.get(ANY_TYPE)) for name in names)
    return tuple(
        replace(
            scope,
            type=name,
            is_of_any=scope.type == ANY_TYPE,
            operations=scope.operations & (wanted.get(name, frozenset()) | everywhere),
        )
        for name, scope in found
        if scope is not None
    )


def spelled(wanted: Wanted) -> str:
    """What was asked for as a scope parameter, each in one form."""
    everything = frozenset(Operation)
    return " ".join(
        value
        for name, operations in wanted.items()
        for value in ([name] if operations == everything else [f"{name}:{item}" for item in sorted(operations)])
    )
