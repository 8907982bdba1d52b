"""Stores that give a search a bounded time."""

from collections.abc import Iterator

import pytest

from headcount.store.interface import Store, TimeBudgetError
from headcount.testing.store_contract.examples import USER, create
from headcount.testing.store_contract.harness import Harness, NewStore, query_of, together

_USERS = 3_000
_SLOW = " or ".join(f'nickName co "{letter}{other}"' for letter in "bcdefgh" for other in "xyzqv")
_BUDGET = 0.001


class BudgetedStoreContract(Harness):
    """`new_store` takes the budget as `search_budget`, in seconds; the store is on the same database."""

    @pytest.fixture
    def hasty(self, new_store: NewStore) -> Iterator[Store]:
        """A store whose searches may take next to no time."""
        store = new_store(search_budget=_BUDGET)
        self.run(store.open())
        yield store
        self.run(store.close())

    def test_a_search_past_its_budget_is_refused_and_the_store_goes_on(self, hasty: Store) -> None:
        writes = [create(USER, f"u{number:04}", {"nickName": "a" * 200}) for number in range(_USERS)]
        self.run(together([self.tenant.write(write) for write in writes]))
        tenant = hasty.for_tenant(self.name)
        for _ in range(3):
            with pytest.raises(TimeBudgetError):
                self.run(tenant.search(query_of(_SLOW)))
            found = self.run(tenant.search(query_of('userName eq "U0007"')))
            assert [row.id for row in found.resources] == ["u0007"]
        assert self.search(query_of(_SLOW)).total == 0
