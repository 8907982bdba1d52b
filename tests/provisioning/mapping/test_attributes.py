"""Mapped values: what fits an attribute, what is made to fit, and what becomes of elements."""

import pytest

from headcount.provisioning.mapping.attributes import MappingError, flat_of, resource_of
from headcount.provisioning.mapping.expressions import Frame
from planning import job_of

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def flat(mapping, **record):
    """What one mapping makes of a record."""
    job = job_of(mappings=f"mappings:\n  userName: record.user_name\n  {mapping}\n")
    mappings = [one for one in job.variants[0] if one.path.lower() in mapping.lower()]
    expressions = [one.expression for one in mappings if one.expression]
    return flat_of(mappings, Frame(job.compiler, expressions, today="").row(record, "1"))


VALUES = [
    ("title: record.x", "Boss", {"title": "Boss"}),
    ("title: record.x", 17, {"title": "17"}),
    ("title: record.x", "", {}),
    ("title: record.x", None, {}),
    ("title: {cel: record.x, default: Employee}", "", {"title": "Employee"}),
    ("title: {constant: Employee}", "", {"title": "Employee"}),
    ("TITLE: record.x", "Boss", {"title": "Boss"}),
    ("active: record.x", False, {"active": False}),
    ("emails: record.x", "a@example.com", {"emails": [{"value": "a@example.com"}]}),
    ("emails: record.x", [{"value": "a@example.com", "type": "work"}], {"emails": [{"value": "a@example.com", "type": "work"}]}),
    (f"{ENTERPRISE}:manager: reference(record.x)", "8", {f"{ENTERPRISE}:manager": {"value": {"$key": "8"}}}),
    (f"{ENTERPRISE}:manager.value: reference(record.x)", "8", {f"{ENTERPRISE}:manager.value": {"$key": "8"}}),
    (f"{ENTERPRISE}:department: record.x", "R&D", {f"{ENTERPRISE}:department": "R&D"}),
    ("urn:example:Badge:colour: record.x", {"any": ["thing"]}, {"urn:example:Badge:colour": {"any": ["thing"]}}),
]  # fmt: skip


@pytest.mark.parametrize(("mapping", "value", "expected"), VALUES)
def test_a_value_is_one_of_its_attribute(mapping, value, expected):
    assert flat(mapping, x=value) == expected


MISFITS = [
    ("title: record.x", True, "title: a text is expected, and the expression gives bool 'True'"),
    ("title: record.x", ["a"], "title: a text is expected, and the expression gives list"),
    ("emails: record.x", [17], "emails: a value of type complex is expected"),
    (f"{ENTERPRISE}:manager: record.x", "8", "a value of type complex is expected, and the expression gives str '8'"),
    ('emails[type eq "work"].primary: record.x', "yes", "a value of type boolean is expected"),
]


@pytest.mark.parametrize(("mapping", "value", "expected"), MISFITS)
def test_a_value_that_does_not_fit_says_so(mapping, value, expected):
    with pytest.raises(MappingError) as caught:
        flat(mapping, x=value)
    assert expected in str(caught.value)


def test_a_flat_state_makes_a_resource():
    state = {
        "userName": "ada",
        "name.givenName": "Ada",
        "name.familyName": "Lovelace",
        'emails[type eq "work"].value': "ada@example.com",
        'emails[type eq "work"].primary': True,
        'emails[type eq "home"].value': "ada@example.org",
        f"{ENTERPRISE}:department": "R&D",
    }
    assert resource_of(state) == {
        "userName": "ada",
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
        "emails": [
            {"type": "work", "value": "ada@example.com", "primary": True},
            {"type": "home", "value": "ada@example.org"},
        ],
        ENTERPRISE: {"department": "R&D"},
    }
