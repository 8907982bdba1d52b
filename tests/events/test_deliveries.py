"""What becomes of deliveries that fail for long, of those that are many, and what tells a true one from a forged one."""

import base64
import hashlib
import hmac
import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from events.deliveries import lines_of, worker
from headcount.client import ForgedError, verify_webhook
from headcount.directory.retention import forget
from headcount.directory.webhooks import SECRETS
from headcount.events.delivery.retries import PAUSES, instant_in, pause_after
from headcount.events.webhooks.subscription import LOCKED, PROGRESS, TROUBLE
from headcount.scim.errors import NotFoundError
from headcount.store.keeping import Put
from headcount.testing.store_contract.examples import USER, create
from processes import eventually
from receiver import running_receiver
from serving import tenant_of
from torture.deployments import administer, new_tenant

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def subscribe(hooked, client, receiver, **settings):
    """The id of a receiver's subscription."""
    tenant = tenant_of(client)
    made = hooked.administer(
        lambda installation: installation.webhooks.create(tenant, "test", receiver.url, **settings)
    )
    return made["id"]


def store_of(hooked, client, action):
    """The result of an action on what a tenant keeps."""
    return hooked.administer(lambda installation: action(installation.store.for_tenant(tenant_of(client))))


def test_pauses_grow_to_a_day_and_are_jittered():
    pauses = [pause_after(attempts) for attempts in range(1, len(PAUSES) + 1)]
    assert all(0.8 * middle <= pause <= 1.2 * middle for pause, middle in zip(pauses, PAUSES, strict=True))
    assert 0.8 * 86_400 < sum(PAUSES) < 1.2 * 86_400
    assert len({pause_after(len(PAUSES)) for _ in range(20)}) > 1
    assert pause_after(len(PAUSES) + 1) is None


def test_what_follows_a_parked_event_tells_of_the_gap(hooked, client, receiver):
    """The attempts of a day are made up: whoever takes a task and loses it has tried."""
    subscription = subscribe(hooked, client, receiver, events=["user.*"])
    receiver.answer(500)
    ada = client.new_user(userName="ada")
    queue = f"webhook {subscription}"
    eventually(lambda: receiver.requests)

    async def try_for_a_day(store):
        for _ in PAUSES:
            await store.take(queue, "somebody", now="9999", until=instant_in(-1))

    store_of(hooked, client, try_for_a_day)
    parked = eventually(lambda: hooked.administer(lambda installation: installation.webhooks.parked(subscription)))
    assert [(task["type"], task["reason"]) for task in parked] == [("user.created", "500: ok")]
    receiver.answer(200)
    for title in ("a", "b"):
        client.patch(f"/Users/{ada['id']}", {"op": "replace", "path": "title", "value": title})
    bob = client.new_user()
    told = eventually(lambda: len(receiver.events) == 3 and receiver.events)
    marks = [(event["data"]["resource"]["id"], event["data"].get("gapBefore", False)) for event in told]
    assert [mark for person, mark in marks if person == ada["id"]] == [True, False], "until one has told of it"
    assert (bob["id"], False) in marks
    assert hooked.administer(lambda installation: installation.webhooks.redeliver(subscription)) == 1
    again = eventually(lambda: len(receiver.events) == 4 and receiver.events[-1])
    assert (again["type"], again["data"]["resource"]["version"]) == ("user.created", 1)


def test_an_endpoint_that_is_dead_for_days_is_disabled(hooked, client, receiver):
    subscription = subscribe(hooked, client, receiver)
    receiver.answer(503)

    async def since(store, days):
        began = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        await store.put([Put(TROUBLE, subscription, began.encode())])

    def shown():
        return hooked.administer(lambda installation: installation.webhooks.get(subscription))

    store_of(hooked, client, lambda store: since(store, 2.9))
    client.new_user()
    eventually(lambda: receiver.requests)
    assert shown()["active"] is True
    store_of(hooked, client, lambda store: since(store, 3.1))
    client.new_user()
    eventually(lambda: not shown()["active"])
    assert shown()["disabledReason"].startswith("nothing could be delivered since")
    eventually(lambda: "webhook_disabled" in hooked.log.read_text())


def test_success_forgets_that_deliveries_failed(hooked, client, receiver):
    subscription = subscribe(hooked, client, receiver)
    store_of(hooked, client, lambda store: store.put([Put(TROUBLE, subscription, b"2026-01-01T00:00:00+00:00")]))
    client.new_user()
    eventually(lambda: receiver.events)

    async def trouble(store):
        return await store.entry(TROUBLE, subscription)

    eventually(lambda: store_of(hooked, client, trouble) is None)


