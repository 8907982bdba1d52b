"""A real PostgreSQL for the tests of this folder."""

from collections.abc import Iterator
from itertools import count

import pytest

from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql

_NUMBERS = count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A server that lives as long as the test run."""
    with temporary_postgresql() as server:
        yield server


@pytest.fixture(scope="class")
def new_database(postgresql: PostgresqlServer) -> str:
    """The URL of an empty database."""
    return postgresql.create_database(f"test{next(_NUMBERS)}")
