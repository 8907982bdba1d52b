"""A load generator: keep-alive connections that each send the next request when the last one is answered.

Reads a job as JSON from standard input and prints the result as JSON. Requests are byte templates in which
`{n}` is a unique number of twelve digits and `{v}` the next of the given values, all of one length. It polls without
ever sleeping, so that the time a processor takes to wake up is not measured with every answer; a job that is `patient`
sleeps, and leaves its processor to the servers. A job may say how many requests it has at `most`.
"""

import json
import random
import re
import select
import socket
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

RECEIVE_BYTES = 64 * 1024
"""Room for more is mapped and given back at every answer, which costs twice as much as all the rest."""


@dataclass
class Connection:
    """One connection and the answer that arrives on it."""

    socket: socket.socket
    started: float = 0.0
    received: bytes = b""


class Requests:
    """The requests of a job, without end."""

    def __init__(self, template: str, values: list[str]) -> None:
        self.parts = re.split(rb"(\{[nv]\})", template.encode())
        self.numbers = [place for place, part in enumerate(self.parts) if part == b"{n}"]
        self.places = [place for place, part in enumerate(self.parts) if part == b"{v}"]
        self.values = [value.encode() for value in values]
        random.Random(1).shuffle(self.values)
        self.number = time.time_ns() // 1000 % 10**11
        self.turn = 0

    def next(self) -> bytes:
        """One more request."""
        self.turn += 1
        for place in self.numbers:
            self.parts[place] = b"%012d" % (self.number + self.turn)
        for place in self.places:
            self.parts[place] = self.values[self.turn % len(self.values)]
        return b"".join(self.parts)


class Load:
    """A job under way."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.requests = Requests(job["template"], job["values"])
        self.expected = {str(status).encode() for status in job["expected"]}
        self.patience = None if job.get("patient") else 0
        self.most = job.get("most", sys.maxsize)
        self.poll = select.epoll()
        self.connections = {}
        self.unexpected: dict[str, int] = {}
        for _ in range(job["connections"]):
            link = socket.create_connection(("127.0.0.1", job["port"]))
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.poll.register(link, select.EPOLLIN)
            self.connections[link.fileno()] = Connection(link)

    def run(self, warm_up: float, seconds: float) -> tuple[list[float], float]:
        """The latencies of the answers that arrived within so many seconds after the warm-up, and how long it took.

        At least one answer for each connection is waited for, and all that is under way, so that nobody is left with it.
        """
        latencies: list[float] = []
        began = time.perf_counter() + warm_up
        until = ended = began + seconds
        for connection in self.connections.values():
            self.send(connection)
        waiting = len(self.connections)
        while waiting:
            for number, _ in self.poll.poll(self.patience):
                connection = self.connections[number]
                if not self.receive(connection):
                    continue
                now = time.perf_counter()
                if (now < until or len(latencies) < len(self.connections)) and self.requests.turn < self.most:
                    if now >= began:
                        latencies.append(now - connection.started)
                        ended = max(now, until)
                    self.send(connection)
                else:
                    waiting -= 1
                    self.poll.unregister(connection.socket)
                    connection.socket.close()
        return latencies, ended - began

    def send(self, connection: Connection) -> None:
        """The next request on a connection."""
        request = self.requests.next()
        connection.received = b""
        connection.started = time.perf_counter()
        connection.socket.sendall(request)

    def receive(self, connection: Connection) -> bool:
        """Takes what arrived; whether the answer is complete."""
        data = connection.socket.recv(RECEIVE_BYTES)
        if not data:
            raise SystemExit("the server closed a connection")
        connection.received = data = connection.received + data
        end = data.find(b"\r\n\r\n")
        if end < 0 or not is_complete(data, end):
            return False
        if data[9:12] not in self.expected:
            text = data[9:12].decode() + " " + data[end : end + 300].decode(errors="replace")
            self.unexpected[text] = self.unexpected.get(text, 0) + 1
        return True


def is_complete(data: bytes, end: int) -> bool:
    """Whether the body behind the headers, which end there, has arrived."""
    at = data.find(b"content-length: ", 0, end)
    if at < 0:
        at = data[:end].lower().find(b"content-length: ")
    if at >= 0:
        return len(data) >= end + 4 + int(data[at + 16 : data.find(b"\r", at)])
    return b"chunked" not in data[:end] or data.endswith(b"0\r\n\r\n")


def figures(latencies: list[float], took: float, load: Load) -> dict[str, Any]:
    """What is reported of a run."""
    ordered = sorted(latencies)
    return {
        "requests": load.requests.turn,
        "rate": len(ordered) / took,
        "median_ms": statistics.median(ordered) * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "unexpected": load.unexpected,
    }


def main() -> None:
    """Carries out the job on standard input."""
    job = json.load(sys.stdin)
    load = Load(job)
    latencies, took = load.run(job["warm_up"], job["seconds"])
    print(json.dumps(figures(latencies, took, load)))


if __name__ == "__main__":
    main()
