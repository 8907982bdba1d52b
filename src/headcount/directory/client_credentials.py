"""The token endpoint, whatever the transport: a client shows who it is and gets an access token (RFC 6749 §4.4)."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headcount.directory.client_assertions import ASSERTION_TYPE, ClientAssertions
from headcount.directory.clients import Client, Clients, is_client_id
from headcount.directory.issued_tokens import IssuedTokens
from headcount.directory.managed import MANAGED_REGISTRY
from headcount.directory.oauth_errors import (
    InvalidClientError,
    InvalidRequestError,
    InvalidScopeError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from headcount.directory.signed_text import claims_unverified
from headcount.directory.tenant import Tenant
from headcount.directory.trust import InvalidTokenError
from headcount.scim.errors import InvalidValueError
from headcount.scim.narrowing import check_wanted, spelled, wanted_of
from headcount.scim.schemas import Json
from headcount.store.interface import OPERATOR_TENANT

GRANT_TYPE: Final = "client_credentials"
_BASE: Final = "/scim/v2"

TenantOf = Callable[[str], Awaitable[Tenant | None]]
"""The tenant with a name, or None."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client showed besides the parameters."""

    client_id: str
    secret: str


@dataclass(frozen=True, slots=True)
class Granted:
    """A token as it is answered."""

    token: str
    seconds: int
    """How long it lasts from now."""
    scope: str
    """What it was narrowed to; empty for all that the client may do."""
    limits: tuple[tuple[str, float | None], ...]
    """What it counts against, as a request with it does: names, and requests a second."""


class ClientCredentials:
    """Gives access tokens to clients; without the extra for signed tokens, to those with a secret."""

    def __init__(
        self,
        clients: Clients,
        issued: IssuedTokens,
        tenant_of: TenantOf,
        assertions: ClientAssertions | None,
        *,
        lifetime: int,
    ) -> None:
        self._clients = clients
        self._issued = issued
        self._tenant_of = tenant_of
        self._assertions = assertions
        self._lifetime = lifetime

    def methods(self, tenant_name: str) -> list[str]:
        """How clients of a tenant can show who they are (RFC 8414 §2); the operator's have no keys."""
        signing = ["private_key_jwt"] if self._assertions and tenant_name != OPERATOR_TENANT else []
        return ["client_secret_basic", "client_secret_post", *signing]

    async def grant(
        self, tenant_name: str, form: Mapping[str, str], credentials: Credentials | None, address: str
    ) -> Granted:
        """A token for the client that sends these parameters from an address; raises OAuthError.

        An unknown tenant, another tenant's client and an address that the client does not come from are all
        InvalidClientError.
        """
        if form.get("grant_type") is None:
            raise InvalidRequestError("The parameter 'grant_type' is missing.")
        if form["grant_type"] != GRANT_TYPE:
            raise UnsupportedGrantTypeError(f"The only grant_type is {GRANT_TYPE}.")
        tenant = await self._tenant_of(tenant_name)
        client = None if tenant is None else await self._authenticated(form, credentials, issuer_of(tenant.base_url))
        if tenant is None or client is None:
            raise InvalidClientError
        access = client.access
        if access.tenant != tenant_name or not access.is_current() or not access.admits(address):
            raise InvalidClientError
        if tenant.is_suspended:
            raise UnauthorizedClientError("The tenant is suspended.")
        return self._granted(client, tenant, form.get("scope", ""))

    async def _authenticated(
        self, form: Mapping[str, str], credentials: Credentials | None, issuer: str
    ) -> Client | None:
        """Who sends the parameters; None for who does not show it."""
        if "client_assertion" in form or "client_assertion_type" in form:
            if credentials is not None or "client_secret" in form:
                raise InvalidRequestError("The client shows in two ways who it is; one is needed.")
            return await self._asserted(form, issuer)
        credentials = credentials or Credentials(form.get("client_id", ""), form.get("client_secret", ""))
        if not is_client_id(credentials.client_id):
            return None
        return await self._clients.with_secret(credentials.client_id, credentials.secret)

    async def _asserted(self, form: Mapping[str, str], issuer: str) -> Client | None:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise InvalidRequestError(f"The only client_assertion_type is {ASSERTION_TYPE}.")
        if self._assertions is None:
            return None
        audiences = frozenset((issuer, token_endpoint(issuer)))
        client = await self._assertions.client(form.get("client_assertion", ""), audiences)
        if client is not None and form.get("client_id", client.access.token_id) != client.access.token_id:
            return None
        return client

    def _granted(self, client: Client, tenant: Tenant, scope: str) -> Granted:
        try:
            wanted = wanted_of(scope)
            registry = MANAGED_REGISTRY if tenant.name == OPERATOR_TENANT else tenant.registry
            check_wanted(wanted, client.access.scopes, registry)
        except InvalidValueError as error:
            raise InvalidScopeError(error.detail) from None
        now = time.time()
        expires = min(now + self._lifetime, client.access.expires)
        narrowing = spelled(wanted)
        limits = (
            (client.access.token_id, client.access.requests_per_second),
            (tenant.name, tenant.quotas.requests_per_second),
        )
        return Granted(self._issued.issue(client, narrowing, expires), int(expires - now), narrowing, limits)


def claimed_by(form: Mapping[str, str], credentials: Credentials | None) -> str:
    """The id of the client that whoever sends the parameters says to be, nothing of it proven; empty for none."""
    claimed: Json = credentials.client_id if credentials else form.get("client_id")
    if "client_assertion" in form:
        try:
            claimed = claims_unverified(form["client_assertion"]).get("sub")
        except InvalidTokenError:
            return ""
    return claimed if is_client_id(claimed) else ""


def issuer_of(base_url: str) -> str:
    """The issuer identifier of a tenant, by its SCIM base URL (RFC 8414 §2)."""
    return base_url.removesuffix(_BASE)


def token_endpoint(issuer: str) -> str:
    """Where tokens are asked for."""
    return f"{issuer}/oauth/token"
