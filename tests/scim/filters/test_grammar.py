"""Text → tree: RFC 7644 §3.4.2.2 figure 1 and §3.5.2 figure 7, with the errata that repair them."""

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidFilterError, InvalidPathError
from headcount.scim.filters.grammar import FilterLimits, parse_filter, parse_patch_path
from headcount.scim.filters.syntax import (
    And,
    BareBoolean,
    Comparison,
    Filter,
    Not,
    Operator,
    Or,
    PatchPath,
    Presence,
    ValuePath,
)

E = urns.ENTERPRISE_USER
LIMIT = 8 * 1024


def equal(path: str, value: str | bool | float | None) -> Comparison:
    return Comparison(path, Operator.EQ, value)


A, B, C, D = (equal(name, "1") for name in "abcd")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('a eq "1"', A),
        ("a pr", Presence("a")),
        # and binds tighter than or (E4670)
        ('a eq "1" or b eq "1" and c eq "1"', Or((A, And((B, C))))),
        ('a eq "1" and b eq "1" or c eq "1"', Or((And((A, B)), C))),
        ('a eq "1" and b eq "1" or c eq "1" and d eq "1"', Or((And((A, B)), And((C, D))))),
        ('(a eq "1" or b eq "1") and c eq "1"', And((Or((A, B)), C))),
        ('a eq "1" and (b eq "1" and c eq "1")', And((A, And((B, C))))),
        ('((a eq "1"))', A),
        # not binds tighter than and; the space before its parenthesis is optional (E7319)
        ('not (a eq "1") and b eq "1"', And((Not(A), B))),
        ('not(a eq "1") or b eq "1"', Or((Not(A), B))),
        ('not (a eq "1" and b eq "1")', Not(And((A, B)))),
        ('not (not (a eq "1"))', Not(Not(A))),
        ('a eq "1" and not(b eq "1")', And((A, Not(B)))),
        # value paths; groups and not within them (E7322)
        ('e[a eq "1"]', ValuePath("e", A)),
        ('e[a eq "1" and b eq "1" or c eq "1"]', ValuePath("e", Or((And((A, B)), C)))),
        ('e[not (a eq "1") and (b eq "1" or c eq "1")]', ValuePath("e", And((Not(A), Or((B, C)))))),
        ('e[a eq "1"] and f[b eq "1"]', And((ValuePath("e", A), ValuePath("f", B)))),
        ('not (e[a eq "1"])', Not(ValuePath("e", A))),
        ('e [ a eq "1" ]', ValuePath("e", A)),
        # a sub-attribute behind the bracket belongs to the same element (Entra ID)
        ('e[a eq "1"].b eq "1"', ValuePath("e", And((A, B)))),
        ('e[a eq "1" and b eq "1"].c pr', ValuePath("e", And((A, B, Presence("c"))))),
        ('e[a eq "1" or b eq "1"].c eq "1"', ValuePath("e", And((Or((A, B)), C)))),
        # names
        ('name.givenName eq "1"', equal("name.givenName", "1")),
        ('manager.$ref eq "1"', equal("manager.$ref", "1")),
        ('a-b_9 eq "1"', equal("a-b_9", "1")),
        (f'{urns.USER}:name.familyName eq "J"', equal(f"{urns.USER}:name.familyName", "J")),
        (f'{E}:manager.value eq "J"', equal(f"{E}:manager.value", "J")),
        (f'{urns.USER}:emails[type eq "work"]', ValuePath(f"{urns.USER}:emails", equal("type", "work"))),
        ('http://example.com/x/2.0/User:a eq "1"', equal("http://example.com/x/2.0/User:a", "1")),
        # names that look like key words
        ('notes eq "1"', equal("notes", "1")),
        ('order eq "1" or android eq "1"', Or((equal("order", "1"), equal("android", "1")))),
        ('present pr and a eq "1"', And((Presence("present"), A))),
        # space
        ('  a   eq\t"1"  ', A),
        ('members[value eq"1"]', ValuePath("members", equal("value", "1"))),  # as RFC 7644 §3.5.2.2 has it
    ],
)
def test_a_filter_is_read_as_its_tree(text: str, tree: Filter) -> None:
    assert parse_filter(text) == tree


@pytest.mark.parametrize("operator", list(Operator))
def test_every_operator_is_understood_in_any_case(operator: Operator) -> None:
    for spelled in (operator.value, operator.value.upper(), operator.value.title()):
        assert parse_filter(f'a {spelled} "1"') == Comparison("a", operator, "1")


