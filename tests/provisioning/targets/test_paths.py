"""Attribute paths in resources whose schemas are not known."""

import pytest

from headcount.provisioning.targets.paths import holds, satisfies, values_at, written

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
ADA = {
    "id": "a1",
    "externalId": "E1",
    "userName": "Ada@Example.com",
    "name": {"givenName": "Ada"},
    "emails": [{"type": "work", "value": "ada@example.com"}, {"type": "home", "value": "a@home.example"}],
    ENTERPRISE: {"department": "Maths", "manager": {"value": "b2"}},
    "active": True,
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("userName", ["Ada@Example.com"]),
        ("USERNAME", ["Ada@Example.com"]),
        ("name.givenName", ["Ada"]),
        ("emails.value", ["ada@example.com", "a@home.example"]),
        ('emails[type eq "home"].value', ["a@home.example"]),
        (f"{ENTERPRISE}:department", ["Maths"]),
        (f"{ENTERPRISE}:manager.value", ["b2"]),
        ("urn:ietf:params:scim:schemas:core:2.0:User:userName", ["Ada@Example.com"]),
        (ENTERPRISE, [ADA[ENTERPRISE]]),
        ("title", []),
        ("title.value", []),
        ("urn:example:other:thing", []),
    ],
)
def test_a_path_names_values(path, values):
    assert values_at(ADA, path) == values


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("userName", "ada@example.com", True),
        ("externalId", "E1", True),
        ("externalId", "e1", False),
        ("id", "A1", False),
        ("emails.value", "A@HOME.example", True),
        ("userName", "ada", False),
        ("title", "", False),
        ("active", True, True),
        ("active", 1, False),
    ],
)
def test_a_resource_satisfies_what_it_has_itself(path, value, expected):
    assert satisfies(ADA, path, value) is expected


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("userName", "b@example.com"),
        ("name.familyName", "Lovelace"),
        ('emails[type eq "work"].value', "b@example.com"),
        ('emails[type eq "other"].value', "o@example.com"),
        (f"{ENTERPRISE}:department", "IT"),
        (f"{ENTERPRISE}:manager", {"value": "c3"}),
        ("title", None),
        ("name.givenName", None),
        ('emails[type eq "work"].value', None),
        (f"{ENTERPRISE}:department", None),
    ],
)
def test_what_is_written_is_there_and_nothing_else_has_changed(path, value):
    after = written(ADA, path, value)

    assert holds(after, path, value)
    assert values_at(after, 'emails[type eq "home"].value') == ["a@home.example"]
    assert ADA["name"] == {"givenName": "Ada"}


def test_a_path_that_names_no_one_element_is_refused():
    with pytest.raises(ValueError, match="eq"):
        values_at(ADA, 'emails[value co "ada"].value')
