"""How a simulated target answers: SCIM as the RFCs have it, but for its habits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import orjson

from headcount.scim import urns
from headcount.scim.errors import (
    ForbiddenError,
    InvalidFilterError,
    InvalidSyntaxError,
    InvalidValueError,
    MethodNotAllowedError,
    NoTargetError,
    NotFoundError,
    PreconditionFailedError,
    ScimError,
    UniquenessError,
)
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.messages import error_message, list_response
from headcount.scim.patch import MembershipDelta, Op, PatchOperation, apply_patch, read_patch
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, USER, ResourceType
from headcount.scim.validation import validate_resource
from headcount.scim.versions import matches_tag
from headcount.testing.simulated_target.contents import Contents, Resource
from headcount.testing.simulated_target.habits import Habits

_TYPES: Final = {kind.endpoint[1:]: kind for kind in (USER, GROUP)}
_HTML: Final = b"<!DOCTYPE html><html><head><title>%d Not today</title></head><body><h1>Sorry</h1></body></html>"
_DEFAULT_PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Call:
    """A request as it is worked on."""

    method: str
    path: str
    """Below the base URL, decoded: `/Users/id-1`."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Service:
    """One simulated target without HTTP."""

    def __init__(self, habits: Habits) -> None:
        self.habits = habits
        self.contents = Contents(habits.lag)

    def answer(self, call: Call) -> Reply:
        """What it says to a request."""
        self.contents.tick()
        return self._answer(call)

    def _answer(self, call: Call) -> Reply:
        try:
            return self._routed(call)
        except MethodNotAllowedError as error:
            return _page(404) if self.habits.missing_as_html else self.refusal(error)
        except ScimError as error:
            return self.refusal(error)

    def refusal(self, error: ScimError) -> Reply:
        """An error as this target words it."""
        return _page(error.status) if self.habits.html_errors else _json(error.status, error_message(error))

    def _routed(self, call: Call) -> Reply:
        _, _, rest = call.path.partition("/")
        name, _, identifier = rest.partition("/")
        if name in _TYPES:
            return self._resources(call, _TYPES[name], identifier)
        if call.method == "POST" and name == "Bulk" and self.habits.bulk:
            return self._bulk(call.body)
        if call.method == "GET" and self.habits.discovery and name in _DISCOVERY:
            return _json(200, _DISCOVERY[name](self))
        raise NotFoundError

    def _resources(self, call: Call, kind: ResourceType, identifier: str) -> Reply:
        if not identifier:
            if call.method not in ("GET", "POST"):
                raise MethodNotAllowedError(("GET", "POST"))
            return self._list(call, kind) if call.method == "GET" else self._create(call, kind)
        if call.method == "GET":
            return self._get(kind, identifier)
        self._check_method(call.method, kind)
        before = self.contents.get(kind.name, identifier)
        if before is None:
            raise NotFoundError(f"There is no {kind.name} {identifier}.")
        if self.habits.etags and (tag := call.headers.get("if-match")) and not matches_tag(tag, before["version"]):
            raise PreconditionFailedError
        return {"PUT": self._replace, "PATCH": self._patch, "DELETE": self._delete}[call.method](call, kind, before)

    def _check_method(self, method: str, kind: ResourceType) -> None:
        has_put = self.habits.put and (self.habits.group_put or kind is USER)
        has_patch = self.habits.patch and (self.habits.group_patch or kind is USER)
        missing = {"PUT": not has_put, "PATCH": not has_patch}
        if missing.get(method, method != "DELETE"):
            raise MethodNotAllowedError(("GET", "DELETE"))

    def _create(self, call: Call, kind: ResourceType) -> Reply:
        resource = dict(validate_resource(call.body, kind, TOLERANT).resource)
        members = _members_of(call.body) if kind is GROUP else []
        _check_number(members, self.habits.members_on_create, "members in a POST")
        self._check_members(members)
        identifier = self.contents.new_id()
        resource |= {"id": identifier, "version": 1, **({"members": members} if kind is GROUP else {})}
        self._keep(kind, resource)
        return self._changed(201, kind, resource)

    def _replace(self, call: Call, kind: ResourceType, before: Resource) -> Reply:
        resource = dict(validate_resource(call.body, kind, TOLERANT).resource)
        resource |= {"id": before["id"], "version": before["version"] + 1}
        if kind is GROUP:
            resource["members"] = _members_of(call.body)
            self._check_members(resource["members"])
        if self.habits.keeps_names and kind is USER:
            resource["userName"] = before["userName"]
        self._keep(kind, resource)
        return self._changed(200, kind, resource)

    def _patch(self, call: Call, kind: ResourceType, before: Resource) -> Reply:
        operations = read_patch(call.body, TOLERANT)
        self._check_operations(operations)
        if not self.habits.value_paths and kind is USER:
            operations = tuple(item for item in operations if "[" not in (item.path or ""))
        bare = {name: value for name, value in before.items() if name not in ("version", "members")}
        result = apply_patch(bare, operations, kind, TOLERANT, members=before.get("members", []))
        resource = {**result.resource, "id": before["id"], "version": before["version"]}
        if kind is GROUP:
            resource["members"] = self._members_after(before["members"], result.members)
        if self.habits.keeps_names and kind is USER:
            resource["userName"] = before["userName"]
        if resource != before:
            resource["version"] += 1
            self._keep(kind, resource)
        return self._changed(200, kind, resource)

    def _delete(self, _call: Call, kind: ResourceType, before: Resource) -> Reply:
        if self.habits.deletes == "refuses":
            raise ForbiddenError("Nobody is deleted here.")
        is_kept = self.habits.deletes == "deactivates" and kind is USER
        self.contents.write(kind.name, before["id"], {**before, "active": False} if is_kept else None)
        return Reply(204)

    def _keep(self, kind: ResourceType, resource: Resource) -> None:
        """Writes what may be written."""
        if self.habits.normalises:
            _normalise(resource)
        for name, value in resource.items():
            if isinstance(value, list) and name not in ("members", "schemas"):
                _check_number(value, self.habits.elements, f"values of {name}")
        others = [item for item in self.contents.all(kind.name) if item["id"] != resource["id"]]
        if kind is USER and self.habits.unique_names:
            name = resource["userName"].casefold()
            if any(item["userName"].casefold() == name for item in others):
                raise UniquenessError("The userName is taken.")
        self.contents.write(kind.name, resource["id"], resource)

    def _check_operations(self, operations: tuple[PatchOperation, ...]) -> None:
        _check_number(operations, self.habits.operations, "operations")
        on_members = [item for item in operations if (item.path or "").lower().startswith("members")]
        _check_number(on_members, self.habits.member_operations, "operations on members")
        changed = sum(len(item.value) if isinstance(item.value, list) else 1 for item in on_members)
        _check_number(range(changed), self.habits.members_per_request, "members in a request")
        for item in on_members:
            form = "filter" if "[" in (item.path or "") else "value"
            if item.op is Op.REMOVE and self.habits.removal not in ("any", form):
                raise InvalidSyntaxError(f"A member is removed by {self.habits.removal}.")
            if item.op is Op.REMOVE and self.habits.members_by_name:
                raise NoTargetError("There is no such member.")

    def _members_after(self, before: list[Resource], delta: MembershipDelta | None) -> list[Resource]:
        if delta is None:
            return before
        kept = [item for item in before if not delta.clear and item["value"] not in delta.removed]
        known = {item["value"] for item in kept}
        added = [{"value": identifier} for identifier in delta.added if identifier not in known]
        self._check_members(added)
        return [*kept, *added]

    def _check_members(self, members: list[Resource]) -> None:
        for item in members:
            if self.habits.unknown_members == "refused" and not self.contents.is_known(item["value"]):
                raise NotFoundError(f"The member {item['value']} is unknown.")

    def _get(self, kind: ResourceType, identifier: str) -> Reply:
        resource = self.contents.shown(kind.name, identifier)
        if resource is None:
            raise NotFoundError(f"There is no {kind.name} {identifier}.")
        shown = self._shown(kind, resource)
        return _json(200, shown, self._tag(resource))

    def _list(self, call: Call, kind: ResourceType) -> Reply:
        everybody = list(self.contents.all_shown(kind.name))
        if self.habits.count_refused and "count" in call.query:
            raise InvalidValueError("There is no count here.")
        if self.habits.count_fails and "count" in call.query:
            raise ScimError("It failed over count.")
        if (text := call.query.get("filter")) and self.habits.filters != "ignored":
            if self.habits.filters == "refused":
                raise InvalidFilterError
            bound = bind_filter(parse_filter(text), kind, TOLERANT)
            everybody = [item for item in everybody if matches(bound, item)]
        count = min(int(call.query.get("count", _DEFAULT_PAGE)), self.habits.largest_page)
        cursor = call.query.get("cursor") if self.habits.cursors else None
        start = int(cursor or 0) if cursor is not None else max(int(call.query.get("startIndex", 1)), 1) - 1
        start = 0 if self.habits.start_ignored else start
        page = [self._shown(kind, item) for item in everybody[start : start + count]]
        body = {**list_response(page), "totalResults": len(everybody), "startIndex": start + 1}
        if cursor is not None and start + count < len(everybody):
            body["nextCursor"] = str(start + count)
        return _json(200, body)

    def _shown(self, kind: ResourceType, resource: Resource) -> Resource:
        hidden = {"version"} if self.habits.external_id_returned else {"version", "externalId"}
        if not self.habits.members_returned:
            hidden.add("members")
        shown = {name: value for name, value in resource.items() if name not in hidden}
        if self.habits.members_by_name and "members" in shown:
            shown["members"] = [{"value": self._name_of(item["value"])} for item in shown["members"]]
        shown["meta"] = {"resourceType": kind.name, "location": f"{kind.endpoint}/{resource['id']}"}
        return shown | ({"meta": shown["meta"] | {"version": _tag_of(resource)}} if self.habits.etags else {})

    def _name_of(self, identifier: str) -> str:
        user = self.contents.get("User", identifier)
        return str(user["userName"]) if user else identifier

    def _changed(self, status: int, kind: ResourceType, resource: Resource) -> Reply:
        if self.habits.empty_success:
            return _json(200, {})
        if status == HTTPStatus.CREATED and self.habits.locations != "none":
            name = resource.get("userName", resource["id"]) if self.habits.locations == "name" else resource["id"]
            return Reply(status, headers={"location": f"{kind.endpoint}/{name}"})
        return _json(status, self._shown(kind, resource), self._tag(resource))

    def _tag(self, resource: Resource) -> Mapping[str, str]:
        return {"etag": _tag_of(resource)} if self.habits.etags else {}

    def _bulk(self, body: Any) -> Reply:
        operations = body.get("Operations", [])
        _check_number(operations, self.habits.bulk, "operations")
        ids: dict[str, str] = {}
        results = []
        for item in operations:
            data = _resolved(item.get("data"), ids)
            path = _resolved(item["path"], ids)
            headers = {"if-match": item["version"]} if "version" in item else {}
            reply = self._answer(Call(item["method"].upper(), path, headers=headers, body=data))
            answered = orjson.loads(reply.body) if reply.body else None
            result = {"method": item["method"], "status": str(reply.status)}
            result |= {"bulkId": item["bulkId"]} if "bulkId" in item else {}
            identifier = (answered or {}).get("id") or path.partition("/")[2].partition("/")[2]
            if reply.status < 300 and identifier:
                ids[f"bulkId:{item.get('bulkId')}"] = identifier
                result["location"] = f"/{path.split('/')[1]}/{identifier}"
            result |= {"response": answered} if answered else {}
            results.append(result)
        return _json(200, {"schemas": [urns.BULK_RESPONSE], "Operations": results})

    def config(self) -> Resource:
        """Its ServiceProviderConfig."""
        return {
            "schemas": [urns.SERVICE_PROVIDER_CONFIG],
            "patch": {"supported": self.habits.patch},
            "bulk": {"supported": bool(self.habits.bulk), "maxOperations": self.habits.bulk, "maxPayloadSize": 1 << 20},
            "filter": {"supported": True, "maxResults": self.habits.largest_page},
            "etag": {"supported": self.habits.etags},
            **({"pagination": {"cursor": True, "index": True}} if self.habits.cursors else {}),
        }


