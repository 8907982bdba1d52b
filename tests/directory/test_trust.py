"""What a token says, judged: issuer, audience, subject, claims and times; and what a connection may trust."""

import math

import pytest

from headcount.directory.signed_text import claims_in, claims_unverified, is_signed
from headcount.directory.trust import InvalidTokenError, check_trust, expiry_of, trust_of
from headcount.scim.errors import InvalidValueError

NOW = 1_800_000_000.0
ISSUER = {
    "issuer": "https://idp.example.com",
    "audiences": ["headcount", "scim"],
    "subjects": ["robot", "other"],
    "claims": ["repository=acme/hr", "ref=main", "ref=release", "admin=true", "run=7"],
}
CLAIMS = {
    "iss": "https://idp.example.com",
    "aud": "headcount",
    "sub": "robot",
    "repository": "acme/hr",
    "ref": "main",
    "admin": True,
    "run": 7,
}


class NothingToSay:
    """A verifier that finds all keys usable: what is judged here are the rules."""

    def check(self, source):
        pass


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"aud": ["x", "scim"]},
        {"sub": "other"},
        {"ref": "release"},
        {"ref": ["x", "release"]},
        {"run": "7"},
        {"more": "of it"},
    ],
)
def test_a_token_that_says_what_it_must_is_believed(said):
    trust_of({"issuer": ISSUER}).check(CLAIMS | said)


@pytest.mark.parametrize(
    "said",
    [
        {"iss": "https://idp.example.com/"},
        {"iss": "https://IDP.example.com"},
        {"iss": ["https://idp.example.com"]},
        {"iss": None},
        {"aud": "Headcount"},
        {"aud": "headcount scim"},
        {"aud": []},
        {"aud": None},
        {"aud": {"headcount": True}},
        {"aud": [["headcount"]]},
        {"sub": "robot2"},
        {"sub": ["robot"]},
        {"sub": None},
        {"repository": "acme/hr2"},
        {"repository": None},
        {"ref": "dev"},
        {"ref": []},
        {"ref": {"main": "main"}},
        {"ref": [["main"]]},
        {"admin": False},
        {"run": 7.0},
    ],
)
def test_a_token_that_says_anything_else_is_not(said):
    with pytest.raises(InvalidTokenError):
        trust_of({"issuer": ISSUER}).check(CLAIMS | said)


@pytest.mark.parametrize("missing", CLAIMS)
def test_a_token_that_leaves_something_out_is_not(missing):
    with pytest.raises(InvalidTokenError):
        trust_of({"issuer": ISSUER}).check({name: value for name, value in CLAIMS.items() if name != missing})


@pytest.mark.parametrize(
    ("times", "expires"),
    [
        ({"exp": NOW + 1}, NOW + 1),
        ({"exp": NOW - 59}, NOW - 59),
        ({"exp": NOW + 0.5, "nbf": NOW - 10, "iat": NOW - 20}, NOW + 0.5),
        ({"exp": NOW + 100, "nbf": NOW + 60, "iat": NOW + 60}, NOW + 100),
    ],
)
def test_a_token_is_valid_within_its_times_and_a_minute(times, expires):
    assert expiry_of(times, NOW) == expires


@pytest.mark.parametrize(
    "times",
    [
        {},
        {"exp": None},
        {"exp": NOW - 60},
        {"exp": NOW + 100, "nbf": NOW + 61},
        {"exp": NOW + 100, "iat": NOW + 61},
        {"exp": str(NOW + 100)},
        {"exp": True},
        {"exp": math.inf},
        {"exp": math.nan},
        {"exp": -1},
        {"exp": [NOW + 100]},
        {"exp": NOW + 100, "nbf": "now"},
        {"exp": NOW + 100, "nbf": None},
        {"exp": NOW * 1000},
    ],
)
def test_a_token_beyond_its_times_is_not(times):
    with pytest.raises(InvalidTokenError):
        expiry_of(times, NOW)


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":1,"a":1}',
        b'{"b":{"a":1,"a":2}}',
        b'{"aud":"x","\\u0061ud":"y"}',
        b"[]",
        b'"x"',
        b"{",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_claims_that_are_no_plain_object_are_not_read(text):
    with pytest.raises(InvalidTokenError):
        claims_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eyJ9.eyJ9",
        "eyJ9.eyJ9.x.y.z",
        "abc.eyJ9.x",
        "eyJ9.eyJ9.",
        "eyJ9.eyJ9.x=",
        "eyJ9.ey J9.x",
        "eyJ9.eyJ9.é",
        "eyJ9.eyJ9.x\n",
        f"eyJ9.eyJ9.{'x' * 16_384}",
    ],
)
def test_what_is_not_written_like_a_signed_token_is_none(text):
    assert not is_signed(text)
    with pytest.raises(InvalidTokenError):
        claims_unverified(text)


def issuer(**changed):
    return {"issuer": {name: value for name, value in (ISSUER | changed).items() if value is not None}}


@pytest.mark.parametrize(
    ("connection", "word"),
    [
        (issuer(algorithms=["HS256"]), "HS256"),
        (issuer(algorithms=["none"]), "none"),
        (issuer(algorithms=["RS256", "rs256"]), "rs256"),
        (issuer(subjects=None, claims=None), "subjects"),
        (issuer(claims=["repository"]), "name=value"),
        (issuer(claims=["=x"]), "name=value"),
        (issuer(jwks='{"keys":[]}', jwksUri="https://idp.example.com/keys"), "exclude"),
        ({"jwks": '{"keys":[]}', "jwksUri": "https://client.example.com/keys"}, "exclude"),
    ],
)
def test_a_connection_cannot_trust_what_nobody_should(connection, word):
    with pytest.raises(InvalidValueError, match=word):
        check_trust(connection, NothingToSay())


@pytest.mark.parametrize(
    "connection", [{}, issuer(), issuer(subjects=None), issuer(claims=None), issuer(algorithms=["ES256", "EdDSA"])]
)
def test_a_connection_can_trust_what_is_named(connection):
    check_trust(connection, NothingToSay())


@pytest.mark.parametrize(
    "connection", [issuer(), {"jwks": '{"keys":[]}'}, {"jwksUri": "https://client.example.com/keys"}]
)
def test_without_the_extra_a_connection_that_needs_it_says_which(connection):
    with pytest.raises(InvalidValueError, match=r"pip install 'headcount\[oauth\]'"):
        check_trust(connection, None)
    check_trust({}, None)
