"""The provisioning engine, measured: plans, many targets, a first load beside a plain load generator, requests.

    python benchmarks/provisioning.py plan --people 10000 100000     # 1 % changed: seconds, peak memory
    python benchmarks/provisioning.py plan --people 1000000          # takes a while, and memory
    python benchmarks/provisioning.py first --people 100000          # a first plan: everybody joins
    python benchmarks/provisioning.py targets --people 10000         # one source to 1 and to 50 targets
    python benchmarks/provisioning.py load --people 20000            # into Headcount, beside the same requests without an engine
    python benchmarks/provisioning.py requests --people 2000         # how many a change of 1 % takes

Each measurement runs in a process of its own and prints one line of JSON.
"""

import argparse
import asyncio
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import httpx2
import orjson

from headcount.assembly import open_installation
from headcount.provisioning.diff import make_plan
from headcount.provisioning.job_files import load_job
from headcount.provisioning.ledger import Ledger
from headcount.provisioning.links import Links, link_after
from headcount.provisioning.pairs import Options
from headcount.provisioning.plan import Action
from headcount.provisioning.reading import JobSource, Wanted
from headcount.provisioning.records import RecordKind
from headcount.provisioning.runs import Run, Runs, silent
from headcount.provisioning.situation import Situation
from headcount.provisioning.sources.opening import Surroundings
from headcount.settings import Settings
from headcount.testing.simulated_target import SimulatedTarget
from serving import running_server

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
COLUMNS = ("number", "first", "last", "email", "title", "department", "manager", "phone")
A_GROUP = 100
"""People in a department."""
TOGETHER = 50
"""Operations in a bulk request, as the engine sends them."""
CONNECTIONS = 16
JOB = """
name: hr
tenant: {tenant}
source: {{type: csv, path: people.csv, key: number}}
mappings:
  userName: normalizeEmail(record.email)
  displayName: record.first + " " + record.last
  name.givenName: record.first
  name.familyName: record.last
  title: record.title
  emails[type eq "work"].value: normalizeEmail(record.email)
  phoneNumbers[type eq "work"].value: record.phone
  {enterprise}:department: record.department
  {enterprise}:manager: {manager}
groups: {groups}
scope: title ne "External"
targets:
{targets}
"""
ATTRIBUTE = "{from: attribute, attribute: department}"


