"""The server that tests of several folders share, and tenants on it."""

from collections.abc import Callable, Iterator

import pytest

from serving import Client, Server, running_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the whole run, with the settings that it has by default."""
    with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def new_tenant(server: Server) -> Iterator[Callable[..., Client]]:
    """Makes clients of new tenants, whose connections end with the test."""
    clients = []

    def make(profile: str = "tolerant", **settings: object) -> Client:
        clients.append(server.new_tenant(profile, **settings))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module", params=["strict", "tolerant"])
def client(request: pytest.FixtureRequest, server: Server) -> Iterator[Client]:
    """A client of a tenant of each profile, the same one for a whole file: what is as the RFCs have it is so in both."""
    made = server.new_tenant(request.param)
    yield made
    made.close()


@pytest.fixture(scope="module")
def strict(server: Server) -> Iterator[Client]:
    """A client of a strict tenant, the same one for a whole file."""
    made = server.new_tenant("strict")
    yield made
    made.close()


@pytest.fixture(scope="module")
def tolerant(server: Server) -> Iterator[Client]:
    """A client of a tolerant tenant, the same one for a whole file."""
    made = server.new_tenant("tolerant")
    yield made
    made.close()
