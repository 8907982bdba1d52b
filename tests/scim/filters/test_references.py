"""References in filters name the same resource however they are written (RFC 7643 §2.3.7, §2.4)."""

import pytest

from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.filters.references import absolute, with_absolute_references
from headcount.scim.profiles import STRICT
from headcount.scim.registry import GROUP, USER

_BASE = "https://scim.example/t/acme/scim/v2"


@pytest.mark.parametrize(
    ("uri", "written"),
    [
        (f"{_BASE}/Users/1", f"{_BASE}/Users/1"),
        ("https://scim.example/t/acme/scim/Users/1", f"{_BASE}/Users/1"),
        ("/Users/1", f"{_BASE}/Users/1"),
        ("Users/1", f"{_BASE}/Users/1"),
        ("https://other.example/t/acme/scim/v2/Users/1", "https://other.example/t/acme/scim/v2/Users/1"),
        ("https://scim.example/t/acme/scim/v2x/Users/1", f"{_BASE}/v2x/Users/1"),
        ("urn:example:1", "urn:example:1"),
    ],
)
def test_a_reference_is_relative_to_the_base_url_and_knows_no_version(uri: str, written: str) -> None:
    assert absolute(uri, _BASE) == written


@pytest.mark.parametrize(
    ("filter_text", "matching"),
    [
        ('members.$ref eq "/Users/1"', True),
        ('members[$ref eq "Users/1" or value eq "x"]', True),
        ('not (members.$ref eq "https://scim.example/t/acme/scim/Users/1")', False),
        ('members.$ref eq "/Users/2"', False),
        ('members.$ref ew "/Users/1"', True),
        ('meta.location eq "/Groups/g"', True),
        ('meta.location ne "Groups/g"', False),
    ],
)
def test_equality_sees_through_the_ways_of_writing_a_reference(filter_text: str, matching: bool) -> None:
    group = {
        "id": "g",
        "members": [{"value": "1", "$ref": f"{_BASE}/Users/1"}],
        "meta": {"location": f"{_BASE}/Groups/g"},
    }
    bound = with_absolute_references(bind_filter(parse_filter(filter_text), GROUP, STRICT), _BASE)
    assert matches(bound, group) is matching


def test_a_reference_to_something_outside_is_compared_as_it_is() -> None:
    bound = with_absolute_references(bind_filter(parse_filter('profileUrl eq "/me"'), USER, STRICT), _BASE)
    assert matches(bound, {"profileUrl": "/me"})
    assert not matches(bound, {"profileUrl": f"{_BASE}/me"})
