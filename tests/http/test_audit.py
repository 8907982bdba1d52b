"""The record of who did what: refused attempts, the chain against tampering, erasure, and the request log."""

import json
import sqlite3
import time

import pytest

from headcount.directory.audit.auditing import Wanted
from headcount.directory.operator import request_of
from headcount.directory.operator_schemas import TENANT
from headcount.scim.errors import ConflictError
from serving import PATCH_OP, USER, running_server, tenant_of, user


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """A server whose file these tests tamper with."""
    with running_server(tmp_path_factory.mktemp("audit")) as running:
        yield running


@pytest.fixture
def client(apart):
    made = apart.new_tenant()
    yield made
    made.close()


def entries(server, client, **wanted):
    refused = wanted.pop("refused", False)

    async def gather(installation):
        found = installation.audit.entries(tenant_of(client), Wanted(**wanted), refused=refused)
        return [entry async for entry in found]

    return server.administer(gather)


def verified(server, client, chain="changes"):
    """What the verification of one chain found, once everything is sealed."""

    async def verify(installation):
        await installation.audit.seal(tenant_of(client))
        return await installation.audit.verify(tenant_of(client))

    return next(item for item in server.administer(verify) if item["chain"] == chain)


def tamper(server, statement, *parameters):
    with sqlite3.connect(server.database) as connection:
        assert connection.execute(statement, parameters).rowcount
    connection.close()


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


def test_accepted_changes_say_who_and_what(apart, client):
    ada = client.new_user(userName="ada", title="Countess", password="correct horse")
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Boss"})
    client.delete(f"/Users/{ada['id']}").ok(204)
    deleted, updated, created = entries(apart, client)
    assert [item["action"] for item in (created, updated, deleted)] == ["create", "update", "delete"]
    assert (updated["before"]["title"], updated["after"]["title"]) == ("Countess", "Boss")
    assert {item["connection"] for item in (created, updated, deleted)} == {"default"}
    assert created["actor"] == updated["actor"] != ""
    assert created["requestId"] != updated["requestId"]
    assert "correct horse" not in json.dumps([created, updated, deleted])
    assert entries(apart, client, action="delete") == [deleted]
    assert entries(apart, client, id=ada["id"]) == [deleted, updated, created]
    assert entries(apart, client, until=updated["at"]) == [created]
    assert entries(apart, client, actor="nobody") == []


def test_refused_attempts_are_kept_with_the_reason(apart, client):
    client.new_user(userName="taken")
    assert client.post("/Users", {"userName": "taken", "schemas": []}).status == 409
    client.get("/Users/nobody")
    client.post("/Users/.search", {"filter": "bad"})
    refused = until(lambda: entries(apart, client, refused=True))
    assert [(item["action"], item["status"]) for item in refused] == [("create", 409)]
    assert "already in use" in refused[0]["reason"]
    assert refused[0]["target"].endswith("/Users")


def test_refused_operations_of_a_bulk_request_are_attempts_as_well(apart, client):
    there = client.new_user(userName="taken")
    answer = client.bulk(
        {"method": "POST", "path": "/Users", "bulkId": "a", "data": {"schemas": [USER], "userName": "taken"}},
        {"method": "POST", "path": "/Users", "bulkId": "b", "data": {"schemas": [USER], "userName": "free"}},
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "PATCH", "path": f"/Users/{there['id']}", "data": {"Operations": [{"op": "nonsense"}]}},
    ).ok()
    assert [item["status"] for item in answer["Operations"]] == ["409", "201", "404", "400"]
    refused = until(lambda: entries(apart, client, refused=True))
    assert [(item["action"], item["status"], item.get("id")) for item in reversed(refused)] == [
        ("create", 409, None),
        ("delete", 404, "nobody"),
        ("update", 400, there["id"]),
    ]
    assert {item["type"] for item in refused} == {"User"}
    assert refused[0]["target"] == f"{client.path}/Users/{there['id']}"
    assert entries(apart, client, refused=True, id="nobody") == [refused[1]]


def test_a_stranger_leaves_a_line_with_the_operator(apart, client):
    client.with_token("hc_wrong").get("/Users")

    async def gather(installation):
        found = installation.audit.entries("_operator", Wanted(), refused=True)
        return [entry async for entry in found if tenant_of(client) in entry.get("target", "")]

    (attempt,) = until(lambda: apart.administer(gather))
    assert (attempt["status"], attempt["actor"], attempt["address"]) == (401, "", "127.0.0.1")


