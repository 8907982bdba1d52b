"""`headcount db`: migrations between versions, and backups that open and serve."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

import headcount
from processes import COMMAND, LONG, answer, environment, eventually, quickstart, refusal, run, server, user

LATER = "CREATE TABLE later (word TEXT NOT NULL);\nINSERT INTO later VALUES ('migrated');\n"


@pytest.fixture(scope="module")
def next_version(tmp_path_factory):
    """The environment in which `headcount` is a version with one more migration."""
    place = tmp_path_factory.mktemp("next")
    package = shutil.copytree(Path(headcount.__file__).parent, place / "headcount")
    (package / "store/sqlite/migrations/9998_later.sql").write_text(LATER)
    return {"PYTHONPATH": str(place)}


def states(folder, **options):
    return {row["migration"]: row["state"] for row in answer(folder, "db", "status", **options)}


def test_migrate_creates_a_database_and_changes_nothing_the_second_time(tmp_path):
    first, second = (answer(tmp_path, "db", "migrate")["applied"] for _ in range(2))

    assert first[0] == "0001 directory"
    assert second == []
    assert states(tmp_path) == dict.fromkeys(first, "applied")
    assert run(tmp_path, "db", "migrate").stdout == "The database is up to date.\n"


def test_only_servers_and_db_migrate_upgrade_an_older_database(tmp_path, next_version):
    answer(tmp_path, "tenant", "create", "acme")
    outdated = refusal(run(tmp_path, "tenant", "list", settings=next_version, fresh=True))
    before = states(tmp_path, settings=next_version, fresh=True)
    migrated = answer(tmp_path, "db", "migrate", settings=next_version, fresh=True)

    assert outdated == (1, "error: the database needs 1 migrations; run 'headcount db migrate' or start the server")
    assert (before["0001 directory"], before["9998 later"]) == ("applied", "due")
    assert migrated == {"applied": ["9998 later"]}
    assert [tenant["name"] for tenant in answer(tmp_path, "tenant", "list", settings=next_version, fresh=True)] == [
        "acme"
    ]


@pytest.mark.parametrize("command", ["serve", "quickstart"])
def test_a_server_upgrades_the_database_and_one_of_the_version_before_is_not_ready_any_more(
    tmp_path, next_version, command
):
    with quickstart(tmp_path) as old, old.client() as client:
        ada = client.post("/Users", json=user("ada")).json()
        assert httpx.get(f"{old.url}/readyz").status_code == 200
        with server(tmp_path, command=command, settings=next_version) as new:
            assert httpx.get(f"{new.url}/readyz").status_code == 200
            with new.client(old.said["token"]) as other:
                assert other.get(f"/Users/{ada['id']}").status_code == 200
        assert states(tmp_path, settings=next_version, fresh=True)["9998 later"] == "applied"
        assert httpx.get(f"{old.url}/readyz").status_code == 503
        assert httpx.get(f"{old.url}/healthz").status_code == 200


def test_of_several_processes_that_upgrade_at_once_one_does(tmp_path, next_version):
    answer(tmp_path, "db", "migrate")
    line = [*COMMAND, "db", "migrate", "--json"]
    options = {"cwd": tmp_path, "env": environment(**next_version), "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(line, **options) for _ in range(4)]
    printed = sorted(process.communicate(timeout=LONG)[0] for process in processes)

    assert printed == ['{"applied": ["9998 later"]}\n', *['{"applied": []}\n'] * 3]


def test_a_backup_of_a_database_in_use_opens_and_serves(tmp_path):
    with quickstart(tmp_path) as running, running.client() as client:
        token = running.said["token"]
        ada = client.post("/Users", json=user("ada")).json()
        made = answer(tmp_path, "db", "backup", "copy.db")
        assert client.post("/Users", json=user("grace")).status_code == 201
        again = refusal(run(tmp_path, "db", "backup", "copy.db"))
    copy = tmp_path / "copy.db"

    assert made == {"file": "copy.db", "bytes": copy.stat().st_size}
    assert again == (1, "error: copy.db exists already")
    assert [file.name for file in tmp_path.glob("copy.db*")] == ["copy.db"]
    with server(tmp_path, "--database", "sqlite:///copy.db") as restored, restored.client(token) as client:
        found = client.get("/Users").json()["Resources"]
        assert [one["id"] for one in found] == [ada["id"]]
        eventually(lambda: client.post("/Users", json=user("alan")).status_code == 201)


def test_a_backup_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path):
    answer(tmp_path, "db", "migrate")
    nowhere = refusal(run(tmp_path, "db", "backup", "nowhere/copy.db"))
    full = refusal(run(tmp_path, "db", "backup", "copy.db", before=["bash", "-c", 'ulimit -f 40; exec "$@"', "bash"]))

    assert nowhere == (1, "error: cannot create nowhere/copy.db: No such file or directory")
    assert full[0] == 1
    assert full[1].startswith("error: cannot back up headcount.db: ")
    assert list(tmp_path.glob("copy.db*")) == []
