"""`headcount token`: lifetimes, the user behind it, and what is shown of it afterwards."""

from datetime import UTC, datetime, timedelta

import pytest

from processes import answer, eventually, refusal, run, server, user


def create(folder, *arguments):
    return answer(folder, "token", "create", "--tenant", "acme", "--name", "Okta", *arguments)


@pytest.mark.parametrize(
    ("arguments", "lifetime"),
    [
        ([], timedelta(days=365)),
        (["--expires", "730d"], timedelta(days=730)),
        (["--expires", "1m"], timedelta(minutes=1)),
        (["--expires", "36H"], timedelta(hours=36)),
        (["--expires", "2w"], timedelta(days=14)),
    ],
)
def test_a_token_lives_as_long_as_asked_and_a_year_by_default(acme, arguments, lifetime):
    before = datetime.now(UTC)
    created = create(acme, *arguments)
    after = datetime.now(UTC)

    expires = datetime.fromisoformat(created["expires"])
    assert before + lifetime - timedelta(milliseconds=1) <= expires <= after + lifetime
    assert (created["tenant"], created["name"], created["state"]) == ("acme", "Okta", "active")


LONGEST = "A token lives for more than nothing, and for two years (730 days) at most."


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (["--expires", "731d"], 1, LONGEST),
        (["--expires", "0d"], 1, LONGEST),
        (["--expires", "never"], 2, "a token without an end must be asked for with --never-expires"),
        (["--expires", "soon"], 2, "'soon' is no duration: use a number and m, h, d or w, as in 365d"),
        (["--expires", "1d", "--never-expires"], 2, "--expires and --never-expires exclude each other"),
        (["--user", "nobody"], 1, "There is no user 'nobody' in the tenant 'acme'."),
        (["--tenant", "other"], 1, "There is no tenant 'other'."),
    ],
)
def test_a_token_that_cannot_be_made_is_refused_in_one_line(acme, arguments, exit_code, message):
    done = run(acme, "token", "create", "--tenant", "acme", "--name", "Okta", *arguments)

    assert refusal(done) == (exit_code, f"error: {message}")


def test_a_token_without_an_end_needs_its_own_option(acme):
    created = create(acme, "--never-expires")

    assert ("expires" in created, created["state"]) == (False, "active")


def test_a_token_is_shown_once_listed_without_itself_and_refused_once_revoked(tmp_path):
    answer(tmp_path, "tenant", "create", "other")
    answer(tmp_path, "token", "create", "--tenant", "other", "--name", "Entra ID")
    answer(tmp_path, "tenant", "create", "acme")
    token = run(tmp_path, "token", "create", "--tenant", "acme", "--name", "Okta").stdout.split()[0]
    (listed,) = answer(tmp_path, "token", "list", "--tenant", "acme")
    everything = run(tmp_path, "token", "list", "--json").stdout

    assert (listed["name"], listed["tenant"], listed["state"]) == ("Okta", "acme", "active")
    assert token.startswith("hc_")
    assert token not in everything
    assert "digest" not in everything
    assert everything.count('"AccessToken"') + everything.count(":AccessToken") == 2
    with server(tmp_path) as running, running.client(token) as client:
        assert client.get("/Users").status_code == 200
        assert answer(tmp_path, "token", "revoke", listed["id"])["state"] == "revoked"
        eventually(lambda: client.get("/Users").status_code == 401, seconds=3)
    table = run(tmp_path, "token", "list", "--tenant", "acme").stdout.splitlines()
    assert table[1].split()[:4] == [listed["id"], "acme", "Okta", "revoked"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["revoke", "nothing"], "There is no AccessToken 'nothing'."),
        (["list", "--tenant", "nobody"], "There is no tenant 'nobody'."),
    ],
)
def test_what_is_not_there_is_said(acme, arguments, message):
    assert refusal(run(acme, "token", *arguments)) == (1, f"error: {message}")


def test_a_token_made_for_a_user_makes_me_that_user(tmp_path, token):
    with server(tmp_path) as running, running.client(token) as client:
        ada = client.post("/Users", json=user("Ada@example.com")).json()
        own = create(tmp_path, "--user", "ada@EXAMPLE.com")["token"]
        with running.client(own) as client_of_ada:
            assert client_of_ada.get("/Me").json()["id"] == ada["id"]
        assert client.get("/Me").status_code == 501
