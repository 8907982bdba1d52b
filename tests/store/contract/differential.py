"""Generated directories, searches and writes: a store agrees with the meaning of filters and with the memory store."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headcount.scim.errors import InvalidFilterError, InvalidValueError
from headcount.scim.filters.syntax import Filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.search import bind_sort
from headcount.scim.urns import ENTERPRISE_USER
from headcount.store.interface import (
    Create,
    Delete,
    MembershipChange,
    Query,
    StoreError,
    TenantStore,
    Update,
    Write,
    Written,
)
from headcount.store.memory.store import MemoryStore
from headcount.testing.store_contract import Harness
from headcount.testing.store_contract import examples as made
from headcount.testing.store_contract.harness import snapshot, together
from store.search.searchable import TYPES, Directory, expected, query_of
from store.search.strategies import directories, filters, paths, searched

_SETTINGS = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.differing_executors],
)
_SHARED = ("displayName", "id", "externalId", "userName", "active", "meta.lastModified", "meta.resourceType", "emails")


def _can_be_sorted_by(path: str, kind: ResourceType) -> bool:
    try:
        return bind_sort(path, kind, TOLERANT) is not None
    except InvalidValueError:
        return False


_orders = st.sampled_from(
    [((kind,), path) for kind in TYPES for path, *_ in paths(kind) if _can_be_sorted_by(path, kind)]
) | st.tuples(st.just(TYPES), st.sampled_from(_SHARED))


@st.composite
def _filtered(draw: st.DrawFn) -> list[Query]:
    kinds = draw(searched)
    return [query for one in draw(st.lists(filters(kinds), min_size=4, max_size=10)) for query in _bound(one, kinds)]


def _bound(parsed: Filter, kinds: tuple[ResourceType, ...]) -> Sequence[Query]:
    try:
        return [query_of(parsed, kinds)]
    except InvalidFilterError:
        return []


@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # a failing search is long to print
class GeneratedSearches(Harness):
    def fill(self, directory: Directory) -> None:
        self.tenant = self.house.new_tenant()
        writes = list(directory.creates(""))
        groups = [write for write in writes if write.type == "Group"]
        results = self.write_together([write for write in writes if write.type != "Group"])
        assert all(isinstance(result, Written) for result in results), results
        for group in groups:
            self.write(group)

    @_SETTINGS
    @given(directories(), _filtered())
    def test_a_generated_filter_finds_what_it_means(self, directory, queries):
        self.fill(directory)
        for query in queries:
            page = self.search(query)
            found = expected(directory, query)
            assert ([row.id for row in page.resources], page.total, page.last) == (found, len(found), None), query

    @_SETTINGS
    @given(directories(), _orders, st.integers(1, 4), st.integers(0, 8), st.booleans())
    def test_a_generated_order_is_the_same_in_pages_of_any_kind(self, directory, order, limit, offset, descending):
        self.fill(directory)
        kinds, path = order
        query = query_of(None, kinds, path, limit=limit, descending=descending)
        whole = expected(directory, query)
        skipped = self.search(query._replace(offset=offset))
        assert [row.id for row in skipped.resources] == whole[offset : offset + limit]
        assert skipped.total == len(whole)
        seen, page = [], self.search(query)
        while page.last is not None:
            seen += [row.id for row in page.resources]
            page = self.search(query._replace(after=page.last, total=False))
        assert seen + [row.id for row in page.resources] == whole


_USERS = ("u0", "u1", "u2", "u3")
_GROUPS = ("g0", "g1", "g2", "g3")
_anyone = st.sampled_from([*_USERS, *_GROUPS, "nobody"])
_some = st.lists(_anyone, max_size=3).map(tuple)
_instants = st.sampled_from([made.EARLY, made.LATE, made.LATEST])
_users = st.fixed_dictionaries(
    {},
    optional={
        "userName": st.sampled_from(["a", "A", "b", "c"]),
        "displayName": st.sampled_from(["x", "ß"]),
        "externalId": st.sampled_from(["e", "f"]),
        made.EXTRA_URN: st.fixed_dictionaries(
            {}, optional={"number": st.sampled_from(["n", "N", "m"]), "seats": st.integers(1, 2)}
        ).filter(bool),
        ENTERPRISE_USER: st.fixed_dictionaries({"manager": st.fixed_dictionaries({"value": _anyone})}),
    },
)
_groups = st.fixed_dictionaries({"displayName": st.sampled_from(["x", "ß"])})
_changes = st.builds(MembershipChange, _some, _some, st.booleans())
_resources = st.one_of(
    st.tuples(st.just(made.USER), st.sampled_from(_USERS), _users),
    st.tuples(st.just(GROUP), st.sampled_from(_GROUPS), _groups),
)
_expected = st.sampled_from([None, None, None, 1, 2])
_acts = st.one_of(
    st.tuples(st.just("create"), _resources, st.none() | _some, _instants),
    st.tuples(st.just("create"), _resources, st.none() | _some, _instants),
    st.tuples(st.just("replace"), _resources, st.none() | _changes, _instants, _expected),
    st.tuples(st.just("members"), st.sampled_from(_GROUPS), _changes, _instants, _expected),
    st.tuples(st.just("members"), st.sampled_from(_GROUPS), _changes, _instants, _expected),
    st.tuples(st.just("delete"), _resources, _instants, _expected),
)


class GeneratedWrites(Harness):
    """A store and the memory store are told the same."""

    @_SETTINGS
    @given(st.lists(_acts, min_size=8, max_size=30))
    def test_generated_writes_have_the_same_answers_and_leave_the_same(self, acts):
        self.tenant = self.house.new_tenant()
        memory = MemoryStore()
        self.run(memory.open())
        model = memory.for_tenant("model")
        kept: dict[tuple[str, str], tuple[int, Create | Update]] = {}
        for act in acts:
            write = _write_of(act, kept)
            ours, theirs = self.run(together([self.tenant.write(write)])), self.run(together([model.write(write)]))
            assert _answer(ours[0]) == _answer(theirs[0]), write
            _keep(kept, write, theirs[0])
        assert self.run(_comparable(self.tenant)) == self.run(_comparable(model))


def _write_of(act: Any, kept: dict[tuple[str, str], tuple[int, Create | Update]]) -> Write:
    kind_of_act, *rest = act
    if kind_of_act == "members":
        group_id, change, at, version = rest
        return Update("Group", group_id, made.origin(at), version, members=change)
    (kind, resource_id, attributes), *rest = rest
    if kind_of_act == "create":
        members, at = rest
        members = members if kind is GROUP else None
        return made.create(kind, resource_id, attributes, members=members, at=at)
    if kind_of_act == "delete":
        at, version = rest
        return Delete(kind.name, resource_id, made.origin(at), version)
    change, at, version = rest
    current, before = kept.get((kind.name, resource_id), (1, made.create(kind, resource_id)))
    members = change if kind is GROUP else None
    return made.replacement(kind, before, attributes, version or current, members=members, at=at)


def _keep(kept: dict[tuple[str, str], tuple[int, Create | Update]], write: Write, answer: object) -> None:
    """What the next replacement replaces."""
    key = (write.type, write.id)
    if not isinstance(answer, Written):
        return
    if isinstance(write, Delete):
        kept.pop(key, None)
    elif isinstance(write, Create) or write.document is not None:
        kept[key] = answer.version, write
    else:
        kept[key] = answer.version, kept[key][1]


def _answer(result: object) -> object:
    """What was written, or that it was refused: which of several reasons is named first is open."""
    if isinstance(result, BaseException):
        assert isinstance(result, StoreError), result
        return "refused"
    return result


async def _comparable(tenant: TenantStore) -> object:
    """Everything that can be seen, sequence numbers and the order of ids within a row of the log apart."""
    *rest, changes = await snapshot(tenant)
    rows = [
        {**change, "sequence": None, "added": sorted(change["added"]), "removed": sorted(change["removed"])}
        for change in changes
    ]
    return rest, rows
