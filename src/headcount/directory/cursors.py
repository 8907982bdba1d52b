"""Cursors: where a walk through search results stands, sealed (RFC 9865).

A cursor holds the position, not the page: a resource that keeps its sort value throughout a walk is seen exactly
once, whatever is added or removed meanwhile. It opens only for the same tenant and the same search.
"""

import hashlib
import time
from dataclasses import dataclass

import orjson

from headcount.scim.errors import ExpiredCursorError, InvalidCountError, InvalidCursorError
from headcount.scim.search import SearchRequest
from headcount.sealing import NotSealedError, Seal
from headcount.store.interface import Position


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a client has come."""

    position: Position
    count: int | None
    """The count of the first page, as asked."""
    total: int | None
    """Counted once, with the first page."""


class Cursors:
    """Seals and opens cursors."""

    def __init__(self, seal: Seal, timeout: int) -> None:
        self._seal = seal
        self._timeout = timeout

    def issue(self, walk: Walk, scope: str, search: SearchRequest) -> str:
        """The cursor of the next page; `scope` is the tenant and the endpoint."""
        content = [walk.position.value, walk.position.id, walk.count, walk.total, int(time.time()) + self._timeout]
        return self._seal.seal(orjson.dumps(content), _context(scope, search))

    def open(self, cursor: str, scope: str, search: SearchRequest) -> Walk:
        """Where the walk stands; raises InvalidCursorError, ExpiredCursorError or InvalidCountError."""
        try:
            content = self._seal.open(cursor, _context(scope, search))
        except NotSealedError:
            raise InvalidCursorError from None
        value, resource_id, count, total, expires = orjson.loads(content)
        if expires < time.time():
            raise ExpiredCursorError
        if search.count is not None and search.count != count:
            raise InvalidCountError
        return Walk(Position(value, resource_id), count, total)


def _context(scope: str, search: SearchRequest) -> bytes:
    """Binds a cursor to everything that decides what a page holds, `count` apart: that has an error of its own."""
    parts = [
        scope,
        search.filter,
        search.sort_by,
        search.descending,
        search.attributes,
        search.excluded_attributes,
    ]
    return hashlib.sha256(orjson.dumps(parts)).digest()
