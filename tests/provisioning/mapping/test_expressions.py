"""Expressions: what they may say, what they come to, and that none of them costs much."""

import gc
import sys
import time

import pytest

from headcount.provisioning.mapping.expressions import (
    LONGEST_EXPRESSION,
    MOST_LOOPS,
    MOST_SUMS,
    Compiler,
    ExpressionError,
    Frame,
)

LOOKUPS = {"countries": {"Germany": "DE", "Austria": "AT"}}
COMPILER = Compiler(LOOKUPS)
RECORD = {
    "email": " Ada.Lovelace@Example.COM ",
    "first": "Ada",
    "last": "Müller-Lüdenscheidt",
    "empty": "",
    "nothing": None,
    "country": "Germany",
    "start": "31.01.2026",
    "number": 17,
    "is_active": True,
    "groups": ["b", "a", ""],
    "nested": {"city": "Berlin"},
}
ABSURD_LIST = "[" + ",".join("0123456789" * 9) + "]"


def value(text, record=RECORD):
    expression = COMPILER.compile(text)
    return expression.value(Frame(COMPILER, [expression], today="2026-02-01").row(record, "4711"))


def problem(text, record=RECORD):
    with pytest.raises(ExpressionError) as caught:
        value(text, record)
    return str(caught.value)


