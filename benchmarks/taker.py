"""A webhook receiver that takes everything at once, and remembers how late each event came.

`GET /count` tells how many events came, `GET /report` the type and lateness in milliseconds of each since last time.
"""

import asyncio
import json
import sys
import time
from datetime import datetime


class Taker(asyncio.Protocol):
    """One connection."""

    lates: list[tuple[str, float]] = []  # noqa: RUF012  of all connections
    count = 0

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while True:
            head, separator, rest = self.received.partition(b"\r\n\r\n")
            if not separator:
                return
            length = _length(head)
            if len(rest) < length:
                return
            self.received = rest[length:]
            self.transport.write(_answer(self.take(head, rest[:length])))

    def take(self, head: bytes, body: bytes) -> bytes:
        """What is answered to a request."""
        if head.startswith(b"GET /count"):
            return b"%d" % Taker.count
        if head.startswith(b"GET /report"):
            told, Taker.lates = Taker.lates, []
            return json.dumps(told).encode()
        arrived = time.time()
        for event in body.split(b'{"type":"')[1:]:
            kind, _, rest = event.partition(b'","timestamp":"')
            if rest:
                Taker.count += 1
                at = datetime.fromisoformat(rest[:27].decode()).timestamp()
                Taker.lates.append((kind.decode(), (arrived - at) * 1000))
        return b""


def _length(head: bytes) -> int:
    lowered = head.lower()
    place = lowered.find(b"content-length:")
    return 0 if place < 0 else int(lowered[place + 15 :].split(b"\r\n", 1)[0])


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


async def main() -> None:
    """Serves until it is ended."""
    server = await asyncio.get_running_loop().create_server(Taker, "127.0.0.1", int(sys.argv[1]))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
