"""Sync jobs under test: a folder with files and a database, a clock that tests set, and what became of it all."""

import asyncio
import csv
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from headcount.assembly import store_of
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.tenant import Limits
from headcount.directory.tenants import Tenants
from headcount.provisioning.connecting import connection_of
from headcount.provisioning.job_files import load_job
from headcount.provisioning.pairs import Options
from headcount.provisioning.runs import Run, Runs
from headcount.provisioning.sources.opening import Surroundings
from headcount.provisioning.synchronization import Synchronization
from headcount.provisioning.targets.client import Patience
from headcount.provisioning.targets.target import Target
from headcount.settings import Settings

JOB = """
name: hr
tenant: {tenant}
source: {source}
mappings:
  userName: record.email
  name.givenName: record.first
  name.familyName: record.last
  title: {{cel: record.title}}
  urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager: reference(record.manager)
groups: {groups}
{more}
targets:
{targets}
"""
CSV = "{type: csv, path: people.csv, key: number}"
TEAMS = '{from: attribute, attribute: teams, separator: ";"}'
COLUMNS = ("number", "email", "first", "last", "title", "manager", "teams")
HASTE = Patience(attempts=4, first_wait=0.0005, longest_wait=0.02)


def person(number, **values):
    """A row of the HR file."""
    return {
        "number": str(number),
        "email": f"p{number}@example.com",
        "first": f"First{number}",
        "last": f"Last{number}",
        "title": "Employee",
        "manager": "",
        "teams": "All",
        **values,
    }


def hasty_target(settings, environment):
    """A target as a job names it, whose retries take no time."""
    connection = connection_of(settings.url, settings.authentication, settings.connection, environment)
    return Target(replace(connection, patience=HASTE), settings.pack, {"settle": 0, **settings.capabilities})


class World:
    """A tenant with a job `hr` in a folder; its database may be that of a server."""

    def __init__(self, folder, *, database="", tenant="company"):
        self.folder = folder
        self.tenant = tenant
        self.settings = Settings(database=database or f"sqlite:///{folder / 'company.db'}")
        self.now = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
        self.text = ""
        self.environment = dict(os.environ)
        self.wrap = lambda store: store
        """What stands between the engine and its store."""
        asyncio.run(self._create())

    async def _create(self):
        async with self._opened() as (_, tenants):
            await tenants.create(self.tenant)

    @asynccontextmanager
    async def _opened(self):
        store = store_of(self.settings)
        await store.open()
        try:
            yield store, Tenants(store, OperatorResources(store, self.settings.public_url), Limits())
        finally:
            await store.close()

    def describe(self, *targets, source=CSV, groups=TEAMS, more=""):
        """Writes the job file; targets are URLs, or (name, YAML in braces)."""
        named = [
            (f"app{index or ''}", f'{{type: scim, url: "{one}"}}') if isinstance(one, str) else one
            for index, one in enumerate(targets)
        ]
        lines = "\n".join(f"  {name}: {text}" for name, text in named)
        self.text = JOB.format(tenant=self.tenant, source=source, groups=groups, more=more, targets=lines)
        (self.folder / "hr.yaml").write_text(self.text, "utf-8")

    def write(self, *people, name="people.csv", columns=COLUMNS):
        """Writes the HR file, at once."""
        beside = self.folder / f"{name}.new"
        with beside.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(people)
        beside.rename(self.folder / name)

    def later(self, **time):
        """Puts the clock forward."""
        self.now += timedelta(**time)

    def do(self, action):
        """What `action(runs)` gives."""

        async def within():
            async with self.runs() as runs:
                return await action(runs)

        return asyncio.run(within())

    @asynccontextmanager
    async def runs(self):
        """The runs of the job as its text is now."""
        async with self._opened() as (database, tenants):

            async def open_tenant(name):
                return database.for_tenant(name), await tenants.registry(name)

            store = self.wrap(database.for_tenant(self.tenant))
            around = Surroundings(self.folder, self.environment, self.tenant, open_tenant)
            yield Runs(load_job(self.text), store, around, clock=lambda: self.now, target_of=hasty_target)

    def command(self, action):
        """What `action(synchronization)` gives, as the command line has it."""

        async def within():
            async with self._opened() as (store, tenants):
                synchronization = Synchronization(store, tenants, environment=self.environment, now=lambda: self.now)
                return await action(synchronization)

        return asyncio.run(within())

    def plan(self, **options):
        """The plan for the one target; it may not fail."""
        is_full = options.pop("is_full", False)
        report = one(self.do(lambda runs: runs.plan((), Options(**options), is_full=is_full)))
        assert not report.failure, report.failure
        return report.plan

    def run(self, **options):
        """The report of a run for the one target."""
        run_options = {name: options.pop(name) for name in ("is_forced", "is_full") if name in options}
        return one(self.do(lambda runs: runs.run((), Run("run", Options(**options), **run_options))))

    def resume(self):
        """The report of a run that is carried on with."""
        return one(self.do(lambda runs: runs.resume(())))

    def ledger(self, action, target="app"):
        """What `action(ledger)` gives."""
        return self.do(lambda runs: action(runs.ledger(target)))


def one(reports):
    """The only report."""
    assert len(reports) == 1
    return reports[0]


def briefly(changes):
    """(action, key) of changes, sorted."""
    return sorted((str(change.action), change.key) for change in changes)


def done(report):
    """(action, count) of what was done; whatever was not done fails the test."""
    assert not report.failure, report.failure
    assert not report.applied.problems, report.applied.problems
    assert not report.applied.stopped, report.applied.stopped
    return {str(action): count for action, count in report.applied.actions.items()}


def people_at(target):
    """userName → (active, title) at a simulated target."""
    return {user["userName"]: (user.get("active", True), user.get("title")) for user in target.users}


def groups_at(target):
    """displayName → userNames of the members at a simulated target."""
    names = {user["id"]: user["userName"] for user in target.users}
    return {
        group["displayName"]: {names[member["value"]] for member in group.get("members", [])} for group in target.groups
    }
