"""One element of a multi-valued attribute: which one it is, and what is left when its value goes."""

import pytest

from headcount.provisioning.targets.capabilities import profile_of
from headcount.provisioning.targets.requests import patches, replacement
from simulated import update

WORK, HOME = 'phoneNumbers[type eq "work"]', 'phoneNumbers[type eq "home"]'
NO_TYPES = {"unsupported": ["phoneNumbers.type"], "valuePaths": False}


def operations(*changes, basis=None, **layer):
    [patch] = patches(update("id", *changes), profile_of(layer), basis or {})
    return list(patch.operations)


# RFC 7644 §3.5.2.2: a removed sub-attribute leaves the element, which would be a telephone without a number
@pytest.mark.parametrize(
    "changes",
    [
        [(f"{WORK}.value", "1", None)],
        [(f"{WORK}.value", "1", None), (f"{WORK}.primary", True, None)],
        [(f"{WORK}.display", "One", None), (f"{WORK}.value", "1", None)],
    ],
)
def test_an_element_goes_with_its_value(changes):
    assert operations(*changes) == [{"op": "remove", "path": WORK}]


def test_an_element_stays_while_it_has_its_value():
    assert operations((f"{WORK}.display", "One", None)) == [{"op": "remove", "path": f"{WORK}.display"}]


def test_other_elements_are_left_alone():
    assert operations((f"{WORK}.value", "1", None), (f"{HOME}.value", "2", "3")) == [
        {"op": "replace", "path": f"{HOME}.value", "value": "3"},
        {"op": "remove", "path": WORK},
    ]


THERE = {"phoneNumbers": [{"value": "1"}, {"value": "2"}]}
WITHOUT_TYPES = [
    ((f"{WORK}.value", "1", "3"), [{"value": "3"}, {"value": "2"}]),
    ((f"{WORK}.value", "1", None), [{"value": "2"}]),
    ((f"{WORK}.value", None, "3"), [{"value": "1"}, {"value": "2"}, {"value": "3"}]),
]


@pytest.mark.parametrize(("change", "expected"), WITHOUT_TYPES)
def test_where_no_types_are_kept_an_element_is_known_by_the_value_it_had(change, expected):
    assert operations(change, basis=THERE, users=NO_TYPES) == [
        {"op": "replace", "path": "phoneNumbers", "value": expected}
    ]
    put = replacement(update("id", change), {"userName": "a", **THERE}, profile_of({"users": NO_TYPES}))
    assert put["phoneNumbers"] == expected
