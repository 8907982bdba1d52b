"""The decision itself, as tables: every combination of operations, attributes read and written, fence and type."""

from itertools import combinations, product

import pytest

from headcount.scim.errors import InvalidValueError
from headcount.scim.paths import BoundPath, bind_path
from headcount.scim.registry import GROUP, USER, build_registry
from headcount.scim.scopes import (
    UNRESTRICTED,
    Operation,
    Permission,
    Permissions,
    Scope,
    check_scopes,
    scopes_of,
    with_secrets,
)
from headcount.scim.urns import ENTERPRISE_USER as E

REGISTRY = build_registry()
OPERATIONS = [frozenset(some) for size in range(1, 5) for some in combinations(Operation, size)]
LISTS = [(), ("title",), ("title", "name.givenName"), (E,), ("emails.value", f"{E}:manager.value")]
FILTERS = ["", 'title eq "in"']
TYPES = ["User", "*"]
PATHS = [
    "title",
    "userName",
    "name",
    "name.givenName",
    "emails",
    "emails.value",
    "emails.type",
    f"{E}:department",
    f"{E}:manager",
    f"{E}:manager.value",
]
INSIDE, OUTSIDE = {"title": "in"}, {"title": "out"}


def path_of(text: str) -> BoundPath:
    path = bind_path(text, USER)
    assert path is not None
    return path


def permission(*scopes: Scope) -> Permission:
    return Permissions(scopes, REGISTRY).of(USER)


def names(listed: tuple[str, ...], text: str) -> bool:
    """What a list of paths means: itself and everything below it."""
    return not listed or any(text == item or text.startswith((item + ".", item + ":")) for item in listed)


@pytest.mark.parametrize("operations", OPERATIONS, ids=lambda some: "+".join(sorted(some)))
@pytest.mark.parametrize("readable", LISTS, ids=str)
@pytest.mark.parametrize("writable", LISTS, ids=str)
def test_every_combination_means_what_it_says(
    operations: frozenset[Operation], readable: tuple[str, ...], writable: tuple[str, ...]
) -> None:
    for text, kind in product(FILTERS, TYPES):
        decided = permission(Scope(kind, operations, readable, writable, text))
        assert {operation for operation in Operation if decided.may(operation)} == operations
        for path in PATHS:
            bound = path_of(path)
            hidden = path.startswith(f"{E}:manager") and path != f"{E}:manager.value" and bool(text or readable)
            wanted = Operation.READ in operations and names(readable, path) and not hidden
            assert decided.may_read(bound) == decided.may_search(bound) == wanted, path
            assert decided.may_write(bound) == names(writable, path), path
        assert decided.admits(INSIDE)
        assert decided.admits(OUTSIDE) == (not text)


def test_without_scopes_everything_is_allowed() -> None:
    decided = UNRESTRICTED.of(USER)
    assert all(map(decided.may, Operation))
    assert all(decided.may_read(path_of(path)) and decided.may_write(path_of(path)) for path in PATHS)
    assert decided.shown is None
    assert UNRESTRICTED.key == ""


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ([Scope("User")], True),
        ([Scope("*")], True),
        ([Scope("Group")], False),
        ([Scope("*"), Scope("User", frozenset({Operation.READ}))], False),
        ([Scope("User"), Scope("*", frozenset({Operation.READ}))], True),
    ],
)
def test_the_scope_of_a_type_goes_before_the_one_for_any(scopes: list[Scope], allowed: bool) -> None:
    assert permission(*scopes).may(Operation.DELETE) is allowed


def test_a_scope_for_any_type_that_cannot_be_read_for_one_closes_it() -> None:
    permissions = Permissions((Scope("*", filter='userName eq "ada"'),), REGISTRY)
    group = permissions.of(GROUP)
    assert not any(map(group.may, Operation))
    assert not group.admits({"displayName": "ada"})
    assert permissions.of(USER).admits({"userName": "Ada"})


