"""The floor: a raw ASGI application that executes the same SQL as Headcount and returns the stored bytes.

Same uvicorn, same database, same writer with group commit, same statements with the rows of the change log. No
authentication, no routing, no schemas, no rendering: what is above it is what Headcount itself costs.
"""

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import uvicorn
from people import USER_NAME

from headcount.directory.identifiers import new_id, now
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import USER
from headcount.store.interface import Create, Keys, MembershipChange, Origin, Page, Query, Target, Update, Write
from headcount.store.sqlite import reads, search, writes
from headcount.store.sqlite.store import SqliteStore

TENANT = "bench"
ACTOR = "floor"
SAMPLE = USER_NAME.format(number=0)
"""Whom the search for one person is recorded with."""
PERSON: dict[str, Any] = {"title": "tour guide", "active": True, "label": "Babs Jensen", "folded_label": "babs jensen"}

Statements = list[tuple[str, tuple[Any, ...]]]


class Recorder:
    """Stands in for a connection once, to learn which statements a search executes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.statements: Statements = []

    def execute(self, text: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Takes down the statement, and executes it."""
        self.statements.append((text, tuple(parameters)))
        return self.connection.execute(text, parameters)


class Floor:
    """The application."""

    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)
        self.page: Statements = []
        self.filter: Statements = []

    async def __call__(self, scope, receive, send) -> None:
        """The ASGI interface."""
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        body = b""
        if scope["method"] != "GET":
            body = (await receive()).get("body", b"")
        answer = await self.answer(scope, body)
        headers = [(b"content-type", b"application/scim+json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    async def lifespan(self, receive, send) -> None:
        """Opens the store, and learns what searches execute."""
        await receive()
        await self.store.open()
        self.page = self.recorded(Query((Target(USER),), 100))
        bound = bind_filter(parse_filter(f'userName eq "{SAMPLE}"'), USER, TOLERANT)
        self.filter = self.looked_up(Query((Target(USER, bound),), 100))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.store.close()
        await send({"type": "lifespan.shutdown.complete"})

    def recorded(self, query: Query) -> Statements:
        """The statements of a search between BEGIN and COMMIT: the first picks rows, the last reads them."""
        recorder = Recorder(self.store.reading)
        found: Page = search.search(recorder, TENANT, query)  # type: ignore[arg-type]
        assert found.resources, "the search has to find somebody"
        return recorder.statements[1:-1]

    def looked_up(self, query: Query) -> Statements:
        """The one statement of a look-up."""
        recorder = Recorder(self.store.reading)
        matching = search.look_ups(TENANT, lambda: False).condition(query)
        assert matching is not None, "the search has to be a look-up"
        found = search.look_up(recorder, TENANT, query, matching)  # type: ignore[arg-type]
        assert found is not None, "the look-up has to find few"
        assert found.resources, "the look-up has to find somebody"
        return recorder.statements

    async def answer(self, scope, body: bytes) -> bytes:
        """The stored bytes."""
        method = scope["method"]
        kind, _, resource_id = scope["path"].rpartition("/")
        if method == "POST":
            return await self.create(body)
        if method == "PATCH" and kind.endswith("Groups"):
            return await self.add_member(resource_id, body)
        if method == "PATCH":
            return await self.update(resource_id, body)
        if not scope["query_string"]:
            return reads.read(self.store.reading, TENANT, ("User", resource_id), groups=True).document
        if b"filter" in scope["query_string"]:
            name = scope["query_string"].rsplit(b"%22", 2)[1].decode().replace("%40", "@")
            return self.find(name)
        return self.replay(self.page)

    async def write(self, write: Write) -> None:
        """Durably, as Headcount does."""
        await self.store.writer.submit(lambda connection: writes.carry_out(connection, TENANT, write))

    async def create(self, body: bytes) -> bytes:
        """Keeps the body as it is, under new keys."""
        name = new_id()
        values = (("emails.value", 0, name), ("emails.value", 1, "babs@jensen.org"))
        keys = Keys(name, "babs jensen", external_id=name, values=values, **PERSON)
        await self.write(Create("User", name, body, body, None, keys, Origin(now(), ACTOR, "")))
        return body

    async def update(self, resource_id: str, body: bytes) -> bytes:
        """Gives a person another display name, in every column and index; the document stays as long as it is."""
        row = reads.read(self.store.reading, TENANT, ("User", resource_id), groups=True)
        keys = Keys(resource_id, body.rsplit(b'"', 2)[1].decode(), **PERSON)
        origin, document = Origin(now(), ACTOR, ""), row.document
        await self.write(Update("User", row.id, origin, row.version, document, document, None, keys, keys, document))
        return document

    async def add_member(self, group_id: str, body: bytes) -> bytes:
        """One row more; large groups answer without a body."""
        row = reads.read(self.store.reading, TENANT, ("Group", group_id), groups=False)
        change = MembershipChange(added=(body.rsplit(b'"', 2)[1].decode(),))
        await self.write(Update("Group", row.id, Origin(now(), ACTOR, ""), None, members=change))
        return b""

    def find(self, name: str) -> bytes:
        """The recorded look-up for somebody else."""
        ((text, parameters),) = self.filter
        filled = [name if item == SAMPLE else item for item in parameters]
        return listed(self.store.reading.execute(text, filled).fetchall())

    def replay(self, statements: Statements) -> bytes:
        """A recorded search: the same statements, and the documents in a list."""
        execute = self.store.reading.execute
        execute("BEGIN")
        picked = execute(*statements[0]).fetchall()
        for text, parameters in statements[1:-1]:
            execute(text, parameters).fetchall()
        rows = execute(statements[-1][0], (TENANT, json.dumps([row[0] for row in picked[:100]]))).fetchall()
        execute("COMMIT")
        return listed(rows)


def listed(rows: list[Any]) -> bytes:
    """The documents of rows in a list."""
    return b'{"Resources":[' + b",".join([row[5] for row in rows]) + b"]}"


if __name__ == "__main__":
    uvicorn.run(
        Floor(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        lifespan="on",
    )
