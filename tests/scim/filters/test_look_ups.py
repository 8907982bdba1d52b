"""Look-ups bound in one step mean what the grammar and the binding make of them."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from headcount.scim import urns
from headcount.scim.definitions import ENTERPRISE_USER
from headcount.scim.errors import InvalidFilterError
from headcount.scim.filters.binding import BoundComparison, BoundFilter, bind_filter
from headcount.scim.filters.grammar import FilterLimits, parse_filter
from headcount.scim.filters.look_ups import LookUps
from headcount.scim.filters.references import with_absolute_references
from headcount.scim.filters.syntax import Operator
from headcount.scim.profiles import PROFILES, STRICT, TOLERANT, Profile
from headcount.scim.registry import GROUP, USER, ResourceType, SchemaExtension
from headcount.scim.schemas import Attribute, Schema

BASE_URL = "https://scim.example/t/acme/scim/v2"
EXTRA = "urn:example:extra:2.0:User"
LIMITS = FilterLimits(length=60)


def person_with(*attributes: Attribute) -> ResourceType:
    extension = Schema(EXTRA, "Extra", "", attributes)
    return ResourceType(
        "User", "/Users", "", USER.schema, (SchemaExtension(ENTERPRISE_USER), SchemaExtension(extension))
    )


ODD = person_with(Attribute("not"), Attribute("eq", case_exact=True), Attribute("pr", multi_valued=True))
KINDS = {"User": USER, "Group": GROUP, "with odd names": ODD}
KNOWN = {
    (name, profile.name): LookUps(kind, profile, LIMITS)
    for name, kind in KINDS.items()
    for profile in PROFILES.values()
}
"""As long-lived as in a server: what one filter leaves behind, the next one meets."""


def the_long_way(text: str, kind: ResourceType, profile: Profile, limits: FilterLimits = LIMITS) -> BoundFilter:
    return with_absolute_references(bind_filter(parse_filter(text, limits), kind, profile), BASE_URL)


paths = st.sampled_from(
    [
        "userName",
        "USERNAME",
        "externalId",
        "id",
        "displayName",
        "emails",
        "emails.value",
        "emails.type",
        "emails.primary",
        "emails.$ref",
        "name",
        "name.familyName",
        "active",
        "title",
        "password",
        "profileUrl",
        "x509Certificates.value",
        "meta",
        "meta.created",
        "meta.location",
        "groups.$ref",
        "members",
        "members.value",
        "schemas",
        "manager",
        "department",
        "manager.displayName",
        f"{urns.USER}:userName",
        f"{urns.ENTERPRISE_USER}:manager",
        f"{EXTRA}:not",
        "not",
        "eq",
        "pr",
        "nosuch",
        "user-Name",
        "9name",
        "",
        '"userName"',
        "emails[type",
    ]
)
spaces = st.sampled_from(["", " ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u2003", "\x1f", "\0", "+"])
operators = st.sampled_from(["eq", "eq", "EQ", "Eq", "eQ", "e\uff51", "ne", "co", "eqq", "pr", ""])
pieces = st.sampled_from(
    [
        "ada",
        "Ada",
        "É",
        "e\u0301",
        "ß",
        "İ",
        "\\",
        '\\"',
        "\\u0041",
        "\\u00e9",
        "\\ud800",
        "\\n",
        "\\x",
        '"',
        "'",
        "\n",
        "\t",
        "\x7f",
        "\0",
        "\ud800",
        "\udfff",
        "\U0001f600",
        "]",
        ")",
        " and ",
        "ﬀ" * 12,
    ]
)
contents = st.lists(pieces, max_size=4).map("".join) | st.text(max_size=8)
literals = (
    contents.map('"{}"'.format)
    | contents.map('"{}"'.format)
    | st.sampled_from(
        ["ada", "'ada'", "“ada”", "true", "True", "null", "1", '"true"', '"2026-01-31T08:30:00Z"', '"', ""]
    )
    | st.sampled_from(['"/Users/1"', '"Users/1"', f'"{BASE_URL}/Users/1"'])
)
rests = st.sampled_from(["", "", "", " ", "\n", " x", ")", " and active eq true", ' or id eq "1"', '"', "]"])
texts = st.tuples(spaces, paths, spaces, operators, spaces, literals, rests).map("".join)


@settings(max_examples=1500, deadline=None)
@given(texts, st.sampled_from(sorted(KINDS)), st.sampled_from([STRICT, TOLERANT]))
@example('userName eq "ada"', "User", STRICT)
@example('emails eq "ADA@Example.com"', "User", STRICT)
@example('manager eq "Ada"', "User", TOLERANT)
@example(f'{EXTRA}:not EQ "x"', "with odd names", STRICT)
@example('not eq "x"', "with odd names", TOLERANT)
@example('userName eq"ada"\n', "User", STRICT)
@example('userName eq "\ud800"', "User", STRICT)
@example(f'userName eq "{"x" * 46}"', "User", STRICT)
@example(f'userName eq "{"x" * 47}"', "User", STRICT)
@example(f'userName eq "{"é" * 24}"', "User", STRICT)
def test_both_ways_understand_the_same(text: str, name: str, profile: Profile) -> None:
    found = KNOWN[name, profile.name].bind(text)
    if found is not None:
        assert found == the_long_way(text, KINDS[name], profile)


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ('userName eq "Ada@Example.com"', "userName", "ada@example.com"),
        (' USERNAME\tEQ  "ÉCOLE" ', "userName", "école"),
        ('externalId Eq "aBc"', "externalId", "aBc"),
        ('id eq"X"', "id", "X"),
        ('emails.value eq "A\'s"', "emails.value", "a's"),
        ('emails eq "A"', "emails.value", "a"),
        ('displayName eq ""', "displayName", ""),
        (f'{urns.USER.upper()}:userName eq "x"', "userName", "x"),
        (f'{urns.ENTERPRISE_USER}:department eq "X"', f"{urns.ENTERPRISE_USER}:department", "x"),
        ('department eq "X"', f"{urns.ENTERPRISE_USER}:department", "x"),
    ],
)
def test_what_identity_providers_send_is_bound_in_one_step(text: str, path: str, value: str) -> None:
    found = LookUps(USER, TOLERANT, FilterLimits()).bind(text)
    assert found is not None
    assert (str(found.path), found.operator, found.value) == (path, Operator.EQ, value)


@pytest.mark.parametrize(
    "text",
    [
        'nosuch eq "x"',
        'password eq "x"',
        'active eq "x"',
        'name eq "x"',
        'meta.created eq "yesterday"',
        'not eq "x"',
        'userName eq "\\ud800"',
        'userName eq "x',
        "userName eq 'x'",
        'userName "x"',
        'userName eq "x" x',
        f'userName eq "{"é" * 25}"',
    ],
)
def test_what_is_wrong_is_left_to_those_who_say_what_is_wrong(text: str) -> None:
    assert LookUps(USER, TOLERANT, LIMITS).bind(text) is None
    with pytest.raises(InvalidFilterError):
        the_long_way(text, USER, TOLERANT)


def test_a_profile_that_does_not_forgive_is_kept_to() -> None:
    assert LookUps(USER, STRICT, LIMITS).bind('department eq "x"') is None
    assert LookUps(USER, TOLERANT, LIMITS).bind('department eq "x"') is not None


def test_any_number_of_spellings_is_understood() -> None:
    look_ups = LookUps(USER, STRICT, FilterLimits())
    spellings = [
        prefix + "".join(letter.upper() if number >> place & 1 else letter for place, letter in enumerate("username"))
        for prefix in ("", f"{urns.USER}:")
        for number in range(256)
    ]
    for name in (*spellings, *spellings):
        found = look_ups.bind(f'{name} eq "Ada"')
        assert found is not None
        assert (str(found.path), found.value) == ("userName", "ada")


def test_types_of_one_name_have_attributes_of_their_own() -> None:
    text = f'{EXTRA}:code eq "Ab"'
    exact, folded = person_with(Attribute("code", case_exact=True)), person_with(Attribute("code"))
    for kind, value in ((exact, "Ab"), (folded, "ab"), (USER, None)):
        found = LookUps(kind, STRICT, FilterLimits()).bind(text)
        assert (found.value if isinstance(found, BoundComparison) else None) == value