WRITES = Permission(
    USER,
    readable=None,
    writable=permission(
        Scope("User", writable=("title", "name.givenName", "emails.value", f"{E}:department"))
    ).writable,
)
NAME = {"givenName": "A", "familyName": "L"}
MAILS = [{"value": "a@b", "type": "work"}]


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        ({}, {}, None),
        ({"userName": "a"}, {"userName": "a"}, None),
        ({"title": "a"}, {"title": "b"}, None),
        ({"title": "a"}, {}, None),
        ({}, {"title": "b"}, None),
        ({"userName": "a"}, {"userName": "b"}, "userName"),
        ({"userName": "a"}, {}, "userName"),
        ({}, {"active": False}, "active"),
        ({"name": NAME}, {"name": NAME | {"givenName": "B"}}, None),
        ({"name": NAME}, {"name": {"familyName": "L"}}, None),
        ({"name": NAME}, {"name": NAME | {"familyName": "M"}}, "name"),
        ({"name": NAME}, {}, "name"),
        ({"name": {"givenName": "A"}}, {}, None),
        ({"emails": MAILS}, {"emails": [{"value": "c@d", "type": "work"}]}, None),
        ({"emails": MAILS}, {"emails": [{"value": "a@b", "type": "home"}]}, "emails"),
        ({"emails": MAILS}, {"emails": [*MAILS, {"value": "c@d"}]}, None),
        ({"emails": MAILS}, {"emails": [*MAILS, {"value": "c@d", "primary": True}]}, "emails"),
        ({"emails": MAILS}, {}, "emails"),
        ({E: {"department": "D"}}, {}, None),
        ({E: {"department": "D"}}, {E: {"department": "E"}}, None),
        ({E: {"department": "D", "costCenter": "C"}}, {E: {"department": "D"}}, f"{E}:costCenter"),
        ({}, {"password": "p"}, "password"),
        ({"id": "1", "schemas": ["a"], "meta": {}}, {"id": "1", "schemas": ["a", "b"]}, None),
    ],
)
def test_a_difference_has_to_be_within_what_is_writable(before: object, after: object, refused: str | None) -> None:
    assert WRITES.may_change(before, after) == refused  # type: ignore[arg-type]


@pytest.mark.parametrize("operations", [frozenset(Operation), frozenset(Operation) - {Operation.READ}])
@pytest.mark.parametrize(
    ("sent", "with_reading", "without"),
    [
        ({"title": "a"}, None, None),
        ({"nickName": "a"}, None, "nickName"),
        ({"userName": "a"}, "userName", "userName"),
        ({"name": {"givenName": "A"}}, None, "name"),
        ({"name": NAME}, "name", "name"),
        ({"emails": MAILS}, None, "emails"),
        ({"emails": [{"value": "a@b"}]}, None, None),
        ({E: {"costCenter": "C"}}, f"{E}:costCenter", f"{E}:costCenter"),
    ],
)
def test_a_replacement_may_hold_what_can_be_read_or_written(
    operations: frozenset[Operation], sent: object, with_reading: str | None, without: str | None
) -> None:
    scope = Scope("User", operations, ("nickName", "name.givenName", "emails.type"), ("title", "emails.value"))
    wanted = with_reading if Operation.READ in operations else without
    assert permission(scope).may_send(sent) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "sent", "kept"),
    [
        ({"userName": "a", "title": "t"}, {}, {"userName": "a"}),
        ({"userName": "a"}, {"userName": "b"}, {"userName": "b"}),
        ({"name": NAME}, {}, {"name": {"familyName": "L"}}),
        ({"name": NAME}, {"name": {"givenName": "B"}}, {"name": {"familyName": "L", "givenName": "B"}}),
        ({"name": NAME}, {"name": {"familyName": "M"}}, {"name": {"familyName": "M"}}),
        ({"emails": MAILS}, {"emails": [{"value": "a@b"}]}, {"emails": MAILS}),
        ({"emails": MAILS}, {}, {"emails": MAILS}),
        ({"emails": MAILS}, {"emails": [{"value": "c@d"}]}, {"emails": [{"value": "c@d"}]}),
        ({E: {"department": "D", "costCenter": "C"}}, {}, {E: {"costCenter": "C"}}),
    ],
)
def test_a_replacement_keeps_what_the_client_could_not_give(before: object, sent: object, kept: object) -> None:
    scope = Scope("User", readable=("emails.value",), writable=("title", "name.givenName", f"{E}:department"))
    done = permission(scope).kept(before, sent)  # type: ignore[arg-type]
    assert {name: value for name, value in done.items() if name != "schemas"} == kept
    assert (E in done["schemas"]) == (E in done)


