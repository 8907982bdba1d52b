"""The record, the last requests, what waits for a decision, webhooks and lock-outs on the command line."""

import json
import shlex
import sqlite3
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from interop.cases import replay
from processes import GROUP, PATCH_OP, USER, answer, eventually, refusal, run, server
from serving import Client

OFF = {"schemas": [PATCH_OP], "Operations": [{"op": "replace", "path": "active", "value": False}]}
HOLD = [{"kind": "deactivate", "reaction": "hold", "number": 0}, {"kind": "delete", "reaction": "warn", "number": 0}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    answer(folder, "tenant", "create", "acme")
    rules = folder / "guard.json"
    rules.write_text(json.dumps(HOLD))
    changed = answer(folder, "tenant", "update", "acme", "--guard", str(rules), "--request-log", "bodies")
    assert changed["guard"] == HOLD
    return folder


@pytest.fixture(scope="module")
def acme(folder):
    """Who was held, deleted, refused, and put out of a group; the server has stopped."""
    token = answer(folder, "token", "create", "--tenant", "acme", "--name", "test")["token"]
    with server(folder) as running, running.client(token) as client:
        body = {"schemas": [USER], "userName": "ada", "active": "True", "password": "hunter2"}
        ada = client.post("Users", json=body).json()
        client.post("Users", json=body)
        bob = client.post("Users", json={"schemas": [USER], "userName": "bob"}).json()
        team = client.post(
            "Groups", json={"schemas": [GROUP], "displayName": "Team", "members": [{"value": ada["id"]}]}
        )
        made = datetime.fromisoformat(team.json()["meta"]["lastModified"])
        remove = {"schemas": [PATCH_OP], "Operations": [{"op": "remove", "path": "members"}]}
        client.patch(f"Groups/{team.json()['id']}", json=remove)
        client.patch(f"Users/{ada['id']}", json=OFF)
        client.delete(f"Users/{bob['id']}")
        eventually(lambda: len(answer(folder, "requests", "tail", "--tenant", "acme")) == 7)
    return {
        "ada": ada["id"],
        "bob": bob["id"],
        "team": team.json()["id"],
        "moment": (made + timedelta(microseconds=1)).isoformat(),
        "token": token,
    }


def test_the_record_is_listed_and_filtered(folder, acme):
    rows = answer(folder, "audit", "list", "--tenant", "acme", "--resource", f"User/{acme['bob']}")
    assert [row["action"] for row in rows] == ["delete", "create"]
    assert rows[1]["after"]["userName"] == "bob"
    (refused,) = answer(folder, "audit", "list", "--tenant", "acme", "--refused", "--resource", "User")
    assert (refused["action"], refused["status"]) == ("create", 409)
    assert answer(folder, "audit", "list", "--tenant", "acme", "--until", "2026-01-01") == []
    first, *rest = answer(folder, "audit", "list", "--tenant", "acme", "--connection", "default")
    goes_on = ("--before", str(first["position"]), "--connection", "default")
    assert answer(folder, "audit", "list", "--tenant", "acme", *goes_on) == rest
    assert answer(folder, "audit", "list", "--tenant", "acme", "--request", first["requestId"]) == [first]
    exported = run(folder, "audit", "export", "--tenant", "acme", "--resource", f"User/{acme['bob']}").stdout
    assert [json.loads(line) for line in exported.splitlines()] == list(reversed(rows))
    shown = run(folder, "audit", "list", "--tenant", "acme", "--action", "delete").stdout
    assert acme["bob"] in shown
    assert refusal(run(folder, "audit", "list", "--tenant", "acme", "--since", "yesterday")) == (
        1,
        "error: 'yesterday' is no instant; write 2026-01-31 or 2026-01-31T08:30:00Z.",
    )
    assert refusal(run(folder, "audit", "list", "--tenant", "nobody"))[0] == 1


def test_the_export_is_one_line_an_entry_the_oldest_first(folder, acme):
    lines = run(folder, "audit", "export", "--tenant", "acme").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    positions = [entry["position"] for entry in entries]
    assert positions == sorted(positions)
    assert entries[0]["after"]["userName"] == "ada"
    assert "hunter2" not in "".join(lines)
    assert acme["bob"] in lines[-1]


def test_tampering_ends_with_exit_code_1(folder, acme, tmp_path):
    good = run(folder, "audit", "verify", "--tenant", "acme")
    assert (good.returncode, "TAMPERED" in good.stdout) == (0, False)
    head = next(chain["head"] for chain in answer(folder, "audit", "verify", "--tenant", "acme") if chain["head"])
    assert f"head {head}" in run(folder, "audit", "verify", "--tenant", "acme").stdout
    assert run(folder, "audit", "verify", "--head", head).returncode == 0
    tenant, chain, _, digest = head.split("/")
    ahead = run(folder, "audit", "verify", "--head", head, "--head", f"{tenant}/{chain}/99/{digest}")
    assert (ahead.returncode, "block 99 record 0: the end was cut off" in ahead.stdout) == (1, True)
    assert refusal(run(folder, "audit", "verify", "--head", "9f86"))[0] == 1
    database = tmp_path / "headcount.db"
    with sqlite3.connect(folder / "headcount.db") as source, sqlite3.connect(database) as target:
        source.backup(target)
    target.execute("UPDATE change SET actor = 'nobody' WHERE id = ?", (acme["bob"],))
    target.commit()
    target.close()
    bad = run(folder, "audit", "verify", "--tenant", "acme", "--database", f"sqlite:///{database}")
    assert bad.returncode == 1
    assert "acme                 changes  TAMPERED WITH" in bad.stdout
    assert "the record was changed" in bad.stdout


def test_a_person_who_was_deleted_is_erased(folder, acme, tmp_path):
    assert refusal(run(folder, "audit", "erase", acme["ada"], "--tenant", "acme")) == (
        1,
        "error: Delete the User first: what is there is not erased.",
    )
    database = f"sqlite:///{tmp_path / 'headcount.db'}"
    _copied(folder, tmp_path)
    assert answer(folder, "audit", "erase", acme["bob"], "--tenant", "acme", "--database", database) == {"erased": 2}
    rows = answer(
        folder, "audit", "list", "--tenant", "acme", "--resource", f"User/{acme['bob']}", "--database", database
    )
    assert [row.get("before", row.get("after")) for row in rows] == [None, None]
    assert run(folder, "audit", "verify", "--database", database).returncode == 0


def _copied(folder, to):
    with sqlite3.connect(folder / "headcount.db") as source, sqlite3.connect(to / "headcount.db") as target:
        source.backup(target)
    target.close()


def test_requests_are_told_in_plain_words(folder, acme):
    rows = answer(folder, "requests", "tail", "--tenant", "acme", "--limit", "7")
    assert [(row["method"], row["status"]) for row in rows] == [
        ("POST", 201),
        ("POST", 409),
        ("POST", 201),
        ("POST", 201),
        ("PATCH", 200),
        ("PATCH", 200),
        ("DELETE", 204),
    ]
    assert [rows[number]["outcome"] for number in (0, 4, 5, 6)] == [
        "created",
        "done",
        "held back: 1 deactivations within a day, more than 0",
        "done, nothing to say",
    ]
    assert rows[0]["tolerations"] == ["string booleans accepted"]
    assert rows[1]["outcome"].startswith("refused: userName 'ada' is already in use, by the resource")
    assert "string booleans accepted" in run(folder, "requests", "tail", "--tenant", "acme").stdout
    assert refusal(run(folder, "requests", "show", "nobody", "--tenant", "acme"))[0] == 1


def test_a_request_is_repeated_by_curl_by_case_and_by_replay(folder, acme, tmp_path):
    """What is exported says all that is needed: each of the three is carried out, on a server that has forgotten."""
    (first, *_) = answer(folder, "requests", "tail", "--tenant", "acme", "--limit", "7")
    shown = answer(folder, "requests", "show", first["requestId"], "--tenant", "acme")
    assert (shown["body"]["password"], shown["body"]["active"]) == ("[redacted]", "True")
    show = ("requests", "show", first["requestId"], "--tenant", "acme")
    command = run(folder, *show, "--curl").stdout.strip()
    case = json.loads(run(folder, *show, "--case").stdout)
    answer(tmp_path, "tenant", "create", "acme")
    token = answer(tmp_path, "token", "create", "--tenant", "acme", "--name", "test")["token"]
    with server(tmp_path) as running, running.client(token) as client:
        with Client(running.url, "/t/acme/scim/v2", token) as replaying:
            replay(replaying, case)
        client.delete(f"Users/{client.get('Users').json()['Resources'][0]['id']}").raise_for_status()
        words = shlex.split(command)
        assert words[0] == "curl"
        assert '"Authorization: Bearer $TOKEN"' in command
        sent = dict(pairwise(words))
        target = words[-1].replace("$URL", running.url)
        method, data = sent["-X"], sent["-d"]
        assert client.request(method, target, content=data).status_code == 201
        there = ("--against", running.url, "--token", token)
        assert answer(folder, "requests", "replay", first["requestId"], "--tenant", "acme", *there)["now"] == 409


def test_a_replay_needs_the_body_and_a_server(folder, acme):
    (first, *_) = answer(folder, "requests", "tail", "--tenant", "acme", "--limit", "7")
    replaying = ("requests", "replay", first["requestId"], "--tenant", "acme", "--token", "x")
    code, message = refusal(run(folder, *replaying, "--against", "http://127.0.0.1:1"))
    assert (code, "cannot be reached" in message) == (2, True)
    assert refusal(run(folder, *replaying, "--against", "nowhere"))[0] == 2


def test_held_changes_are_listed_released_and_rejected(folder, acme, tmp_path):
    _copied(folder, tmp_path)
    database = ("--tenant", "acme", "--database", f"sqlite:///{tmp_path / 'headcount.db'}")
    (held,) = answer(folder, "held", "list", *database)
    assert (held["resource"], held["removal"], held["who"]) == (acme["ada"], "deactivate", "ada")
    assert held["id"] in run(folder, "held", "list", *database).stdout
    assert f"Carried out {held['id']}." in run(folder, "held", "release", held["id"], *database).stdout
    assert answer(folder, "held", "list", *database) == []
    assert refusal(run(folder, "held", "release", held["id"], *database)) == (
        1,
        f"error: There is no '{held['id']}' that waits.",
    )
    (after, *_) = answer(folder, "audit", "list", "--resource", f"User/{acme['ada']}", *database)
    assert (after["after"]["active"], after["actor"]) == (False, "cli")
    assert answer(folder, "held", "reject", held["id"], "--tenant", "acme")[0]["id"] == held["id"]
    assert run(folder, "held", "list", "--tenant", "acme").stdout == "Nothing is held.\n"


def test_warnings_are_shown(folder, acme):
    (warning,) = answer(folder, "held", "list", "--warnings", "--tenant", "acme")
    assert (warning["resource"], warning["reason"]) == (acme["bob"], "1 deletions within a day, more than 0")


def test_a_group_gets_its_members_back(folder, acme):
    done = answer(folder, "group", "restore", acme["team"], "--tenant", "acme", "--before", acme["moment"])
    assert (done["restored"], done["removed"], done["missing"]) == ([acme["ada"]], [], [])
    code, message = refusal(run(folder, "group", "restore", acme["team"], "--tenant", "acme", "--before", "noon"))
    assert (code, message) == (1, "error: 'noon' is no instant; write 2026-01-31T08:30:00Z.")


def test_likenesses_are_listed_linked_and_dismissed(folder, acme):
    assert run(folder, "review", "list", "--tenant", "acme").stdout == "Nothing is to be decided.\n"
    for verb in ("link", "dismiss"):
        assert refusal(run(folder, "review", verb, "User/x/y", "--tenant", "acme")) == (
            1,
            "error: There is no 'User/x/y' that waits.",
        )


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--guard", "nothing.json"], 2, "cannot read nothing.json: No such file or directory"),
        (["--guard", '[{"kind":"delete"'], 2, "--guard: "),
        (["--guard", '{"kind":"delete"}'], 2, "--guard takes an array of rules: "),
        (["--guard", '[{"kind":"delete"}]'], 1, "guard: a rule needs a 'number', a 'share', or both."),
        (["--guard", '[{"kind":"move","number":1}]'], 1, "'kind' is one of deactivate, delete, leave, not 'move'."),
        (["--adoption", "always"], 1, "'adoption' is one of refuse, sameExternalId, not 'always'."),
        (["--rehire", "never"], 1, "'rehire' is one of new, sameId, not 'never'."),
        (["--request-log", "all"], 1, "'requestLog' is one of off, metadata, failures, bodies, not 'all'."),
    ],
)
def test_policies_that_make_no_sense_are_refused(folder, arguments, exit_code, message):
    code, said = refusal(run(folder, "tenant", "update", "acme", *arguments))
    assert code == exit_code
    assert said.startswith(f"error: {message}")


