"""Who may ask for access tokens: the holders of access tokens and of registered keys, by id (RFC 6749 §2.2)."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeGuard

import orjson

from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import CONNECTION
from headcount.directory.tokens import Access, AccessTokens, networks_of
from headcount.directory.trust import KeySource, Trust, registered_keys, trust_of
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.syntax import And, Comparison, Operator
from headcount.scim.profiles import STRICT
from headcount.scim.schemas import Json
from headcount.scim.scopes import scopes_of
from headcount.store.interface import Query, Target

MOST_CONNECTIONS: Final = 100
"""Of one tenant that trust one issuer."""
_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


class Kind(StrEnum):
    """What a client shows that it is who it is."""

    TOKEN = "t"  # noqa: S105  a letter in sealed text
    KEYS = "k"


@dataclass(frozen=True, slots=True)
class Client:
    """One client as it stands now."""

    kind: Kind
    access: Access
    """What it may do; `token_id` is its own id."""
    keys: KeySource | None = None
    trust: Trust | None = None

    @property
    def authority(self) -> str:
        """Differs once the client has to show anew who it is."""
        return self.keys.digest if self.kind is Kind.KEYS and self.keys else ""


class Clients:
    """The clients of an installation."""

    def __init__(self, operator: OperatorResources, tokens: AccessTokens) -> None:
        self._operator = operator
        self._tokens = tokens

    async def find(self, kind: Kind, client_id: str) -> Client | None:
        """The client with an id; None when there is none any more, or it is shut."""
        if kind is Kind.KEYS:
            row = await self._operator.store.read(CONNECTION.name, client_id, groups=False)
            return None if row is None else _client(row.id, orjson.loads(row.document))
        access = await self._tokens.verify_id(client_id)
        return None if access is None else Client(kind, access)

    async def with_secret(self, client_id: str, secret: str) -> Client | None:
        """The client whose id and secret these are: an access token and its id."""
        access = await self._tokens.verify(secret)
        return Client(Kind.TOKEN, access) if access is not None and access.token_id == client_id else None

    async def trusting(self, tenant: str, issuer: str) -> Sequence[Client]:
        """The open connections of a tenant that trust an issuer."""
        wanted = And(
            (Comparison("issuer.issuer", Operator.EQ, issuer), Comparison("tenant", Operator.EQ, tenant)),
        )
        bound = bind_filter(wanted, CONNECTION, STRICT)
        query = Query((Target(CONNECTION, bound),), MOST_CONNECTIONS, total=False, groups=False)
        page = await self._operator.store.search(query)
        found = (_client(row.id, orjson.loads(row.document)) for row in page.resources)
        return [client for client in found if client is not None]


def is_client_id(value: Json) -> TypeGuard[str]:
    """Whether it can be the id of a client."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def _client(connection_id: str, connection: Mapping[str, Json]) -> Client | None:
    """The client that a connection is, None when it is shut."""
    if not connection.get("active", True):
        return None
    access = Access(
        connection_id,
        connection["tenant"],
        None,
        math.inf,
        connection["name"],
        connection.get("profile"),
        scopes_of(connection.get("scopes", ())),
        networks_of(connection.get("networks", ())),
    )
    return Client(Kind.KEYS, access, registered_keys(connection), trust_of(connection))
