"""A real PostgreSQL for the tests of this folder."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql

_NUMBERS = count(1)
DEBIAN = Path("/usr/lib/postgresql/15/bin")
_HAS_DEBIAN = (DEBIAN / "postgres").exists()
_OWN = "embedded"
_KINDS = (_OWN, *(["debian"] if _HAS_DEBIAN else []))

collect_ignore = [] if _HAS_DEBIAN else ["postgresql/test_encryption.py"]  # the embedded one is built without TLS


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server that lives as long as the test run."""
    with temporary_postgresql() as server:
        yield server


@pytest.fixture(scope="session", params=_KINDS)
def every_postgresql(request: pytest.FixtureRequest) -> Iterator[PostgresqlServer]:
    """A server of each kind that there is: what is tested on it holds for the oldest and the newest."""
    if request.param == _OWN:
        yield request.getfixturevalue("postgresql")
        return
    with temporary_postgresql(DEBIAN) as server:
        yield server


@pytest.fixture(scope="class")
def new_database(every_postgresql: PostgresqlServer) -> str:
    """The URL of an empty database."""
    return every_postgresql.create_database(f"test{next(_NUMBERS)}")