def test_an_untouched_record_verifies(apart, client):
    for _ in range(3):
        client.new_user()
    found = verified(apart, client)
    assert (found["problems"], found["records"], found["unsealed"]) == ([], 3, 0)
    tenant, chain, number, digest = found["head"].split("/")
    assert (tenant, chain, int(number) >= 1, len(digest)) == (tenant_of(client), "changes", True, 64)
    client.new_user()
    unsealed = apart.administer(lambda installation: installation.audit.verify(tenant_of(client)))[0]
    assert unsealed["unsealed"] in (0, 1), "a server seals by and by"


TAMPERINGS = {
    "content": ("UPDATE change SET after = replace(after, 'Countess', 'Duchess') WHERE tenant = ? AND kind = 'create'", "content"),
    "actor": ("UPDATE change SET actor = 'somebody else' WHERE tenant = ? AND kind = 'create'", "the record was changed"),
    "time": ("UPDATE change SET at = '2020-01-01T00:00:00.000000Z' WHERE tenant = ? AND kind = 'update'", "the record was changed"),
    "removed": ("DELETE FROM change WHERE tenant = ? AND kind = 'update'", "removed"),
    "emptied": ("UPDATE change SET before = NULL, after = NULL WHERE tenant = ? AND kind = 'update'", "content"),
    "block": ("UPDATE entry SET value = replace(value, '\"number\":1', '\"number\":7') WHERE tenant = ? AND collection = 'audit block'", "block"),
    "salt": ("UPDATE entry SET value = replace(value, '\"signature\":\"', '\"signature\":\"0') WHERE tenant = ? AND collection = 'audit block'", "signature"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_tampering_is_found(apart, client, name):
    ada = client.new_user(userName="ada", title="Countess")
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Boss"})
    assert verified(apart, client)["problems"] == []
    statement, message = TAMPERINGS[name]
    tamper(apart, statement, tenant_of(client))
    problems = apart.administer(lambda installation: installation.audit.verify(tenant_of(client)))[0]["problems"]
    assert any(message in problem["message"] for problem in problems), problems


def test_a_record_inserted_among_sealed_ones_is_found(apart, client):
    first, second = client.new_user(), client.new_user()
    client.delete(f"/Users/{first['id']}").ok(204)
    assert verified(apart, client)["problems"] == []
    with sqlite3.connect(apart.database) as connection:
        ((place,),) = connection.execute("SELECT sequence FROM change WHERE id = ?", (second["id"],)).fetchall()
        connection.execute("DELETE FROM change WHERE sequence = ?", (place,))
        connection.execute(
            "INSERT INTO change (sequence, tenant, type, id, version, kind, at, actor, request_id) "
            "VALUES (?, ?, 'User', 'forged', 1, 'create', '2026-01-01', 'x', 'x')",
            (place, tenant_of(client)),
        )
    connection.close()
    problems = apart.administer(lambda installation: installation.audit.verify(tenant_of(client)))[0]["problems"]
    assert problems


def test_an_erasure_empties_the_record_and_it_still_verifies(apart, client):
    ada = client.new_user(userName="ada", title="Countess")
    client.delete(f"/Users/{ada['id']}").ok(204)

    async def erase(installation):
        return await installation.audit.erase(tenant_of(client), "User", ada["id"], actor="cli")

    assert apart.administer(erase) == 2
    found = verified(apart, client)
    assert (found["problems"], found["erased"]) == ([], 2)
    assert b"Countess" not in b"".join(_values(apart, tenant_of(client)))
    assert all("after" not in item and "before" not in item for item in entries(apart, client, id=ada["id"]))


def test_an_erasure_takes_along_all_that_is_kept_of_a_person(apart, client):
    """Tombstone, reviews and the bodies of requests; who is still there is deleted first."""
    change_tenant(apart, client, requestLog="bodies", rehire="sameId", adoption="sameExternalId")
    time.sleep(1.1)  # a server believes a tenant's settings for a second
    ada = client.new_user(userName="ada", title="Countess", externalId="hr-1")
    assert client.post("/Users", user(userName="ada", title="Countess")).status == 409
    until(lambda: len(logged(apart, client)) >= 2)

    async def erase(installation):
        return await installation.audit.erase(tenant_of(client), "User", ada["id"], actor="cli")

    with pytest.raises(ConflictError):
        apart.administer(erase)
    client.delete(f"/Users/{ada['id']}").ok(204)
    until(lambda: [row for row in logged(apart, client) if row["method"] == "DELETE"])
    assert kept_of(apart, tenant_of(client), "Countess") != 0
    assert kept_of(apart, tenant_of(client), ada["id"]) != 0
    apart.administer(erase)
    assert kept_of(apart, tenant_of(client), "Countess") == 0
    assert client.new_user(userName="ada", externalId="hr-1")["id"] != ada["id"], "the tombstone is gone"


def kept_of(server, tenant, text):
    """In how many rows beside the change log's metadata a text stands."""
    with sqlite3.connect(server.database) as connection:
        number = 0
        for table in ("entry", "line"):
            statement = f"SELECT count(*) FROM {table} WHERE tenant = ? AND instr(key || value, ?)"  # noqa: S608
            number += connection.execute(statement, (tenant, text)).fetchone()[0]
    connection.close()
    return number + b"".join(_values(server, tenant)).count(text.encode())


def _values(server, tenant):
    with sqlite3.connect(server.database) as connection:
        rows = connection.execute(
            "SELECT coalesce(before, '') , coalesce(after, '') FROM change WHERE tenant = ?", (tenant,)
        )
        found = [value if isinstance(value, bytes) else value.encode() for row in rows for value in row]
    connection.close()
    return found


def policy(server, client, value):
    change_tenant(server, client, requestLog=value)


def change_tenant(server, client, **settings):
    async def change(installation):
        row = await installation.tenants.get(tenant_of(client))
        operations = [{"op": "add", "path": name, "value": value} for name, value in settings.items()]
        patch = {"schemas": [PATCH_OP], "Operations": operations}
        await installation.operator.patch(TENANT, row["id"], patch, request_of("test"))

    server.administer(change)


def logged(server, client):
    return server.administer(lambda installation: installation.requests.list(tenant_of(client)))


def test_the_request_log_says_what_was_forgiven_and_how_it_ended(apart, client):
    policy(apart, client, "bodies")
    body = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ada",
        "active": "True",
        "password": "secret",
    }
    client.post("/Users", body).ok(201)
    client.post("/Users", body | {"active": True})
    rows = until(lambda: len(logged(apart, client)) >= 2 and logged(apart, client))[-2:]
    assert [row["outcome"].split(":")[0] for row in rows] == ["created", "refused"]
    assert rows[0]["tolerations"] == ["string booleans accepted"]
    assert rows[1]["tolerations"] == []
    assert "made by the connection 'default'" in rows[1]["outcome"]
    assert rows[0]["body"]["password"] == "[redacted]"
    assert rows[0]["body"]["active"] == "True"
    assert "secret" not in json.dumps(rows)


@pytest.mark.parametrize("kept", ["failures", "bodies"])
def test_no_secret_gets_into_the_request_log(apart, client, kept):
    policy(apart, client, kept)
    secret = {"password": "hunter2"}
    operation = {"op": "replace", "path": f"{USER}:password", "value": "hunter2"}
    for method, path, body in (
        ("POST", "/Users", b'{"password": "hunter2'),
        ("PATCH", "/Users/x", {"Operations": [operation]}),
        ("PATCH", "/Users/x", {"Operations": [{"op": "add", "value": {"PassWord": "hunter2"}}]}),
        ("POST", "/Bulk", {"Operations": [{"method": "POST", "path": "/Users", "bulkId": "b", "data": secret}]}),
        ("GET", "/Users?filter=password%20eq%20%22hunter2%22", None),
        ("POST", "/Users/.search", {"filter": 'password eq "hunter2"'}),
        ("POST", "/Users", user(password=["hunter2"], active="True")),
        ("POST", "/Users", user(password={"value": "hunter2"})),
        ("POST", "/Users", user(name={"password": "hunter2"}, active=7)),
        ("PATCH", "/Users/x", {"Operations": [{"op": "replace", "path": 'password[value eq "hunter2"]', "value": 1}]}),
        ("PATCH", "/Users/x", {"Operations": [{"op": "replace", "path": 'emails[password eq "hunter2"].value'}]}),
        ("PATCH", "/Users/x", {"Operations": [{"op": "replace", "path": "password", "value": {"x": ["hunter2"]}}]}),
        ("POST", "/Users", user(password="hunter2")),
    ):
        client.send(method, path, body)
    until(lambda: len(logged(apart, client)) == 13)
    assert logged(apart, client)[3]["outcome"] == "done, but 1 of 1 operations were refused"
    assert kept_of(apart, tenant_of(client), "hunter2") == 0


def test_policies_of_the_request_log(apart, client):
    client.new_user()
    client.post("/Users", user(active="True", password="hunter2")).ok(201)
    client.post("/Users", user(title=7))
    client.get("/Users/nobody")
    client.bulk({"method": "DELETE", "path": "/Users/nobody"}).ok()
    rows = until(lambda: len(logged(apart, client)) == 5 and logged(apart, client))
    assert [row["status"] for row in rows] == [201, 201, 400, 404, 200]
    assert ["body" in row for row in rows] == [False, True, True, True, True], "unless set, of what was not plain"
    assert rows[1]["body"]["active"] == "True"
    assert rows[1]["body"]["password"] == "[redacted]"
    assert rows[2]["answer"]["scimType"] == "invalidValue"
    policy(apart, client, "metadata")
    time.sleep(1.1)
    client.post("/Users", user(title=7))
    rows = until(lambda: len(logged(apart, client)) == 6 and logged(apart, client))
    assert (rows[5]["status"], "body" in rows[5]) == (400, False)
    policy(apart, client, "off")
    time.sleep(1.1)  # a server believes a tenant's settings for a second
    client.new_user()
    client.new_user()
    before = len(logged(apart, client))
    time.sleep(1.2)
    assert len(logged(apart, client)) == before


def test_the_operators_requests_are_kept_as_well_and_no_secret_of_theirs(apart, client):
    token, name = apart.operator_token(), tenant_of(client)
    bad = {"schemas": ["urn:headcount:params:scim:schemas:core:1.0:Tenant"], "name": "No Name"}
    good = {"schemas": ["urn:headcount:params:scim:schemas:core:1.0:AccessToken"], "tenant": name, "name": "t"}
    with apart.client("/scim/v2", token) as operator:
        refused = operator.post("/Tenants", bad).headers["x-request-id"]
        made = operator.post("/AccessTokens", good)
        manager = operator.at("/manage")
        row = until(lambda: (found := manager.get(f"/tenants/_operator/requests/{refused}")).status == 200 and found)
        assert (row.json["status"], row.json["body"]["name"]) == (400, "No Name")
        assert row.json["outcome"].startswith("refused: 'No Name' is no tenant name")
        record = f"/tenants/_operator/requests/{refused}"
        command = manager.get(record, form="curl").ok()["curl"]
        assert command.startswith('curl -X POST -H "Authorization: Bearer $TOKEN" -H \'Content-Type: ')
        assert command.endswith('"$URL"/scim/v2/Tenants')
        assert manager.get(record, form="case").ok()["steps"] == [{"send": "POST /Tenants", "body": bad, "status": 400}]
        assert manager.get(record, form="poem").error == (400, "invalidValue")
        plain = manager.get(f"/tenants/_operator/requests/{made.headers['x-request-id']}").ok()
        assert (plain["outcome"], "answer" in plain) == ("created", False)
    assert kept_of(apart, "_operator", made.json["token"]) == 0


def test_a_refused_request_is_kept_however_many_are_answered_behind_it(apart, client):
    refused = client.get("/Users/nobody").headers["x-request-id"]
    for _ in range(150):
        client.get("/ServiceProviderConfig").ok()
    until(lambda: len(logged(apart, client)) == 50)
    kept = apart.administer(lambda installation: installation.requests.get(tenant_of(client), refused))
    assert kept["outcome"] == "refused: There is no User 'nobody'."


def test_what_operators_do_besides_resources_stands_in_their_record(apart, client):
    """Through the API and by command, each with who it was."""
    name, urn = tenant_of(client), "urn:example:badge:2.0:User"
    document = {"id": urn, "name": "Badge", "attributes": [{"name": "number"}]}
    hook = apart.administer(lambda installation: installation.webhooks.create(name, "h", "https://hooks.example"))
    with apart.client(f"/manage/tenants/{name}", apart.operator_token()) as manager:
        first = manager.post("/schemas", document)
        manager.post("/indexes", {"path": f"{urn}:number"}).ok(202)
        manager.delete(f"/indexes?path={urn}:number").ok(204)
        assert manager.get("/archive").status == 200
        manager.send("POST", f"/webhooks/{hook['id']}/rotation").ok()
        manager.delete(f"/schemas/{urn}").ok(204)
        apart.administer(lambda installation: installation.schemas.add(name, [document]))
        record = manager.at("/manage/tenants/_operator").get("/audit", limit=30).ok()["entries"]
    marks = [item for item in record if item.get("after", {}).get("tenant") == name and not item["type"]][::-1]
    assert [(item["action"], item["after"]) for item in marks] == [
        ("schema.changed", {"tenant": name, "documents": [f"schema {urn.lower()}", "type User"]}),
        ("index.declared", {"tenant": name, "type": "User", "path": f"{urn}:number"}),
        ("index.dropped", {"tenant": name, "type": "User", "path": f"{urn}:number"}),
        ("tenant.exported", {"tenant": name, "changes": False}),
        ("webhookSubscription.rotated", {"tenant": name, "subscription": hook["id"]}),
        ("schema.removed", {"tenant": name, "schema": urn}),
        ("schema.changed", {"tenant": name, "documents": [f"schema {urn.lower()}", "type User"]}),
    ]
    assert marks[0]["requestId"] == first.headers["x-request-id"]
    assert [item["actor"] == "cli" for item in marks] == [False] * 6 + [True]
    assert first.status == 200


def test_the_record_is_filtered_by_connection_and_request(apart, client):
    made = client.post("/Users", user())
    client.new_user()
    with apart.client("/manage", apart.operator_token()) as manager:
        path = f"/tenants/{tenant_of(client)}/audit"
        assert len(manager.get(path, connection="default").ok()["entries"]) == 2
        assert manager.get(path, connection="okta").ok()["entries"] == []
        (entry,) = manager.get(path, request=made.headers["x-request-id"]).ok()["entries"]
        assert entry["id"] == made.json["id"]


def test_the_record_can_be_read_through_the_api(apart, client):
    client.new_user(userName="ada")
    operator = apart.client("/manage", apart.operator_token())
    name = tenant_of(client)
    (entry,) = operator.get(f"/tenants/{name}/audit", action="create").ok()["entries"]
    assert entry["after"]["userName"] == "ada"
    assert operator.get(f"/tenants/{name}/audit/export").body.count(b"\n") == 1
    chains = operator.get(f"/tenants/{name}/audit/verification").ok()["chains"]
    assert all(chain["problems"] == [] for chain in chains)
    for number in range(4):
        client.new_user(userName=f"user{number}")
    pages, before = [], 0
    while before is not None:
        page = operator.get(f"/tenants/{name}/audit", limit=2, before=before).ok()
        pages.append([item["after"]["userName"] for item in page["entries"]])
        before = page.get("before")
    assert pages == [["user3", "user2"], ["user1", "user0"], ["ada"]]
    assert operator.get(f"/tenants/{name}/audit", since="yesterday").status == 400
    day = entry["at"][:10]
    assert operator.get(f"/tenants/{name}/audit", until=day).ok()["entries"] == []
    assert len(operator.get(f"/tenants/{name}/audit", since=day).ok()["entries"]) == 5
    assert operator.get("/tenants/nobody/audit").status == 404
    erasures = f"/tenants/{name}/audit/erasures"
    assert operator.post(erasures, {"id": entry["id"]}).error == (409, None)
    client.delete(f"/Users/{entry['id']}").ok(204)
    assert operator.post(erasures, {"id": entry["id"]}).ok() == {"erased": 2}
    assert operator.get(f"/tenants/{name}/audit", limit="0").status == 400
    scoped = [{"type": "Audit", "operations": ["read"], "filter": f'tenant eq "{name}"'}]
    auditor = operator.with_token(apart.operator_token(scopes=scoped))
    auditor.get(f"/tenants/{name}/audit").ok()
    assert auditor.post(erasures, {"id": entry["id"]}).status == 403
    assert auditor.get(f"/tenants/{name}/requests").status == 403
    other = apart.new_tenant()
    assert auditor.get(f"/tenants/{tenant_of(other)}/audit").status == 404
    assert client.at("/manage").get(f"/tenants/{name}/audit").status == 401
    other.close()
    operator.close()


def test_a_tenant_that_is_not_there_has_no_record(apart):
    """The export as well says so before it begins."""
    with apart.client("/manage", apart.operator_token()) as manager:
        for path in ("", "/export", "/verification"):
            assert manager.get(f"/tenants/nobody/audit{path}").error == (404, None)
