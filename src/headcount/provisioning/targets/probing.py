"""What a target says of itself, and what it is seen to do. Nothing is written to find out.

Only what is unmistakable is learned: a page of HTML alone, which may come from something in front of the target, proves
nothing.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Final

from headcount.provisioning.targets.capabilities import SCHEMAS
from headcount.provisioning.targets.client import Answer, Request, ScimClient, path_of
from headcount.provisioning.targets.errors import TargetError, UncertainError, UnreachableError
from headcount.provisioning.targets.explaining import NO_SUCH_METHOD
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.listing import check_readable, list_of, resources_of
from headcount.provisioning.targets.lookups import lookup_filter
from headcount.provisioning.targets.paths import member, satisfies
from headcount.scim import urns
from headcount.scim.schemas import Json

_CONFIG_PATHS: Final = ("/ServiceProviderConfig", "/ServiceProviderConfigs")
"""The second as SCIM 1.1 had it, and some targets still do."""
_ENDPOINT: Final = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_COUNT: Final = 2
_LARGEST_PAGE: Final = 1_000
_REFUSED: Final = 400
_UNAUTHORIZED: Final = 401
_NOT_FOUND: Final = 404
_UNIQUE: Final = frozenset({"server", "global"})


async def read_config(client: ScimClient) -> Mapping[str, Json]:
    """The ServiceProviderConfig, empty where there is none.

    Raises UnreachableError when the target cannot be reached or does not let us in.
    """
    return await _first_object(client, _CONFIG_PATHS)


async def discover(client: ScimClient, config: Mapping[str, Json]) -> dict[str, Json]:
    """The layer that ServiceProviderConfig, ResourceTypes and Schemas make, as far as the target has them.

    Raises UnreachableError.
    """
    types = resources_of(await _first_object(client, ("/ResourceTypes",)))
    schemas = resources_of(await _first_object(client, ("/Schemas",)))
    layer = _of_config(config)
    has_patch = {"patch": False} if member(member(config, "patch"), "supported") is False else {}
    for name, schema in SCHEMAS.items():
        layer[f"{name.lower()}s"] = {
            **_of_types(types, name, client.connection.url),
            **_of_schema(schemas, schema),
            **has_patch,
        }
    return layer


async def probe(client: ScimClient, knowledge: Knowledge) -> None:
    """Learns what cannot be believed unseen; raises TargetError when the target cannot even be listed."""
    users = await _sample(client, knowledge)
    await _probe_filters(client, knowledge, users)
    for name in SCHEMAS:
        if knowledge.profile.of(name).supported:
            await _probe_methods(client, knowledge, name)


async def _first_object(client: ScimClient, paths: Iterable[str]) -> Mapping[str, Json]:
    for path in paths:
        try:
            answer = await client.get(path, is_confirmation=True)
        except UnreachableError:
            raise
        except TargetError:
            continue
        if answer.status == _UNAUTHORIZED:
            check_readable(client, answer)
        if answer.resource:
            return answer.resource
    return {}


def _of_config(config: Mapping[str, Json]) -> dict[str, Json]:
    """What a ServiceProviderConfig says (RFC 7643 §5, RFC 9865 §4)."""
    layer: dict[str, Json] = {}
    if (filters := member(member(config, "filter"), "supported")) is not None:
        layer["filters"] = filters is True
    if _is_count(most := member(member(config, "filter"), "maxResults")):
        layer["pageSize"] = min(most, _LARGEST_PAGE)
    layer["etag"] = member(member(config, "etag"), "supported") is True
    bulk = member(config, "bulk")
    if member(bulk, "supported") is True:
        limits = {"operations": member(bulk, "maxOperations"), "bytes": member(bulk, "maxPayloadSize")}
        layer["bulk"] = {"supported": True, **{name: value for name, value in limits.items() if _is_count(value)}}
    pagination = member(config, "pagination")
    if member(pagination, "cursor") is True:
        layer["paging"] = "cursor"
    if _is_count(most := member(pagination, "maxPageSize")):
        layer["pageSize"] = min(most, _LARGEST_PAGE)
    return layer


def _of_types(types: Iterable[Mapping[str, Json]], name: str, url: str) -> dict[str, Json]:
    """Where a resource type is; a target that lists its types and not this one does not have it.

    An endpoint is relative to the base URL (RFC 7643 §6), and some targets repeat that in front of it.
    """
    types = list(types)
    for item in types:
        if str(member(item, "name")).lower() == name.lower() or member(item, "schema") == SCHEMAS[name]:
            endpoint = str(member(item, "endpoint") or "").removeprefix(url.rstrip("/")).rstrip("/")
            return {"endpoint": endpoint} if _ENDPOINT.fullmatch(endpoint) else {}
    return {"supported": False} if types else {}


def _of_schema(schemas: Iterable[Mapping[str, Json]], urn: str) -> dict[str, Json]:
    """What a schema says is unique (RFC 7643 §7). What it says is required is for the target itself to refuse."""
    for schema in schemas:
        if str(member(schema, "id")).lower() == urn.lower():
            attributes = [item for item in member(schema, "attributes") or [] if isinstance(item, Mapping)]
            named = [(str(member(item, "name")), member(item, "uniqueness")) for item in attributes]
            return {"unique": [name for name, uniqueness in named if uniqueness in _UNIQUE and name != "id"]}
    return {}


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


async def _sample(client: ScimClient, knowledge: Knowledge) -> list[Mapping[str, Json]]:
    """A few users; learns whether a page size may be asked for."""
    endpoint = knowledge.profile.endpoint("User")
    refused = False
    if knowledge.profile.count:
        try:
            answer = await client.get(endpoint, {"startIndex": "1", "count": str(_COUNT)}, is_confirmation=True)
            if answer.status != _REFUSED:
                return resources_of(list_of(client, answer))
        except UncertainError:  # some fail where others refuse
            pass
        refused = True
    users = resources_of(list_of(client, await client.get(endpoint, is_confirmation=True)))
    if refused:
        knowledge.learn("It refuses count.", {"count": False, "paging": "index"})
    return users


async def _probe_filters(client: ScimClient, knowledge: Knowledge, users: list[Mapping[str, Json]]) -> None:
    """Whether a filter keeps out whom it should, and finds whom it should."""
    if not knowledge.profile.filters:
        return
    endpoint = knowledge.profile.endpoint("User")
    nobody = await _filtered(client, endpoint, f"nobody-{secrets.token_hex(8)}")
    if not nobody.is_success:
        if client.refusal(nobody).is_certain:
            knowledge.learn("It refuses filters.", {"filters": False})
    elif resources_of(list_of(client, nobody)):
        knowledge.learn("It ignores filters.", {"filters": False})
    elif names := [name for user in users if isinstance(name := member(user, "userName"), str) and name]:
        somebody = await _filtered(client, endpoint, names[0])
        is_found = any(satisfies(item, "userName", names[0]) for item in resources_of(somebody.resource))
        if somebody.is_success and not is_found:
            knowledge.learn("Its filters do not find who is there.", {"filters": False})


async def _filtered(client: ScimClient, endpoint: str, name: str) -> Answer:
    """What is answered to a lookup."""
    return await client.get(endpoint, {"filter": lookup_filter("userName", name)}, is_confirmation=True)


async def _probe_methods(client: ScimClient, knowledge: Knowledge, type_name: str) -> None:
    """Whether PATCH and PUT are there, asked of an id that nobody has."""
    path = path_of(knowledge.profile.endpoint(type_name), f"headcount-probe-{secrets.token_hex(8)}")
    part = f"{type_name.lower()}s"
    for verb in ("patch", "put"):
        if not getattr(knowledge.profile.of(type_name), verb):
            continue
        body = {"schemas": [urns.PATCH_OP], "Operations": []} if verb == "patch" else {}
        try:
            answer = await client.send(Request(verb.upper(), path, body=body, is_idempotent=True, is_confirmation=True))
        except UnreachableError:
            raise
        except TargetError:
            continue
        if answer.status in NO_SUCH_METHOD or await _is_another_404(client, path, answer):
            knowledge.learn(f"{part.capitalize()} have no {verb.upper()}.", {part: {verb: False}})


async def _is_another_404(client: ScimClient, path: str, answer: Answer) -> bool:
    """Whether a page says that a method is missing: the target itself says otherwise that the id is not there."""
    if answer.status != _NOT_FOUND or client.refusal(answer).is_certain:
        return False
    asked = await client.get(path, is_confirmation=True)
    return asked.status == _NOT_FOUND and isinstance(asked.json, dict)
