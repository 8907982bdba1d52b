"""One HTTP request on its way through the endpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headcount.directory.bulk import RefusedOperation
from headcount.directory.resources import Request
from headcount.directory.tenant import RequestLogPolicy
from headcount.directory.tokens import Access
from headcount.http.rates import Standing
from headcount.http.requests import Receive
from headcount.scim.scopes import UNRESTRICTED, Permissions
from headcount.scim.search import names_of
from headcount.store.interface import DEFAULT_CONNECTION


@dataclass(slots=True)
class Call:
    """One HTTP request on its way through the endpoints."""

    method: str
    receive: Receive
    query: bytes
    headers: dict[str, bytes]
    request_id: str
    address: str = ""
    """Where the client is."""
    tenant_name: str = ""
    access: Access | None = None
    permissions: Permissions = UNRESTRICTED
    standing: Standing | None = None
    """How it stands with its rate limit, where it has one."""
    request_log: RequestLogPolicy = RequestLogPolicy.OFF
    profile: str = "strict"
    """The name of the client profile that it is read by."""
    body: bytes = b""
    refused: Sequence[RefusedOperation] = ()
    """Operations of a bulk request that were refused."""
    is_whole: bool = False
    """Whether its body has arrived, as far as the server can tell."""
    held: int = 0
    """Bytes of its body that count."""

    @property
    def feed_permissions(self) -> Permissions:
        """What the caller may see of changes: no externalId, which could be another connection's."""
        is_of_connection = self.access is not None and self.access.connection != DEFAULT_CONNECTION
        return self.permissions.without_external_ids if is_of_connection else self.permissions

    def request(self, parameters: Mapping[str, str]) -> Request:
        """What the directory needs to know of the request."""
        if_match = self.headers.get("if_match")
        return Request(
            actor=self.access.actor if self.access else "",
            request_id=self.request_id,
            attributes=names_of(parameters.get("attributes")),
            excluded_attributes=names_of(parameters.get("excludedAttributes")),
            if_match=None if if_match is None else if_match.decode("latin-1"),
            connection=self.access.connection if self.access else DEFAULT_CONNECTION,
            permissions=self.permissions,
        )
