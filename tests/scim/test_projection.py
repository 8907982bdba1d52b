"""Which attributes a response holds: RFC 7644 §3.9, RFC 7643 §7."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidValueError
from headcount.scim.projection import Projection, echo_of, read_projection
from headcount.scim.registry import USER, ResourceType, build_registry

E = urns.ENTERPRISE_USER
RESOURCE = {
    "schemas": [urns.USER, E],
    "id": "1",
    "userName": "ada",
    "name": {"givenName": "Ada", "familyName": "L"},
    "emails": [{"value": "a@b", "type": "work"}, {"value": "c@d"}],
    E: {"department": "D", "manager": {"value": "9", "displayName": "Boss"}},
    "meta": {"resourceType": "User", "version": 'W/"1"'},
}
HEAD = {"schemas": [urns.USER, E], "id": "1"}


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        (["userName"], {**HEAD, "userName": "ada"}),
        (["NAME.givenname"], {**HEAD, "name": {"givenName": "Ada"}}),
        (["name"], {**HEAD, "name": {"givenName": "Ada", "familyName": "L"}}),
        ([f"{E}:manager.value"], {**HEAD, E: {"manager": {"value": "9"}}}),
        ([E], {**HEAD, E: RESOURCE[E]}),
        (["emails.type"], {**HEAD, "emails": [{"type": "work"}]}),
        ([f"{urns.USER}:userName"], {**HEAD, "userName": "ada"}),
        (["meta.version"], {**HEAD, "meta": {"version": 'W/"1"'}}),
        (["nosuch"], HEAD),
        (["password"], HEAD),
        (["name.givenName", "name"], {**HEAD, "name": {"givenName": "Ada", "familyName": "L"}}),
    ],
)
def test_attributes_select_what_is_named_and_what_is_always_returned(
    attributes: list[str], shown: dict[str, Any]
) -> None:
    assert read_projection(attributes, None, USER).apply(RESOURCE) == shown


@pytest.mark.parametrize(
    ("excluded", "missing"),
    [
        (["userName"], {"userName"}),
        (["id", "schemas"], set()),
        (["meta", "emails"], {"meta", "emails"}),
        ([E], {E}),
        (["nosuch"], set()),
        (["name.givenName", "name.familyName"], {"name"}),
    ],
)
def test_excluded_attributes_leave_out_what_is_not_always_returned(excluded: list[str], missing: set[str]) -> None:
    shown = read_projection(None, excluded, USER).apply(RESOURCE)
    assert shown == {name: value for name, value in RESOURCE.items() if name not in missing}


def test_excluding_a_sub_attribute_keeps_the_rest_of_each_element() -> None:
    assert read_projection(None, ["emails.value"], USER).apply(RESOURCE)["emails"] == [{"type": "work"}]


def test_both_at_once_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="mutually exclusive"):
        read_projection(["userName"], ["emails"], USER)


def test_nothing_asked_for_is_served_verbatim() -> None:
    assert read_projection((), (), USER).is_verbatim
    assert Projection(USER).apply(RESOURCE) == RESOURCE


def vault() -> ResourceType:
    schema = {
        "id": "urn:example:vault",
        "attributes": [
            {"name": "label", "returned": "always"},
            {"name": "hint", "returned": "request"},
            {"name": "key", "returned": "never"},
            {
                "name": "box",
                "type": "complex",
                "subAttributes": [
                    {"name": "seal", "returned": "always"},
                    {"name": "note", "returned": "request"},
                    {"name": "code", "returned": "never"},
                    {"name": "size"},
                ],
            },
        ],
    }
    return build_registry([schema, {"name": "Vault", "endpoint": "/Vaults", "schema": schema["id"]}]).by_name["Vault"]


STORED = {
    "schemas": ["urn:example:vault"],
    "id": "1",
    "label": "L",
    "hint": "H",
    "box": {"seal": "S", "note": "N", "code": "C", "size": "8"},
}
ALWAYS = {"schemas": ["urn:example:vault"], "id": "1", "label": "L"}


@pytest.mark.parametrize(
    ("attributes", "excluded", "shown"),
    [
        ((), (), {**ALWAYS, "box": {"seal": "S", "size": "8"}}),
        (("hint",), (), {**ALWAYS, "hint": "H", "box": {"seal": "S"}}),
        (("box.note",), (), {**ALWAYS, "box": {"seal": "S", "note": "N"}}),
        (("box.code", "key"), (), {**ALWAYS, "box": {"seal": "S"}}),
        ((), ("label", "box.size"), {**ALWAYS, "box": {"seal": "S"}}),
    ],
)
def test_each_returned_characteristic_holds(
    attributes: tuple[str, ...], excluded: tuple[str, ...], shown: dict[str, Any]
) -> None:
    kind = vault()
    assert not kind.is_verbatim
    assert read_projection(attributes, excluded, kind).apply(STORED) == shown


def test_a_write_gets_back_what_it_wrote_of_the_attributes_returned_on_request() -> None:
    kind = vault()
    assert Projection(kind, echoed=echo_of({"HINT": "H"}, kind)).apply(STORED)["hint"] == "H"
    assert "hint" not in Projection(kind, echoed=echo_of({"label": "L"}, kind)).apply(STORED)
