"""What a client with scopes is sent is cut out of what is stored by a plan, and is what walking the schemas gives."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headcount.directory.representation import render
from headcount.directory.tenant import Tenant
from headcount.scim.registry import build_registry
from headcount.scim.scopes import Operation, Permissions, Scope
from headcount.scim.urns import ENTERPRISE_USER as E
from headcount.scim.urns import USER as CORE
from headcount.store.interface import StoredResource

DESK = "urn:example:desk:2.0:User"
DOCUMENTS = [
    {
        "id": DESK,
        "attributes": [
            {"name": "floor", "type": "integer"},
            {"name": "manager", "type": "complex", "subAttributes": [{"name": "value"}, {"name": "since"}]},
            {"name": "keys", "type": "complex", "multiValued": True, "subAttributes": [{"name": "a"}, {"name": "b"}]},
        ],
    },
    {"name": "User", "schemaExtensions": [{"schema": DESK}]},
]
REGISTRY = build_registry(DOCUMENTS)
USER = REGISTRY.by_name["User"]
TENANT = Tenant("acme", "https://scim.example/t/acme/scim/v2", REGISTRY)
STORED = {
    "schemas": [CORE, E, DESK],
    "id": "7",
    "externalId": "x",
    "userName": "ada",
    "name": {"givenName": "Ada", "familyName": "L"},
    "emails": [{"value": "a@b", "type": "work"}, {"value": "c@d", "primary": True}],
    "active": True,
    E: {"department": "D", "manager": {"value": "9"}},
    DESK: {"floor": 1, "manager": {"value": "8", "since": "x"}, "keys": [{"a": "1"}, {"b": "2"}]},
}
ROW = StoredResource(
    "User",
    "7",
    3,
    "2026-01-05T08:30:00.000000Z",
    "2026-01-06T08:30:00.000000Z",
    orjson.dumps(STORED),
    b'[{"value":"g","$ref":"/Groups/g","display":"Team","type":"direct"}]',
    b'"$ref":"/Users/9","displayName":"Boss"',
)
BARE = ROW._replace(document=orjson.dumps({"schemas": [CORE], "id": "7", "userName": "ada"}), groups=None, manager=None)
PATHS = [
    *("userName", "externalId", "name", "name.givenName", "emails.value", "emails.primary", "active", "groups"),
    *("groups.value", "groups.display", "meta", "meta.version", "schemas", "displayName", E, f"{E}:department"),
    *(f"{E}:manager", f"{E}:manager.value", f"{E}:manager.$ref", f"{E}:manager.displayName", DESK, f"{DESK}:floor"),
    *(f"{DESK}:manager.since", f"{DESK}:keys.a", CORE),
]
_lists = st.lists(st.sampled_from(PATHS), max_size=6, unique=True).map(tuple)
_operations = st.sampled_from([frozenset(Operation), frozenset({Operation.UPDATE})])
_people = st.builds(Scope, st.just("User"), _operations, _lists, st.just(()), st.sampled_from(["", "active eq true"]))
_groups = st.sampled_from(
    [(), (Scope("Group"),), (Scope("Group", readable=("members",)),), (Scope("Group", filter='displayName eq "a"'),)]
)
_permissions = st.builds(
    lambda people, groups, shows: Permissions((people, *groups), REGISTRY, shows_external_ids=shows),
    _people,
    _groups,
    st.booleans(),
)


@given(_permissions, st.sampled_from([ROW, BARE, ROW._replace(groups=None), ROW._replace(manager=None)]))
def test_a_cut_document_is_the_projected_one(permissions: Permissions, row: StoredResource) -> None:
    projection = permissions.of(USER).projection
    walked = render(row, TENANT, USER, replace(projection, cut=None))
    assert render(row, TENANT, USER, projection) == walked
    assert render(row, TENANT, USER, projection, orjson.loads(row.document)) == walked


@pytest.mark.parametrize(
    ("scopes", "is_opened"),
    [
        ((Scope("User"), Scope("Group")), False),
        ((Scope("User"),), False),
        ((Scope("User", filter="active eq true"),), False),
        ((Scope("User", readable=("userName",)),), True),
    ],
)
def test_a_document_that_shows_wholly_is_sent_as_it_is_stored(scopes: tuple[Scope, ...], is_opened: bool) -> None:
    row = ROW._replace(document=ROW.document.replace(b'"active":true', b'"active": true'))  # not as it would be written
    text = render(row, TENANT, USER, Permissions(scopes, REGISTRY).of(USER).projection)
    assert (b'"active": true' in text) is not is_opened
