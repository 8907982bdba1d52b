"""Discovery: RFC 7643 §5 to §8, RFC 7644 §4, RFC 9865 §4, with the verified errata."""

import json
from pathlib import Path
from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.definitions import COMMON
from headcount.scim.discovery import Capabilities, resource_type_documents, schema_documents, service_provider_config
from headcount.scim.profiles import STRICT
from headcount.scim.registry import build_registry
from headcount.scim.schemas import Attribute
from headcount.scim.validation import validate_resource

BASE = "https://scim.example.com/t/acme/scim/v2"
REGISTRY = build_registry()
DOCUMENTS = {document["id"]: document for document in schema_documents(REGISTRY, BASE)}
DEFAULTS: dict[str, Any] = {
    "type": "string",
    "multiValued": False,
    "required": False,
    "caseExact": False,
    "mutability": "readWrite",
    "returned": "default",
    "uniqueness": "none",
    "canonicalValues": [],
    "referenceTypes": [],
}

READ_ONLY = {"mutability": "readOnly"}
COMPLEX = {"type": "complex"}
LIST = {"type": "complex", "multiValued": True}
IMMUTABLE = {"mutability": "immutable"}


def plural(value: dict[str, Any], *types: str) -> dict[str, dict[str, Any]]:
    """The default sub-attributes of a multi-valued attribute (RFC 7643 §2.4)."""
    return {
        "": LIST,
        "value": value,
        "display": {},
        "type": {"canonicalValues": list(types)},
        "primary": {"type": "boolean"},
    }


PICTURE = {"type": "reference", "referenceTypes": ["external"], "caseExact": True}  # E6001
EXPECTED: dict[str, dict[str, dict[str, dict[str, Any]]]] = {
    urns.USER: {
        "userName": {"": {"required": True, "uniqueness": "server"}},
        "name": {
            "": COMPLEX,  # no uniqueness: E6004
            **{
                part: {}
                for part in ("formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix")
            },
        },
        **{
            text: {"": {}}
            for text in ("displayName", "nickName", "title", "userType", "preferredLanguage", "locale", "timezone")
        },
        "profileUrl": {"": PICTURE},
        "active": {"": {"type": "boolean"}},
        "password": {"": {"mutability": "writeOnly", "returned": "never"}},
        "emails": plural({}, "work", "home", "other"),
        "phoneNumbers": plural({}, "work", "home", "mobile", "fax", "pager", "other"),
        # `other` by the prose of RFC 7643 §4.1.2
        "ims": plural({}, "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo", "other"),
        "photos": plural(PICTURE, "photo", "thumbnail"),
        "addresses": {
            "": LIST,
            **{part: {} for part in ("formatted", "streetAddress", "locality", "region", "postalCode", "country")},
            "type": {"canonicalValues": ["work", "home", "other"]},
            "primary": {"type": "boolean"},  # used by RFC 7643 §8.2
        },
        "groups": {
            "": LIST | READ_ONLY,
            "value": READ_ONLY | {"caseExact": True},  # holds an id, as E8472 has it for the manager
            "$ref": READ_ONLY | {"type": "reference", "referenceTypes": ["Group"], "caseExact": True},  # E8471, E6001
            "display": READ_ONLY,
            "type": READ_ONLY | {"canonicalValues": ["direct", "indirect"]},
        },
        "entitlements": plural({}),
        "roles": plural({}),
        "x509Certificates": plural({"type": "binary", "caseExact": True}),  # RFC 7643 §2.3.6
    },
    urns.GROUP: {
        "displayName": {"": {"required": True}},  # E5368
        "members": {
            "": LIST,
            "value": IMMUTABLE | {"caseExact": True, "required": True},
            "$ref": IMMUTABLE | {"type": "reference", "referenceTypes": ["User", "Group"], "caseExact": True},  # E6001
            "type": IMMUTABLE | {"canonicalValues": ["User", "Group"]},
            "display": READ_ONLY,  # E6011
        },
    },
    urns.ENTERPRISE_USER: {
        **{text: {"": {}} for text in ("employeeNumber", "costCenter", "organization", "division", "department")},
        "manager": {
            "": COMPLEX,
            "value": {"caseExact": True},  # E8472
            "$ref": {"type": "reference", "referenceTypes": ["User"], "caseExact": True},  # E6001
            "displayName": READ_ONLY,
        },
    },
}


