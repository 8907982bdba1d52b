"""Connections: the identity providers of a tenant, created, listed, changed and deleted."""

from collections.abc import Mapping
from typing import Final

from headcount.directory.operator import as_dictionary, decoded, find_all, find_one, request_of
from headcount.directory.operator_resources import OperatorResources
from headcount.directory.operator_schemas import CONNECTION
from headcount.scim import urns
from headcount.scim.errors import NotFoundError
from headcount.scim.schemas import Json
from headcount.store.interface import StoredResource

_NOT_SET: Final[tuple[Json, ...]] = (None, (), [])


class Connections:
    """The connections of an installation."""

    def __init__(self, operator: OperatorResources) -> None:
        self._operator = operator

    async def create(
        self, tenant: str, name: str, settings: Mapping[str, Json], *, actor: str = "cli"
    ) -> dict[str, Json]:
        """A new connection; raises NotFoundError, InvalidValueError or UniquenessError."""
        given = {key: value for key, value in settings.items() if value not in _NOT_SET}
        body = {"schemas": [CONNECTION.schema.id], "tenant": tenant, "name": name, **given}
        return decoded(await self._operator.create(CONNECTION, body, request_of(actor)))

    async def list(self, tenant: str | None = None) -> list[dict[str, Json]]:
        """All connections, or those of one tenant; raises NotFoundError when there is no such tenant."""
        if tenant is not None:
            await self._operator.check_tenant(tenant)
        equals = None if tenant is None else ("tenant", tenant)
        return [found async for found in find_all(self._operator, CONNECTION, equals)]

    async def get(self, tenant: str, name: str) -> dict[str, Json]:
        """One connection; raises NotFoundError."""
        return as_dictionary(await self._row(tenant, name))

    async def update(
        self, tenant: str, name: str, changes: Mapping[str, Json], *, actor: str = "cli"
    ) -> dict[str, Json]:
        """Changes settings of a connection; a value of None or an empty list takes one away."""
        row = await self._row(tenant, name)
        operations = [
            {"op": "remove", "path": path} if value in _NOT_SET else {"op": "replace", "path": path, "value": value}
            for path, value in changes.items()
        ]
        patch = {"schemas": [urns.PATCH_OP], "Operations": operations}
        return decoded(await self._operator.patch(CONNECTION, row.id, patch, request_of(actor)))

    async def trust(self, tenant: str, name: str, values: Mapping[str, Json], *, actor: str = "cli") -> dict[str, Json]:
        """Sets whose signatures are believed, each attribute as a whole; a value of None takes one away."""
        row = await self._row(tenant, name)
        operations: list[dict[str, Json]] = [{"op": "remove", "path": path} for path in values]
        given = {path: value for path, value in values.items() if value not in _NOT_SET}
        operations += ({"op": "add", "path": path, "value": value} for path, value in given.items())
        patch = {"schemas": [urns.PATCH_OP], "Operations": operations}
        return decoded(await self._operator.patch(CONNECTION, row.id, patch, request_of(actor)))

    async def delete(self, tenant: str, name: str, *, actor: str = "cli") -> None:
        """Removes a connection with its tokens; raises NotFoundError. What it provisioned stays."""
        row = await self._row(tenant, name)
        await self._operator.delete(CONNECTION, row.id, request_of(actor))

    async def _row(self, tenant: str, name: str) -> StoredResource:
        row = await find_one(self._operator, CONNECTION, "qualifiedName", f"{tenant}/{name}")
        if row is None:
            raise NotFoundError(f"The tenant '{tenant}' has no connection '{name}'.")
        return row
