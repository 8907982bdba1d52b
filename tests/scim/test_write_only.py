"""Write-only attributes are never returned, whatever a schema says of `returned` (RFC 7643 §7)."""

import pytest

from headcount.scim.errors import InvalidFilterError, InvalidValueError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import FilterLimits, parse_filter
from headcount.scim.profiles import STRICT, TOLERANT
from headcount.scim.registry import build_registry
from headcount.scim.validation import validate_resource

BASE = "urn:example:params:scim:schemas:Door"


def door(returned):
    pin = {"name": "pin", "mutability": "writeOnly", **({"returned": returned} if returned else {})}
    schema = {"id": BASE, "attributes": [{"name": "label"}, pin]}
    return build_registry([schema, {"name": "Door", "endpoint": "/Doors", "schema": BASE}]).by_name["Door"]


RETURNED = [None, "default", "always", "request", "never"]


@pytest.mark.parametrize("returned", RETURNED)
def test_a_write_only_value_is_kept_apart_from_what_is_returned(returned):
    valid = validate_resource({"schemas": [BASE], "label": "north", "pin": "1234"}, door(returned), STRICT)

    assert valid.resource == {"schemas": [BASE], "label": "north"}
    assert valid.private == {"pin": "1234"}


@pytest.mark.parametrize("returned", RETURNED)
def test_the_schema_says_that_a_write_only_attribute_is_never_returned(returned):
    (pin,) = [item for item in door(returned).schema.document()["attributes"] if item["name"] == "pin"]

    assert (pin["mutability"], pin["returned"]) == ("writeOnly", "never")


@pytest.mark.parametrize("returned", RETURNED)
def test_a_write_only_attribute_cannot_be_filtered_by(returned):
    parsed = parse_filter('pin eq "1234"', FilterLimits())

    with pytest.raises(InvalidFilterError):
        bind_filter(parsed, door(returned), TOLERANT)


def test_a_secret_part_of_a_value_is_checked_and_not_kept():
    lock = {
        "name": "locks",
        "type": "complex",
        "multiValued": True,
        "subAttributes": [{"name": "value"}, {"name": "code", "returned": "never", "required": True}],
    }
    key = {**lock, "name": "key", "multiValued": False}
    schema = {"id": BASE, "attributes": [lock, key]}
    kind = build_registry([schema, {"name": "Door", "endpoint": "/Doors", "schema": BASE}]).by_name["Door"]
    body = {"schemas": [BASE], "locks": [{"value": "a", "code": "1"}], "key": {"value": "b", "code": "2"}}

    assert validate_resource(body, kind, STRICT).resource == {
        "schemas": [BASE],
        "locks": [{"value": "a"}],
        "key": {"value": "b"},
    }
    with pytest.raises(InvalidValueError, match="code"):
        validate_resource({"schemas": [BASE], "locks": [{"value": "a"}]}, kind, STRICT)
