"""Discovery: public, the same for tenants that exist and that do not, and true (RFC 7644 §4, RFC 9865 §4)."""

import pytest

from serving import ENTERPRISE, GROUP, LIST, USER

DISCOVERY = "urn:ietf:params:scim:schemas:core:2.0"
BUILT_IN = {
    USER,
    GROUP,
    ENTERPRISE,
    f"{DISCOVERY}:Schema",
    f"{DISCOVERY}:ResourceType",
    f"{DISCOVERY}:ServiceProviderConfig",
}
PATHS = [
    "/ServiceProviderConfig",
    "/ResourceTypes",
    "/ResourceTypes/User",
    "/Schemas",
    f"/Schemas/{USER}",
    "/Schemas/urn:example:none",
    "/ResourceTypes/None",
    "/ServiceProviderConfig/x",
    "/Schemas/x/y",
]


def test_the_configuration_says_what_is_supported_and_within_which_bounds(client):
    config = client.get("/ServiceProviderConfig").ok()
    assert config["schemas"] == [f"{DISCOVERY}:ServiceProviderConfig"]
    assert config["patch"] == config["sort"] == config["etag"] == config["changePassword"] == {"supported": True}
    assert config["bulk"] == {"supported": True, "maxOperations": 1000, "maxPayloadSize": 4 * 1024 * 1024}
    assert config["filter"] == {"supported": True, "maxResults": 1000}
    assert config["pagination"] == {
        "cursor": True,
        "index": True,
        "defaultPaginationMethod": "index",
        "defaultPageSize": 100,
        "maxPageSize": 1000,
        "cursorTimeout": 3600,
    }
    (scheme,) = config["authenticationSchemes"]
    assert scheme["type"] == "oauthbearertoken"
    assert "" not in (scheme["name"], scheme["description"])
    assert config["meta"] == {
        "resourceType": "ServiceProviderConfig",
        "location": f"{client.base_url}/ServiceProviderConfig",
    }


def test_every_schema_in_use_is_listed_and_found_by_its_urn_in_any_case(client):
    listed = client.get("/Schemas").ok()
    assert listed["schemas"] == [LIST]
    assert listed["totalResults"] == len(listed["Resources"]) == len(BUILT_IN)
    assert {schema["id"] for schema in listed["Resources"]} == BUILT_IN
    for schema in listed["Resources"]:
        assert schema["schemas"] == [f"{DISCOVERY}:Schema"]
        assert schema["meta"] == {"resourceType": "Schema", "location": f"{client.base_url}/Schemas/{schema['id']}"}
        for urn in (schema["id"], schema["id"].upper()):
            assert client.get(f"/Schemas/{urn}").ok() == schema


def test_the_resource_types_name_schemas_that_exist(client):
    kinds = client.get("/ResourceTypes").ok()["Resources"]
    assert [(kind["name"], kind["endpoint"], kind["schema"]) for kind in kinds] == [
        ("User", "/Users", USER),
        ("Group", "/Groups", GROUP),
    ]
    assert kinds[0]["schemaExtensions"] == [{"schema": ENTERPRISE, "required": False}]
    for kind in kinds:
        assert kind["schemas"] == [f"{DISCOVERY}:ResourceType"]
        assert client.get(f"/ResourceTypes/{kind['name']}").ok() == kind
        assert kind["meta"] == {
            "resourceType": "ResourceType",
            "location": f"{client.base_url}/ResourceTypes/{kind['name']}",
        }


def test_the_published_user_schema_is_what_the_server_enforces(client):
    attributes = {item["name"]: item for item in client.get(f"/Schemas/{USER}").ok()["attributes"]}
    user_name = attributes["userName"]
    assert (user_name["required"], user_name["caseExact"], user_name["uniqueness"]) == (True, False, "server")
    assert (attributes["password"]["mutability"], attributes["password"]["returned"]) == ("writeOnly", "never")
    assert attributes["groups"]["mutability"] == "readOnly"
    assert attributes["emails"]["multiValued"] is True
    assert not {"id", "externalId", "meta", "schemas"} & attributes.keys()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
def test_a_stranger_cannot_tell_which_tenants_exist(client, path, method):
    tenant = client.path.split("/")[2]
    stranger = client.with_token(None)
    missing = stranger.at(client.path.replace(tenant, "no" + tenant[2:]))
    there, absent = (each.send(method, path) for each in (stranger, missing))
    assert there.status == absent.status
    assert there.body.replace(tenant.encode(), b"") == absent.body.replace(b"no" + tenant[2:].encode(), b"")
    varying = {"date", "x-request-id"}
    assert {k: v for k, v in there.headers.items() if k not in varying} == {
        k: v for k, v in absent.headers.items() if k not in varying
    }


@pytest.mark.parametrize("path", PATHS[:5])
def test_discovery_needs_no_token_and_refuses_a_wrong_one(client, path):
    assert client.with_token(None).get(path).ok() == client.get(path).ok()
    assert client.with_token("wrong").get(path).error == (401, None)


def test_query_parameters_are_ignored_and_a_filter_is_refused(client):
    """Q37."""
    whole = client.get("/Schemas").ok()
    query = {"startIndex": 2, "count": 1, "sortBy": "id", "sortOrder": "descending", "attributes": "name", "cursor": ""}
    assert client.get("/Schemas", **query).ok() == whole
    for path in PATHS[:5]:
        assert client.get(path, filter="id pr").error == (403, None)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", PATHS[:5])
def test_discovery_cannot_be_written(client, path, method):
    answer = client.send(method, path, {} if method != "DELETE" else None)
    assert answer.error == (405, None)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize("path", PATHS[5:])
def test_what_discovery_does_not_have_is_not_found(client, path):
    assert client.get(path).error == (404, None)


def test_what_discovery_says_may_be_kept_only_by_the_client_and_is_asked_for_anew(client):
    for path in PATHS[:5]:
        assert client.get(path).headers["cache-control"] == "private, no-cache"
