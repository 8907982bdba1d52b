"""Which members a filter asks for by name, and what it means to who sees some of them."""

import pytest

from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.filters.named_members import among, named_members
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, USER
from headcount.scim.scopes import Permission

NAMED = {
    'displayName eq "a"': "",
    'members.value eq "1"': "1",
    'members eq "1"': "1",
    'members.value ne "1"': "1",
    'members.$ref eq "https://a/Users/1"': "1",
    'members[value eq "1"]': "1",
    'members[value eq "1" and type eq "User"]': "1",
    'members[type eq "User" and (value eq "1" or value eq "2")]': "1 2",
    'not (members.value eq "1") and (members.value eq "2" or displayName pr)': "1 2",
    'members[value eq "1" or type eq "User"]': None,
    'members[not (value eq "1")]': None,
    'members[value ne "1"]': None,
    'members[value sw "1"]': None,
    'members.value eq "1" and members.type eq "User"': None,
    'members.value eq "1" or members pr': None,
    "members pr": None,
    "members eq null": None,
    'members.display eq "1"': None,
}
MEMBERS = [{"value": "1", "type": "User"}, {"value": "2", "type": "User"}, {"value": "3", "type": "Group"}]


def bound(text):
    return bind_filter(parse_filter(text), GROUP, TOLERANT)


@pytest.mark.parametrize(("text", "named"), NAMED.items())
def test_a_filter_asks_for_those_whom_it_names_and_for_nobody_else(text, named):
    assert named_members(bound(text)) == (None if named is None else set(named.split()))


@pytest.mark.parametrize("text", [text for text, named in NAMED.items() if named is not None])
@pytest.mark.parametrize("visible", [set(), {"1"}, {"2"}, {"1", "2"}, {"3"}])
@pytest.mark.parametrize("members", [MEMBERS, MEMBERS[:1], MEMBERS[1:], []])
def test_it_means_what_it_would_if_the_visible_ones_were_all_there_are(text, visible, members):
    def group(some):
        full = [{**member, "$ref": f"https://a/Users/{member['value']}"} for member in some]
        return {"displayName": "a", **({"members": full} if full else {})}

    seen = [member for member in members if member["value"] in visible]
    assert matches(among(visible, bound(text)), group(members)) == matches(bound(text), group(seen))


OPEN, PARTLY = Permission(GROUP), Permission(GROUP, unsearchable=frozenset({"members"}))
BLIND = Permission(GROUP, readable={("", "displayName"): None}, unsearchable=frozenset({"members"}))
IDS_ALONE = Permission(GROUP, readable={("", "members"): frozenset({"value"})}, unsearchable=frozenset({"members"}))


@pytest.mark.parametrize(
    ("permission", "text", "refused", "asked"),
    [
        (OPEN, "members pr", None, ""),
        (OPEN, 'members.value eq "1"', None, ""),
        (PARTLY, 'displayName eq "a"', None, ""),
        (PARTLY, 'members.value eq "1"', None, "1"),
        (PARTLY, 'members.value eq "1" and displayName eq "a"', None, "1"),
        (PARTLY, 'members.value eq "1" or members pr', "members.value", ""),
        (PARTLY, "members pr", "members", ""),
        (BLIND, 'members.value eq "1"', "members.value", "1"),
        (IDS_ALONE, 'members.value eq "1"', None, "1"),
        (IDS_ALONE, 'members[value eq "1" and type eq "User"]', "members.type", "1"),
    ],
)
def test_a_search_is_answered_as_far_as_it_tells_of_nobody_hidden(permission, text, refused, asked):
    path = permission.unsearchable_path(bound(text), None)
    assert (None if path is None else str(path)) == refused
    assert permission.asked_members(bound(text)) == set(asked.split())


def test_another_type_has_no_members_to_ask_for():
    people = bind_filter(parse_filter('userName eq "ada"'), USER, TOLERANT)
    assert named_members(people) == frozenset()
