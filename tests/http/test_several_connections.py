"""Several identity providers in one tenant: none sees, finds, changes or takes over what another one knows."""

import json
import time
from datetime import timedelta

import pytest

from headcount.directory.operator import request_of
from headcount.directory.operator_schemas import TENANT
from headcount.scim.errors import ConflictError
from serving import PATCH_OP, group, tenant_of, user

OFF = {"op": "replace", "path": "active", "value": False}


@pytest.fixture
def connected(server, new_tenant):
    """Makes clients of the connections okta and entra of a tenant with policies."""

    def make(**policies):
        client = new_tenant()
        name = tenant_of(client)

        async def create(installation):
            row = await installation.tenants.get(name)
            operations = [{"op": "add", "path": path, "value": value} for path, value in policies.items()]
            patch = {"schemas": [PATCH_OP], "Operations": operations}
            if operations:
                await installation.operator.patch(TENANT, row["id"], patch, request_of("test"))
            for connection in ("okta", "entra"):
                await installation.connections.create(name, connection, {})

        server.administer(create)
        tokens = [token_of(server, client, connection) for connection in ("okta", "entra")]
        return [client.with_token(token) for token in tokens]

    return make


@pytest.fixture
def okta_and_entra(connected):
    return connected()


def token_of(server, client, connection, **options):
    return server.new_token(client, connection=connection, lifetime=timedelta(days=1), **options)


def reviewing(server, client, name, *arguments, **options):
    return server.administer(
        lambda installation: getattr(installation.reviewing, name)(tenant_of(client), *arguments, **options)
    )


def linked(server, okta, entra):
    """Somebody of okta's whom entra may change as well, known as e-1 to it."""
    ada = okta.new_user(userName="ada", externalId="o-1")
    assert entra.post("/Users", user(userName="ada", externalId="e-1")).error == (409, "uniqueness")
    (review,) = reviewing(server, okta, "reviews")
    reviewing(server, okta, "link", review["id"])
    return ada


@pytest.mark.parametrize(
    "text",
    [
        'externalId eq "o-1"',
        'externalId co "o-"',
        'externalId sw "o"',
        'externalId ew "1"',
        'externalId gt "a"',
        "externalId pr",
    ],
)
def test_no_filter_tells_of_another_connections_externalids(okta_and_entra, text):
    okta, entra = okta_and_entra
    ada = okta.new_user(externalId="o-1")
    assert okta.found(text) == [ada["id"]]
    assert entra.found(f"{text} and userName pr") == []
    assert entra.found(f"not ({text})") == [ada["id"]]


