"""What happens at once happens as if it came one after the other."""

import asyncio
from collections.abc import Sequence

from headcount.scim.registry import GROUP
from headcount.store.interface import (
    Delete,
    MembershipCycleError,
    MissingError,
    NotUniqueError,
    TenantStore,
    UnknownMemberError,
    VersionConflictError,
    Write,
    Written,
)
from headcount.testing.store_contract.examples import EXTRA_URN, USER, create, member_change, origin, replacement
from headcount.testing.store_contract.harness import Harness, query_of

ADA = create(USER, "ada")
MANY = 16


class Races(Harness):
    """Writers that do not wait for each other."""

    def race(self, writes: Sequence[Write]) -> list[Written | BaseException]:
        """All writes at once, by turns through every way into the tenant."""
        doors = self.doors()

        async def all_at_once() -> list[Written | BaseException]:
            work = [doors[number % len(doors)].write(write) for number, write in enumerate(writes)]
            return await asyncio.gather(*work, return_exceptions=True)

        return self.run(all_at_once())

    def doors(self) -> Sequence[TenantStore]:
        """The ways into the tenant."""
        return [self.tenant]

    def test_of_writers_that_expect_the_same_version_exactly_one_wins(self) -> None:
        self.write(ADA)
        updates = [replacement(USER, ADA, {"title": str(number)}) for number in range(MANY)]
        results = self.race(updates)
        (winner,) = [number for number, result in enumerate(results) if isinstance(result, Written)]
        assert sum(isinstance(result, VersionConflictError) for result in results) == MANY - 1
        row = self.read(USER, "ada")
        assert (row.version, row.document) == (2, updates[winner].document)
        assert len(self.changes()) == 2

    def test_of_updates_and_deletions_under_one_version_exactly_one_wins(self) -> None:
        self.write(ADA)
        updates = [replacement(USER, ADA, {"title": str(number)}) for number in range(4)]
        deletions = [Delete("User", "ada", origin(), 1) for _ in range(4)]
        results = self.race([write for pair in zip(updates, deletions, strict=True) for write in pair])
        lost = [result for result in results if isinstance(result, VersionConflictError | MissingError)]
        assert len(lost) == len(results) - 1
        assert len(self.changes()) == 2

    def test_a_resource_is_deleted_only_once(self) -> None:
        self.write(ADA, create(USER, "bob"))
        results = self.race([Delete("User", "ada", origin(), None)] * MANY)
        assert sum(isinstance(result, MissingError) for result in results) == MANY - 1
        assert self.search(query_of()).total == 1

    def test_of_those_who_want_one_unique_value_exactly_one_gets_it(self) -> None:
        for name, attributes in (("name", {"userName": "same"}), ("number", {EXTRA_URN: {"number": "same"}})):
            results = self.race([create(USER, f"{name}-{number}", attributes) for number in range(MANY)])
            (winner,) = [number for number, result in enumerate(results) if isinstance(result, Written)]
            refusals = [result for result in results if isinstance(result, NotUniqueError)]
            assert len(refusals) == MANY - 1
            assert {refusal.owner for refusal in refusals} == {f"{name}-{winner}"}
            assert self.ids(query_of(f'id sw "{name}"')) == [f"{name}-{winner}"]

    def test_two_who_want_two_values_of_each_other_crosswise_both_get_an_answer(self) -> None:
        crosswise = [{"number": "a", "card": {"code": "b"}}, {"number": "a", "card": {"code": "b"}}]
        for turn in range(8):
            extras = [{**extra, "number": f"a{turn}", "card": {"code": f"b{turn}"}} for extra in crosswise]
            results = self.race([create(USER, f"u{turn}-{n}", {EXTRA_URN: extra}) for n, extra in enumerate(extras)])
            assert sorted(isinstance(result, Written) for result in results) == [False, True]

    def test_members_who_come_at_once_all_come(self) -> None:
        self.write(*(create(USER, f"u{number:02}") for number in range(MANY)), create(GROUP, "eng"))
        results = self.race([member_change("eng", added=[f"u{number:02}"]) for number in range(MANY)])
        versions = sorted(result.version for result in results if isinstance(result, Written))
        assert versions == list(range(2, MANY + 2))
        assert self.member_ids("eng") == [f"u{number:02}" for number in range(MANY)]
        assert self.read(GROUP, "eng").member_count == MANY

    def test_members_who_come_and_go_at_once_all_do(self) -> None:
        ids = [f"u{number:02}" for number in range(MANY)]
        self.write(*(create(USER, name) for name in ids), create(GROUP, "eng", members=ids[: MANY // 2]))
        self.race(
            [member_change("eng", removed=[name]) for name in ids[: MANY // 2]]
            + [member_change("eng", added=[name]) for name in ids[MANY // 2 :]]
        )
        assert self.member_ids("eng") == ids[MANY // 2 :]
        assert self.read(GROUP, "eng").member_count == MANY // 2

    def test_one_who_comes_many_times_at_once_comes_once(self) -> None:
        self.write(ADA, create(GROUP, "eng"))
        results = self.race([member_change("eng", added=["ada"])] * MANY)
        assert sum(isinstance(result, Written) and result.changed for result in results) == 1
        row = self.read(GROUP, "eng")
        assert (row.version, row.member_count, self.member_ids("eng")) == (2, 1, ["ada"])

    def test_a_change_of_attributes_and_changes_of_members_at_once_all_survive(self) -> None:
        group = create(GROUP, "eng")
        self.write(*(create(USER, f"u{number:02}") for number in range(MANY)), group)
        rename = replacement(GROUP, group, {"displayName": "New"})
        results = self.race([rename, *(member_change("eng", added=[f"u{number:02}"]) for number in range(MANY))])
        assert all(isinstance(result, Written) for result in results[1:])
        row = self.read(GROUP, "eng")
        assert row.member_count == MANY
        renamed = isinstance(results[0], Written)
        assert renamed or isinstance(results[0], VersionConflictError)
        assert row.version == 1 + MANY + renamed
        assert row.document == (rename.document if renamed else group.document)

    def test_two_groups_that_want_to_contain_each_other_do_not_both(self) -> None:
        for turn in range(8):
            one, other = f"one-{turn}", f"other-{turn}"
            self.write(create(GROUP, one), create(GROUP, other))
            results = self.race([member_change(one, added=[other]), member_change(other, added=[one])])
            assert sorted(isinstance(result, MembershipCycleError) for result in results) == [False, True]
            assert len(self.members(one) + self.members(other)) == 1

    def test_three_groups_in_a_ring_are_refused_at_one_place(self) -> None:
        for turn in range(4):
            ring = [f"{name}-{turn}" for name in "abc"]
            self.write(*(create(GROUP, name) for name in ring))
            results = self.race(
                [
                    member_change(name, added=[following])
                    for name, following in zip(ring, ring[1:] + ring[:1], strict=True)
                ]
            )
            assert sorted(isinstance(result, MembershipCycleError) for result in results) == [False, False, True]

    def test_who_is_deleted_while_joining_a_group_is_no_member_afterwards(self) -> None:
        self.write(create(GROUP, "eng"))
        for turn in range(8):
            name = f"u{turn}"
            self.write(create(USER, name))
            joined, deleted = self.race([member_change("eng", added=[name]), Delete("User", name, origin(), None)])
            assert isinstance(deleted, Written)
            assert isinstance(joined, Written | UnknownMemberError)
            assert self.members("eng") == []
            assert self.read(GROUP, "eng").member_count == 0

    def test_a_group_that_is_deleted_while_somebody_joins_keeps_nobody(self) -> None:
        self.write(ADA)
        for turn in range(8):
            group = f"g{turn}"
            self.write(create(GROUP, group))
            joined, deleted = self.race([member_change(group, added=["ada"]), Delete("Group", group, origin(), None)])
            assert isinstance(deleted, Written)
            assert isinstance(joined, Written | MissingError)
            assert self.members(group) == []
            assert self.read(USER, "ada").groups is None

    def test_totals_are_right_after_creations_and_deletions_at_once(self) -> None:
        self.write(*(create(USER, f"old-{number}") for number in range(MANY)))
        self.race(
            [create(USER, f"new-{number}") for number in range(MANY)]
            + [Delete("User", f"old-{number}", origin(), None) for number in range(MANY // 2)]
        )
        page = self.search(query_of(limit=3))
        assert page.total == MANY + MANY // 2
        assert len(self.ids(query_of())) == MANY + MANY // 2
