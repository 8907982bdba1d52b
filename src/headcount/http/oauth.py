"""OAuth 2.0 over HTTP: the token endpoint of each tenant and of the operator, and its metadata.

Sources: RFC 6749 §3.2, RFC 8414.
"""

import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes

import orjson

from headcount.directory.client_credentials import (
    GRANT_TYPE,
    ClientCredentials,
    Credentials,
    Granted,
    claimed_by,
    issuer_of,
    token_endpoint,
)
from headcount.directory.oauth_errors import (
    InvalidClientError,
    InvalidRequestError,
    OAuthError,
    TooManyAttemptsError,
)
from headcount.directory.operator_resources import NAME
from headcount.directory.operator_schemas import ALGORITHMS
from headcount.http.call import Call
from headcount.http.rates import Failures, Rates, Standing
from headcount.http.responses import Header, Response, json_response
from headcount.scim.errors import MethodNotAllowedError, NotFoundError
from headcount.scim.schemas import Json
from headcount.store.interface import OPERATOR_TENANT

MOST_BYTES: Final = 32 * 1024
"""In the body of a request for a token."""
_FORM: Final = b"application/x-www-form-urlencoded"
_JSON: Final[Header] = (b"content-type", b"application/json")
_NEVER_KEPT: Final[Header] = (b"cache-control", b"no-store")
_CHALLENGE: Final[Header] = (b"www-authenticate", b'Basic realm="OAuth"')
_MOST_PARAMETERS: Final = 20
_UNSPEAKABLE: Final = re.compile(r"[^\x20\x21\x23-\x5B\x5D-\x7E]")
"""What a description must not hold (RFC 6749 §5.2)."""

ReadBody = Callable[[Call, int], Awaitable[bytes]]
BaseUrlOf = Callable[[str], Awaitable[str]]
"""The SCIM base URL of a tenant, also of one that does not exist."""


class OAuthEndpoints:
    """Answers requests for tokens and for metadata."""

    def __init__(
        self,
        credentials: ClientCredentials,
        base_url_of: BaseUrlOf,
        body_of: ReadBody,
        rates: Rates,
        failures: Failures,
    ) -> None:
        self._credentials = credentials
        self._base_url_of = base_url_of
        self._body_of = body_of
        self._rates = rates
        self._failures = failures

    async def respond(self, call: Call, rest: list[str]) -> Response:
        """The response to a call; `rest` is what stands behind the tenant in its path. The tenant need not exist."""
        found = _HANDLERS.get("/".join(rest))
        if found is None or not (NAME.fullmatch(call.tenant_name) or call.tenant_name == OPERATOR_TENANT):
            raise NotFoundError
        method, handler = found
        if call.method != method and (call.method, method) != ("HEAD", "GET"):
            raise MethodNotAllowedError((method,))
        return await handler(self, call)

    async def token(self, call: Call) -> Response:
        """An access token, or why there is none."""
        try:
            granted = await self._granted(call)
        except OAuthError as error:
            return _refused(error)
        return json_response(_answer(granted), caching=_NEVER_KEPT, content_type=_JSON)

    async def _granted(self, call: Call) -> Granted:
        form = _form_in(call, await self._body_of(call, MOST_BYTES))
        credentials = _basic_in(call.headers)
        limits = self._failures.limits(call.address, claimed_by(form, credentials))
        _stand(call, self._failures.rates.check(limits), is_told=False)
        try:
            granted = await self._credentials.grant(call.tenant_name, form, credentials, call.address)
        except InvalidClientError:
            self._failures.rates.count(limits)
            raise
        _stand(call, self._rates.take(granted.limits))
        return granted

    async def metadata(self, call: Call) -> Response:
        """What clients need to know of the token endpoint (RFC 8414 §2)."""
        issuer = issuer_of(await self._base_url_of(call.tenant_name))
        methods = self._credentials.methods(call.tenant_name)
        metadata: dict[str, Json] = {
            "issuer": issuer,
            "token_endpoint": token_endpoint(issuer),
            "response_types_supported": [],
            "grant_types_supported": [GRANT_TYPE],
            "token_endpoint_auth_methods_supported": methods,
        }
        if "private_key_jwt" in methods:
            metadata["token_endpoint_auth_signing_alg_values_supported"] = list(ALGORITHMS)
        return json_response(metadata, content_type=_JSON)


