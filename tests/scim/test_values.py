"""Values of every type checked and made canonical: RFC 7643 §2.3 to §2.5."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError
from headcount.scim.profiles import STRICT, TOLERANT, Profile
from headcount.scim.registry import USER
from headcount.scim.schemas import Attribute, Type
from headcount.scim.values import canonical_element, canonical_value, check_primary, is_same_element

BOTH = pytest.mark.parametrize("profile", [STRICT, TOLERANT])
STRING, BOOLEAN, DECIMAL, INTEGER, DATE_TIME, BINARY, REFERENCE = (
    Attribute("a", Type(kind))
    for kind in ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference")
)
EMAILS = USER.attributes["emails"]
NAME = USER.attributes["name"]
MANAGER = USER.extension_by_urn[urns.ENTERPRISE_USER.lower()].schema.by_name["manager"]
TAGS = Attribute("tags", multi_valued=True)
KIND = Attribute("kind", canonical_values=("work", "Home"))
VAULT = Attribute(
    "vault",
    Type.COMPLEX,
    sub_attributes=(
        Attribute("code", required=True),
        Attribute("marks", multi_valued=True),
        Attribute("size", Type.INTEGER),
    ),
)


@BOTH
@pytest.mark.parametrize(
    ("attribute", "sent", "kept"),
    [
        (STRING, "", ""),
        (STRING, " é😀 ", " é😀 "),
        (KIND, "WORK", "work"),
        (KIND, "home", "Home"),
        (KIND, "boat", "boat"),
        (BOOLEAN, False, False),
        (BOOLEAN, True, True),
        (DECIMAL, 1, 1),
        (DECIMAL, -0.5, -0.5),
        (DECIMAL, 10**400, 10**400),
        (INTEGER, 0, 0),
        (INTEGER, -(2**63), -(2**63)),
        (DATE_TIME, "2024-02-29T23:59:59Z", "2024-02-29T23:59:59Z"),
        (DATE_TIME, "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00Z"),
        (DATE_TIME, "2024-01-01T00:00:00", "2024-01-01T00:00:00Z"),
        (DATE_TIME, "2024-01-01T00:00:00.500Z", "2024-01-01T00:00:00.5Z"),
        (DATE_TIME, "2023-12-31T24:00:00Z", "2024-01-01T00:00:00Z"),
        (DATE_TIME, "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        (BINARY, "TWFu", "TWFu"),
        (BINARY, "TWE=", "TWE="),
        (BINARY, "TWE", "TWE"),
        (BINARY, "TW\r\n Fu", "TWFu"),
        (BINARY, "", None),
        (BINARY, " \n", None),
        (REFERENCE, "https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        (REFERENCE, "../Users/1", "../Users/1"),
        (REFERENCE, "urn:example:a", "urn:example:a"),
        # null, nothing and emptiness are the same state (§2.5)
        (STRING, None, None),
        (STRING, [], None),
        (BOOLEAN, None, None),
        (NAME, None, None),
        (NAME, {}, None),
        (NAME, {"givenName": None}, None),
        (NAME, {"givenName": []}, None),
        (NAME, {"nosuch": 1}, None),
        (NAME, {"givenName": ""}, {"givenName": ""}),
        (TAGS, [], None),
        (TAGS, None, None),
        (TAGS, [None], None),
        (TAGS, ["a", None, "b"], ["a", "b"]),
        (EMAILS, [{}], None),
        (EMAILS, [{"value": None}, {"value": "a@b"}], [{"value": "a@b"}]),
        (VAULT, {"marks": []}, None),
        (VAULT, {"CODE": "c", "marks": ["a", "a"], "size": None}, {"code": "c", "marks": ["a"]}),
        # duplicates (§2.4)
        (TAGS, ["a", "b", "a"], ["a", "b"]),
        (TAGS, ["a", "A"], ["a", "A"]),
        (TAGS, [str(number % 20) for number in range(40)], [str(number) for number in range(20)]),
        (EMAILS, [{"value": "a", "type": "work"}, {"type": "WORK", "value": "a"}], [{"value": "a", "type": "work"}]),
        (
            EMAILS,
            [{"value": str(number % 20)} for number in range(40)],
            [{"value": str(number)} for number in range(20)],
        ),
        (EMAILS, [{"value": "a", "type": "work"}, {"value": "a"}], [{"value": "a", "type": "work"}, {"value": "a"}]),
        # one primary
        (
            EMAILS,
            [{"value": "a", "primary": True}, {"value": "b", "primary": False}],
            [{"value": "a", "primary": True}, {"value": "b", "primary": False}],
        ),
        # a reference is known by its id; $ref and names are derived
        (MANAGER, {"value": "9", "$ref": "../Users/8", "displayName": "Boss"}, {"value": "9"}),
        (MANAGER, {"$ref": "https://example.com/v2/Users/8/"}, {"value": "8"}),
        (MANAGER, {"value": "", "$ref": "../Users/8"}, {"value": "8"}),
        (MANAGER, {"value": ""}, None),
        (MANAGER, {"$ref": ""}, None),
    ],
)
def test_a_value_is_kept_in_canonical_form(attribute: Attribute, sent: Any, kept: Any, profile: Profile) -> None:
    assert canonical_value(attribute, sent, profile) == kept
    assert canonical_value(attribute, kept, profile) == kept
    assert type(canonical_value(attribute, sent, profile)) is type(kept)


@BOTH
@pytest.mark.parametrize(
    ("attribute", "sent"),
    [
        (STRING, 1),
        (STRING, True),
        (STRING, {}),
        (STRING, ["a", "b"]),
        (STRING, {"value": "a"}),
        (BOOLEAN, 1),
        (BOOLEAN, 0),
        (BOOLEAN, "yes"),
        (BOOLEAN, "1"),
        (BOOLEAN, ""),
        (DECIMAL, "1"),
        (DECIMAL, True),
        (DECIMAL, float("inf")),
        (DECIMAL, float("nan")),
        (INTEGER, 1.0),
        (INTEGER, 1e2),
        (INTEGER, True),
        (INTEGER, "1"),
        (DATE_TIME, "2024-01-01"),
        (DATE_TIME, "2023-02-29T00:00:00Z"),
        (DATE_TIME, "2024-01-01T00:00:60Z"),
        (DATE_TIME, "2024-01-01T24:00:01Z"),
        (DATE_TIME, "9999-12-31T24:00:00Z"),
        (DATE_TIME, "9999-12-31T23:59:59-01:00"),
        (DATE_TIME, "0000-01-01T00:00:00Z"),
        (DATE_TIME, ""),
        (DATE_TIME, 1704067200),
        (BINARY, "T"),
        (BINARY, "TWFuT"),
        (BINARY, "TWE=="),
        (BINARY, "TW="),
        (BINARY, "="),
        (BINARY, "TWFu===="),
        (BINARY, "TW-_"),
        (BINARY, "é"),
        (BINARY, 1),
        (REFERENCE, "a b"),
        (REFERENCE, "<a>"),
        (REFERENCE, "a\n"),
        (REFERENCE, 1),
        (NAME, 1),
        (NAME, [{"givenName": "a"}, {"givenName": "b"}]),
        (NAME, {"givenName": 1}),
        (NAME, {"givenName": {}}),
        (NAME, "Ada"),
        (TAGS, [1]),
        (TAGS, [["a"]]),
        (TAGS, {"value": "a"}),
        (EMAILS, [1]),
        (EMAILS, [{"primary": 1}]),
        (EMAILS, [{"value": "a", "primary": True}, {"value": "b", "primary": True}]),
        (VAULT, {"size": 1}),
        (VAULT, {"code": "", "size": 1}),
        (VAULT, {"code": None, "size": 1}),
        (VAULT, {"code": "c", "marks": [1]}),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(attribute: Attribute, sent: Any, profile: Profile) -> None:
    with pytest.raises(InvalidValueError, match=attribute.name):
        canonical_value(attribute, sent, profile)


def test_what_is_wrong_within_is_named_by_its_whole_path() -> None:
    with pytest.raises(InvalidValueError, match=r"^urn:x:emails\.primary must be true or false\.$"):
        canonical_value(EMAILS, [{"primary": "yes"}], STRICT, "urn:x:")


def test_a_member_that_stands_twice_in_different_case_is_refused() -> None:
    with pytest.raises(InvalidSyntaxError, match="GIVENNAME"):
        canonical_value(NAME, {"givenName": "a", "GIVENNAME": "b"}, TOLERANT)


@pytest.mark.parametrize(
    ("attribute", "sent", "kept"),
    [
        (BOOLEAN, "True", True),
        (BOOLEAN, " FALSE ", False),
        (EMAILS, ["a@b", ""], [{"value": "a@b"}]),
        (EMAILS, {"value": "a@b"}, [{"value": "a@b"}]),
        (EMAILS, "a@b", [{"value": "a@b"}]),
        (TAGS, "a", ["a"]),
        (STRING, ["a"], "a"),
        (NAME, [{"givenName": "a"}], {"givenName": "a"}),
        (MANAGER, "9", {"value": "9"}),
        (MANAGER, "", None),
    ],
)
def test_what_clients_send_instead_is_taken_by_the_tolerant_profile_only(
    attribute: Attribute, sent: Any, kept: Any
) -> None:
    assert canonical_value(attribute, sent, TOLERANT) == kept
    with pytest.raises(InvalidValueError, match=attribute.name):
        canonical_value(attribute, sent, STRICT)


def test_one_element_of_a_list_is_read_by_itself() -> None:
    assert canonical_element(TAGS, "a", STRICT) == "a"
    assert canonical_element(EMAILS, {"VALUE": "a"}, STRICT) == {"value": "a"}
    assert canonical_element(EMAILS, None, STRICT) is None


def test_references_are_the_same_by_their_id_and_other_elements_by_everything() -> None:
    members = Attribute(
        "m",
        Type.COMPLEX,
        sub_attributes=(
            Attribute("value"),
            Attribute("$ref", Type.REFERENCE, reference_types=("User",)),
            Attribute("type"),
        ),
    )
    assert is_same_element(members, {"value": "1", "type": "User"}, {"value": "1"})
    assert not is_same_element(members, {"value": "1"}, {"value": "2"})
    assert not is_same_element(EMAILS, {"value": "1", "type": "work"}, {"value": "1"})


def test_at_most_one_element_is_primary() -> None:
    check_primary(EMAILS, [{"primary": True}, {"primary": False}, {}])
    with pytest.raises(InvalidValueError, match=r"urn:x:emails: only one"):
        check_primary(EMAILS, [{"primary": True}, {}, {"primary": True}], "urn:x:")
