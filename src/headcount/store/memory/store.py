"""The in-memory store."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import count

from headcount.store.interface import (
    OPERATOR_TENANT,
    REFUSALS,
    TENANT_TYPE,
    Found,
    KeyName,
    Member,
    MissingError,
    Page,
    Query,
    StoredResource,
    StoreError,
    VersionConflictError,
    Write,
    Written,
)
from headcount.store.memory.contents import Contents
from headcount.store.memory.derivation import stored
from headcount.store.memory.search import search


class MemoryStore:
    """One installation that lives as long as this object; for tests, and as the meaning of the interface."""

    def __init__(self) -> None:
        self._tenants: dict[str, Contents] = {}
        self._sequence = count(1)
        self._key = os.urandom(32)
        self._is_open = False

    def for_tenant(self, tenant: str) -> "MemoryTenantStore":
        """The part of the tenant with that name."""
        return MemoryTenantStore(self, tenant)

    async def migrate(self) -> Sequence[str]:
        """Nothing is to be migrated."""
        return []

    async def migrations(self) -> Mapping[str, bool]:
        """There are none."""
        return {}

    async def open(self) -> None:
        """Nothing is to be connected."""
        self._is_open = True

    async def close(self) -> None:
        """Nothing is under way; what there is stays until the object goes."""
        self._is_open = False

    async def ready(self) -> None:
        """Raises StoreError unless the store is open."""
        self._check_open()

    async def installation_key(self) -> bytes:
        """The random bytes that this store was made with."""
        self._check_open()
        return self._key

    def contents(self, tenant: str) -> Contents:
        """What a tenant has; raises StoreError unless the store is open."""
        self._check_open()
        return self._tenants.setdefault(tenant, Contents(sequence=self._sequence))

    def forget(self, tenant: str) -> None:
        """Drops what a tenant has."""
        self._check_open()
        self._tenants.pop(tenant, None)

    def _check_open(self) -> None:
        if not self._is_open:
            raise StoreError("the store is closed")


class MemoryTenantStore:
    """One tenant's part. No write is interrupted: nothing in it waits."""

    def __init__(self, store: MemoryStore, tenant: str) -> None:
        self._store = store
        self._tenant = tenant

    async def read(
        self, type_name: str, resource_id: str, *, groups: bool = True, private: bool = False
    ) -> StoredResource | None:
        """The resource, or None."""
        contents = self._contents()
        row = contents.rows.get((type_name, resource_id))
        return None if row is None else stored(contents, row, groups=groups, private=private)

    async def write(self, write: Write) -> Written:
        """Carries out one write, or nothing of it."""
        return self._contents().carry_out(write)

    async def write_many(self, batch: Sequence[Write]) -> Sequence[Written | StoreError]:
        """Carries out each write, or nothing of it."""
        outcomes: list[Written | StoreError] = []
        for write in batch:
            try:
                outcomes.append(self._contents().carry_out(write))
            except REFUSALS as refusal:
                outcomes.append(refusal)
        return outcomes

    async def ids_of(
        self,
        type_name: str,
        key: KeyName,
        values: Sequence[str],
        *,
        connection: str | None = None,  # noqa: ARG002  one connection is all that is known here
    ) -> Sequence[tuple[str, str]]:
        """The (value, id) of resources that have one of these values."""
        found = ((getattr(row.keys, key), row.id) for row in self._contents().rows.values() if row.type == type_name)
        return [pair for pair in found if pair[0] in values]

    async def search(self, query: Query) -> Page:
        """A page of the resources that match."""
        return search(self._contents(), query)

    async def members(
        self, group_id: str, *, after: str = "", limit: int = 1000, only: Sequence[str] = ()
    ) -> Sequence[Member]:
        """Members in the order of their ids."""
        contents = self._contents()
        members = contents.memberships.of(group_id)
        wanted = sorted(member for member in members if member > after and (not only or member in only))
        return [
            Member(member, members[member], contents.label_of(members[member], member)) for member in wanted[:limit]
        ]

    async def records(self, kind: str) -> Mapping[str, bytes]:
        """The records of a kind, by key."""
        return dict(self._contents().records.get(kind, {}))

    async def change_records(
        self, kind: str, changes: Mapping[str, bytes | None], *, expected_revision: int | None = None
    ) -> None:
        """Keeps and forgets records, all or none."""
        contents = self._contents()
        if expected_revision is not None and expected_revision != contents.records_revision:
            raise VersionConflictError(f"the records have revision {contents.records_revision}")
        kept = {**contents.records.get(kind, {}), **changes}
        contents.records[kind] = {key: value for key, value in kept.items() if value is not None}
        contents.records_revision += 1

    async def records_revision(self) -> int:
        """Grows with every change of any record."""
        return self._contents().records_revision

    async def index(self, type_name: str, path: str, found: Sequence[Found], *, unique: bool) -> Sequence[str]:
        """Replaces what resources are found by under a path."""
        return self._contents().index(type_name, path, found, unique=unique)

    async def forget_index(self, type_name: str, path: str, *, unique: bool) -> None:
        """Removes everything that is found by a path."""
        self._contents().forget_index(type_name, path, unique=unique)

    async def is_empty(self) -> bool:
        """Whether nothing of the tenant is kept."""
        contents = self._contents()
        return not (contents.log or contents.records_revision)

    async def clear(self, *, registration: str | None = None) -> None:
        """Removes everything of the tenant."""
        if registration is not None and (TENANT_TYPE, registration) not in self._store.contents(OPERATOR_TENANT).rows:
            raise MissingError(registration)
        self._store.forget(self._tenant)

    async def changes(self, after: int = 0) -> AsyncIterator[Mapping[str, object]]:
        """The rows of the change log behind a sequence number."""
        for change in list(self._contents().log):
            if change["sequence"] > after:
                yield change

    def _contents(self) -> Contents:
        return self._store.contents(self._tenant)
