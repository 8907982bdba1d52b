"""The record of who did what, the last requests and lock-outs, below `/manage`."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import orjson

from headcount.directory.audit.auditing import Audit, Wanted, instant_asked, number_of
from headcount.directory.lockouts import LockOuts
from headcount.directory.managed import AUDIT, LOCK_OUT, REQUEST_LOG
from headcount.directory.request_log import RequestLog
from headcount.http.manage import Asked, Route
from headcount.http.responses import Header, Response
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

_NDJSON: Final[Header] = (b"content-type", b"application/x-ndjson")
_MOST: Final = 1_000
_DIGITS: Final = 18


@dataclass(frozen=True, slots=True)
class ManagedRecord:
    """Answers what `RECORD_ROUTES` calls."""

    audit: Audit
    requests: RequestLog
    lock_outs: LockOuts

    async def entries(self, asked: Asked) -> Json:
        """A page of the record, the newest first."""
        limit = _limit(asked)
        rows = []
        found = self.audit.entries(asked.tenant, _wanted(asked), refused=_is_refused(asked))
        async for entry in found:
            rows.append(entry)
            if len(rows) == limit:
                break
        answer: dict[str, Json] = {"entries": rows}
        if len(rows) == limit:
            answer["before"] = number_of(rows[-1])
        return answer

    async def export(self, asked: Asked) -> Response:
        """All of it, the oldest first."""
        found = self.audit.entries(asked.tenant, _wanted(asked), refused=_is_refused(asked), newest_first=False)
        return Response(200, pieces=_lines(found), content_type=_NDJSON)

    async def verify(self, asked: Asked) -> Json:
        """What the verification found."""
        return {"chains": await self.audit.verify(asked.tenant)}

    async def erase(self, asked: Asked) -> Json:
        """Empties what is kept of a deleted resource."""
        kind, resource_id = asked.optional_text("type") or "User", asked.text("id")
        audit, request_id = self.audit, asked.request_id
        erased = await audit.erase(asked.tenant, kind, resource_id, actor=asked.actor, request_id=request_id)
        return {"erased": erased}

    async def list_requests(self, asked: Asked) -> Json:
        """The last requests."""
        after = _number(asked, "after")
        return {"requests": await self.requests.list(asked.tenant, after=after, limit=_limit(asked))}

    async def request(self, asked: Asked) -> Json:
        """One request."""
        return await self.requests.get(asked.tenant, asked.path["request"])

    async def lock_out(self, asked: Asked) -> Json:
        """The proof of a lock-out."""
        return await self.lock_outs.show(asked.tenant, asked.path["user"])


_LIMIT: Final = {"limit": "How many, 1,000 at most; 100 unless given."}
_PAGE: Final = _LIMIT | {"before": "What the page before this one says as 'before'."}
_FILTERS: Final = {
    "outcome": "accepted, as without it, or refused.",
    "actor": "The id of the token.",
    "type": "The resource type.",
    "id": "The resource.",
    "action": "create, update or delete.",
    "since": "Not before this instant: 2026-01-31, or 2026-01-31T08:30:00Z.",
    "until": "Before this instant.",
}
_AUDIT: Final = "/tenants/{tenant}/audit"
_REQUESTS: Final = "/tenants/{tenant}/requests"

RECORD_ROUTES: Final = (
    Route(
        "GET",
        _AUDIT,
        AUDIT,
        Operation.READ,
        "List accepted changes or refused attempts, the newest first.",
        ManagedRecord.entries,
        query=_PAGE | _FILTERS,
    ),
    Route(
        "GET",
        f"{_AUDIT}/export",
        AUDIT,
        Operation.READ,
        "Export the record as NDJSON, the oldest first.",
        ManagedRecord.export,
        query=_FILTERS,
    ),
    Route(
        "GET",
        f"{_AUDIT}/verification",
        AUDIT,
        Operation.READ,
        "Verify that the record is as it was sealed.",
        ManagedRecord.verify,
    ),
    Route(
        "POST",
        f"{_AUDIT}/erasures",
        AUDIT,
        Operation.DELETE,
        "Empty every record of a deleted resource, for good; 409 while it is there.",
        ManagedRecord.erase,
        body="An object with 'id', and 'type' unless it is a User.",
    ),
    Route(
        "GET",
        _REQUESTS,
        REQUEST_LOG,
        Operation.READ,
        "List the last requests of clients, in the order they came.",
        ManagedRecord.list_requests,
        query=_LIMIT | {"after": "Only those behind this sequence."},
    ),
    Route(
        "GET",
        f"{_REQUESTS}/{{request}}",
        REQUEST_LOG,
        Operation.READ,
        "Show one request, by its id.",
        ManagedRecord.request,
    ),
    Route(
        "GET",
        "/tenants/{tenant}/lockouts/{user}",
        LOCK_OUT,
        Operation.READ,
        "Show who has taken note that a user, by id or userName, is locked out.",
        ManagedRecord.lock_out,
    ),
)


def _wanted(asked: Asked) -> Wanted:
    actor, type_name, resource_id, action = (asked.query.get(name, "") for name in ("actor", "type", "id", "action"))
    since, until = (instant_asked(asked.query.get(name, "")) for name in ("since", "until"))
    return Wanted(actor, type_name, resource_id, action, since, until, _number(asked, "before"))


def _is_refused(asked: Asked) -> bool:
    outcome = asked.query.get("outcome", "accepted")
    if outcome not in ("accepted", "refused"):
        raise InvalidValueError("'outcome' is accepted or refused.")
    return outcome == "refused"


def _number(asked: Asked, name: str) -> int:
    text = asked.query.get(name, "0")
    if not text.isdecimal() or len(text) > _DIGITS:
        raise InvalidValueError(f"'{name}' is a number from an answer before.")
    return int(text)


def _limit(asked: Asked) -> int:
    text = asked.query.get("limit", "100")
    if not text.isdecimal() or len(text) > _DIGITS or not 1 <= int(text) <= _MOST:
        raise InvalidValueError(f"'limit' is a number from 1 to {_MOST}.")
    return int(text)


async def _lines(entries: AsyncIterator[dict[str, Json]]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield orjson.dumps(entry) + b"\n"