def test_workers_share_the_work_and_deliver_nothing_twice(tmp_path, receiver):
    database = f"sqlite:///{tmp_path / 'headcount.db'}"
    new_tenant(database)
    settings = {"HEADCOUNT_DATABASE": database, "HEADCOUNT_PRIVATE_NETWORKS": "127.0.0.0/8"}

    async def write(installation):
        made = await installation.webhooks.create("acme", "test", receiver.url)
        store = installation.store.for_tenant("acme")
        for number in range(200):
            await store.mark("change.held", b'{"number":%d}' % number, at=instant_in(0), actor="a", request_id="r")
        await installation.webhooks.test(made["id"])

    administer(database, write)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(worker(tmp_path, settings))
        eventually(lambda: len(receiver.requests) >= 201)
    ids = [request["headers"]["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 201
    numbers = [event["data"]["after"]["number"] for event in receiver.events if event["type"] == "change.held"]
    assert numbers == list(range(200)), "marks of a tenant are in order among themselves"


def test_a_worker_that_is_told_to_stop_leaves_nothing_to_deliver_again(tmp_path, receiver):
    """Three workers, one after the other, each stopped while it delivers; nobody waits for what another one held."""
    database = f"sqlite:///{tmp_path / 'headcount.db'}"
    new_tenant(database)
    settings = {"HEADCOUNT_DATABASE": database, "HEADCOUNT_PRIVATE_NETWORKS": "127.0.0.0/8"}

    async def write(installation):
        await installation.webhooks.create("acme", "test", receiver.url)
        store = installation.store.for_tenant("acme")
        await store.write_many([create(USER, f"u{number}") for number in range(1_500)])

    administer(database, write)
    for part in range(1, 4):
        with worker(tmp_path, settings):
            eventually(lambda part=part: lines_of(receiver) >= part * 300)
    with worker(tmp_path, settings):
        eventually(lambda: lines_of(receiver) >= 1_500, 20)
    ids = [request["headers"]["webhook-id"] for request in receiver.requests]
    assert len(ids) == len(set(ids)) == 1_500


def test_a_dead_endpoint_costs_the_others_nothing_and_lock_outs_overtake(hooked, client, receiver, tmp_path):
    with running_receiver(tmp_path / "dead") as dead:
        dead.process.kill()
        subscribe(hooked, client, dead)
    subscribe(hooked, client, receiver, batchSize=50)
    people = [client.new_user()["id"] for _ in range(20)]
    eventually(lambda: len(receiver.events) == 20)
    receiver.answer(503, only='"type":"user.updated"')
    for person in people:
        client.patch(f"/Users/{person}", {"op": "replace", "path": "title", "value": "x"})
    for person in people[:3]:
        client.patch(f"/Users/{person}", {"op": "replace", "path": "active", "value": False})
    locked = eventually(lambda: (found := _locked(receiver)) and len(found) == 3 and found)
    assert {event["data"]["resource"]["id"] for event in locked} == set(people[:3])
    assert not [event for event in receiver.events if event["type"] == "user.deactivated"], "what is in order waits"

    def proven():
        shown = hooked.administer(lambda installation: installation.lock_outs.show(tenant_of(client), people[0]))
        return sorted(bool(told["acknowledged"]) for told in shown["subscriptions"])

    eventually(lambda: proven() == [False, True])


def test_no_more_is_queued_for_an_endpoint_than_it_takes(hooked, client, receiver):
    """The log keeps the rest; lock-outs are queued all the same, and what is new when it takes something again."""
    subscription = subscribe(hooked, client, receiver)
    receiver.answer(503)
    boss = client.new_user()["id"]
    eventually(lambda: receiver.requests)

    async def write(store):
        await store.write_many([create(USER, f"u{number}") for number in range(1_500)])

    async def queued(store):
        return [await store.queued(f"{name} {subscription}") for name in ("webhook", "lockout")]

    store_of(hooked, client, write)
    eventually(lambda: store_of(hooked, client, queued)[0] > 90)
    client.patch(f"/Users/{boss}", {"op": "replace", "path": "active", "value": False})
    eventually(lambda: store_of(hooked, client, queued)[1] == 1)
    assert store_of(hooked, client, queued)[0] < 250


def _locked(receiver):
    return [event for event in receiver.events if event["type"] == "user.lockedOut"]


def test_a_filter_that_somebody_leaves_locks_nobody_out(hooked, client, receiver):
    subscribe(hooked, client, receiver, filter='title eq "Boss"')
    ada, eve = (client.new_user(title="Boss")["id"] for _ in range(2))
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": "Worker"})
    client.patch(f"/Users/{eve}", {"op": "replace", "path": "active", "value": False})
    told = eventually(lambda: len(receiver.events) == 5 and receiver.events)
    assert sorted((event["type"], event["data"]["resource"]["id"]) for event in told) == sorted(
        [
            ("user.created", ada),
            ("user.created", eve),
            ("user.deleted", ada),
            ("user.deactivated", eve),
            ("user.lockedOut", eve),
        ]
    )


def test_a_proof_tells_when_a_consumer_first_came_so_far(hooked, client):
    ada = client.new_user()["id"]
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "active", "value": False})
    feed = client.at(f"/t/{tenant_of(client)}/events")

    def acknowledged():
        shown = hooked.administer(lambda installation: installation.lock_outs.show(tenant_of(client), ada))
        return {told["consumer"]: told["acknowledged"] for told in shown["consumers"]}

    feed.post("/ack", {"consumer": "slow", "position": feed.get("").ok()["events"][0]["data"]["position"]}).ok(204)
    feed.post("/ack", {"consumer": "quick", "position": feed.get("").ok()["next"]}).ok(204)
    first = acknowledged()
    assert first["slow"] is None
    assert first["quick"] is not None
    client.new_user()
    feed.post("/ack", {"consumer": "quick", "position": feed.get("").ok()["next"]}).ok(204)
    assert acknowledged() == first
    feed.post("/ack", {"consumer": "slow", "position": None}).ok(204)
    assert acknowledged().keys() == {"quick"}


