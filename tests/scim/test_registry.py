"""Schemas and resource types from documents: RFC 7643 §6 and §7."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.paths import bind_path
from headcount.scim.registry import build_registry
from headcount.scim.schemas import schema_from_document

BADGE = {"id": "urn:example:schemas:extension:badge:1.0:User", "name": "Badge", "attributes": [{"name": "number"}]}
DEVICE = {
    "id": "urn:example:schemas:Device",
    "name": "Device",
    "attributes": [{"name": "serial", "required": True, "uniqueness": "server", "caseExact": True}],
}


def test_every_built_in_schema_survives_being_published_and_read_back() -> None:
    registry = build_registry()
    discovery = {urns.SCHEMA}  # its subAttributes are complex within complex, which only it may be
    for schema in registry.schemas:
        if schema.id not in discovery:
            assert schema_from_document(schema.document()) == schema


def test_an_extension_is_added_to_a_built_in_type() -> None:
    kind = {"name": "User", "schemaExtensions": [{"schema": BADGE["id"], "required": True}]}
    registry = build_registry([kind, BADGE])
    user = registry.by_name["User"]
    assert [extension.schema.id for extension in user.extensions] == [urns.ENTERPRISE_USER, BADGE["id"]]
    assert str(bind_path(f"{BADGE['id']}:NUMBER", user)) == f"{BADGE['id']}:number"


def test_a_custom_type_gets_an_endpoint() -> None:
    registry = build_registry([{"name": "Device", "endpoint": "/Devices", "schema": DEVICE["id"]}, DEVICE])
    assert registry.by_endpoint["Devices"].schema.by_name["serial"].case_exact
    assert registry.by_name["Device"].document()["schemas"] == [urns.RESOURCE_TYPE]


@pytest.mark.parametrize(
    ("documents", "said"),
    [
        (["text"], "JSON object"),
        ([{"id": "no uri", "attributes": [{"name": "a"}]}], "URI"),
        ([{"id": "urn:x:y"}], "attributes"),
        ([{"id": "urn:x:y", "attributes": []}], "non-empty"),
        ([{"id": "urn:x:y", "attributes": [{"name": "1a"}]}], "1a"),
        ([{"id": "urn:x:y", "attributes": [{"name": "a"}, {"name": "A"}]}], "more than once"),
        ([{"id": "urn:x:y", "attributes": [{"name": "a", "type": "text"}]}], "text"),
        ([{"id": "urn:x:y", "attributes": [{"name": "a", "required": "yes"}]}], "required"),
        ([{"id": "urn:x:y", "attributes": [{"name": "a", "mutability": "never"}]}], "mutability"),
        ([{"id": "urn:x:y", "attributes": [{"name": "a", "type": "complex"}]}], "subAttributes"),
        (
            [
                {
                    "id": "urn:x:y",
                    "attributes": [
                        {
                            "name": "a",
                            "type": "complex",
                            "subAttributes": [{"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]}],
                        }
                    ],
                }
            ],
            "complex",
        ),
        ([{"id": urns.USER, "attributes": [{"name": "a"}]}], "built in"),
        ([{"id": urns.PATCH_OP, "attributes": [{"name": "a"}]}], "message"),
        ([{"name": "Device", "endpoint": "/Devices", "schema": "urn:nosuch"}], "urn:nosuch"),
        ([DEVICE, {"name": "Device", "schema": DEVICE["id"]}], "endpoint"),
        ([DEVICE, {"name": "Device", "endpoint": "/Users", "schema": DEVICE["id"]}], "/Users"),
        ([DEVICE, {"name": "Device", "endpoint": "/Bulk", "schema": DEVICE["id"]}], "/Bulk"),
        ([DEVICE, {"name": "User", "schema": DEVICE["id"]}], "exists"),
    ],
)
def test_documents_that_do_not_fit_are_refused_by_name(documents: list[Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        build_registry(documents)


def test_the_published_user_schema_carries_the_verified_errata() -> None:
    user = build_registry().by_name["User"].schema.document()
    by_name = {attribute["name"]: attribute for attribute in user["attributes"]}
    assert "uniqueness" not in by_name["emails"]  # E6004
    references = {sub["name"]: sub for sub in by_name["groups"]["subAttributes"]}["$ref"]
    assert references["referenceTypes"] == ["Group"]  # E8471
    assert by_name["profileUrl"]["caseExact"] is True  # E6001
    group = build_registry().by_name["Group"].schema.document()
    assert group["attributes"][0]["required"] is True  # E5368
