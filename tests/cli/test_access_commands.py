"""Scopes, networks and connections on the command line, what is explained of a token, and warnings before its end."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from processes import USER, answer, eventually, refusal, run, server, user


def create(folder, *arguments, **options):
    return answer(folder, "token", "create", "--name", "Okta", *arguments, **options)


def events(running, name):
    lines = [json.loads(line) for line in running.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == name]


def test_an_operators_token_opens_the_operators_api(tmp_path):
    token = create(tmp_path, "--operator", "--scope", "Tenant:read,create")["token"]
    with server(tmp_path) as running, running.client(token) as client:
        client.base_url = f"{running.said['url']}/scim/v2/"
        assert client.get("Tenants").json()["totalResults"] == 0
        assert client.get("AccessTokens").status_code == 403


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        ([], 2, "say either --tenant NAME or --operator"),
        (["--tenant", "acme", "--operator"], 2, "say either --tenant NAME or --operator"),
        (["--tenant", "acme", "--connection", "okta"], 1, "The tenant 'acme' has no connection 'okta'."),
        (
            ["--tenant", "acme", "--scope", "User:reed"],
            2,
            "'reed' is no operation: use read, create, update, delete, as in User:read,update",
        ),
        (["--tenant", "acme", "--scope", "Device"], 1, "There is no resource type 'Device' to have a scope for."),
        (["--tenant", "acme", "--scopes", "nothing.json"], 2, "cannot read nothing.json: No such file or directory"),
        (
            ["--tenant", "acme", "--network", "here"],
            1,
            "'here' is no address range; write 192.0.2.0/24 or 2001:db8::/32.",
        ),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_in_one_line(acme, arguments, exit_code, message):
    done = run(acme, "token", "create", "--name", "Okta", *arguments)
    assert refusal(done) == (exit_code, f"error: {message}")


@pytest.mark.parametrize("text", ["{}", "[]", "no json", '"User"'])
def test_scopes_that_are_no_list_are_refused(acme, text):
    done = run(acme, "token", "create", "--name", "Okta", "--tenant", "acme", "--scopes", "-", stdin=text)
    code, message = refusal(done)
    assert (code, message.startswith("error: -")) == (2, True)


def test_scopes_come_from_options_files_and_standard_input(acme):
    written = [{"type": "User", "readable": ["userName"], "filter": 'title eq "x"'}]
    (acme / "scopes.json").write_text(json.dumps(written))
    both = create(acme, "--tenant", "acme", "--scope", "Group:read, update", "--scopes", "scopes.json")
    assert both["scopes"] == [{"type": "Group", "operations": ["read", "update"]}, *written]
    piped = create(acme, "--tenant", "acme", "--scopes", "-", "--network", "198.51.100.0/24", stdin=json.dumps(written))
    assert (piped["scopes"], piped["networks"]) == (written, ["198.51.100.0/24"])


def test_a_connection_is_created_shown_changed_and_deleted(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    made = answer(
        tmp_path, "connection", "create", "okta", "--tenant", "acme", "--profile", "strict", "--scope", "User:read"
    )
    assert (made["qualifiedName"], made["profile"]) == ("acme/okta", "strict")
    token = create(tmp_path, "--tenant", "acme", "--connection", "okta")
    assert token["connection"] == "okta"
    where = ("okta", "--tenant", "acme")
    changed = answer(
        tmp_path, "connection", "update", *where, "--inactive", "--all-scopes", "--network", "198.51.100.0/24"
    )
    assert (changed["active"], "scopes" in changed, changed["networks"]) == (False, False, ["198.51.100.0/24"])
    (listed,) = answer(tmp_path, "connection", "list", "--tenant", "acme")
    shown = answer(tmp_path, "connection", "show", *where)
    assert listed["id"] == shown["id"] == made["id"]
    assert "198.51.100.0/24" in run(tmp_path, "connection", "show", *where).stdout
    assert answer(tmp_path, "token", "explain", token["id"])["state"] == "shut with its connection"
    assert "networks" not in answer(tmp_path, "connection", "update", *where, "--any-network")
    assert answer(tmp_path, "connection", "delete", *where, "--yes") == {"deleted": "okta"}
    assert answer(tmp_path, "token", "list") == []
    assert refusal(run(tmp_path, "connection", "show", *where)) == (
        1,
        "error: The tenant 'acme' has no connection 'okta'.",
    )
    assert refusal(run(tmp_path, "connection", "update", *where)) == (
        2,
        "error: nothing to change; see 'headcount connection update --help'",
    )


def test_a_tenant_is_suspended_limited_and_given_a_url(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    changed = answer(
        tmp_path,
        "tenant",
        "update",
        "acme",
        "--state",
        "suspended",
        "--public-url",
        "https://people.example.com",
        "--max-users",
        "10",
        "--requests-per-second",
        "2.5",
    )
    assert (changed["state"], changed["publicUrl"]) == ("suspended", "https://people.example.com")
    assert changed["limits"] == {"users": 10, "requestsPerSecond": 2.5}
    more = answer(tmp_path, "tenant", "update", "acme", "--max-groups", "3", "--max-users", "none")
    assert more["limits"] == {"groups": 3, "requestsPerSecond": 2.5}
    shown = run(tmp_path, "tenant", "show", "acme").stdout
    assert {"groups 3", "requestsPerSecond 2.5"} == set(
        shown.partition("Limits")[2].splitlines()[0].strip().split(", ")
    )
    wrong = run(tmp_path, "tenant", "update", "acme", "--max-users", "few")
    assert refusal(wrong) == (2, "error: 'few' is no number; give one, or 'none'")
    assert refusal(run(tmp_path, "tenant", "update", "acme", "--state", "gone")) == (
        1,
        "error: 'state' is one of active, suspended, not 'gone'.",
    )


def test_a_token_is_explained(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    scopes = [
        {
            "type": "User",
            "operations": ["read", "update"],
            "readable": ["userName", "name.givenName"],
            "writable": ["title"],
            "filter": 'title eq "Clerk"',
        },
        {"type": "Group", "operations": ["create"]},
    ]
    made = create(tmp_path, "--tenant", "acme", "--expires", "6d", "--scopes", "-", stdin=json.dumps(scopes))
    everything = create(tmp_path, "--tenant", "acme")["token"]
    with server(tmp_path) as running, running.client(everything) as client:
        clerk, baker = (
            client.post("/Users", json=user(f"{title}@x", title=title)).json()["id"] for title in ("Clerk", "Baker")
        )
    report = answer(tmp_path, "token", "explain", made["id"], "--resource", f"Users/{clerk}")
    assert (report["state"], report["daysLeft"], report["restricted"]) == ("active", 6, True)
    users, groups = report["types"]
    assert users == {
        "type": "User",
        "operations": ["read", "update"],
        "readable": ["userName", "name.givenName"],
        "writable": ["title"],
        "filter": 'title eq "Clerk"',
    }
    assert (groups["operations"], groups["readable"], groups["writable"]) == (["create"], [], None)
    assert (report["resource"]["reached"], report["resource"]["exists"]) == (True, True)
    for path, why in [
        (f"User/{baker}", "the filter of the scope leaves it out"),
        ("Users/nobody", "there is no such resource"),
    ]:
        told = answer(tmp_path, "token", "explain", made["id"], "--resource", path)["resource"]
        assert (told["reached"], told["why"]) == (False, why)
    text = run(tmp_path, "token", "explain", made["id"], "--resource", f"Users/{baker}").stdout
    assert "User: read, update\n  reads      userName, name.givenName\n  writes     title\n" in text
    assert "cannot be reached: the filter of the scope leaves it out." in text
    assert refusal(run(tmp_path, "token", "explain", made["id"], "--resource", "People/1")) == (
        1,
        "error: 'People/1' is no resource of the tenant: name one as Users/ID, Groups/ID.",
    )
    assert refusal(run(tmp_path, "token", "explain", "nothing")) == (1, "error: There is no AccessToken 'nothing'.")


def test_the_last_use_of_a_token_is_kept(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    used, unused = create(tmp_path, "--tenant", "acme"), create(tmp_path, "--tenant", "acme")
    before = datetime.now(UTC)
    with server(tmp_path) as running, running.client(used["token"]) as client:
        assert client.get("/Users").status_code == 200
    rows = {row["id"]: row for row in answer(tmp_path, "token", "list")}
    assert before <= datetime.fromisoformat(rows[used["id"]]["lastUsed"]) <= datetime.now(UTC)
    assert "lastUsed" not in rows[unused["id"]]
    assert answer(tmp_path, "token", "explain", used["id"])["lastUsed"] == rows[used["id"]]["lastUsed"]


def test_a_token_that_ends_soon_is_spoken_of_once(tmp_path):
    answer(tmp_path, "tenant", "create", "acme")
    ends = {days: create(tmp_path, "--tenant", "acme", "--expires", f"{days}d")["id"] for days in (1, 6, 29, 31)}
    revoked = create(tmp_path, "--tenant", "acme", "--expires", "2d")["id"]
    answer(tmp_path, "token", "revoke", revoked)
    rows = {row["id"]: row.get("daysLeft") for row in answer(tmp_path, "token", "list")}
    assert rows == {ends[1]: 1, ends[6]: 6, ends[29]: 29, ends[31]: None, revoked: None}
    with server(tmp_path, "--log-format", "json") as running:
        eventually(lambda: len(events(running, "token_expires")) >= 3)
        said = {line["token_id"]: line for line in events(running, "token_expires")}
    assert set(said) == {ends[1], ends[6], ends[29]}
    assert (said[ends[6]]["days"], said[ends[6]]["tenant"], said[ends[6]]["level"]) == (6, "acme", "warning")
    create(tmp_path, "--tenant", "acme", "--expires", "3d")
    with server(tmp_path, "--log-format", "json") as running:
        eventually(lambda: events(running, "token_expires"))
        assert [line["days"] for line in events(running, "token_expires")] == [3]


def test_the_days_of_a_token_are_those_of_its_end(acme):
    made = create(acme, "--tenant", "acme", "--expires", "30d")
    assert made["daysLeft"] == 30
    assert datetime.fromisoformat(made["expires"]) - datetime.now(UTC) < timedelta(days=30)
    assert USER not in json.dumps(made)
