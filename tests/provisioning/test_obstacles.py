"""Changes that the target does not let pass, and how that ends without a human."""

import pytest

from headcount.provisioning.ledger import Status
from headcount.testing.simulated_target import Habits, SimulatedTarget
from syncing import World, briefly, done, people_at, person


@pytest.fixture(scope="module")
def target():
    with SimulatedTarget().running() as target:
        yield target


def test_a_conflict_is_over_when_the_record_asks_for_another_name(tmp_path, target):
    target.become(Habits())
    world = World(tmp_path)
    world.describe(target.url)
    world.write(person(1), person(2))
    world.run()
    target.put("User", {"userName": "taken@example.com", "externalId": "somebody", "active": True})
    world.write(person(1, email="taken@example.com"), person(2))
    assert [status for _, status, _ in world.run().applied.problems] == [Status.CONFLICT]
    assert briefly(world.plan().changes) == [("park", "1")]

    world.write(person(1, email="free@example.com"), person(2))
    assert done(world.run()) == {"update": 1}
    assert people_at(target).keys() == {"free@example.com", "p2@example.com", "taken@example.com"}
    assert world.command(lambda jobs: jobs.reviews(str(world.folder / "hr.yaml"))) == []
    assert world.plan().changes == ()


def test_what_somebody_else_changed_is_moved_once_and_then_sent(tmp_path, target):
    target.become(Habits(etags=True))
    world = World(tmp_path)
    world.describe(target.url)
    world.write(person(1), person(2))
    world.run()
    [ada] = [user["id"] for user in target.users if user["userName"] == "p1@example.com"]
    target.change("User", ada, nickName="Their own")
    world.write(person(1, title="Senior"), person(2))
    assert [status for _, status, _ in world.run().applied.problems] == [Status.MOVED]
    assert done(world.run()) == {"update": 1}
    assert people_at(target)["p1@example.com"] == (True, "Senior")
    assert world.plan().changes == ()
