"""A server that may call this machine, where issuers and the keys of clients are, and another process beside it."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from headcount.assembly import Installation
from headcount.store.interface import OPERATOR_TENANT
from serving import Client, Server, running_server

_LOOPBACK = "127.0.0.0/8"


@pytest.fixture(scope="session")
def outgoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole run, for which loopback addresses are no secret."""
    with running_server(tmp_path_factory.mktemp("outgoing"), private_networks=_LOOPBACK) as running:
        yield running


@pytest.fixture(scope="session")
def beside(tmp_path_factory: pytest.TempPathFactory, outgoing: Server) -> Iterator[Server]:
    """Another server on the same database; the tokens that it issues end after a second."""
    arguments = ("--database", f"sqlite:///{outgoing.database}")
    settings = {"private_networks": _LOOPBACK, "access_token_lifetime": 1}
    with running_server(tmp_path_factory.mktemp("beside"), *arguments, **settings) as running:
        yield running


@pytest.fixture(scope="session")
def outgoing_operator_token(outgoing: Server) -> str:
    """A token for the operator's API of that server."""

    async def create(installation: Installation) -> str:
        token, _ = await installation.tokens.create(OPERATOR_TENANT, "test", lifetime=timedelta(days=1))
        return token

    return outgoing.administer(create)


@pytest.fixture(scope="module")
def outgoing_operator(outgoing: Server, outgoing_operator_token: str) -> Iterator[Client]:
    """A client of the operator's API of that server, for one file: the server ends connections that are long idle."""
    with outgoing.client("/scim/v2", outgoing_operator_token) as client:
        yield client
