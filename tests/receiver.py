"""A webhook receiver in a process of its own: keeps what it is sent in a file, and answers as it is told.

Run as a script it serves; `running_receiver` starts it. The file `answers` in its folder holds the status to answer
with, so that a test can break and mend it.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Receiver:
    """A running receiver."""

    url: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def requests(self) -> list[dict[str, Any]]:
        """All requests that were kept: path, headers, body as text, and the status that was answered."""
        file = self.folder / "requests.ndjson"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all requests that were answered with 2xx, in the order they came."""
        bodies = [json.loads(item["body"]) for item in self.requests if 200 <= item["status"] < 300]
        return [event for body in bodies for event in (body["events"] if body["type"] == "batch" else [body])]

    def answer(self, status: int, *, only: str = "") -> None:
        """Answers with this status from now on, or only where the body holds a text."""
        (self.folder / "answers").write_text(json.dumps({"status": status, "only": only}))


@contextlib.contextmanager
def running_receiver(folder: Path, port: int = 0) -> Iterator[Receiver]:
    """A receiver on a free port, or on this one."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, __file__, str(folder), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiver(f"http://127.0.0.1:{process.stdout.readline().strip()}/hooks", folder, process)
        finally:
            process.kill()


class _Serving:
    def __init__(self, folder: Path) -> None:
        self._answers = folder / "answers"
        self._kept = (folder / "requests.ndjson").open("a", buffering=1)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
                body = (await reader.readexactly(int(headers.get("content-length", "0")))).decode()
                given = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if ": " in line}
                status = self._status(body)
                line = {"path": head[0].split()[1], "headers": given, "body": body, "status": status}
                self._kept.write(json.dumps(line) + "\n")
                location = "location: http://127.0.0.1:9/\r\n" if 300 <= status < 400 else ""
                writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 2\r\n{location}\r\nok".encode())
                await writer.drain()

    def _status(self, body: str) -> int:
        if not self._answers.exists():
            return 200
        told = json.loads(self._answers.read_text())
        return told["status"] if told["only"] in body else 200


async def _serve(folder: Path, port: int) -> None:
    server = await asyncio.start_server(_Serving(folder).talk, "127.0.0.1", port, limit=1 << 22)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  told to whoever started it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