def test_key_words_are_understood_in_any_case() -> None:
    assert parse_filter('a PR AND Not (b Eq "1") oR c pr') == Or((And((Presence("a"), Not(B))), Presence("c")))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"O\'Malley"', "O'Malley"),
        ('""', ""),
        (r'"\"\\\/\b\f\n\r\t"', '"\\/\b\f\n\r\t'),
        (r'"\u00e9\u00C9"', "éÉ"),
        (r'"\uD83D\uDE00"', "😀"),
        ('"😀 é"', "😀 é"),
        (r'"DEPOT\\u"', "DEPOT\\u"),
        ('"a ] ) [ ( and or"', "a ] ) [ ( and or"),
        ("0", 0),
        ("-1", -1),
        ("10", 10),
        ("1.5", 1.5),
        ("-0.25", -0.25),
        ("1e3", 1000.0),
        ("2.5E-1", 0.25),
        ("true", True),
        ("false", False),
        ("null", None),
    ],
)
def test_literals_are_those_of_json(text: str, value: object) -> None:
    parsed = parse_filter(f"a eq {text}")
    assert isinstance(parsed, Comparison)
    assert (parsed.value, type(parsed.value)) == (value, type(value))


@pytest.mark.parametrize("text", ["True", "False"])
def test_a_bare_capital_boolean_is_kept_apart_from_strings(text: str) -> None:
    parsed = parse_filter(f"a eq {text}")
    assert isinstance(parsed, Comparison)
    assert isinstance(parsed.value, BareBoolean)
    assert parsed.value == text


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("   ", 4),
        ("a", 2),
        ("a eq", 5),
        ('eq "1"', 4),
        ('a "1"', 3),
        ('a regex "1"', 3),
        ('a == "1"', 3),
        ("a eq 'x'", 6),
        ("a eq x", 6),
        ("a eq TRUE", 6),
        ("a eq Null", 6),
        ('a eq "1', 6),
        (r'a eq "\x"', 6),
        (r'a eq "\u12"', 6),
        (r'a eq "\ud83d"', 6),
        (r'a eq "\ude00\ud83d"', 6),
        (r'a eq "\u0000"', 6),
        ('a eq "\n"', 6),
        ("a eq 01", 6),
        ("a eq 1.", 6),
        ("a eq .5", 6),
        ("a eq +1", 6),
        ("a eq 1e", 6),
        ("a eq 1x", 6),
        ("a eq 0x1", 6),
        ("a eq 1e999", 6),
        ("a eq " + "1" * 5000, 6),
        ("a eq {}", 6),
        ('a eq ["1"]', 6),
        ("a pr pr", 6),
        ('a eq "1" "2"', 10),
        ('a eq "1" b eq "1"', 10),
        ('a eq "1" and', 13),
        ('a eq "1" and or b pr', 17),
        ('a eq "1" && b eq "1"', 10),
        ('and a eq "1"', 5),
        ("not a pr", 5),
        ("not", 4),
        ("not not (a pr)", 5),
        ("()", 2),
        ("(a pr", 6),
        ("a pr)", 5),
        ("e[]", 3),
        ("e[a pr", 7),
        ("e a pr]", 3),
        ("e[a pr)", 7),
        ("(a pr]", 6),
        ("e[f[a pr]]", 4),
        ("e[not (f[a pr])]", 9),
        ("[a pr]", 1),
        ("e[a pr].b", 10),
        ("e[a pr].b.c pr", 10),
        ('e[a pr].b[c eq "1"]', 10),
        ("1a pr", 1),
        ("_a pr", 1),
        ('"a" pr', 1),
        (".a pr", 1),
        ("a.b. pr\x00", 8),
        ("é pr", 1),
        ("a\u2028é pr", 3),
    ],
)
def test_what_is_no_filter_is_refused_with_its_position(text: str, position: int) -> None:
    with pytest.raises(InvalidFilterError) as caught:
        parse_filter(text)
    assert f"at position {position}," in caught.value.detail


def test_an_unknown_operator_is_named_and_the_known_ones_are_listed() -> None:
    with pytest.raises(InvalidFilterError, match=r"eq, ne, co, sw, ew, gt, lt, ge, le or pr.*'userName'.*'regex"):
        parse_filter('userName regex "x"')


def test_single_quotes_are_answered_with_what_to_write_instead() -> None:
    with pytest.raises(InvalidFilterError, match="double quotes"):
        parse_filter("userName eq 'x'")


def long_filter(length: int, letter: str = "x") -> str:
    frame = 'a eq ""'
    return 'a eq "' + letter * ((length - len(frame)) // len(letter.encode())) + '"'


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_filter_has_8_kib_of_utf_8_and_not_a_byte_more(letter: str) -> None:
    text = long_filter(LIMIT, letter).ljust(
        LIMIT - len(long_filter(LIMIT, letter).encode()) + len(long_filter(LIMIT, letter))
    )
    assert len(text.encode()) == LIMIT
    parse_filter(text)
    with pytest.raises(InvalidFilterError, match="8192 bytes"):
        parse_filter(text + " ")


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("not (", ")")])
def test_a_filter_is_nested_32_levels_deep_and_not_deeper(opening: str, closing: str) -> None:
    parse_filter(opening * 32 + "a pr" + closing * 32)
    with pytest.raises(InvalidFilterError, match="32 levels"):
        parse_filter(opening * 33 + "a pr" + closing * 33)


