"""Runs that end at any step, at targets that fail at random: nothing is lost and nobody is made twice."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as some

from headcount.testing.simulated_target import Habits, SimulatedTarget
from syncing import World, groups_at, people_at, person

ENDURED = (
    Habits(),
    Habits(bulk=100),
    Habits(failing=0.2, throttled=0.2),
    Habits(failing_after_success=0.3),
    Habits(lost_requests=0.15, lost_responses=0.2),
    Habits(members_per_request=2, put=False),
    Habits(patch=False, failing_after_success=0.2),
    Habits(normalises=True, external_id_returned=False),
    Habits(empty_success=True),
    Habits(filters="ignored", count_refused=True, failing=0.1),
)
"""Each keeps user names unique, and shows at once what was written."""


class Killed(BaseException):
    """What nothing in the engine can catch."""


class Mortal:
    """A store whose machine dies at one of its writes: just before it, or just after."""

    def __init__(self, store, life, *, dies_after):
        self._store = store
        self._life = life
        self._dies_after = dies_after

    def __getattr__(self, name):
        return getattr(self._store, name)

    async def put(self, puts):
        self._life -= 1
        if self._life < 0 or (self._life == 0 and not self._dies_after):
            raise Killed
        await self._store.put(puts)
        if self._life == 0:
            raise Killed


@pytest.fixture(scope="module")
def server():
    with SimulatedTarget().running() as target:
        yield target


def staff(numbers, titles=(), teams=()):
    """People by number; some of them with another title or team."""
    return [
        person(
            number,
            title="Senior" if number in titles else "Employee",
            manager=str(min(numbers)) if number != min(numbers) else "",
            teams="All;Red" if number in teams else "All",
        )
        for number in sorted(numbers)
    ]


def dies(world, life, *, dies_after):
    """Whether a run was killed by its store."""
    world.wrap = lambda store: Mortal(store, life, dies_after=dies_after)
    try:
        world.run(is_forced=True)
    except (Killed, BaseExceptionGroup):
        return True
    finally:
        world.wrap = lambda store: store
    return False


def settles(world, target):
    """Runs until there is nothing left to do, as a schedule would."""
    target.become_quiet()
    for _ in range(12):
        world.later(hours=25)
        report = world.run(is_forced=True)
        assert not report.failure
        plan = world.plan()
        if not plan.changes:
            return
    raise AssertionError(plan.changes)


def check(target, numbers, titles, teams, gone):
    wanted = {f"p{number}@example.com": (True, "Senior" if number in titles else "Employee") for number in numbers}
    found = people_at(target)
    assert len(target.users) == len(found)  # nobody twice
    assert {name: state for name, state in found.items() if state[0]} == wanted
    assert {name for name, state in found.items() if not state[0]} <= {f"p{number}@example.com" for number in gone}
    groups = groups_at(target)
    assert len(target.groups) == len(groups)
    assert groups.get("All", set()) == set(wanted)
    assert groups.get("Red", set()) == {f"p{number}@example.com" for number in set(teams) & set(numbers)}


NUMBERS = some.sets(some.integers(1, 6), min_size=1)


@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # an example takes seconds: the first that fails is told
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    habits=some.sampled_from(ENDURED),
    seed=some.integers(0, 10_000),
    before=NUMBERS,
    after=NUMBERS,
    titles=NUMBERS,
    teams=NUMBERS,
    lives=some.lists(some.tuples(some.integers(1, 25), some.booleans()), min_size=1, max_size=3),
)
def test_whatever_happens_the_accounts_are_right_in_the_end(server, habits, seed, before, after, titles, teams, lives):
    server.become(habits, seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        guard = "policies: {guard: {deactivate: false, delete: false, update: false, members: false, emptying: false}}"
        world.describe(server.url, more=guard)
        world.write(*staff(before, (), before))
        for life, dies_after in lives[:2]:
            dies(world, life, dies_after=dies_after)
            world.later(hours=1)
        world.write(*staff(after, titles, teams))
        for life, dies_after in lives[1:]:
            dies(world, life, dies_after=dies_after)
            world.later(hours=1)
        settles(world, server)
        check(server, after, titles, teams, before - after)


@pytest.mark.parametrize("dies_after", [False, True])
@pytest.mark.parametrize(
    ("bulk", "life"), [*((0, life) for life in range(1, 14)), *((100, life) for life in range(4, 8))]
)
def test_a_first_load_that_is_killed_anywhere_is_resumed_without_a_duplicate(server, tmp_path, bulk, life, dies_after):
    # nothing but the engine keeps a second account from being made
    server.become(Habits(unique_names=False, bulk=bulk))
    world = World(tmp_path)
    world.describe(server.url)
    world.write(*staff({1, 2, 3}))
    was_killed = dies(world, life, dies_after=dies_after)
    resumed = world.do(lambda runs: runs.resume(()))
    assert all(not report.failure for report in resumed)
    if not resumed or was_killed:
        world.run()
    check(server, {1, 2, 3}, (), (), ())
    assert world.plan().changes == ()
    assert len(server.users) == 3
    assert len(server.groups) == 1