def test_policies_are_set_shown_and_taken_away(folder):
    answer(folder, "tenant", "create", "calm")
    set_to = answer(
        folder,
        *("tenant", "update", "calm", "--adoption", "sameExternalId", "--rehire", "sameId", "--request-log", "off"),
        *("--guard", '[{"kind":"leave","share":0.5,"reaction":"refuse","window":3600}]'),
    )
    assert (set_to["adoption"], set_to["rehire"], set_to["requestLog"]) == ("sameExternalId", "sameId", "off")
    assert "kind leave, share 0.5, reaction refuse, window 3600" in run(folder, "tenant", "show", "calm").stdout
    assert "guard" not in answer(folder, "tenant", "update", "calm", "--guard", "none")


def test_webhooks_and_lockouts_have_commands(folder, acme):
    made = answer(folder, "webhook", "create", "https://app.example.com/hooks", "--tenant", "acme", "--event", "user.*")
    assert made["secret"].startswith("whsec_")
    (listed,) = answer(folder, "webhook", "list", "--tenant", "acme")
    assert (listed["id"], "secret" in listed) == (made["id"], False)
    answer(folder, "webhook", "delete", made["id"])
    assert answer(folder, "webhook", "list") == []
    found = answer(folder, "lockouts", "show", acme["bob"], "--tenant", "acme")
    assert found["user"] == acme["bob"]
    assert refusal(run(folder, "lockouts", "show", "nobody", "--tenant", "acme"))[0] == 1
