"""The record of who did what, the last requests and lock-outs, below `/manage`."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from headcount.directory.audit.auditing import Audit, Wanted, instant_asked, number_of
from headcount.directory.lockouts import LockOuts
from headcount.directory.managed import AUDIT, LOCK_OUT, REQUEST_LOG
from headcount.directory.request_exports import as_curl_command, as_test_case
from headcount.directory.request_log import RequestLog
from headcount.http.manage import LIMIT, Asked, Route
from headcount.http.responses import Header, Response
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation

_NDJSON: Final = "application/x-ndjson"
_CONTENT_TYPE: Final[Header] = (b"content-type", _NDJSON.encode())


@dataclass(frozen=True, slots=True)
class ManagedRecord:
    """Answers what `RECORD_ROUTES` calls."""

    audit: Audit
    requests: RequestLog
    lock_outs: LockOuts

    async def entries(self, asked: Asked) -> Json:
        """A page of the record, the newest first."""
        limit = asked.limit
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
        await self.audit.check(asked.tenant)  # nothing can be said any more once it is being sent
        found = self.audit.entries(asked.tenant, _wanted(asked), refused=_is_refused(asked), newest_first=False)
        return Response(200, pieces=_lines(found), content_type=_CONTENT_TYPE)

    async def verify(self, asked: Asked) -> Json:
        """What the verification found."""
        heads = [head for head in asked.query.get("heads", "").split(",") if head]
        return {"chains": await self.audit.verify(asked.tenant, heads)}

    async def erase(self, asked: Asked) -> Json:
        """Empties what is kept of a deleted resource."""
        kind, resource_id = asked.optional_text("type") or "User", asked.text("id")
        audit, request_id = self.audit, asked.request_id
        erased = await audit.erase(asked.tenant, kind, resource_id, actor=asked.actor, request_id=request_id)
        return {"erased": erased}

    async def list_requests(self, asked: Asked) -> Json:
        """The last requests."""
        after = asked.number("after")
        return {"requests": await self.requests.list(asked.tenant, after=after, limit=asked.limit)}

    async def request(self, asked: Asked) -> Json:
        """One request."""
        found = await self.requests.get(asked.tenant, asked.path["request"])
        form = asked.query.get("form", "record")
        if form not in _FORMS:
            raise InvalidValueError(f"'form' is one of {', '.join(_FORMS)}.")
        return _FORMS[form](found)

    async def lock_out(self, asked: Asked) -> Json:
        """The proof of a lock-out."""
        return await self.lock_outs.show(asked.tenant, asked.path["user"])


_FORMS: Final[Mapping[str, Callable[[dict[str, Json]], Json]]] = {
    "record": lambda found: found,
    "curl": lambda found: {"curl": as_curl_command(found)},
    "case": as_test_case,
}
_PAGE: Final = LIMIT | {"before": "What the page before this one says as 'before'."}
_FILTERS: Final = {
    "outcome": "accepted, as without it, or refused.",
    "actor": "The id of the token or the connection, or the subject of an outside issuer's token.",
    "connection": "The name of the connection.",
    "type": "The resource type.",
    "id": "The resource.",
    "action": "create, update or delete.",
    "request": "The id of the request.",
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
        gives=_NDJSON,
    ),
    Route(
        "GET",
        f"{_AUDIT}/verification",
        AUDIT,
        Operation.READ,
        "Verify that the record is as it was sealed.",
        ManagedRecord.verify,
        query={"heads": "Each 'head' of an earlier answer, with commas in between: shows whether the end was cut off."},
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
        query=LIMIT | {"after": "Only those behind this sequence."},
    ),
    Route(
        "GET",
        f"{_REQUESTS}/{{request}}",
        REQUEST_LOG,
        Operation.READ,
        "Show one request, by its id, or what repeats it.",
        ManagedRecord.request,
        query={"form": "record, as without it; curl, a command with $URL and $TOKEN to fill in; or case, a test case."},
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
    given = asked.query
    return Wanted(
        actor=given.get("actor", ""),
        connection=given.get("connection", ""),
        type=given.get("type", ""),
        id=given.get("id", ""),
        action=given.get("action", ""),
        request_id=given.get("request", ""),
        since=instant_asked(given.get("since", "")),
        until=instant_asked(given.get("until", "")),
        before=asked.number("before"),
    )


def _is_refused(asked: Asked) -> bool:
    outcome = asked.query.get("outcome", "accepted")
    if outcome not in ("accepted", "refused"):
        raise InvalidValueError("'outcome' is accepted or refused.")
    return outcome == "refused"


async def _lines(entries: AsyncIterator[dict[str, Json]]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield orjson.dumps(entry) + b"\n"