_DISCOVERY: Final[Mapping[str, Callable[[Service], Resource]]] = {
    "ServiceProviderConfig": Service.config,
    "ResourceTypes": lambda _service: list_response([kind.document() for kind in (USER, GROUP)]),
    "Schemas": lambda _service: list_response([kind.schema.document() for kind in (USER, GROUP)]),
}


def _json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(document), {"content-type": "application/scim+json", **(headers or {})})


def _page(status: int) -> Reply:
    return Reply(status, _HTML % status, {"content-type": "text/html; charset=utf-8"})


def _tag_of(resource: Resource) -> str:
    return f'W/"{resource["version"]}"'


def _members_of(body: Any) -> list[Resource]:
    return [{"value": item["value"]} for item in body.get("members") or []]


def _check_number(items: Any, most: int | None, what: str) -> None:
    if most is not None and len(items) > most:
        raise InvalidValueError(f"At most {most} {what}, not {len(items)}.")


def _normalise(resource: Resource) -> None:
    if "userName" in resource:
        resource["userName"] = resource["userName"].lower()
    if "displayName" in resource:
        resource["displayName"] = resource["displayName"].strip()
    for item in resource.get("emails", []):
        item["value"] = item.get("value", "").lower()


def _resolved(value: Any, ids: Mapping[str, str]) -> Any:
    """The value with the ids of what was created in the same request."""
    if isinstance(value, Mapping):
        return {name: _resolved(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, ids) for item in value]
    if isinstance(value, str):
        for reference, identifier in ids.items():
            value = identifier if value == reference else value.replace(f"/{reference}", f"/{identifier}")
    return value
