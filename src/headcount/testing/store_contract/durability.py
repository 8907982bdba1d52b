"""Stores that keep a database: it outlives them, and several use it at a time."""

from collections.abc import Sequence

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import Delete, Store, TenantStore, VersionConflictError
from headcount.testing.store_contract.examples import USER, create, member_change, origin, replacement
from headcount.testing.store_contract.harness import Beside, NewStore, query_of, snapshot
from headcount.testing.store_contract.large_groups import LargeGroups
from headcount.testing.store_contract.races import Races


class DurableStoreContract(Beside, Races, LargeGroups):
    """One database, several stores. The races are run through two of them, as two processes would."""

    def doors(self) -> Sequence[TenantStore]:
        """Two writers in one process, and one in another."""
        return [self.tenant, self.beside, self.tenant]

    def test_what_one_store_has_written_the_other_reads_at_once(self) -> None:
        ada = create(USER, "ada")
        for write in (
            ada,
            create(GROUP, "eng"),
            member_change("eng", added=["ada"]),
            replacement(USER, ada, {"title": "y"}, private=b"{}"),
            Delete("User", "ada", origin(), None),
        ):
            self.write(write)
            assert self.run(snapshot(self.beside)) == self.snapshot()
        self.run(self.tenant.change_records("schema", {"k": b"1"}))
        assert self.run(self.beside.records("schema")) == {"k": b"1"}
        self.run(self.beside.change_records("schema", {"k": None}))
        assert self.run(self.tenant.records("schema")) == {}
        assert self.run(self.beside.records_revision()) == self.run(self.tenant.records_revision())

    def test_what_one_store_has_written_counts_for_the_other(self) -> None:
        ada = create(USER, "ada")
        self.write(ada)
        self.run(self.beside.write(replacement(USER, ada, {"title": "y"})))
        with pytest.raises(VersionConflictError):
            self.write(replacement(USER, ada, {"title": "z"}))
        self.run(self.beside.clear())
        assert not self.exists(USER, "ada")

    def test_the_installation_key_is_one_for_all(self, second_store: Store) -> None:
        assert self.run(second_store.installation_key()) == self.run(self.house.store.installation_key())

    def test_everything_outlives_the_store_that_wrote_it(self, new_store: NewStore) -> None:
        first = new_store()
        self.run(first.open())
        tenant = first.for_tenant(self.name)
        for write in (
            create(USER, "ada", {"title": "x"}, private=b"{}"),
            create(GROUP, "eng", members=("ada",)),
            create(GROUP, "all", members=("eng",)),
        ):
            self.run(tenant.write(write))
        self.run(tenant.change_records("schema", {"k": b"1"}))
        kept = self.run(snapshot(tenant))
        self.run(first.close())
        again = new_store()
        self.run(again.open())
        assert self.run(snapshot(again.for_tenant(self.name))) == kept
        self.run(again.close())
        assert self.snapshot() == kept

    @pytest.mark.usefixtures("_in_crowd")
    def test_a_large_group_is_found_without_its_members_being_loaded(self) -> None:
        def find() -> None:
            assert self.ids(query_of('displayName eq "none" or id eq "large"', (GROUP,))) == ["large"]

        assert self.peak(find) < 1024 * 1024
