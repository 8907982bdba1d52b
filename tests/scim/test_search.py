"""Search requests: RFC 7644 §3.4.2 and §3.4.3, RFC 9865 §2."""

from dataclasses import replace
from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, ScimError
from headcount.scim.profiles import STRICT, TOLERANT
from headcount.scim.registry import USER
from headcount.scim.search import SearchRequest, bind_sort, names_of, search_from_message, search_from_parameters

E = urns.ENTERPRISE_USER


def message(**members: Any) -> dict[str, Any]:
    return {"schemas": [urns.SEARCH_REQUEST], **members}


@pytest.mark.parametrize(
    ("parameters", "search"),
    [
        ({}, SearchRequest()),
        ({"aadOptscim062020": "", "nosuch": "1"}, SearchRequest()),
        ({"filter": 'userName eq "a"'}, SearchRequest(filter='userName eq "a"')),
        ({"filter": ""}, SearchRequest(filter="")),
        ({"startIndex": "1", "count": "0"}, SearchRequest(start_index=1, count=0)),
        ({"startIndex": "-3", "count": "-5"}, SearchRequest(start_index=-3, count=-5)),
        ({"startIndex": "", "count": ""}, SearchRequest()),
        ({"count": "9" * 18}, SearchRequest(count=10**18 - 1)),
        ({"sortBy": "name.givenName"}, SearchRequest(sort_by="name.givenName")),
        ({"sortBy": ""}, SearchRequest()),
        ({"sortBy": "id", "sortOrder": "descending"}, SearchRequest(sort_by="id", descending=True)),
        ({"sortBy": "id", "sortOrder": "Ascending"}, SearchRequest(sort_by="id")),
        ({"cursor": ""}, SearchRequest(cursor="")),
        ({"cursor": "x.y", "count": "10"}, SearchRequest(cursor="x.y", count=10)),
        ({"attributes": "userName, name.givenName,,"}, SearchRequest(attributes=("userName", "name.givenName"))),
        ({"excludedAttributes": "members"}, SearchRequest(excluded_attributes=("members",))),
        ({"attributes": "", "excludedAttributes": "members"}, SearchRequest(excluded_attributes=("members",))),
    ],
)
def test_a_query_string_asks_for(parameters: dict[str, str], search: SearchRequest) -> None:
    assert search_from_parameters(parameters) == replace(search, in_url=True)


@pytest.mark.parametrize(
    "parameters",
    [
        {"count": "ten"},
        {"count": "1.0"},
        {"count": "1e2"},
        {"count": "1_000"},
        {"count": " 1"},
        {"count": "1" + "0" * 18},
        {"startIndex": "١"},
        {"startIndex": "0x1"},
        {"sortBy": "id", "sortOrder": "up"},
        {"cursor": "", "startIndex": "1"},
        {"attributes": "userName", "excludedAttributes": "emails"},
    ],
)
def test_a_query_string_that_cannot_be_meant_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidValueError):
        search_from_parameters(parameters)


def test_a_message_asks_for_the_same_as_a_query_string() -> None:
    body = message(
        filter="title pr",
        sortBy="userName",
        sortOrder="descending",
        cursor="",
        count=10,
        attributes=["userName", "title"],
    )
    expected = SearchRequest("title pr", "userName", True, None, 10, "", ("userName", "title"))
    assert search_from_message(body, STRICT) == expected
    assert search_from_message(message(startIndex=2, count=0), STRICT) == SearchRequest(start_index=2, count=0)
    assert search_from_message(message(filter=None, count=None, attributes=None), STRICT) == SearchRequest()
    assert search_from_message(message(startIndex=10**18 - 1), STRICT).start_index == 10**18 - 1


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, InvalidSyntaxError),
        ([], InvalidSyntaxError),
        ({"schemas": [urns.PATCH_OP]}, InvalidSyntaxError),
        ({"schemas": urns.SEARCH_REQUEST}, InvalidSyntaxError),
        (message(filter=1), InvalidSyntaxError),
        (message(filter=["title pr"]), InvalidSyntaxError),
        (message(sortBy=1), InvalidSyntaxError),
        (message(sortOrder=True), InvalidSyntaxError),
        (message(cursor=1), InvalidSyntaxError),
        (message(startIndex="1"), InvalidSyntaxError),
        (message(startIndex=True), InvalidSyntaxError),
        (message(startIndex=10**18), InvalidSyntaxError),
        (message(count=1.0), InvalidSyntaxError),
        (message(count=[]), InvalidSyntaxError),
        (message(attributes="userName"), InvalidSyntaxError),
        (message(attributes=[1]), InvalidSyntaxError),
        (message(excludedAttributes={"a": 1}), InvalidSyntaxError),
        (message(sortOrder="up"), InvalidValueError),
        (message(cursor="x", startIndex=1), InvalidValueError),
        (message(attributes=["a"], excludedAttributes=["b"]), InvalidValueError),
    ],
)
def test_a_malformed_message_is_refused(body: Any, error: type[ScimError]) -> None:
    for profile in (STRICT, TOLERANT):
        with pytest.raises(error):
            search_from_message(body, profile)


def test_a_message_without_schemas_is_taken_by_the_tolerant_profile_only() -> None:
    assert search_from_message({"count": 1}, TOLERANT) == SearchRequest(count=1)
    with pytest.raises(InvalidSyntaxError, match="SearchRequest"):
        search_from_message({"count": 1}, STRICT)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("userName", "userName"),
        ("NAME.givenName", "name.givenName"),
        ("emails", "emails.value"),
        ("emails.type", "emails.type"),
        ("meta.lastModified", "meta.lastModified"),
        (f"{E}:manager", f"{E}:manager.value"),
        (f"{E}:department", f"{E}:department"),
        ("id", "id"),
        ("nosuch", None),
        ("department", None),
    ],
)
def test_results_are_sorted_by_a_simple_attribute(text: str, path: str | None) -> None:
    bound = bind_sort(text, USER, STRICT)
    assert (None if bound is None else str(bound)) == path


def test_what_cannot_be_sorted_by_is_refused() -> None:
    for text in ("name", "meta", "addresses", "password"):
        with pytest.raises(InvalidValueError, match=text):
            bind_sort(text, USER, TOLERANT)
    assert str(bind_sort("department", USER, TOLERANT)) == f"{E}:department"


def test_a_list_of_names_is_split_at_commas() -> None:
    assert names_of(" a , b,,c.d ") == ("a", "b", "c.d")
    assert names_of("") == names_of(None) == names_of(" , ") == ()
