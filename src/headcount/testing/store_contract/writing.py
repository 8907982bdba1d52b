"""Resources come, change and go."""

import orjson
import pytest

from headcount.scim.registry import GROUP
from headcount.store.interface import (
    Delete,
    MembershipChange,
    MembershipCycleError,
    MissingError,
    NotUniqueError,
    StoredResource,
    StoreError,
    UnknownMemberError,
    VersionConflictError,
    Write,
    Written,
)
from headcount.testing.store_contract.examples import (
    BADGE,
    EARLY,
    LATE,
    LATEST,
    USER,
    create,
    member_change,
    origin,
    replacement,
)
from headcount.testing.store_contract.harness import Harness, query_of

ADA = create(USER, "ada", {"title": "x"})
BOB = create(USER, "bob")
ENG = create(GROUP, "eng", members=("ada",))
ALL = create(GROUP, "all", members=("eng",))

REFUSED: dict[str, tuple[Write, type[StoreError]]] = {
    "a second resource with the id": (create(USER, "ada", {"userName": "new"}), StoreError),
    "a user with the userName of another": (create(USER, "new", {"userName": "ADA"}), NotUniqueError),
    "a group with a member that is unknown": (create(GROUP, "new", members=("ada", "nobody")), UnknownMemberError),
    "a group that contains itself": (create(GROUP, "new", members=("ada", "new")), MembershipCycleError),
    "an update under an older version": (replacement(USER, ADA, {}, 0), VersionConflictError),
    "an update under a newer version": (replacement(USER, ADA, {}, 2), VersionConflictError),
    "an update of what is not there": (replacement(USER, create(USER, "new"), {}), MissingError),
    "an update of another type": (replacement(BADGE, create(BADGE, "ada"), {}), MissingError),
    "an update to the userName of another": (replacement(USER, ADA, {"userName": "bob"}), NotUniqueError),
    "a change of members under another version": (
        member_change("eng", added=["bob"], expected_version=2),
        VersionConflictError,
    ),
    "a change of members of what is not there": (member_change("new", added=["bob"]), MissingError),
    "an unknown member among known ones": (
        member_change("eng", added=["bob", "nobody"], removed=["ada"]),
        UnknownMemberError,
    ),
    "members that replace all others, one unknown": (
        member_change("eng", added=["nobody"], clear=True),
        UnknownMemberError,
    ),
    "a cycle of groups": (member_change("eng", added=["bob", "all"]), MembershipCycleError),
    "a document together with an unknown member": (
        replacement(GROUP, ENG, {"displayName": "new"}, members=MembershipChange(added=("nobody",))),
        UnknownMemberError,
    ),
    "a deletion under another version": (Delete("User", "ada", origin(LATE), 2), VersionConflictError),
    "a deletion of what is not there": (Delete("User", "new", origin(LATE), None), MissingError),
    "a deletion of another type": (Delete("Badge", "ada", origin(LATE), None), MissingError),
}


