"""`headcount quickstart`, which `make run` starts: what it prints works, and what it keeps it keeps to itself."""

import json
import re
import shutil
import signal
import sqlite3
import stat
import subprocess
from contextlib import closing

import pytest

from processes import COMMAND, LONG, answer, environment, eventually, quickstart, refusal, run, server, user

TOKEN_FILE = "headcount.db.token"


def token_for_people(folder):
    """Everything that quickstart prints for people, while it runs, and the process."""
    line = [*COMMAND, "quickstart", "--port", "0"]
    process = subprocess.Popen(
        line, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    printed = ""
    while "Ctrl-C" not in printed and (text := process.stdout.readline()):
        printed += text
    return printed, process


def test_the_three_commands_that_it_prints_work_when_pasted(tmp_path):
    assert shutil.which("curl"), "the commands need curl"
    printed, process = token_for_people(tmp_path)
    with process:
        commands = [line for line in printed.splitlines() if line.startswith("curl ")]
        answers = [
            json.loads(subprocess.run(["bash", "-c", line], capture_output=True, timeout=LONG, check=True).stdout)
            for line in commands
        ]
        process.send_signal(signal.SIGINT)
        left, errors = process.communicate(timeout=LONG)

    assert len(commands) == 3
    base_url, token = re.search(r"SCIM base URL +(\S+)\n +Token +(\S+)\n", printed).groups()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/t/acme/scim/v2", base_url)
    assert all(base_url in line and token in line for line in commands)
    everybody, joined, found = answers
    assert (everybody["schemas"], everybody["totalResults"]) == (
        ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        0,
    )
    assert joined["userName"] == "ada@example.com"
    assert [one["id"] for one in found["Resources"]] == [joined["id"]]
    assert joined["meta"]["location"] == f"{base_url}/Users/{joined['id']}"
    assert (process.returncode, left.strip()) == (0, "")
    assert "Traceback" not in errors


def test_started_again_it_keeps_its_data_and_its_token(tmp_path):
    with quickstart(tmp_path) as running, running.client() as client:
        ada = client.post("/Users", json=user("ada")).json()
        first = running.said
        running.stop()
    with quickstart(tmp_path) as running, running.client() as client:
        assert running.said["token"] == first["token"] == (tmp_path / TOKEN_FILE).read_text().strip()
        assert client.get(f"/Users/{ada['id']}").json()["userName"] == "ada"
        assert running.said == {"url": running.url, "baseUrl": running.base_url(), "token": first["token"]}


def revoke(folder):
    (row,) = answer(folder, "token", "list")
    answer(folder, "token", "revoke", row["id"])


def age(folder):
    """A year passes."""
    with closing(sqlite3.connect(folder / "headcount.db")) as connection, connection:
        connection.execute(
            "UPDATE resource SET document = CAST(json_set(document, '$.expires', '2020-01-01T00:00:00Z') AS BLOB) "
            "WHERE type = 'AccessToken'"
        )


def spoil(folder):
    (folder / TOKEN_FILE).write_bytes(b"\xff")


def lose(folder):
    (folder / TOKEN_FILE).unlink()


def delete_the_tenant(folder):
    answer(folder, "tenant", "delete", "acme", "--yes")


@pytest.mark.parametrize("happens", [revoke, age, spoil, lose, delete_the_tenant])
def test_a_token_that_is_not_valid_any_more_is_replaced(tmp_path, happens):
    with quickstart(tmp_path) as running:
        first = running.said["token"]
        running.stop()
    happens(tmp_path)
    with quickstart(tmp_path) as running, running.client() as client:
        assert running.said["token"] != first
        assert client.get("/Users").status_code == 200
        assert (tmp_path / TOKEN_FILE).read_text() == running.said["token"] + "\n"


def test_database_and_token_are_readable_by_their_owner_alone_whatever_the_umask(tmp_path):
    with quickstart(tmp_path, umask=0) as running, running.client() as client:
        client.post("/Users", json=user("ada"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("headcount.db*")}
    run(tmp_path, "db", "backup", "copy.db", before=["bash", "-c", 'umask 0; exec "$@"', "bash"])

    names = {"headcount.db", "headcount.db-wal", "headcount.db-shm", TOKEN_FILE}
    assert modes == dict.fromkeys(names, 0o600)
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600


def test_it_listens_on_loopback_alone(tmp_path):
    code, line = refusal(run(tmp_path, "quickstart", "--host", "0.0.0.0", "--port", "0"))  # noqa: S104

    assert code == 1
    assert line.startswith("error: 0.0.0.0 is not a loopback address")
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path):
    with server(tmp_path) as running:
        port = running.url.rpartition(":")[2]
        folder = tmp_path / "second"
        folder.mkdir()
        code, line = refusal(run(folder, "quickstart", "--port", port))

        assert (code, line) == (1, f"error: cannot listen on 127.0.0.1:{port}: Address already in use")
        assert list(folder.iterdir()) == []
        assert eventually(lambda: running.process.poll() is None)
