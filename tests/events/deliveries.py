"""Workers as processes of their own, and what receivers have."""

import subprocess
import time
from contextlib import contextmanager

from processes import COMMAND, environment


@contextmanager
def worker(folder, settings):
    """A process that delivers, and does nothing else."""
    line = [*COMMAND, "worker", "--json"]
    with (folder / f"worker-{time.monotonic_ns()}.log").open("wb") as errors:
        process = subprocess.Popen(line, env=environment(**settings), stdout=subprocess.PIPE, stderr=errors)
    with process:
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.terminate()


def lines_of(receiver):
    """How many requests it has kept; cheaper than to read them."""
    file = receiver.folder / "requests.ndjson"
    return file.read_bytes().count(b"\n") if file.exists() else 0
