"""Filters as SQL find exactly what the evaluation of the filter says."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.syntax import Filter
from headcount.scim.registry import ResourceType
from headcount.store.interface import Query
from headcount.store.sqlite.search import search
from store.search.searchable import TENANT, Directory, expected, query_of
from store.search.strategies import directories, filters, searched

_SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@st.composite
def _searches(draw: st.DrawFn) -> tuple[Directory, tuple[ResourceType, ...], list[Filter]]:
    kinds = draw(searched)
    return draw(directories()), kinds, draw(st.lists(filters(kinds), min_size=4, max_size=12))


def _bound(parsed: Filter, kinds: tuple[ResourceType, ...]) -> Query | None:
    try:
        return query_of(parsed, kinds)
    except InvalidFilterError:
        return None


@_SETTINGS
@given(_searches())
def test_a_search_finds_the_resources_that_the_filter_matches_and_no_other(
    case: tuple[Directory, tuple[ResourceType, ...], list[Filter]],
) -> None:
    directory, kinds, parsed = case
    connection = directory.connection()
    for one in parsed:
        query = _bound(one, kinds)
        if query is not None:
            page = search(connection, TENANT, query)
            assert [row.id for row in page.resources] == expected(directory, query), one
            assert page.total == len(page.resources)
            assert page.last is None
    connection.close()
