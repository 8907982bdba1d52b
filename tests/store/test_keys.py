"""What a resource is found by is bounded, since every index of every database holds it, and in the order of values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.scim import urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.registry import USER
from headcount.store.keys import MOST_KEY_BYTES, keys_of, ordered_text, unique_text

_LONGEST = "x" * MOST_KEY_BYTES
_WIDE = "\U0001f600" * (MOST_KEY_BYTES // 4)


@pytest.mark.parametrize("name", ["userName", "displayName", "title", "externalId"])
@pytest.mark.parametrize("value", [_LONGEST, _WIDE])
def test_a_value_of_the_greatest_length_is_a_key_and_one_byte_more_is_refused_by_name(name: str, value: str) -> None:
    resource = {"schemas": [urns.USER], "id": "1", "userName": "ada"}
    keys_of({**resource, name: value}, USER)
    with pytest.raises(InvalidValueError, match=f"'{name}' is longer than"):
        keys_of({**resource, name: value + "x"}, USER)


def test_the_values_of_an_indexed_attribute_are_bounded_one_by_one() -> None:
    resource = {"schemas": [urns.USER], "id": "1", "userName": "ada"}
    assert len(keys_of({**resource, "emails": [{"value": _LONGEST}, {"value": "a"}]}, USER).values) == 2
    with pytest.raises(InvalidValueError, match=r"'emails\.value' is longer than"):
        keys_of({**resource, "emails": [{"value": "a"}, {"value": _LONGEST + "x"}]}, USER)


_numbers = st.one_of(
    st.integers(),
    st.integers(-20, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-20, 20).map(lambda number: round(number, 1)),
    st.integers(-5, 5).map(lambda number: 2**53 + number),
    st.integers(50, 1_000).map(lambda bits: float(2**bits)),
    st.integers(50, 1_000).map(lambda bits: 1 - 2**bits),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 1.7976931348623157e308, 10**400, -(10**400)]),
)


@given(_numbers, _numbers)
def test_the_texts_of_numbers_are_equal_as_they_are_and_in_their_order(one: float, other: float) -> None:
    assert (ordered_text(one) == ordered_text(other), ordered_text(one) < ordered_text(other)) == (
        one == other,
        one < other,
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [("ada", "ada"), ("7", "7"), (True, "true"), (False, "false"), (0, "1"), (43, "2500243"), (-2.5, "0499874~")],
)
def test_a_value_is_kept_in_an_index_as_one_text(value: str | bool | float, text: str) -> None:
    assert ordered_text(value) == text


@pytest.mark.parametrize(("value", "text"), [("7.0", "7.0"), (7, "7"), (7.0, "7"), (7.5, "7.5"), (2**64, str(2**64))])
def test_numbers_that_are_equal_are_unique_together(value: str | float, text: str) -> None:
    assert unique_text(value) == text
