"""Changes that the guard holds back, until an operator decides."""

import hashlib
from typing import Final

import orjson

from headcount.directory.actors import actor_told
from headcount.directory.guard.rules import Removal
from headcount.scim.errors import TooManyRequestsError
from headcount.scim.schemas import Json
from headcount.store.interface import Origin, StoredResource
from headcount.store.keeping import Entry, Put, TenantKeeping

HELD: Final = "held change"
"""The collection of held changes, by type, id, kind of removal and what is changed: one sent again is the same."""
EVENT_HELD: Final = "change.held"
MOST: Final = 100
"""Changes of one resource that are held at a time."""
_DIGITS: Final = 12


async def hold(
    store: TenantKeeping, row: StoredResource, removal: Removal, origin: Origin, reason: str, changes: dict[str, Json]
) -> None:
    """Puts a change aside; raises TooManyRequestsError when too many of the resource wait already."""
    key = f"{row.type}/{row.id}/{removal}/{hashlib.sha256(orjson.dumps(changes)).hexdigest()[:_DIGITS]}"
    waiting = await store.entries(HELD, prefix=f"{row.type}/{row.id}/", limit=MOST)
    is_known = any(entry.key == key for entry in waiting)
    if not is_known and len(waiting) == MOST:
        raise TooManyRequestsError(f"{MOST} changes of this {row.type} wait for an operator.", retry_after=3_600)
    value = {
        "removal": removal,
        "type": row.type,
        "resource": row.id,
        "version": row.version,
        "reason": reason,
        "connection": origin.connection,
        **actor_told(origin.actor),
        "requestId": origin.request_id,
        "at": origin.at,
        "before": orjson.loads(row.document),
        **changes,
    }
    await store.put([Put(HELD, key, orjson.dumps(value))])
    if not is_known:
        told = orjson.dumps({"id": key, "reason": reason})
        await store.mark(EVENT_HELD, told, at=origin.at, actor=origin.actor, request_id=origin.request_id)


def shown(entry: Entry) -> dict[str, Json]:
    """A held change as it is shown."""
    return {"id": entry.key, **orjson.loads(entry.value)}
