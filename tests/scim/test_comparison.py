"""The form in which values are compared: folded strings, instants in UTC, everything else as it is."""

import pytest

from headcount.scim import urns
from headcount.scim.comparison import comparable, compare_document
from headcount.scim.registry import USER, build_registry
from headcount.scim.schemas import Attribute, Type

E = urns.ENTERPRISE_USER


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        (Attribute("a"), "STRAßE", "strasse"),
        (Attribute("a"), "e\u0301", "é"),
        (Attribute("a", case_exact=True), "STRAßE", "STRAßE"),
        (Attribute("a", Type.DATE_TIME), "2024-01-01T01:00:00+01:00", "2024-01-01T00:00:00.000000Z"),
        (Attribute("a", Type.REFERENCE), "https://X/Y", "https://X/Y"),
        (Attribute("a", Type.BINARY), "TWFu", "TWFu"),
        (Attribute("a", Type.BOOLEAN), True, True),
        (Attribute("a", Type.INTEGER), 7, 7),
        (Attribute("a", Type.DECIMAL), 0.5, 0.5),
    ],
)
def test_a_value_is_compared_by_its_type(attribute: Attribute, value: object, expected: object) -> None:
    assert comparable(attribute, value) == expected


def test_a_compare_document_has_the_shape_of_its_resource() -> None:
    resource = {
        "schemas": [urns.USER, E],
        "externalId": "A1",
        "userName": "Ada",
        "name": {"familyName": "O'Malley"},
        "active": False,
        "emails": [{"value": "Ada@X", "type": "work", "primary": True}],
        "x509Certificates": [{"value": "TWFu", "display": "KEY"}],
        E: {"department": "R&D", "manager": {"value": "Boss"}},
    }
    assert compare_document(resource, USER) == {
        "schemas": [urns.USER.lower(), E.lower()],
        "externalId": "A1",
        "userName": "ada",
        "name": {"familyName": "o'malley"},
        "active": False,
        "emails": [{"value": "ada@x", "type": "work", "primary": True}],
        "x509Certificates": [{"value": "TWFu", "display": "key"}],
        E: {"department": "r&d", "manager": {"value": "Boss"}},
    }


def test_secrets_are_in_no_compare_document() -> None:
    attributes = [
        {"name": "key", "returned": "never"},
        {"name": "tags", "multiValued": True},
        {"name": "days", "type": "dateTime", "multiValued": True},
        {
            "name": "box",
            "type": "complex",
            "subAttributes": [{"name": "code", "returned": "never"}, {"name": "marks", "multiValued": True}],
        },
    ]
    documents = [
        {"id": "urn:example:vault", "attributes": attributes},
        {"id": "urn:example:more", "attributes": attributes},
        {
            "name": "Vault",
            "endpoint": "/Vaults",
            "schema": "urn:example:vault",
            "schemaExtensions": [{"schema": "urn:example:more"}],
        },
    ]
    kept = {"tags": ["Red"], "days": ["2024-01-01T00:00:00+01:00"], "box": {"marks": ["A"]}}
    full = {**kept, "key": "K", "box": {"code": "C", "marks": ["A"]}}
    seen = {"tags": ["red"], "days": ["2023-12-31T23:00:00.000000Z"], "box": {"marks": ["a"]}}
    kind = build_registry(documents).by_name["Vault"]
    assert compare_document({**full, "urn:example:more": full}, kind) == {**seen, "urn:example:more": seen}