VALUES = [
    ("record.first", "Ada"),
    ("record.number", 17),
    ("record.is_active", True),
    ("record.nothing", None),
    ("record.absent", None),
    ("record.nested.city", "Berlin"),
    ("record.groups[0]", "b"),
    ("key", "4711"),
    ("'constant'", "constant"),
    ("record.first + ' ' + record.last", "Ada Müller-Lüdenscheidt"),
    ("record.is_active && record.number == 17", True),
    ("record.groups.filter(g, g != '')", ["b", "a"]),
    ("{'value': record.first, 'primary': true}", {"value": "Ada", "primary": True}),
    ("[record.nothing, record.first]", [None, "Ada"]),
    ("date(record.start, '%d.%m.%Y') <= today", True),
    ("timestamp('2026-01-31T08:00:00Z')", "2026-01-31T08:00:00Z"),
    ("normalizeEmail(record.email)", "ada.lovelace@example.com"),
    ("normalizeEmail(record.empty)", ""),
    ("normalizeEmail('mailto:ADA@example.com')", "ada@example.com"),
    ("lower(record.first)", "ada"),
    ("upper(record.first)", "ADA"),
    ("title('ada o\\'neill-smith')", "Ada O'Neill-Smith"),
    ("trim('  a   b ')", "a b"),
    ("trim(record.absent)", ""),
    ("join([record.first, record.empty, record.nothing, record.last], ' ')", "Ada Müller-Lüdenscheidt"),
    ("split('a; b;;c', ';')", ["a", "b", "c"]),
    ("replace('a-b-c', '-', '')", "abc"),
    ("cut('abcdef', 1, 3)", "bc"),
    ("digits('+49 (30) 12-34')", "49301234"),
    ("firstNonEmpty([record.empty, record.nothing, record.last, 'x'])", "Müller-Lüdenscheidt"),
    ("firstNonEmpty([record.empty])", None),
    ("transliterate(record.last)", "Muller-Ludenscheidt"),
    ("transliterate(record.last, 'de')", "Mueller-Luedenscheidt"),
    ("transliterate('Ørsted', 'da')", "Oersted"),
    ("transliterate('Пётр')", "Petr"),
    ("date(record.start, '%d.%m.%Y')", "2026-01-31"),
    ("date('2026-01-31T23:59:00Z')", "2026-01-31"),
    ("date(record.empty)", ""),
    ("formatDate('2026-01-31', '%d/%m/%Y')", "31/01/2026"),
    ("addDays('2026-01-31', 1)", "2026-02-01"),
    ("addDays('2026-01-31', -31)", "2025-12-31"),
    ("lookup('countries', record.country)", "DE"),
    ("lookup('countries', 'France')", None),
    ("lookup('countries', 'France', 'EU')", "EU"),
    ("lookup('countries', ['Austria', 'Germany'])", ["AT", "DE"]),
    ("upper(record.groups)", ["B", "A", ""]),
    ("unique(lower(record.first))", {"$unique": "ada"}),
    ("reference(record.empty)", None),
    ("reference('17')", {"$key": "17"}),
    ("record.first == '' ? '' : lower(cut(record.first, 0, 1)) + '.' + lower(transliterate(record.last, 'de'))", "a.mueller-luedenscheidt"),
    ("record.empty == '' ? 'none' : date(record.empty + 'x')", "none"),
    ("'lower(record.first)'", "lower(record.first)"),
    ("has(record.absent) ? 'there' : 'not there'", "not there"),
    ("has(record.empty) ? 'there' : 'not there'", "there"),
    ("size(record)", 11),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_an_expression_has_its_value(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


WRONG = [
    ("normalizeEmail('nobody')", "'nobody' is no e-mail address"),
    ("date('31.1.2026')", "'31.1.2026' is not a date such as 2026-01-31"),
    ("date('x', '%d.%m.%Y')", "'x' is not written like '%d.%m.%Y'"),
    ("lookup('cities', 'x')", "there is no table 'cities' under lookups"),
    ("transliterate('x', 'xx')", "there is no transliteration for 'xx'"),
    ("record.first + record.number", "No matching overloads"),
    ("record.first + record.absent", "No matching overloads"),
    ("lower(record.number)", "lower takes str where it gets 17"),
    ("1 / (record.number - 17)", "divide by zero"),
    ("double(record.number) / 0.0", "no finite number"),
    ("b'abc'", "BYTES"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_what_has_no_value_says_why_and_which_expression(text, expected):
    message = problem(text)
    assert expected in message
    assert text in message or "BYTES" in message


REFUSED = [
    ("record.", "Syntax error"),
    ("rec.first", "undeclared reference to 'rec"),
    ("nope(record.first)", "undeclared reference to 'nope'"),
    ("lower()", "undeclared reference to 'lower'"),
    ("lower(1)", "no matching overload"),
    ("record.groups.map(g, lower(g))", "lower cannot be called within map, filter, all or exists"),
    ("'x'" * (LONGEST_EXPRESSION // 3 + 1), "at most 2000 characters"),
    ("+".join(["1"] * (MOST_SUMS + 2)), "at most 24 '+'"),
    ("[1].map(a, a)" + ".map(a, a)" * MOST_LOOPS, "at most 3 of map"),
    ("[" + ",".join(["lower('a')"] * 17) + "]", "at most 16 calls"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_what_cannot_be_compiled_says_why(text, expected):
    with pytest.raises(ExpressionError) as caught:
        COMPILER.compile(text)
    assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["'+'", "'a.map(b)' + 'c.map(d)' + 'e.map(f)' + 'g.map(h)'"])
def test_what_stands_within_a_text_is_not_counted(text):
    assert isinstance(value(text), str)


ABSURD = [
    f"{ABSURD_LIST}.all(a, {ABSURD_LIST}.all(b, {ABSURD_LIST}.all(c, a + b + c >= int(record.number))))",
    f"{ABSURD_LIST}.map(a, {ABSURD_LIST}.map(b, {ABSURD_LIST}.map(c, record.number)))",
    "[record.long].map(a, " + "+".join("a" * 9) + ").map(b, " + "+".join("b" * 9) + ").map(c, " + "+".join("c" * 9) + ")[0]",
    "replace(replace(replace(record.long, 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa'), 'a', 'aaaaaaaaaa')",
    "record.long.matches('(a+)+b')",
]  # fmt: skip


@pytest.mark.parametrize("text", ABSURD)
def test_an_absurd_expression_ends_within_a_tenth_of_a_second(text):
    expression = COMPILER.compile(text)
    row = Frame(COMPILER, [expression], today="").row({"number": 0, "long": "a" * 10_000}, "")
    start = time.process_time()
    try:
        assert expression.value(row) is False
    except ExpressionError as error:
        assert "budget" in str(error) or "longer than" in str(error)
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_a_record_with_a_character_that_no_text_may_hold_is_refused_where_it_is_read(character):
    assert "character" in problem("record.a + 'x'", {"a": f"x{character}"})
    assert value("record.b", {"a": f"x{character}", "b": "fine"}) == "fine"


@pytest.mark.parametrize(("length", "is_fine"), [(10_000, True), (10_001, False)])
def test_a_text_of_a_record_is_read_up_to_its_limit(length, is_fine):
    record = {"a": "x" * length}
    if is_fine:
        assert value("size(record.a)", record) == length
    else:
        assert "more than 10000 characters" in problem("size(record.a)", record)


def test_a_number_beyond_the_interpreter_is_refused():
    assert "out of range" in problem("record.a + 1", {"a": 2**70})


def test_evaluation_takes_no_reference_away_and_keeps_none():
    """What the interpreter does to None and to what Python functions are given would end the process, or fill it."""
    expressions = [
        COMPILER.compile(text) for text in ("record.nothing == null ? dyn(null) : 'x'", "lower(record.first)", "[null]")
    ]
    frame = Frame(COMPILER, expressions, today="")

    def run(times):
        for _ in range(times):
            row = frame.row(RECORD, "k")
            for expression in expressions:
                expression.value(row)

    run(100)
    gc.collect()
    before = sys.getrefcount(None), sys.getrefcount(RECORD["first"]), sys.getallocatedblocks()
    run(2_000)
    gc.collect()
    after = sys.getrefcount(None), sys.getrefcount(RECORD["first"]), sys.getallocatedblocks()
    assert [abs(one - other) < 500 for one, other in zip(before, after, strict=True)] == [True, True, True]
