"""Secrets: what is derived from the installation key, and digests of tokens.

Cursors leave the server sealed: encrypted, so that no sort value leaks, and authenticated, so that none is forged.
"""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES: Final = 32
TOKEN_PREFIX: Final = "hc_"  # noqa: S105  lets secret scanners recognise a token
_NONCE_BYTES: Final = 12


class NotSealedError(Exception):
    """The text was not sealed by this installation for this purpose."""


def derived(installation_key: bytes, purpose: str) -> bytes:
    """A key of its own for one purpose."""
    return hmac.digest(installation_key, purpose.encode(), "sha256")


class Seal:
    """Seals small texts for one purpose with a key of their own, derived from the installation key."""

    def __init__(self, installation_key: bytes, purpose: str) -> None:
        self._cipher = AESGCM(derived(installation_key, purpose))

    def seal(self, content: bytes, context: bytes) -> str:
        """The content as text of URI-unreserved characters; it opens only with the same context."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, content, context)
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def open(self, text: str, context: bytes) -> bytes:
        """The sealed content; raises NotSealedError."""
        try:
            sealed = urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (InvalidTag, Base64Error, ValueError) as error:
            raise NotSealedError from error


def new_token() -> str:
    """A fresh access token with 256 bits of entropy."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token. Tokens are random, so that a plain digest cannot be guessed back."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
