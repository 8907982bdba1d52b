"""Signatures by keys of a real issuer: which are believed, and when its keys are fetched."""

import asyncio
import base64
import json
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import ECKey, KeySet

from headcount.directory.oauth import key_sets
from headcount.directory.oauth.key_sets import BETWEEN, FRESH, STALE, KeySets
from headcount.directory.oauth.keys import KeysError, keys_of
from headcount.directory.oauth.signatures import Signatures
from headcount.directory.operator_schemas import ALGORITHMS, USUAL_ALGORITHMS
from headcount.directory.trust import InvalidTokenError, KeySource
from headcount.outbound import Destinations, networks_of
from headcount.scim.errors import InvalidValueError
from issuers import new_key, running_issuer, signed, signed_with_secret, unsigned

LOOPBACK = Destinations(networks_of("127.0.0.0/8"))
CLAIMS = {"iss": "https://idp.example.com", "exp": 1}


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: float = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def issuer():
    with running_issuer() as running:
        yield running


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def verify(clock):
    """Verifies a token against a source with one verifier for the whole test."""
    with asyncio.Runner() as runner:
        sets = KeySets(LOOPBACK, "test", clock)
        signatures = Signatures(sets, LOOPBACK)
        yield lambda token, source, algorithms=USUAL_ALGORITHMS: runner.run(
            signatures.claims(token, source, algorithms)
        )
        runner.run(sets.close())


def published(*keys, **members):
    """A source that holds the public parts of keys itself."""
    document = KeySet([*keys]).as_dict(private=False)
    return KeySource(json.dumps({"keys": [key | members for key in document["keys"]]}))


def of(issuer):
    return KeySource(issuer=issuer.url)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_signature_by_each_algorithm_is_believed(verify, algorithm):
    key = new_key(algorithm)
    assert verify(signed(key, algorithm, CLAIMS), published(key), ALGORITHMS) == CLAIMS


@pytest.mark.parametrize("algorithm", ["RS384", "ES512"])
def test_an_algorithm_that_is_not_usual_has_to_be_allowed(verify, algorithm):
    key = new_key(algorithm)
    with pytest.raises(InvalidTokenError, match="alg"):
        verify(signed(key, algorithm, CLAIMS), published(key))


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "", None, 1, ["ES256"]])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_a_token_without_a_signature_is_not_believed(verify, algorithm, signature):
    key = new_key("ES256")
    token = f"{unsigned({'alg': algorithm, 'kid': key.kid}, CLAIMS)}.{signature}"
    with pytest.raises(InvalidTokenError):
        verify(token, published(key), ALGORITHMS)


@pytest.mark.parametrize("form", ["pem", "json"])
def test_a_public_key_is_no_shared_secret(verify, form):
    """The confusion of algorithms: HS256 with what everybody knows as the key."""
    key = new_key("RS256")
    secret = key.as_pem(private=False) if form == "pem" else json.dumps(key.as_dict(private=False)).encode()
    for allowed in (USUAL_ALGORITHMS, ALGORITHMS):
        with pytest.raises(InvalidTokenError, match="alg"):
            verify(signed_with_secret(secret, CLAIMS, key.kid), published(key), allowed)


def test_a_key_of_another_kind_or_algorithm_is_not_tried(verify):
    rsa, curve = new_key("RS256", "same"), new_key("ES256", "same")
    with pytest.raises(InvalidTokenError, match="kind"):
        verify(signed(curve, "ES256", CLAIMS), published(rsa))
    with pytest.raises(InvalidTokenError, match="kind"):
        verify(signed(rsa, "PS256", CLAIMS), published(rsa, alg="RS256"))
    assert verify(signed(rsa, "RS256", CLAIMS), published(rsa, alg="RS256")) == CLAIMS


def test_another_key_with_the_same_id_signs_nothing(verify):
    mine, other = new_key("ES256", "same"), new_key("ES256", "same")
    with pytest.raises(InvalidTokenError, match="signature"):
        verify(signed(other, "ES256", CLAIMS), published(mine))


def test_a_token_that_brings_its_key_along_is_not_believed_for_it(verify):
    mine, other = new_key("ES256", "same"), new_key("ES256", "same")
    token = signed(other, "ES256", CLAIMS, jwk=other.as_dict(private=False), jku="https://evil.example.com/keys")
    with pytest.raises(InvalidTokenError, match="signature"):
        verify(token, published(mine))


def test_without_a_key_id_every_key_of_the_kind_is_tried(verify):
    first, second = new_key("ES256"), new_key("ES256")
    assert verify(signed(second, "ES256", CLAIMS, kid=None), published(first, second)) == CLAIMS
    with pytest.raises(InvalidTokenError, match="signature"):
        verify(signed(new_key("ES256"), "ES256", CLAIMS, kid=None), published(first, second))


