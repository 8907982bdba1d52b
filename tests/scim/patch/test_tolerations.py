"""Each toleration in PATCH: what the tolerant profile makes of it, and what the strict one says."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidPathError, InvalidValueError, MutabilityError, NoTargetError, ScimError
from headcount.scim.profiles import STRICT, TOLERANT, Toleration
from headcount.scim.registry import GROUP
from scim.patch.patching import ADA, E, add, apply, operation, patched, remove, replace, without

WORK, HOME = ADA["emails"]
BARE: dict[str, Any] = without(ADA, "emails", "name")


def enterprise(**values: Any) -> dict[str, Any]:
    return {**ADA, "schemas": [urns.USER, E], E: values}


MANAGER = enterprise(manager={"value": "9"})
T = Toleration
CASES: list[
    tuple[Toleration, dict[str, Any], list[dict[str, Any]], dict[str, Any], type[ScimError] | dict[str, Any]]
] = [
    (T.STRING_BOOLEANS, ADA, [operation("Replace", "active", "False")], {**ADA, "active": False}, InvalidValueError),
    (T.STRING_BOOLEANS, ADA, [operation("Add", "active", "false")], {**ADA, "active": False}, InvalidValueError),
    (T.STRING_BOOLEANS, ADA, [replace(None, {"active": "FALSE"})], {**ADA, "active": False}, InvalidValueError),
    (
        T.STRING_BOOLEANS,
        ADA,
        [add("roles", [{"value": "p", "primary": "True"}])],
        {**ADA, "roles": [{"value": "p", "primary": True}]},
        InvalidValueError,
    ),
    (T.STRING_FOR_COMPLEX, ADA, [add(f"{E}:manager", "9")], MANAGER, InvalidValueError),
    (
        T.STRING_FOR_COMPLEX,
        ADA,
        [add("emails", "a@b")],
        {**ADA, "emails": [WORK, HOME, {"value": "a@b"}]},
        InvalidValueError,
    ),
    (T.STRING_FOR_COMPLEX, MANAGER, [remove(f"{E}:manager", value="9")], ADA, MANAGER),
    (T.STRING_FOR_COMPLEX, MANAGER, [replace(f"{E}:manager", "")], ADA, InvalidValueError),
    (
        T.OBJECT_FOR_LIST,
        ADA,
        [replace("emails", {"value": "a@b"})],
        {**ADA, "emails": [{"value": "a@b"}]},
        InvalidValueError,
    ),
    (
        T.OBJECT_FOR_LIST,
        ADA,
        [replace(None, {"emails": {"value": "a@b"}})],
        {**ADA, "emails": [{"value": "a@b"}]},
        InvalidValueError,
    ),
    (T.OBJECT_FOR_LIST, ADA, [add(f"{E}:manager", [{"value": "9"}])], MANAGER, InvalidValueError),
    (T.OBJECT_FOR_LIST, ADA, [replace("displayName", ["A"])], {**ADA, "displayName": "A"}, InvalidValueError),
    (T.UNKNOWN_URNS, ADA, [replace("schemas", [urns.USER, "urn:example:x"])], ADA, InvalidValueError),
    (
        T.UNKNOWN_URNS,
        ADA,
        [add(None, {"schemas": ["urn:example:x"], "title": "B"})],
        {**ADA, "title": "B"},
        InvalidValueError,
    ),
    (
        T.DOTTED_KEYS,
        ADA,
        [replace(None, {"name.givenName": "A", "name.familyName": "L"})],
        {**ADA, "name": {"givenName": "A", "familyName": "L"}},
        ADA,
    ),
    (
        T.DOTTED_KEYS,
        ADA,
        [replace(None, {'emails[type eq "work"].value': "a@b"})],
        {**ADA, "emails": [{**WORK, "value": "a@b"}, HOME]},
        ADA,
    ),
    (T.DOTTED_KEYS, ADA, [replace(None, {f"{E}:manager.value": "9"})], MANAGER, ADA),
    (
        T.CREATE_ON_FILTER_MISS,
        BARE,
        [add('emails[type eq "work"].value', "a@b")],
        {**BARE, "emails": [{"type": "work", "value": "a@b"}]},
        NoTargetError,
    ),
    (
        T.CREATE_ON_FILTER_MISS,
        BARE,
        [replace('emails[type eq "work"].value', "a@b")],
        {**BARE, "emails": [{"type": "work", "value": "a@b"}]},
        NoTargetError,
    ),
    (
        T.CREATE_ON_FILTER_MISS,
        ADA,
        [add('emails[type eq "other"]', {"value": "a@b"})],
        {**ADA, "emails": [WORK, HOME, {"type": "other", "value": "a@b"}]},
        NoTargetError,
    ),
    (
        T.CREATE_ON_FILTER_MISS,
        BARE,
        [replace('emails[type eq "work" and primary eq true].value', "a@b")],
        {**BARE, "emails": [{"type": "work", "primary": True, "value": "a@b"}]},
        NoTargetError,
    ),
    (
        T.CREATE_ON_FILTER_MISS,
        ADA,
        [replace('roles[primary eq "True"].value', "p")],
        {**ADA, "roles": [{"primary": True, "value": "p"}]},
        ScimError,
    ),
    (
        T.CREATE_ON_FILTER_MISS,
        ADA,
        [replace('addresses[type eq "work"].locality', "Gaspe"), replace('addresses[type eq "work"].country', "CA")],
        {**ADA, "addresses": [{"type": "work", "locality": "Gaspe", "country": "CA"}]},
        NoTargetError,
    ),
    (T.CREATE_ON_FILTER_MISS, BARE, [replace('emails[type eq "work"].value', None)], BARE, NoTargetError),
    (T.CREATE_ON_FILTER_MISS, BARE, [replace('emails[type eq "work"].value', [])], BARE, NoTargetError),
    (
        T.IGNORED_READ_ONLY,
        ADA,
        [replace(None, {"id": "2", "displayName": "A"})],
        {**ADA, "displayName": "A"},
        MutabilityError,
    ),
    (
        T.IGNORED_READ_ONLY,
        ADA,
        [replace(None, {"groups": [], "displayName": "A"})],
        {**ADA, "displayName": "A"},
        MutabilityError,
    ),
    (
        T.BARE_EXTENSION_NAMES,
        ADA,
        [add("manager", [{"$ref": "https://x/Users/9", "value": "9"}])],
        MANAGER,
        InvalidPathError,
    ),
    (T.BARE_EXTENSION_NAMES, ADA, [add("manager.value", "9")], MANAGER, InvalidPathError),
    (T.BARE_EXTENSION_NAMES, ADA, [replace("department", "R&D")], enterprise(department="R&D"), InvalidPathError),
    (T.BARE_EXTENSION_NAMES, ADA, [replace(None, {"department": "R&D"})], enterprise(department="R&D"), ADA),
]


@pytest.mark.parametrize(("toleration", "before", "operations", "tolerated", "strictly"), CASES)
def test_a_toleration_is_granted_by_the_tolerant_profile_and_by_that_only(
    toleration: Toleration,
    before: dict[str, Any],
    operations: list[dict[str, Any]],
    tolerated: dict[str, Any],
    strictly: type[ScimError] | dict[str, Any],
) -> None:
    assert TOLERANT.tolerates(toleration)
    assert not STRICT.tolerates(toleration)
    assert patched(operations, before, profile=TOLERANT) == tolerated
    if isinstance(strictly, dict):
        assert patched(operations, before, profile=STRICT) == strictly
    else:
        with pytest.raises(strictly):
            apply(operations, before, STRICT)


@pytest.mark.parametrize(
    "path",
    [
        'emails[type eq "work" or type eq "home"].value',
        'emails[type ne "work"].value',
        'emails[not (type eq "work")].value',
        "emails[type pr].value",
        'emails[type sw "w"].value',
        "emails[type eq null].value",
    ],
)
def test_only_a_plain_conjunction_of_eq_says_what_the_missing_element_is(path: str) -> None:
    with pytest.raises(NoTargetError):
        apply([replace(path, "a@b")], BARE, TOLERANT)


def test_creating_an_element_leaves_the_primary_one_alone() -> None:
    result = patched([add('emails[type eq "other"].value', "a@b")], profile=TOLERANT)
    assert result["emails"] == [WORK, HOME, {"type": "other", "value": "a@b"}]


def test_five_forms_of_a_manager_come_to_the_same() -> None:
    forms = [
        operation("Add", f"{E}:manager", "9"),
        operation("Replace", f"{E}:manager", {"value": "9"}),
        operation("Add", f"{E}:manager.value", "9"),
        operation("Add", "manager", [{"$ref": "https://scim.example.com/v2/Users/9", "value": "9"}]),
        operation("Replace", "manager", "9"),
    ]
    for form in forms:
        assert patched([form], profile=TOLERANT) == MANAGER
        assert patched([form], enterprise(manager={"value": "8"}), profile=TOLERANT) == MANAGER
    assert patched([{"op": "Remove", "path": f"{E}:manager", "value": "9"}], MANAGER, profile=TOLERANT) == ADA


def test_both_dialects_of_entra_id_update_a_user_alike() -> None:
    by_path = [
        operation("Replace", "displayName", "Lena Berg"),
        operation("Replace", "name.familyName", "Berg"),
        operation("Replace", 'emails[type eq "work"].value', "lena@harbour.example"),
        operation("Add", f"{E}:employeeNumber", "N-4471"),
        operation("Replace", "active", "False"),
    ]
    by_keys = [
        replace('emails[type eq "work"].value', "lena@harbour.example"),
        replace(
            None,
            {"displayName": "Lena Berg", "name.familyName": "Berg", f"{E}:employeeNumber": "N-4471", "active": False},
        ),
    ]
    expected = {
        **enterprise(employeeNumber="N-4471"),
        "displayName": "Lena Berg",
        "name": {"familyName": "Berg", "givenName": "Ada"},
        "emails": [{**WORK, "value": "lena@harbour.example"}, HOME],
        "active": False,
    }
    assert patched(by_path, profile=TOLERANT) == patched(by_keys, profile=TOLERANT) == expected


CREW = {"schemas": [urns.GROUP], "id": "g", "externalId": "e", "displayName": "Crew"}


@pytest.mark.parametrize(
    "value",
    [
        {"id": "g", "displayName": "Crew North"},
        {"schemas": [urns.GROUP], "id": "g", "externalId": "e", "displayName": "Crew North"},
        {
            "schemas": [urns.GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "Crew North",
        },
        {"id": "other", "meta": {"resourceType": "Group"}, "displayName": "Crew North"},
    ],
)
def test_a_group_is_renamed_by_okta_authentik_and_jumpcloud(value: dict[str, Any]) -> None:
    assert patched([replace(None, value)], CREW, profile=TOLERANT, kind=GROUP) == {**CREW, "displayName": "Crew North"}


def test_a_role_that_is_a_json_document_in_a_string_is_kept_as_it_is() -> None:
    role = '{"id":"6f0d","value":"Dispatcher"}'
    assert patched([operation("Add", "roles", [{"value": role}])], profile=TOLERANT)["roles"] == [{"value": role}]


def test_names_in_title_case_and_lower_case_are_understood() -> None:
    operations = [
        replace("DisplayName", "A"),
        replace("username", "eve"),
        add("Emails", [{"Value": "a@b", "Type": "Other"}]),
    ]
    result = patched(operations, profile=STRICT)
    assert (result["displayName"], result["userName"]) == ("A", "eve")
    assert result["emails"][-1] == {"value": "a@b", "type": "other"}
