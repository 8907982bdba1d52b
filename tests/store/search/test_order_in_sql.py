"""Pages of a search are stretches of one order, whichever way they are asked for."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headcount.scim.errors import InvalidValueError
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, ResourceType
from headcount.scim.search import bind_sort
from headcount.store.interface import Query
from headcount.store.sqlite.search import search
from store.search.searchable import BADGE, TENANT, TYPES, USER, Directory, after, expected, ids, query_of
from store.search.strategies import directories, paths

_SETTINGS = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
_SHARED = (
    "displayName",
    "id",
    "externalId",
    "userName",
    "title",
    "active",
    "meta.lastModified",
    "meta.created",
    "meta.resourceType",
    "meta.version",
    "emails",
)


def _can_be_sorted_by(path: str, kind: ResourceType) -> bool:
    try:
        return bind_sort(path, kind, TOLERANT) is not None
    except InvalidValueError:
        return False


_ONE_TYPE = [
    ((kind,), path) for kind in (USER, GROUP, BADGE) for path, *_ in paths(kind) if _can_be_sorted_by(path, kind)
]
_orders = st.sampled_from(_ONE_TYPE) | st.tuples(st.sampled_from([(USER, GROUP), TYPES]), st.sampled_from(_SHARED))
_FILTERS = (None, 'displayName pr or userName co "0"', "not (externalId pr)", 'meta.resourceType eq "User"')


@st.composite
def sorted_searches(draw: st.DrawFn) -> tuple[Directory, Query]:
    kinds, path = draw(_orders)
    options = {"descending": draw(st.booleans()), "limit": draw(st.integers(1, 5))}
    parsed = draw(st.sampled_from(_FILTERS)) if len(kinds) > 1 else None
    return draw(directories()), query_of(parsed, kinds, draw(st.sampled_from([path, path, path, None])), **options)


def at(query: Query, **options: object) -> Query:
    given_options = {"limit": query.limit, "descending": query.descending, "base_url": query.base_url, **options}
    return Query(query.targets, **given_options)


@_SETTINGS
@given(sorted_searches())
def test_results_are_in_order_of_the_sort_value_with_missing_ones_last_then_of_the_id(
    case: tuple[Directory, Query],
) -> None:
    directory, query = case
    connection = directory.connection()
    assert ids(connection, at(query, limit=100)) == expected(directory, query)
    connection.close()


@_SETTINGS
@given(sorted_searches())
def test_a_walk_by_positions_gives_every_resource_exactly_once_and_in_order(case: tuple[Directory, Query]) -> None:
    directory, query = case
    connection, seen, position = directory.connection(), [], None
    while True:
        page = search(connection, TENANT, at(query, **after(position)))
        seen += [row.id for row in page.resources]
        assert page.total is None
        if page.last is None:
            break
        assert len(page.resources) == query.limit
        assert page.last.id == seen[-1]
        position = page.last
    assert seen == expected(directory, query)
    connection.close()


@_SETTINGS
@given(sorted_searches(), st.integers(0, 12))
def test_an_offset_skips_that_many_resources_and_the_total_counts_all_of_them(
    case: tuple[Directory, Query], offset: int
) -> None:
    directory, query = case
    connection, whole = directory.connection(), expected(directory, query)
    page = search(connection, TENANT, at(query, offset=offset))
    assert [row.id for row in page.resources] == whole[offset : offset + query.limit]
    assert page.total == len(whole)
    assert (page.last is not None) is (offset + query.limit < len(whole))
    connection.close()