def rows(people, *, changed=False):
    """The HR file. Of a hundred people one changes: in turn a title, a department, a name; few leave and few join."""
    for number in range(people + (people // 1000 if changed else 0)):
        department = number // A_GROUP
        last, title = f"Last{number}", "Employee"
        if changed and number % 100 == 7:
            what = number // 100 % 10
            if what == 0 and number < people - 1000:
                continue
            title = "Senior" if what < 7 else title
            last = "Married" if what in (7, 8) else last
            department = department + 1 if what == 9 else department
        manager = "" if number % A_GROUP == 0 else str(number - number % A_GROUP)
        yield (
            number,
            f"First{number}",
            last,
            f"p{number}@example.com",
            title,
            f"D{department}",
            manager,
            f"+49 30 {number}",
        )


def write(folder, people, **options):
    with (folder / "people.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(COLUMNS)
        writer.writerows(rows(people, **options))


def job_of(tenant, targets, *, groups=ATTRIBUTE, manager="reference(record.manager)"):
    values = {"tenant": tenant, "enterprise": ENTERPRISE, "groups": groups, "manager": manager}
    return load_job(JOB.format(targets="\n".join(f"  {name}: {text}" for name, text in targets.items()), **values))


@asynccontextmanager
async def opened(folder, job, environment=None, database=""):
    async with open_installation(Settings(database=database or f"sqlite:///{folder / 'ledger.db'}")) as installation:
        if job.tenant not in [tenant["name"] for tenant in await installation.tenants.list()]:
            await installation.tenants.create(job.tenant)
        around = Surroundings(folder, environment or {}, job.tenant, None)
        yield Runs(job, installation.store.for_tenant(job.tenant), around)


async def fill(runs):
    """The ledger as it is after a first load, without a target having been loaded."""
    source = await JobSource.open(runs.job, runs.around, runs.clock)
    read = await source.read(Wanted(), silent)
    await source.close()
    for settings in runs.job.targets.values():
        plan = make_plan(Situation(runs.job, settings, read.desired, Links(), read.at))
        ledger, puts, links = Ledger(runs.store, runs.job.name, settings.name), [], {}
        for number, change in enumerate(plan.changes):
            identity = (change.kind, change.key)
            before = links.get(identity)
            links[identity] = link_after(
                change, before, target_id=f"id-{number}" if before is None else "", now=read.at
            )
        for identity, link in links.items():
            puts.append(ledger.put_link(None, link, identity))
            if len(puts) == 1000:
                await ledger.keep(puts)
                puts = []
        await ledger.keep(puts)


def peak():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def plan(people):
    """A plan for people of whom 1 % changed."""
    with tempfile.TemporaryDirectory() as name, SimulatedTarget().running() as target:
        folder = Path(name)
        return in_steps(folder, people, {"app": f'{{type: scim, url: "{target.url}"}}'})


def first(people):
    """A plan for people of whom nobody has an account."""
    with tempfile.TemporaryDirectory() as name, SimulatedTarget().running() as target:
        return in_steps(Path(name), people, {"app": f'{{type: scim, url: "{target.url}"}}'}, is_first=True)


def targets(people, count):
    """The same for a number of targets, from one reading."""
    with tempfile.TemporaryDirectory() as name, SimulatedTarget().running() as target:
        found = {f"app{number}": f'{{type: scim, url: "{target.url}"}}' for number in range(count)}
        return in_steps(Path(name), people, found) | {"targets": count}


def in_steps(folder, people, targets, *, is_first=False):
    """Fills the ledger in a process of its own, and plans in another, so that memory is that of planning."""
    write(folder, people)
    (folder / "targets.json").write_text(json.dumps(targets))
    command = [sys.executable, __file__]
    if not is_first:
        subprocess.run([*command, "fill", "--folder", str(folder)], check=True)
        write(folder, people, changed=True)
    done = subprocess.run([*command, "planned", "--folder", str(folder)], check=True, capture_output=True, text=True)
    return {"people": people, **json.loads(done.stdout)}


def planned(folder):
    job = job_of("hr", json.loads((folder / "targets.json").read_text()))

    async def within():
        async with opened(folder, job) as runs:
            started, used = time.perf_counter(), time.process_time()
            reports = await runs.plan((), Options())
            return reports, time.perf_counter() - started, time.process_time() - used

    before = peak()
    reports, seconds, used = asyncio.run(within())
    changes = sum(len(report.plan.changes) for report in reports)
    held = sum(len(held.changes) for report in reports for held in report.plan.held)
    return {
        "seconds": round(seconds, 2),
        "cpuSeconds": round(used, 2),
        "peakMiB": peak(),
        "startMiB": before,
        "changes": changes,
        "held": held,
    }


def load(people):
    """A first load into Headcount, and what the same server takes of the same requests from a bare client."""
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as server:
        folder = Path(name)
        with server.new_tenant() as client, server.new_tenant() as other:
            write(folder, people)
            planning, engine = engine_load(folder, client, people)
            plain = asyncio.run(plain_load(other, people))
        return {
            "people": people,
            "planSeconds": round(planning, 2),
            "planAndApplySeconds": round(engine, 2),
            "plainSeconds": round(plain, 2),
            "share": round(plain / engine, 2),
            "shareWithoutPlanning": round(plain / (engine - planning), 2),
        }


def engine_load(folder, client, people):
    target = f'{{type: scim, url: "{client.base_url}", pack: headcount, authentication: {{bearer: "${{T}}"}}}}'
    job = job_of("hr", {"app": target}, groups="{from: source}", manager="{cel: record.none}")

    async def within():
        async with opened(folder, job, {"T": client.token}) as runs:
            started = time.perf_counter()
            await runs.plan((), Options())
            planned = time.perf_counter()
            [report] = await runs.run((), Run("run"))
            assert report.applied.actions == {Action.CREATE: people}, report.in_words()
            return planned - started, time.perf_counter() - planned

    return asyncio.run(within())


async def plain_load(client, people):
    """Bulk requests of as many creates over as many connections."""
    bodies = []
    for number, first, last, email, title, department, _, phone in rows(people):
        user = {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
            "userName": email,
            "externalId": str(number),
            "displayName": f"{first} {last}",
            "name": {"givenName": first, "familyName": last},
            "title": title,
            "active": True,
            "emails": [{"type": "work", "value": email}],
            "phoneNumbers": [{"type": "work", "value": phone}],
            ENTERPRISE: {"department": department},
        }
        bodies.append({"method": "POST", "path": "/Users", "bulkId": str(number), "data": user})
    batches = iter([bodies[start : start + TOGETHER] for start in range(0, people, TOGETHER)])
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/scim+json"}
    schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"]

    async def worker(http):
        for batch in batches:
            answer = await http.post("/Bulk", content=orjson.dumps({"schemas": schemas, "Operations": batch}))
            assert answer.status_code == 200

    async with httpx2.AsyncClient(base_url=client.base_url, headers=headers, timeout=60) as http:
        started = time.perf_counter()
        await asyncio.gather(*(worker(http) for _ in range(CONNECTIONS)))
        return time.perf_counter() - started


def requests(people):
    """Requests that a change of 1 % takes, membership batches apart."""
    with tempfile.TemporaryDirectory() as name, running_server(Path(name)) as server, server.new_tenant() as client:
        folder = Path(name)
        target = f'{{type: scim, url: "{client.base_url}", authentication: {{bearer: "${{T}}"}}, capabilities: {{bulk: {{supported: false}}}}}}'
        job = job_of("hr", {"app": target})

        async def run():
            async with opened(folder, job, {"T": client.token}) as runs:
                return (await runs.run((), Run("run")))[0]

        write(folder, people)
        asyncio.run(run())
        write(folder, people, changed=True)
        report = asyncio.run(run())
        actions = report.applied.actions
        changed = len({change.key for change in report.plan.changes if change.kind is RecordKind.PERSON})
        batches = sum(1 for change in report.plan.changes if change.kind is RecordKind.GROUP)
        sent = report.requests["requests"]
        return {
            "people": people,
            "changedPeople": changed,
            "membershipBatches": batches,
            "requests": sent,
            "perChangedPerson": round((sent - batches) / changed, 3),
            "confirmations": report.requests["confirmations"],
            "actions": {str(action): count for action, count in actions.items()},
        }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["plan", "first", "targets", "load", "requests", "fill", "planned"])
    parser.add_argument("--people", type=int, nargs="+", default=[10_000])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    if options.what == "fill":
        job = job_of("hr", json.loads((options.folder / "targets.json").read_text()))

        async def filled():
            async with opened(options.folder, job) as runs:
                await fill(runs)

        asyncio.run(filled())
    elif options.what == "planned":
        print(json.dumps(planned(options.folder)))
    else:
        for people in options.people:
            for count in (1, 50) if options.what == "targets" else (None,):
                measured = targets(people, count) if count else globals()[options.what](people)
                print(json.dumps({"measured": options.what, "cpus": os.cpu_count(), **measured}), flush=True)


if __name__ == "__main__":
    main()
