"""Bodies of create and replace requests as identity providers send them, in the tolerant profile."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import ScimError
from headcount.scim.profiles import STRICT, TOLERANT
from headcount.scim.registry import GROUP, USER, ResourceType
from headcount.scim.validation import validate_resource

E = urns.ENTERPRISE_USER
LENA: dict[str, Any] = {"schemas": [urns.USER], "userName": "lena@harbour.example"}
CREW: dict[str, Any] = {"schemas": [urns.GROUP], "displayName": "Crew"}
BODIES: list[tuple[str, ResourceType, dict[str, Any], dict[str, Any], bool]] = [
    (
        "Entra ID: unset attributes as null, two of them unknown at the top level",
        USER,
        {**LENA, "schemas": [urns.USER, E], "title": None, "addresses": None, "department": None, "manager": None},
        LENA,
        True,
    ),
    (
        "Entra ID: manager as a string",
        USER,
        {**LENA, E: {"manager": "9"}},
        {**LENA, "schemas": [urns.USER, E], E: {"manager": {"value": "9"}}},
        False,
    ),
    ("Entra ID: active as a string", USER, {**LENA, "active": "True"}, {**LENA, "active": True}, False),
    (
        "Entra ID: flags of roles as strings",
        USER,
        {**LENA, "roles": [{"primary": "True", "value": "pilot", "type": "WindowsAzureActiveDirectoryRole"}]},
        {**LENA, "roles": [{"value": "pilot", "type": "WindowsAzureActiveDirectoryRole", "primary": True}]},
        False,
    ),
    (
        "Entra ID: a custom extension that schemas does not name",
        USER,
        {**LENA, "urn:ietf:params:scim:schemas:extension:Depot:2.0:User": {"badge": "7"}},
        LENA,
        True,
    ),
    (
        "Entra ID: a URN with a slip in it",
        USER,
        {**LENA, "schemas": [urns.USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"]},
        LENA,
        False,
    ),
    (
        "Entra ID: groups name a URN of Microsoft's",
        GROUP,
        {
            **CREW,
            "schemas": [urns.GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "meta": {"resourceType": "Group"},
        },
        CREW,
        False,
    ),
    (
        "Microsoft's validator: names in title case",
        USER,
        {
            "schemas": [urns.USER],
            "UserName": LENA["userName"],
            "Active": True,
            "Emails": [{"Primary": True, "Value": "a@b"}],
        },
        {**LENA, "active": True, "emails": [{"value": "a@b", "primary": True}]},
        True,
    ),
    (
        "Okta: what is read-only and empty strings come back in a PUT",
        USER,
        {
            **LENA,
            "id": "1",
            "groups": [],
            "meta": {"resourceType": "User"},
            "name": {"givenName": "Lena", "middleName": ""},
        },
        {**LENA, "name": {"givenName": "Lena", "middleName": ""}},
        True,
    ),
    ("Okta: a group without members", GROUP, {**CREW, "id": "g", "members": []}, CREW, True),
    (
        "Okta: members carry a name and no type",
        GROUP,
        {**CREW, "members": [{"value": "1", "display": "a@b"}]},
        {**CREW, "members": [{"value": "1"}]},
        True,
    ),
    (
        "OneLogin: URNs from before the RFC",
        USER,
        {
            **LENA,
            "schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"],
            "urn:scim:schemas:extension:enterprise:2.0": {"department": "D"},
        },
        {**LENA, "schemas": [urns.USER, E], E: {"department": "D"}},
        False,
    ),
    ("OneLogin: SCIM 1.1", USER, {**LENA, "schemas": ["urn:scim:schemas:core:1.0"]}, LENA, False),
    (
        "OneLogin: one e-mail instead of a list",
        USER,
        {**LENA, "emails": {"value": "a@b"}},
        {**LENA, "emails": [{"value": "a@b"}]},
        False,
    ),
    ("OneLogin: a template without schemas", USER, {"userName": LENA["userName"]}, LENA, False),
    (
        "JumpCloud: e-mails as null, empty lists",
        USER,
        {**LENA, "emails": None, "addresses": [], "phoneNumbers": []},
        LENA,
        True,
    ),
    (
        "Rippling: members as one object",
        GROUP,
        {**CREW, "members": {"value": "1"}},
        {**CREW, "members": [{"value": "1"}]},
        False,
    ),
    (
        "Keycloak: a relative reference and an id",
        GROUP,
        {**CREW, "id": "x", "members": [{"value": "1", "$ref": "Users/1"}]},
        {**CREW, "members": [{"value": "1"}]},
        True,
    ),
    (
        "Keycloak: a reference by its URI alone",
        GROUP,
        {**CREW, "members": [{"$ref": "Users/1"}]},
        {**CREW, "members": [{"value": "1"}]},
        True,
    ),
]


@pytest.mark.parametrize(
    ("kind", "body", "kept", "strictly"), [row[1:] for row in BODIES], ids=[row[0] for row in BODIES]
)
def test_a_body_of_an_identity_provider_is_understood(
    kind: ResourceType, body: dict[str, Any], kept: dict[str, Any], strictly: bool
) -> None:
    assert validate_resource(body, kind, TOLERANT).resource == kept
    if strictly:
        assert validate_resource(body, kind, STRICT).resource == kept
    else:
        with pytest.raises(ScimError):
            validate_resource(body, kind, STRICT)