@pytest.mark.parametrize("kind", [None, "JWT", "jwt", "at+jwt", "application/at+jwt"])
def test_the_kinds_of_an_access_token_are_believed(verify, kind):
    key = new_key("ES256")
    assert verify(signed(key, "ES256", CLAIMS, typ=kind), published(key)) == CLAIMS


@pytest.mark.parametrize(
    "header", [{"typ": "logout+jwt"}, {"typ": "secevent+jwt"}, {"typ": 1}, {"crit": ["exp"]}, {"crit": []}, {"kid": 1}]
)
def test_a_header_that_makes_it_something_else_is_not_believed(verify, header):
    key = new_key("ES256")
    with pytest.raises(InvalidTokenError):
        verify(signed(key, "ES256", CLAIMS, **header), published(key))


def test_a_header_with_more_than_is_known_is_believed(verify):
    key = new_key("ES256")
    assert verify(signed(key, "ES256", CLAIMS, x5t="abc", nonce="x" * 1000), published(key)) == CLAIMS


@pytest.mark.parametrize("text", ['{"exp":1,"exp":2}', "[1]", '"x"', "{"])
def test_a_signature_does_not_make_claims_of_what_are_none(verify, text):
    key = new_key("ES256")
    with pytest.raises(InvalidTokenError):
        verify(signed(key, "ES256", text), published(key))


def test_a_token_is_bounded(verify):
    key = new_key("ES256")
    assert verify(signed(key, "ES256", {"pad": "x" * 10_000}), published(key)) == {"pad": "x" * 10_000}
    with pytest.raises(InvalidTokenError, match="16384"):
        verify(signed(key, "ES256", {"pad": "x" * 13_000}), published(key))


@pytest.mark.parametrize("number", range(3))
def test_a_token_that_was_tampered_with_is_not_believed(verify, number):
    key = new_key("ES256")
    parts = signed(key, "ES256", CLAIMS).split(".")
    parts[number] = parts[number][:-4] + ("AAAA" if parts[number][-4:] != "AAAA" else "BBBB")
    with pytest.raises(InvalidTokenError):
        verify(".".join(parts), published(key))


def short_key():
    """An RSA key of 1024 bits."""
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  that is the point
    numbers = key.public_key().public_numbers()
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(128)).rstrip(b"=").decode()
    return {"kty": "RSA", "n": modulus, "e": "AQAB"}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "JSON"),
        ("[]", "key set"),
        ('{"keys":{}}', "key set"),
        ('{"keys":[1]}', "key set"),
        ('{"keys":[]}', "no public key"),
        ('{"keys":[{"kty":"RSA"}]}', "no public key"),
        ('{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', "symmetric"),
        (json.dumps({"keys": [new_key("ES256").as_dict(private=True)]}), "private"),
        (json.dumps({"keys": [new_key("ES256").as_dict(private=False) | {"use": "enc"}]}), "no public key"),
        (json.dumps({"keys": [short_key()]}), "2048"),
        (json.dumps({"keys": [ECKey.generate_key("secp256k1").as_dict(private=False)]}), "no public key"),
        (json.dumps({"keys": [new_key("ES256").as_dict(private=False)] * 51}), "50"),
    ],
)
def test_a_key_set_that_cannot_be_used_says_why(text, word):
    with pytest.raises(KeysError, match=word):
        keys_of(text.encode())


def test_keys_that_cannot_verify_are_left_out():
    good = new_key("ES256", "good").as_dict(private=False)
    odd = [
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": "new"},
        {},
        good | {"kid": "enc", "use": "enc"},
        good | {"kid": "x", "alg": "ES384"},
    ]
    assert [key.id for key in keys_of(json.dumps({"keys": [*odd, good]}).encode())] == ["good"]


def test_keys_are_found_by_the_metadata_of_the_issuer(verify, issuer):
    assert verify(issuer.token(), of(issuer))["sub"] == "robot"
    assert verify(issuer.token(), of(issuer))["sub"] == "robot"
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


