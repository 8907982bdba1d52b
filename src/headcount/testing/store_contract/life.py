"""A store is opened, answers, and is closed."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from headcount.store.interface import Store, StoreError, TenantStore, Written
from headcount.testing.store_contract.examples import EARLY, USER, create
from headcount.testing.store_contract.harness import Harness, NewStore, query_of

_ADA = create(USER, "ada")

USES: dict[str, Callable[[TenantStore], Coroutine[Any, Any, object]]] = {
    "a read": lambda tenant: tenant.read("User", "ada"),
    "a read of private attributes": lambda tenant: tenant.read("User", "ada", private=True),
    "a write": lambda tenant: tenant.write(_ADA),
    "a point search": lambda tenant: tenant.search(query_of('userName eq "ada"')),
    "a search": lambda tenant: tenant.search(query_of('nickName co "a"')),
    "a look at members": lambda tenant: tenant.members("eng"),
    "a look at records": lambda tenant: tenant.records("schema"),
    "a look at the revision": lambda tenant: tenant.records_revision(),
    "a record": lambda tenant: tenant.change_records("schema", {"k": b""}),
    "the removal of a record": lambda tenant: tenant.change_records("schema", {"k": None}),
    "a look whether anything is kept": lambda tenant: tenant.is_empty(),
    "a clearance": lambda tenant: tenant.clear(),
    "a look at changes": lambda tenant: anext(aiter(tenant.changes())),  # type: ignore[arg-type]
}


class Life(Harness):
    """From open to close."""

    @pytest.fixture
    def second(self, new_store: NewStore) -> Iterator[Store]:
        """A store of its own, open."""
        store = new_store()
        self.run(store.open())
        yield store
        self.run(store.close())

    @pytest.fixture(scope="class")
    @classmethod
    def closed(cls, new_store: NewStore) -> Iterator[tuple[asyncio.Runner, Store]]:
        """A store that was open once."""
        with asyncio.Runner() as runner:
            store = new_store()
            runner.run(store.open())
            runner.run(store.close())
            yield runner, store

    def test_an_open_store_is_ready(self) -> None:
        self.run(self.house.store.ready())

    def test_the_installation_key_is_32_bytes_and_stays(self) -> None:
        key = self.run(self.house.store.installation_key())
        assert len(key) == 32
        assert len(set(key)) > 8
        assert self.run(self.house.store.installation_key()) == key

    def test_a_closed_store_is_not_ready(self, closed: tuple[asyncio.Runner, Store]) -> None:
        runner, store = closed
        with pytest.raises(StoreError):
            runner.run(store.ready())

    @pytest.mark.parametrize("use", USES)
    def test_a_closed_store_refuses(self, closed: tuple[asyncio.Runner, Store], use: str) -> None:
        runner, store = closed
        with pytest.raises(StoreError):
            runner.run(asyncio.wait_for(USES[use](store.for_tenant("acme")), 10))

    def test_what_is_under_way_is_finished_before_a_store_closes(self, second: Store) -> None:
        tenant = second.for_tenant("closing")

        async def write_and_close() -> list[Written]:
            tasks = [asyncio.ensure_future(tenant.write(create(USER, f"u{number}"))) for number in range(20)]
            await asyncio.sleep(0)  # all are under way
            await second.close()
            return await asyncio.gather(*tasks)

        assert self.run(write_and_close()) == [Written(1, EARLY, EARLY, changed=True)] * 20