def test_an_endpoint_that_was_shut_for_longer_than_the_log_is_kept_is_told(hooked, client, receiver):
    subscription = subscribe(hooked, client, receiver, active=False)
    operator = hooked.client("/scim/v2", hooked.operator_token())
    path = f"/WebhookSubscriptions/{subscription}"
    client.new_user()
    store_of(hooked, client, lambda store: store.sequence_changes())
    store_of(hooked, client, lambda store: store.forget_changes("9999"))
    last = client.new_user()["id"]
    operator.patch(path, {"op": "replace", "path": "active", "value": True}).ok()
    operator.close()
    told = eventually(lambda: len(receiver.events) >= 2 and receiver.events)
    kinds = {event["type"]: event["data"].get("resource", {}).get("id") for event in told}
    assert kinds == {"snapshot.needed": None, "user.created": last}


def test_a_subscription_tells_no_more_than_its_scopes_and_its_tenant(hooked, client, receiver):
    scopes = [{"type": "User", "operations": ["read"], "readable": ["userName"], "filter": 'userName sw "a"'}]
    subscribe(hooked, client, receiver, scopes=scopes)
    stranger = hooked.new_tenant()
    stranger.new_user(userName="alien")
    stranger.close()
    client.new_user(userName="bob")
    ada = client.new_user(userName="ada", title="secret")["id"]
    client.new_group(ada, displayName="secret")
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": "secret too"})
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "userName", "value": "amy"})
    client.delete(f"/Users/{ada}").ok(204)
    told = eventually(lambda: len(receiver.events) == 4 and receiver.events)
    assert {event["type"] for event in told} == {"user.created", "user.updated", "user.deleted", "user.lockedOut"}
    assert {event["data"]["resource"]["id"] for event in told} == {ada}
    assert "secret" not in json.dumps(receiver.requests)
    updated = next(event["data"] for event in told if event["type"] == "user.updated")
    assert (updated["previous"]["userName"], updated["after"]["userName"]) == ("ada", "amy")


def test_a_subscription_tells_of_members_within_its_fence(hooked, client, receiver):
    ada, bob = (client.new_user(userName=name)["id"] for name in ("ada", "bob"))
    team = client.new_group(ada, bob)["id"]
    scopes = [
        {"type": "User", "operations": ["read"], "filter": 'userName sw "a"'},
        {"type": "Group", "operations": ["read"]},
    ]
    subscribe(hooked, client, receiver, scopes=scopes)
    client.patch(f"/Groups/{team}", {"op": "remove", "path": "members"})
    client.patch(f"/Groups/{team}", {"op": "add", "path": "members", "value": [{"value": ada}, {"value": bob}]})
    eventually(lambda: len(receiver.events) == 2)  # who is seen is asked when it is told
    client.patch(f"/Users/{bob}", {"op": "replace", "path": "userName", "value": "alf"})
    told = eventually(lambda: len(receiver.events) == 4 and [event["data"] for event in receiver.events])
    moves = [(data["added"], data["removed"]) for data in told if data["resource"]["id"] == team]
    assert moves == [([], [ada]), ([ada], []), ([bob], [])]


def test_proofs_are_kept_for_as_long_as_the_log(hooked, client, receiver):
    subscribe(hooked, client, receiver)
    ada = client.new_user()["id"]
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "active", "value": False})
    eventually(lambda: _locked(receiver))
    eventually(lambda: store_of(hooked, client, lambda store: store.lines(LOCKED)))

    async def pass_by(installation, days):
        await forget(installation.tenants, installation.store, installation.audit, days)
        return len(await installation.store.for_tenant(tenant_of(client)).lines(LOCKED))

    assert hooked.administer(lambda installation: pass_by(installation, 1)) == 1
    assert hooked.administer(lambda installation: pass_by(installation, -1)) == 0
    with pytest.raises(NotFoundError):
        hooked.administer(lambda installation: installation.lock_outs.show(tenant_of(client), ada))


