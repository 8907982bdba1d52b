"""Profiles in layers, and the packs."""

import pytest

from headcount.provisioning.targets.capabilities import Budget, CapabilityError, Paging, Removal, profile_of
from headcount.provisioning.targets.knowledge import Knowledge
from headcount.provisioning.targets.packs import pack_names, pack_of
from headcount.provisioning.targets.steps import Conflict, Done
from headcount.testing.simulated_target import HABITS_OF_PACKS, Habits
from simulated import carry_out, joiner, leaver, member_ids, new_group, person, regroup, run, those, update


def test_a_later_layer_wins_member_by_member():
    profile = profile_of({"users": {"put": False, "operations": 20}}, {"users": {"operations": 5}, "paging": "cursor"})

    assert (profile.users.put, profile.users.operations, profile.paging) == (False, 5, Paging.CURSOR)
    assert profile.users.unique == ("userName",)


def test_what_is_learned_stands_over_the_pack_and_under_the_human():
    knowledge = Knowledge({"etag": True, "filters": True, "count": True}, {"count": True})
    knowledge.hear({"etag": False, "bulk": {"supported": True}})
    knowledge.learn("It ignores filters.", {"filters": False})
    knowledge.learn("It refuses count.", {"count": False})

    profile = knowledge.profile
    assert (profile.etag, profile.filters, profile.count, profile.bulk.supported) == (True, False, True, True)
    assert knowledge.findings == ["It ignores filters."]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ({"user": {}}, "'user' does not exist; there are users, groups"),
        ({"users": {"putt": True}}, "'users.putt' does not exist"),
        ({"users": True}, "'users' is an object"),
        ({"users": {"put": "yes"}}, "'users.put' cannot be 'yes'"),
        ({"users": {"operations": True}}, "'users.operations' cannot be True"),
        ({"users": {"operations": -1}}, "'users.operations' cannot be -1"),
        ({"users": {"required": "userName"}}, "'users.required' is a list of names"),
        ({"users": {"lookups": [1]}}, "'users.lookups' is a list of names"),
        ({"members": {"removal": "magic"}}, "'members.removal' is one of filter, value"),
        ({"budgets": [{"request": 1}]}, "'budgets.request' does not exist"),
        ({"budgets": ["fast"]}, "'budgets' is an object"),
    ],
)
def test_what_cannot_be_is_refused_by_name(layer, words):
    with pytest.raises(CapabilityError, match=words):
        profile_of(layer)


def test_an_unknown_pack_names_those_there_are():
    with pytest.raises(CapabilityError, match="there are aws-iam-identity-center, canaille, generic"):
        pack_of("okta")


@pytest.mark.parametrize("name", pack_names())
def test_a_pack_fits_the_profile_and_says_what_it_is(name):
    pack = pack_of(name)

    profile_of(pack.capabilities)
    assert pack.title
    assert pack.notes
    assert pack.documentation.startswith("https://")


def test_packs_say_what_their_makers_document():
    aws, google = (
        profile_of(pack_of(name).capabilities) for name in ("aws-iam-identity-center", "google-cloud-identity")
    )
    slack = profile_of(pack_of("slack").capabilities)

    assert (aws.members.batch, aws.members.returned, aws.members.removal, aws.groups.put) == (
        100,
        False,
        Removal.VALUE,
        False,
    )
    assert (google.users.put, google.users.operations, google.groups.operations, google.members.batch) == (
        False,
        20,
        2,
        1,
    )
    assert slack.budgets[0] == Budget(600, 60.0, 180, ("POST", "PUT", "PATCH", "DELETE"))


def test_every_pack_has_a_simulation():
    assert set(HABITS_OF_PACKS) == set(pack_names())


@pytest.mark.parametrize("name", pack_names())
def test_a_life_at_a_target_with_the_limits_of_its_pack(becomes, name):
    simulated = becomes(HABITS_OF_PACKS[name])
    people = [person() for _ in range(7)]

    async def life(target):
        outcomes = await target.carry_out_together([joiner(somebody) for somebody in people])
        ids = [outcome.target_id for outcome in outcomes]
        group = await target.carry_out(new_group("Staff", *ids[:5]))
        change = update(ids[0], ('emails[type eq "work"].value', people[0]["userName"], "new@example.com"),
                        resource=people[0])  # fmt: skip
        later = [
            change,
            regroup(group.target_id, ids[5:], ids[:2], members=those(ids[2:])),
            leaver(ids[1], expected={"userName": people[1]["userName"]}),
            joiner({**people[2], "externalId": "another"}),
        ]
        outcomes += [group, *[await target.carry_out(step) for step in later]]
        return ids, outcomes

    ids, outcomes = run(simulated.url, life, pack=name)

    assert [type(outcome) for outcome in outcomes] == [Done] * 11 + [Conflict]
    assert member_ids(simulated.groups[0]) == set(ids[2:])
    users = {user["id"]: user for user in simulated.users}
    assert users[ids[0]]["emails"][0]["value"] == "new@example.com"
    assert users.get(ids[1], {}).get("active") is (False if name == "slack" else None)


def test_a_target_that_says_nothing_of_itself_is_taken_as_its_pack_says(becomes):
    simulated = becomes(Habits(discovery=False))

    assert isinstance(carry_out(simulated.url, joiner(), pack="generic"), Done)
