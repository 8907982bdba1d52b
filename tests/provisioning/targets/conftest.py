"""A simulated target that each test gives its own habits."""

import pytest

from headcount.testing.simulated_target import SimulatedTarget


@pytest.fixture(scope="session")
def running_simulation():
    with SimulatedTarget().running() as running:
        yield running


@pytest.fixture
def becomes(running_simulation):
    """Makes the simulated target one with these habits and nobody in it."""

    def become(habits, seed=0):
        running_simulation.become(habits, seed=seed)
        return running_simulation

    return become
