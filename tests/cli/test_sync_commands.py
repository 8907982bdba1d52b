"""`headcount sync`: what an administrator types, sees, and gets as exit codes."""

import json

import pytest

from headcount.testing.simulated_target import Habits, SimulatedTarget
from processes import run

JOB = """
name: hr
tenant: acme
source: {type: csv, path: people.csv, key: number}
mappings:
  userName: record.email
  title: {cel: record.title}
targets:
  app: {type: scim, url: "URL", capabilities: {settle: 0}, authentication: {bearer: "${APP_TOKEN}"}}
"""
SECRET = "s3cr3t-t0k3n"


@pytest.fixture(scope="module")
def target():
    with SimulatedTarget(token=SECRET).running() as running:
        yield running


@pytest.fixture
def folder(acme, target):
    """A folder with a tenant, a job and three people; the target has nobody."""
    target.become(Habits())
    name = f"hr-{len(list(acme.glob('*.yaml')))}"
    write(acme, 1, 2, 3)
    (acme / f"{name}.yaml").write_text(JOB.replace("URL", target.url).replace("name: hr", f"name: {name}"))
    return acme, f"{name}.yaml"


def write(folder, *numbers, title="Employee"):
    lines = [f"{number},p{number}@example.com,{title}" for number in numbers]
    (folder / "people.csv").write_text("\n".join(["number,email,title", *lines, ""]))


def call(place, command, *arguments, code=0, **settings):
    folder, job = place
    done = run(folder, "sync", command, job, *arguments, settings={"APP_TOKEN": SECRET, **settings})
    assert done.returncode == code, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    return done.stdout


def test_plan_apply_and_nothing_left(folder, target):
    shown = call(folder, "plan", "--out", "hr.plan", code=2)
    assert "+ create     p1@example.com [1]   (joined: no account, in scope)" in shown
    assert "Plan: 3 to create; 0 unchanged. 3 requests." in shown
    assert target.users == []
    plan = folder[0] / "hr.plan"
    assert plan.stat().st_mode & 0o777 == 0o600
    assert len(json.loads(plan.read_text())["targets"][0]["plan"]["changes"]) == 3
    assert "done: 3 create" in call((folder[0], "hr.plan"), "apply")
    assert len(target.users) == 3
    assert "nothing to do; 3 unchanged" in call(folder, "plan")
    changes = [item.method for item in target.requests if item.status == 201]
    call((folder[0], "hr.plan"), "apply")
    assert [item.method for item in target.requests if item.status == 201] == changes


def test_run_and_what_it_leaves_behind(folder, target):
    call(folder, "run")
    write(folder[0], *range(1, 20))
    call(folder, "run")
    write(folder[0], *range(1, 10))
    shown = call(folder, "run", code=3)
    assert "held" in shown
    status = json.loads(call(folder, "status", "--json"))[0]
    assert (status["state"], status["persons"], status["held"]) == ("held", 19, {"deactivate": 10})
    kinds = [row["held"] for row in json.loads(call(folder, "runs", "--json"))]
    assert kinds == [{"deactivate": 10}, {}, {}]

    refused = run(folder[0], "sync", "release", folder[1], "app", "--reason", "x", settings={"APP_TOKEN": SECRET})
    assert refused.returncode == 1
    assert "say --yes" in refused.stderr
    call(folder, "release", "app", "--reason", "the office closes", "--yes")
    assert sum(not user["active"] for user in target.users) == 10
    assert "the office closes" in call(folder, "runs")
    assert "nothing to do" in call(folder, "plan")


def test_one_person_explained_and_at_once(folder, target):
    call(folder, "run")
    write(folder[0], 1, 2, 3, title="Senior")
    shown = call(folder, "explain", "2")
    assert "in the source (line 3)" in shown
    assert "would update: changed: title" in shown
    now = call(folder, "now", "2", "-v")
    assert "done: 1 update" in now
    assert "  PATCH /Users/" in now
    assert '"value":"Senior"' in now
    assert SECRET not in now
    assert sorted(user["title"] for user in target.users) == ["Employee", "Employee", "Senior"]


def test_reviews_parked_orphans_and_drift(folder, target):
    target.put("User", {"userName": "p1@example.com", "externalId": "old", "active": True})
    target.put("User", {"userName": "other@example.com", "externalId": "1", "active": True})
    target.put("User", {"userName": "nobody@example.com", "active": True})
    call(folder, "run")
    waiting = json.loads(call(folder, "review", "--json"))
    assert [(row["key"], len(row["candidates"])) for row in waiting] == [("1", 2)]
    assert "p1@example.com (id-" in call(folder, "review")
    identifier = next(one["id"] for one in waiting[0]["candidates"] if one["userName"] == "p1@example.com")
    call(folder, "review", "1", "--target", "app", "--link", identifier)
    call(folder, "run")
    assert json.loads(call(folder, "review", "--json")) == []
    assert json.loads(call(folder, "parked", "--json")) == []
    orphans = json.loads(call(folder, "orphans", "--json"))
    assert {row["userName"] for row in orphans} == {"other@example.com", "nobody@example.com"}
    target.change("User", identifier, title="Emperor")
    assert "Emperor" in call(folder, "drift")


def test_stored_jobs_run_by_name(folder, target):
    place, file = folder
    name = file.removesuffix(".yaml")
    call(folder, "add")
    row = next(row for row in json.loads(run(place, "sync", "list", "--json").stdout) if row["job"] == name)
    assert (row["tenant"], row["version"], row["targets"]) == ("acme", 1, ["app"])
    call((place, name), "run")
    assert len(target.users) == 3
    call((place, f"acme/{name}"), "plan")
    call((place, name), "detach", "app", "--keep")
    assert "detached since" in call((place, name), "run", code=1)
    call((place, name), "restart")
    assert "3 adopt" in call((place, name), "run")
    call((place, name), "remove")
    assert call((place, name), "run", code=1) == ""


def test_a_check_shows_both_ends(folder):
    found = json.loads(call(folder, "check", "--json"))
    assert found["sources"]["source"]["records"] == {"person": 3}
    assert found["targets"]["app"]["capabilities"]["filters"] is True
    refused = run(folder[0], "sync", "check", folder[1], "--json", settings={"APP_TOKEN": "wrong"})
    assert refused.returncode == 1
    assert "credentials" in json.loads(refused.stdout)["targets"]["app"]["error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "broken.yaml:"),
        (JOB.replace("userName:", "userNam:"), "broken.yaml:6:"),
        (JOB.replace("acme", "nowhere"), "no tenant 'nowhere'"),
    ],
)
def test_what_is_wrong_with_a_job_is_said_in_one_line(acme, text, words):
    (acme / "broken.yaml").write_text(text.replace("URL", "http://127.0.0.1:9/scim/v2"))
    done = run(acme, "sync", "plan", "broken.yaml", settings={"APP_TOKEN": SECRET})
    (acme / "broken.yaml").unlink()
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_secret_that_is_not_set_and_a_target_that_is_none(folder):
    assert "APP_TOKEN" in call(folder, "run", code=1, APP_TOKEN="")
    done = run(folder[0], "sync", "plan", folder[1], "--target", "nope", settings={"APP_TOKEN": SECRET})
    assert (done.returncode, "there are app" in done.stderr) == (1, True)


def test_the_schema_of_job_files(tmp_path):
    assert json.loads(run(tmp_path, "sync", "schema").stdout)["title"] == "A Headcount sync job"
    assert run(tmp_path, "sync", "schema", "--out", "job.json").stdout == ""
    assert json.loads((tmp_path / "job.json").read_text())["type"] == "object"
