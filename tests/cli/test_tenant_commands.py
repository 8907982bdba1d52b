"""`headcount tenant`: what a person and a script see, in real processes."""

import contextlib
import os
import pty
import sqlite3

import pytest

from processes import COMMAND, answer, environment, eventually, refusal, run, server, tenant_with_token, user

NAME_RULE = "use 1 to 63 lower-case letters, digits and hyphens, not a hyphen first."


def test_a_tenant_is_created_shown_changed_listed_and_deleted(tmp_path):
    created = answer(tmp_path, "tenant", "create", "acme", "--display-name", "Acme [Köln]", "--profile", "strict")
    assert (created["name"], created["displayName"], created["profile"]) == ("acme", "Acme [Köln]", "strict")
    assert (created["passwords"], created["refuseUnknown"]) == ("discard", False)

    changed = answer(tmp_path, "tenant", "update", "acme", "--passwords", "hash", "--refuse-unknown")
    assert (changed["passwords"], changed["refuseUnknown"], changed["profile"]) == ("hash", True, "strict")
    assert answer(tmp_path, "tenant", "show", "acme") == changed
    assert answer(tmp_path, "tenant", "list") == [changed]

    table = [line.split() for line in run(tmp_path, "tenant", "list").stdout.splitlines()]
    assert table[1] == ["acme", "Acme", "[Köln]", "strict", "hash", "yes", "active"]
    shown = run(tmp_path, "tenant", "show", "acme").stdout.splitlines()
    assert [line.split(maxsplit=1) for line in shown[:3]] == [
        ["Name", "acme"],
        ["Display", "name     Acme [Köln]"],
        ["Profile", "strict"],
    ]

    assert answer(tmp_path, "tenant", "delete", "acme", "--yes") == {"deleted": "acme"}
    assert answer(tmp_path, "tenant", "list") == []


def test_a_tenant_is_tolerant_unless_asked_otherwise_and_people_are_told_what_comes_next(tmp_path):
    assert "headcount tenant create NAME" in run(tmp_path, "tenant", "list").stdout
    assert "headcount token create --tenant acme" in run(tmp_path, "tenant", "create", "acme").stdout
    assert answer(tmp_path, "tenant", "show", "acme")["profile"] == "tolerant"


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["create", "acme"], 1, "The tenant 'acme' exists already."),
        (["create", "x" * 64], 1, f"'{'x' * 64}' is no tenant name: {NAME_RULE}"),
        (["create", "other", "--profile", "lax"], 1, "'profile' is one of strict, tolerant, not 'lax'."),
        (["create", "other", "--passwords", "keep"], 1, "'passwords' is one of discard, hash, not 'keep'."),
        (["show", "nobody"], 1, "There is no tenant 'nobody'."),
        (["update", "acme"], 2, "nothing to change; see 'headcount tenant update --help'"),
        (["delete", "acme"], 2, "this deletes everything in the tenant acme; say --yes"),
    ],
)
def test_what_cannot_be_done_is_one_line(acme, arguments, exit_code, message):
    assert refusal(run(acme, "tenant", *arguments)) == (exit_code, f"error: {message}")


def test_a_name_may_have_63_characters(tmp_path):
    assert answer(tmp_path, "tenant", "create", "x" * 63)["name"] == "x" * 63


def at_a_terminal(folder, *arguments, typed):
    """What a command shows at a terminal where somebody types a line, and its exit code."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.execve(COMMAND[0], [*COMMAND, *arguments], environment())  # noqa: S606
    os.write(terminal, typed.encode())
    shown = b""
    try:
        while piece := os.read(terminal, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    return shown.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize(
    ("typed", "exit_code", "left"),
    [("acme\n", 0, []), ("amce\n", 2, ["acme"]), ("\x04", 1, ["acme"])],
    ids=["the name", "another name", "end of input"],
)
def test_deleting_at_a_terminal_asks_for_the_name(tmp_path, typed, exit_code, left):
    answer(tmp_path, "tenant", "create", "acme")

    shown, ended = at_a_terminal(tmp_path, "tenant", "delete", "acme", typed=typed)

    assert "Type its name, acme, to go on" in shown
    assert ended == exit_code, shown
    assert [tenant["name"] for tenant in answer(tmp_path, "tenant", "list")] == left


def test_a_tenant_created_again_under_the_same_name_is_empty_and_old_tokens_stay_dead(tmp_path, token):
    with server(tmp_path) as running:
        with running.client(token) as client:
            assert client.post("/Users", json=user("ada")).status_code == 201
        answer(tmp_path, "tenant", "delete", "acme", "--yes")
        new = tenant_with_token(tmp_path)
        with running.client(new) as client:
            assert client.get("/Users").json()["totalResults"] == 0
        with running.client(token) as client:
            eventually(lambda: client.get("/Users").status_code == 401, seconds=3)


def test_a_tenant_inherits_nothing_of_a_namesake_whose_deletion_was_cut_short(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    answer(tmp_path, "token", "create", "--tenant", "acme", "--name", "old")
    with contextlib.closing(sqlite3.connect(tmp_path / "headcount.db")) as database, database:
        database.execute("DELETE FROM resource WHERE tenant = '_operator' AND type = 'Tenant'")
        database.execute("DELETE FROM unique_value WHERE tenant = '_operator' AND attribute LIKE '%:Tenant:name'")
        database.execute("INSERT INTO record VALUES ('acme', 'schema', 'k', x'00')")
    answer(tmp_path, "tenant", "create", "acme")
    assert answer(tmp_path, "token", "list", "--tenant", "acme") == []
    with contextlib.closing(sqlite3.connect(tmp_path / "headcount.db")) as database:
        assert database.execute("SELECT count(*) FROM record WHERE tenant = 'acme'").fetchone() == (0,)
