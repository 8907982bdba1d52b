"""A raw ASGI application that reads users by id from PostgreSQL, each with a query of its own.

Same uvicorn, same driver, same statement, as many connections as Headcount has. No authentication, no routing, no
rendering, and no reads that travel together.
"""

import sys
from typing import Any

import asyncpg
import uvicorn
from loading import TENANT

from headcount.store.postgresql import database, reads

CONNECTIONS = 8


class Single:
    """The application."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pool: asyncpg.Pool[Any] | None = None

    async def __call__(self, scope, receive, send) -> None:
        """The ASGI interface."""
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
            return
        resource_id = scope["path"].rpartition("/")[2]
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(reads.READ, TENANT, ["User"], [resource_id])
        document = row["document"]
        headers = [(b"content-type", b"application/scim+json"), (b"content-length", b"%d" % len(document))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": document})

    async def lifespan(self, receive, send) -> None:
        """Connects, and disconnects at the end."""
        await receive()
        self.pool = await asyncpg.create_pool(
            **database.connect_arguments(self.url, pooler=False), min_size=CONNECTIONS, max_size=CONNECTIONS, reset=keep
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.pool.close()
        await send({"type": "lifespan.shutdown.complete"})


async def keep(_connection: Any) -> None:
    """Without the round trip of a reset."""


if __name__ == "__main__":
    uvicorn.run(
        Single(sys.argv[2]),
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
