"""The floor: a raw ASGI application that executes the same SQL as Headcount and returns the stored bytes.

Same uvicorn, same database, same writer with group commit, same statements with the rows of the change log. No
authentication, no routing, no JSON, no schemas: what is above it is what Headcount itself costs.
"""

import asyncio
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import uvicorn

from headcount.directory.identifiers import new_id, now
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import USER
from headcount.store.interface import Create, Keys, MembershipChange, Origin, Query, Target, Update
from headcount.store.sqlite import reads, search, writes
from headcount.store.sqlite.store import SqliteStore

TENANT = "bench"
SENTINEL = "sentinel"


class Recorder:
    """Stands in for a connection once, to learn which statements a search executes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.statements: list[tuple[str, tuple[Any, ...]]] = []

    def execute(self, text: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        self.statements.append((text, tuple(parameters)))
        return self.connection.execute(text, parameters)


class Floor:
    def __init__(self, path: Path) -> None:
        self.store = SqliteStore(path)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self.store.open()
            self.prepare()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await self.store.close()
            await send({"type": "lifespan.shutdown.complete"})
            return
        body = b""
        if scope["method"] != "GET":
            body = (await receive()).get("body", b"")
        answer = await self.answer(scope, body)
        headers = [(b"content-type", b"application/scim+json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def prepare(self) -> None:
        recorder = Recorder(self.store.reading)
        search.search(recorder, TENANT, Query((Target(USER),), 100))  # type: ignore[arg-type]
        self.page = recorder.statements
        recorder = Recorder(self.store.reading)
        bound = bind_filter(parse_filter(f'userName eq "{SENTINEL}"'), USER, TOLERANT)
        search.search(recorder, TENANT, Query((Target(USER, bound),), 100))  # type: ignore[arg-type]
        self.filter = recorder.statements

    async def answer(self, scope, body: bytes) -> bytes:
        path, method = scope["path"], scope["method"]
        if method == "POST":
            return await self.create(body)
        kind, _, resource_id = path.rpartition("/")
        if method == "PATCH" and kind.endswith("Groups"):
            return await self.add_member(resource_id, body)
        if method == "PATCH":
            return await self.update(resource_id, body)
        if not scope["query_string"]:
            row = reads.read(self.store.reading, TENANT, ("User", resource_id), groups=True)
            return row.document
        if b"filter" in scope["query_string"]:
            return self.find(scope["query_string"].rsplit(b"%22", 2)[1].decode().replace("%40", "@"))
        return self.replay(self.page)

    async def write(self, write) -> None:
        await self.store.writer.submit(lambda connection: writes.carry_out(connection, TENANT, write))

    async def create(self, body: bytes) -> bytes:
        name = new_id()
        keys = Keys(
            name,
            "babs jensen",
            "tour guide",
            active=True,
            external_id=name,
            label="Babs Jensen",
            folded_label="babs jensen",
            values=(("emails.value", 0, name), ("emails.value", 1, "babs@jensen.org")),
        )
        await self.write(Create("User", name, body, body, None, keys, Origin(now(), "floor", "")))
        return body

    async def update(self, resource_id: str, body: bytes) -> bytes:
        row = reads.read(self.store.reading, TENANT, ("User", resource_id), groups=True)
        keys = Keys(row.id, "babs jensen", "tour guide", active=True)
        await self.write(
            Update(
                "User",
                row.id,
                Origin(now(), "floor", ""),
                None if not body else row.version,
                row.document,
                row.document,
                None,
                keys,
                keys,
                row.document,
            )
        )
        return row.document

    async def add_member(self, group_id: str, body: bytes) -> bytes:
        row = reads.read(self.store.reading, TENANT, ("Group", group_id), groups=False)
        change = MembershipChange(added=(json.loads(body)["Operations"][0]["value"][0]["value"],))
        await self.write(Update("Group", row.id, Origin(now(), "floor", ""), None, members=change))
        return b""

    def replay(self, statements) -> bytes:
        rows: list = []
        for text, parameters in statements:
            rows = self.store.reading.execute(text, parameters).fetchall()
        return b'{"Resources":[' + b",".join(row[5] for row in rows) + b"]}"

    def find(self, name: str) -> bytes:
        rows: list = []
        for text, parameters in self.filter:
            filled = tuple(name if parameter == SENTINEL else parameter for parameter in parameters)
            rows = self.store.reading.execute(text, filled).fetchall()
        page = self.store.reading.execute(reads.READ_PAGE, (TENANT, json.dumps([rows[0][0]]))).fetchall()
        return b'{"Resources":[' + page[0][5] + b"]}"


if __name__ == "__main__":
    asyncio.set_event_loop_policy(None)
    uvicorn.run(
        Floor(Path(sys.argv[2])),
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="on",
    )
