"""Entity tags and preconditions: RFC 7644 §3.14, RFC 7643 §3.1."""

import pytest

from headcount.scim.versions import entity_tag, matches_tag


def test_the_tag_of_a_version_is_weak() -> None:
    assert entity_tag(12) == 'W/"12"'


@pytest.mark.parametrize(
    ("header", "matches"),
    [
        ('W/"12"', True),
        ('"12"', True),
        ("12", True),
        (' W/"12" ', True),
        ("*", True),
        (" * ", True),
        ('W/"11", W/"12"', True),
        ('"11","12","13"', True),
        ('W/"12", *', True),
        ('W/"11"', False),
        ('W/"120"', False),
        ('W/"1", W/"2"', False),
        ('W/"012"', False),
        ('"a,12"', False),
        ('"a, 12, b"', False),
        ('W/""', False),
        ("", False),
        (",", False),
        ('W/"*"', False),
        ('foo"12"', False),
        ('"12" "13"', False),
        ('W/"12", "', False),
    ],
)
def test_a_precondition_names_the_version_or_not(header: str, matches: bool) -> None:
    assert matches_tag(header, 12) is matches


@pytest.mark.parametrize("header", ["*", 'W/"12"', 'W/"None"', ""])
def test_nothing_matches_what_does_not_exist(header: str) -> None:
    assert matches_tag(header, None) is False


def test_a_tag_matches_its_own_version() -> None:
    assert matches_tag(entity_tag(0), 0)
    assert not matches_tag(entity_tag(0), 1)
