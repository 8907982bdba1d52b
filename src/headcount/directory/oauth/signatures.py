"""Signatures checked (RFC 7515), with the keys of whoever has to have made them and the algorithms allowed to him."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from headcount.directory.oauth.key_sets import KeySets
from headcount.directory.oauth.keys import KeysError, VerificationKey, keys_of
from headcount.directory.signed_text import claims_in, header_of
from headcount.directory.trust import MOST_TOKEN_BYTES, InvalidTokenError, KeySource
from headcount.outbound import Destinations, RefusedAddressError
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json

_TYPES: Final = frozenset({"jwt", "at+jwt", "client-authentication+jwt"})
"""Of tokens and assertions (RFC 7519, RFC 9068, RFC 7523bis); other signed things are none, such as logout tokens."""


class _Registry(JWSRegistry):
    """Takes headers of any length and members that it does not know, as RFC 7515 §4 has it."""

    max_header_length = MOST_TOKEN_BYTES
    max_payload_length = MOST_TOKEN_BYTES

    def get_alg(self, name: str) -> Any:
        """The algorithm, without a word about EdDSA's new name."""
        return self.algorithms[name]


_REGISTRY: Final = _Registry(strict_check_header=False)


class Signatures:
    """Checks signatures by public keys."""

    def __init__(self, key_sets: KeySets, destinations: Destinations) -> None:
        self._key_sets = key_sets
        self._destinations = destinations

    async def claims(self, token: str, source: KeySource, algorithms: Collection[str]) -> Mapping[str, Json]:
        """The claims of a token that one of the keys signed; raises InvalidTokenError."""
        header = header_of(token)
        algorithm, key_id = _algorithm_in(header, algorithms), header.get("kid")
        if key_id is not None and not isinstance(key_id, str):
            raise InvalidTokenError("'kid' is no string.")
        keys = await self._keys(source, key_id, algorithm)
        if not keys:
            raise InvalidTokenError("None of the keys is the one that it names, or of its kind.")
        for key in keys:
            payload = _signed(token, key)
            if payload is not None:
                return claims_in(payload)
        raise InvalidTokenError("The signature is not valid.")

    async def _keys(self, source: KeySource, key_id: str | None, algorithm: str) -> Sequence[VerificationKey]:
        try:
            return await self._key_sets.find(source, key_id, algorithm)
        except KeysError as error:
            raise InvalidTokenError(f"The keys of the connection cannot be used. {error}") from None

    def check(self, source: KeySource) -> None:
        """Raises InvalidValueError for keys that cannot be used and URLs that are not to be called."""
        try:
            if source.keys:
                keys_of(source.keys.encode())
            else:
                self._destinations.check(source.url or source.issuer)
        except KeysError as error:
            raise InvalidValueError(f"The key set in 'jwks' cannot be used. {error}") from None
        except RefusedAddressError as error:
            raise InvalidValueError(str(error)) from None

    async def close(self) -> None:
        """Ends its connections."""
        await self._key_sets.close()


def _algorithm_in(header: Mapping[str, Json], allowed: Collection[str]) -> str:
    """The algorithm of a token, one of those allowed; raises InvalidTokenError."""
    algorithm, kind = header.get("alg"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in allowed:
        raise InvalidTokenError("'alg' is none that is allowed.")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise InvalidTokenError("'typ' is no kind of access token or assertion.")
    if "crit" in header:
        raise InvalidTokenError("'crit' asks for an extension that is not known.")
    return algorithm


def _signed(token: str, key: VerificationKey) -> bytes | None:
    """What the key signed, None when it did not sign the token."""
    try:
        return jws.deserialize_compact(token, key.key, registry=_REGISTRY).payload
    except (JoseError, ValueError):
        return None
