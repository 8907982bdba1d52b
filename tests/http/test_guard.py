"""The guard on the receiving side, adoption, re-hire, and several connections in one tenant."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from headcount.directory.operator import request_of
from headcount.directory.operator_schemas import TENANT
from headcount.scim.errors import ConflictError, NotFoundError
from serving import PATCH_OP, group, tenant_of, user

OFF = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
def watched(server, new_tenant):
    """Makes clients of tenants with policies."""

    def make(**policies):
        client = new_tenant()

        async def change(installation):
            row = await installation.tenants.get(tenant_of(client))
            operations = [{"op": "add", "path": name, "value": value} for name, value in policies.items()]
            patch = {"schemas": [PATCH_OP], "Operations": operations}
            await installation.operator.patch(TENANT, row["id"], patch, request_of("test"))

        if policies:
            server.administer(change)
        return client

    return make


def reviewing(server, client, name, *arguments, **options):
    return server.administer(
        lambda installation: getattr(installation.reviewing, name)(tenant_of(client), *arguments, **options)
    )


def rule(kind, reaction, **limits):
    return [{"kind": kind, "reaction": reaction, **limits}]


def test_a_rule_that_warns_lets_everything_through(server, watched):
    client = watched(guard=rule("delete", "warn", number=1))
    people = [client.new_user() for _ in range(3)]
    for person in people:
        client.delete(f"/Users/{person['id']}").ok(204)
    (warning,) = reviewing(server, client, "warnings")[:1]
    assert "3 deletions within a day, more than 1" in warning["reason"]


def test_a_rule_that_refuses_says_when_to_come_again(watched):
    client = watched(guard=rule("delete", "refuse", number=2, window=3600))
    people = [client.new_user() for _ in range(4)]
    for person in people[:2]:
        client.delete(f"/Users/{person['id']}").ok(204)
    refused = client.delete(f"/Users/{people[2]['id']}")
    assert refused.error == (429, None)
    assert 3500 <= int(refused.headers["retry-after"]) <= 3601
    client.get(f"/Users/{people[2]['id']}").ok()
    client.patch(f"/Users/{people[2]['id']}", OFF).ok()


def test_a_share_counts_what_was_there_at_first(watched):
    client = watched(guard=rule("delete", "refuse", share=0.5))
    people = [client.new_user() for _ in range(4)]
    statuses = [client.delete(f"/Users/{person['id']}").status for person in people]
    assert statuses == [204, 204, 429, 429]


def test_number_and_share_both_have_to_be_passed(watched):
    client = watched(guard=rule("delete", "refuse", number=2, share=0.1))
    people = [client.new_user() for _ in range(4)]
    assert [client.delete(f"/Users/{person['id']}").status for person in people] == [204, 204, 429, 429]


def test_a_held_deactivation_is_answered_and_not_done_until_it_is_released(server, watched):
    client = watched(guard=rule("deactivate", "hold", number=1))
    ada, bob = client.new_user(userName="ada"), client.new_user(userName="bob")
    client.patch(f"/Users/{ada['id']}", OFF).ok()
    answer = client.patch(f"/Users/{bob['id']}", OFF).ok()
    assert answer["active"] is False, "the client gets the answer that it expects"
    assert client.get(f"/Users/{bob['id']}").ok().get("active", True) is True
    client.patch(f"/Users/{bob['id']}", OFF).ok()
    (held,) = reviewing(server, client, "held")
    assert (held["resource"], held["removal"], held["after"]["active"]) == (bob["id"], "deactivate", False)
    assert "2 deactivations within a day, more than 1" in held["reason"]
    reviewing(server, client, "release", held["id"])
    assert client.get(f"/Users/{bob['id']}").ok()["active"] is False
    assert reviewing(server, client, "held") == []


def test_a_held_deletion_can_be_rejected(server, watched):
    client = watched(guard=rule("delete", "hold", number=0))
    ada = client.new_user()
    client.delete(f"/Users/{ada['id']}").ok(204)
    client.get(f"/Users/{ada['id']}").ok()
    (held,) = reviewing(server, client, "held")
    reviewing(server, client, "reject", held["id"])
    client.get(f"/Users/{ada['id']}").ok()
    client.delete(f"/Users/{ada['id']}").ok(204)
    (held,) = reviewing(server, client, "held")
    reviewing(server, client, "release", held["id"])
    assert client.get(f"/Users/{ada['id']}").status == 404


def test_removals_at_the_same_time_do_not_slip_through(server, watched):
    """Twelve clients delete at once, and five may: exactly five do."""
    client = watched(guard=rule("delete", "refuse", number=5))
    people = [client.new_user()["id"] for _ in range(12)]

    def delete(person):
        with client.apart() as apart:
            return apart.delete(f"/Users/{person}").status

    with ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(delete, people))
    assert sorted(statuses) == [204] * 5 + [429] * 7
    assert client.get("/Users").ok()["totalResults"] == 7


def test_what_was_not_done_does_not_count(watched):
    """Whoever sends the same wrong request often has removed nobody."""
    client = watched(guard=rule("delete", "refuse", number=1))
    ada, bob = client.new_user(), client.new_user()
    for _ in range(3):
        assert client.delete("/Users/nobody").status == 404
        assert client.send("DELETE", f"/Users/{ada['id']}", headers={"If-Match": 'W/"7"'}).status == 412
    client.delete(f"/Users/{ada['id']}").ok(204)
    assert client.delete(f"/Users/{bob['id']}").status == 429


def test_a_put_that_deactivates_counts_as_a_patch_does(watched):
    client = watched(guard=rule("deactivate", "refuse", number=1))
    ada, bob = client.new_user(userName="ada"), client.new_user(userName="bob")
    client.put(f"/Users/{ada['id']}", user(userName="ada", active=False)).ok()
    assert client.put(f"/Users/{bob['id']}", user(userName="bob", active=False)).status == 429
    client.put(f"/Users/{bob['id']}", user(userName="bob", title="Still here")).ok()
    client.put(f"/Users/{ada['id']}", user(userName="ada", active=False, title="No news")).ok()


def test_the_share_of_deactivations_is_of_everybody(watched):
    """Who is deactivated is there still, and so does not count twice."""
    client = watched(guard=rule("deactivate", "refuse", share=0.5))
    people = [client.new_user() for _ in range(4)]
    assert [client.patch(f"/Users/{person['id']}", OFF).status for person in people] == [200, 200, 429, 429]


def test_bulk_is_no_way_around_the_guard(server, watched):
    client = watched(guard=rule("delete", "hold", number=1) + rule("deactivate", "refuse", number=0))
    people = [client.new_user() for _ in range(3)]
    deletions = [{"method": "DELETE", "path": f"/Users/{person['id']}"} for person in people]
    off = {"method": "PATCH", "path": f"/Users/{people[2]['id']}", "data": {"Operations": [OFF]}}
    answer = client.bulk(off, *deletions).ok()
    assert [item["status"] for item in answer["Operations"]] == ["429", "204", "204", "204"]
    assert [client.get(f"/Users/{person['id']}").status for person in people] == [404, 200, 200]
    assert {held["resource"] for held in reviewing(server, client, "held")} == {people[1]["id"], people[2]["id"]}


def test_different_changes_of_one_resource_wait_side_by_side(server, watched):
    client = watched(guard=rule("leave", "hold", number=0))
    people = [client.new_user()["id"] for _ in range(3)]
    team = client.new_group(*people)
    path = f"/Groups/{team['id']}"
    for person in (*people[:2], people[0]):  # the first one again
        answer = client.patch(path, {"op": "remove", "path": f'members[value eq "{person}"]'}).ok()
        assert {member["value"] for member in answer["members"]} == set(people) - {person}, "as the client expects it"
    assert len(client.get(path).ok()["members"]) == 3, "and as it is"
    held = reviewing(server, client, "held")
    assert sorted(item["removed"] for item in held) == sorted([[people[0]], [people[1]]])
    for item in held:
        reviewing(server, client, "release", item["id"])
    assert [member["value"] for member in client.get(path).ok()["members"]] == [people[2]]


def test_a_held_replacement_is_carried_out_as_it_was_computed(server, watched):
    client = watched(guard=rule("leave", "hold", number=0))
    people = [client.new_user()["id"] for _ in range(3)]
    team = client.new_group(*people)
    sent = group(people[0], displayName="Renamed")
    answer = client.put(f"/Groups/{team['id']}", sent).ok()
    assert (answer["displayName"], [member["value"] for member in answer["members"]]) == ("Renamed", [people[0]])
    assert client.get(f"/Groups/{team['id']}").ok()["displayName"] == team["displayName"]
    (held,) = reviewing(server, client, "held")
    reviewing(server, client, "release", held["id"])
    now = client.get(f"/Groups/{team['id']}").ok()
    assert (now["displayName"], [member["value"] for member in now["members"]]) == ("Renamed", [people[0]])


def test_a_forced_release_leaves_alone_what_it_was_not_about(server, watched):
    client = watched(guard=rule("deactivate", "hold", number=0))
    ada = client.new_user(userName="ada", title="Countess")
    client.patch(f"/Users/{ada['id']}", OFF, {"op": "remove", "path": "title"}).ok()
    client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "nickName", "value": "Al"}).ok()
    (held,) = reviewing(server, client, "held")
    with pytest.raises(ConflictError):
        reviewing(server, client, "release", held["id"])
    reviewing(server, client, "release", held["id"], force=True)
    now = client.get(f"/Users/{ada['id']}").ok()
    assert (now["active"], now.get("title"), now["nickName"]) == (False, None, "Al")


def test_a_held_change_goes_with_its_resource(server, watched):
    client = watched(guard=rule("deactivate", "hold", number=0))
    ada = client.new_user()
    client.patch(f"/Users/{ada['id']}", OFF).ok()
    client.delete(f"/Users/{ada['id']}").ok(204)
    assert reviewing(server, client, "held") == []


def test_of_two_who_release_one_does(server, watched):
    client = watched(guard=rule("delete", "hold", number=0))
    ada = client.new_user()
    client.delete(f"/Users/{ada['id']}").ok(204)
    (held,) = reviewing(server, client, "held")

    async def both(installation):
        release = installation.reviewing.release
        return await asyncio.gather(*(release(tenant_of(client), held["id"]) for _ in range(2)), return_exceptions=True)

    outcomes = [type(outcome) for outcome in server.administer(both)]
    assert outcomes.count(dict) == 1
    assert outcomes.count(ConflictError) + outcomes.count(NotFoundError) == 1


@pytest.mark.parametrize("scopes", [["read"], ["read", "update"]], ids=["read", "update"])
def test_whoever_may_not_delete_has_nothing_held(server, watched, scopes):
    client = watched(guard=rule("delete", "hold", number=0))
    ada = client.new_user()
    weak = client.with_token(server.new_token(client, scopes=[{"type": "User", "operations": scopes}]))
    assert weak.delete(f"/Users/{ada['id']}").status == 403
    fenced = client.with_token(server.new_token(client, scopes=[{"type": "User", "filter": 'title eq "X"'}]))
    assert fenced.delete(f"/Users/{ada['id']}").status == 404
    assert reviewing(server, client, "held") == []


def test_a_release_reaches_no_further_than_whoever_sent_it(server, watched):
    """A replacement by somebody who sees two of three members keeps the third, also when it is released."""
    client = watched(guard=rule("leave", "hold", number=0))
    seen = [client.new_user(title="Sales")["id"] for _ in range(2)]
    hidden = client.new_user(title="Board")["id"]
    team = client.new_group(*seen, hidden)
    scopes = [{"type": "User", "filter": 'title eq "Sales"'}, {"type": "Group"}]
    fenced = client.with_token(server.new_token(client, scopes=scopes))
    fenced.put(f"/Groups/{team['id']}", group(seen[0], displayName=team["displayName"])).ok()
    (held,) = reviewing(server, client, "held")
    reviewing(server, client, "release", held["id"])
    members = {member["value"] for member in client.get(f"/Groups/{team['id']}").ok()["members"]}
    assert members == {seen[0], hidden}


def test_what_was_changed_since_is_not_released_blindly(server, watched):
    client = watched(guard=rule("delete", "hold", number=0))
    ada = client.new_user()
    client.delete(f"/Users/{ada['id']}").ok(204)
    client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "needed"}).ok()
    (held,) = reviewing(server, client, "held")
    operator = server.client("/manage", server.operator_token())
    path = f"/tenants/{tenant_of(client)}/held/release"
    assert operator.post(path, {"id": held["id"]}).status == 409
    operator.post(path, {"id": held["id"], "force": True}).ok()
    assert client.get(f"/Users/{ada['id']}").status == 404
    operator.close()


@pytest.mark.parametrize("how", ["put", "patch", "delete"])
def test_members_leaving_one_group_are_counted(server, watched, how):
    client = watched(guard=rule("leave", "refuse", number=2))
    people = [client.new_user()["id"] for _ in range(5)]
    team = client.new_group(*people)
    path = f"/Groups/{team['id']}"
    gone = [{"op": "remove", "path": f'members[value eq "{person}"]'} for person in people[:3]]
    answers = {
        "put": lambda: client.put(path, group(*people[:2], displayName=team["displayName"])),
        "patch": lambda: client.patch(path, *gone),
        "delete": lambda: client.delete(path),
    }
    assert answers[how]().status == 429
    assert len(client.get(path).ok()["members"]) == 5
    client.patch(path, *gone[:2]).ok()
    assert len(client.get(path).ok()["members"]) == 3


def test_a_groups_members_are_put_back(server, watched):
    client = watched()
    people = [client.new_user()["id"] for _ in range(4)]
    team = client.new_group(*people[:3])
    moment = client.get(f"/Groups/{team['id']}").ok()["meta"]["lastModified"]
    time.sleep(0.01)
    client.put(f"/Groups/{team['id']}", group(people[3], displayName=team["displayName"])).ok()
    client.delete(f"/Users/{people[0]}").ok(204)
    before = (datetime.fromisoformat(moment) + timedelta(microseconds=1)).isoformat()
    done = reviewing(server, client, "restore_members", team["id"], before)
    assert (sorted(done["restored"]), done["removed"], done["missing"]) == (
        sorted(people[1:3]),
        [people[3]],
        [people[0]],
    )
    members = {member["value"] for member in client.get(f"/Groups/{team['id']}").ok()["members"]}
    assert members == set(people[1:3])


@pytest.fixture
def okta_and_entra(server, watched):
    """Clients of two connections of one tenant, which adopts by externalId."""
    client = watched(adoption="sameExternalId")

    async def create(installation):
        tokens = []
        for name in ("okta", "entra"):
            await installation.connections.create(tenant_of(client), name, {})
            tokens.append(server_token(installation, client, name))
        return [await token for token in tokens]

    def server_token(installation, made, name):
        return installation.tokens.create(tenant_of(made), name, lifetime=timedelta(days=1), connection=name)

    (okta, _), (entra, _) = server.administer(create)
    return client.with_token(okta), client.with_token(entra)


def test_each_connection_has_externalids_of_its_own(okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada", externalId="same")
    bob = entra.new_user(userName="bob", externalId="same")
    assert okta.found('externalId eq "same"') == [ada["id"]]
    assert entra.found('externalId eq "same"') == [bob["id"]]
    assert "externalId" not in entra.get(f"/Users/{ada['id']}").ok(), "okta's is none of entra's business"
    assert okta.get(f"/Users/{ada['id']}").ok()["externalId"] == "same"


def test_a_connection_cannot_take_anothers_people(okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada")
    for answer in (
        entra.patch(f"/Users/{ada['id']}", OFF),
        entra.put(f"/Users/{ada['id']}", user(userName="ada")),
        entra.delete(f"/Users/{ada['id']}"),
    ):
        assert answer.status == 403
        assert "'okta'" in answer.json["detail"]
    assert okta.get(f"/Users/{ada['id']}").ok()["userName"] == "ada"


def test_the_same_externalid_of_the_same_connection_is_adopted(okta_and_entra):
    okta, _ = okta_and_entra
    ada = okta.new_user(userName="ada", externalId="hr-1", title="Countess")
    again = okta.post("/Users", user(userName="ada.lovelace", externalId="hr-1"))
    merged = again.ok(200)
    assert (merged["id"], merged["userName"], merged["title"]) == (ada["id"], "ada.lovelace", "Countess")


def test_a_likeness_goes_to_review_and_is_linked_there(server, okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada", externalId="o-1")
    body = user(userName="ADA", externalId="e-1", title="From Entra")
    assert entra.post("/Users", body).error == (409, "uniqueness")
    (review,) = reviewing(server, okta, "reviews")
    assert (review["matched"], review["madeBy"], review["connection"]) == ("userName", "okta", "entra")
    assert (review["ours"]["externalId"], review["theirs"]["externalId"]) == ("o-1", "e-1")
    reviewing(server, okta, "link", review["id"])
    assert reviewing(server, okta, "reviews") == []
    merged = entra.post("/Users", body).ok(200)
    assert (merged["id"], merged["title"], merged["externalId"]) == (ada["id"], "From Entra", "e-1")
    assert okta.get(f"/Users/{ada['id']}").ok()["externalId"] == "o-1"
    assert entra.found('externalId eq "e-1"') == [ada["id"]]
    assert okta.found('externalId eq "e-1"') == []
    entra.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "externalId", "value": "e-2"}).ok()
    assert entra.get(f"/Users/{ada['id']}").ok()["externalId"] == "e-2"
    assert okta.get(f"/Users/{ada['id']}").ok()["externalId"] == "o-1"


def test_an_email_that_somebody_has_is_reviewed_and_takes_nobody_over(server, okta_and_entra):
    okta, entra = okta_and_entra
    mail = [{"value": "ada@example.com", "type": "work"}]
    ada = okta.new_user(userName="ada", emails=mail)
    other = entra.new_user(userName="ada2", emails=[{"value": "Ada@Example.com", "type": "work"}])
    assert other["id"] != ada["id"]
    (review,) = reviewing(server, okta, "reviews")
    assert (review["matched"], review["resource"]) == ("emails.value", ada["id"])
    reviewing(server, okta, "dismiss", review["id"])
    assert reviewing(server, okta, "reviews") == []


def test_who_comes_back_has_the_id_from_before(watched):
    client = watched(rehire="sameId")
    ada = client.new_user(userName="ada", externalId="hr-1")
    team = client.new_group(ada["id"])
    client.delete(f"/Users/{ada['id']}").ok(204)
    back = client.new_user(userName="ada", externalId="hr-1")
    assert back["id"] == ada["id"]
    assert "groups" not in back, "groups never come back by themselves"
    assert "members" not in client.get(f"/Groups/{team['id']}").ok()
    assert client.new_user(userName="bob", externalId="hr-1")["id"] != ada["id"], "the id is in use"


def test_without_the_policy_who_comes_back_is_somebody_new(new_tenant):
    client = new_tenant()
    ada = client.new_user(userName="ada", externalId="hr-1")
    client.delete(f"/Users/{ada['id']}").ok(204)
    assert client.new_user(userName="ada", externalId="hr-1")["id"] != ada["id"]
