"""The parts of an HTTP request, read strictly."""

import pytest

from headcount.http.requests import RequestIds, accepts_scim, is_json, path_segments, query_parameters
from headcount.scim.errors import InvalidValueError, NotFoundError


@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        (b"application/scim+json", True),
        (b"application/json", True),
        (b"*/*", True),
        (b"application/*", True),
        (b"", True),
        (b"text/html, application/json;q=0.9", True),
        (b"APPLICATION/SCIM+JSON; charset=utf-8", True),
        (b"text/html", False),
        (b"application/xml", False),
        (b"application/json;q=0", False),
        (b"*/*;q=0.0, text/html", False),
        (b"application/json;q=0.05", True),
    ],
)
def test_accept_headers_admit_scim_or_not(accept: bytes, accepted: bool) -> None:
    assert accepts_scim(accept) is accepted


@pytest.mark.parametrize(
    ("content_type", "accepted"),
    [
        (b"application/scim+json", True),
        (b"application/json; charset=utf-8", True),
        (b'Application/SCIM+JSON;charset="UTF-8"', True),
        (b"application/json;charset=latin-1", False),
        (b"text/plain", False),
        (b"application/x-www-form-urlencoded", False),
        (b"", False),
    ],
)
def test_content_types_are_compared_without_their_parameters(content_type: bytes, accepted: bool) -> None:
    assert is_json(content_type) is accepted


def test_path_segments_are_decoded_one_by_one() -> None:
    assert path_segments(b"/t/acme/scim/v2/Users/a%20b") == ["", "t", "acme", "scim", "v2", "Users", "a b"]


@pytest.mark.parametrize("path", [b"/t/a%2Fb", b"/t/%2e%2e/x", b"/t/%00", b"/t/%ff"])
def test_encodings_that_hide_another_path_are_not_found(path: bytes) -> None:
    with pytest.raises(NotFoundError):
        path_segments(path)


def test_query_parameters_take_plus_for_a_space_and_ignore_empty_parts() -> None:
    query = b"filter=userName+eq+%22a%2Bb%40c%22&&count=2&aadOptscim062020&"
    assert query_parameters(query) == {"filter": 'userName eq "a+b@c"', "count": "2", "aadOptscim062020": ""}


@pytest.mark.parametrize("query", [b"filter=a&filter=b", b"count=1&count=1", b"filter=%ff", b"filter=%00"])
def test_repeated_and_undecodable_parameters_are_refused(query: bytes) -> None:
    with pytest.raises(InvalidValueError):
        query_parameters(query)


@pytest.mark.parametrize(
    ("given", "fit"),
    [(b"a-1", True), (b"x" * 128, True), (b"x" * 129, False), (b"a b", False), (b"a\nb", False), (b"", False)],
)
def test_request_ids_of_clients_are_checked_before_they_are_logged(given: bytes, fit: bool) -> None:
    assert (RequestIds().of(given) == given.decode()) is fit


def test_requests_without_an_id_get_one_each() -> None:
    ids = RequestIds()
    assert len({ids.of(None) for _ in range(3)}) == 3
