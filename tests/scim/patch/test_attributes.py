"""PATCH on singular and multi-valued attributes: RFC 7644 §3.5.2.1 to §3.5.2.3."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import (
    InvalidFilterError,
    InvalidPathError,
    InvalidSyntaxError,
    InvalidValueError,
    MutabilityError,
    NoTargetError,
    ScimError,
)
from headcount.scim.profiles import STRICT, TOLERANT, Profile
from headcount.scim.registry import build_registry
from scim.patch.patching import ADA, EMPLOYED, E, add, apply, patched, remove, replace, without

BOTH = pytest.mark.parametrize("profile", [STRICT, TOLERANT])
WORK, HOME = ADA["emails"]
OTHER = {"value": "ada@other.example", "type": "other"}


def emails(*elements: dict[str, Any]) -> dict[str, Any]:
    return {**ADA, "emails": list(elements)}


def name(**parts: str) -> dict[str, Any]:
    return {**ADA, "name": parts}


def enterprise(**values: Any) -> dict[str, Any]:
    return {**ADA, "schemas": [urns.USER, E], E: values}


PRIMARY_OTHER = {**OTHER, "primary": True}
WORK_NOT_PRIMARY = {**WORK, "primary": False}

RESULTS = [
    # add: a singular attribute is set or replaced (§3.5.2.1)
    ("add title", [add("title", "Boss")], {**ADA, "title": "Boss"}),
    ("add over a value", [add("displayName", "A. L.")], {**ADA, "displayName": "A. L."}),
    ("add the same value", [add("displayName", "Ada")], ADA),
    ("add in another case", [add("DISPLAYNAME", "A. L.")], {**ADA, "displayName": "A. L."}),
    ("add qualified", [add(f"{urns.USER}:title", "Boss")], {**ADA, "title": "Boss"}),
    ("add null", [add("displayName", None)], ADA),
    ("add null to a list", [add("emails", None)], ADA),
    ("add null through a filter", [add('emails[type eq "work"]', None)], ADA),
    ("add an empty list", [add("emails", [])], ADA),
    ("add without a path", [add(None, {"title": "Boss", "nickName": "A"})], {**ADA, "title": "Boss", "nickName": "A"}),
    # add: a complex attribute gets sub-attributes, and keeps the others
    ("add to name", [add("name", {"middleName": "King"})], name(**ADA["name"], middleName="King")),
    ("add over a part", [add("name", {"givenName": "A"})], name(familyName="Lovelace", givenName="A")),
    ("add a sub-attribute", [add("name.middleName", "King")], name(**ADA["name"], middleName="King")),
    ("add a null part", [add("name", {"givenName": None, "middleName": "K"})], name(**ADA["name"], middleName="K")),
    # add: a multi-valued attribute gets values, and keeps the others
    ("add an element", [add("emails", [OTHER])], emails(WORK, HOME, OTHER)),
    ("add one object", [add("emails", OTHER)], emails(WORK, HOME, OTHER)),
    ("add elements without a path", [add(None, {"emails": [OTHER]})], emails(WORK, HOME, OTHER)),
    ("add what is there", [add("emails", [HOME])], ADA),
    ("add what is there twice", [add("emails", [OTHER, OTHER])], emails(WORK, HOME, OTHER)),
    ("add what completes", [add("emails", [{**HOME, "display": "H"}])], emails(WORK, {**HOME, "display": "H"})),
    ("add another type", [add("emails", [{**HOME, "type": "work"}])], emails(WORK, HOME, {**HOME, "type": "work"})),
    ("add to none", [add("roles", [{"value": "pilot"}])], {**ADA, "roles": [{"value": "pilot"}]}),
    # add through a filter that matches: every element that does
    ("add a part to an element", [add('emails[type eq "home"].display', "H")], emails(WORK, {**HOME, "display": "H"})),
    ("add to an element", [add('emails[type eq "home"]', {"display": "H"})], emails(WORK, {**HOME, "display": "H"})),
    ("add to all", [add("emails.display", "E")], emails({**WORK, "display": "E"}, {**HOME, "display": "E"})),
    # primary stays one (§3.5.2)
    ("add a new primary", [add("emails", [PRIMARY_OTHER])], emails(WORK_NOT_PRIMARY, HOME, PRIMARY_OTHER)),
    (
        "move primary",
        [replace('emails[type eq "home"].primary', True)],
        emails(WORK_NOT_PRIMARY, {**HOME, "primary": True}),
    ),
    (
        "the later primary wins",
        [add("emails", [PRIMARY_OTHER]), replace('emails[type eq "home"].primary', True)],
        emails(WORK_NOT_PRIMARY, {**HOME, "primary": True}, {**OTHER, "primary": False}),
    ),
    (
        "a filter sees the reset primary",
        [add("emails", [PRIMARY_OTHER]), remove("emails[primary eq true]")],
        emails(WORK_NOT_PRIMARY, HOME),
    ),
    ("primary set again", [add('emails[type eq "work"].primary', True)], ADA),
    # remove (§3.5.2.2)
    ("remove a value", [remove("displayName")], without(ADA, "displayName")),
    ("remove nothing", [remove("title")], ADA),
    ("remove in another case", [remove("Name.GIVENNAME")], name(familyName="Lovelace")),
    ("remove a complex value", [remove("name")], without(ADA, "name")),
    ("remove the last part", [remove("name.familyName"), remove("name.givenName")], without(ADA, "name")),
    ("remove a list", [remove("emails")], without(ADA, "emails")),
    ("remove an element", [remove('emails[type eq "work"]')], emails(HOME)),
    ("remove all elements", [remove("emails[value pr]")], without(ADA, "emails")),
    ("remove by two terms", [remove('emails[type eq "home" and value ew ".EXAMPLE"]')], emails(WORK)),
    ("remove a part of an element", [remove('emails[type eq "work"].primary')], emails(without(WORK, "primary"), HOME)),
    ("remove a part of all", [remove("emails.type")], emails(without(WORK, "type"), without(HOME, "type"))),
    ("remove what is not there", [remove('emails[type eq "other"]')], ADA),
    ("remove a part of what is not there", [remove('emails[type eq "other"].value')], ADA),
    ("remove from no list", [remove('roles[value eq "x"]')], ADA),
    # remove with a value removes no more than that value
    ("remove a listed element", [remove("emails", value=[HOME])], emails(WORK)),
    ("remove an object", [remove("emails", value={"value": "ADA@home.example"})], emails(WORK)),
    ("remove an unlisted element", [remove("emails", value=[OTHER])], ADA),
    ("remove a listed element of another type", [remove("emails", value=[{**HOME, "type": "work"}])], ADA),
    ("remove an empty list", [remove("emails", value=[])], ADA),
    ("remove an empty object", [remove("emails", value=[{}])], ADA),
    ("remove within the filter", [remove('emails[type eq "home"]', value=[WORK])], ADA),
    ("remove the value that is there", [remove("displayName", value="ADA")], without(ADA, "displayName")),
    ("remove another value", [remove("displayName", value="Eve")], ADA),
    ("remove a value of another type", [remove("displayName", value=1)], ADA),
    ("remove the part that is there", [remove("name.givenName", value="ada")], name(familyName="Lovelace")),
    ("remove another part", [remove("name.givenName", value="Eve")], ADA),
    (
        "remove a part with its value",
        [remove('emails[type eq "work"].type', value="WORK")],
        emails(without(WORK, "type"), HOME),
    ),
    ("remove a part with another value", [remove('emails[type eq "work"].value', value="x")], ADA),
    ("remove what is required by another value", [remove("userName", value="eve")], ADA),
    # replace (§3.5.2.3)
    ("replace a value", [replace("displayName", "A. L.")], {**ADA, "displayName": "A. L."}),
    ("replace what has no value", [replace("title", "Boss")], {**ADA, "title": "Boss"}),
    ("replace by null", [replace("displayName", None)], without(ADA, "displayName")),
    (
        "replace without a path",
        [replace(None, {"title": "B", "displayName": None})],
        {**without(ADA, "displayName"), "title": "B"},
    ),
    ("replace a boolean", [replace("active", False)], {**ADA, "active": False}),
    ("replace a part", [replace("name", {"givenName": "A"})], name(familyName="Lovelace", givenName="A")),
    ("replace a part by null", [replace("name", {"givenName": None})], name(familyName="Lovelace")),
    ("replace no part", [replace("name", {})], ADA),
    ("replace a complex value by null", [replace("name", None)], without(ADA, "name")),
    ("replace a part by path", [replace("name.givenName", "A")], name(familyName="Lovelace", givenName="A")),
    ("replace a part by null by path", [replace("name.givenName", None)], name(familyName="Lovelace")),
    ("replace a list", [replace("emails", [OTHER])], emails(OTHER)),
    ("replace a list by none", [replace("emails", [])], without(ADA, "emails")),
    ("replace a list without a path", [replace(None, {"emails": [OTHER]})], emails(OTHER)),
    ("replace an element whole", [replace('emails[type eq "work"]', OTHER)], emails(OTHER, HOME)),
    ("replace an element by null", [replace('emails[type eq "work"]', None)], emails(HOME)),
    ("replace all elements by one", [replace("emails[value pr]", OTHER)], emails(OTHER)),
    (
        "replace a part of an element",
        [replace('emails[type eq "work"].value', "x@y")],
        emails({**WORK, "value": "x@y"}, HOME),
    ),
    (
        "replace a part of all",
        [replace("emails[value pr].display", "E")],
        emails({**WORK, "display": "E"}, {**HOME, "display": "E"}),
    ),
    (
        "replace a part of an element by null",
        [replace('emails[type eq "work"].primary', None)],
        emails(without(WORK, "primary"), HOME),
    ),
    ("replace a part of no element", [replace("roles.value", "pilot")], {**ADA, "roles": [{"value": "pilot"}]}),
    (
        "replace a canonical value",
        [replace('emails[type eq "home"].type', "OTHER")],
        emails(WORK, {**HOME, "type": "other"}),
    ),
    # each operation sees the result of the one before
    (
        "add and edit",
        [add("emails", [OTHER]), replace('emails[type eq "other"].value', "n@n")],
        emails(WORK, HOME, {**OTHER, "value": "n@n"}),
    ),
    ("remove and add", [remove("emails"), add("emails", [OTHER])], emails(OTHER)),
    ("set and unset", [add("title", "Boss"), remove("title")], ADA),
    # extensions come and go with their attributes
    ("add to an extension", [add(f"{E}:department", "R&D")], enterprise(department="R&D")),
    ("add an extension", [add(E, {"department": "R&D"})], enterprise(department="R&D")),
    ("add an extension without a path", [add(None, {E: {"DEPARTMENT": "R&D"}})], enterprise(department="R&D")),
    ("add a qualified key", [add(None, {f"{E}:department": "R&D"})], enterprise(department="R&D")),
    ("replace in no extension", [replace(f"{E.upper()}:department", "R&D")], enterprise(department="R&D")),
    ("add the base schema", [add(urns.USER, {"title": "Boss"})], {**ADA, "title": "Boss"}),
    ("add a manager", [add(f"{E}:manager", {"value": "9"})], enterprise(manager={"value": "9"})),
    ("add a manager's id", [add(f"{E}:manager.value", "9")], enterprise(manager={"value": "9"})),
    ("add a manager by URI", [add(f"{E}:manager", {"$ref": "https://x/Users/9"})], enterprise(manager={"value": "9"})),
    # schemas follow from the content
    ("add a schema", [add("schemas", [E])], ADA),
    ("replace schemas", [replace("schemas", [urns.USER])], ADA),
    ("schemas in a value", [replace(None, {"schemas": [urns.USER, E], "title": "B"})], {**ADA, "title": "B"}),
    # what is read-only in a value without a path
    ("the same id in a value", [replace(None, {"id": "1", "title": "B"})], {**ADA, "title": "B"}),
    ("meta in a value", [replace(None, {"meta": {"version": "x"}, "title": "B"})], {**ADA, "title": "B"}),
    # what nobody knows
    ("an unknown attribute in a value", [add(None, {"nosuch": 1, "title": "B"})], {**ADA, "title": "B"}),
    ("an unknown extension in a value", [add(None, {"urn:example:x": {"a": 1}, "title": "B"})], {**ADA, "title": "B"}),
    ("an unknown part in a value", [add("name", {"nosuch": 1})], ADA),
]


@BOTH
@pytest.mark.parametrize(("operations", "result"), [row[1:] for row in RESULTS], ids=[row[0] for row in RESULTS])
def test_a_patch_makes_of_a_user(operations: list[dict[str, Any]], result: dict[str, Any], profile: Profile) -> None:
    assert patched(operations, profile=profile) == result


EMPLOYED_RESULTS = [
    ("remove an attribute", [remove(f"{E}:costCenter")], enterprise(department="R&D", manager={"value": "9"})),
    ("remove the last ones", [remove(f"{E}:{sub}") for sub in ("department", "costCenter", "manager")], ADA),
    ("remove the extension", [remove(E)], ADA),
    ("remove its schema", [remove("schemas", value=[E])], ADA),
    ("name other schemas", [replace("schemas", [urns.USER])], EMPLOYED),
    ("a schema gone and back", [remove(E), add(f"{E}:department", "X")], enterprise(department="X")),
    ("add to the extension", [add(E, {"division": "D"})], {**EMPLOYED, E: {**EMPLOYED[E], "division": "D"}}),
    (
        "replace the manager",
        [replace(f"{E}:manager", {"value": "8"})],
        {**EMPLOYED, E: {**EMPLOYED[E], "manager": {"value": "8"}}},
    ),
    (
        "replace by URI",
        [replace(f"{E}:manager", {"$ref": "../Users/8"})],
        {**EMPLOYED, E: {**EMPLOYED[E], "manager": {"value": "8"}}},
    ),
    (
        "replace the URI",
        [replace(f"{E}:manager.$ref", "../Users/8")],
        {**EMPLOYED, E: {**EMPLOYED[E], "manager": {"value": "8"}}},
    ),
    ("empty the manager", [replace(f"{E}:manager", {"value": ""})], {**EMPLOYED, E: without(EMPLOYED[E], "manager")}),
    (
        "remove that manager",
        [remove(f"{E}:manager", value={"value": "9"})],
        {**EMPLOYED, E: without(EMPLOYED[E], "manager")},
    ),
    ("remove another manager", [remove(f"{E}:manager", value={"value": "8"})], EMPLOYED),
    ("remove a manager of other case", [remove(f"{E}:manager.value", value="9 ")], EMPLOYED),
]


@BOTH
@pytest.mark.parametrize(
    ("operations", "result"), [row[1:] for row in EMPLOYED_RESULTS], ids=[row[0] for row in EMPLOYED_RESULTS]
)
def test_a_patch_makes_of_an_employee(
    operations: list[dict[str, Any]], result: dict[str, Any], profile: Profile
) -> None:
    assert patched(operations, EMPLOYED, profile=profile) == result


ERRORS: list[tuple[dict[str, Any], type[ScimError]]] = [
    # paths
    (add("nosuch", "x"), InvalidPathError),
    (add("name.nosuch", "x"), InvalidPathError),
    (add("emails.", "x"), InvalidPathError),
    (add("emails/0", "x"), InvalidPathError),
    (add("emails[0]", "x"), InvalidFilterError),
    (add("userName.value", "x"), InvalidPathError),
    (add("urn:example:x:title", "x"), InvalidPathError),
    (add(f"{E}:title", "x"), InvalidPathError),
    (add("display name", "x"), InvalidPathError),
    (remove("nosuch"), InvalidPathError),
    (remove('emails[type eq "work"].nosuch'), InvalidPathError),
    (remove("emails[nosuch pr]"), InvalidFilterError),
    (remove("emails[type eq 'work']"), InvalidFilterError),
    (remove("emails[primary gt true]"), InvalidFilterError),
    (remove('name[givenName eq "Ada"]'), InvalidFilterError),
    (replace('userName[value eq "ada"]', "x"), InvalidFilterError),
    (replace('password[value eq "ada"]', "x"), InvalidFilterError),
    (replace('userName eq "ada"', "x"), InvalidFilterError),
    (replace('emails.type[value eq "x"].display', "x"), InvalidFilterError),
    (replace('emails.value[type eq "work"]', "x"), InvalidFilterError),
    # values
    (add("title", 1), InvalidValueError),
    (add("title", ["x", "y"]), InvalidValueError),
    (add("title", {"value": "x"}), InvalidValueError),
    (add("active", "yes"), InvalidValueError),
    (add("name", 1), InvalidValueError),
    (add("emails", 1), InvalidValueError),
    (add("emails", [1]), InvalidValueError),
    (add("emails", [{"value": 1}]), InvalidValueError),
    (add("emails", [{"primary": "yes"}]), InvalidValueError),
    (replace("emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]), InvalidValueError),
    (add("emails", [{"value": "a", "primary": True}, {"value": "b", "primary": True}]), InvalidValueError),
    (replace("emails[value pr].primary", True), InvalidValueError),
    (replace('emails[type eq "work"].value', ["a", "b"]), InvalidValueError),
    (replace("profileUrl", "no uri"), InvalidValueError),
    (add(None, "x"), InvalidValueError),
    (add(None, None), InvalidValueError),
    (replace(None, [{"title": "x"}]), InvalidValueError),
    (add(E, "x"), InvalidValueError),
    (add("name", {"givenName": "a", "GIVENNAME": "b"}), InvalidSyntaxError),
    (add("emails", [{"value": "a", "Value": "b"}]), InvalidSyntaxError),
    # what is required or read-only
    (remove("userName"), MutabilityError),
    (remove("userName", value="ADA"), MutabilityError),
    (replace("userName", None), MutabilityError),
    (replace(None, {"userName": None}), MutabilityError),
    (remove("id"), MutabilityError),
    (replace("id", "2"), MutabilityError),
    (add("meta", {"version": "x"}), MutabilityError),
    (replace("meta.created", "2024-01-01T00:00:00Z"), MutabilityError),
    (add("groups", [{"value": "1"}]), MutabilityError),
    (replace("groups", []), MutabilityError),
    (remove("groups"), MutabilityError),
    (remove('groups[value eq "1"]'), MutabilityError),
    (replace(f"{E}:manager.displayName", "x"), MutabilityError),
    (remove("schemas"), MutabilityError),
    (remove("schemas", value=[urns.USER]), MutabilityError),
]


@BOTH
@pytest.mark.parametrize(("operation", "error"), ERRORS)
def test_a_patch_that_cannot_be_carried_out_is_refused(
    operation: dict[str, Any], error: type[ScimError], profile: Profile
) -> None:
    with pytest.raises(error) as caught:
        apply([operation], profile=profile)
    assert caught.type is error
    assert caught.value.status == 400


@BOTH
def test_one_failing_operation_undoes_the_others(profile: Profile) -> None:
    before = repr(ADA)
    operations = [add("title", "Boss"), remove("emails"), add(f"{E}:department", "X"), remove("userName")]
    with pytest.raises(MutabilityError):
        apply(operations, profile=profile)
    assert repr(ADA) == before


@BOTH
def test_removing_what_is_required_fails_even_if_a_later_operation_sets_it(profile: Profile) -> None:
    with pytest.raises(MutabilityError):
        apply([remove("userName"), add("userName", "eve")], profile=profile)


def test_a_password_is_set_apart_and_never_part_of_the_result() -> None:
    for operation in (add("password", "s3cret"), replace("password", "s3cret"), replace(None, {"PASSWORD": "s3cret"})):
        result = apply([operation])
        assert result.resource == ADA
        assert result.private == {"password": "s3cret"}
    for operation in (remove("password"), replace("password", None)):
        assert apply([operation]).private == {"password": None}
    assert apply([add("password", None)]).private == {}
    assert apply([add("title", "x")]).private == {}


def test_the_attributes_that_operations_name_are_told() -> None:
    result = apply([add("Name.givenName", "x"), replace(None, {f"{E}:department": "D", "nosuch": 1})])
    assert list(result.named) == ["name", f"{E}:department"]


@BOTH
def test_what_a_tenant_refuses_as_unknown_is_refused_in_values_as_well(profile: Profile) -> None:
    for operation in (
        add(None, {"nosuch": 1}),
        add(None, {"urn:example:x": {}}),
        add("name", {"nosuch": 1}),
        add(E, {"nosuch": 1}),
    ):
        with pytest.raises(InvalidSyntaxError, match="nosuch|urn:example:x"):
            apply([operation], profile=profile, refuse_unknown=True)


VAULT = build_registry(
    [
        {
            "id": "urn:example:vault",
            "attributes": [
                {"name": "serial", "mutability": "immutable"},
                {"name": "marks", "multiValued": True, "mutability": "immutable"},
                {"name": "tags", "multiValued": True},
                {"name": "days", "multiValued": True, "type": "dateTime"},
                {"name": "needed", "multiValued": True, "required": True},
                {
                    "name": "box",
                    "type": "complex",
                    "subAttributes": [
                        {"name": "code", "required": True},
                        {"name": "size", "type": "integer"},
                        {"name": "seal", "mutability": "immutable"},
                    ],
                },
                {
                    "name": "keys",
                    "type": "complex",
                    "multiValued": True,
                    "subAttributes": [
                        {"name": "value", "required": True},
                        {"name": "type"},
                        {"name": "maker", "mutability": "immutable"},
                    ],
                },
            ],
        },
        {"name": "Vault", "endpoint": "/Vaults", "schema": "urn:example:vault"},
    ]
).by_name["Vault"]
FULL: dict[str, Any] = {
    "schemas": ["urn:example:vault"],
    "serial": "1",
    "marks": ["a"],
    "tags": ["Red", "blue"],
    "days": ["2024-01-01T00:00:00Z"],
    "needed": ["n"],
    "box": {"code": "c", "size": 1, "seal": "s"},
    "keys": [{"value": "k", "type": "t", "maker": "m"}],
}
BARE: dict[str, Any] = {"schemas": ["urn:example:vault"], "needed": ["n"]}

VAULT_RESULTS = [
    # immutable: set while there is no value, the same value is no change
    (BARE, add("serial", "1"), {**BARE, "serial": "1"}),
    (BARE, replace("serial", "1"), {**BARE, "serial": "1"}),
    (FULL, add("serial", "1"), FULL),
    (FULL, replace("serial", "1"), FULL),
    (FULL, add("marks", ["a"]), FULL),
    (BARE, add("marks", ["a", "b"]), {**BARE, "marks": ["a", "b"]}),
    (BARE, remove("serial"), BARE),
    (FULL, replace("box", {"seal": "s", "size": 2}), {**FULL, "box": {**FULL["box"], "size": 2}}),
    (BARE, add("box", {"code": "c", "seal": "s"}), {**BARE, "box": {"code": "c", "seal": "s"}}),
    (FULL, replace('keys[value eq "k"].type', "u"), {**FULL, "keys": [{"value": "k", "type": "u", "maker": "m"}]}),
    (FULL, remove('keys[value eq "k"]'), without(FULL, "keys")),
    # simple multi-valued attributes
    (FULL, add("tags", "green"), {**FULL, "tags": ["Red", "blue", "green"]}),
    (FULL, add("tags", ["Red", "green"]), {**FULL, "tags": ["Red", "blue", "green"]}),
    (FULL, remove('tags[value eq "RED"]'), {**FULL, "tags": ["blue"]}),
    (FULL, remove('tags eq "RED"'), {**FULL, "tags": ["blue"]}),
    (FULL, remove("tags", value=["RED"]), {**FULL, "tags": ["blue"]}),
    (FULL, remove("tags", value="red"), {**FULL, "tags": ["blue"]}),
    (FULL, remove("tags", value=[1, None, {}, "green"]), FULL),
    (FULL, replace('tags[value eq "red"]', "Green"), {**FULL, "tags": ["Green", "blue"]}),
    (FULL, replace('tags[value sw "b" or value sw "r"]', "x"), {**FULL, "tags": ["x"]}),
    (FULL, replace("tags", ["x", "x"]), {**FULL, "tags": ["x"]}),
    (FULL, remove("tags"), without(FULL, "tags")),
    (FULL, remove("days", value=["2024-01-01T01:00:00+01:00"]), without(FULL, "days")),
    (FULL, remove("days", value=["yesterday", 1]), FULL),
    (FULL, remove('days[value lt "2025-01-01T00:00:00Z"]'), without(FULL, "days")),
]


@BOTH
@pytest.mark.parametrize(("resource", "operation", "result"), VAULT_RESULTS)
def test_a_patch_follows_the_characteristics_of_a_custom_schema(
    resource: dict[str, Any], operation: dict[str, Any], result: dict[str, Any], profile: Profile
) -> None:
    assert patched([operation], resource, profile=profile, kind=VAULT) == result


@BOTH
@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (add("serial", "2"), MutabilityError),
        (replace("serial", "2"), MutabilityError),
        (replace("serial", None), MutabilityError),
        (remove("serial"), MutabilityError),
        (add("marks", ["b"]), MutabilityError),
        (replace("marks", ["b"]), MutabilityError),
        (remove("marks"), MutabilityError),
        (remove('marks[value eq "a"]'), MutabilityError),
        (replace("box.seal", "t"), MutabilityError),
        (replace("box", {"seal": "t"}), MutabilityError),
        (remove("box.seal"), MutabilityError),
        (replace("box", {"seal": None}), MutabilityError),
        (remove("box.code"), MutabilityError),
        (replace("box.code", None), MutabilityError),
        (replace("box", {"code": None}), MutabilityError),
        (replace("box", {"code": None, "size": 2}), MutabilityError),
        (replace('keys[value eq "k"].maker', "n"), MutabilityError),
        (add("keys", [{"value": "k", "type": "t", "maker": "n"}]), MutabilityError),
        (remove('keys[value eq "k"].maker'), MutabilityError),
        (remove('keys[value eq "k"].value'), MutabilityError),
        (replace('keys[value eq "k"]', {"value": "k"}), MutabilityError),
        (remove("needed"), MutabilityError),
        (remove('needed[value eq "n"]'), MutabilityError),
        (replace("needed", []), MutabilityError),
        (add("keys", [{"type": "t"}]), InvalidValueError),
        (add("tags", [1]), InvalidValueError),
        (add("days", ["yesterday"]), InvalidValueError),
        (replace('tags[value eq "none"]', "x"), NoTargetError),
    ],
)
def test_what_a_custom_schema_forbids_is_refused(
    operation: dict[str, Any], error: type[ScimError], profile: Profile
) -> None:
    with pytest.raises(error):
        apply([operation], FULL, profile=profile, kind=VAULT)
