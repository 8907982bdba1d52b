"""Lines that are added and read in order."""

import asyncio

from headcount.store.keeping import Line, TenantKeeping
from headcount.testing.store_contract.keeping import LATER, NOW, SOON, Kept


class Logs(Kept):
    """Appended, read in pages, trimmed."""

    def append(self, *lines: Line, log: str = "log") -> None:
        """Adds lines."""
        self.run(self.tenant.append(log, lines))

    def values(self, **options: object) -> list[bytes]:
        """The values of lines."""
        return [line.value for line in self.run(self.tenant.lines("log", **options))]  # type: ignore[arg-type]

    def test_a_log_begins_empty(self) -> None:
        assert self.values() == []

    def test_lines_are_kept_as_they_are_in_the_order_of_their_sequences(self) -> None:
        self.append(Line(SOON, b"\x00\xff", "k"), Line(NOW, b""))
        self.append(Line(NOW, b"3"))
        first, second, third = self.run(self.tenant.lines("log"))
        assert (first.at, first.value, first.key) == (SOON, b"\x00\xff", "k")
        assert (second.at, second.value, second.key) == (NOW, b"", "")
        assert third.value == b"3"
        assert 0 < first.sequence < second.sequence < third.sequence

    def test_logs_are_apart(self) -> None:
        self.append(Line(NOW, b"1"))
        self.append(Line(NOW, b"2"), log="other")
        assert self.values() == [b"1"]
        assert self.run(self.tenant.trim("other", keep=0)) == 1
        assert self.values() == [b"1"]

    def test_pages_lie_between_two_sequences_and_are_read_from_either_end(self) -> None:
        self.append(*(Line(NOW, b"%d" % number) for number in range(6)))
        places = [line.sequence for line in self.run(self.tenant.lines("log"))]
        assert self.values(after=places[1], before=places[4]) == [b"2", b"3"]
        assert self.values(after=places[1], limit=2) == [b"2", b"3"]
        assert self.values(newest_first=True, limit=2) == [b"5", b"4"]
        assert self.values(newest_first=True, before=places[4], limit=2) == [b"3", b"2"]
        assert self.values(after=places[5]) == []

    def test_lines_are_found_by_their_key(self) -> None:
        self.append(Line(NOW, b"1", "a"), Line(NOW, b"2", "b"), Line(NOW, b"3", "a"), Line(NOW, b"4"))
        assert self.values(key="a") == [b"1", b"3"]
        assert self.values(key="a", newest_first=True, limit=1) == [b"3"]
        assert self.values(key="") == [b"4"]
        assert self.values(key="A") == []

    def test_what_is_older_than_an_instant_goes(self) -> None:
        self.append(Line(SOON, b"1"), Line(NOW, b"2"), Line(LATER, b"3"))
        assert self.run(self.tenant.trim("log", before=SOON)) == 1
        assert self.values() == [b"1", b"3"]

    def test_all_but_the_newest_go(self) -> None:
        self.append(*(Line(NOW, b"%d" % number) for number in range(5)))
        assert self.run(self.tenant.trim("log", keep=5)) == 0
        assert self.run(self.tenant.trim("log", keep=2)) == 3
        assert self.values() == [b"3", b"4"]

    def test_sequences_go_on_growing_when_everything_went(self) -> None:
        self.append(Line(NOW, b"1"))
        (before,) = self.run(self.tenant.lines("log"))
        assert self.run(self.tenant.trim("log", before=SOON, keep=0)) == 1
        self.append(Line(NOW, b"2"))
        assert self.values(after=before.sequence) == [b"2"]

    def test_who_follows_a_log_misses_no_line_of_several_writers(self) -> None:
        doors = self.doors()

        async def write(number: int, door: TenantKeeping) -> None:
            for turn in range(20):
                await door.append("log", [Line(NOW, b"%d.%d" % (number, turn)), Line(NOW, b"%d.%d+" % (number, turn))])

        async def follow(writers: "asyncio.Future[list[None]]") -> list[bytes]:
            seen: list[bytes] = []
            after = 0
            while True:
                is_over = writers.done()
                for line in await self.beside.lines("log", after=after):
                    seen.append(line.value)
                    after = line.sequence
                if is_over:
                    return seen
                await asyncio.sleep(0)

        async def all_at_once() -> list[bytes]:
            return await follow(asyncio.gather(*(write(number, door) for number, door in enumerate((*doors, *doors)))))

        seen = self.run(all_at_once())
        assert seen == [line.value for line in self.run(self.tenant.lines("log", limit=1000))]
        for number in range(6):
            mine = [value for value in seen if value.startswith(b"%d." % number)]
            assert mine == [b"%d.%d%s" % (number, turn, end) for turn in range(20) for end in (b"", b"+")]
