"""References in lines of an import: a member or a manager may be named by what the file knows of it.

`userName:ada@example.com` is a user, `displayName:Engineering` a group, `externalId:4711` what the reference's `type`
says, a user unless it says `Group`. Everything else is an id.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from headcount.scim.folding import fold
from headcount.scim.schemas import Json
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import KeyName, TenantStore

_USER: Final = "User"
_GROUP: Final = "Group"
_KEYS: Final[Mapping[str, KeyName]] = {
    "userName": "user_name",
    "displayName": "display_name",
    "externalId": "external_id",
}
_PIECES: Final = tuple(f'"{name}:'.encode() for name in _KEYS)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a reference names."""

    text: str
    type: str
    key: KeyName
    value: str
    """Folded as the key is."""


Found = Mapping[Reference, list[str]]
"""The ids of what references name."""


def may_refer(text: bytes) -> bool:
    """Whether a line may hold a reference that is not an id; most lines need no closer look."""
    return any(piece in text for piece in _PIECES)


def references_in(body: Mapping[str, Json]) -> list[Reference]:
    """Every reference in a body that is not an id."""
    return [reference for holder in _holders(body) if (reference := _reference(holder)) is not None]


async def look_up(references: Iterable[Reference], store: TenantStore) -> Found:
    """What there is of it, in a statement for each type and key."""
    found: dict[Reference, list[str]] = {reference: [] for reference in references}
    asked: defaultdict[tuple[str, KeyName], defaultdict[str, list[Reference]]] = defaultdict(lambda: defaultdict(list))
    for reference in found:
        asked[reference.type, reference.key][reference.value].append(reference)
    for (type_name, key), by_value in asked.items():
        for value, resource_id in await store.ids_of(type_name, key, list(by_value)):
            for reference in by_value[value]:
                found[reference].append(resource_id)
    return found


def resolve(body: Mapping[str, Json], found: Found) -> None:
    """Puts ids in place of references."""
    for holder in _holders(body):
        reference = _reference(holder)
        if reference is not None:
            (holder["value"],) = found[reference]


def _holders(body: Mapping[str, Json]) -> Iterator[dict[str, Any]]:
    """The objects whose `value` refers to another resource."""
    extension = body.get(ENTERPRISE_USER)
    manager = extension.get("manager") if isinstance(extension, dict) else None
    members = body.get("members")
    for holder in (manager, *(members if isinstance(members, list) else ())):
        if isinstance(holder, dict):
            yield holder


def _reference(holder: Mapping[str, Json]) -> Reference | None:
    text = holder.get("value")
    if not isinstance(text, str):
        return None
    name, colon, value = text.partition(":")
    key = _KEYS.get(name)
    if key is None or not colon:
        return None
    if key == "external_id":
        return Reference(text, _GROUP if holder.get("type") == _GROUP else _USER, key, value)
    return Reference(text, _GROUP if key == "display_name" else _USER, key, fold(value))
