"""The in-memory store keeps the contract."""

import pytest

from headcount.store.memory.store import MemoryStore
from headcount.testing.store_contract import StoreContract
from store.contract.differential import GeneratedSearches


class TestMemoryStore(StoreContract, GeneratedSearches):
    most_members = 20_000

    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls):
        return MemoryStore
