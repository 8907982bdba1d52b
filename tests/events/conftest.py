"""Databases of both kinds; the PostgreSQL is real, and started when a test first asks for it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql
from receiver import running_receiver
from serving import running_server

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server of a file's own, which it may kill."""
    with temporary_postgresql() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'headcount.db'}"
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.create_database(f"events{next(_NUMBERS)}")


@pytest.fixture(scope="module")
def hooked(tmp_path_factory):
    """A server that may call this machine."""
    with running_server(tmp_path_factory.mktemp("hooked"), private_networks="127.0.0.0/8") as running:
        yield running


@pytest.fixture
def receiver(tmp_path):
    """A receiver of webhooks."""
    with running_receiver(tmp_path / "receiver") as running:
        yield running


@pytest.fixture
def client(hooked):
    """A client of a new tenant of that server."""
    made = hooked.new_tenant()
    yield made
    made.close()