def test_what_is_never_returned_is_judged_with_the_rest() -> None:
    whole = with_secrets({"title": "t", E: {"department": "D"}}, {"password": "p", f"{E}:pin": "1"})
    assert whole == {"title": "t", "password": "p", E: {"department": "D", "pin": "1"}}


def test_equal_scopes_have_equal_keys_and_different_ones_do_not() -> None:
    """In every process: the order of a set differs between two of them."""
    scopes = [
        Scope("User"),
        Scope("Group"),
        *(Scope("User", some) for some in OPERATIONS[:-1]),
        Scope("User", readable=("title",)),
        Scope("User", writable=("title",)),
        Scope("User", filter="title pr"),
    ]
    keys = [Permissions((scope,)).key for scope in scopes]
    assert len(set(keys)) == len(keys)
    assert Permissions((Scope("User", frozenset({Operation.UPDATE, Operation.READ})),)).key == (
        "[('User', <Operation.READ: 'read'>, <Operation.UPDATE: 'update'>, (), (), '')]"
    )


@pytest.mark.parametrize(
    ("scopes", "message"),
    [
        ([Scope("User"), Scope("User")], "There are two scopes for User; one says all."),
        ([Scope("Device")], "There is no resource type 'Device' to have a scope for."),
        ([Scope("User", readable=("nosuch",))], "There is no attribute 'nosuch' in User."),
        ([Scope("User", writable=("name.nosuch",))], "There is no attribute 'name.nosuch' in User."),
        ([Scope("User", filter="title eq")], None),
        ([Scope("User", filter='nosuch eq "a"')], None),
        ([Scope("User", filter='password eq "a"')], None),
        ([Scope("User", filter='groups.value eq "a"')], None),
        ([Scope("Group", filter='members.value eq "a"')], None),
        ([Scope("User", filter='meta.lastModified gt "2020-01-01T00:00:00Z"')], None),
        ([Scope("User", filter=f'{E}:manager.displayName eq "a"')], None),
    ],
)
def test_a_scope_that_does_not_fit_is_refused(scopes: list[Scope], message: str | None) -> None:
    with pytest.raises(InvalidValueError) as refused:
        check_scopes(scopes, REGISTRY)
    assert message is None or refused.value.detail == message
    assert refused.value.detail.endswith(".")


def test_scopes_fit_that_name_what_is_there() -> None:
    check_scopes([Scope("User", readable=("userName", E), filter=f'{E}:manager.value eq "a"'), Scope("*")], REGISTRY)


def test_a_scope_is_read_from_an_attribute_value() -> None:
    assert scopes_of(
        [{"type": "User"}, {"type": "*", "operations": ["read"], "readable": ["id"], "filter": "id pr"}]
    ) == (
        Scope("User"),
        Scope("*", frozenset({Operation.READ}), ("id",), (), "id pr"),
    )


@pytest.mark.parametrize(
    ("text", "reached"),
    [('externalId sw "a"', False), ("not (externalId pr) or title pr", False), ("title pr", True), ("", True)],
)
def test_where_no_externalid_shows_a_fence_made_of_them_closes_everything(text: str, reached: bool) -> None:
    permissions = Permissions((Scope("User", filter=text),), REGISTRY)
    whole = {"externalId": "a", "title": "x"}
    assert permissions.of(USER).admits(whole)
    assert permissions.without_external_ids.of(USER).admits(whole) is reached
