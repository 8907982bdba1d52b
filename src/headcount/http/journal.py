"""What is remembered of requests beside answering them: refused attempts, and the last requests."""

import time
from functools import partial
from typing import Final

import orjson

from headcount.directory.actors import actor_told
from headcount.directory.audit.attempts import Attempts
from headcount.directory.bulk import RefusedOperation
from headcount.directory.identifiers import instant_of
from headcount.directory.request_log import Exchange, RequestLog
from headcount.directory.tenant import RequestLogPolicy
from headcount.http.call import Call
from headcount.http.responses import Response
from headcount.store.interface import OPERATOR_TENANT

_READS: Final = frozenset({"GET", "HEAD"})
_DENIED: Final = frozenset({401, 403})
_ACTIONS: Final = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_MOST_TEXT: Final = 300
_MOST_BODY: Final = 64 * 1024


class Journal:
    """Takes note of requests that are answered."""

    def __init__(self, attempts: Attempts, requests: RequestLog) -> None:
        self._attempts = attempts
        self._requests = requests

    def note(self, call: Call, raw_path: bytes, response: Response, seconds: float) -> None:
        """Takes note of one request. What is made of it is made later: here it costs less than a microsecond."""
        status = response.status
        for operation in call.refused:
            self._refused_in_bulk(call, raw_path, operation)
        refused = status >= 400  # noqa: PLR2004
        if refused:
            self._refused(call, raw_path, response)
        if call.request_log is RequestLogPolicy.OFF or call.access is None:
            return
        if not self._requests.has_room(call.tenant_name, refused=refused):
            return
        if len(call.body) > _MOST_BODY:
            call.body = b""
        answer = response.body if len(response.body) <= _MOST_BODY else b""
        exchange = partial(_exchange, time.time(), call, raw_path, status, answer, seconds)
        self._requests.note(call.tenant_name, exchange, refused=refused)

    def _refused(self, call: Call, raw_path: bytes, response: Response) -> None:
        """Takes note of a write that was refused, and of whoever was not let in."""
        path = raw_path.decode("latin-1")
        action = "read" if call.method in _READS or path.endswith("/.search") else _action(call.method)
        if action != "read" or response.status in _DENIED:
            self._note(call, action, path, response.status, _detail(response.body))

    def _refused_in_bulk(self, call: Call, raw_path: bytes, refused: RefusedOperation) -> None:
        """One operation of a bulk request that was refused, as a request of its own would be."""
        base = raw_path.decode("latin-1").rpartition("/Bulk")[0]
        self._note(call, _action(refused.method), f"{base}{refused.path}", refused.status, refused.reason)

    def _note(self, call: Call, action: str, path: str, status: int, reason: str) -> None:
        access = call.access
        self._attempts.note(
            call.tenant_name if access else OPERATOR_TENANT,
            {
                "action": action,
                "target": path[:_MOST_TEXT],
                "status": status,
                "reason": reason[:_MOST_TEXT],
                **actor_told(access.actor if access else ""),
                "connection": access.connection if access else "",
                "address": call.address,
                "requestId": call.request_id,
            },
        )


def _exchange(at: float, call: Call, raw_path: bytes, status: int, answer: bytes, seconds: float) -> Exchange:
    access = call.access
    assert access is not None  # noqa: S101  nobody else is taken note of
    return Exchange(
        instant_of(at),
        call.request_id,
        call.method,
        raw_path.decode("latin-1"),
        call.query.decode("latin-1"),
        status,
        seconds,
        access.actor,
        access.connection,
        call.address,
        call.profile,
        call.request_log,
        call.body,
        answer,
    )


def _action(method: str) -> str:
    return _ACTIONS.get(method, method[:20])


def _detail(body: bytes) -> str:
    """What an answer says of a refusal, in terms of SCIM or of OAuth."""
    try:
        answer = orjson.loads(body)
        return str(answer.get("detail") or answer.get("error_description", ""))
    except (ValueError, AttributeError):
        return ""
