"""JSON bodies are decoded strictly."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.http.json_body import MAX_DEPTH, decode_json
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, ScimError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), children, max_size=4
        )
    ),
    max_leaves=12,
)


@given(VALUES)
def test_every_json_value_is_decoded_as_it_is(value: Any) -> None:
    assert decode_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b"{'a':1}",
        b'{"a":1,}',
        b"\xff",
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"NaN",
        b"1 2",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"c":2,"b":3}}',
        b'[{"a":1,"a" :2}]',
        b'{"a":1,"a"\r\n\t :2}',
        b'{"a":1,"a":"\\":"}',
        b'{"a\\u0062":1,"ab":2}',
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidSyntaxError):
        decode_json(body)


@pytest.mark.parametrize("text", ["\\u0022:", '\\"\\u003a', '\\"\\u003A', "\\u0022\\u003a", '\\"\\u0020:'])
def test_text_that_becomes_a_quote_and_a_colon_hides_no_duplicate(text: str) -> None:
    with pytest.raises(InvalidSyntaxError):
        decode_json(b'{"a":1,"a":2,"b":"%b"}' % text.encode())
    assert decode_json(b'{"a":1,"b":"%b"}' % text.encode()) == {"a": 1, "b": json.loads(f'"{text}"')}


def test_text_that_looks_like_members_is_no_duplicate() -> None:
    value = {"a": 'x","a":1', "b": '"a" : "a":'}
    assert decode_json(json.dumps(value).encode()) == value


def test_nesting_up_to_the_limit_is_accepted() -> None:
    assert decode_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is not None
    assert decode_json(json.dumps(["[" * 200] * 100).encode())[0] == "[" * 200


def test_nul_is_refused_and_an_escaped_backslash_before_u0000_is_not() -> None:
    with pytest.raises(InvalidValueError):
        decode_json(b'{"a":"\\u0000"}')
    with pytest.raises(InvalidValueError):
        decode_json(b'{"\\u0000":1}')
    assert decode_json(b'{"a":"\\\\u0000"}') == {"a": "\\u0000"}


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        decode_json(body)
    except ScimError as error:
        assert error.status == 400
