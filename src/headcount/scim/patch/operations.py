"""The PatchOp message: its envelope and operations (RFC 7644 §3.5.2)."""

from enum import StrEnum
from typing import Final, NamedTuple

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, NoTargetError, PayloadTooLargeError
from headcount.scim.profiles import Profile, Toleration
from headcount.scim.schemas import Json
from headcount.scim.search import check_message


class Op(StrEnum):
    """What an operation does."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class PatchOperation(NamedTuple):
    """One operation; `path` and `value` as they were sent."""

    op: Op
    path: str | None
    value: Json


_OPS: Final = {op.value: op for op in Op}


def read_patch(body: Json, profile: Profile, *, limit: int = 1_000) -> tuple[PatchOperation, ...]:
    """The operations of a PatchOp message.

    Raises InvalidSyntaxError for a wrong structure, NoTargetError and InvalidValueError for what an operation lacks,
    PayloadTooLargeError for more than `limit` operations.
    """
    check_message(body, urns.PATCH_OP, profile)
    operations = next((value for name, value in body.items() if name.lower() == "operations"), None)
    if not isinstance(operations, list):
        raise InvalidSyntaxError("'Operations' must be an array.")
    if not operations and not profile.tolerates(Toleration.EMPTY_OPERATIONS):
        raise InvalidSyntaxError("'Operations' must not be empty.")
    if len(operations) > limit:
        raise PayloadTooLargeError(f"A PATCH may have at most {limit} operations.")
    return tuple(_operation(index, item) for index, item in enumerate(operations))


def _operation(index: int, item: Json) -> PatchOperation:
    where = f"Operations[{index}]"
    if not isinstance(item, dict):
        raise InvalidSyntaxError(f"{where} must be an object.")
    members = {name.lower(): value for name, value in item.items()}
    if len(members) < len(item):
        raise InvalidSyntaxError(f"{where}: a member stands more than once.")
    name = members.get("op")
    op = _OPS.get(name.lower()) if isinstance(name, str) else None
    if op is None:
        raise InvalidSyntaxError(f"{where}: 'op' must be add, remove or replace, not {name!r}.")
    path = members.get("path")
    if path is not None and not isinstance(path, str):
        raise InvalidSyntaxError(f"{where}: 'path' must be a string.")
    path = (path or "").strip() or None
    if op is Op.REMOVE and path is None:
        raise NoTargetError(f"{where}: remove needs a path.")
    if op is not Op.REMOVE and "value" not in members:
        raise InvalidValueError(f"{where}: {op} needs a value.")
    return PatchOperation(op, path, members.get("value"))
