"""Every accepted write leaves its row; nothing else does."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from headcount.scim.registry import GROUP
from headcount.store.interface import Delete, Origin, StoreError
from headcount.testing.store_contract.examples import EARLY, LATE, LATEST, USER, create, member_change, replacement
from headcount.testing.store_contract.harness import Harness, together

ADA = create(USER, "ada")
BOB = create(USER, "bob")
BY_ADMIN = Origin(LATEST, "cli", "request-2")


def row(kind: str, type_name: str, resource_id: str, version: int, at: str = EARLY, **rest: Any) -> dict[str, Any]:
    """A row without its sequence number."""
    return {
        "type": type_name,
        "id": resource_id,
        "version": version,
        "kind": kind,
        "at": at,
        "actor": "token-1",
        "requestId": "request-1",
        "before": None,
        "after": None,
        "added": [],
        "removed": [],
        **rest,
    }


def plain(change: Mapping[str, Any]) -> dict[str, Any]:
    """A row without its sequence number; members in order."""
    members = {name: sorted(change[name]) for name in ("added", "removed")}
    return {name: value for name, value in {**change, **members}.items() if name != "sequence"}


class ChangeLog(Harness):
    """Who, what, when, before and after."""

    def rows(self) -> list[dict[str, Any]]:
        """All rows without their sequence numbers."""
        return [plain(change) for change in self.changes()]

    def test_a_tenant_begins_without_changes(self) -> None:
        assert self.changes() == []

    def test_a_creation_is_logged_with_what_was_created(self) -> None:
        self.write(ADA)
        assert self.rows() == [row("create", "User", "ada", 1, after=ADA.document)]

    def test_the_creation_of_a_group_is_logged_with_its_members(self) -> None:
        group = create(GROUP, "eng", members=("bob", "ada", "bob"))
        self.write(ADA, BOB, group)
        assert self.rows()[2:] == [row("create", "Group", "eng", 1, after=group.document, added=["ada", "bob"])]

    def test_an_update_is_logged_with_what_was_there_before(self) -> None:
        update = replacement(USER, ADA, {"title": "y"})
        self.write(ADA, update)
        assert self.rows()[1:] == [
            row("update", "User", "ada", 2, LATE, before=ADA.document, after=update.document),
        ]

    def test_a_change_of_members_is_logged_with_those_who_really_came_and_went(self) -> None:
        self.write(ADA, BOB, create(USER, "cyd"), create(GROUP, "eng", members=("ada", "bob")))
        self.write(member_change("eng", added=["cyd", "bob"], removed=["ada", "dan"]))
        assert self.rows()[4:] == [row("update", "Group", "eng", 2, LATE, added=["cyd"], removed=["ada"])]

    def test_members_who_stay_when_all_are_replaced_are_not_logged(self) -> None:
        self.write(ADA, BOB, create(USER, "cyd"), create(GROUP, "eng", members=("ada", "bob")))
        self.write(member_change("eng", added=["cyd", "bob"], clear=True))
        assert self.rows()[4:] == [row("update", "Group", "eng", 2, LATE, added=["cyd"], removed=["ada"])]

    def test_a_deletion_is_logged_with_what_was_deleted_and_with_the_groups_that_were_left(self) -> None:
        self.write(ADA, create(GROUP, "eng", members=("ada",)), create(GROUP, "all", members=("ada",)))
        self.write(Delete("User", "ada", BY_ADMIN, None))
        by_admin = {"actor": "cli", "requestId": "request-2"}
        assert sorted(self.rows()[3:], key=lambda change: change["id"]) == [
            row("delete", "User", "ada", 1, LATEST, before=ADA.document, **by_admin),
            row("update", "Group", "all", 2, LATEST, removed=["ada"], **by_admin),
            row("update", "Group", "eng", 2, LATEST, removed=["ada"], **by_admin),
        ]

    def test_the_instant_of_a_change_is_that_of_its_request_also_when_it_comes_late(self) -> None:
        self.write(create(USER, "ada", at=LATE), replacement(USER, ADA, {})._replace(origin=ADA.origin))
        assert [change["at"] for change in self.changes()] == [LATE, EARLY]

    def test_what_changes_nothing_and_what_is_refused_is_not_logged(self) -> None:
        self.write(ADA, create(GROUP, "eng", members=("ada",)))
        before = self.changes()
        self.write(member_change("eng", added=["ada"], removed=["bob"]))
        refused = self.write_together([ADA, member_change("eng", added=["nobody"]), replacement(USER, ADA, {}, 9)])
        assert [isinstance(refusal, StoreError) for refusal in refused] == [True] * 3
        assert self.changes() == before

    def test_secrets_are_not_logged(self) -> None:
        ada = create(USER, "ada", private=b'{"password":"SECRET"}')
        self.write(ada, replacement(USER, ada, {"title": "y"}, private=b'{"password":"SECRET-2"}'))
        self.write(Delete("User", "ada", BY_ADMIN, None))
        assert len(self.changes()) == 3
        assert "SECRET" not in repr(self.changes())

    def test_records_are_no_changes_of_resources(self) -> None:
        self.run(self.tenant.change_records("schema", {"k": b"v"}))
        assert self.changes() == []

    def test_sequence_numbers_grow_and_reading_goes_on_behind_any_of_them(self) -> None:
        writes = [create(USER, f"user-{number:04}") for number in range(1_201)]
        self.run(together([self.tenant.write(write) for write in writes]))
        changes = self.changes()
        numbers = [change["sequence"] for change in changes]
        assert {change["id"] for change in changes} == {write.id for write in writes}
        assert len(changes) == 1_201
        assert all(isinstance(one, int) and isinstance(two, int) and one < two for one, two in pairwise(numbers))
        for at in (0, 499, 500, 999, 1_199, 1_200):
            number = numbers[at]
            assert isinstance(number, int)
            assert self.changes(after=number) == changes[at + 1 :]
        assert self.changes(after=0) == changes

    def test_the_rows_of_one_resource_are_in_the_order_of_its_versions(self) -> None:
        self.write(*(create(USER, f"u{number}") for number in range(30)), create(GROUP, "eng"))
        self.write_together([member_change("eng", added=[f"u{number}"]) for number in range(30)])
        assert [change["version"] for change in self.changes() if change["id"] == "eng"] == list(range(1, 32))
