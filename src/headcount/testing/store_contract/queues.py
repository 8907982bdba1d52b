"""Queues: tasks that are due are held by one at a time, and one after the other where they have an order key."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from itertools import count

import pytest

from headcount.store.administration import DatabaseStore
from headcount.store.interface import VersionConflictError
from headcount.store.keeping import ABSENT, Put, Task, TenantKeeping
from headcount.testing.store_contract.harness import together
from headcount.testing.store_contract.keeping import EARLIER, LAST, LATER, NOW, SOON, Kept


def tasks(order_keys: str, due: str = NOW) -> list[Task]:
    """Tasks 0, 1, … with these order keys of one letter; a dash is none."""
    return [Task("" if key == "-" else key, b"%d" % number, due) for number, key in enumerate(order_keys)]


def values(taken: Sequence[Task]) -> str:
    """Which tasks these are."""
    return "".join(task.value.decode() for task in taken)


class Queues(Kept):
    """Taken, finished, put off, parked and requeued."""

    def enqueue(self, *added: Task) -> None:
        """Adds tasks."""
        self.run(self.tenant.enqueue("q", added))

    def take(self, now: str = NOW, *, holder: str = "me", until: str = LATER, limit: int = 100) -> Sequence[Task]:
        """Takes tasks."""
        return self.run(self.tenant.take("q", holder, now=now, until=until, limit=limit))

    def finish(self, taken: Sequence[Task], holder: str = "me") -> str:
        """Finishes tasks; gives which were held."""
        gone = self.run(self.tenant.finish("q", holder, [task.id for task in taken]))
        return values([task for task in taken if task.id in gone])

    def park(self, task: Task, reason: str = "why") -> None:
        """Parks a task."""
        self.run(self.tenant.park("q", "me", task.id, reason=reason))

    def put_off(self, task: Task, due: str, reason: str = "why") -> None:
        """Puts a task off."""
        self.run(self.tenant.put_off("q", "me", task.id, due=due, reason=reason))

    def parked(self, **options: int) -> Sequence[Task]:
        """Parked tasks."""
        return self.run(self.tenant.parked("q", **options))

    def requeue(self, *parked: Task, due: str = NOW) -> int:
        """Requeues tasks."""
        return self.run(self.tenant.requeue("q", [task.id for task in parked], due=due))

    def queued(self) -> int:
        """How many wait or are held."""
        return self.run(self.tenant.queued("q"))

    def test_a_queue_begins_empty(self) -> None:
        assert (self.take(), self.parked(), self.queued()) == ([], [], 0)

    def test_a_task_is_taken_as_it_was_added(self) -> None:
        self.enqueue(Task("k", b"\x00\xff", NOW))
        (task,) = self.take()
        assert (task.order_key, task.value, task.due, task.attempts, task.reason) == ("k", b"\x00\xff", NOW, 0, "")
        assert task.id > 0

    def test_tasks_are_taken_when_they_are_due_the_longest_due_first(self) -> None:
        self.enqueue(Task("", b"1", LATER), Task("", b"2", SOON), Task("", b"3", NOW))
        assert values(self.take(NOW, until=LAST)) == "3"
        assert values(self.take(LATER, until=LAST)) == "21"
        assert self.queued() == 3

    def test_it_is_known_how_many_of_which_queues_are_due(self) -> None:
        def due(now: str, **options: int) -> dict[tuple[str, str], int]:
            database: DatabaseStore = self.house.store  # type: ignore[assignment]
            asked = [(self.name, "q"), (self.name, "other"), ("keeping-neighbour", "q")]
            return dict(self.run(database.due(asked, now, **options)))

        mine, neighbour = (self.name, "q"), ("keeping-neighbour", "q")
        assert due(EARLIER) == {}
        self.enqueue(*tasks("aab-"), Task("", b"4", SOON))
        assert due(NOW, most=9) == {mine: 3, neighbour: 1}, "what is behind others is not due"
        assert due(SOON, most=9)[mine] == 4
        assert due(SOON)[mine] == 1
        self.take()
        assert due(NOW) == {neighbour: 1}, "nor what is held"
        assert due(LATER, most=9)[mine] == 4, "until the hold has ended"

    def test_no_more_are_taken_than_asked_for(self) -> None:
        self.enqueue(*tasks("-----"))
        assert [values(self.take(limit=2)) for _ in range(4)] == ["01", "23", "4", ""]

    def test_queues_are_apart(self) -> None:
        self.enqueue(*tasks("k-"))
        self.run(self.tenant.enqueue("other", tasks("k")))
        (other,) = self.run(self.tenant.take("other", "me", now=NOW, until=LATER))
        assert self.finish([other]) == ""
        self.park(other)
        assert (self.parked(), self.queued()) == ([], 2)
        assert self.run(self.tenant.finish("other", "me", [other.id])) == [other.id]
        assert values(self.take()) == "01"

    def test_a_task_is_held_until_its_hold_ends(self) -> None:
        self.enqueue(*tasks("k-"))
        first = self.take(until=SOON)
        assert (values(first), values(self.take()), values(self.take(SOON, holder="you"))) == ("01", "", "01")
        assert self.finish(first) == ""
        assert self.queued() == 2

    def test_who_is_late_may_finish_what_nobody_else_has_taken(self) -> None:
        self.enqueue(*tasks("-"))
        first = self.take(until=NOW)
        assert self.finish(first) == "0"
        assert self.finish(first) == ""

    def test_attempts_count_how_often_a_task_was_taken_before(self) -> None:
        self.enqueue(*tasks("-"))
        assert [task.attempts for _ in range(3) for task in self.take(until=NOW)] == [0, 1, 2]

    def test_tasks_with_an_order_key_are_taken_one_after_the_other_in_the_order_they_came(self) -> None:
        self.enqueue(Task("k", b"0", SOON), Task("k", b"1", NOW), Task("j", b"2", NOW), Task("k", b"3", NOW))
        assert values(self.take(NOW)) == "2"
        first = self.take(SOON)
        assert (values(first), values(self.take(SOON))) == ("0", "")
        self.finish(first)
        self.enqueue(Task("k", b"4", NOW))
        for number in ("1", "3", "4"):
            found = self.take(SOON)
            assert values(found) == number
            assert self.finish(found) == number
        assert self.queued() == 1

    def test_tasks_without_an_order_key_wait_for_nothing(self) -> None:
        self.enqueue(*tasks("---"))
        assert values(self.take(limit=1)) == "0"
        assert values(self.take()) == "12"

    def test_a_task_that_is_put_off_blocks_its_order_key(self) -> None:
        self.enqueue(*tasks("kk-"))
        first, loose = self.take()
        self.put_off(first, LATER, "busy")
        self.put_off(loose, LATER)
        assert (self.take(SOON), self.queued()) == ([], 3)
        again, loose = self.take(LATER, until=LAST)
        assert (again.id, again.attempts, again.reason, again.due) == (first.id, 1, "busy", LATER)
        assert self.finish([again, loose]) == "02"
        assert values(self.take(LATER, until=LAST)) == "1"

    def test_a_parked_task_lets_its_order_key_go_on(self) -> None:
        self.enqueue(*tasks("kk-"))
        first, loose = self.take()
        self.park(first, "broken")
        self.park(loose)
        assert values(self.take()) == "1"
        assert (self.queued(), self.finish([first, loose])) == (1, "")
        assert [(task.id, task.attempts, task.reason) for task in self.parked()] == [
            (first.id, 1, "broken"),
            (loose.id, 1, "why"),
        ]
        assert values(self.parked(limit=1)) == "0"
        assert values(self.parked(after=first.id)) == "2"

    def test_only_the_holder_puts_off_parks_and_finishes(self) -> None:
        self.enqueue(*tasks("--"))
        taken = self.take(holder="you", limit=1)
        waiting = Task("", b"1", NOW, id=taken[0].id + 1)
        for task in (taken[0], waiting):
            self.put_off(task, LAST)
            self.park(task)
        assert (self.finish([*taken, waiting]), self.parked(), self.queued()) == ("", [], 2)
        assert values(self.take()) == "1"
        assert self.finish(taken, "you") == "0"

    def test_a_requeued_task_begins_anew(self) -> None:
        self.enqueue(*tasks("-k"))
        for task in self.take():
            self.park(task)
        parked = self.parked()
        assert (self.requeue(*parked, due=SOON), self.requeue(*parked, due=SOON)) == (2, 0)
        assert (self.parked(), self.queued(), self.take(NOW)) == ([], 2, [])
        assert [(task.value, task.attempts, task.due) for task in self.take(SOON)] == [(b"0", 0, SOON), (b"1", 0, SOON)]

    def test_a_requeued_task_goes_before_those_that_came_after_it(self) -> None:
        self.enqueue(*tasks("kkk"))
        (first,) = self.take()
        self.park(first)
        self.requeue(*self.parked())
        for number in ("0", "1", "2"):
            found = self.take()
            assert values(found) == number
            self.finish(found)

    def test_a_requeued_task_waits_for_the_one_of_its_order_key_that_is_held(self) -> None:
        self.enqueue(*tasks("kkk"))
        (first,) = self.take()
        self.park(first)
        (held,) = self.take()
        self.requeue(*self.parked())
        assert self.take() == []
        self.finish([held])
        assert values(self.take()) == "0"

    def test_tasks_and_puts_are_added_together_or_not_at_all(self) -> None:
        self.run(self.tenant.enqueue("q", tasks("k"), [Put("c", "k", b"1", ABSENT)]))
        with pytest.raises(VersionConflictError):
            self.run(self.tenant.enqueue("q", tasks("k-"), [Put("c", "a", b"2"), Put("c", "k", b"2", ABSENT)]))
        assert self.queued() == 1
        assert [one.key for one in self.run(self.tenant.entries("c"))] == ["k"]

    def test_a_tenant_that_is_cleared_has_no_tasks_entries_lines_and_leases(self) -> None:
        self.enqueue(*tasks("k-"))
        self.park(self.take()[0])
        self.run(self.tenant.put([Put("c", "k", b"1")]))
        self.run(self.tenant.lease("lease", "one", seconds=60))
        self.run(self.tenant.clear())
        assert (self.queued(), self.parked(), self.run(self.tenant.entries("c"))) == (0, [], [])
        assert self.run(self.tenant.lease("lease", "two", seconds=60))
        self.enqueue(*tasks("k"))
        assert values(self.take()) == "0"

    def test_of_those_who_take_at_once_no_two_get_one_task(self) -> None:
        self.enqueue(*(Task("" if number % 2 else f"k{number}", b"%d" % number, NOW) for number in range(200)))
        doors = self.doors()
        takes = [
            doors[n % 3].take("q", f"holder{n}", now=NOW, until=LATER, limit=7 if n < 12 else 100) for n in range(16)
        ]
        found = self.run(together(takes))
        ids = [task.id for some in found if not isinstance(some, BaseException) for task in some]
        ids += [task.id for task in self.take()]
        assert Counter(ids) == dict.fromkeys(ids, 1)
        assert len(ids) == 200

    def test_order_is_kept_and_nothing_is_lost_between_those_who_add_and_those_who_work(self) -> None:
        doors = self.doors()
        done: dict[str, list[int]] = {key: [] for key in "abc"}
        total, numbers = 60, count()
        adding: asyncio.Future[list[None]]

        async def add(door: TenantKeeping) -> None:
            for _ in range(10):
                await door.enqueue("q", [Task(key, b"x", NOW) for key in ("a", "b", "c")[: 1 + next(numbers) % 3]])

        async def work(holder: str, door: TenantKeeping) -> None:
            while not (adding.done() and await door.queued("q") == 0):
                for task in await door.take("q", holder, now=NOW, until=LATER, limit=2):
                    done[task.order_key].append(task.id)
                    assert list(await door.finish("q", holder, [task.id])) == [task.id]

        async def all_at_once() -> None:
            nonlocal adding
            adding = asyncio.gather(*(add(door) for door in doors))
            async with asyncio.timeout(30):
                await asyncio.gather(adding, *(work(f"worker{n}", doors[n % 3]) for n in range(5)))

        self.run(all_at_once())
        assert sum(map(len, done.values())) == total
        assert all(ids == sorted(ids) for ids in done.values())