_METADATA: Final = ".well-known/oauth-authorization-server"
_HANDLERS: Final[Mapping[str, tuple[str, Callable[[OAuthEndpoints, Call], Awaitable[Response]]]]] = {
    "oauth/token": ("POST", OAuthEndpoints.token),
    _METADATA: ("GET", OAuthEndpoints.metadata),
}
"""By what stands behind the tenant in a path."""
OAUTH_SECTIONS: Final = frozenset(path.partition("/")[0] for path in _HANDLERS)


def tenant_of_metadata(segments: list[str]) -> tuple[str, list[str]]:
    """The tenant in a path below `/.well-known`, and what else is in it: the issuer's path stands last (RFC 8414 §3.1).

    That of the operator's has none. Raises NotFoundError.
    """
    if len(segments) == 3:  # noqa: PLR2004
        return OPERATOR_TENANT, segments[1:]
    if len(segments) != 5 or segments[3] != "t":  # noqa: PLR2004
        raise NotFoundError
    return _named(segments[4]), segments[1:3]


def tenant_of_grant(segments: list[str]) -> tuple[str, list[str]]:
    """The tenant in the path of its token endpoint, and what stands behind it; raises NotFoundError."""
    return (_named(segments[2]), segments[3:]) if segments[1] == "t" else (OPERATOR_TENANT, segments[1:])


def _named(tenant_name: str) -> str:
    """A tenant that has a name in paths; raises NotFoundError for the operator's."""
    if tenant_name == OPERATOR_TENANT:
        raise NotFoundError
    return tenant_name


def _stand(call: Call, standing: Standing | None, *, is_told: bool = True) -> None:
    """Has the answer tell how the client stands, always or when it is refused; raises TooManyAttemptsError."""
    if standing is None:
        return
    if is_told or standing.wait:
        call.standing = standing
    if standing.wait:
        raise TooManyAttemptsError(standing.wait)


def _answer(granted: Granted) -> dict[str, Json]:
    """RFC 6749 §5.1."""
    answer: dict[str, Json] = {
        "access_token": granted.token,
        "token_type": "Bearer",
        "expires_in": granted.seconds,
    }
    return answer | {"scope": granted.scope} if granted.scope else answer


def _refused(error: OAuthError) -> Response:
    """RFC 6749 §5.2."""
    body = orjson.dumps({"error": error.code, "error_description": _UNSPEAKABLE.sub("'", str(error))})
    return Response(error.status, body, _headers_of(error), content_type=_JSON, caching=_NEVER_KEPT)


def _headers_of(error: OAuthError) -> tuple[Header, ...]:
    match error:
        case InvalidClientError():
            return (_CHALLENGE,)
        case TooManyAttemptsError():
            return ((b"retry-after", b"%d" % error.retry_after),)
        case _:
            return ()


def _form_in(call: Call, body: bytes) -> Mapping[str, str]:
    """The parameters in a body; those without a value are as if they were not there (RFC 6749 §3.2)."""
    media_type = call.headers.get("content_type", b"").partition(b";")[0].strip().lower()
    if media_type != _FORM:
        raise InvalidRequestError(f"The body has to be {_FORM.decode()}.")
    pairs = [pair for pair in body.split(b"&") if pair]
    if len(pairs) > _MOST_PARAMETERS:
        raise InvalidRequestError(f"There are more than {_MOST_PARAMETERS} parameters.")
    form: dict[str, str] = {}
    for pair in pairs:
        name, value = map(_decoded, pair.split(b"=", 1) if b"=" in pair else (pair, b""))
        if name in form:
            raise InvalidRequestError("A parameter stands twice.")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def _decoded(text: bytes) -> str:
    try:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise InvalidRequestError("A parameter is not percent-encoded UTF-8.") from None


def _basic_in(headers: Mapping[str, bytes]) -> Credentials | None:
    """Id and secret, each form-encoded before they were joined (RFC 6749 §2.3.1); raises InvalidClientError."""
    authorization = headers.get("authorization")
    if authorization is None:
        return None
    scheme, _, text = authorization.partition(b" ")
    try:
        client_id, colon, secret = b64decode(text.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise InvalidClientError from None
    if scheme.lower() != b"basic" or not colon:
        raise InvalidClientError
    return Credentials(unquote_plus(client_id), unquote_plus(secret))
