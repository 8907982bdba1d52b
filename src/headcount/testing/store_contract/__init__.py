"""What every store does, as classes of tests that a store's own test module subclasses.

Needs the extra `test`. A store that keeps a database under a time budget passes all of it with

    class TestMyStore(StoreContract, DurableStoreContract, BudgetedStoreContract):
        @pytest.fixture(scope="class")
        @classmethod
        def new_store(cls, tmp_path_factory):
            path = tmp_path_factory.mktemp("store") / "headcount.db"
            return lambda **options: MyStore(path, **options)

and `KeepingContract` in a class of its own. Each case has a tenant of its own, beside a neighbour with the same ids and
values that must stay as it is.
"""

from importlib.resources import files

import pytest

_FOLDER = files(__package__)
pytest.register_assert_rewrite(
    *(
        f"{__package__}.{item.name[:-3]}"
        for item in _FOLDER.iterdir()
        if item.name.endswith(".py") and item.name[0] != "_"
    )
)

from headcount.testing.store_contract.batches import ManyAtOnce  # noqa: E402  rewriting comes first
from headcount.testing.store_contract.budget import BudgetedStoreContract  # noqa: E402
from headcount.testing.store_contract.change_log import ChangeLog  # noqa: E402
from headcount.testing.store_contract.connections import Connections  # noqa: E402
from headcount.testing.store_contract.derivation import Derivation  # noqa: E402
from headcount.testing.store_contract.durability import DurableStoreContract  # noqa: E402
from headcount.testing.store_contract.entries import Entries  # noqa: E402
from headcount.testing.store_contract.feed import Feed  # noqa: E402
from headcount.testing.store_contract.filtering import Filtering  # noqa: E402
from headcount.testing.store_contract.harness import Harness  # noqa: E402
from headcount.testing.store_contract.indexing import Indexing  # noqa: E402
from headcount.testing.store_contract.large_groups import LargeGroups  # noqa: E402
from headcount.testing.store_contract.leases import Leases  # noqa: E402
from headcount.testing.store_contract.life import Life  # noqa: E402
from headcount.testing.store_contract.logs import Logs  # noqa: E402
from headcount.testing.store_contract.memberships import Memberships  # noqa: E402
from headcount.testing.store_contract.paging import Paging  # noqa: E402
from headcount.testing.store_contract.queues import Queues  # noqa: E402
from headcount.testing.store_contract.races import Races  # noqa: E402
from headcount.testing.store_contract.records import Records  # noqa: E402
from headcount.testing.store_contract.uniqueness import UniqueValues  # noqa: E402
from headcount.testing.store_contract.writing import Writing  # noqa: E402

__all__ = ["BudgetedStoreContract", "DurableStoreContract", "Harness", "KeepingContract", "StoreContract"]


class StoreContract(
    Writing,
    ManyAtOnce,
    UniqueValues,
    Indexing,
    Memberships,
    Derivation,
    ChangeLog,
    Records,
    Filtering,
    Paging,
    Races,
    LargeGroups,
    Life,
):
    """What every store does."""


class KeepingContract(Entries, Logs, Queues, Leases, Feed, Connections):
    """What every store with a database keeps beside resources (`headcount.store.keeping`)."""
