"""What a client sends and no schema has is told by path and type, whatever form it comes in."""

import pytest

from headcount.scim.errors import InvalidPathError, InvalidSyntaxError
from headcount.scim.patch import apply_patch, read_patch
from headcount.scim.profiles import STRICT, TOLERANT
from headcount.scim.registry import USER
from headcount.scim.unknown import definition_of
from headcount.scim.urns import ENTERPRISE_USER as ENTERPRISE
from headcount.scim.urns import PATCH_OP
from headcount.scim.validation import validate_resource

BODY = {"schemas": [USER.schema.id], "userName": "ada"}
ODD = "urn:example:odd:2.0:User"
EMAILS = {"emails.verified": "boolean", "emails.Since": "integer[]"}

TOLD = [
    ({"shoeSize": 43}, {"shoeSize": "integer"}),
    ({"shoeSize": 43.5}, {"shoeSize": "decimal"}),
    ({"vegan": True}, {"vegan": "boolean"}),
    ({"team": "red"}, {"team": "string"}),
    ({"teams": ["red"]}, {"teams": "string[]"}),
    ({"desk": {"floor": 1}}, {"desk": "complex"}),
    ({"desks": [{"floor": 1}]}, {"desks": "complex[]"}),
    ({"desks": []}, {"desks": ""}),
    ({ODD: {"a": 1, "b": ["x"]}}, {f"{ODD}:a": "integer", f"{ODD}:b": "string[]"}),
    ({ENTERPRISE: {"badge": "7", "department": "x"}}, {f"{ENTERPRISE}:badge": "string"}),
    ({"team": None, "x" * 257: 1, "no name": 1, "1st": 1}, {}),
    ({"name": {"givenName": "Ada", "nick": "A", "a:b": 1, "none": None}}, {"name.nick": "string"}),
    ({"emails": [{"value": "a@b", "verified": True}, {"value": "c@d", "Since": [1]}]}, EMAILS),
    ({ENTERPRISE: {"manager": {"value": "1", "grade": 7}}}, {f"{ENTERPRISE}:manager.grade": "integer"}),
    ({"name.nick": "A", "desk.floor": 1}, {"name.nick": "string", "desk.floor": "integer"}),
    ({"displayName": "Ada", "externalId": "7", "meta": {"version": "x"}, "id": "7"}, {}),
]


@pytest.mark.parametrize(("attributes", "unknown"), TOLD)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT], ids=lambda profile: profile.name)
def test_a_body_tells_of_what_is_ignored(attributes, unknown, profile):
    assert validate_resource({**BODY, **attributes}, USER, profile).unknown == unknown


@pytest.mark.parametrize(("attributes", "unknown"), TOLD[:8] + TOLD[9:15])
def test_a_patch_tells_of_what_is_ignored(attributes, unknown):
    message = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "value": attributes}]}
    assert apply_patch(BODY, read_patch(message, TOLERANT), USER, TOLERANT).unknown == unknown


PATHS = [
    ("add", "shoeSize", 43, {"shoeSize": "integer"}),
    ("remove", "shoeSize", None, {"shoeSize": ""}),
    ("replace", "name.nick", "A", {"name.nick": "string"}),
    ("replace", 'emails[type eq "work"].verified', True, {"emails.verified": "boolean"}),
    ("replace", 'desks[type eq "work"].floor', 1, {"desks.floor": "integer"}),
    ("add", 'desks[type eq "work"]', {"floor": 1}, {"desks": "complex[]"}),
    ("add", f"{ENTERPRISE}:badge", "7", {f"{ENTERPRISE}:badge": "string"}),
    ("add", f"{ODD}:color", "red", {f"{ODD}:color": "string"}),
]


@pytest.mark.parametrize(("op", "path", "value", "unknown"), PATHS)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT], ids=lambda profile: profile.name)
def test_the_refusal_of_a_path_tells_of_it_and_of_what_came_before(op, path, value, unknown, profile):
    operations = [{"op": "add", "value": {"team": "red"}}, {"op": op, "path": path, "value": value}]
    message = {"schemas": [PATCH_OP], "Operations": operations}
    with pytest.raises(InvalidPathError) as refusal:
        apply_patch(BODY, read_patch(message, profile), USER, profile)
    assert refusal.value.unknown == {"team": "string"} | unknown


@pytest.mark.parametrize(
    ("attributes", "unknown"),
    [
        ({"shoeSize": 43}, {"shoeSize": "integer"}),
        ({ENTERPRISE: {"badge": "7"}}, {f"{ENTERPRISE}:badge": "string"}),
        ({"name": {"nick": "A"}}, {"name.nick": "string"}),
        ({"emails": [{"value": "a@b", "verified": True}]}, {"emails.verified": "boolean"}),
        ({"name": {"no name": "A"}}, {}),
    ],
)
def test_where_it_is_refused_the_refusal_tells_of_it(attributes, unknown):
    message = {"schemas": [PATCH_OP], "Operations": [{"op": "add", "value": attributes}]}
    with pytest.raises(InvalidSyntaxError) as refused:
        validate_resource({**BODY, **attributes}, USER, TOLERANT, refuse_unknown=True)
    with pytest.raises(InvalidSyntaxError) as refused_patch:
        apply_patch(BODY, read_patch(message, TOLERANT), USER, TOLERANT, refuse_unknown=True)
    assert refused.value.unknown == refused_patch.value.unknown == unknown


def test_a_bare_name_of_an_extension_is_known_where_it_is_tolerated_and_yields_to_the_extension():
    body = {**BODY, "department": "bare", "costCenter": "7", ENTERPRISE: {"department": "whole"}}
    valid = validate_resource(body, USER, TOLERANT)
    assert valid.resource[ENTERPRISE] == {"department": "whole", "costCenter": "7"}
    assert valid.unknown == {}
    strict = validate_resource(body, USER, STRICT)
    assert strict.resource[ENTERPRISE] == {"department": "whole"}
    assert strict.unknown == {"department": "string", "costCenter": "string"}


@pytest.mark.parametrize(
    ("looks", "kind", "multi_valued"),
    [("integer", "integer", False), ("string[]", "string", True), ("", "string", False), ("[]", "string", True)],
)
def test_a_definition_is_what_was_seen(looks, kind, multi_valued):
    assert definition_of("a", looks) == {"name": "a", "type": kind, "multiValued": multi_valued}
