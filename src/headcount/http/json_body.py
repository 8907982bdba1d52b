"""Request bodies decoded strictly.

The fast decoder takes the last of two members with one name without a word; what it cannot see is counted.
"""

import json
import re
from typing import Any, Final

import orjson

from headcount.scim.errors import InvalidSyntaxError, InvalidValueError
from headcount.scim.schemas import Json

MAX_DEPTH: Final = 64
_HIDING: Final = b"\\u003"
"""How an escape begins that a colon within a string may be written as."""


def decode_json(body: bytes) -> Json:
    """The JSON value of a body; raises InvalidSyntaxError, also for duplicate members and deep nesting.

    Raises InvalidValueError for NUL in strings, which no database keeps.
    """
    if body[:3] == b"\xef\xbb\xbf":  # a byte order mark, which RFC 8259 §8.1 lets a reader ignore
        body = body[3:]
    if not body:
        raise InvalidSyntaxError("The request needs a JSON body.")
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH:
        _check_depth(body)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidSyntaxError(f"The body is not valid JSON: {error}.") from None
    has_escapes = b"\\u00" in body
    if has_escapes and b"\\u0000" in body:
        _check_characters(value)
    if (has_escapes and _HIDING in body) or _may_have_lost_members(body, value):
        _check_members(body)
    return value


def _may_have_lost_members(body: bytes, value: Json) -> bool:
    """Whether the body has more colons than the value written anew.

    Every member has one. A string may hold some as well, and those that are written anew stood in the body too, unless
    an escape hid them. Equal numbers thus mean that no member was lost.
    """
    return body.count(b":") != orjson.dumps(value).count(b":")


def _check_members(body: bytes) -> None:
    """The exact look: what seemed a member too many may stand within a string."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        names = set()
        for name, _ in pairs:
            if name in names:
                raise InvalidSyntaxError(f"The member '{name}' stands more than once in an object.")
            names.add(name)

    json.loads(body, object_pairs_hook=unique)


def _check_depth(body: bytes) -> None:
    depth = 0
    for bracket in re.finditer(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', body):
        text = bracket[0]
        if text in (b"[", b"{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidSyntaxError(f"The body is nested deeper than {MAX_DEPTH} levels.")
        elif text in (b"]", b"}"):
            depth -= 1


def _check_characters(value: Json) -> None:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if "\0" in item:
                raise InvalidValueError("A string must not hold the character NUL.")
        elif isinstance(item, dict):
            stack += [*item, *item.values()]
        elif isinstance(item, list):
            stack += item
