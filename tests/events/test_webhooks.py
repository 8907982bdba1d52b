"""Webhooks delivered by a real server to a real receiver."""

import base64
import hashlib
import hmac
import json
import time

from serving import tenant_of

WEBHOOK = "urn:headcount:params:scim:schemas:core:1.0:WebhookSubscription"


def until(condition, seconds=20):
    """Waits for something that another process does."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def subscribe(hooked, client, receiver, **settings):
    """The subscription of a receiver, once the server knows of it."""
    return hooked.administer(
        lambda installation: installation.webhooks.create(tenant_of(client), "test", receiver.url, **settings)
    )


def test_events_arrive_signed_and_in_order(hooked, client, receiver):
    made = subscribe(hooked, client, receiver)
    ada = client.new_user(userName="ada", password="correct horse")
    for title in ("a", "b", "c"):
        client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": title})
    client.delete(f"/Users/{ada['id']}").ok(204)
    ordered = until(lambda: [e for e in receiver.events if e["type"] != "user.lockedOut"][4:] and receiver.events)
    ordered = [event for event in ordered if event["type"] != "user.lockedOut"]
    assert [event["type"] for event in ordered] == ["user.created"] + ["user.updated"] * 3 + ["user.deleted"]
    assert [event["data"].get("after", {}).get("title") for event in ordered] == [None, "a", "b", "c", None]
    assert "correct horse" not in json.dumps(receiver.requests)
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    for request in receiver.requests:
        headers = request["headers"]
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}".encode()
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_a_lock_out_goes_ahead_and_is_proven(hooked, client, receiver):
    subscribe(hooked, client, receiver)
    ada = client.new_user(userName="ada")
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "active", "value": False})
    locked = until(lambda: [event for event in receiver.events if event["type"] == "user.lockedOut"])
    assert locked[0]["data"]["resource"] == {"type": "User", "id": ada["id"], "version": 2}

    def proof(installation):
        return installation.lock_outs.show(tenant_of(client), "ADA")

    shown = until(lambda: (found := hooked.administer(proof))["subscriptions"][0]["acknowledged"] and found)
    assert (shown["user"], shown["event"], shown["version"]) == (ada["id"], "user.deactivated", 2)
    assert shown["accepted"] < shown["subscriptions"][0]["acknowledged"]


def test_a_failing_event_holds_back_its_resource_alone(hooked, client, receiver):
    made = subscribe(hooked, client, receiver, events=["user.*"])
    ada = client.new_user(userName="ada")
    until(lambda: receiver.events)
    receiver.answer(500, only=ada["id"])
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "x"})
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "y"})
    bob = client.new_user(userName="bob")
    until(lambda: [event for event in receiver.events if event["data"]["resource"]["id"] == bob["id"]])
    failed = [request for request in receiver.requests if request["status"] == 500]
    assert {json.loads(request["body"])["data"]["after"]["title"] for request in failed} == {"x"}, "y waits behind x"
    receiver.answer(200)
    until(lambda: len(receiver.events) == 4)
    titles = [e["data"]["after"].get("title") for e in receiver.events if e["data"]["resource"]["id"] == ada["id"]]
    assert titles == [None, "x", "y"]
    ids = {request["headers"]["webhook-id"] for request in receiver.requests if '"title":"x"' in request["body"]}
    assert len(ids) >= 1
    tried = [r["headers"]["webhook-id"] for r in failed]
    assert len(set(tried)) == 1, "every attempt has the same id"
    attempts = hooked.administer(lambda installation: installation.webhooks.deliveries(made["id"]))
    assert {attempt["status"] for attempt in attempts} == {200, 500}


def test_types_filters_and_batches(hooked, client, receiver, tmp_path):
    subscribe(
        hooked,
        client,
        receiver,
        events=["user.created", "user.updated", "user.deleted"],
        filter='title eq "Boss"',
        batchSize=10,
    )
    ada = client.new_user(userName="ada")
    client.new_group()
    client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "title", "value": "Boss"})
    client.patch(f"/Users/{ada['id']}", {"op": "add", "path": "nickName", "value": "A"})
    client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": "Worker"})
    told = until(lambda: len(receiver.events) >= 3 and receiver.events)
    assert [(event["type"], event["data"].get("reason")) for event in told] == [
        ("user.created", "entered"),
        ("user.updated", None),
        ("user.deleted", "left"),
    ]


def test_a_rotated_secret_signs_along_with_the_one_before(hooked, client, receiver):
    made = subscribe(hooked, client, receiver)
    new = hooked.administer(lambda installation: installation.webhooks.rotate(made["id"]))
    assert new != made["secret"]
    hooked.administer(lambda installation: installation.webhooks.test(made["id"]))
    until(lambda: receiver.requests)
    (request,) = receiver.requests
    signatures = request["headers"]["webhook-signature"].split()
    signed = f"{request['headers']['webhook-id']}.{request['headers']['webhook-timestamp']}.{request['body']}".encode()
    for secret in (new, made["secret"]):
        key = base64.b64decode(secret.removeprefix("whsec_"))
        assert "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() in signatures
    assert json.loads(request["body"])["type"] == "webhook.test"


def test_redirects_are_not_followed(hooked, client, receiver):
    made = subscribe(hooked, client, receiver)
    receiver.answer(302)
    client.new_user()
    until(lambda: receiver.requests)
    attempts = until(lambda: hooked.administer(lambda installation: installation.webhooks.deliveries(made["id"])))
    assert attempts[0]["status"] == 302


def test_a_private_address_is_not_called_unless_it_is_allowed(server, new_tenant, receiver):
    client = new_tenant()
    made = subscribe(server, client, receiver)
    client.new_user()
    attempts = until(lambda: server.administer(lambda installation: installation.webhooks.deliveries(made["id"])))
    assert attempts[0]["status"] == 0
    assert "is not secured: give it as https://" in attempts[0]["answer"]
    assert receiver.requests == []


def test_a_range_is_sent_again_with_the_ids_it_had(hooked, client, receiver):
    made = subscribe(hooked, client, receiver)
    client.new_user()
    until(lambda: receiver.events)
    hooked.administer(lambda installation: installation.webhooks.send_again(made["id"], 0, 0))
    until(lambda: len(receiver.requests) == 2)
    first, second = receiver.requests
    assert first["headers"]["webhook-id"] == second["headers"]["webhook-id"]
    assert first["body"] == second["body"]


def test_the_api_manages_subscriptions_and_shows_no_secret_twice(hooked, client):
    operator = hooked.client("/scim/v2", hooked.operator_token())
    body = {"schemas": [WEBHOOK], "tenant": tenant_of(client), "name": "app", "url": "https://app.example.com/hooks"}
    made = operator.post("/WebhookSubscriptions", body).ok(201)
    assert made["secret"].startswith("whsec_")
    assert "secret" not in operator.get(f"/WebhookSubscriptions/{made['id']}").ok()
    assert operator.get("/WebhookSubscriptions", filter=f'tenant eq "{tenant_of(client)}"').ok()["totalResults"] == 1
    for wrong in ({"url": "ftp://x"}, {"url": "nothing"}, {"batchSize": 1000}, {"filter": "nonsense eq 1"}):
        assert operator.post("/WebhookSubscriptions", body | wrong).status == 400
    assert operator.post("/WebhookSubscriptions", body | {"tenant": "nobody"}).status == 404
    operator.delete(f"/WebhookSubscriptions/{made['id']}").ok(204)
    operator.close()
