"""Attributes that are never returned: what is kept of them, apart from the document."""

from collections.abc import Mapping

import orjson

from headcount.directory.passwords import Passwords
from headcount.directory.tenant import PasswordPolicy
from headcount.scim.errors import InvalidValueError
from headcount.scim.schemas import Json
from headcount.store.interface import StoredResource, TenantStore


class PrivateValues:
    """The values of one tenant's resources, by qualified path: `password`."""

    def __init__(self, store: TenantStore, passwords: Passwords, policy: PasswordPolicy) -> None:
        self._store = store
        self._passwords = passwords
        self._policy = policy

    def kept(self, given: Mapping[str, Json]) -> Mapping[str, Json]:
        """Without the password, where the tenant's policy is to forget it."""
        if self._policy is PasswordPolicy.DISCARD:
            return {name: value for name, value in given.items() if name != "password"}
        return given

    async def merged(self, given: Mapping[str, Json], row: StoredResource | None) -> bytes | None:
        """What is kept with what is given, of which None removes a value; None keeps what there is."""
        if not given:
            return None
        kept: dict[str, Json] = {}
        if row is not None:
            stored = await self._store.read(row.type, row.id, groups=False, private=True)
            kept = orjson.loads(stored.private) if stored and stored.private else {}
        for name, value in given.items():
            kept[name] = await self._hidden(name, value)
        return orjson.dumps({name: value for name, value in kept.items() if value is not None})

    async def _hidden(self, name: str, value: Json) -> Json:
        if name != "password" or value is None:
            return value
        if not value:
            raise InvalidValueError("'password' must not be empty.")
        return await self._passwords.hash(value)
