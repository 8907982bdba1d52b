"""Scopes as text: what they ask for, and that they cut down what a client may do and never add to it."""

from itertools import product

import pytest

from headcount.scim.errors import InvalidValueError
from headcount.scim.narrowing import check_wanted, narrowed, spelled, wanted_of
from headcount.scim.registry import GROUP, USER, build_registry
from headcount.scim.scopes import Operation, Permissions, Scope

ALL = frozenset(Operation)
READ, CREATE, UPDATE, DELETE = Operation
REGISTRY = build_registry()


def only(*operations):
    return frozenset(operations)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        (" ", {}),
        ("User", {"User": ALL}),
        ("User:read", {"User": only(READ)}),
        ("User:read User:create", {"User": only(READ, CREATE)}),
        ("User:read User", {"User": ALL}),
        ("User:read Group", {"User": only(READ), "Group": ALL}),
        ("*", {"*": ALL}),
        ("*:read  User:delete", {"*": only(READ), "User": only(DELETE)}),
    ],
)
def test_a_scope_is_read(text, wanted):
    assert wanted_of(text) == wanted


@pytest.mark.parametrize(
    "text", ["User:", ":read", ":", "User:write", "User:READ", "User:read:write", "User:read,create", "x" * 1001]
)
def test_what_is_no_scope_is_refused(text):
    with pytest.raises(InvalidValueError):
        wanted_of(text)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("", ""),
        ("User", "User"),
        ("User:create User:read", "User:create User:read"),
        ("User:read User", "User"),
        ("*:read", "*:read"),
    ],
)
def test_a_scope_is_spelled_as_it_is_read(text, spelling):
    assert spelled(wanted_of(text)) == spelling
    assert wanted_of(spelling) == wanted_of(text)


def allowed(scopes):
    """(type, operation) pairs that the scopes let through, as everything else asks them."""
    permissions = Permissions(tuple(scopes), REGISTRY)
    return {(kind.name, operation) for kind in (USER, GROUP) for operation in permissions.of(kind).operations}


def everything(*types):
    return {(name, operation) for name in types for operation in Operation}


UNRESTRICTED = ()
READER = (Scope("*", only(READ)),)
USERS = (Scope("User"),)
MIXED = (Scope("*", only(READ)), Scope("User", only(READ, UPDATE)))


@pytest.mark.parametrize(
    ("scopes", "text", "left"),
    [
        (UNRESTRICTED, "", everything("User", "Group")),
        (UNRESTRICTED, "User", everything("User")),
        (UNRESTRICTED, "*:read", {("User", READ), ("Group", READ)}),
        (UNRESTRICTED, "*:read User:create", {("User", READ), ("User", CREATE), ("Group", READ)}),
        (READER, "User", {("User", READ)}),
        (READER, "User:create", set()),
        (READER, "*", {("User", READ), ("Group", READ)}),
        (USERS, "Group", set()),
        (USERS, "*:read", {("User", READ)}),
        (USERS, "User:read Group:read", {("User", READ)}),
        (MIXED, "", {("User", READ), ("User", UPDATE), ("Group", READ)}),
        (MIXED, "User:update", {("User", UPDATE)}),
        (MIXED, "Group", {("Group", READ)}),
        (MIXED, "*:update", {("User", UPDATE)}),
        (MIXED, "*", {("User", READ), ("User", UPDATE), ("Group", READ)}),
    ],
)
def test_a_scope_cuts_down(scopes, text, left):
    assert allowed(narrowed(scopes, wanted_of(text))) == left


@pytest.mark.parametrize("scopes", [UNRESTRICTED, READER, USERS, MIXED, (*USERS, Scope("Group", only(DELETE)))])
def test_no_scope_adds_anything(scopes):
    values = [
        f"{name}{suffix}" for name in ("*", "User", "Group") for suffix in ("", *(f":{item}" for item in Operation))
    ]
    for one, other in product(["", *values], values):
        assert allowed(narrowed(scopes, wanted_of(f"{one} {other}"))) <= allowed(scopes)


def test_attributes_and_filters_of_a_scope_stay():
    scope = Scope("*", readable=("userName",), writable=("title",), filter='userName sw "a"')
    users = Permissions(narrowed((scope,), wanted_of("User:read")), REGISTRY).of(USER)
    assert users.operations == only(READ)
    assert not users.admits({"userName": "bob"})
    assert users.admits({"userName": "ada"})


def test_a_filter_for_any_type_still_closes_a_type_that_it_cannot_be_read_for():
    scopes = (Scope("*", filter='userName sw "a"'),)
    groups = Permissions(narrowed(scopes, wanted_of("Group")), REGISTRY).of(GROUP)
    assert groups.operations == frozenset()
    assert not groups.admits({"displayName": "a"})


@pytest.mark.parametrize(
    ("scopes", "text"),
    [
        (UNRESTRICTED, "Robot"),
        (UNRESTRICTED, "User Robot:read"),
        (USERS, "Group"),
        (READER, "User:delete"),
        (USERS, "User Group:read"),
    ],
)
def test_a_scope_that_names_what_is_not_or_is_not_allowed_is_refused(scopes, text):
    with pytest.raises(InvalidValueError):
        check_wanted(wanted_of(text), scopes, REGISTRY)


@pytest.mark.parametrize(
    ("scopes", "text"),
    [(UNRESTRICTED, "User Group:read *"), (USERS, "*"), (READER, "User"), (MIXED, "User:update Group")],
)
def test_a_scope_that_leaves_something_is_taken(scopes, text):
    check_wanted(wanted_of(text), scopes, REGISTRY)
