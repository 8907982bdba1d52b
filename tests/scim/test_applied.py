"""Which tolerations a request was in need of."""

import pytest

from headcount.scim.applied import applied_to_body, applied_to_filter, applied_to_patch, in_words
from headcount.scim.profiles import STRICT, TOLERANT, Toleration
from headcount.scim.registry import GROUP, USER
from headcount.scim.urns import ENTERPRISE_USER, PATCH_OP

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
BODY = {"schemas": [CORE], "userName": "ada"}
CURRENT = {"schemas": [CORE], "id": "1", "userName": "ada", "active": True}


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        (BODY | {"active": True}, []),
        (BODY | {"active": "True"}, ["STRING_BOOLEANS"]),
        (BODY | {"emails": {"value": "a@example.com"}}, ["OBJECT_FOR_LIST"]),
        (BODY | {"emails": ["a@example.com"]}, ["STRING_FOR_COMPLEX"]),
        (BODY | {"emails": "a@example.com"}, ["STRING_FOR_COMPLEX", "OBJECT_FOR_LIST"]),
        ({"userName": "ada"}, ["MISSING_SCHEMAS"]),
        (BODY | {"schemas": [CORE, "urn:x:y"], "active": "False"}, ["STRING_BOOLEANS", "UNKNOWN_URNS"]),
        (BODY | {"name.givenName": "Ada"}, ["DOTTED_KEYS"]),
    ],
)
def test_a_body_needs_what_it_departs_by(body, needed):
    assert [found.name for found in applied_to_body(body, USER, TOLERANT)] == needed


def test_what_is_refused_all_the_same_needs_nothing():
    assert applied_to_body(BODY | {"userName": {"no": "text"}}, USER, TOLERANT) == []
    assert applied_to_body({"schemas": [CORE]}, USER, TOLERANT) == []


def test_a_strict_profile_forgives_nothing():
    assert applied_to_body(BODY | {"active": "True"}, USER, STRICT) == []


@pytest.mark.parametrize(
    ("operation", "needed"),
    [
        ({"op": "replace", "path": "active", "value": False}, []),
        ({"op": "replace", "path": "active", "value": "False"}, ["STRING_BOOLEANS"]),
        ({"op": "replace", "value": {"id": "2", "active": False}}, ["IGNORED_READ_ONLY"]),
        (
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@example.com"},
            ["CREATE_ON_FILTER_MISS"],
        ),
        ({"op": "add", "path": "department", "value": "R&D"}, ["BARE_EXTENSION_NAMES"]),
        ({"op": "add", "path": f"{ENTERPRISE_USER}:department", "value": "R&D"}, []),
    ],
)
def test_a_patch_needs_what_it_departs_by(operation, needed):
    body = {"schemas": [PATCH_OP], "Operations": [operation]}
    assert [found.name for found in applied_to_patch(body, CURRENT, USER, TOLERANT)] == needed


def test_members_in_another_form_are_told():
    group = {"schemas": [GROUP.schema.id], "id": "g", "displayName": "Team"}
    operation = {"op": "add", "path": "members", "value": {"members": [{"value": "1"}]}}
    body = {"schemas": [PATCH_OP], "Operations": [operation]}
    assert Toleration.NESTED_MEMBERS in applied_to_patch(body, group, GROUP, TOLERANT)


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ('userName eq "ada"', []),
        ('active eq "true"', ["STRING_BOOLEANS"]),
        ('department eq "R&D"', ["BARE_EXTENSION_NAMES"]),
    ],
)
def test_a_filter_needs_what_it_departs_by(text, needed):
    assert [found.name for found in applied_to_filter(text, USER, TOLERANT)] == needed


def test_tolerations_read_as_words():
    assert in_words(Toleration.STRING_BOOLEANS) == "string booleans accepted"
