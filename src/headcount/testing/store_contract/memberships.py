"""Members come and go; groups contain groups, never themselves."""

from itertools import pairwise

import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import (
    Delete,
    Member,
    MembershipChange,
    MembershipCycleError,
    UnknownMemberError,
    Update,
    VersionConflictError,
    Written,
)
from headcount.testing.store_contract.examples import (
    BADGE,
    EARLY,
    LATE,
    LATEST,
    TEAM,
    USER,
    create,
    member_change,
    origin,
    replacement,
)
from headcount.testing.store_contract.harness import Harness, query_of

PEOPLE = [create(USER, name) for name in ("ada", "bob", "cyd", "dan")]

NO_CHANGES: dict[str, MembershipChange] = {
    "somebody who is in comes": MembershipChange(added=("bob",)),
    "somebody who is not in goes": MembershipChange(removed=("dan",)),
    "somebody unknown goes": MembershipChange(removed=("nobody",)),
    "nobody comes or goes": MembershipChange(),
    "all are replaced by the same": MembershipChange(added=("cyd", "bob", "ada"), clear=True),
}

CHANGES: dict[str, tuple[MembershipChange, list[str]]] = {
    "one comes": (MembershipChange(added=("dan",)), ["ada", "bob", "cyd", "dan"]),
    "one comes twice": (MembershipChange(added=("dan", "dan")), ["ada", "bob", "cyd", "dan"]),
    "one comes among some who are in": (MembershipChange(added=("ada", "dan", "bob")), ["ada", "bob", "cyd", "dan"]),
    "one goes": (MembershipChange(removed=("bob",)), ["ada", "cyd"]),
    "one goes among some who are not in": (MembershipChange(removed=("dan", "bob", "nobody")), ["ada", "cyd"]),
    "one comes and one goes": (MembershipChange(added=("dan",), removed=("ada",)), ["bob", "cyd", "dan"]),
    "one goes and comes, another comes": (
        MembershipChange(added=("ada", "dan"), removed=("ada",)),
        ["ada", "bob", "cyd", "dan"],
    ),
    "all are replaced": (MembershipChange(added=("dan", "ada"), clear=True), ["ada", "dan"]),
    "all go": (MembershipChange(clear=True), []),
    "all go, and some are named": (MembershipChange(removed=("ada",), clear=True), []),
}
"""What happens to a group of ada, bob and cyd, and who is a member afterwards."""


