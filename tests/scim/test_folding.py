"""Folding and instants: what both sides of every comparison look like."""

import pytest

from headcount.scim.folding import fold, instant


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("BJensen", "bjensen"),
        ("STRASSE", "straße"),
        ("Zoë", "ZOE\u0308"),
        ("ΑΘΗΝΑΣ", "αθηνας"),
        ("ﬁn", "FIN"),
    ],
)
def test_names_that_differ_in_case_or_composition_fold_to_the_same(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("e", "é"), ("ı", "i"), ("a b", "ab")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000000Z"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000000Z"),
        ("2024-01-01T00:00:00", "2024-01-01T00:00:00.000000Z"),
        ("2023-12-31T19:00:00.5-05:00", "2024-01-01T00:00:00.500000Z"),
        ("2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00.123456Z"),
        ("2023-12-31T24:00:00Z", "2024-01-01T00:00:00.000000Z"),
        ("0987-01-01T00:00:00Z", "0987-01-01T00:00:00.000000Z"),
    ],
)
def test_a_date_time_is_its_instant_in_utc(text: str, expected: str) -> None:
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2024-01-01",
        "2024-13-01T00:00:00Z",
        "2024-01-01T25:00:00Z",
        "2024-01-01T00:00:00+15:00",
        "2024-01-01T00:00Z",
        " 2024-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "２０２４-01-01T00:00:00Z",
        "",
    ],
)
def test_what_is_no_date_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="dateTime|time zone|range|must be in"):
        instant(text)
