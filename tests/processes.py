"""Headcount as other programs meet it: its command and its servers are real processes, and HTTP goes over sockets."""

import atexit
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import httpx

COMMAND = (sys.executable, "-m", "headcount")
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LONG = 30.0
"""Seconds after which a test gives up waiting; a slow machine needs them, a healthy one does not."""


def environment(**settings):
    """The environment without settings of the caller's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HEADCOUNT_")}
    return kept | {"COLUMNS": "200", "NO_COLOR": "1"} | settings


def run(folder, *arguments, settings=None, stdin="", before=(), fresh=False):
    """One command in a folder, where its default database is; its output is text.

    It is forked from a process that knows Headcount already, unless it must be `fresh` or runs behind another command.
    """
    env = environment(**(settings or {}))
    if not fresh and not before:
        return _forks().run(folder, arguments, env, stdin)
    line = [*before, *COMMAND, *arguments]
    options = {"cwd": folder, "env": env, "input": stdin, "timeout": LONG}
    return subprocess.run(line, capture_output=True, text=True, check=False, **options)


class _Forks:
    """The process that commands are forked from; one at a time."""

    def __init__(self):
        line = [sys.executable, str(Path(__file__).with_name("forking.py"))]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(line, env=environment(), text=True, **streams)
        self._lock = Lock()
        atexit.register(self._close)

    def run(self, folder, arguments, env, stdin):
        """What came of one command."""
        with TemporaryDirectory() as place, self._lock:
            streams = [Path(place, name) for name in ("in", "out", "err")]
            for file, content in zip(streams, (stdin, "", ""), strict=True):
                file.write_text(content, "utf-8")
            call = {
                "arguments": [os.fsdecode(argument) for argument in arguments],
                "folder": str(folder),
                "environment": env,
                "streams": [str(file) for file in streams],
            }
            print(json.dumps(call), file=self._process.stdin, flush=True)
            code = int(self._process.stdout.readline())
            _, printed, errors = (file.read_text("utf-8", errors="surrogateescape") for file in streams)
        return subprocess.CompletedProcess(arguments, code, printed, errors)

    def _close(self):
        with self._process:
            self._process.stdin.close()


_forks = cache(_Forks)


def answer(folder, *arguments, **options):
    """The JSON value that a command prints with `--json`; it must succeed and say nothing else."""
    done = run(folder, *arguments, "--json", **options)
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def refusal(done):
    """The exit code and the one line of a command that failed; a traceback is never part of it."""
    lines = done.stderr.splitlines()
    assert done.stdout == "", done
    assert len(lines) == 1, done
    return done.returncode, lines[0]


def tenant_with_token(folder, name="acme", **options):
    """A new tenant, and a token for it."""
    answer(folder, "tenant", "create", name, **options)
    return answer(folder, "token", "create", "--tenant", name, "--name", "test", **options)["token"]


class Server:
    """A running server, and what it says of itself."""

    def __init__(self, process, said, log):
        self.process = process
        self.said = said
        self.url = said["url"]
        self._log = log

    @property
    def log(self):
        """Everything on standard error so far."""
        return self._log.read_text("utf-8", errors="surrogateescape")

    def base_url(self, tenant="acme"):
        return f"{self.url}/t/{tenant}/scim/v2"

    def client(self, token=None, tenant="acme", **options):
        """An HTTP client of one tenant; the token that quickstart announced, unless another one is given."""
        return _client(self.base_url(tenant), token or self.said["token"], **options)

    def operator_client(self, token):
        """An HTTP client of the operator's API."""
        return _client(f"{self.url}/scim/v2", token)

    def stop(self, number=signal.SIGTERM):
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(LONG)


def _client(base_url, token, **options):
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/scim+json"}
    return httpx.Client(base_url=base_url, headers=headers, timeout=LONG, **options)


@contextmanager
def server(folder, *arguments, command="serve", settings=None, **options):
    """A server on a free port, from the moment that it announces itself; stopped at the end."""
    log = Path(folder) / f"stderr-{time.monotonic_ns()}.log"
    line = [*COMMAND, command, "--port", "0", "--json", *arguments]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            line, cwd=folder, env=environment(**(settings or {})), stdout=subprocess.PIPE, stderr=errors, **options
        )
    with process:
        try:
            said = process.stdout.readline()
            assert said, log.read_text()
            yield Server(process, json.loads(said), log)
        finally:
            process.terminate()


def quickstart(folder, *arguments, **options):
    """A server with the tenant `acme` and a token, `said["token"]`."""
    return server(folder, *arguments, command="quickstart", **options)


def eventually(condition, seconds=LONG):
    """Waits until a condition holds, and gives its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)
    return value


def user(name, **attributes):
    return {"schemas": [USER], "userName": name, **attributes}


def patch(*operations):
    return {"schemas": [PATCH_OP], "Operations": list(operations)}
