"""The change log as a feed: every row once, in an order that only grows."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from headcount.scim.registry import GROUP
from headcount.store.administration import DatabaseStore, Pulse
from headcount.store.interface import Delete, Origin
from headcount.store.keeping import ChangeRow, TenantKeeping
from headcount.testing.store_contract.examples import (
    EARLY,
    LATE,
    LATEST,
    USER,
    create,
    member_change,
    origin,
    replacement,
)
from headcount.testing.store_contract.keeping import Kept

ADA = create(USER, "ada")
BOB = create(USER, "bob")


class Feed(Kept):
    """Positions, marks, forgetting and erasing."""

    def sequence(self, limit: int = 10_000) -> None:
        """Gives positions to all rows."""
        while self.run(self.tenant.sequence_changes(limit)):
            pass

    def feed(self, after: int = 0, **options: Any) -> list[ChangeRow]:
        """Rows behind a position."""
        return list(self.run(self.tenant.changes_after(after, **options)))

    def ids_behind(self, *args: Any, **options: Any) -> list[str]:
        """The ids of rows behind a position."""
        return [row.id for row in self.feed(*args, **options)]

    def bounds(self) -> tuple[int, int]:
        """First and last position."""
        return self.run(self.tenant.first_position()), self.run(self.tenant.last_position())

    def mark(self, kind: str = "mark", value: bytes = b"{}", at: str = EARLY) -> None:
        """Adds a mark."""
        self.run(self.tenant.mark(kind, value, at=at, actor="cli", request_id="r"))

    def test_a_tenant_begins_without_changes(self) -> None:
        assert (self.run(self.tenant.sequence_changes()), self.feed(), self.bounds()) == (0, [], (0, 0))

    def test_a_row_says_all_that_is_known_of_a_change(self) -> None:
        group = create(GROUP, "eng", members=("ada",))
        update = replacement(USER, ADA, {"title": "y"})._replace(origin=Origin(LATE, "token-2", "request-2", "hr"))
        self.write(ADA, group, update, Delete("User", "ada", origin(LATEST), 2))
        self.sequence()
        first, second, third, *last = self.feed()
        base = ChangeRow(0, 0, "User", "ada", 1, "create", EARLY, "token-1", "default", "request-1", None, ADA.document)
        assert first._replace(position=0, sequence=0) == base
        assert second._replace(position=0, sequence=0) == base._replace(
            type="Group", id="eng", after=group.document, added=("ada",)
        )
        assert third._replace(position=0, sequence=0) == ChangeRow(
            0, 0, "User", "ada", 2, "update", LATE, "token-2", "hr", "request-2", ADA.document, update.document
        )
        left, deleted = sorted(last, key=lambda row: row.kind, reverse=True)
        assert (left.type, left.id, left.version, left.removed, left.after) == ("Group", "eng", 2, ("ada",), None)
        assert (deleted.id, deleted.version, deleted.before, deleted.after) == ("ada", 2, update.document, None)

    def test_positions_grow_and_reading_goes_on_behind_any_of_them(self) -> None:
        self.write(*(create(USER, f"u{number}") for number in range(7)))
        self.sequence(3)
        rows = self.feed()
        positions = [row.position for row in rows]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        assert self.bounds() == (0, positions[-1])
        for place, position in enumerate(positions):
            assert self.feed(position, limit=2) == rows[place + 1 : place + 3]
        assert self.feed(positions[1], until=positions[4]) == rows[2:5]

    def test_rows_are_chosen_by_type_and_by_resource(self) -> None:
        self.write(ADA, BOB, create(GROUP, "eng", members=("ada",)), replacement(USER, ADA, {"title": "y"}))
        self.mark()
        self.sequence()
        assert self.ids_behind(types=("Group",)) == ["eng"]
        assert self.ids_behind(types=("User", "Group"), limit=3) == ["ada", "bob", "eng"]
        assert self.ids_behind(types=("",)) == [""]
        assert [row.version for row in self.feed(resource_id="ada")] == [1, 2]
        first = self.feed()[0].position
        assert [row.version for row in self.feed(first, resource_id="ada", types=("User",))] == [2]
        assert self.feed(resource_id="ada", types=("Group",)) == []

    def test_deletions_and_updates_that_hold_some_bytes_are_chosen(self) -> None:
        left = replacement(USER, ADA, {"active": False})
        self.write(ADA, BOB, create(USER, "eve", {"active": False}), left, replacement(USER, BOB, {"title": "y"}))
        self.write(Delete("User", "bob", origin(LATEST), None), create(GROUP, "eng", members=("eve",)))
        self.write(Delete("Group", "eng", origin(LATEST), None))
        self.mark(value=b'"active":false')
        self.sequence()
        found = self.feed(types=("User",), marked=b'"active":false')
        assert [(row.id, row.kind) for row in found] == [("ada", "update"), ("bob", "delete")]
        assert self.ids_behind(found[0].position, marked=b'"active":false') == ["bob", "eng"]

    def test_a_pulse_tells_that_something_happened(self) -> None:
        def pulses() -> list[Pulse]:
            database: DatabaseStore = self.house.store  # type: ignore[assignment]
            found = self.run(database.pulses([self.name, other]))
            return [found[self.name], found[other]]

        other = "keeping-neighbour"
        nothing, neighbour = pulses()
        assert nothing == Pulse(0, waits=False, revision=0)
        self.write(ADA)
        assert pulses()[0] != nothing
        self.sequence()
        told, _ = pulses()
        assert told == Pulse(self.feed()[-1].position, waits=False, revision=0)
        self.run(self.tenant.change_records("schema", {"k": b"v"}))
        assert pulses() == [replace(told, revision=1), neighbour]

    def test_a_mark_belongs_to_no_resource(self) -> None:
        self.write(ADA)
        self.mark("schema", b"\x00value")
        self.sequence()
        _, mark = self.feed()
        assert (mark.type, mark.id, mark.version, mark.kind) == ("", "", 0, "schema")
        assert (mark.at, mark.actor, mark.request_id) == (EARLY, "cli", "r")
        assert (mark.before, mark.after, mark.connection) == (None, b"\x00value", "default")

    def test_what_is_older_than_an_instant_is_forgotten_and_it_is_known_up_to_where(self) -> None:
        self.write(ADA, BOB, replacement(USER, ADA, {"title": "y"}, at=LATE))
        self.sequence()
        first, second, third = self.feed()
        assert self.run(self.tenant.forget_changes(EARLY)) == 0
        assert self.bounds() == (0, third.position)
        assert self.run(self.tenant.forget_changes(LATE)) == 2
        assert self.feed() == [third]
        assert self.bounds() == (second.position + 1, third.position)
        assert first.position < second.position < third.position

    def test_positions_go_on_growing_when_all_was_forgotten(self) -> None:
        self.write(ADA)
        self.sequence()
        (old,) = self.feed()
        assert self.run(self.tenant.forget_changes(LATE)) == 1
        assert (self.feed(), self.bounds()) == ([], (old.position + 1, old.position))
        self.write(BOB)
        self.sequence()
        assert self.ids_behind(old.position) == ["bob"]

    def test_more_is_forgotten_than_goes_at_once(self) -> None:
        self.run(self.tenant.write_many([create(USER, f"u{number}") for number in range(1_500)]))
        self.mark(at=LATE)
        self.sequence()
        assert self.run(self.tenant.forget_changes(LATE)) == 1_500
        assert [row.kind for row in self.feed()] == ["mark"]

    def test_what_rows_hold_of_a_resource_is_erased_and_the_rows_stay(self) -> None:
        self.write(
            ADA, BOB, create(GROUP, "eng"), replacement(USER, ADA, {"title": "y"}), member_change("eng", added=["ada"])
        )
        self.sequence()
        before = self.feed()
        assert [self.run(self.tenant.erase_changes("User", "ada")) for _ in range(2)] == [2, 0]
        assert self.run(self.tenant.erase_changes("Group", "ada")) == 0
        after = [row._replace(before=None, after=None) if row.id == "ada" else row for row in before]
        assert self.feed() == after

    def test_positions_go_on_growing_when_a_tenant_is_cleared(self) -> None:
        self.write(ADA, BOB)
        self.sequence()
        last = self.feed()[-1].position
        self.run(self.tenant.clear())
        assert (self.feed(), self.bounds()) == ([], (0, 0))
        self.write(ADA)
        self.sequence()
        assert self.ids_behind(last) == ["ada"]

    @pytest.mark.parametrize("limit", [3, 10_000])
    def test_who_follows_the_feed_sees_every_change_once_and_in_the_order_of_versions(self, limit: int) -> None:
        self.write(*(create(USER, f"u{number}") for number in range(8)), create(GROUP, "eng"))
        doors = self.doors()
        writing: asyncio.Future[list[None]]
        sequencing: asyncio.Future[list[None]]

        async def write(number: int, door: TenantKeeping) -> None:
            for _ in range(8):
                await door.write(member_change("eng", added=[f"u{number}"]))
                await door.write(member_change("eng", removed=[f"u{number}"]))
                await door.mark(f"mark{number}", b"", at=EARLY, actor="a", request_id="r")

        async def sequence(door: TenantKeeping) -> None:
            while not writing.done():
                await door.sequence_changes(limit)
                await asyncio.sleep(0)
            while await door.sequence_changes(limit):
                pass

        async def follow() -> list[ChangeRow]:
            seen: list[ChangeRow] = []
            while True:
                is_over = sequencing.done()
                seen += await self.beside.changes_after(seen[-1].position if seen else 0, limit=5)
                if is_over and len(seen) == 8 + 1 + 8 * 8 * 3:
                    return seen
                await asyncio.sleep(0)

        async def all_at_once() -> list[ChangeRow]:
            nonlocal writing, sequencing
            writing = asyncio.gather(*(write(number, doors[number % 3]) for number in range(8)))
            sequencing = asyncio.gather(*(sequence(door) for door in doors))
            async with asyncio.timeout(60):
                return await follow()

        seen = self.run(all_at_once())
        assert [row.version for row in seen if row.id == "eng"] == list(range(1, 2 + 8 * 8 * 2))
        assert {row.sequence for row in seen} == {change["sequence"] for change in self.changes()}
