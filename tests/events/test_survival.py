"""Whatever is killed in the middle: the receiver has every event, in order for each resource, none lost."""

import threading
import time
from contextlib import ExitStack, suppress
from functools import partial
from http.client import HTTPException

import pytest

from events.deliveries import lines_of, worker
from headcount.testing.postgresql import free_port
from processes import eventually, server
from receiver import running_receiver
from serving import PATCH_OP, Client, user
from torture.deployments import administer, kill, new_tenant

PEOPLE = 1_000
WRITERS = 8
CHANGES = 9
"""After the creation, of everybody: 10,000 events in all."""


class Writing(threading.Thread):
    """Ten writes to each of a share, in requests of all of them; what fails is sent again, and changes nothing twice."""

    def __init__(self, client, number):
        super().__init__()
        self._client = client.apart()
        self._share = range(number, PEOPLE, WRITERS)

    def run(self):
        names = [f"person{number}" for number in self._share]
        self._until_done("POST", [("/Users", user(userName=name)) for name in names])
        found = self._client.get("/Users", count=PEOPLE).ok()["Resources"]
        ids = [item["id"] for item in found if item["userName"] in names]
        for change in range(CHANGES):
            body = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "title", "value": str(change)}]}
            self._until_done("PATCH", [(f"/Users/{person}", body) for person in ids])
        self._client.close()

    def _until_done(self, method, writes):
        operations = [
            {"method": method, "bulkId": str(number), "path": path, "data": body}
            for number, (path, body) in enumerate(writes)
        ]
        while not self._is_done(operations):
            self._client.close()
            time.sleep(0.05)

    def _is_done(self, operations):
        with suppress(OSError, HTTPException):
            answer = self._client.bulk(*operations)
            if answer.status == 200:
                return all(item["status"] in ("200", "201", "409") for item in answer.json["Operations"])
        return False


def log_of(database):
    """Every event that there is, by its id: its resource and position."""

    async def read(installation):
        store = installation.store.for_tenant("acme")
        while await store.sequence_changes():
            pass
        rows, after = [], 0
        while page := await store.changes_after(after, limit=1000):
            rows += page
            after = page[-1].position
        return {f"acme.{row.position}": (row.id, row.position) for row in rows}

    return administer(database, read)


@pytest.mark.timeout(240)
def test_ten_thousand_events_survive_every_crash(tmp_path, postgresql):
    database = postgresql.create_database("survival")
    token = new_tenant(database)
    ports = {"server": str(free_port()), "receiver": free_port()}
    settings = {
        "HEADCOUNT_DATABASE": database,
        "HEADCOUNT_PRIVATE_NETWORKS": "127.0.0.0/8",
        "HEADCOUNT_WEBHOOK_TIMEOUT": "1",
    }

    async def subscribe(installation):
        url = f"http://127.0.0.1:{ports['receiver']}/hooks"
        await installation.webhooks.create("acme", "test", url, batchSize=10)

    administer(database, subscribe)
    with ExitStack() as stack:
        start_server = partial(server, tmp_path, "--port", ports["server"], settings=settings)
        start_worker = partial(worker, tmp_path, settings)
        start_receiver = partial(running_receiver, tmp_path / "receiver", ports["receiver"])
        serving, working, receiver = (
            stack.enter_context(start()) for start in (start_server, start_worker, start_receiver)
        )
        client = Client(serving.url, "/t/acme/scim/v2", token)
        writing = [Writing(client, number) for number in range(WRITERS)]
        for writer in writing:
            writer.start()

        def wait_for(requests):
            eventually(lambda: lines_of(receiver) >= requests, 90)

        wait_for(50)
        kill(working.pid)
        stack.enter_context(start_worker())
        wait_for(150)
        kill(receiver.process.pid)
        receiver = stack.enter_context(start_receiver())
        wait_for(300)
        postgresql.kill()
        postgresql.start()
        wait_for(450)
        kill(serving.process.pid)
        stack.enter_context(start_server())
        for writer in writing:
            writer.join()
        expected = log_of(database)
        assert len(expected) == PEOPLE * (1 + CHANGES)
        arrived = {}
        eventually(lambda: arrived.update(_first_arrivals(receiver)) or len(arrived) >= len(expected), 90)
    assert arrived.keys() == expected.keys(), "every event, and nothing else"
    latest = {}
    for event in arrived:
        resource, position = expected[event]
        assert position > latest.get(resource, 0), "in order for each resource"
        latest[resource] = position


def _first_arrivals(receiver):
    """Events by id in the order they came first; those that came again are the same, to the byte."""
    arrived = {}
    for event in receiver.events:
        assert arrived.setdefault(event["data"]["id"], event) == event
    return arrived
