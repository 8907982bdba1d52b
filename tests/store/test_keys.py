"""What a resource is found by is bounded: every index of every database holds it."""

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.registry import USER
from headcount.store.keys import MOST_KEY_BYTES, keys_of

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
