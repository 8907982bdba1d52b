"""A server that answers everything at once with the same bytes: it shows what the load generator can do at most."""

import asyncio
import sys

import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/scim+json\r\ncontent-length: 1500\r\n\r\n" + b"x" * 1500


class Constant(asyncio.Protocol):
    """One connection; a request is small enough to arrive in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = transport

    def data_received(self, _data: bytes) -> None:
        """Answers."""
        self.transport.write(ANSWER)


async def serve(port: int) -> None:
    """Serves until the process ends."""
    server = await asyncio.get_running_loop().create_server(Constant, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
