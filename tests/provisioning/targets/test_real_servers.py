"""Against servers that are not simulated: Headcount itself, and scim2-server."""

import threading
from contextlib import contextmanager
from dataclasses import replace
from socket import socket

import pytest
import uvicorn
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_provider

from headcount.provisioning.plan import Action
from headcount.provisioning.targets.authentication import Bearer
from headcount.provisioning.targets.capabilities import Paging
from headcount.provisioning.targets.steps import Conflict, Done, Gone, Moved, Refused
from simulated import carry_out, joiner, leaver, member_ids, new_group, person, regroup, run, update

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class _Server(uvicorn.Server):
    def __init__(self, config):
        super().__init__(config)
        self.is_ready = threading.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.is_ready.set()


@contextmanager
def scim2_server():
    """The reference server of the python-scim project over HTTP."""
    application = ASGIApplication(AsyncInMemoryStorage(), load_default_provider())
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = _Server(uvicorn.Config(application, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        assert server.is_ready.wait(20)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v2"
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def reference():
    with scim2_server() as url:
        yield {"url": url}


@pytest.fixture(scope="module", params=["headcount", "headcount, pack unknown", "scim2-server"])
def real(request, server, reference):
    """What a target needs to reach a real server: (options of `run`)."""
    if request.param == "scim2-server":
        return reference
    client = server.new_tenant("strict")
    client.close()
    pack = "headcount" if request.param == "headcount" else "generic"
    return {"url": client.base_url, "authentication": Bearer(client.token), "pack": pack}


def test_a_whole_life_of_people_and_a_group(real):
    people = [person(**{ENTERPRISE: {"department": "IT"}}) for _ in range(6)]

    async def life(target):
        outcomes = await target.carry_out_together([joiner(somebody) for somebody in people])
        ids = [outcome.target_id for outcome in outcomes]
        boss = update(
            ids[0],
            ("displayName", people[0]["displayName"], "The Boss"),
            ('emails[type eq "work"].value', people[0]["userName"], "boss@example.com"),
            ('phoneNumbers[type eq "work"].value', None, "+39 06 1234"),
            (f"{ENTERPRISE}:department", "IT", None),
        )
        report = update(ids[1], (f"{ENTERPRISE}:manager", None, {"value": ids[0]}))
        group = await target.carry_out(new_group(f"Staff {ids[0]}", *ids[:4]))
        outcomes += [group, await target.carry_out(boss), await target.carry_out(report)]
        outcomes.append(await target.carry_out(regroup(group.target_id, ids[4:], ids[:2])))
        outcomes.append(await target.carry_out(leaver(ids[2], Action.DEACTIVATE)))
        outcomes.append(await target.carry_out(leaver(ids[3], expected={"userName": people[3]["userName"]})))
        found = [await target.find("User", "userName", somebody["userName"].upper()) for somebody in people]
        return (
            ids,
            outcomes,
            await target.get("Group", group.target_id),
            [await target.get("User", i) for i in ids],
            found,
        )

    ids, outcomes, group, users, found = run(action=life, **real)

    assert [type(outcome) for outcome in outcomes] == [Done] * 12
    assert {*ids[2:3], *ids[4:]} <= member_ids(group.resource)
    assert not {*ids[:2]} & member_ids(group.resource)
    assert users[0].resource["displayName"] == "The Boss"
    assert [item["value"] for item in users[0].resource["emails"]] == ["boss@example.com"]
    assert [item["value"] for item in users[0].resource["phoneNumbers"]] == ["+39 06 1234"]
    assert "department" not in users[0].resource.get(ENTERPRISE, {})
    assert users[1].resource[ENTERPRISE]["manager"]["value"] == ids[0]
    assert users[2].resource["active"] is False
    assert users[3] is None
    assert [[record.id for record in records] for records in found] == [[i] for i in ids[:3]] + [[]] + [
        [i] for i in ids[4:]
    ]


def test_a_taken_name_a_late_version_and_who_is_gone(real):
    somebody = person()

    async def action(target):
        created = await target.carry_out(joiner(somebody))
        twin = await target.carry_out(joiner({**somebody, "externalId": "twin"}))
        stale = update(created.target_id, ("title", None, "Boss"), version='W/"never"')
        moved = await target.carry_out(stale)
        await target.carry_out(leaver(created.target_id))
        return created, twin, moved, await target.carry_out(replace(stale, version=""))

    created, twin, moved, gone = run(action=action, **real)

    assert isinstance(twin, Conflict)
    assert [record.id for record in twin.candidates] == [created.target_id]
    assert isinstance(moved, Moved)
    assert isinstance(gone, Gone)


def test_a_list_is_read_to_its_end(real):
    async def action(target):
        made = [await target.carry_out(joiner()) for _ in range(7)]
        return {outcome.target_id for outcome in made}, [
            record.id async for record in target.everything("User", ["userName"])
        ]

    made, listed = run(action=action, override={"pageSize": 3}, **real)

    assert made <= set(listed)
    assert len(listed) == len(set(listed))


def test_both_are_seen_for_what_they_are(server, reference):
    client = server.new_tenant("strict")
    client.close()

    async def seen(target):
        return target.profile, target.findings

    ours, our_findings = run(client.base_url, seen, authentication=Bearer(client.token))
    theirs, their_findings = run(**reference, action=seen)

    assert (ours.paging, ours.etag, ours.bulk.supported, ours.page_size) == (Paging.CURSOR, True, True, 1000)
    assert (theirs.paging, theirs.users.patch, theirs.users.put, theirs.filters) == (Paging.INDEX, True, True, True)
    assert our_findings == their_findings == ()


def test_headcount_refuses_an_unknown_member_and_takes_the_others(server):
    client = server.new_tenant("strict")
    client.close()

    async def action(target):
        ids = [(await target.carry_out(joiner())).target_id for _ in range(9)]
        group = await target.carry_out(new_group("Staff"))
        outcome = await target.carry_out(
            regroup(group.target_id, [*ids[:4], "00000000-0000-7000-8000-000000000000", *ids[4:]])
        )
        return ids, outcome, await target.get("Group", group.target_id)

    ids, outcome, group = run(client.base_url, action, authentication=Bearer(client.token), pack="headcount")

    assert isinstance(outcome, Refused)
    assert set(outcome.so_far.added) == set(ids) == member_ids(group.resource)


def test_a_wrong_token_and_a_wrong_path_are_said_plainly(server):
    client = server.new_tenant("strict")
    client.close()

    wrong_token = carry_out(client.base_url, joiner(), authentication=Bearer("hc_wrong"), connects=False)
    wrong_path = carry_out(client.url, joiner(), authentication=Bearer(client.token), connects=False)

    assert "401" in wrong_token.reason
    assert isinstance(wrong_path, Refused)
    assert "404" in wrong_path.reason
