"""Schemas, indexes and unknown attributes of tenants, below `/manage`."""

from dataclasses import dataclass
from typing import Final

from headcount.directory.managed import SCHEMA
from headcount.directory.tenant_schemas import TenantSchemas, documents_in
from headcount.directory.unknown_attributes import UnknownAttributes
from headcount.directory.value_indexes import ValueIndexes
from headcount.http.manage import Asked, Route
from headcount.scim.schemas import Json
from headcount.scim.scopes import Operation


@dataclass(frozen=True, slots=True)
class ManagedSchemas:
    """Answers what `SCHEMA_ROUTES` calls."""

    schemas: TenantSchemas
    indexes: ValueIndexes
    unknown: UnknownAttributes

    async def list(self, asked: Asked) -> Json:
        """The schemas of a tenant."""
        return {"schemas": await self.schemas.list(asked.tenant)}

    async def add(self, asked: Asked) -> Json:
        """Adds or changes documents; the values of what becomes unique are gathered in the background."""
        documents, extends = documents_in(asked.body), asked.query.get("extends")
        added = await self.schemas.add(asked.tenant, documents, extends=extends, in_background=True, by=asked.by)
        return {"schemas": added}

    async def remove(self, asked: Asked) -> None:
        """Forgets a schema."""
        await self.schemas.remove(asked.tenant, asked.path["urn"], by=asked.by)

    async def usage(self, asked: Asked) -> Json:
        """How many resources use a schema."""
        return {"attributes": await self.schemas.usage(asked.tenant, asked.path["urn"])}

    async def list_indexes(self, asked: Asked) -> Json:
        """What is indexed."""
        return {"indexes": await self.indexes.list(asked.tenant)}

    async def index(self, asked: Asked) -> Json:
        """Declares an index and builds it in the background."""
        declared = await self.indexes.declare(
            asked.tenant, asked.text("path"), asked.optional_text("type"), by=asked.by
        )
        self.indexes.start(asked.tenant, declared)
        return await self.list_indexes(asked)

    async def unindex(self, asked: Asked) -> None:
        """Forgets an index."""
        path, kind = asked.query.get("path", ""), asked.query.get("type")
        await self.indexes.drop(asked.tenant, path, kind, by=asked.by)

    async def list_unknown(self, asked: Asked) -> Json:
        """What clients send for nothing."""
        return {"attributes": await self.unknown.list(asked.tenant)}

    async def adopt(self, asked: Asked) -> Json:
        """Adds an unknown attribute to the schema."""
        path, kind = asked.text("path"), asked.optional_text("type")
        return {"schemas": await self.unknown.adopt(asked.tenant, path, kind, by=asked.by)}


_SCHEMAS: Final = "/tenants/{tenant}/schemas"
_INDEXES: Final = "/tenants/{tenant}/indexes"
_UNKNOWN: Final = "/tenants/{tenant}/unknown-attributes"
_ATTRIBUTE: Final = "An object with 'path', the attribute, and 'type', the resource type, which may be left out."

SCHEMA_ROUTES: Final = (
    Route(
        "GET",
        _SCHEMAS,
        SCHEMA,
        Operation.READ,
        "List the schemas that a tenant's resources use.",
        ManagedSchemas.list,
    ),
    Route(
        "POST",
        _SCHEMAS,
        SCHEMA,
        Operation.UPDATE,
        "Add or change schemas and resource types; refused with 409 when stored resources would not fit them.",
        ManagedSchemas.add,
        query={"extends": "The resource type that the schema extends; the one its URN ends in unless given."},
        body="A Schema or ResourceType document (RFC 7643 §7, §6), an array or a ListResponse of them.",
    ),
    Route(
        "DELETE",
        f"{_SCHEMAS}/{{urn}}",
        SCHEMA,
        Operation.DELETE,
        "Remove a schema that no resource uses.",
        ManagedSchemas.remove,
        status=204,
    ),
    Route(
        "GET",
        f"{_SCHEMAS}/{{urn}}/usage",
        SCHEMA,
        Operation.READ,
        "Count the resources that have a value of each attribute.",
        ManagedSchemas.usage,
    ),
    Route(
        "GET",
        _INDEXES,
        SCHEMA,
        Operation.READ,
        "List what is indexed, and how far it is built.",
        ManagedSchemas.list_indexes,
    ),
    Route(
        "POST",
        _INDEXES,
        SCHEMA,
        Operation.UPDATE,
        "Index an attribute; it is built in the background. Asked again, it goes on where it stood.",
        ManagedSchemas.index,
        body=_ATTRIBUTE,
        status=202,
    ),
    Route(
        "DELETE",
        _INDEXES,
        SCHEMA,
        Operation.DELETE,
        "Forget an index.",
        ManagedSchemas.unindex,
        query={"path": "The attribute.", "type": "The resource type; all that have the attribute unless given."},
        status=204,
    ),
    Route(
        "GET",
        _UNKNOWN,
        SCHEMA,
        Operation.READ,
        "List attributes that clients send and no schema has; values are never kept.",
        ManagedSchemas.list_unknown,
    ),
    Route(
        "POST",
        f"{_UNKNOWN}/adopt",
        SCHEMA,
        Operation.UPDATE,
        "Add one of them to the schema, as what it looked like.",
        ManagedSchemas.adopt,
        body=_ATTRIBUTE,
    ),
)
"""What can be called."""
