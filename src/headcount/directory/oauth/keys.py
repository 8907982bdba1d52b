"""Key sets as JSON, read strictly: public keys only, of kinds and sizes that are fit to verify with (RFC 7517)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey, import_key

from headcount.scim.schemas import Json

PublicKey = RSAKey | ECKey | OKPKey

MOST_KEYS: Final = 50
LEAST_RSA_BITS: Final = 2048
_SECRET: Final = frozenset({"d", "k", "p"})
_EDWARDS: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of one algorithm (RFC 8037, RFC 9864)."""
_KINDS: Final[Mapping[str, frozenset[str]]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "P-256": frozenset({"ES256"}),
    "P-384": frozenset({"ES384"}),
    "P-521": frozenset({"ES512"}),
    "Ed25519": _EDWARDS,
}
"""What each kind of key verifies; a key of no such kind is left out."""


class KeysError(Exception):
    """A text is no usable key set; the message says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """One public key."""

    key: PublicKey
    algorithms: frozenset[str]
    """What it verifies."""
    id: str = ""
    """Its `kid`."""


def keys_of(text: bytes) -> Sequence[VerificationKey]:
    """The keys of a set that can verify, one at least; others in it, such as those to encrypt with, are left out.

    Raises KeysError, also for a set that holds a private or symmetric key: nobody publishes one on purpose.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise KeysError(f"It is not valid JSON: {error}.") from None
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MOST_KEYS or not all(isinstance(item, dict) for item in found):
        raise KeysError(f"It is no key set: it needs 'keys', an array of {MOST_KEYS} keys at most.")
    keys = [key for key in map(_key, found) if key is not None]
    if not keys:
        raise KeysError("It has no public key to verify with: RSA of 2048 bits or more, P-256, P-384, P-521, Ed25519.")
    return keys


def fitting(keys: Sequence[VerificationKey], key_id: str | None, algorithm: str) -> Sequence[VerificationKey]:
    """The keys that may have signed a token; without an id in its header, all of the kind."""
    return [key for key in keys if algorithm in key.algorithms and (key_id is None or key.id == key_id)]


def _key(document: Mapping[str, Json]) -> VerificationKey | None:
    if document.keys() & _SECRET:
        raise KeysError("It holds a private or symmetric key: publish the public ones only, and replace this one.")
    if document.get("use", "sig") != "sig":
        return None
    try:
        key = import_key(dict(document))
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    if isinstance(key, OctKey) or (isinstance(key, RSAKey) and key.raw_value.key_size < LEAST_RSA_BITS):
        return None
    algorithms = _KINDS.get("RSA" if isinstance(key, RSAKey) else key.curve_name, frozenset())
    named, key_id = document.get("alg"), document.get("kid")
    if named is not None:
        algorithms &= _EDWARDS if named in _EDWARDS else {named}
    return VerificationKey(key, algorithms, key_id if isinstance(key_id, str) else "") if algorithms else None
