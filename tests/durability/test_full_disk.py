"""A disk that takes nothing more: a SCIM error that asks to come again, no corruption, and life goes on afterwards."""

import os
import resource
import sqlite3
from contextlib import closing

from processes import patch, quickstart, refusal, run, user

KIB = 1024


def allow(running, size):
    """Bounds the size of every file that the server writes; None lifts the bound."""
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    soft = resource.RLIM_INFINITY if size is None else size
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


def test_writes_are_refused_while_the_disk_is_full_and_go_on_when_it_is_not(tmp_path):
    with quickstart(tmp_path) as running, running.client() as client:
        ada = client.post("/Users", json=user("ada")).json()
        allow(running, (tmp_path / "headcount.db-wal").stat().st_size + 64 * KIB)
        statuses, refused = [], None
        while refused is None and len(statuses) < 500:
            made = client.post("/Users", json=user(f"u{len(statuses)}", nickName="x" * 4 * KIB))
            statuses.append(made.status_code)
            refused = made if made.status_code != 201 else None
        attempts = {
            "POST": client.post("/Users", json=user("again", nickName="x" * 64 * KIB)),
            "PATCH": client.patch(
                ada["meta"]["location"], json=patch({"op": "add", "path": "nickName", "value": "x" * 64 * KIB})
            ),
            "GET": client.get(ada["meta"]["location"]),
        }
        kept = client.get("/Users", params={"count": 1000}).json()
        allow(running, None)
        after = client.post("/Users", json=user("after"))

        assert statuses[-1] == 503
        error = refused.json()
        assert (error["schemas"], error["status"]) == (["urn:ietf:params:scim:api:messages:2.0:Error"], "503")
        assert (refused.headers["retry-after"], refused.headers["content-type"]) == ("1", "application/scim+json")
        assert {method: answer.status_code for method, answer in attempts.items()} == {
            "POST": 503,
            "PATCH": 503,
            "GET": 200,
        }
        accepted = {"ada", *(f"u{number}" for number in range(len(statuses) - 1))}
        assert {one["userName"] for one in kept["Resources"]} == accepted
        assert kept["totalResults"] == len(accepted)
        assert after.status_code == 201
        assert "could not commit" in running.log
        assert running.stop() == 0

    with closing(sqlite3.connect(tmp_path / "headcount.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with quickstart(tmp_path) as running, running.client() as client:
        found = client.get("/Users", params={"count": 1000}).json()
        assert {one["userName"] for one in found["Resources"]} == accepted | {"after"}


# takes from root what lets it write everywhere; for anybody else the permissions hold as they are
PLAIN_USER = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--"] if os.geteuid() == 0 else []


def test_a_database_that_cannot_be_written_is_said_when_it_is_opened(tmp_path):
    file = tmp_path / "headcount.db"
    database = ["--database", f"sqlite:///{file}"]
    assert run(tmp_path, "db", "migrate").returncode == 0
    file.chmod(0o400)
    for arguments in (["serve", "--port", "0"], ["tenant", "create", "acme"]):
        done = run(tmp_path, *arguments, *database, before=PLAIN_USER)
        assert refusal(done) == (1, f"error: cannot write to {file}: permission denied")
    file.chmod(0o600)
    assert run(tmp_path, "tenant", "create", "acme", before=PLAIN_USER).returncode == 0