def test_a_bracket_is_a_level_of_its_own() -> None:
    parse_filter("e[" + "(" * 31 + "a pr" + ")" * 31 + "]")
    with pytest.raises(InvalidFilterError, match="32 levels"):
        parse_filter("e[" + "(" * 32 + "a pr" + ")" * 32 + "]")


def test_a_filter_has_200_terms_and_not_one_more() -> None:
    parsed = parse_filter(" or ".join(["a pr"] * 200))
    assert isinstance(parsed, Or)
    assert len(parsed.operands) == 200
    with pytest.raises(InvalidFilterError, match="200 terms"):
        parse_filter(" or ".join(["a pr"] * 201))
    with pytest.raises(InvalidFilterError, match="200 terms"):
        parse_filter(" or ".join(["e[a pr and b pr].c pr"] * 67))


def test_other_limits_can_be_given() -> None:
    limits = FilterLimits(length=20, depth=1, terms=2)
    parse_filter("(a pr and b pr)", limits)
    for text in ("(a pr and bbbbbb pr) ", "((a pr))", "a pr or a pr or a pr"):
        with pytest.raises(InvalidFilterError):
            parse_filter(text, limits)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("members", PatchPath("members")),
        (" members ", PatchPath("members")),
        ("name.familyName", PatchPath("name.familyName")),
        ('addresses[type eq "work"]', PatchPath("addresses", equal("type", "work"))),
        ('addresses[type eq "work"].streetAddress', PatchPath("addresses", equal("type", "work"), "streetAddress")),
        ('members[value eq"1"]', PatchPath("members", equal("value", "1"))),
        (f"{E}:employeeNumber", PatchPath(f"{E}:employeeNumber")),
        (f"{E}:manager.displayName", PatchPath(f"{E}:manager.displayName")),
        (
            f"{urns.USER}:emails[primary eq true].value",
            PatchPath(f"{urns.USER}:emails", equal("primary", True), "value"),
        ),
        ('members[value eq "1"].$ref', PatchPath("members", equal("value", "1"), "$ref")),
        # a simple multi-valued attribute compared itself (E7122)
        ('tags eq "a"', PatchPath("tags", equal("value", "a"))),
        ('tags eq "[a]"', PatchPath("tags", equal("value", "[a]"))),
        (f'{E}:tags sw "a"', PatchPath(f"{E}:tags", Comparison("value", Operator.SW, "a"))),
        ('e[a eq "]["].b', PatchPath("e", equal("a", "]["), "b")),
    ],
)
def test_a_patch_path_is_an_attribute_a_filter_and_a_sub_attribute(text: str, path: PatchPath) -> None:
    assert parse_patch_path(text) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "1",
        "display name",
        "[a pr]",
        'emails[type eq "work"].',
        'emails[type eq "work"].value.display',
        'emails[type eq "work"]value',
        'emails[type eq "work"][value pr]',
        'emails[type eq "work"].value eq "x"',
        'tags eq "a" or tags eq "b"',
        "tags eq 'a'",
        "tags pr",
        'not (tags eq "a")',
        'a eq "b"]',
        "/name/familyName",
        "*",
    ],
)
def test_what_is_no_patch_path_is_refused(text: str) -> None:
    with pytest.raises(InvalidPathError):
        parse_patch_path(text)


@pytest.mark.parametrize(
    "text",
    [
        "emails[",
        "emails[]",
        'emails[type eq "work"',
        "emails[type eq 'work']",
        "emails[type zz 1]",
        "emails[phones[type pr]]",
        "emails[" + "(" * 32 + "type pr" + ")" * 32 + "]",
    ],
)
def test_what_is_wrong_within_the_brackets_of_a_patch_path_is_an_invalid_filter(text: str) -> None:
    with pytest.raises(InvalidFilterError):
        parse_patch_path(text)


@pytest.mark.parametrize("letter", ["x", "é"])
def test_a_patch_path_is_as_long_as_a_filter_and_no_longer(letter: str) -> None:
    text = "e[" + long_filter(LIMIT - 3, letter) + "]"
    text += " " * (LIMIT - len(text.encode()))
    assert parse_patch_path(text).path == "e"
    with pytest.raises(InvalidPathError, match="8192 bytes"):
        parse_patch_path(text + " ")
