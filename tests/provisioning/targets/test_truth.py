"""Whatever a target does, an outcome is true: what is done is there, what is refused is not, once is once."""

from dataclasses import replace

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from headcount.provisioning.plan import Action
from headcount.provisioning.targets.paths import holds
from headcount.provisioning.targets.steps import Conflict, Done, Gone, Moved, Refused, Unknown, Unreachable
from headcount.testing.simulated_target import Habits
from simulated import joiner, leaver, member_ids, new_group, person, regroup, run, update

share = st.sampled_from([0.0, 0.15, 0.5])
habits = st.builds(
    Habits,
    put=st.booleans(),
    group_put=st.booleans(),
    patch=st.booleans(),
    missing_as_html=st.booleans(),
    deletes=st.sampled_from(["deletes", "deactivates", "refuses"]),
    members_per_request=st.sampled_from([None, 1, 2]),
    member_operations=st.sampled_from([None, 1]),
    members_on_create=st.sampled_from([None, 1, 2]),
    members_returned=st.booleans(),
    removal=st.sampled_from(["any", "filter", "value"]),
    operations=st.sampled_from([None, 1, 3]),
    value_paths=st.booleans(),
    normalises=st.booleans(),
    keeps_names=st.booleans(),
    unique_names=st.booleans(),
    external_id_returned=st.booleans(),
    filters=st.sampled_from(["heeded", "ignored", "refused"]),
    count_refused=st.booleans(),
    largest_page=st.sampled_from([2, 100]),
    cursors=st.booleans(),
    lag=st.sampled_from([0, 0, 2, 20]),
    empty_success=st.booleans(),
    html_errors=st.booleans(),
    etags=st.booleans(),
    bulk=st.sampled_from([0, 2, 10]),
    discovery=st.booleans(),
    throttled=share,
    failing=share,
    failing_after_success=share,
    lost_requests=share,
    lost_responses=share,
).map(lambda drawn: replace(drawn, keeps_names=drawn.keeps_names and not drawn.empty_success))
"""A target that says `done`, shows nothing, and did something else cannot be found out."""


def known_to(human):
    """What a human has to say of a target whose ways cannot be seen."""
    unique = ["userName"] if human.unique_names else []
    members = {"returned": human.members_returned, "removal": "value" if human.removal == "value" else "filter"}
    return {
        "settle": 60 if human.lag else 0,
        "users": {"unique": unique, "valuePaths": human.value_paths},
        "members": members,
        "bulk": {"supported": human.bulk > 0, "operations": human.bulk or 1},
        "externalIdReturned": human.external_id_returned,
    }


class Scenario:
    """People and a group come, change and go; each outcome is compared with what the target really holds."""

    def __init__(self, simulated):
        self.simulated = simulated
        self.people = [person() for _ in range(3)]

    async def play(self, target):
        outcomes = await target.carry_out_together([joiner(somebody) for somebody in self.people])
        ids = [self.joined(*pair) for pair in zip(self.people, outcomes, strict=True)]
        ids = [identifier for identifier in ids if identifier]
        for number, identifier in enumerate(ids):
            await self.change(target, identifier, number)
        await self.regroup(target, ids)
        for identifier, action in zip(ids, [Action.DELETE, Action.DEACTIVATE], strict=False):
            await self.leave(target, identifier, action)

    def joined(self, somebody, outcome):
        accounts = [user for user in self.simulated.users if user.get("externalId") == somebody["externalId"]]
        assert len(accounts) <= 1
        assert_known(outcome)
        if isinstance(outcome, Done):
            assert [user["id"] for user in accounts] == [outcome.target_id]
            return outcome.target_id
        if isinstance(outcome, Refused | Gone | Moved):
            assert accounts == []
        return None

    async def change(self, target, identifier, number):
        before = self.user(identifier)
        changes = [
            ("displayName", before["displayName"], f"Renamed {number}"),
            ("title", None, "Boss"),
            ('emails[type eq "work"].value', before["emails"][0]["value"], f"new{number}@example.com"),
            ("userName", before["userName"], f"renamed{number}@example.com"),
        ]
        step = update(identifier, *changes)
        outcome = await target.carry_out(step)
        assert_known(outcome)
        after = self.user(identifier)
        if isinstance(outcome, Done):
            assert all(holds(after, path, new) for path, _, new in changes), after
        if isinstance(outcome, Refused) and outcome.so_far is None:
            assert after == before

    async def regroup(self, target, ids):
        outcome = await target.carry_out(new_group("Staff", *ids))
        groups = self.simulated.groups
        assert len(groups) <= 1
        assert_known(outcome)
        so_far = outcome if isinstance(outcome, Done) else getattr(outcome, "so_far", None)
        if so_far:
            assert [group["id"] for group in groups] == [so_far.target_id]
            assert set(so_far.added) <= member_ids(groups[0])
        if isinstance(outcome, Done):
            assert member_ids(groups[0]) == set(ids)
            await self.remove(target, outcome.target_id, ids)

    async def remove(self, target, group_id, ids):
        outcome = await target.carry_out(regroup(group_id, removed=ids[:2]))
        left = member_ids(self.simulated.groups[0])
        assert_known(outcome)
        so_far = outcome if isinstance(outcome, Done) else getattr(outcome, "so_far", None)
        if so_far:
            assert not left & set(so_far.removed)
        if isinstance(outcome, Done):
            assert left == set(ids[2:])

    async def leave(self, target, identifier, action):
        outcome = await target.carry_out(leaver(identifier, action))
        assert_known(outcome)
        user = self.user(identifier)
        if isinstance(outcome, Done):
            is_kept = action is Action.DEACTIVATE or self.simulated.habits.deletes == "deactivates"
            assert (user is not None and user["active"] is False) if is_kept else user is None
        if isinstance(outcome, Refused):
            assert user is not None

    def user(self, identifier):
        return next((user for user in self.simulated.users if user["id"] == identifier), None)


def assert_known(outcome):
    """Nothing was raised, and nobody is taken for gone or for somebody else."""
    assert isinstance(outcome, Done | Refused | Conflict | Unknown | Unreachable | Gone | Moved)
    assert getattr(outcome, "reason", "said") != ""


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(habits, st.integers(0, 2**16))
@example(Habits(lost_responses=0.5, failing_after_success=0.5), 3)
@example(Habits(lost_responses=0.5, unique_names=False, lag=20), 5)
@example(Habits(put=False, missing_as_html=True, html_errors=True, failing=0.15, etags=True), 7)
def test_an_outcome_is_true_whatever_the_target_does(becomes, habits, seed):
    simulated = becomes(habits, seed)
    run(simulated.url, Scenario(simulated).play, override=known_to(habits), connects=False)
