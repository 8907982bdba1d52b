"""An issuer of signed tokens for tests: a real HTTP server with metadata and keys, which a test may change."""

import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ALL = [*JWSRegistry.algorithms]


def new_key(algorithm: str, key_id: str | None = None) -> Key:
    """A fresh key to sign with, its id in it."""
    parameters = {"kid": key_id or uuid4().hex}
    if algorithm.startswith("ES"):
        return ECKey.generate_key({"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm], parameters)
    if algorithm.startswith("Ed"):
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


def signed(key: Key, algorithm: str, claims: Any, **header: Any) -> str:
    """A token with these claims (an object, or the very text), signed; a header member of None is left out."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    members = {"alg": algorithm, "typ": "JWT", "kid": key.kid, **header}
    members = {name: value for name, value in members.items() if value is not None}
    return jws.serialize_compact(members, text, key, registry=_Anything(algorithms=ALL, strict_check_header=False))


def unsigned(header: Any, claims: Any) -> str:
    """The first two parts of a token."""
    return f"{_encoded(json.dumps(header).encode())}.{_encoded(json.dumps(claims).encode())}"


def signed_with_secret(secret: bytes, claims: Any, key_id: str) -> str:
    """A token signed by HS256."""
    text = unsigned({"alg": "HS256", "typ": "JWT", "kid": key_id}, claims)
    return f"{text}.{_encoded(hmac.digest(secret, text.encode(), 'sha256'))}"


def _encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


class _Anything(JWSRegistry):
    """Signs whatever it is asked to: what is refused is for the other side to say."""

    max_payload_length = 10**6

    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]

    def check_header(self, header: Any) -> None:
        """Nothing to say."""


class Issuer:
    """Signs tokens, and publishes its keys below its own URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.key = new_key("ES256")
        self.keys = [self.key]
        self.pages: dict[str, Any] = {
            "/.well-known/openid-configuration": lambda: {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": lambda: KeySet(self.keys).as_dict(private=False),
        }
        """What is answered, by path: JSON, or (status, headers, bytes)."""
        self.asked: list[str] = []

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token; one that is changed to None is left out."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": "headcount", "sub": "robot", "iat": now, "nbf": now, "exp": now + 300}
        return {name: value for name, value in (claims | changed).items() if value is not None}

    def token(self, **changed: Any) -> str:
        """A good token but for the claims that are changed."""
        return signed(self.key, "ES256", self.claims(**changed))

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """What the server says."""
        self.asked.append(path)
        page = self.pages.get(path)
        if page is None:
            return 404, {}, b""
        found = page()
        return (
            found
            if isinstance(found, tuple)
            else (200, {"Content-Type": "application/json"}, json.dumps(found).encode())
        )


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """An issuer on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = issuer.answer(self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_address[1]}")
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield issuer
        finally:
            server.shutdown()
