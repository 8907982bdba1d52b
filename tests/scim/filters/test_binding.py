"""Names and literals against the schema: RFC 7644 §3.4.2.2 and Table 3."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.binding import (
    BoundAnd,
    BoundComparison,
    BoundConstant,
    BoundNot,
    BoundPresence,
    BoundValuePath,
    bind_filter,
    unknown_paths,
)
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.filters.syntax import Operator
from headcount.scim.profiles import STRICT, TOLERANT, Profile
from headcount.scim.registry import GROUP, USER, ResourceType, build_registry

E = urns.ENTERPRISE_USER
TYPES = ("string", "boolean", "decimal", "integer", "dateTime", "binary", "reference")
ALL = build_registry(
    [
        {
            "id": "urn:example:all",
            "attributes": [
                *({"name": f"a{kind}", "type": kind} for kind in TYPES),
                {"name": "exact", "caseExact": True},
                {"name": "tags", "multiValued": True},
                {"name": "secret", "returned": "never"},
                {
                    "name": "box",
                    "type": "complex",
                    "subAttributes": [{"name": "code", "returned": "never"}, {"name": "size", "type": "integer"}],
                },
            ],
        },
        {"name": "All", "endpoint": "/Alls", "schema": "urn:example:all"},
    ]
).by_name["All"]
LITERALS = {
    "string": '"x"',
    "boolean": "true",
    "decimal": "1.5",
    "integer": "7",
    "dateTime": '"2024-01-01T00:00:00Z"',
    "binary": '"TWFu"',
    "reference": '"https://example.com/a"',
}
EQUALITY, TEXT, ORDER = {"eq", "ne"}, {"co", "sw", "ew"}, {"gt", "ge", "lt", "le"}
ALLOWED = {
    "string": EQUALITY | TEXT | ORDER,
    "boolean": EQUALITY,
    "decimal": EQUALITY | ORDER,
    "integer": EQUALITY | ORDER,
    "dateTime": EQUALITY | ORDER,
    "binary": EQUALITY,
    "reference": EQUALITY | TEXT,
}
PAIRS = [(kind, operator.value) for kind in TYPES for operator in Operator]


def bind(text: str, kind: ResourceType = USER, profile: Profile = STRICT, **options: bool) -> Any:
    return bind_filter(parse_filter(text), kind, profile, **options)


@pytest.mark.parametrize(("kind", "operator"), [pair for pair in PAIRS if pair[1] in ALLOWED[pair[0]]])
def test_an_operator_that_the_type_has_is_bound(kind: str, operator: str) -> None:
    bound = bind(f"a{kind} {operator} {LITERALS[kind]}", ALL)
    inner = bound.operand if operator == "ne" else bound
    assert isinstance(inner, BoundComparison)
    assert isinstance(bound, BoundNot) is (operator == "ne")
    assert inner.operator == ("eq" if operator == "ne" else operator)
    assert str(inner.path) == f"a{kind}"


@pytest.mark.parametrize(("kind", "operator"), [pair for pair in PAIRS if pair[1] not in ALLOWED[pair[0]]])
def test_an_operator_that_the_type_lacks_is_refused_by_name(kind: str, operator: str) -> None:
    with pytest.raises(InvalidFilterError, match=f"'{operator}'.*'a{kind}'"):
        bind(f"a{kind} {operator} {LITERALS[kind]}", ALL, TOLERANT)


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_can_be_present_or_compared_with_null(kind: str) -> None:
    present = bind(f"a{kind} pr", ALL)
    assert isinstance(present, BoundPresence)
    assert bind(f"a{kind} ne null", ALL) == present
    assert bind(f"a{kind} eq null", ALL) == BoundNot(present)


@pytest.mark.parametrize("operator", sorted(TEXT | ORDER))
def test_null_has_no_order_and_no_letters(operator: str) -> None:
    for path in ("astring", "nosuch"):
        with pytest.raises(InvalidFilterError, match="null"):
            bind(f"{path} {operator} null", ALL, unknown_is_absent=True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('astring eq "STRASSE"', "strasse"),
        ('exact eq "STRASSE"', "STRASSE"),
        ('adateTime gt "2024-01-01T01:00:00+01:00"', "2024-01-01T00:00:00.000000Z"),
        ("adecimal eq 1", 1),
        ("ainteger eq 1.0", 1.0),
        ('abinary eq "TWFu"', "TWFu"),
        ('areference eq "HTTP://X"', "HTTP://X"),
        ("aboolean eq false", False),
    ],
)
def test_a_literal_is_brought_into_the_form_that_values_are_compared_in(text: str, value: object) -> None:
    assert bind(text, ALL).value == value


@pytest.mark.parametrize(
    "text",
    [
        "astring eq 1",
        "astring eq true",
        "astring eq True",
        'aboolean eq "x"',
        "aboolean eq 1",
        'aboolean eq ""',
        'adecimal eq "1"',
        "adecimal eq true",
        'ainteger eq "1"',
        "ainteger eq False",
        "adateTime eq 1",
        'adateTime gt "yesterday"',
        'adateTime eq "2024-01-01"',
        'adateTime eq "9999-12-31T24:00:00Z"',
        "abinary eq 1",
        "areference eq null and areference eq 1",
        "exact eq True",
        "tags[value eq 1]",
        "tags co true",
    ],
)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT])
def test_a_literal_of_another_type_is_refused(text: str, profile: Profile) -> None:
    with pytest.raises(InvalidFilterError):
        bind(text, ALL, profile)


@pytest.mark.parametrize("text", ['"true"', '"True"', '"TRUE"', "True"])
def test_string_booleans_are_taken_by_the_tolerant_profile_only(text: str) -> None:
    assert bind(f"active eq {text}", profile=TOLERANT) == bind("active eq true")
    assert bind(f"emails[primary eq {text}]", profile=TOLERANT) == bind("emails[primary eq true]")
    with pytest.raises(InvalidFilterError, match="'active' is a boolean"):
        bind(f"active eq {text}")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("USERNAME pr", "userName"),
        ("Name.GIVENNAME pr", "name.givenName"),
        (f"{urns.USER.upper()}:name.familyName pr", "name.familyName"),
        (f"{E}:employeeNumber pr", f"{E}:employeeNumber"),
        (f"{E.lower()}:MANAGER.value pr", f"{E}:manager.value"),
        ("id pr", "id"),
        ("externalid pr", "externalId"),
        ("schemas pr", "schemas"),
        ("meta.lastmodified pr", "meta.lastModified"),
        (f"{urns.USER}:id pr", "id"),
        ("groups.$ref pr", "groups.$ref"),
    ],
)
def test_names_are_found_in_any_case_and_qualified_or_not(text: str, path: str) -> None:
    assert str(bind(text).path) == path


UNKNOWN = (
    "nosuch",
    "name.nosuch",
    "userName.value",
    "name.givenName.x",
    f"{urns.USER}:nosuch",
    f"{urns.GROUP}:displayName",
    f"{E}:userName",
    "urn:example:nosuch:userName",
    E,
    urns.USER,
    "emails.",
    "userName:x",
)


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("form", ["{} pr", '{} eq "x"', "{} eq null", "not ({} pr)", 'userName eq "a" or {} pr'])
def test_an_unknown_attribute_is_refused_by_name_wherever_it_stands(name: str, form: str) -> None:
    with pytest.raises(InvalidFilterError) as caught:
        bind(form.format(name))
    assert f"'{name}'" in caught.value.detail


def test_an_unknown_sub_attribute_in_brackets_is_refused_by_name() -> None:
    for text in ("emails[nosuch pr]", "not (emails[not (nosuch pr)])", "emails[emails.type pr]"):
        with pytest.raises(InvalidFilterError, match="nosuch|emails.type"):
            bind(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("nosuch pr", False),
        ('nosuch eq "x"', False),
        ('nosuch co "x"', False),
        ("nosuch gt 1", False),
        ('nosuch ne "x"', True),
        ("nosuch eq null", True),
        ("nosuch ne null", False),
        ('nosuch[a eq "x"]', False),
    ],
)
def test_in_a_search_over_several_types_an_unknown_attribute_has_no_value(text: str, value: bool) -> None:
    assert bind(text, unknown_is_absent=True) == BoundConstant(value)
    assert bind(f"not ({text})", unknown_is_absent=True) == BoundNot(BoundConstant(value))


def test_unknown_paths_are_found_wherever_they_stand() -> None:
    parsed = parse_filter(f'a pr and (userName eq "x" or not (b.c pr)) or d[e pr] or emails[nosuch pr] or {E}:f pr')
    assert unknown_paths(parsed, USER, STRICT) == {"a", "b.c", "d", f"{E}:f"}
    assert unknown_paths(parse_filter("department pr"), USER, STRICT) == {"department"}
    assert unknown_paths(parse_filter("department pr"), USER, TOLERANT) == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "password pr",
        'password eq "x"',
        'password ne "x"',
        "password eq null",
        'not (password sw "a")',
        "PASSWORD pr",
        f"{urns.USER}:password pr",
    ],
)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT])
def test_a_password_cannot_be_guessed_by_filters(text: str, profile: Profile) -> None:
    with pytest.raises(InvalidFilterError, match="cannot be filtered by"):
        bind(text, profile=profile)


def test_what_is_never_returned_cannot_be_filtered_by_in_other_schemas_either() -> None:
    for text in ("secret pr", 'box.code eq "1"', 'urn:example:all:box.code sw "1"'):
        with pytest.raises(InvalidFilterError, match="cannot be filtered by"):
            bind(text, ALL)


@pytest.mark.parametrize("text", ['name eq "x"', 'name co "x"', 'meta eq "x"', 'addresses eq "x"', "box gt 1"])
@pytest.mark.parametrize("profile", [STRICT, TOLERANT])
def test_a_complex_attribute_without_a_value_needs_a_sub_attribute(text: str, profile: Profile) -> None:
    kind = ALL if text.startswith("box") else USER
    with pytest.raises(InvalidFilterError, match="complex"):
        bind(text, kind, profile)


def test_a_multi_valued_complex_attribute_stands_for_its_value() -> None:
    assert bind('emails co "x"') == bind('emails.value co "x"')
    assert bind('members eq "1"', GROUP) == bind('members.value eq "1"', GROUP)
    with pytest.raises(InvalidFilterError):
        bind("emails co 1")


def test_a_singular_complex_attribute_stands_for_its_value_in_the_tolerant_profile_only() -> None:
    expected = bind(f'{E}:manager.value eq "9"')
    assert bind(f'{E}:manager eq "9"', profile=TOLERANT) == expected
    assert bind('manager eq "9"', profile=TOLERANT) == expected
    with pytest.raises(InvalidFilterError, match="complex"):
        bind(f'{E}:manager eq "9"')


def test_extension_attributes_are_named_bare_in_the_tolerant_profile_only() -> None:
    assert bind('department eq "x"', profile=TOLERANT) == bind(f'{E}:department eq "x"')
    with pytest.raises(InvalidFilterError, match="'department'"):
        bind('department eq "x"')


def test_presence_of_a_complex_attribute_is_presence_of_any_of_its_parts() -> None:
    assert str(bind("name pr").path) == "name"
    assert str(bind("emails pr").path) == "emails"


@pytest.mark.parametrize(
    "text", ["name[givenName pr]", 'userName[value eq "x"]', "emails.type[value pr]", f"{E}:manager[value pr]"]
)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT])
def test_brackets_need_a_multi_valued_attribute(text: str, profile: Profile) -> None:
    with pytest.raises(InvalidFilterError, match="not multi-valued"):
        bind(text, profile=profile)


def test_a_value_path_is_bound_to_one_element() -> None:
    bound = bind('EMAILS[Type eq "WORK" and value co "@X"]')
    assert isinstance(bound, BoundValuePath)
    assert isinstance(bound.filter, BoundAnd)
    assert [(str(term.path), term.value) for term in bound.filter.operands] == [
        ("emails.type", "work"),
        ("emails.value", "@x"),
    ]


def test_elements_of_a_simple_attribute_are_called_value() -> None:
    bound = bind('tags[value eq "A" or not (VALUE sw "b")]', ALL)
    assert isinstance(bound, BoundValuePath)
    assert {str(term) for term in (bound.filter.operands[0].path, bound.filter.operands[1].operand.path)} == {"tags"}
    with pytest.raises(InvalidFilterError, match="'type'"):
        bind("tags[type pr]", ALL)
