"""What identity providers send is answered as they need it."""

import pytest

from interop.cases import BOTH_PROFILES, EXPECTATIONS, FOLDER, at, cases, holds, replay

CASES = list(cases())
RUNS = [
    pytest.param(profile, case, id=f"{profile} {client}: {case['case']}")
    for client, case in CASES
    for profile in ("tolerant", "strict")
    if profile == "tolerant" or case["level"] in BOTH_PROFILES
]


@pytest.mark.parametrize(("profile", "case"), RUNS)
def test_a_client_is_answered_as_it_needs(new_tenant, profile, case):
    replay(new_tenant(profile), case)


def test_every_client_of_the_catalogue_has_cases():
    assert len(CASES) == 134
    assert {client for client, _ in CASES} == {
        "any", "authentik", "aws", "cyberark", "entra", "google", "jumpcloud", "okta", "onelogin", "rippling", "salesforce",
    }  # fmt: skip
    assert len({(client, case["case"]) for client, case in CASES}) == 134
    assert {case["level"] for _, case in CASES} == {"core", "practice", "tolerant", "policy"}


DOCUMENT = {"a": [{"type": "work", "value": 1}, {"type": "home", "value": 2}], "b": {"urn:x:2.0:Y": True}, "c": ""}


@pytest.mark.parametrize(
    ("path", "want", "expected"),
    [
        ("/a/0/value", 1, True),
        ("/a/0/value", True, False),
        ("/a/2/value", {"absent": True}, True),
        ("/a/*/value", {"only": [2, 1]}, True),
        ("/a/*/value", {"only": [1]}, False),
        ("/a/type=home/value", [2], True),
        ("/a/type=none/value", {"size": 0}, True),
        ("/a", {"size": 2}, True),
        ("/a", {"size": 3}, False),
        ("/b/urn:x:2.0:Y", True, True),
        ("/b/urn:x:2.0:Y", {"a": "boolean"}, True),
        ("/b/urn:x:2.0:Y", {"a": "integer"}, False),
        ("/b/urn:x:2.0:Y", {"absent": True}, False),
        ("/c", {"absent": True}, True),
        ("/d", {"absent": False}, False),
        ("/a/0/type", {"has": "or"}, True),
        ("/a/0/type", {"lacks": "or"}, False),
        ("/a/0/type", {"any case": "WORK"}, True),
        ("/a/0/type", {"matches": "^wo"}, True),
        ("/a/0/type", {"one of": ["home"]}, False),
        ("/a/0/type", {"not": "work"}, False),
        ("/a/1/value", {"at least": 3}, False),
    ],
)
def test_the_cases_own_language_tells_right_from_wrong(path, want, expected):
    assert holds(at(DOCUMENT, path), want) is expected


def test_every_expectation_is_described():
    described = (FOLDER / "README.md").read_text("utf-8")
    assert [name for name in EXPECTATIONS if f'{{"{name}":' not in described] == []
