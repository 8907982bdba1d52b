"""Bulk requests carried out, operation by operation (RFC 7644 §3.7): not a transaction, nothing is skipped silently."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from headcount.directory.permissions import permitted
from headcount.directory.representation import Representation
from headcount.directory.resources import Request, Resources
from headcount.scim import urns
from headcount.scim.bulk import (
    BulkOperation,
    BulkRequest,
    Step,
    check_references,
    order,
    read_bulk,
    resolve,
    without_references,
)
from headcount.scim.errors import ConflictError, InvalidPathError, MethodNotAllowedError, NotFoundError, ScimError
from headcount.scim.messages import error_message
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation
from headcount.scim.versions import entity_tag

_STATUS: Final = {"POST": "201", "PUT": "200", "PATCH": "200", "DELETE": "204"}


@dataclass(frozen=True, slots=True)
class RefusedOperation:
    """An operation of a bulk request that failed, for the record."""

    method: str
    path: str
    """With references resolved, as far as they could be."""
    status: int
    reason: str


class Bulk:
    """Carries out bulk requests in one tenant."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._tenant = resources.tenant

    async def run(self, body: Json, request: Request) -> tuple[dict[str, Json], Sequence[RefusedOperation]]:
        """The BulkResponse, of which failed operations are part (RFC 7644 §3.7.3), and those operations."""
        bulk = read_bulk(body, self._tenant.profile, limit=self._tenant.limits.bulk_operations)
        running = _Running(bulk, self._resources, request)
        for step in order(bulk):
            if bulk.fail_on_errors is not None and running.errors >= bulk.fail_on_errors:
                break
            await running.carry_out(step)
        outcomes = [running.outcomes[index] for index in sorted(running.outcomes)]
        return {"schemas": [urns.BULK_RESPONSE], "Operations": outcomes}, running.refused


class _Running:
    """The state of one bulk request: real ids by bulkId, and an outcome for each operation."""

    def __init__(self, bulk: BulkRequest, resources: Resources, request: Request) -> None:
        self.bulk = bulk
        self.resources = resources
        self.request = request
        self.ids: dict[str, str] = {}
        self.outcomes: dict[int, dict[str, Json]] = {}
        self.errors = 0
        self.refused: list[RefusedOperation] = []

    async def carry_out(self, step: Step) -> None:
        """One step; its outcome stands at the operation's place in the request."""
        operation = step.operation
        if step.completes and "response" in self.outcomes[operation.index]:
            return
        try:
            check_references(operation, self.bulk, self.ids, step.withheld)
            if step.completes:
                await self.complete(operation)
            else:
                await self.perform(operation, withhold=bool(step.withheld))
        except ScimError as error:
            self.errors += 1
            path = resolve(operation.path, self.ids)
            self.refused.append(RefusedOperation(operation.method, path, error.status, error.detail))
            self.outcomes[operation.index] = _failure(operation, error, self.location(operation))

    async def perform(self, operation: BulkOperation, *, withhold: bool) -> None:
        """The operation as a request of its own would be."""
        resource_type, resource_id = self.target(operation)
        data = resolve(operation.data, self.ids)
        if withhold:
            for right in (Operation.UPDATE, Operation.DELETE):  # to complete it, or to take it back
                permitted(self.request.permissions, resource_type, right)
            data = without_references(data)
        request = self.request._replace(if_match=operation.version, is_bulk=True)
        resources = self.resources
        if operation.method == "DELETE":
            await resources.delete(resource_type, resource_id, request)
            location = resources.tenant.location(resource_type, resource_id)
            self.outcomes[operation.index] = _outcome(operation, location)
            return
        if operation.method == "POST":
            done = await resources.create(resource_type, data, request)
            if operation.bulk_id:
                self.ids[operation.bulk_id] = done.id
        elif operation.method == "PUT":
            done = await resources.replace(resource_type, resource_id, data, request)
        else:
            message = {"schemas": [urns.PATCH_OP], **data}  # some clients leave out the schema (E5050)
            done = await resources.patch(resource_type, resource_id, message, request)
        self.record(operation, done)

    async def complete(self, operation: BulkOperation) -> None:
        """Adds the references that were withheld to open a circle; gives up with 409 where that is refused."""
        assert operation.bulk_id is not None  # noqa: S101  only creations withhold references
        resource_type, _ = self.target(operation)
        resource_id = self.ids[operation.bulk_id]
        data = resolve(operation.data, self.ids)
        try:
            self.record(operation, await self.resources.replace(resource_type, resource_id, data, self.request))
        except ScimError as error:
            await self.resources.delete(resource_type, resource_id, self.request._replace(is_guarded=False))
            del self.ids[operation.bulk_id]
            raise ConflictError(f"The circular reference cannot be resolved: {error.detail}") from error

    def record(self, operation: BulkOperation, done: Representation) -> None:
        """Keeps the outcome of a success."""
        self.outcomes[operation.index] = _outcome(operation, done.location) | {"version": entity_tag(done.version)}

    def target(self, operation: BulkOperation) -> tuple[ResourceType, str]:
        """The resource type and id that the operation's path names."""
        path = resolve(operation.path, self.ids)
        base = self.resources.tenant.base_url
        segments = path.removeprefix(base).split("/")
        if segments[0] == "":
            segments = segments[1:]
        if segments[0] == "v2":  # a version segment may stand before the endpoint (RFC 7644 §3.13)
            segments = segments[1:]
        resource_type = self.resources.tenant.registry.by_endpoint.get(segments[0]) if segments else None
        if resource_type is None:
            raise NotFoundError(f"'{operation.path}' is not an endpoint that bulk operations can use.")
        wanted = 1 if operation.method == "POST" else 2
        if len(segments) != wanted or not all(segments):
            if operation.method == "POST":
                raise MethodNotAllowedError(("PUT", "PATCH", "DELETE"))
            raise InvalidPathError(f"'{operation.path}': {operation.method} needs the path of a resource.")
        return resource_type, segments[1] if wanted > 1 else ""

    def location(self, operation: BulkOperation) -> str | None:
        """Where the resource of a failed operation is; a failed creation has none."""
        try:
            resource_type, resource_id = self.target(operation)
        except ScimError:
            return None
        return self.resources.tenant.location(resource_type, resource_id) if resource_id else None


def _outcome(operation: BulkOperation, location: str | None) -> dict[str, Json]:
    outcome: dict[str, Json] = {"method": operation.method}
    if operation.bulk_id:
        outcome["bulkId"] = operation.bulk_id
    if location:
        outcome["location"] = location
    return outcome | {"status": _STATUS[operation.method]}


def _failure(operation: BulkOperation, error: ScimError, location: str | None) -> dict[str, Json]:
    failed: dict[str, Json] = _outcome(operation, location)
    return failed | {"status": str(error.status), "response": error_message(error)}
