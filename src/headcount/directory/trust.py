"""Whose signatures are believed: the keys that a connection registers, and the issuer outside that it trusts.

What is here needs no cryptography; who checks signatures is a `Verifier`.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import orjson

from headcount.directory.operator_schemas import ALGORITHMS, USUAL_ALGORITHMS
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json

MOST_TOKEN_BYTES: Final = 16 * 1024
SKEW: Final = 60.0
"""Seconds that clocks may differ by."""
_TRUST: Final = ("jwks", "jwksUri", "issuer")
"""The attributes of a connection that say whose signatures are believed."""
_MISSING: Final = "Signed tokens need an extra: pip install 'headcount[oauth]'."


class InvalidTokenError(Exception):
    """A signed token is not to be believed; the message says why, to the operator alone."""


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where public keys are: here, at a URL, or where the metadata of an issuer says."""

    keys: str = field(default="", repr=False)
    """The JSON text of a key set."""
    url: str = ""
    issuer: str = ""

    @property
    def digest(self) -> str:
        """Differs as soon as other keys are registered."""
        return hashlib.sha256(orjson.dumps((self.keys, self.url, self.issuer))).hexdigest()


class Verifier(Protocol):
    """Checks signatures by public keys."""

    async def claims(self, token: str, source: KeySource, algorithms: Collection[str]) -> Mapping[str, Json]:
        """The claims of a token that one of the keys signed; raises InvalidTokenError."""
        ...

    def check(self, source: KeySource) -> None:
        """Raises InvalidValueError for keys that cannot be used and URLs that are not to be called."""
        ...

    async def close(self) -> None:
        """Ends its connections."""
        ...


@dataclass(frozen=True, slots=True)
class Trust:
    """An issuer outside, and which of its tokens let clients in."""

    issuer: str
    source: KeySource
    audiences: frozenset[str]
    algorithms: frozenset[str] = USUAL_ALGORITHMS
    subjects: frozenset[str] = frozenset()
    """Empty for anyone."""
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By name, the values of which a token has to have one."""

    def check(self, claims: Mapping[str, Json]) -> None:
        """Raises InvalidTokenError when a token says something that does not fit, times apart."""
        check_issuer(claims, self.issuer)
        check_audience(claims, self.audiences)
        subject = claims.get("sub")
        if self.subjects and (not isinstance(subject, str) or subject not in self.subjects):
            raise InvalidTokenError("'sub' is none of the subjects.")
        for name, values in self.claims.items():
            if values.isdisjoint(_texts(claims.get(name))):
                raise InvalidTokenError(f"'{name}' has none of the values that it must have.")


def trust_of(connection: Mapping[str, Json]) -> Trust | None:
    """The issuer that a connection trusts, or None."""
    found = connection.get("issuer")
    if found is None:
        return None
    claims: dict[str, frozenset[str]] = {}
    for text in found.get("claims", ()):
        name, _, value = text.partition("=")
        claims[name] = claims.get(name, frozenset()) | {value}
    return Trust(
        found["issuer"],
        KeySource(found.get("jwks", ""), found.get("jwksUri", ""), found["issuer"]),
        frozenset(found["audiences"]),
        frozenset(found.get("algorithms", ())) or USUAL_ALGORITHMS,
        frozenset(found.get("subjects", ())),
        claims,
    )


def registered_keys(connection: Mapping[str, Json]) -> KeySource | None:
    """The keys that a connection's client signs its assertions with (RFC 7523), or None."""
    keys, url = connection.get("jwks", ""), connection.get("jwksUri", "")
    return KeySource(keys, url) if keys or url else None


def check_trust(
    connection: Mapping[str, Json], verifier: Verifier | None, current: Mapping[str, Json] | None = None
) -> None:
    """Raises InvalidValueError for an issuer or keys that a connection cannot have.

    What it has already is not judged again: it can always be shut, also where its issuer may not be called any more.
    """
    if current is not None and all(connection.get(name) == current.get(name) for name in _TRUST):
        return
    keys, trust = registered_keys(connection), trust_of(connection)
    if verifier is None and (keys or trust):
        raise InvalidValueError(_MISSING)
    for source in (keys, trust.source if trust else None):
        if verifier is not None and source is not None:
            _check_source(source)
            verifier.check(source)
    if trust is not None:
        _check_rules(trust, connection["issuer"].get("claims", ()))


def _check_source(source: KeySource) -> None:
    if source.keys and source.url:
        raise InvalidValueError("'jwks' and 'jwksUri' exclude each other.")


def _check_rules(trust: Trust, claims: Sequence[str]) -> None:
    unknown = sorted(trust.algorithms.difference(ALGORITHMS))
    if unknown:
        raise InvalidValueError(f"'{unknown[0]}' is no algorithm to sign with; use {', '.join(ALGORITHMS)}.")
    for text in claims:
        name, _, value = text.partition("=")
        if not name or not value:
            raise InvalidValueError(f"'{text}' is no claim; write name=value.")
    if not trust.subjects and not trust.claims:
        raise InvalidValueError("Say whose tokens are accepted: give 'subjects' or 'claims' besides 'audiences'.")


def check_issuer(claims: Mapping[str, Json], issuer: str) -> None:
    """Raises InvalidTokenError unless the token is of this issuer, to the letter."""
    if claims.get("iss") != issuer:
        raise InvalidTokenError("'iss' is another issuer.")


def check_audience(claims: Mapping[str, Json], audiences: frozenset[str]) -> None:
    """Raises InvalidTokenError unless the token is for one of these (RFC 7519 §4.1.3)."""
    found = claims.get("aud")
    if audiences.isdisjoint(item for item in (found if isinstance(found, list) else [found]) if isinstance(item, str)):
        raise InvalidTokenError("'aud' names none of the audiences.")


def expiry_of(claims: Mapping[str, Json], now: float) -> float:
    """When the token ends, seconds since the epoch; raises InvalidTokenError when it is not valid now.

    `exp` has to be there, `nbf` and `iat` are heeded where they are (RFC 7519 §4.1).
    """
    expires = _time(claims, "exp")
    if expires is None:
        raise InvalidTokenError("'exp' is missing.")
    if now >= expires + SKEW:
        raise InvalidTokenError("It has expired.")
    for name in ("nbf", "iat"):
        begins = _time(claims, name)
        if begins is not None and begins > now + SKEW:
            raise InvalidTokenError(f"'{name}' is in the future.")
    return expires


def _time(claims: Mapping[str, Json], name: str) -> float | None:
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:  # noqa: PLR2004  seconds
        raise InvalidTokenError(f"'{name}' is no time.")
    return float(value)


def _texts(value: Json) -> Sequence[str]:
    """A claim, or the elements of one, as texts."""
    return [_text(item) for item in (value if isinstance(value, list) else [value]) if isinstance(item, str | int)]


def _text(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
