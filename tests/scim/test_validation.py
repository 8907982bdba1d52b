"""Bodies of create and replace requests: RFC 7643 §2, RFC 7644 §3.3 and §3.5.1."""

from contextlib import suppress
from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, MutabilityError, ScimError
from headcount.scim.profiles import STRICT, TOLERANT, Profile
from headcount.scim.registry import GROUP, USER, build_registry
from headcount.scim.validation import check_replacement, validate_resource

E = urns.ENTERPRISE_USER


def user(**attributes: Any) -> dict[str, Any]:
    return {"schemas": [urns.USER], "userName": "ada", **attributes}


def valid(body: Any, profile: Profile = STRICT) -> dict[str, Any]:
    return validate_resource(body, USER, profile).resource


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ({"USERNAME": "Ada", "userName": None, "schemas": [urns.USER]}, None),
        (user(displayName="Ada"), user(displayName="Ada")),
        (user(DISPLAYNAME="Ada", Name={"GIVENNAME": "Ada"}), user(displayName="Ada", name={"givenName": "Ada"})),
        (user(id="x", meta={"version": "1"}, groups=[{"value": "g"}]), user()),
        (user(emails=[], title=None, name={}), user()),
        (user(name={"givenName": None}), user()),
        (user(emails=[{}, None, {"value": "a@b"}]), user(emails=[{"value": "a@b"}])),
        (user(emails=[{"value": "a@b"}, {"value": "a@b"}]), user(emails=[{"value": "a@b"}])),
        (user(emails=[{"value": "a@b", "type": "WORK"}]), user(emails=[{"value": "a@b", "type": "work"}])),
        (user(emails=[{"value": "a@b", "type": "boat"}]), user(emails=[{"value": "a@b", "type": "boat"}])),
        (user(nosuch=1, **{"urn:example:nosuch": {"a": 1}}), user()),
        (user(title=""), user(title="")),
        (user(**{E: {"department": "R&D"}}), {**user(), "schemas": [urns.USER, E], E: {"department": "R&D"}}),
        (user(**{E.upper(): {"DEPARTMENT": "R&D"}}), {**user(), "schemas": [urns.USER, E], E: {"department": "R&D"}}),
        (user(**{E: {"department": None}}), user()),
        (
            user(**{E: {"manager": {"value": "1", "displayName": "Boss", "$ref": "../Users/1"}}}),
            {**user(), "schemas": [urns.USER, E], E: {"manager": {"value": "1"}}},
        ),
        (
            user(**{E: {"manager": {"$ref": "https://x/Users/42"}}}),
            {**user(), "schemas": [urns.USER, E], E: {"manager": {"value": "42"}}},
        ),
        (user(**{urns.USER: {"title": "Boss"}}), user(title="Boss")),
        (user(x509Certificates=[{"value": "TWFu IGlz\n"}]), user(x509Certificates=[{"value": "TWFuIGlz"}])),
    ],
)
def test_a_body_is_kept_in_canonical_form(sent: dict[str, Any], kept: dict[str, Any] | None) -> None:
    if kept is None:
        with pytest.raises(InvalidSyntaxError):
            valid(sent)
    else:
        assert valid(sent) == kept


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ([], InvalidSyntaxError),
        ("text", InvalidSyntaxError),
        ({"userName": "ada"}, InvalidSyntaxError),
        ({"schemas": [], "userName": "ada"}, InvalidSyntaxError),
        ({"schemas": "x", "userName": "ada"}, InvalidSyntaxError),
        ({"schemas": [urns.USER, "urn:unknown"], "userName": "ada"}, InvalidValueError),
        ({"schemas": [urns.USER]}, InvalidValueError),
        (user(userName=""), InvalidValueError),
        (user(userName=None), InvalidValueError),
        (user(userName=1), InvalidValueError),
        (user(userName=["ada"]), InvalidValueError),
        (user(active="true"), InvalidValueError),
        (user(active=1), InvalidValueError),
        (user(name="Ada"), InvalidValueError),
        (user(name=[{"givenName": "Ada"}]), InvalidValueError),
        (user(emails={"value": "a@b"}), InvalidValueError),
        (user(emails=["a@b"]), InvalidValueError),
        (user(emails=[{"value": 1}]), InvalidValueError),
        (user(emails=[{"value": "a", "primary": True}, {"value": "b", "primary": True}]), InvalidValueError),
        (user(profileUrl="not a uri"), InvalidValueError),
        (user(x509Certificates=[{"value": "%%%"}]), InvalidValueError),
        (user(DisplayName="a", displayName="b"), InvalidSyntaxError),
        (user(name={"givenName": "a", "GivenName": "b"}), InvalidSyntaxError),
        (user(**{E: []}), None),
        (user(**{E: "x"}), InvalidValueError),
    ],
)
def test_a_body_that_does_not_fit_is_refused(body: Any, error: type[ScimError] | None) -> None:
    if error is None:
        assert valid(body) == user()
    else:
        with pytest.raises(error):
            valid(body)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (user(active="True"), user(active=True)),
        (user(active="false"), user(active=False)),
        (user(emails={"value": "a@b"}), user(emails=[{"value": "a@b"}])),
        (user(emails=["a@b"]), user(emails=[{"value": "a@b"}])),
        (user(roles=[{"primary": "True", "value": "pilot"}]), user(roles=[{"primary": True, "value": "pilot"}])),
        (user(**{E: {"manager": "42"}}), {**user(), "schemas": [urns.USER, E], E: {"manager": {"value": "42"}}}),
        (user(**{E: {"manager": ""}}), user()),
        (
            user(**{E: {"manager": [{"value": "42"}]}}),
            {**user(), "schemas": [urns.USER, E], E: {"manager": {"value": "42"}}},
        ),
        (
            {
                "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
                "userName": "ada",
                "urn:scim:schemas:extension:enterprise:2.0": {"department": "D"},
            },
            {**user(), "schemas": [urns.USER, E], E: {"department": "D"}},
        ),
        ({"userName": "ada"}, user()),
        ({"schemas": [urns.USER, "urn:unknown"], "userName": "ada"}, user()),
        (user(**{"name.givenName": "Ada", "name.familyName": "L"}), user(name={"givenName": "Ada", "familyName": "L"})),
        (user(**{f"{E}:department": "D"}), {**user(), "schemas": [urns.USER, E], E: {"department": "D"}}),
    ],
)
def test_the_tolerant_profile_takes_what_clients_send_and_the_strict_one_does_not_take_it_so(
    sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert valid(sent, TOLERANT) == kept
    with suppress(ScimError):
        assert valid(sent) != kept


def test_a_password_is_set_apart_from_what_may_be_returned() -> None:
    result = validate_resource(user(password="correct horse"), USER, STRICT)
    assert result.resource == user()
    assert result.private == {"password": "correct horse"}


def test_unknown_attributes_are_refused_where_the_tenant_asks_for_it() -> None:
    for body in (user(nosuch=1), user(**{E: {"nosuch": 1}}), user(**{"urn:example:x": {}})):
        with pytest.raises(InvalidSyntaxError, match="nosuch|urn:example:x"):
            validate_resource(body, USER, STRICT, refuse_unknown=True)


def test_a_member_needs_a_value() -> None:
    body = {"schemas": [urns.GROUP], "displayName": "Crew", "members": [{"type": "User"}]}
    with pytest.raises(InvalidValueError, match="value"):
        validate_resource(body, GROUP, TOLERANT)


def test_every_data_type_of_a_custom_schema_is_enforced() -> None:
    names = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference")
    schema = {"id": "urn:example:all", "name": "All", "attributes": [{"name": f"a{n}", "type": n} for n in names]}
    kind = {"name": "All", "endpoint": "/Alls", "schema": "urn:example:all"}
    all_types = build_registry([schema, kind]).by_name["All"]
    good = {
        "astring": "x",
        "aboolean": False,
        "adecimal": 1,
        "ainteger": -3,
        "adateTime": "2024-01-01T01:00:00+01:00",
        "abinary": "TWFu",
        "areference": "https://example.com/a",
    }
    head = {"schemas": ["urn:example:all"]}
    kept = validate_resource({**head, **good}, all_types, STRICT).resource
    assert kept == {**head, **good, "adateTime": "2024-01-01T00:00:00Z"}
    for name, value in [
        ("astring", 1),
        ("aboolean", "x"),
        ("adecimal", "1"),
        ("ainteger", 1.0),
        ("ainteger", True),
        ("adateTime", "2024-01-01"),
        ("abinary", "a"),
        ("areference", "a b"),
    ]:
        with pytest.raises(InvalidValueError, match=name):
            validate_resource({**head, name: value}, all_types, TOLERANT)


def test_what_is_immutable_stays_through_a_replacement_and_cannot_differ() -> None:
    schema = {"id": "urn:example:badge:User", "attributes": [{"name": "number", "mutability": "immutable"}]}
    kind = {"name": "User", "schema": urns.USER, "schemaExtensions": [{"schema": schema["id"], "required": False}]}
    with_badge = build_registry([schema, kind]).by_name["User"]
    current = {**user(), "schemas": [urns.USER, schema["id"]], schema["id"]: {"number": "7"}}
    new = user()
    check_replacement(current, new, with_badge)
    assert new == current
    with pytest.raises(MutabilityError, match="number"):
        check_replacement(current, {**current, schema["id"]: {"number": "8"}}, with_badge)
