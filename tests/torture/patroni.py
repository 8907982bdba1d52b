"""A Patroni cluster: two PostgreSQL nodes that follow each other synchronously, and an etcd that says who leads."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which

from headcount.testing.postgresql import embedded_binaries, free_port
from processes import LONG
from torture.deployments import unprivileged

TTL, LOOP = 20, 2
"""Seconds that a leader is believed without having been heard of (Patroni takes no less), and between two looks."""
MISSING = "the failover test needs %s: %s"


def _configuration(node, etcd_port, binaries, password):
    access = {"username": "headcount", "password": password}
    parameters = {"max_connections": 100, "shared_buffers": "64MB", "unix_socket_directories": str(node.folder)}
    return {
        "scope": "torture",
        "name": node.name,
        "restapi": {"listen": f"127.0.0.1:{node.rest_port}", "connect_address": f"127.0.0.1:{node.rest_port}"},
        "etcd3": {"hosts": f"127.0.0.1:{etcd_port}"},
        "bootstrap": {
            "dcs": {
                "ttl": TTL,
                "loop_wait": LOOP,
                "retry_timeout": 3,
                "synchronous_mode": True,
                "postgresql": {"use_pg_rewind": True, "parameters": {"wal_log_hints": "on"}},
            },
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
        },
        "postgresql": {
            "listen": f"127.0.0.1:{node.port}",
            "connect_address": f"127.0.0.1:{node.port}",
            "data_dir": str(node.folder / "data"),
            "bin_dir": str(binaries),
            "pgpass": str(node.folder / "pgpass"),
            "pg_hba": ["host all all 127.0.0.1/32 scram-sha-256", "host replication all 127.0.0.1/32 scram-sha-256"],
            "authentication": dict.fromkeys(("superuser", "replication", "rewind"), access),
            "parameters": parameters,
        },
    }


class Node:
    """One machine: a Patroni and its PostgreSQL."""

    def __init__(self, folder, name):
        self.folder, self.name = folder / name, name
        self.port, self.rest_port = free_port(), free_port()
        self.process = None
        self.folder.mkdir()

    def start(self, program):
        with (self.folder / "log").open("ab") as log:
            line = [program, self.folder / "patroni.json"]
            self.process = subprocess.Popen(line, stdout=log, stderr=log, cwd=self.folder, **unprivileged())

    def signal(self, number):
        """What happens to the machine happens to every process on it."""
        with suppress(FileNotFoundError):
            self._signal_tree(int((self.folder / "data/postmaster.pid").read_text().split()[0]), number)
        self._signal_tree(self.process.pid, number)

    def _signal_tree(self, process, number):
        with suppress(OSError):
            children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
            os.kill(process, number)
            for child in children:
                self._signal_tree(int(child), number)

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait(LONG)

    def is_leader(self):
        with suppress(OSError, urllib.error.URLError):
            return urllib.request.urlopen(f"http://127.0.0.1:{self.rest_port}/leader", timeout=2).status == 200
        return False


class Cluster:
    """Two nodes."""

    def __init__(self, folder, program):
        self.folder, self.program = folder, program
        self.nodes = [Node(folder, name) for name in ("a", "b")]
        self._password = secrets.token_hex(8)
        self._etcd = None

    def start(self):
        port, peer = free_port(), free_port()
        urls = {"client": f"http://127.0.0.1:{port}", "peer": f"http://127.0.0.1:{peer}"}
        options = [f"--listen-{kind}-urls={url}" for kind, url in urls.items()]
        options += [f"--advertise-client-urls={urls['client']}", f"--data-dir={self.folder / 'etcd'}"]
        options += [f"--initial-advertise-peer-urls={urls['peer']}", f"--initial-cluster=default={urls['peer']}"]
        binaries = embedded_binaries(self.folder)
        for node in self.nodes:
            configuration = _configuration(node, port, binaries, self._password)
            (node.folder / "patroni.json").write_text(json.dumps(configuration))
        if os.geteuid() == 0:
            for path in [self.folder, *self.folder.glob("[ab]"), *self.folder.glob("[ab]/*")]:
                shutil.chown(path, "nobody", "nogroup")
        with (self.folder / "etcd.log").open("wb") as log:
            self._etcd = subprocess.Popen([which("etcd"), *options], stdout=log, stderr=log, **unprivileged())
        for node in self.nodes:
            node.start(self.program)
        self.wait_until_synchronous()

    def stop(self):
        for node in self.nodes:
            if node.process is not None and node.process.poll() is None:
                node.kill()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait(LONG)

    def leader(self):
        return next((node for node in self.nodes if node.is_leader()), None)

    def wait_until_synchronous(self, seconds=120):
        """Until one node leads and the other one has everything that it acknowledges; gives the leader."""
        deadline = time.monotonic() + seconds
        while True:
            leader = self.leader()
            if leader is not None and {"leader", "sync_standby"} <= self._roles(leader):
                return leader
            assert time.monotonic() < deadline, "\n".join(
                (node.folder / "log").read_text()[-3000:] for node in self.nodes
            )
            time.sleep(0.2)

    def _roles(self, node):
        with suppress(OSError, urllib.error.URLError):
            with urllib.request.urlopen(f"http://127.0.0.1:{node.rest_port}/cluster", timeout=2) as answer:
                members = json.load(answer)["members"]
            return {member["role"] for member in members if member["state"] in ("running", "streaming")}
        return set()

    @property
    def url(self):
        """Both nodes, of which the one is wanted that takes writes."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://headcount:{self._password}@{hosts}/postgres?target_session_attrs=read-write"

    def url_of(self, node):
        return f"postgresql://headcount:{self._password}@127.0.0.1:{node.port}/postgres"


@contextmanager
def cluster():
    """A running cluster in a folder that everybody may enter."""
    program = os.environ.get("TORTURE_PATRONI") or which("patroni")
    assert program, MISSING % ("patroni", "run make torture, which installs it")
    assert which("etcd"), MISSING % ("an etcd", "on Debian, apt install etcd-server")
    folder = Path(tempfile.mkdtemp(prefix="headcount-patroni-"))
    folder.chmod(0o755)
    made = Cluster(folder, program)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)
