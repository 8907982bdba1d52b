"""Real PostgreSQL servers to be ill-treated, and how long that goes on: a moment in `make test`, longer in `make torture`."""

import os
from itertools import count
from shutil import which

import pytest

from headcount.testing.postgresql import temporary_postgresql
from torture.deployments import Installation, new_tenant

_NUMBERS = count(1)
ROUNDS = int(os.environ.get("TORTURE_ROUNDS", "0"))

collect_ignore = []
if not ROUNDS:
    collect_ignore.append("test_failover.py")  # takes minutes, and an etcd
if which("pgbouncer") is None:
    collect_ignore.append("test_pooler.py")


@pytest.fixture(scope="session")
def rounds():
    """How often each fault is repeated."""
    return ROUNDS or 1


@pytest.fixture(scope="package")
def postgresql():
    """A server that every test here may kill, and starts again."""
    with temporary_postgresql() as server:
        yield server


@pytest.fixture(scope="package")
def pattern(postgresql):
    """An installation with the tenant `acme`, of which others are copies."""
    return Installation(url := postgresql.create_database("pattern"), new_tenant(url))


@pytest.fixture(scope="package")
def new_installation(postgresql, pattern):
    """Makes databases with the tenant `acme`, and a token for it."""
    return lambda: Installation(postgresql.create_database(f"torture{next(_NUMBERS)}", "pattern"), pattern.token)


@pytest.fixture
def installation(new_installation):
    """A database for one test alone."""
    return new_installation()
