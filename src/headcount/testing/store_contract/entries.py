"""Values by collection and key, each with a version of its own."""

import pytest

from headcount.store.interface import NotUniqueError, StoreError, VersionConflictError, Written
from headcount.store.keeping import ABSENT, Entry, Put
from headcount.testing.store_contract.examples import USER, create
from headcount.testing.store_contract.harness import together
from headcount.testing.store_contract.keeping import Kept

MANY = 12


class Entries(Kept):
    """Put and found by their keys."""

    def put(self, *puts: Put) -> None:
        """All or none."""
        self.run(self.tenant.put(puts))

    def entry(self, key: str, collection: str = "c") -> Entry | None:
        """The entry."""
        return self.run(self.tenant.entry(collection, key))

    def keys(self, prefix: str = "", after: str = "", limit: int = 1000) -> list[str]:
        """Keys in order."""
        return [one.key for one in self.run(self.tenant.entries("c", prefix=prefix, after=after, limit=limit))]

    def test_a_tenant_begins_without_entries(self) -> None:
        assert (self.entry("k"), self.keys()) == (None, [])
        assert list(self.run(self.tenant.entries_of("c", ["k"]))) == []

    @pytest.mark.parametrize("value", [b"", b"\x00\xff", b'{"a":"\xc3\xbc"}', b"x" * 1_000_000])
    def test_an_entry_is_kept_byte_by_byte(self, value: bytes) -> None:
        self.put(Put("c", "k", value))
        assert self.entry("k") == Entry("k", value, 1)

    def test_every_change_gives_an_entry_the_next_version(self) -> None:
        for version in range(1, 4):
            self.put(Put("c", "k", b"v"))
            assert self.entry("k") == Entry("k", b"v", version)

    def test_collections_and_the_case_of_keys_are_apart(self) -> None:
        self.put(Put("c", "k", b"1"), Put("c", "K", b"2"), Put("d", "k", b"3"))
        assert [self.entry("k"), self.entry("K")] == [Entry("k", b"1", 1), Entry("K", b"2", 1)]
        assert self.entry("k", "d") == Entry("k", b"3", 1)

    def test_an_entry_is_removed_and_its_namesakes_stay(self) -> None:
        self.put(Put("c", "k", b"1"), Put("d", "k", b"2"))
        for _ in range(2):
            self.put(Put("c", "k", None))
        assert (self.entry("k"), self.entry("k", "d")) == (None, Entry("k", b"2", 1))

    def test_keys_are_in_the_order_of_their_code_points(self) -> None:
        keys = ["", "A", "a", "a!", "aa", "b", "\u00e9", "\ufffd", "\U0001f600", "\U0010ffff"]
        self.put(*(Put("c", key, b"v") for key in reversed(keys[1:])))
        assert self.keys() == keys[1:]
        assert [self.keys(after=key, limit=1) for key in keys[:-1]] == [[key] for key in keys[1:]]

    @pytest.mark.parametrize(
        ("prefix", "found"),
        [
            ("a", ["a", "a%b", "a_b", "ab"]),
            ("a%", ["a%b"]),
            ("a_", ["a_b"]),
            ("\U0010ffff", ["\U0010ffff", "\U0010ffffz"]),
            ("x", []),
        ],
    )
    def test_a_prefix_is_taken_at_its_word(self, prefix: str, found: list[str]) -> None:
        self.put(*(Put("c", key, b"v") for key in ("A", "a", "a%b", "a_b", "ab", "b", "\U0010ffff", "\U0010ffffz")))
        assert self.keys(prefix) == found
        assert self.keys(prefix, after=found[0] if found else "") == found[1:]
        assert self.keys(prefix, after="\U0010ffffz") == []

    def test_several_entries_are_found_at_once(self) -> None:
        self.put(*(Put("c", f"k{number}", b"%d" % number) for number in range(5)))
        found = self.run(self.tenant.entries_of("c", ["k3", "k1", "none", "k1"]))
        assert sorted(found, key=lambda one: one.key) == [Entry("k1", b"1", 1), Entry("k3", b"3", 1)]

    @pytest.mark.parametrize(
        ("key", "expected"), [("k", ABSENT), ("k", 1), ("k", 3), ("none", 1)], ids=["there", "older", "newer", "gone"]
    )
    def test_a_put_that_expects_another_version_is_refused_with_all_that_came_along(
        self, key: str, expected: int
    ) -> None:
        self.put(Put("c", "k", b"1"))
        self.put(Put("c", "k", b"2"))
        for value in (b"3", None):
            with pytest.raises(VersionConflictError):
                self.put(Put("c", "a", b"new"), Put("c", key, value, expected), Put("c", "z", b"new"))
        assert self.run(self.tenant.entries("c")) == [Entry("k", b"2", 2)]

    def test_a_put_that_expects_what_is_there_is_carried_out(self) -> None:
        self.put(Put("c", "k", b"1", ABSENT))
        self.put(Put("c", "k", b"2", 1), Put("c", "none", None, ABSENT))
        assert self.entry("k") == Entry("k", b"2", 2)
        self.put(Put("c", "k", None, 2))
        self.put(Put("c", "k", b"3", ABSENT))
        assert self.entry("k") == Entry("k", b"3", 1)

    def test_one_key_is_not_put_twice_at_once(self) -> None:
        with pytest.raises(StoreError, match="twice"):
            self.put(Put("c", "k", b"1"), Put("c", "k", b"2"))
        assert self.keys() == []

    @pytest.mark.parametrize("expected", [ABSENT, 1])
    def test_of_those_who_expect_one_version_exactly_one_wins(self, expected: int) -> None:
        if expected:
            self.put(Put("c", "k", b"old"))
        doors = self.doors()
        values = [b"%d" % number for number in range(MANY)]
        results = self.run(
            together([doors[n % 3].put([Put("c", "k", value, expected)]) for n, value in enumerate(values)])
        )
        (winner,) = [number for number, result in enumerate(results) if result is None]
        assert sum(isinstance(result, VersionConflictError) for result in results) == MANY - 1
        assert self.entry("k") == Entry("k", values[winner], expected + 1)

    def test_puts_at_once_in_any_order_are_all_carried_out(self) -> None:
        doors = self.doors()
        keys = [f"k{number}" for number in range(5)]
        orders = [keys if number % 2 else keys[::-1] for number in range(MANY)]
        results = self.run(
            together([doors[n % 3].put([Put("c", key, b"v") for key in order]) for n, order in enumerate(orders)])
        )
        assert results == [None] * MANY
        assert [one.version for one in self.run(self.tenant.entries("c"))] == [MANY] * 5

    def test_a_write_and_its_puts_happen_together(self) -> None:
        written = self.run(self.tenant.write_with(create(USER, "ada"), [Put("c", "k", b"1", ABSENT)]))
        assert (written.version, self.entry("k")) == (1, Entry("k", b"1", 1))
        assert len(self.changes()) == 1

    def test_a_write_whose_put_is_refused_leaves_nothing(self) -> None:
        self.put(Put("c", "k", b"1"))
        with pytest.raises(VersionConflictError):
            self.run(self.tenant.write_with(create(USER, "ada"), [Put("c", "a", b"2"), Put("c", "k", b"2", ABSENT)]))
        assert not self.exists(USER, "ada")
        assert (self.changes(), self.keys()) == ([], ["k"])

    def test_a_refused_write_leaves_no_puts(self) -> None:
        self.write(create(USER, "ada"))
        with pytest.raises(NotUniqueError):
            self.run(self.tenant.write_with(create(USER, "eve", {"userName": "ada"}), [Put("c", "k", b"1")]))
        assert self.keys() == []

    def test_of_writes_with_rival_puts_exactly_one_happens(self) -> None:
        doors = self.doors()
        results = self.run(
            together(
                [
                    doors[number % 3].write_with(create(USER, f"u{number}"), [Put("c", "k", b"v", ABSENT)])
                    for number in range(MANY)
                ]
            )
        )
        assert sum(isinstance(result, Written) for result in results) == 1
        assert sum(isinstance(result, VersionConflictError) for result in results) == MANY - 1
        assert [change["kind"] for change in self.changes()] == ["create"]
