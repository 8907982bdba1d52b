"""Attribute paths bound to a resource type: RFC 7644 §3.10."""

import pytest

from headcount.scim import urns
from headcount.scim.paths import bind_path, split_urn
from headcount.scim.registry import USER, build_registry

E = urns.ENTERPRISE_USER
NESTED = build_registry(
    [
        {"id": "urn:example:a", "attributes": [{"name": "b"}]},
        {"id": "urn:example:a:b", "attributes": [{"name": "c"}]},
        {"name": "User", "schemaExtensions": [{"schema": "urn:example:a"}, {"schema": "urn:example:a:b"}]},
    ]
).by_name["User"]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("userName", "userName"),
        ("USERNAME", "userName"),
        ("name.FAMILYNAME", "name.familyName"),
        (f"{urns.USER}:userName", "userName"),
        (f"{urns.USER.upper()}:NAME.familyName", "name.familyName"),
        (f"{urns.USER}:externalId", "externalId"),
        (f"{E}:department", f"{E}:department"),
        (f"{E.upper()}:MANAGER.VALUE", f"{E}:manager.value"),
        ("meta.lastModified", "meta.lastModified"),
        ("groups.$ref", "groups.$ref"),
        ("department", None),
        (f"{urns.GROUP}:displayName", None),
        ("urn:nosuch:userName", None),
        (f"{E}:userName", None),
        (f"{urns.USER}", None),
        (f"{urns.USER}:", None),
        (f"{urns.USER}userName", None),
        ("userName.", None),
        ("userName.value", None),
        ("name.givenName.x", None),
        (".userName", None),
        ("", None),
    ],
)
def test_a_path_names_one_attribute_or_nothing(text: str, path: str | None) -> None:
    bound = bind_path(text, USER)
    assert (None if bound is None else str(bound)) == path


def test_the_target_is_what_the_whole_path_names() -> None:
    bound = bind_path("emails.primary", USER)
    assert bound is not None
    assert (bound.attribute.name, bound.target.name) == ("emails", "primary")


def test_attributes_of_extensions_are_found_by_their_bare_name_when_asked_for() -> None:
    assert str(bind_path("Department", USER, bare_extension_names=True)) == f"{E}:department"
    assert str(bind_path("manager.displayName", USER, bare_extension_names=True)) == f"{E}:manager.displayName"
    assert str(bind_path("displayName", USER, bare_extension_names=True)) == "displayName"
    assert bind_path("nosuch", USER, bare_extension_names=True) is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("urn:example:a:b", ("urn:example:a:b", "")),
        ("urn:example:a:b:c", ("urn:example:a:b", "c")),
        ("urn:example:a:d", ("urn:example:a", "d")),
        ("URN:EXAMPLE:A", ("urn:example:a", "")),
        ("urn:example:ab", (None, "urn:example:ab")),
        (f"{urns.USER}:name.givenName", (urns.USER, "name.givenName")),
        ("userName", (None, "userName")),
    ],
)
def test_the_longest_declared_urn_is_the_prefix(text: str, parts: tuple[str | None, str]) -> None:
    assert split_urn(text, NESTED) == parts
