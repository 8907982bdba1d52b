"""The PostgreSQL store does what every store does."""

from collections.abc import Callable
from typing import Any

import pytest

from headcount.store.postgresql.store import PostgresqlStore
from headcount.testing.store_contract import BudgetedStoreContract, DurableStoreContract, KeepingContract, StoreContract
from store.contract.differential import GeneratedWrites


class TestPostgresqlStore(StoreContract, DurableStoreContract, BudgetedStoreContract, GeneratedWrites):
    most_members = 20_000

    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls, new_database: str) -> Callable[..., PostgresqlStore]:
        def make(**options: Any) -> PostgresqlStore:
            return PostgresqlStore(new_database, **options)

        return make


class TestKeepingInPostgresql(KeepingContract):
    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls, new_database: str) -> Callable[..., PostgresqlStore]:
        def make(**options: Any) -> PostgresqlStore:
            return PostgresqlStore(new_database, **options)

        return make
