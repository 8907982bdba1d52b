"""Keyed records, and the end of a tenant."""

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import OPERATOR_TENANT, TENANT_TYPE, Delete, MissingError, VersionConflictError
from headcount.testing.store_contract.examples import BADGE, EXTRA_URN, USER, create, origin
from headcount.testing.store_contract.harness import Harness, together


class Records(Harness):
    """Values by kind and key."""

    def put(self, kind: str, key: str, value: bytes) -> None:
        """Keeps a record."""
        self.run(self.tenant.change_records(kind, {key: value}))

    def records(self, kind: str) -> dict[str, bytes]:
        """The records of a kind."""
        return dict(self.run(self.tenant.records(kind)))

    def revision(self) -> int:
        """The revision of all records."""
        return self.run(self.tenant.records_revision())

    def test_a_tenant_begins_without_records(self) -> None:
        assert self.records("schema") == {}

    @pytest.mark.parametrize("value", [b"", b"\x00\xff", b'{"a":"\xc3\xbc"}', b"x" * 1_000_000])
    def test_a_record_is_kept_byte_by_byte(self, value: bytes) -> None:
        self.put("schema", "k", value)
        assert self.records("schema") == {"k": value}

    def test_a_record_takes_the_place_of_one_with_its_key(self) -> None:
        self.put("schema", "k", b"1")
        self.put("schema", "other", b"2")
        self.put("schema", "k", b"3")
        assert self.records("schema") == {"k": b"3", "other": b"2"}

    def test_keys_are_case_sensitive_and_kinds_are_apart(self) -> None:
        self.put("schema", "k", b"1")
        self.put("schema", "K", b"2")
        self.put("other", "k", b"3")
        assert (self.records("schema"), self.records("other")) == ({"k": b"1", "K": b"2"}, {"k": b"3"})

    def test_a_record_is_removed_and_its_namesakes_stay(self) -> None:
        self.put("schema", "k", b"1")
        self.put("other", "k", b"2")
        for _ in range(2):
            self.run(self.tenant.change_records("schema", {"k": None}))
        assert (self.records("schema"), self.records("other")) == ({}, {"k": b"2"})

    def test_the_revision_grows_with_every_change_of_any_record(self) -> None:
        revisions = [self.revision()]
        for kind, value in (("schema", b"1"), ("schema", b"2"), ("other", b"1")):
            self.put(kind, "k", value)
            revisions.append(self.revision())
        self.run(self.tenant.change_records("schema", {"k": None}))
        revisions.append(self.revision())
        assert revisions == sorted(set(revisions))

    def test_the_revision_does_not_grow_with_resources_or_by_being_read(self) -> None:
        self.put("schema", "k", b"1")
        before = self.revision()
        self.write(create(USER, "ada"), create(GROUP, "eng", members=("ada",)), Delete("User", "ada", origin(), None))
        self.records("schema")
        assert self.revision() == before

    def test_several_records_change_together_or_not_at_all(self) -> None:
        self.put("schema", "k", b"1")
        revision = self.revision()
        self.run(self.tenant.change_records("schema", {"k": None, "l": b"2", "m": b"3"}, expected_revision=revision))
        assert self.records("schema") == {"l": b"2", "m": b"3"}
        with pytest.raises(VersionConflictError):
            self.run(self.tenant.change_records("schema", {"l": None, "n": b"4"}, expected_revision=revision))
        assert self.records("schema") == {"l": b"2", "m": b"3"}

    def test_of_changes_that_expect_one_revision_one_is_carried_out(self) -> None:
        revision = self.revision()
        changes = [
            self.tenant.change_records("schema", {f"k{number}": b"v"}, expected_revision=revision)
            for number in range(8)
        ]
        refused = [one for one in self.run(together(changes)) if one is not None]
        assert [type(one) for one in refused] == [VersionConflictError] * 7
        assert len(self.records("schema")) == 1

    def test_records_that_are_put_at_once_are_all_kept(self) -> None:
        before = self.revision()
        self.run(together([self.tenant.change_records("schema", {f"k{number}": b"v"}) for number in range(40)]))
        assert self.records("schema") == {f"k{number}": b"v" for number in range(40)}
        assert self.revision() >= before + 40

    def test_a_tenant_that_is_cleared_is_as_one_that_never_was(self) -> None:
        unused = self.snapshot()
        extra = {"number": "n1", "seats": 1, "card": {"code": "c"}}
        filled = [
            create(USER, "ada", {"externalId": "e", "emails": [{"value": "a@b"}], EXTRA_URN: extra}, private=b"{}"),
            create(BADGE, "badge", {"code": "b"}),
            create(GROUP, "eng", members=("ada",)),
            create(GROUP, "all", members=("eng",)),
        ]
        self.write(*filled)
        self.put("schema", "k", b"1")
        self.run(self.tenant.clear())
        assert self.snapshot() == unused
        assert self.members("eng") == []
        self.write(*filled)
        assert [self.read(USER, "ada").version, self.member_ids("all")] == [1, ["eng"]]

    def test_a_tenant_is_empty_until_anything_is_kept_and_once_it_is_cleared(self) -> None:
        assert self.run(self.tenant.is_empty())
        self.put("schema", "k", b"1")
        assert not self.run(self.tenant.is_empty())
        self.run(self.tenant.clear())
        self.write(create(USER, "ada"), Delete("User", "ada", origin(), None))
        assert not self.run(self.tenant.is_empty())
        self.run(self.tenant.clear())
        assert self.run(self.tenant.is_empty())

    def test_a_tenant_is_cleared_only_while_the_operator_has_it(self) -> None:
        operator = self.house.store.for_tenant(OPERATOR_TENANT)
        self.write(create(USER, "ada"))
        self.run(operator.write(create(BADGE, "theirs")._replace(type=TENANT_TYPE)))
        with pytest.raises(MissingError):
            self.run(self.tenant.clear(registration="another"))
        assert self.exists(USER, "ada")
        self.run(self.tenant.clear(registration="theirs"))
        assert self.run(self.tenant.is_empty())
        self.write(create(USER, "ada"))
        self.run(operator.write(Delete(TENANT_TYPE, "theirs", origin(), None)))
        with pytest.raises(MissingError):
            self.run(self.tenant.clear(registration="theirs"))
        assert self.exists(USER, "ada")

    def test_sequence_numbers_go_on_growing_when_a_tenant_is_cleared(self) -> None:
        self.write(create(USER, "ada"), create(USER, "bob"))
        last = self.changes()[-1]["sequence"]
        self.run(self.tenant.clear())
        self.write(create(USER, "ada"))
        assert isinstance(last, int)
        assert [change["id"] for change in self.changes(after=last)] == ["ada"]
