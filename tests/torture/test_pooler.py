"""Behind PgBouncer in transaction mode, where every statement may meet another connection, everything works the same.

Load: eight clients without pause and two workers, four connections to PostgreSQL between them. Lost: nothing.
"""

import socket
import subprocess
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pytest

from headcount.testing.postgresql import free_port
from processes import LONG, eventually
from torture.agreement import check_agreement
from torture.deployments import serving, unprivileged
from torture.load import Load

CONFIGURATION = """
[databases]
* = host=127.0.0.1 port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
auth_type = plain
auth_file = {users}
pool_mode = transaction
default_pool_size = 4
unix_socket_dir =
"""


class Pooler:
    """A PgBouncer in front of an installation."""

    def __init__(self, folder, url):
        parts = urlsplit(url)
        self.port, self.process = free_port(), None
        self.url = url.replace(f":{parts.port}/", f":{self.port}/")
        users, self.file = folder / "users", folder / "pgbouncer.ini"
        users.write_text(f'"{parts.username}" "{parts.password}"\n')
        self.file.write_text(CONFIGURATION.format(port=parts.port, own=self.port, users=users))
        for path in (folder, users, self.file):
            path.chmod(0o755)

    def start(self):
        line = [which("pgbouncer"), "--quiet", self.file]
        self.process = subprocess.Popen(line, stderr=subprocess.DEVNULL, **unprivileged())
        eventually(self.answers)

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self):
        self.process.kill()
        self.process.wait(LONG)


@pytest.fixture
def pooler(installation):
    with TemporaryDirectory() as folder, running(Pooler(Path(folder), installation.url)) as started:
        yield started


@contextmanager
def running(pooler):
    pooler.start()
    try:
        yield pooler
    finally:
        pooler.kill()


def test_a_write_load_with_searches_works_behind_it_and_survives_its_end(tmp_path, installation, pooler, rounds):
    settings = {"database_pooler": "transaction"}
    pooled = installation._replace(url=pooler.url)
    with serving(tmp_path, pooled, "--workers", "2", **settings) as (_, client):
        with Load(client) as load:
            for _ in range(rounds):
                load.goes_on(300)
                assert load.statuses.keys() <= {200, 201, 204, 503}
                name, identifier = next(iter(load.writers[0].ids.items()))
                assert client.found(f'userName eq "{name}"') in ([identifier], [])
                pooler.kill()
                pooler.start()
                assert load.goes_on() < 10
        assert load.check() > 0
    check_agreement(installation.url)