def test_what_is_not_equal_to_anothers_externalid_is_not_told_from_what_is(okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(externalId="o-1")
    assert entra.found('externalId ne "o-1"') == entra.found('externalId ne "e-9"') == [ada["id"]]


def test_no_order_tells_of_another_connections_externalids(okta_and_entra):
    okta, entra = okta_and_entra
    people = [okta.new_user(externalId=name)["id"] for name in ("c", "a", "b")]
    assert [item["id"] for item in okta.get("/Users", sortBy="externalId").ok()["Resources"]] == [
        people[1],
        people[2],
        people[0],
    ]
    assert [item["id"] for item in entra.get("/Users", sortBy="externalId").ok()["Resources"]] == people


def test_no_answer_holds_another_connections_externalids(okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada", externalId="very-o-1")
    team = okta.new_group(ada["id"], externalId="very-o-2")
    for answer in (
        entra.get(f"/Users/{ada['id']}"),
        entra.get("/Users"),
        entra.get("/Users", attributes="externalId"),
        entra.get(""),
        entra.get(f"/Groups/{team['id']}"),
        entra.post("/.search", {"filter": "id pr"}),
        entra.post("/Users", user(userName="ada")),
        entra.patch(f"/Users/{ada['id']}", OFF),
        entra.bulk({"method": "DELETE", "path": f"/Users/{ada['id']}"}),
        entra.at(entra.path.replace("/scim/v2", "/events")).get(""),
        entra.at(entra.path.replace("/scim/v2", "/events")).get("/snapshot"),
    ):
        assert b"very-o" not in answer.body, answer.body
    assert okta.get(f"/Users/{ada['id']}").ok()["externalId"] == "very-o-1"


def test_bulk_and_memberships_take_nobody_over(okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada")
    team = okta.new_group()
    answer = entra.bulk(
        {"method": "PATCH", "path": f"/Users/{ada['id']}", "data": {"Operations": [OFF]}},
        {"method": "DELETE", "path": f"/Users/{ada['id']}"},
        {
            "method": "PATCH",
            "path": f"/Groups/{team['id']}",
            "data": {"Operations": [{"op": "remove", "path": "members"}]},
        },
        {"method": "PUT", "path": f"/Groups/{team['id']}", "data": group(ada["id"])},
    ).ok()
    assert [item["status"] for item in answer["Operations"]] == ["403"] * 4
    assert entra.new_group(ada["id"])["members"][0]["value"] == ada["id"], "groups of one's own may hold anybody"
    assert okta.get(f"/Users/{ada['id']}").ok().get("active", True) is True


def test_a_linked_connection_has_an_externalid_of_its_own(server, okta_and_entra):
    okta, entra = okta_and_entra
    ada = linked(server, okta, entra)
    path = f"/Users/{ada['id']}"
    assert (entra.get(path).ok()["externalId"], okta.get(path).ok()["externalId"]) == ("e-1", "o-1")
    assert entra.found('externalId eq "e-1"') == [ada["id"]]
    changed = entra.put(path, user(userName="ada", externalId="e-2", title="Countess")).ok()
    assert (changed["externalId"], changed["title"]) == ("e-2", "Countess")
    assert entra.found('externalId eq "e-1"') == []
    assert entra.found('externalId eq "e-2"') == [ada["id"]]
    assert okta.found('externalId eq "o-1"') == [ada["id"]]
    assert okta.found('externalId eq "e-2"') == []
    entra.patch(path, {"op": "remove", "path": "externalId"}).ok()
    assert "externalId" not in entra.get(path).ok()
    assert entra.found('externalId eq "e-2"') == []
    assert okta.get(path).ok()["externalId"] == "o-1"


def test_an_externalid_is_attached_only_with_a_change_that_is_carried_out(server, okta_and_entra):
    okta, entra = okta_and_entra
    ada = linked(server, okta, entra)
    path, rename = f"/Users/{ada['id']}", {"op": "replace", "path": "externalId", "value": "stolen"}
    reader = entra.with_token(token_of(server, entra, "entra", scopes=[{"type": "User", "operations": ["read"]}]))
    narrow = entra.with_token(token_of(server, entra, "entra", scopes=[{"type": "User", "writable": ["title"]}]))
    body = {"schemas": [PATCH_OP], "Operations": [rename]}
    assert reader.patch(path, rename).status == 403
    assert narrow.patch(path, rename).status == 403
    assert entra.send("PATCH", path, body, headers={"If-Match": 'W/"99"'}).status == 412
    assert entra.patch(path, rename, {"op": "replace", "path": "active", "value": 7}).status == 400
    assert entra.put(path, {"externalId": "stolen"}).status == 400
    assert entra.get(path).ok()["externalId"] == "e-1"


def test_what_was_linked_goes_with_the_resource(server, connected):
    okta, entra = connected(rehire="sameId")
    ada = linked(server, okta, entra)
    okta.delete(f"/Users/{ada['id']}").ok(204)
    assert okta.new_user(userName="ada", externalId="o-1")["id"] == ada["id"]
    assert "externalId" not in entra.get(f"/Users/{ada['id']}").ok()
    assert entra.patch(f"/Users/{ada['id']}", OFF).status == 403, "who comes back is not linked any more"


def test_what_was_linked_moves_with_the_tenant(server, okta_and_entra, tmp_path):
    okta, entra = okta_and_entra
    ada = linked(server, okta, entra)
    name = tenant_of(okta)

    async def move(installation):
        await installation.exports.write(name, tmp_path / "tenant.zip", lambda *_: None)
        await installation.imports.read(tmp_path / "tenant.zip", lambda *_: None, name=f"{name}-copy")

    server.administer(move)
    copy = entra.at(f"/t/{name}-copy/scim/v2")
    moved = copy.with_token(token_of(server, copy, "entra"))
    assert moved.get(f"/Users/{ada['id']}").ok()["externalId"] == "e-1"
    assert moved.found('externalId eq "e-1"') == [ada["id"]]
    moved.patch(f"/Users/{ada['id']}", OFF).ok()


def test_of_two_records_of_one_person_one_is_deleted_before_they_are_linked(server, okta_and_entra):
    okta, entra = okta_and_entra
    mail = [{"value": "ada@example.com", "type": "work"}]
    ada = okta.new_user(userName="ada", emails=mail)
    second = entra.new_user(userName="ada2", externalId="e-1", emails=mail)
    (review,) = reviewing(server, okta, "reviews")
    with pytest.raises(ConflictError, match=second["id"]):
        reviewing(server, okta, "link", review["id"])
    entra.delete(f"/Users/{second['id']}").ok(204)
    reviewing(server, okta, "link", review["id"])
    assert entra.get(f"/Users/{ada['id']}").ok()["externalId"] == "e-1"


def test_the_attribute_that_is_taken_is_named_and_secrets_are_not_kept(server, okta_and_entra):
    okta, entra = okta_and_entra
    okta.new_user(userName="ada", externalId="o-1")
    entra.post("/Users", user(userName="Ada", password="hunter2"))
    (review,) = reviewing(server, okta, "reviews")
    assert review["matched"] == "userName"
    assert "hunter2" not in json.dumps(review)


def test_a_connection_that_is_linked_to_its_own_changes_the_externalid(server, connected):
    """Somebody comes under a new externalId of the same connection: 409, and the operator decides."""
    okta, _ = connected(adoption="sameExternalId")
    ada = okta.new_user(userName="ada", externalId="o-1")
    assert okta.post("/Users", user(userName="ada", externalId="o-2")).status == 409
    (review,) = reviewing(server, okta, "reviews")
    reviewing(server, okta, "link", review["id"])
    assert okta.get(f"/Users/{ada['id']}").ok()["externalId"] == "o-2"
    assert okta.found('externalId eq "o-1"') == []
    assert okta.post("/Users", user(userName="ada", externalId="o-2")).ok(200)["id"] == ada["id"]


def test_adoption_asks_for_the_right_to_change(server, connected):
    okta, _ = connected(adoption="sameExternalId")
    ada = okta.new_user(userName="ada", externalId="o-1", title="Countess")
    creator = okta.with_token(
        token_of(server, okta, "okta", scopes=[{"type": "User", "operations": ["create", "read"]}])
    )
    assert creator.post("/Users", user(userName="eve", externalId="o-1")).status == 403
    fenced = okta.with_token(token_of(server, okta, "okta", scopes=[{"type": "User", "filter": 'title eq "Boss"'}]))
    made = fenced.post("/Users", user(userName="eve", externalId="o-1", title="Boss")).ok(201)
    assert made["id"] != ada["id"], "whom it cannot see it does not adopt"
    assert okta.get(f"/Users/{ada['id']}").ok()["userName"] == "ada"


def test_what_the_server_keeps_itself_does_not_stand_in_the_way_of_adoption(connected):
    okta, _ = connected(adoption="sameExternalId")
    ada = okta.new_user(userName="ada", externalId="o-1")
    body = user(userName="ada", externalId="o-1", groups=[{"value": "x"}], id="mine", meta={"version": "1"})
    assert okta.post("/Users", body).ok(200)["id"] == ada["id"]


def test_what_a_deleted_connection_made_belongs_to_nobody(server, okta_and_entra):
    okta, entra = okta_and_entra
    ada = okta.new_user(userName="ada", externalId="o-1")
    assert entra.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Boss"}).status == 403

    async def delete(installation):
        await installation.connections.delete(tenant_of(okta), "okta")

    server.administer(delete)
    assert until_allowed(lambda: entra.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Boss"}))
    assert okta.get("/Users").status == 401
    assert "externalId" not in entra.get(f"/Users/{ada['id']}").ok()


def until_allowed(attempt):
    """Whether an attempt succeeds before long: servers believe a tenant's settings for a second."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        if attempt().status == 200:
            return True
    return False


def test_a_fence_by_externalid_is_about_the_connections_own(server, okta_and_entra):
    okta, entra = okta_and_entra
    both, own, theirs = (
        linked(server, okta, entra)["id"],
        entra.new_user(externalId="e-2"),
        okta.new_user(externalId="e-3"),
    )
    team = okta.new_group(both, own["id"], theirs["id"])
    scopes = [{"type": "User", "filter": 'externalId sw "e-"'}, {"type": "Group"}]
    client = entra.with_token(token_of(server, entra, "entra", scopes=scopes))
    reached = [person for person in (both, own["id"], theirs["id"]) if client.get(f"/Users/{person}").status == 200]
    assert reached == [both, own["id"]]
    assert client.found("userName pr") == sorted(reached)
    assert {member["value"] for member in client.get(f"/Groups/{team['id']}").ok()["members"]} == set(reached)
    assert client.found(f'members.value eq "{theirs["id"]}"', "/Groups") == []
    assert client.patch(f"/Users/{theirs['id']}", OFF).status == 404
    client.patch(f"/Users/{both}", {"op": "replace", "path": "title", "value": "Dr"}).ok()
    renamed = {"op": "replace", "path": "externalId", "value": "o-9"}
    assert client.patch(f"/Users/{both}", renamed).error == (403, None)
    assert client.get(f"/Users/{both}").ok()["externalId"] == "e-1"
