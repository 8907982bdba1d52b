"""A load generator: keep-alive connections that each send the next request when the last one is answered.

Reads a job as JSON from standard input and prints the result as JSON. Requests are byte templates in which
`{n}` is a unique number of twelve digits and `{v}` the next of the given values, all of one length.
"""

import asyncio
import json
import random
import statistics
import sys
import time

import uvloop


class Job:
    def __init__(self, spec: dict) -> None:
        self.spec = spec
        self.parts = split_template(spec["template"].encode())
        self.values = [value.encode() for value in spec.get("values", [""])]
        random.Random(1).shuffle(self.values)
        self.number = time.time_ns() // 1000 % 10**11
        self.turn = 0
        self.expected = {str(status).encode() for status in spec["expected"]}
        self.latencies: list[float] = []
        self.unexpected: dict[str, int] = {}
        self.counting = False
        self.stopping = False

    def request(self) -> bytes:
        self.turn += 1
        self.number += 1
        return b"".join(
            b"%012d" % self.number
            if part == b"{n}"
            else self.values[self.turn % len(self.values)]
            if part == b"{v}"
            else part
            for part in self.parts
        )


def split_template(template: bytes) -> list[bytes]:
    parts = []
    for piece in template.split(b"{n}"):
        for value in piece.split(b"{v}"):
            parts += [value, b"{v}"]
        parts[-1] = b"{n}"
    return parts[:-1]


class Connection(asyncio.Protocol):
    def __init__(self, job: Job, done: asyncio.Future) -> None:
        self.job = job
        self.done = done
        self.buffer = b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        self.next()

    def next(self) -> None:
        if self.job.stopping:
            self.transport.close()
            return
        self.started = time.perf_counter()
        self.transport.write(self.job.request())

    def data_received(self, data: bytes) -> None:
        self.buffer = self.buffer + data if self.buffer else data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0 or not is_complete(self.buffer, end):
            return
        job = self.job
        if job.counting:
            job.latencies.append(time.perf_counter() - self.started)
        if self.buffer[9:12] not in job.expected:
            text = self.buffer[9:12].decode() + " " + self.buffer[end : end + 200].decode(errors="replace")
            job.unexpected[text] = job.unexpected.get(text, 0) + 1
        self.buffer = b""
        self.next()

    def connection_lost(self, _error) -> None:
        if not self.done.done():
            self.done.set_result(None)


def is_complete(buffer: bytes, end: int) -> bool:
    head = buffer[:end].lower()
    at = head.find(b"content-length: ")
    if at >= 0:
        stop = head.find(b"\r", at)
        return len(buffer) >= end + 4 + int(head[at + 16 : stop if stop > 0 else None])
    return b"chunked" not in head or buffer.endswith(b"0\r\n\r\n")


async def run(spec: dict) -> dict:
    job = Job(spec)
    loop = asyncio.get_running_loop()
    finished = [loop.create_future() for _ in range(spec["connections"])]
    for done in finished:
        await loop.create_connection(lambda done=done: Connection(job, done), "127.0.0.1", spec["port"])
    await asyncio.sleep(spec["warm_up"])
    job.counting = True
    started = time.perf_counter()
    await asyncio.sleep(spec["seconds"])
    job.counting = False
    took = time.perf_counter() - started
    job.stopping = True
    await asyncio.wait(finished, timeout=30)
    ordered = sorted(job.latencies) or [0.0]
    return {
        "rate": len(job.latencies) / took,
        "median_ms": statistics.median(ordered) * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
        "unexpected": job.unexpected,
    }


if __name__ == "__main__":
    uvloop.install()
    print(json.dumps(asyncio.run(run(json.load(sys.stdin)))))