def test_keys_are_found_by_the_metadata_of_an_authorization_server(verify, issuer):
    """RFC 8414 puts the path of the issuer last, OpenID Connect first."""
    issuer.pages["/.well-known/oauth-authorization-server/tenant"] = lambda: {
        "issuer": f"{issuer.url}/tenant",
        "jwks_uri": f"{issuer.url}/keys",
    }
    assert verify(issuer.token(), KeySource(issuer=f"{issuer.url}/tenant"))["sub"] == "robot"
    assert issuer.asked[0] == "/tenant/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "metadata",
    [
        lambda issuer: {"issuer": "https://idp.example.com", "jwks_uri": f"{issuer.url}/keys"},
        lambda issuer: {"issuer": f"{issuer.url}/", "jwks_uri": f"{issuer.url}/keys"},
        lambda issuer: {"issuer": issuer.url},
        lambda issuer: {"issuer": issuer.url, "jwks_uri": 1},
        lambda issuer: {"issuer": issuer.url, "jwks_uri": "http://169.254.169.254/keys"},
        lambda issuer: {"issuer": issuer.url, "jwks_uri": "file:///etc/passwd"},
        lambda _issuer: [],
        lambda issuer: (302, {"Location": f"{issuer.url}/keys"}, b""),
        lambda _issuer: (200, {}, b"{" * 10),
        lambda _issuer: (200, {}, b" " * (key_sets.MOST_BYTES + 1)),
        lambda _issuer: (500, {}, b""),
    ],
)
def test_metadata_that_is_not_right_gives_no_keys(verify, issuer, metadata):
    issuer.pages["/.well-known/openid-configuration"] = lambda: metadata(issuer)
    with pytest.raises(InvalidTokenError):
        verify(issuer.token(), of(issuer))


def test_a_new_key_is_noticed_by_its_first_token(verify, issuer, clock):
    verify(issuer.token(), of(issuer))
    issuer.key = new_key("ES256")
    issuer.keys.append(issuer.key)
    clock.now += BETWEEN
    assert verify(issuer.token(), of(issuer))["sub"] == "robot"


def test_unknown_keys_make_nobody_fetch_more_than_twice_a_minute(verify, issuer, clock):
    verify(issuer.token(), of(issuer))
    before = len(issuer.asked)
    for _ in range(20):
        clock.now += BETWEEN / 20.5
        with pytest.raises(InvalidTokenError):
            verify(signed(new_key("ES256"), "ES256", issuer.claims()), of(issuer))
    assert len(issuer.asked) == before
    clock.now += 1
    with pytest.raises(InvalidTokenError):
        verify(signed(new_key("ES256"), "ES256", issuer.claims()), of(issuer))
    assert len(issuer.asked) == before + 2


def test_a_key_that_was_withdrawn_goes_after_an_hour(verify, issuer, clock):
    token = issuer.token()
    verify(token, of(issuer))
    issuer.keys[:] = [new_key("ES256")]
    clock.now += FRESH - 1
    verify(token, of(issuer))
    clock.now += 1
    with pytest.raises(InvalidTokenError):
        verify(token, of(issuer))


def test_an_issuer_out_of_reach_is_believed_for_a_day(verify, issuer, clock):
    token = issuer.token()
    verify(token, of(issuer))
    issuer.pages.clear()
    clock.now += STALE - 1
    verify(token, of(issuer))
    clock.now += BETWEEN
    with pytest.raises(InvalidTokenError):
        verify(token, of(issuer))


def test_an_issuer_that_comes_back_is_believed_again(verify, issuer, clock):
    pages = dict(issuer.pages)
    issuer.pages.clear()
    with pytest.raises(InvalidTokenError):
        verify(issuer.token(), of(issuer))
    issuer.pages.update(pages)
    with pytest.raises(InvalidTokenError):
        verify(issuer.token(), of(issuer))
    clock.now += BETWEEN
    assert verify(issuer.token(), of(issuer))["sub"] == "robot"


def test_those_who_come_together_wait_for_one_fetch(issuer):
    async def run():
        sets = KeySets(LOOPBACK, "test")
        signatures = Signatures(sets, LOOPBACK)
        tokens = [issuer.token(sub=f"robot{number}") for number in range(20)]
        found = await asyncio.gather(*(signatures.claims(token, of(issuer), USUAL_ALGORITHMS) for token in tokens))
        await sets.close()
        return {claims["sub"] for claims in found}

    assert len(asyncio.run(run())) == 20
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    ("source", "word"),
    [
        (KeySource("{"), "JSON"),
        (KeySource(url="http://idp.example.com/keys"), "secured"),
        (KeySource(url="https://10.0.0.1/keys"), "HEADCOUNT_PRIVATE_NETWORKS"),
        (KeySource(issuer="idp.example.com"), "https://"),
        (KeySource(issuer="https://localhost@idp.example.com"), "without a user"),
    ],
)
def test_a_source_that_is_not_to_be_used_is_refused_when_it_is_given(source, word):
    with pytest.raises(InvalidValueError, match=word):
        Signatures(KeySets(Destinations(), "test"), Destinations()).check(source)
