"""Bulk requests: read, ordered and resolved, without carrying anything out (RFC 7644 §3.7).

An operation may refer to a resource that another one creates, as `bulkId:…`. Operations are carried out in the
order of the request, except that what is referred to comes first; circles are opened by creating one resource
without the reference and adding it afterwards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headcount.scim import urns
from headcount.scim.errors import ConflictError, InvalidSyntaxError, InvalidValueError, PayloadTooLargeError
from headcount.scim.profiles import Profile
from headcount.scim.schemas import Json
from headcount.scim.search import check_message

METHODS: Final = ("POST", "PUT", "PATCH", "DELETE")
_REFERENCE: Final = re.compile(r"bulkId:([^\s\"'/\]\[]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BulkOperation:
    """One operation of a bulk request."""

    index: int
    method: str
    path: str
    bulk_id: str | None
    version: str | None
    data: Json
    references: frozenset[str]
    """The bulkIds that `path` and `data` refer to."""


@dataclass(frozen=True, slots=True)
class BulkRequest:
    """A bulk request that is well-formed."""

    operations: tuple[BulkOperation, ...]
    fail_on_errors: int | None

    def creators(self) -> dict[str, int]:
        """Which operation creates the resource with a bulkId."""
        return {item.bulk_id: item.index for item in self.operations if item.bulk_id and item.method == "POST"}


def read_bulk(body: Json, profile: Profile, *, limit: int) -> BulkRequest:
    """The request in the body; raises InvalidSyntaxError, PayloadTooLargeError naming the limit (RFC 7644 §3.7.4)."""
    check_message(body, urns.BULK_REQUEST, profile)
    operations = body.get("Operations")
    if not isinstance(operations, list) or not operations:
        raise InvalidSyntaxError("'Operations' must be a non-empty array.")
    if len(operations) > limit:
        raise PayloadTooLargeError(f"The bulk request has {len(operations)} operations; maxOperations is {limit}.")
    fail_on_errors = body.get("failOnErrors")
    if fail_on_errors is not None and (
        isinstance(fail_on_errors, bool) or not isinstance(fail_on_errors, int) or fail_on_errors < 1
    ):
        raise InvalidSyntaxError("'failOnErrors' must be a positive integer.")
    read = tuple(_operation(index, item) for index, item in enumerate(operations))
    bulk_ids = [item.bulk_id for item in read if item.bulk_id]
    for bulk_id in bulk_ids:
        if bulk_ids.count(bulk_id) > 1:
            raise InvalidSyntaxError(f"The bulkId '{bulk_id}' stands more than once.")
    return BulkRequest(read, fail_on_errors)


def _operation(index: int, item: Json) -> BulkOperation:
    where = f"Operations[{index}]"
    if not isinstance(item, Mapping):
        raise InvalidSyntaxError(f"{where} must be an object.")
    method, path, bulk_id = item.get("method"), item.get("path"), item.get("bulkId")
    if not isinstance(method, str) or method.upper() not in METHODS:
        raise InvalidSyntaxError(f"{where}: 'method' is one of {', '.join(METHODS)}.")
    method = method.upper()
    if not isinstance(path, str) or not path:
        raise InvalidSyntaxError(f"{where}: 'path' is required.")
    if bulk_id is not None and (not isinstance(bulk_id, str) or not bulk_id):
        raise InvalidSyntaxError(f"{where}: 'bulkId' must be a non-empty string.")
    if method == "POST" and bulk_id is None:
        raise InvalidSyntaxError(f"{where}: 'bulkId' is required with POST.")
    version, data = item.get("version"), item.get("data")
    if version is not None and not isinstance(version, str):
        raise InvalidSyntaxError(f"{where}: 'version' must be a string.")
    if method != "DELETE" and not isinstance(data, Mapping):
        raise InvalidSyntaxError(f"{where}: 'data' must be an object.")
    return BulkOperation(index, method, path, bulk_id, version, data, references_in([path, data]))


def references_in(value: Json) -> frozenset[str]:
    """All bulkIds that a JSON value refers to."""
    if isinstance(value, str):
        return frozenset(_REFERENCE.findall(value))
    if isinstance(value, Mapping):
        return frozenset().union(*map(references_in, value.values()), *map(references_in, value))
    if isinstance(value, list):
        return frozenset().union(*map(references_in, value))
    return frozenset()


def resolve(value: Json, ids: Mapping[str, str]) -> Json:
    """The value with every reference in `ids` replaced by the real id (RFC 7644 §3.7.2)."""
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: ids.get(match[1], match[0]), value) if "ulk" in value else value
    if isinstance(value, Mapping):
        return {resolve(name, ids): resolve(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, ids) for item in value]
    return value


def without_references(value: Json) -> Json:
    """The value without what still refers to a bulkId: elements and members that hold a reference are left out."""
    if isinstance(value, Mapping):
        kept = {name: without_references(item) for name, item in value.items() if not _is_reference(item)}
        return {name: item for name, item in kept.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [
            kept
            for kept in (without_references(item) for item in value if not _is_reference(item))
            if kept not in ({}, [])
        ]
    return value


def _is_reference(value: Json) -> bool:
    if isinstance(value, Mapping):
        return _is_reference(value.get("value"))
    return isinstance(value, str) and _REFERENCE.search(value) is not None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to carry out: an operation, or what was withheld of one to open a circle."""

    operation: BulkOperation
    withheld: frozenset[str] = frozenset()
    """References that are left out for now."""
    completes: bool = False
    """Whether the step adds what another one withheld."""


def order(request: BulkRequest) -> list[Step]:
    """The steps in an order in which every reference is known when it is needed."""
    ordering = _Ordering(request)
    for operation in request.operations:
        ordering.place(operation.index)
    return ordering.steps


class _Ordering:
    """A depth-first walk along the references, without recursion: a chain is as long as the request."""

    __slots__ = ("creators", "done", "request", "steps")

    def __init__(self, request: BulkRequest) -> None:
        self.request = request
        self.creators = request.creators()
        self.steps: list[Step] = []
        self.done: set[int] = set()

    def place(self, start: int) -> None:
        """Adds the steps of an operation, behind those of everything that it refers to."""
        path = [start] if start not in self.done else []
        completing: list[Step] = []
        while path:
            operation = self.request.operations[path[-1]]
            following = self.next_creator(operation, path)
            if following is not None:
                path.append(following)
                continue
            self.done.add(path[-1])
            circular = frozenset(name for name in operation.references if self.creators.get(name) in path)
            withheld = circular if operation.method == "POST" else frozenset[str]()
            self.steps.append(Step(operation, withheld))
            if withheld:
                completing.append(Step(operation, completes=True))
            path.pop()
        self.steps += completing

    def next_creator(self, operation: BulkOperation, path: list[int]) -> int | None:
        """The first operation that has to come before this one and has no place yet."""
        for name in sorted(operation.references):
            creator = self.creators.get(name)
            if creator is not None and creator not in self.done and creator not in path:
                return creator
        return None


def check_references(
    operation: BulkOperation, request: BulkRequest, ids: Mapping[str, str], withheld: frozenset[str]
) -> None:
    """Raises InvalidValueError for a bulkId that nothing creates, ConflictError for one that was not created."""
    creators = request.creators()
    for reference in sorted(operation.references - ids.keys() - withheld):
        if reference not in creators:
            raise InvalidValueError(f"No operation has the bulkId '{reference}'.")
        raise ConflictError(f"The resource with the bulkId '{reference}' was not created.")