class Memberships(Harness):
    """Sets of additions and removals."""

    def test_members_are_read_in_the_order_of_their_ids_with_type_and_label(self) -> None:
        self.write(
            *PEOPLE,
            create(USER, "eve", {"displayName": "Eve <3"}),
            create(GROUP, "eng", {"displayName": "Engineers"}),
        )
        written = self.write(create(GROUP, "all", members=("eve", "eng", "ada")))
        assert written == Written(1, EARLY, EARLY, changed=True, member_count=3)
        assert self.members("all") == [
            Member("ada", "User", ""),
            Member("eng", "Group", "Engineers"),
            Member("eve", "User", "Eve <3"),
        ]
        assert self.read(GROUP, "all").member_count == 3

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_leaves_these_members(self, change: str) -> None:
        members, left = CHANGES[change]
        self.write(*PEOPLE, create(GROUP, "eng", members=("ada", "bob", "cyd")))
        written = self.write(Update("Group", "eng", origin(LATE), None, members=members))
        assert written == Written(2, EARLY, LATE, changed=True, member_count=len(left))
        assert self.member_ids("eng") == left
        row = self.read(GROUP, "eng")
        assert (row.version, row.modified, row.member_count) == (2, LATE, len(left))

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_goes_along_with_new_attributes_as_one_version(self, change: str) -> None:
        members, left = CHANGES[change]
        group = create(GROUP, "eng", members=("ada", "bob", "cyd"))
        self.write(*PEOPLE, group)
        update = replacement(GROUP, group, {"displayName": "New"}, members=members)
        assert self.write(update) == Written(2, EARLY, LATE, changed=True, member_count=len(left))
        assert self.member_ids("eng") == left
        assert self.read(GROUP, "eng").document == update.document

    @pytest.mark.parametrize("change", NO_CHANGES)
    def test_what_changes_no_membership_is_no_change(self, change: str) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", members=("ada", "bob", "cyd")))
        before = self.snapshot()
        written = self.write(Update("Group", "eng", origin(LATE), None, members=NO_CHANGES[change]))
        assert written == Written(1, EARLY, EARLY, changed=False, member_count=3)
        assert self.snapshot() == before

    @pytest.mark.parametrize("change", NO_CHANGES)
    def test_new_attributes_beside_no_change_of_members_are_a_change(self, change: str) -> None:
        group = create(GROUP, "eng", members=("ada", "bob", "cyd"))
        self.write(*PEOPLE, group)
        update = replacement(GROUP, group, {"displayName": "New"}, members=NO_CHANGES[change])
        assert self.write(update) == Written(2, EARLY, LATE, changed=True, member_count=3)
        assert self.member_ids("eng") == ["ada", "bob", "cyd"]

    def test_a_change_of_attributes_leaves_the_members_alone(self) -> None:
        group = create(GROUP, "eng", members=("ada",))
        written = self.write(*PEOPLE, group, replacement(GROUP, group, {"displayName": "New"}))
        assert written == Written(2, EARLY, LATE, changed=True, member_count=1)
        assert self.member_ids("eng") == ["ada"]

    def test_a_change_of_members_accepts_the_version_that_it_expects(self) -> None:
        self.write(*PEOPLE, create(GROUP, "eng"))
        assert self.write(member_change("eng", added=["ada"], expected_version=1)).version == 2
        with pytest.raises(VersionConflictError):
            self.write(member_change("eng", added=["bob"], expected_version=1))
        assert self.write(member_change("eng", added=["bob"])).version == 3

    def test_an_earlier_change_of_members_does_not_turn_back_the_instant_of_modification(self) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", at=LATE))
        assert self.write(member_change("eng", added=["ada"], at=EARLY)) == Written(
            2, LATE, LATE, changed=True, member_count=1
        )

    def test_a_member_keeps_its_version_when_it_comes_and_goes(self) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", members=("ada",)), member_change("eng", removed=["ada"]))
        assert (self.read(USER, "ada").version, self.read(USER, "ada").modified) == (1, EARLY)

    @pytest.mark.parametrize("unknown", ["nobody", "badge", "outsider", ""])
    def test_only_users_and_groups_of_the_tenant_can_be_members(self, unknown: str) -> None:
        self.write(*PEOPLE, create(GROUP, "eng"), create(BADGE, "badge"))
        with pytest.raises(UnknownMemberError) as refusal:
            self.write(member_change("eng", added=["ada", unknown, "bob"]))
        assert refusal.value.member == unknown
        assert self.members("eng") == []

    @pytest.mark.parametrize(
        ("after", "limit", "only", "found"),
        [
            ("", 1000, (), ["ada", "bob", "cyd", "dan"]),
            ("", 2, (), ["ada", "bob"]),
            ("bob", 2, (), ["cyd", "dan"]),
            ("bo", 1, (), ["bob"]),
            ("dan", 2, (), []),
            ("", 1000, ("dan", "ada", "nobody"), ["ada", "dan"]),
            ("", 1, ("dan", "ada"), ["ada"]),
            ("ada", 1000, ("dan", "ada"), ["dan"]),
            ("", 1000, ("nobody",), []),
        ],
    )
    def test_members_are_read_in_pages_and_by_name(
        self, after: str, limit: int, only: tuple[str, ...], found: list[str]
    ) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", members=("dan", "cyd", "bob", "ada")))
        assert [member.id for member in self.members("eng", after=after, limit=limit, only=only)] == found

    @pytest.mark.parametrize("group", ["ada", "nobody"])
    def test_what_is_no_group_has_no_members(self, group: str) -> None:
        self.write(*PEOPLE)
        assert self.members(group) == []

    @pytest.mark.parametrize(
        ("chain", "outer", "inner"),
        [(["a"], "a", "a"), (["a", "b"], "a", "b"), (["a", "b", "c", "d"], "a", "d"), (["a", "b", "c", "d"], "b", "c")],
    )
    def test_no_group_contains_itself_at_any_depth(self, chain: list[str], outer: str, inner: str) -> None:
        self.write(*PEOPLE, *(create(GROUP, name) for name in chain))
        for above, below in pairwise(chain):
            self.write(member_change(above, added=[below]))
        with pytest.raises(MembershipCycleError) as refusal:
            self.write(member_change(inner, added=["ada", outer]))
        assert refusal.value.member == outer
        assert "ada" not in self.member_ids(inner)

    def test_a_group_can_be_reached_in_two_ways(self) -> None:
        self.write(*(create(GROUP, name) for name in ("top", "left", "right", "bottom")))
        self.write(member_change("top", added=["left", "right"]), member_change("left", added=["bottom"]))
        assert self.write(member_change("right", added=["bottom"])).member_count == 1

    def test_a_cycle_is_none_any_more_once_it_is_opened(self) -> None:
        self.write(create(GROUP, "inner"), create(GROUP, "outer", members=("inner",)))
        self.write(member_change("outer", removed=["inner"]), member_change("inner", added=["outer"]))
        assert self.member_ids("inner") == ["outer"]

    def test_who_is_deleted_leaves_all_groups_and_each_has_a_new_version(self) -> None:
        self.write(*PEOPLE, create(GROUP, "all", members=("ada", "bob")), create(GROUP, "eng", members=("ada",)))
        self.write(create(GROUP, "ops", members=("bob",)), Delete("User", "ada", origin(LATE), None))
        assert [self.member_ids(group) for group in ("all", "eng", "ops")] == [["bob"], [], ["bob"]]
        rows = [self.read(GROUP, group) for group in ("all", "eng", "ops")]
        assert [(row.version, row.modified, row.member_count) for row in rows] == [
            (2, LATE, 1),
            (2, LATE, 0),
            (1, EARLY, 1),
        ]

    def test_a_group_that_somebody_leaves_by_deletion_is_never_modified_earlier_than_before(self) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", members=("ada",), at=LATEST))
        self.write(Delete("User", "ada", origin(LATE), None))
        assert (self.read(GROUP, "eng").version, self.read(GROUP, "eng").modified) == (2, LATEST)

    def test_a_group_that_is_deleted_leaves_its_groups_and_its_members(self) -> None:
        self.write(*PEOPLE, create(GROUP, "eng", members=("ada",)), create(GROUP, "all", members=("bob", "eng")))
        self.write(Delete("Group", "eng", origin(LATE), None))
        assert self.member_ids("all") == ["bob"]
        assert self.members("eng") == []
        assert self.read(USER, "ada").version == 1
        self.write(create(GROUP, "eng"))
        assert self.members("eng") == []
        assert self.ids(query_of('members.value eq "ada"', (GROUP,))) == []

    def test_another_type_with_the_schema_of_groups_keeps_members_too(self) -> None:
        self.write(*PEOPLE, create(TEAM, "team", members=("ada", "bob")))
        self.write(member_change("team", removed=["bob"], kind=TEAM))
        self.write(Delete("User", "ada", origin(LATEST), None))
        row = self.read(TEAM, "team")
        assert (row.version, row.modified, row.member_count) == (3, LATEST, 0)
        assert self.members("team") == []
        assert [change["removed"] for change in self.changes() if change["id"] == "team"][-1] == ["ada"]
