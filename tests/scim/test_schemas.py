"""Schemas and resource types from documents: RFC 7643 §2.2, §6 and §7."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.registry import build_registry, is_resource_type_document
from headcount.scim.schemas import Attribute, Mutability, Returned, Schema, Type, Uniqueness, schema_from_document

BADGE = {"id": "urn:example:Badge", "attributes": [{"name": "number"}]}
FULL = {
    "name": "key",
    "type": "reference",
    "multiValued": True,
    "description": "A key.",
    "required": True,
    "caseExact": True,
    "mutability": "immutable",
    "returned": "request",
    "uniqueness": "global",
    "canonicalValues": ["a", "B"],
    "referenceTypes": ["User", "external"],
}


def read(*attributes: Any, **members: Any) -> Schema:
    return schema_from_document({"id": "urn:example:x:Thing", "attributes": list(attributes), **members})


def test_what_is_not_said_has_the_default_of_the_standard() -> None:
    (attribute,) = read({"name": "number"}).attributes
    assert attribute == Attribute(
        "number",
        Type.STRING,
        description="",
        multi_valued=False,
        required=False,
        case_exact=False,
        mutability=Mutability.READ_WRITE,
        returned=Returned.DEFAULT,
        uniqueness=Uniqueness.NONE,
        canonical_values=(),
        reference_types=(),
        sub_attributes=(),
    )


def test_every_characteristic_is_read() -> None:
    (attribute,) = read(FULL).attributes
    assert attribute == Attribute(
        "key",
        Type.REFERENCE,
        "A key.",
        multi_valued=True,
        required=True,
        case_exact=True,
        mutability=Mutability.IMMUTABLE,
        returned=Returned.REQUEST,
        uniqueness=Uniqueness.GLOBAL,
        canonical_values=("a", "B"),
        reference_types=("User", "external"),
    )
    assert attribute.document() == FULL


def test_null_is_the_same_as_absent() -> None:
    nothing = dict.fromkeys(FULL.keys() | {"subAttributes"})
    assert read({**nothing, "name": "number"}, name=None, description=None) == read({"name": "number"})


def test_unknown_members_of_other_vendors_are_ignored() -> None:
    assert read({"name": "number", "x-vendor": 1, "subAttributes": []}, meta={}, vendor=[1]) == read({"name": "number"})


def test_a_schema_without_a_name_is_called_by_the_end_of_its_urn() -> None:
    assert (read({"name": "a"}).name, read({"name": "a"}).description) == ("Thing", "")
    named = read({"name": "a"}, name="A thing", description="What it is.")
    assert (named.name, named.description) == ("A thing", "What it is.")


@pytest.mark.parametrize("kind", ["binary", "reference"])
def test_binary_and_reference_are_case_exact_whatever_is_said(kind: str) -> None:
    (attribute,) = read({"name": "a", "type": kind, "caseExact": False}).attributes
    assert attribute.case_exact is True
    assert attribute.document()["caseExact"] is True


@pytest.mark.parametrize("returned", list(Returned))
def test_what_can_only_be_written_is_never_returned_whatever_is_said(returned: str) -> None:
    (attribute,) = read({"name": "a", "mutability": "writeOnly", "returned": returned}).attributes
    assert attribute.returned is Returned.NEVER
    assert attribute.document()["returned"] == "never"


def test_a_complex_attribute_publishes_neither_case_nor_uniqueness() -> None:
    sub = {"name": "b", "type": "integer", "multiValued": True}
    (attribute,) = read({"name": "a", "type": "complex", "uniqueness": "server", "subAttributes": [sub]}).attributes
    assert attribute.sub("B") == Attribute("b", Type.INTEGER, multi_valued=True)
    assert attribute.sub("c") is None
    published = attribute.document()
    assert "caseExact" not in published
    assert "uniqueness" not in published
    assert [each["name"] for each in published["subAttributes"]] == ["b"]


@pytest.mark.parametrize("name", ["a", "A1", "$ref", "a-b", "a_b", "a$b"])
def test_an_attribute_name_is_a_letter_and_more(name: str) -> None:
    assert read({"name": name}).attributes[0].name == name


@pytest.mark.parametrize("name", ["", "1a", "_a", "-a", "a b", "a.b", "a:b", "é", "$", "$$a", "a\n", None, 1, ["a"]])
def test_what_is_no_attribute_name_is_refused(name: Any) -> None:
    with pytest.raises(InvalidValueError, match="attribute name"):
        read({"name": name})


@pytest.mark.parametrize(
    "urn", ["urn:example:a", "urn:ietf:params:scim:schemas:extension:x:2.0:User", "https://example.com/s/1.0", "x:y"]
)
def test_a_schema_is_identified_by_a_uri(urn: str) -> None:
    assert schema_from_document({**BADGE, "id": urn}).id == urn


@pytest.mark.parametrize(
    "urn", ["", "badge", "urn:", "1rn:x", "urn:a b", 'urn:"', "urn:é", "urn:[x]\n", None, 1, ["urn:a"]]
)
def test_what_is_no_uri_identifies_no_schema(urn: Any) -> None:
    with pytest.raises(InvalidValueError, match="URI"):
        schema_from_document({**BADGE, "id": urn})


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("number", "JSON object"),
        (None, "JSON object"),
        ({}, "attribute name"),
        ({"name": "a", "type": "String"}, "type: 'String' is none of string, boolean"),
        ({"name": "a", "type": ["string"]}, "type"),
        ({"name": "a", "type": 1}, "type"),
        ({"name": "a", "multiValued": "true"}, "multiValued"),
        ({"name": "a", "required": 1}, "required"),
        ({"name": "a", "caseExact": []}, "caseExact"),
        ({"name": "a", "mutability": "readonly"}, "mutability.*readOnly"),
        ({"name": "a", "mutability": {}}, "mutability"),
        ({"name": "a", "returned": "sometimes"}, "returned.*always"),
        ({"name": "a", "uniqueness": "local"}, "uniqueness.*server"),
        ({"name": "a", "description": 1}, "description"),
        ({"name": "a", "canonicalValues": "work"}, "canonicalValues"),
        ({"name": "a", "canonicalValues": [1]}, "canonicalValues"),
        ({"name": "a", "referenceTypes": {"User": 1}}, "referenceTypes"),
        ({"name": "a", "type": "complex"}, "subAttributes"),
        ({"name": "a", "type": "complex", "subAttributes": []}, "subAttributes"),
        ({"name": "a", "type": "complex", "subAttributes": {}}, "subAttributes"),
        (
            {"name": "a", "type": "complex", "subAttributes": [{"name": "b"}, {"name": "B"}]},
            "'b' is defined more than once",
        ),
        ({"name": "a", "type": "complex", "subAttributes": [{"name": "b", "type": "complex"}]}, "cannot be complex"),
    ],
)
def test_an_attribute_that_cannot_be_meant_is_refused_by_name(attribute: Any, said: str) -> None:
    with pytest.raises(InvalidValueError, match=said) as caught:
        read(attribute)
    assert "urn:example:x:Thing" in caught.value.detail


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"attributes": None}, "'attributes' is a non-empty array"),
        ({"attributes": "a"}, "'attributes' is a non-empty array"),
        ({"attributes": {"a": 1}}, "'attributes' is a non-empty array"),
        ({"name": 1}, "name is a string"),
        ({"description": []}, "description is a string"),
    ],
)
def test_a_schema_that_cannot_be_meant_is_refused(members: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        schema_from_document({**BADGE, **members})


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"schemas": [urns.RESOURCE_TYPE]}, True),
        ({"schema": "urn:x:y"}, True),
        ({"endpoint": "/X"}, True),
        ({"schemaExtensions": []}, True),
        ({"schemas": [urns.SCHEMA], "id": "urn:x:y"}, False),
        (BADGE, False),
        ({**BADGE, "schema": "urn:x:y"}, False),
        ({"schemas": 5}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_resource_type_is_told_from_a_schema(document: Any, expected: bool) -> None:
    assert is_resource_type_document(document) is expected


@pytest.mark.parametrize(
    "kind",
    [
        {"schemas": 5, "endpoint": "/Badges", "schema": BADGE["id"]},
        {"name": 1, "endpoint": "/Badges", "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": 1, "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": "/", "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": "/a/b", "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": "/groups", "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": "/.search", "schema": BADGE["id"]},
        {"name": "Badge", "endpoint": "/Badges", "schema": 1},
        {"name": "Badge", "endpoint": "/Badges", "schema": BADGE["id"], "schemaExtensions": 5},
        {"name": "Badge", "endpoint": "/Badges", "schema": BADGE["id"], "schemaExtensions": {"schema": BADGE["id"]}},
        {"name": "Badge", "endpoint": "/Badges", "schema": BADGE["id"], "schemaExtensions": ["urn:x:y"]},
        {"name": "Badge", "endpoint": "/Badges", "schema": BADGE["id"], "schemaExtensions": [{"schema": None}]},
        {"name": "User", "schema": 5},
        {"name": "User", "schema": ["x"], "schemaExtensions": []},
    ],
)
def test_a_resource_type_that_cannot_be_meant_is_refused(kind: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        build_registry([BADGE, kind])


def test_a_resource_type_says_what_it_is_made_of() -> None:
    kind = {
        "name": "Badge",
        "endpoint": "Badges/",
        "schema": "URN:example:BADGE",
        "schemaExtensions": [{"schema": urns.ENTERPRISE_USER, "required": True}],
    }
    assert build_registry([kind, BADGE]).by_endpoint["Badges"].document() == {
        "schemas": [urns.RESOURCE_TYPE],
        "id": "Badge",
        "name": "Badge",
        "endpoint": "/Badges",
        "description": "Badge",
        "schema": "urn:example:Badge",
        "schemaExtensions": [{"schema": urns.ENTERPRISE_USER, "required": True}],
    }
    added = build_registry([BADGE, {"name": "User", "schema": None, "schemaExtensions": [{"schema": BADGE["id"]}]}])
    assert added.by_name["User"].urn_by_fold["urn:example:badge"] == BADGE["id"]
