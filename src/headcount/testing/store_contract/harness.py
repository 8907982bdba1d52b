"""What the cases stand on: an open store, a tenant for each case, and a neighbour who must not notice."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias, TypeVar

import pytest

from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.search import bind_sort
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import (
    Member,
    Page,
    Query,
    Store,
    StoredResource,
    Target,
    TenantStore,
    Write,
    Written,
)
from headcount.testing.store_contract.examples import BADGE, BASE_URL, EXTRA_URN, TYPES, USER, create

NewStore: TypeAlias = Callable[..., Store]
"""Makes a store that is not open yet."""

Snapshot: TypeAlias = tuple[object, ...]

_Result = TypeVar("_Result")


@dataclass(slots=True)
class House:
    """An open store on an event loop that lives as long as the store."""

    runner: asyncio.Runner
    store: Store
    names: Iterator[str] = field(default_factory=lambda: (f"case-{number}" for number in count(1)))
    """Of tenants that have nothing yet."""

    def new_tenant(self) -> TenantStore:
        """A tenant that has nothing yet."""
        return self.store.for_tenant(next(self.names))


class Harness:
    """Runs coroutines against a tenant that is made for each case."""

    house: House
    name: str
    tenant: TenantStore

    @pytest.fixture(scope="class")
    @classmethod
    def new_store(cls) -> NewStore:
        """What makes the stores; those with a database all open the same one. To be given by the subclass."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def open_house(cls, new_store: NewStore) -> Iterator[tuple[House, Snapshot]]:
        """The store of all cases of the class, with the neighbour as it was at first."""
        with asyncio.Runner() as runner:
            store = new_store()
            runner.run(store.open())
            runner.run(_move_in(store.for_tenant("neighbour")))
            yield House(runner, store), runner.run(snapshot(store.for_tenant("neighbour")))
            runner.run(store.close())

    @pytest.fixture(autouse=True)
    def _own_tenant(self, open_house: tuple[House, Snapshot]) -> Iterator[None]:
        self.house, neighbour = open_house
        self.name = next(self.house.names)
        self.tenant = self.house.store.for_tenant(self.name)
        yield
        assert self.run(snapshot(self.house.store.for_tenant("neighbour"))) == neighbour

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Runs on the loop of the store."""
        return self.house.runner.run(work)

    def write(self, *writes: Write) -> Written:
        """Carries out writes one after the other, and gives what the last one left."""
        return [self.run(self.tenant.write(write)) for write in writes][-1]

    def write_together(self, writes: Sequence[Write]) -> list[Written | BaseException]:
        """Carries out writes at once; refusals are among the results."""
        return self.run(together([self.tenant.write(write) for write in writes]))

    def read(self, kind: ResourceType, resource_id: str, **options: bool) -> StoredResource:
        """A resource that is there."""
        row = self.run(self.tenant.read(kind.name, resource_id, **options))
        assert row is not None, f"no {kind.name} {resource_id}"
        return row

    def exists(self, kind: ResourceType, resource_id: str) -> bool:
        """Whether there is such a resource."""
        return self.run(self.tenant.read(kind.name, resource_id)) is not None

    def members(self, group_id: str, **options: Any) -> list[Member]:
        """Members of a group."""
        return list(self.run(self.tenant.members(group_id, **options)))

    def member_ids(self, group_id: str) -> list[str]:
        """The ids of the members of a group."""
        return [member.id for member in self.members(group_id)]

    def changes(self, after: int = 0) -> list[Mapping[str, object]]:
        """Rows of the change log."""
        return self.run(_all_changes(self.tenant, after))

    def search(self, query: Query) -> Page:
        """A page."""
        return self.run(self.tenant.search(query))

    def ids(self, query: Query) -> list[str]:
        """The ids on a page."""
        return [row.id for row in self.search(query).resources]

    def snapshot(self) -> Snapshot:
        """Everything that can be seen of the tenant."""
        return self.run(snapshot(self.tenant))


class Beside(Harness):
    """A database that two stores use, as two processes would."""

    beside: TenantStore

    @pytest.fixture(scope="class")
    @classmethod
    def second_store(cls, new_store: NewStore, open_house: tuple[House, Snapshot]) -> Iterator[Store]:
        """Another store on the same database, open all the time."""
        house, _ = open_house
        store = new_store()
        house.runner.run(store.open())
        yield store
        house.runner.run(store.close())

    @pytest.fixture(autouse=True)
    def _beside(self, second_store: Store, _own_tenant: None) -> None:
        self.beside = second_store.for_tenant(self.name)


def query_of(
    filter_text: str | None = None, kinds: Sequence[ResourceType] = (USER,), sort: str | None = None, **options: Any
) -> Query:
    """A search as the directory asks for it."""
    parsed = None if filter_text is None else parse_filter(filter_text)
    targets = tuple(
        Target(
            kind,
            None if parsed is None else bind_filter(parsed, kind, TOLERANT, unknown_is_absent=len(kinds) > 1),
            bind_sort(sort, kind, TOLERANT) if sort else None,
        )
        for kind in kinds
    )
    return Query(targets, **{"limit": 1000, "base_url": BASE_URL, **options})


async def together(work: Sequence[Coroutine[Any, Any, _Result]]) -> list[_Result | BaseException]:
    """Runs everything at once; errors are among the results."""
    return await asyncio.gather(*work, return_exceptions=True)


async def snapshot(tenant: TenantStore) -> Snapshot:
    """Everything that can be seen of a small tenant."""
    rows = (await tenant.search(query_of(kinds=TYPES))).resources
    return (
        rows,
        [(await tenant.read(row.type, row.id, private=True)) for row in rows],
        [list(await tenant.members(row.id)) for row in rows],
        [(await tenant.search(query_of(kinds=(kind,)))).total for kind in TYPES],
        dict(await tenant.records("schema")),
        await tenant.records_revision(),
        await _all_changes(tenant),
    )


async def _all_changes(tenant: TenantStore, after: int = 0) -> list[Mapping[str, object]]:
    return [change async for change in tenant.changes(after)]


async def _move_in(neighbour: TenantStore) -> None:
    """The neighbour has the ids and the unique values that the cases use."""
    extra = {"number": "N1", "seats": 7, "card": {"code": "x"}}
    manager = {"manager": {"value": "bob"}}
    for write in (
        create(
            USER, "ada", {"externalId": "e1", "title": "x", EXTRA_URN: extra, ENTERPRISE_USER: manager}, private=b"{}"
        ),
        create(USER, "bob", {"emails": [{"value": "bob@example.com"}]}),
        create(USER, "outsider"),
        create(GROUP, "eng", {"displayName": "Neighbours"}, members=("ada",)),
        create(GROUP, "all", {"displayName": "All neighbours"}, members=("bob", "eng")),
        create(BADGE, "badge", {"code": "b"}),
    ):
        await neighbour.write(write)
    await neighbour.change_records("schema", {"k": b"neighbour"})