class Writing(Harness):
    """Create, update, delete, and what each leaves behind."""

    def test_what_is_created_is_read_as_it_was_written(self) -> None:
        assert self.write(ADA) == Written(1, EARLY, EARLY, changed=True, member_count=0)
        assert self.read(USER, "ada") == StoredResource("User", "ada", 1, EARLY, EARLY, ADA.document)

    def test_what_was_never_created_is_not_there(self) -> None:
        self.write(ADA)
        assert not self.exists(USER, "bob")
        assert not self.exists(BADGE, "ada")

    def test_an_update_has_the_next_version_and_its_own_instant(self) -> None:
        update = replacement(USER, ADA, {"title": "y"})
        assert self.write(ADA, update) == Written(2, EARLY, LATE, changed=True, member_count=0)
        assert update.document is not None
        assert self.read(USER, "ada") == StoredResource("User", "ada", 2, EARLY, LATE, update.document)

    def test_versions_count_the_updates(self) -> None:
        self.write(ADA)
        versions = [self.write(replacement(USER, ADA, {"title": str(n)}, n)).version for n in (1, 2, 3)]
        assert versions == [2, 3, 4]

    def test_the_instant_of_modification_never_decreases(self) -> None:
        self.write(ADA, replacement(USER, ADA, {"title": "y"}, at=LATEST))
        late = self.write(replacement(USER, ADA, {"title": "z"}, 2, at=LATE))
        assert late == Written(3, EARLY, LATEST, changed=True)
        assert self.read(USER, "ada").modified == LATEST

    def test_an_update_of_one_resource_leaves_the_others_alone(self) -> None:
        self.write(ADA, BOB, replacement(USER, ADA, {"title": "y"}))
        assert self.read(USER, "bob") == StoredResource("User", "bob", 1, EARLY, EARLY, BOB.document)

    def test_a_deletion_answers_with_the_last_version_and_leaves_nothing(self) -> None:
        self.write(ADA, replacement(USER, ADA, {"title": "y"}))
        assert self.write(Delete("User", "ada", origin(LATEST), 2)) == Written(2, EARLY, LATE, changed=True)
        assert not self.exists(USER, "ada")

    def test_a_deletion_without_an_expected_version_accepts_any(self) -> None:
        self.write(ADA, replacement(USER, ADA, {"title": "y"}), Delete("User", "ada", origin(), None))
        assert not self.exists(USER, "ada")

    def test_what_was_deleted_cannot_be_deleted_again(self) -> None:
        self.write(ADA, Delete("User", "ada", origin(), None))
        with pytest.raises(MissingError):
            self.write(Delete("User", "ada", origin(), None))

    def test_what_was_deleted_can_be_created_anew_and_begins_with_the_first_version(self) -> None:
        self.write(ADA, replacement(USER, ADA, {"title": "y"}), Delete("User", "ada", origin(), None))
        again = create(USER, "ada", {"title": "z"}, at=LATE)
        assert self.write(again) == Written(1, LATE, LATE, changed=True)
        assert self.read(USER, "ada") == StoredResource("User", "ada", 1, LATE, LATE, again.document)

    def test_private_attributes_are_read_only_when_asked_for(self) -> None:
        self.write(create(USER, "ada", private=b'{"password":"digest"}'))
        assert self.read(USER, "ada").private is None
        assert self.read(USER, "ada", private=True).private == b'{"password":"digest"}'
        assert self.search_all()[0].private is None

    def test_an_update_keeps_private_attributes_unless_it_has_others(self) -> None:
        ada = create(USER, "ada", private=b'{"password":"one"}')
        self.write(ada, replacement(USER, ada, {"title": "y"}))
        assert self.read(USER, "ada", private=True).private == b'{"password":"one"}'
        self.write(replacement(USER, ada, {"title": "z"}, 2, private=b'{"password":"two"}'))
        assert self.read(USER, "ada", private=True).private == b'{"password":"two"}'

    def test_what_is_read_with_private_attributes_is_otherwise_the_same(self) -> None:
        self.write(create(USER, "ada", private=b"{}"), create(GROUP, "eng", members=("ada",)))
        plain, secret = self.read(USER, "ada"), self.read(USER, "ada", private=True)
        assert secret == plain._replace(private=b"{}")

    @pytest.mark.parametrize(
        "text", ["'; DROP TABLE resource; --", "ẞ\U0001f600\U0010ffff", '"\\\n\t\x01', "%_", "x" * 1_000_000]
    )
    def test_any_text_is_kept_byte_by_byte(self, text: str) -> None:
        self.write(create(USER, "ada", {"nickName": text, "userType": text}))
        assert orjson.loads(self.read(USER, "ada").document)["nickName"] == text

    @pytest.mark.parametrize("refused", REFUSED)
    def test_a_refused_write_leaves_nothing_behind(self, refused: str) -> None:
        write, error = REFUSED[refused]
        self.write(ADA, BOB, ENG, ALL)
        before = self.snapshot()
        with pytest.raises(error):
            self.write(write)
        assert self.snapshot() == before

    @pytest.mark.parametrize("refused", REFUSED)
    def test_a_refused_write_does_not_take_others_along_that_wait_with_it(self, refused: str) -> None:
        write, error = REFUSED[refused]
        self.write(ADA, BOB, ENG, ALL)
        first, second, third = self.write_together([create(USER, "cyd"), write, create(USER, "dan")])
        assert first == third == Written(1, EARLY, EARLY, changed=True)
        assert isinstance(second, error)
        assert self.exists(USER, "cyd")
        assert self.exists(USER, "dan")

    def search_all(self) -> list[StoredResource]:
        """All users."""
        return list(self.search(query_of()).resources)
