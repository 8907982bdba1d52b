"""Jobs that run by themselves."""

from datetime import UTC, datetime, timedelta

import pytest

from headcount.provisioning.scheduling import Schedule, due_at
from headcount.testing.simulated_target import SimulatedTarget
from syncing import World, people_at, person

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "minutes", "expected"),
    [
        ("*/15 * * * *", 0, True),
        ("*/15 * * * *", 1, False),
        ("0 12 * * *", 0, True),
        ("0 0 29 2 *", 0, False),
        ("no", 0, False),
    ],
)
def test_a_time_comes_once(cron, minutes, expected):
    now = NOON + timedelta(minutes=minutes)
    assert due_at(cron, now - timedelta(seconds=20), now) == (NOON if expected else None)


def test_a_stored_job_runs_when_its_time_has_come(tmp_path):
    with SimulatedTarget().running() as target:
        world = World(tmp_path)
        world.describe(target.url, more='schedule: "0 12 * * *"')
        world.write(person(1))
        added = world.command(lambda jobs: jobs.add(str(tmp_path / "hr.yaml")))
        assert added == {"job": "hr", "tenant": "company", "version": 1, "schedule": "0 12 * * *"}

        async def a_day(jobs):
            schedule = Schedule(jobs, NOON - timedelta(hours=2))
            started = [await schedule.look(NOON + timedelta(minutes=minutes)) for minutes in (-60, 0, 60)]
            await schedule.settle()
            return started

        assert world.command(a_day) == [[], ["company/hr"], []]
        assert world.command(a_day) == [[], [], []]  # another process, which looks at the same times
        assert people_at(target) == {"p1@example.com": (True, "Employee")}


def test_a_job_that_cannot_run_stops_no_schedule(tmp_path):
    with SimulatedTarget().running() as target:
        world = World(tmp_path)
        world.describe(target.url, more='schedule: "0 12 * * *"')  # and there is no file
        world.command(lambda jobs: jobs.add(str(tmp_path / "hr.yaml")))

        async def noon(jobs):
            schedule = Schedule(jobs, NOON - timedelta(minutes=1))
            due = await schedule.look(NOON)
            await schedule.settle()
            return due

        assert world.command(noon) == ["company/hr"]
        assert target.users == []
