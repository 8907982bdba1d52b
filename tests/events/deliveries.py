"""A worker as a process of its own."""

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
