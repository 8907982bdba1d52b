"""A tenant's registry as it is kept: documents of schemas and resource types, and what is indexed."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import orjson

from headcount.scim.errors import NotFoundError
from headcount.scim.registry import Registry, ValueIndex, build_registry
from headcount.scim.schemas import Json
from headcount.store.interface import TenantStore, VersionConflictError

SCHEMA_RECORDS: Final = "schema"
"""The kind of the records that hold Schema and ResourceType documents."""
INDEX_RECORDS: Final = "index"
"""The kind of the records that hold what is declared as indexed."""


@dataclass(frozen=True, slots=True)
class Declared:
    """An index that a tenant wants, and how far it is built."""

    type: str
    """The name of the resource type."""
    path: str
    since: str
    """When it was declared: UTC, fixed width."""
    is_unique: bool = False
    is_complete: bool = False
    after: str = ""
    """The id of the last resource that is in it."""
    done: int = 0
    """How many resources were looked at."""

    @property
    def key(self) -> str:
        """The key of its record."""
        return f"{self.type} {self.path}"

    @property
    def index(self) -> ValueIndex:
        """What the registry knows of it."""
        return ValueIndex(self.path, is_complete=self.is_complete, is_unique=self.is_unique)


async def kept_documents(store: TenantStore) -> dict[str, Json]:
    """Schema and ResourceType documents, by key."""
    return {key: orjson.loads(value) for key, value in (await store.records(SCHEMA_RECORDS)).items()}


async def kept_indexes(store: TenantStore) -> list[Declared]:
    """What is declared as indexed."""
    return [Declared(**orjson.loads(value)) for value in (await store.records(INDEX_RECORDS)).values()]


async def keep_index(store: TenantStore, declared: Declared) -> None:
    """Declares an index."""
    await store.change_records(INDEX_RECORDS, {declared.key: orjson.dumps(asdict(declared))})


async def keep_progress(store: TenantStore, declared: Declared) -> None:
    """Keeps how far an index is built; raises NotFoundError when it was given up meanwhile."""
    value = orjson.dumps(asdict(declared))
    while True:
        revision = await store.records_revision()
        wanted = [(one.key, one.since) for one in await kept_indexes(store)]
        if (declared.key, declared.since) not in wanted:
            raise NotFoundError(f"'{declared.path}' is no longer declared as indexed.")
        try:
            await store.change_records(INDEX_RECORDS, {declared.key: value}, expected_revision=revision)
        except VersionConflictError:
            continue
        return


def registry_with(documents: Mapping[str, Json], indexes: list[Declared]) -> Registry:
    """The registry that they come to; raises InvalidValueError when the documents do not fit together."""
    by_type: defaultdict[str, list[ValueIndex]] = defaultdict(list)
    for declared in indexes:
        by_type[declared.type].append(declared.index)
    return build_registry(documents.values(), indexes=by_type)


async def kept_registry(store: TenantStore) -> Registry:
    """What the tenant knows now."""
    return registry_with(await kept_documents(store), await kept_indexes(store))