def flat(table: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    return {
        f"{name}.{part}" if part else name: {**DEFAULTS, **said}
        for name, parts in table.items()
        for part, said in parts.items()
    }


def published(attributes: list[dict[str, Any]], prefix: str = "") -> dict[str, dict[str, Any]]:
    """Every characteristic of every attribute, those that are not said by their default (RFC 7643 §2.2)."""
    found: dict[str, dict[str, Any]] = {}
    for attribute in attributes:
        path = prefix + attribute["name"]
        found[path] = {name: attribute.get(name, default) for name, default in DEFAULTS.items()}
        found |= published(attribute.get("subAttributes", []), path + ".")
    return found


@pytest.mark.parametrize("urn", list(EXPECTED))
def test_a_resource_schema_is_published_with_the_characteristics_of_the_standard(urn: str) -> None:
    assert published(DOCUMENTS[urn]["attributes"]) == flat(EXPECTED[urn])


EXAMPLES = Path(__file__).parent.parent / "rfc" / "examples"
ADDED = "added"
CORRECTIONS: dict[str, dict[str, dict[str, Any] | str]] = {
    "rfc7643-8.7.1-user-schema": {
        "profileUrl": {"caseExact": True},  # E6001, as all references
        "ims.type": {
            "canonicalValues": ["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo", "other"]
        },  # §4.1.2
        "photos.value": {"caseExact": True},
        "addresses.primary": ADDED,  # §8.2
        "groups.value": {"caseExact": True},
        "groups.$ref": {"caseExact": True, "referenceTypes": ["Group"]},  # E6001, E8471
        "x509Certificates.value": {"caseExact": True},  # §2.3.6
    },
    "rfc7643-8.7.1-group-schema": {
        "displayName": {"required": True},  # E5368
        "members.value": {"required": True, "caseExact": True},
        "members.$ref": {"caseExact": True},
        "members.display": ADDED,  # E6011
    },
    "rfc7643-8.7.1-enterprise-user-schema": {
        "manager.value": {"caseExact": True},  # E8472
        "manager.$ref": {"caseExact": True},
    },
    "rfc7643-8.7.2-service-provider-config-schema": {
        "documentationUri": {"caseExact": True},
        "etag": ADDED,  # §5
        "etag.supported": ADDED,
        **{  # RFC 9865 §4
            f"pagination{part}": ADDED
            for part in (
                "",
                ".cursor",
                ".index",
                ".defaultPaginationMethod",
                ".defaultPageSize",
                ".maxPageSize",
                ".cursorTimeout",
            )
        },
        "authenticationSchemes.type": ADDED,  # E8011
        "authenticationSchemes.primary": ADDED,  # §8.5
        "authenticationSchemes.specUri": {"caseExact": True},
        "authenticationSchemes.documentationUri": {"caseExact": True},
    },
    "rfc7643-8.7.2-resource-type-schema": {
        "name": {"caseExact": True, "uniqueness": "server"},  # E8475
        "endpoint": {"caseExact": True, "uniqueness": "server"},  # E8475
        "schemaExtensions": {"multiValued": True, "required": False},  # E7522, §6
    },
    "rfc7643-8.7.2-schema-schema": {
        "id": {"returned": "always"},  # §7
        "name": {"required": False},  # §7
        "attributes.type": {  # E5606
            "canonicalValues": ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"]
        },
        "attributes.subAttributes.type": {  # E8415
            "canonicalValues": ["string", "boolean", "decimal", "integer", "dateTime", "binary", "reference"]
        },
        "attributes.subAttributes.referenceTypes": {"multiValued": True},  # E5607
    },
}


@pytest.mark.parametrize("name", list(CORRECTIONS))
def test_a_schema_differs_from_the_published_one_in_the_corrections_only(name: str) -> None:
    theirs = json.loads((EXAMPLES / f"{name}.json").read_text())
    before, after = published(theirs["attributes"]), published(DOCUMENTS[theirs["id"]]["attributes"])
    found: dict[str, dict[str, Any] | str] = dict.fromkeys(after.keys() - before.keys(), ADDED)
    for path, characteristics in before.items():
        changed = {key: value for key, value in after[path].items() if value != characteristics[key]}
        if changed:
            found[path] = changed
    assert found == CORRECTIONS[name]


def test_what_was_added_to_the_service_provider_config_has_its_characteristics() -> None:
    found = published(DOCUMENTS[urns.SERVICE_PROVIDER_CONFIG]["attributes"])
    needed = {**DEFAULTS, **READ_ONLY, "required": True}
    assert found["etag"] == needed | COMPLEX
    for flag in ("etag.supported", "pagination.cursor", "pagination.index"):
        assert found[flag] == needed | {"type": "boolean"}
    for number in ("defaultPageSize", "maxPageSize", "cursorTimeout"):
        assert found[f"pagination.{number}"] == {**DEFAULTS, **READ_ONLY, "type": "integer"}
    assert found["pagination.defaultPaginationMethod"]["canonicalValues"] == ["cursor", "index"]
    schemes = ["oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"]
    assert found["authenticationSchemes.type"] == needed | {"canonicalValues": schemes}


def test_common_attributes_have_the_characteristics_of_the_prose_and_are_in_no_schema() -> None:
    def characteristics(attribute: Attribute) -> tuple[Any, ...]:
        return (
            attribute.type.value,
            attribute.multi_valued,
            attribute.required,
            attribute.case_exact,
            attribute.mutability.value,
            attribute.returned.value,
            attribute.uniqueness.value,
        )

    schemas, identifier, external, meta = COMMON
    assert characteristics(schemas)[:3] == ("string", True, True)
    assert schemas.returned.value == "always"
    assert characteristics(identifier) == ("string", False, True, True, "readOnly", "always", "server")
    assert characteristics(external) == ("string", False, False, True, "readWrite", "default", "none")
    assert characteristics(meta)[4:6] == ("readOnly", "default")
    assert {sub.name: characteristics(sub)[:6] for sub in meta.sub_attributes} == {
        "resourceType": ("string", False, False, True, "readOnly", "default"),
        "created": ("dateTime", False, False, False, "readOnly", "default"),
        "lastModified": ("dateTime", False, False, False, "readOnly", "default"),
        "location": ("reference", False, False, True, "readOnly", "default"),
        "version": ("string", False, False, True, "readOnly", "default"),
    }
    for urn in EXPECTED:
        assert not {"schemas", "id", "externalId", "meta"} & {item["name"] for item in DOCUMENTS[urn]["attributes"]}


def test_every_schema_in_use_is_published_and_no_message_is() -> None:
    assert set(DOCUMENTS) == {*EXPECTED, urns.SERVICE_PROVIDER_CONFIG, urns.RESOURCE_TYPE, urns.SCHEMA}
    for urn, document in DOCUMENTS.items():
        assert document["schemas"] == [urns.SCHEMA]
        assert document["meta"] == {"resourceType": "Schema", "location": f"{BASE}/Schemas/{urn}"}
        assert document["name"]
        assert json.loads(json.dumps(document)) == document


def test_resource_types_name_schemas_that_are_published() -> None:
    user, group = resource_type_documents(REGISTRY, BASE)
    assert user == {
        "schemas": [urns.RESOURCE_TYPE],
        "id": "User",
        "name": "User",
        "endpoint": "/Users",
        "description": "User Account",
        "schema": urns.USER,
        "schemaExtensions": [{"schema": urns.ENTERPRISE_USER, "required": False}],
        "meta": {"resourceType": "ResourceType", "location": f"{BASE}/ResourceTypes/User"},
    }
    assert (group["endpoint"], group["schema"], group["schemaExtensions"]) == ("/Groups", urns.GROUP, [])
    assert group["meta"]["location"] == f"{BASE}/ResourceTypes/Group"


def test_the_service_provider_config_advertises_the_limits() -> None:
    config = service_provider_config(Capabilities(1000, 4 << 20, 100, 1000, 3600, "https://docs.example.com"), BASE)
    supported = {"supported": True}
    schemes = config.pop("authenticationSchemes")
    assert config == {
        "schemas": [urns.SERVICE_PROVIDER_CONFIG],
        "documentationUri": "https://docs.example.com",
        "patch": supported,
        "bulk": {**supported, "maxOperations": 1000, "maxPayloadSize": 4194304},
        "filter": {**supported, "maxResults": 1000},
        "changePassword": supported,
        "sort": supported,
        "etag": supported,
        "pagination": {
            "cursor": True,
            "index": True,
            "defaultPaginationMethod": "index",
            "defaultPageSize": 100,
            "maxPageSize": 1000,
            "cursorTimeout": 3600,
        },
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{BASE}/ServiceProviderConfig"},
    }
    (scheme,) = schemes
    assert scheme["type"] == "oauthbearertoken"
    assert {"name", "description"} <= scheme.keys()
    assert "documentationUri" not in service_provider_config(Capabilities(1, 1, 1, 1, 1), BASE)


def as_writable(attributes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**attribute, "mutability": "readWrite", "subAttributes": as_writable(attribute.get("subAttributes", []))}
        for attribute in attributes
    ]


@pytest.mark.parametrize("urn", [urns.SERVICE_PROVIDER_CONFIG, urns.RESOURCE_TYPE])
def test_discovery_resources_are_valid_by_their_own_schemas(urn: str) -> None:
    schema = {**DOCUMENTS[urn], "id": "urn:example:own", "attributes": as_writable(DOCUMENTS[urn]["attributes"])}
    kind = build_registry([schema, {"name": "Own", "endpoint": "/Own", "schema": "urn:example:own"}]).by_name["Own"]
    ours = (
        [service_provider_config(Capabilities(1, 2, 3, 4, 5, "https://docs.example.com"), BASE)]
        if urn == urns.SERVICE_PROVIDER_CONFIG
        else resource_type_documents(REGISTRY, BASE)
    )
    for document in ours:
        body = {**document, "schemas": ["urn:example:own"]}
        kept = validate_resource(body, kind, STRICT, refuse_unknown=True).resource
        expected = {name: value for name, value in body.items() if name not in ("id", "meta") and value != []}
        assert kept == expected
