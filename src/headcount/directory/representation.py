"""Resources as the bytes that a client receives.

A stored document is served without being parsed: `meta` and the derived values are spliced in. Only a projection,
or a schema with values that are returned on request, opens it.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, NamedTuple

import orjson

from headcount.directory.permissions import MEMBERS_A_PAGE, Fence
from headcount.directory.tenant import Tenant
from headcount.scim.projection import Cut, Projection, cut_list, cut_object
from headcount.scim.registry import ResourceType
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER
from headcount.scim.versions import entity_tag
from headcount.store.interface import Member, StoredResource, TenantStore

_MANAGER: Final = b'"manager":{"value":"'
_REFERENCE: Final = b'"$ref":"/'


class Representation(NamedTuple):
    """A resource as it is sent."""

    id: str
    version: int
    location: str
    body: bytes = b""
    """The whole JSON text, or its beginning when `rest` follows; empty when nothing is to be sent."""
    rest: AsyncIterator[bytes] | None = None
    """The remainder of a group with very many members."""
    is_new: bool = True
    """Whether a creation has made it; otherwise one that was there is meant."""


def render(
    row: StoredResource,
    tenant: Tenant,
    resource_type: ResourceType,
    projection: Projection,
    document: Mapping[str, Json] | None = None,
) -> bytes:
    """The JSON text of a resource without `members`, which `group_text` adds.

    `document` is the stored one, where it is known already.
    """
    cut = projection.cut if projection.asks_nothing else None
    if cut is not None:
        row = _visible(row, cut, document)
    elif not projection.is_verbatim:
        return orjson.dumps(projection.apply(assemble(row, tenant, resource_type)))
    text = row.document[:-1]
    base = tenant.base_url.encode()
    if row.manager is not None:
        at = text.find(b'"}', text.find(_MANAGER)) + 1
        text = b"".join((text[:at], b",", row.manager.replace(_REFERENCE, b'"$ref":"' + base + b"/"), text[at:]))
    if row.groups is not None:
        text = b"".join((text, b',"groups":', row.groups.replace(_REFERENCE, b'"$ref":"' + base + b"/")))
    return (
        text
        + (
            f',"meta":{{"resourceType":"{row.type}","created":"{row.created}","lastModified":"{row.modified}",'
            f'"location":"{tenant.base_url}{resource_type.endpoint}/{row.id}","version":"W/\\"{row.version}\\""}}}}'
        ).encode()
    )


def _visible(row: StoredResource, cut: Cut, document: Mapping[str, Json] | None) -> StoredResource:
    """The row with what a client may see of it; a document that shows wholly is not opened."""
    text, groups, manager = row.document, row.groups, row.manager
    if not cut.is_of_derived:
        text = orjson.dumps(cut.apply(document or orjson.loads(text)))
    if groups is not None and cut.groups is not None:
        elements = cut_list(orjson.loads(groups), cut.groups) if cut.groups else None
        groups = orjson.dumps(elements) if elements else None
    if manager is not None and cut.manager is not None:
        parts = cut_object(orjson.loads(b"{" + manager + b"}"), cut.manager) if cut.manager else None
        manager = orjson.dumps(parts)[1:-1] if parts else None
    return row._replace(document=text, groups=groups, manager=manager)


def assemble(row: StoredResource, tenant: Tenant, resource_type: ResourceType) -> dict[str, Json]:
    """The whole resource as a dictionary, `members` apart: stored attributes, derived values and `meta`."""
    resource: dict[str, Json] = orjson.loads(row.document)
    base = tenant.base_url.encode()
    if row.manager is not None:
        fragment = b"{" + row.manager.replace(_REFERENCE, b'"$ref":"' + base + b"/") + b"}"
        resource[ENTERPRISE_USER]["manager"] |= orjson.loads(fragment)
    if row.groups is not None:
        resource["groups"] = orjson.loads(row.groups.replace(_REFERENCE, b'"$ref":"' + base + b"/"))
    resource["meta"] = {
        "resourceType": row.type,
        "created": row.created,
        "lastModified": row.modified,
        "location": tenant.location(resource_type, row.id),
        "version": entity_tag(row.version),
    }
    return resource


def member_values(members: Sequence[Member], tenant: Tenant) -> list[dict[str, Json]]:
    """Members as the elements of the `members` attribute; who has no name is without `display`."""
    return [
        {
            "value": member.id,
            "$ref": f"{tenant.base_url}{tenant.registry.by_name[member.type].endpoint}/{member.id}",
            "type": member.type,
            **({"display": member.display} if member.display else {}),
        }
        for member in members
    ]


async def group_text(
    row: StoredResource,
    tenant: Tenant,
    resource_type: ResourceType,
    projection: Projection,
    store: TenantStore,
    fence: Fence,
) -> AsyncIterator[bytes]:
    """The JSON text of a group with its members, in pieces of at most `MEMBERS_A_PAGE` members."""
    text = render(row, tenant, resource_type, projection)
    if not row.member_count or not projection.wants("members"):
        yield text
        return
    opening = text[:-1] + (b',"members":[' if len(text) > len(b"{}") else b'"members":[')
    after = ""
    while members := await store.members(row.id, after=after, limit=MEMBERS_A_PAGE):
        values = member_values(await fence.visible(members), tenant)
        if projection.narrows("members"):
            values = projection.apply({"members": values}).get("members", [])
        piece = orjson.dumps(values)[1:-1]
        if piece:
            yield opening + piece
            opening = b","
        after = members[-1].id
        if len(members) < MEMBERS_A_PAGE:
            break
    yield b"]}" if opening == b"," else text
