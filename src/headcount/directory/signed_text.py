"""Signed tokens as text: three parts, read strictly (RFC 7515 §7.1, RFC 7519). Nothing here is verified yet."""

import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from typing import Any, Final

from headcount.directory.trust import MOST_TOKEN_BYTES, InvalidTokenError
from headcount.scim.schemas import Json

_TEXT: Final = re.compile(r"ey[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""`ey` is how the Base64 of a JSON object begins. The decoder would skip what is no Base64."""


def is_signed(text: str) -> bool:
    """Whether a token is written like a signed one."""
    return len(text) <= MOST_TOKEN_BYTES and _TEXT.fullmatch(text) is not None


def header_of(token: str) -> Mapping[str, Json]:
    """The header of a token; raises InvalidTokenError."""
    return _object(_part(token, 0), "header")


def claims_unverified(token: str) -> Mapping[str, Json]:
    """What a token says, whoever signed it; raises InvalidTokenError."""
    return claims_in(_part(token, 1))


def claims_in(payload: bytes) -> Mapping[str, Json]:
    """The claims in the payload of a token; raises InvalidTokenError, also when one stands twice."""
    return _object(payload, "payload")


def _part(token: str, number: int) -> bytes:
    if not is_signed(token):
        raise InvalidTokenError(f"It is no signed token of {MOST_TOKEN_BYTES} bytes at most.")
    part = token.split(".")[number]
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        raise InvalidTokenError("It is not encoded as Base64.") from None


def _object(text: bytes, what: str) -> Mapping[str, Json]:
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError):
        raise InvalidTokenError(f"The {what} is not valid JSON.") from None
    if not isinstance(value, dict):
        raise InvalidTokenError(f"The {what} is no JSON object.")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidTokenError("A member stands twice.")
    return found
