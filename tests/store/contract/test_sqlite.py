"""The SQLite store keeps the contract."""

import pytest

from headcount.store.sqlite.store import SqliteStore
from headcount.testing.store_contract import BudgetedStoreContract, DurableStoreContract, KeepingContract, StoreContract
from store.contract.differential import GeneratedSearches, GeneratedWrites


class TestSqliteStore(StoreContract, DurableStoreContract, BudgetedStoreContract, GeneratedSearches, GeneratedWrites):
    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("store") / "headcount.db"
        return lambda **options: SqliteStore(path, **options)


class TestKeepingInSqlite(KeepingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls, tmp_path_factory):
        path = tmp_path_factory.mktemp("store") / "headcount.db"
        return lambda **options: SqliteStore(path, **options)
