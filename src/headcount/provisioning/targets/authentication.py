"""How a target is shown who we are: Bearer, Basic, OAuth 2.0 client credentials, headers of its own.

Secrets arrive here resolved. They are in no `repr`, and `secrets_of` names them so that no message repeats them.
"""

import asyncio
import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias
from urllib.parse import quote_plus

import httpx2
import orjson

from headcount.provisioning.targets.errors import UnreachableError

_EARLY: Final = 30.0
"""Seconds before its end at which an access token is no longer used."""
_LIFETIME: Final = 300.0
"""Seconds that an access token is used for when its issuer does not say (RFC 6749 §5.1 leaves it out)."""
_UNAUTHORIZED: Final = 401
_SHORTEST: Final = 4
"""Characters below which a secret is not looked for in messages: too many words would hold it."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that does not change (RFC 6750)."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Basic:
    """A user and a password (RFC 7617)."""

    user: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 §4.4): an access token is fetched, kept, and renewed before it ends."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    audience: str = ""
    in_body: bool = False
    """Whether id and secret travel in the body, for issuers that do not take them as Basic."""


@dataclass(frozen=True, slots=True)
class SecretHeaders:
    """Headers with secret values, as some targets want them in place of `Authorization`."""

    values: Mapping[str, str] = field(repr=False)


Authentication: TypeAlias = Bearer | Basic | ClientCredentials | SecretHeaders


class Signer(Protocol):
    """What shows the requests of one client who we are."""

    async def headers(self, http: httpx2.AsyncClient) -> Mapping[str, str]:
        """What a request carries; raises UnreachableError when there is no access token to be had."""
        ...

    def renews(self, refused: Mapping[str, str]) -> bool:
        """Whether another attempt carries something better than what the target refused just now."""
        ...


def signer_of(authentication: Authentication | None) -> Signer:
    """What signs the requests of one client."""
    match authentication:
        case Bearer(token):
            return _Fixed({"Authorization": f"Bearer {token}"})
        case Basic(user, password):
            return _Fixed({"Authorization": _basic(user, password)})
        case SecretHeaders(values):
            return _Fixed(values)
        case ClientCredentials():
            return _AccessToken(authentication)
        case None:
            return _Fixed({})


def secrets_of(authentication: Authentication | None) -> tuple[str, ...]:
    """What must not stand in any message."""
    match authentication:
        case Bearer(token):
            found = [token]
        case Basic(user, password):
            found = [password, _basic(user, password).removeprefix("Basic ")]
        case SecretHeaders(values):
            found = list(values.values())
        case ClientCredentials():
            found = [authentication.client_secret]
        case None:
            found = []
    return tuple(secret for secret in found if len(secret) >= _SHORTEST)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class _Fixed:
    """The same headers for ever."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    async def headers(self, _http: httpx2.AsyncClient) -> Mapping[str, str]:
        return self._values

    def renews(self, _refused: Mapping[str, str]) -> bool:
        return False


class _AccessToken:
    """Fetches an access token when there is none, and once more when the target refuses one that was kept."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._token = ""
        self._end = 0.0
        self._lock = asyncio.Lock()

    async def headers(self, http: httpx2.AsyncClient) -> Mapping[str, str]:
        async with self._lock:
            if not self._token or time.monotonic() >= self._end:
                self._take(await self._fetched(http))
            return {"Authorization": f"Bearer {self._token}"}

    def renews(self, refused: Mapping[str, str]) -> bool:
        if refused.get("Authorization") == f"Bearer {self._token}":
            self._token = ""
        return True

    async def _fetched(self, http: httpx2.AsyncClient) -> httpx2.Response:
        form, headers = self._token_request()
        try:
            return await http.post(self._credentials.token_url, data=form, headers=headers)
        except httpx2.TransportError as error:
            raise UnreachableError("The token endpoint cannot be reached.") from error

    def _token_request(self) -> tuple[dict[str, str], dict[str, str]]:
        """The form and the headers of RFC 6749 §4.4.2."""
        credentials = self._credentials
        form = {"grant_type": "client_credentials", "scope": credentials.scope, "audience": credentials.audience}
        headers = {"Accept": "application/json"}
        if credentials.in_body:
            form |= {"client_id": credentials.client_id, "client_secret": credentials.client_secret}
        else:  # RFC 6749 §2.3.1: both are form-encoded before they become user and password
            headers["Authorization"] = _basic(quote_plus(credentials.client_id), quote_plus(credentials.client_secret))
        return {name: value for name, value in form.items() if value}, headers

    def _take(self, response: httpx2.Response) -> None:
        try:
            answer = orjson.loads(response.content)
        except orjson.JSONDecodeError:
            answer = None
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not response.is_success or not isinstance(token, str) or not token:
            raise UnreachableError(_refusal(response.status_code, answer), status=response.status_code)
        lifetime = answer.get("expires_in")
        lifetime = float(lifetime) if isinstance(lifetime, int | float) else _LIFETIME
        self._token, self._end = token, time.monotonic() + max(lifetime - _EARLY, lifetime / 2)


def _refusal(status: int, answer: object) -> str:
    """RFC 6749 §5.2: `error`, and perhaps a description."""
    said = [answer.get("error"), answer.get("error_description")] if isinstance(answer, dict) else []
    words = ": ".join(word for word in said if isinstance(word, str))[:200]
    return f"The token endpoint gave no access token ({status}){': ' + words if words else ''}. Check id and secret."