def test_lock_outs_are_found_by_id_and_by_every_name(hooked, client):
    ada = client.new_user(userName="Ada@Example.com")["id"]
    client.delete(f"/Users/{ada}").ok(204)
    bob, eve = (client.new_user(userName=name)["id"] for name in ("bob", "eve"))
    client.patch(f"/Users/{bob}", {"op": "replace", "path": "active", "value": False})
    client.patch(f"/Users/{bob}", {"op": "replace", "path": "userName", "value": "rob"})
    client.patch(f"/Users/{bob}", {"op": "replace", "path": "active", "value": True})
    client.new_user(userName="ada@example.com")

    def shown(user):
        return hooked.administer(lambda installation: installation.lock_outs.show(tenant_of(client), user))

    for name, user, event in [
        (ada, ada, "user.deleted"),
        ("ADA@example.com", ada, "user.deleted"),  # somebody else has the name now, who was never locked out
        (bob, bob, "user.deactivated"),
        ("ROB", bob, "user.deactivated"),
        ("bob", bob, "user.deactivated"),
    ]:
        assert (shown(name)["user"], shown(name)["event"]) == (user, event), name
    for unknown in (eve, "eve", "nobody"):
        with pytest.raises(NotFoundError):
            shown(unknown)


def test_a_subscription_that_is_deleted_leaves_nothing(hooked, client, receiver):
    subscription = subscribe(hooked, client, receiver)
    receiver.answer(500)
    ada = client.new_user()["id"]
    eventually(lambda: receiver.requests)
    for title in ("a", "b"):
        client.patch(f"/Users/{ada}", {"op": "replace", "path": "title", "value": title})
    client.patch(f"/Users/{ada}", {"op": "replace", "path": "active", "value": False})
    queues = [f"webhook {subscription}", f"lockout {subscription}"]

    async def kept(store):
        entries = [entry for name in (PROGRESS, TROUBLE) for entry in await store.entries(name, prefix=subscription)]
        return [await store.queued(queue) for queue in queues], len(entries)

    eventually(lambda: store_of(hooked, client, kept)[0] == [4, 1])
    operator = hooked.client("/scim/v2", hooked.operator_token())
    operator.delete(f"/WebhookSubscriptions/{subscription}").ok(204)
    operator.close()
    eventually(lambda: store_of(hooked, client, kept) == ([0, 0], 0))

    async def secret(installation):
        return await installation.operator.store.entry(SECRETS, subscription)

    assert hooked.administer(secret) is None


def signed_by_hand(body, *, secret=SECRET, at=None, message="msg_1"):
    """The headers of a request, made as Standard Webhooks describes them."""
    moment = str(int((at or datetime.now(UTC)).timestamp()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message}.{moment}.".encode() + body, hashlib.sha256).digest()
    return {
        "Webhook-Id": message,
        "Webhook-Timestamp": moment,
        "Webhook-Signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def test_the_verifier_knows_what_was_signed_by_hand():
    body = json.dumps({"type": "user.created", "data": {"id": "acme.1"}}).encode()
    headers = signed_by_hand(body)
    assert verify_webhook(body, headers, SECRET)["data"] == {"id": "acme.1"}
    assert verify_webhook(body, {name.lower(): value for name, value in headers.items()}, SECRET)["type"]
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    both = {
        **headers,
        "Webhook-Signature": f"{signed_by_hand(body, secret=other)['Webhook-Signature']} "
        + headers["Webhook-Signature"],
    }
    assert verify_webhook(body, both, SECRET), "while a secret is rotated there are two"


@pytest.mark.parametrize(
    "change",
    [
        lambda body, headers: (body + b" ", headers),
        lambda body, headers: (body, {**headers, "Webhook-Id": "msg_2"}),
        lambda body, headers: (body, {**headers, "Webhook-Timestamp": "1"}),
        lambda body, headers: (body, {**headers, "Webhook-Signature": "v1,AAAA"}),
        lambda body, headers: (body, {**headers, "Webhook-Signature": "nonsense"}),
        lambda body, headers: (body, {}),
        lambda body, _: (body, signed_by_hand(body, secret="whsec_" + base64.b64encode(b"x" * 32).decode())),
        lambda body, _: (body, signed_by_hand(body, at=datetime.now(UTC) - timedelta(minutes=6))),
        lambda _, headers: (b"\xff", headers),
    ],
)  # fmt: skip
def test_the_verifier_refuses_everything_else(change):
    body = b'{"type":"user.created"}'
    changed, headers = change(body, signed_by_hand(body))
    with pytest.raises(ForgedError):
        verify_webhook(changed, headers, SECRET)
