"""Whose signatures a connection believes, on the command line."""

import json

import pytest

from issuers import new_key
from processes import answer, refusal, run

TRUST = ("connection", "trust", "ci", "--tenant", "acme")
KEYS = ("connection", "keys", "ci", "--tenant", "acme")


@pytest.fixture(scope="module", autouse=True)
def ci(acme):
    answer(acme, "connection", "create", "ci", "--tenant", "acme")


def test_an_issuer_is_set_as_a_whole_and_taken_away(acme):
    rules = ("--audience", "headcount", "--claim", "repository=acme/hr", "--claim", "ref=main", "--algorithm", "ES256")
    made = answer(acme, *TRUST, "--issuer", "https://ci.example.com", "--subject", "robot", *rules)
    assert made["issuer"] == {
        "issuer": "https://ci.example.com",
        "audiences": ["headcount"],
        "subjects": ["robot"],
        "claims": ["repository=acme/hr", "ref=main"],
        "algorithms": ["ES256"],
    }
    made = answer(acme, *TRUST, "--issuer", "https://ci.example.com", "--audience", "a", "--claim", "ref=main")
    assert made["issuer"] == {"issuer": "https://ci.example.com", "audiences": ["a"], "claims": ["ref=main"]}
    assert "issuer" not in answer(acme, *TRUST, "--nobody")


def test_keys_are_set_as_a_whole(acme, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps({"keys": [new_key("ES256").as_dict(private=False)]}))
    assert answer(acme, *KEYS, "--jwks", str(file))["jwks"] == file.read_text()
    made = answer(acme, *KEYS, "--jwks-url", "https://client.example.com/keys")
    assert made["jwksUri"] == "https://client.example.com/keys"
    assert "jwks" not in made


@pytest.mark.parametrize(
    ("arguments", "exit_code", "message"),
    [
        (TRUST, 2, "say either --issuer URL and which of its tokens are meant, or --nobody"),
        ((*TRUST, "--issuer", "https://ci.example.com", "--audience", "a"), 1, "Say whose tokens are accepted: give 'subjects' or 'claims' besides 'audiences'."),
        ((*KEYS, "--none", "--jwks-url", "https://x.example.com"), 2, "say one of --jwks FILE, --jwks-url URL and --none"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_line(acme, arguments, exit_code, message):
    assert refusal(run(acme, *arguments)) == (exit_code, f"error: {message}")
