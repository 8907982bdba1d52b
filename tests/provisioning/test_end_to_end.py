"""Real parts from end to end: commands as processes, Headcount as the target, PostgreSQL as the ledger's database."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from headcount.provisioning.ledger import Ledger
from headcount.testing.postgresql import temporary_postgresql
from headcount.testing.simulated_target import Habits, SimulatedTarget
from processes import environment, run
from serving import tenant_of
from syncing import COLUMNS, World, briefly, done, groups_at, people_at, person

JOB = """
name: hr
tenant: {tenant}
source: {{type: csv, path: people.csv, key: number}}
mappings:
  userName: record.email
  title: record.title
groups: {{from: attribute, attribute: teams, separator: ";"}}
targets:
  app:
    type: scim
    url: "{url}"
    pack: headcount
    concurrency: 2
    authentication: {{bearer: "${{APP_TOKEN}}"}}
"""


class Desk:
    """A folder from which an administrator calls commands."""

    def __init__(self, folder, server, client):
        self.folder, self.client = folder, client
        self.settings = {"HEADCOUNT_DATABASE": f"sqlite:///{server.database}", "APP_TOKEN": client.token}
        (folder / "hr.yaml").write_text(JOB.format(tenant=tenant_of(client), url=client.base_url), "utf-8")

    def write(self, people):
        with (self.folder / "people.csv").open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, COLUMNS)
            writer.writeheader()
            writer.writerows(people)

    def start(self, *arguments):
        command = [sys.executable, "-m", "headcount", "sync", *arguments, "--json"]
        options = {"cwd": self.folder, "env": environment(**self.settings), "text": True}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def call(self, *arguments, code=0):
        """What a command says, once it has ended with this exit code."""
        done = run(self.folder, "sync", *arguments, "--json", settings=self.settings)
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def accounts(self):
        found = self.client.get("/Users", count=1000).ok()["Resources"]
        return {user["userName"]: (user["active"], user.get("title")) for user in found}


@pytest.fixture
def desk(tmp_path, server):
    with server.new_tenant() as client:
        yield Desk(tmp_path, server, client)


async def end_lease(installation, tenant):
    """What time does as well: a dead machine's lease ends. It is held by the run."""
    store = installation.store.for_tenant(tenant)
    state = await Ledger(store, "hr", "app").state()
    await store.release("sync/hr/app", state.run)


def test_a_command_that_is_killed_is_resumed_where_it_stood(desk, server):
    people = [person(number, teams="All") for number in range(200)]
    desk.write(people)
    process = desk.start("run", "hr.yaml")
    deadline = time.monotonic() + 60
    while len(desk.accounts()) < 40:
        assert time.monotonic() < deadline
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(desk.accounts()) < 200
    server.administer(lambda installation: end_lease(installation, tenant_of(desk.client)))

    report = desk.call("resume", "hr.yaml")["targets"][0]
    assert report["problems"] == []
    assert report["applied"]["actions"] == {"create": 201}
    assert desk.accounts() == {f"p{number}@example.com": (True, "Employee") for number in range(200)}
    group = desk.client.get("/Groups").ok()["Resources"]
    assert [len(one["members"]) for one in group] == [200]
    assert desk.call("plan", "hr.yaml")["targets"][0]["plan"]["changes"] == []
    assert desk.call("runs", "hr.yaml")[0]["kind"] == "resume"


def test_from_a_file_into_headcount(desk):
    desk.write([person(number) for number in range(1, 8)])
    assert desk.call("run", "hr.yaml")["targets"][0]["applied"]["actions"] == {"create": 8}
    people = [person(number) for number in range(2, 9)]
    people[0] |= {"title": "Senior", "email": "renamed@example.com"}
    desk.write(people)
    planned = desk.call("plan", "hr.yaml", code=2)
    actions = desk.call("apply", planned["plan"])["targets"][0]["applied"]["actions"]
    assert actions == {"create": 1, "update": 1, "deactivate": 1, "members": 1}
    accounts = desk.accounts()
    assert accounts["p1@example.com"] == (False, "Employee")
    assert accounts["renamed@example.com"] == (True, "Senior")
    assert "p2@example.com" not in accounts
    desk.write([person(1), *people])
    assert desk.call("run", "hr.yaml")["targets"][0]["applied"]["actions"] == {"reactivate": 1, "members": 1}
    assert desk.accounts()["p1@example.com"] == (True, "Employee")
    assert desk.call("plan", "hr.yaml")["plan"] is None


@pytest.fixture(scope="module")
def postgresql():
    with temporary_postgresql(settings={"fsync": "off"}) as running:  # no machine crashes here
        yield running.create_database("sync")


def test_the_ledger_in_a_postgresql(tmp_path, postgresql):
    with SimulatedTarget(Habits(lost_responses=0.1), seed=3).running() as target:
        world = World(tmp_path, database=postgresql)
        world.describe(target.url)
        staff = [person(number, manager="1" if number > 1 else "") for number in range(1, 30)]
        world.write(*staff)
        assert done(world.run()) == {"create": 30, "update": 28}
        world.write(*[dict(one, title="Senior") if one["number"] == "3" else one for one in staff[:-1]])
        assert briefly(world.plan().changes) == [("deactivate", "29"), ("members", "teams=All"), ("update", "3")]
        assert done(world.run()) == {"deactivate": 1, "members": 1, "update": 1}
        assert people_at(target)["p3@example.com"] == (True, "Senior")
        assert groups_at(target)["All"] == {f"p{number}@example.com" for number in range(1, 29)}
        assert world.plan().changes == ()
