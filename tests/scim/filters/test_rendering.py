"""Filters as text and back: `parse_filter(render(tree)) == tree`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headcount.scim.filters.grammar import FilterLimits, parse_filter
from headcount.scim.filters.rendering import render
from headcount.scim.filters.syntax import And, BareBoolean, Comparison, Filter, Not, Operator, Or, Presence, ValuePath

names = st.from_regex(r"[a-z][A-Za-z0-9_-]{0,8}(\.\$?[a-z][A-Za-z]{0,5})?", fullmatch=True).filter(
    lambda name: name.lower() != "not"
)
urns = st.sampled_from(("", "urn:ietf:params:scim:schemas:core:2.0:User:", "https://example.com/s/1.0:"))
paths = st.builds(str.__add__, urns, names)
texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
literals = (
    texts
    | st.booleans()
    | st.none()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from((BareBoolean("True"), BareBoolean("False")))
)
leaves = st.builds(Comparison, paths, st.sampled_from(Operator), literals) | st.builds(Presence, paths)


def grown(children: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(children, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, children) | st.builds(And, several) | st.builds(Or, several)


within = st.recursive(leaves, grown, max_leaves=4)
filters = st.recursive(leaves | st.builds(ValuePath, paths, within), grown, max_leaves=8)
WIDE = FilterLimits(length=1 << 20, depth=100)


@given(filters)
@settings(max_examples=200, deadline=None)
def test_a_tree_survives_being_written_and_read(tree: Filter) -> None:
    again = parse_filter(render(tree), WIDE)
    assert again == tree
    assert repr(again) == repr(tree)  # 1 is no 1.0 and no true


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ('((a EQ "1")) OR (b pr AND (c pr))', 'a eq "1" or b pr and c pr'),
        ("(a pr or b pr) and not(c pr)", "(a pr or b pr) and not (c pr)"),
        ('e[a eq "1"].b pr', 'e[a eq "1" and b pr]'),
        (r'a eq "\u00e9\""', r'a eq "é\""'),
        ("a eq True", "a eq True"),
    ],
)
def test_parentheses_stand_only_where_they_are_needed(text: str, rendered: str) -> None:
    assert render(parse_filter(text)) == rendered
