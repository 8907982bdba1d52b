"""How a resource type may change: every kind of narrowing has a resource that stands in its way, and one that does not."""

import pytest

from headcount.scim.errors import ConflictError
from headcount.scim.evolution import becoming_unique, hurdles
from headcount.scim.registry import build_registry
from headcount.scim.urns import USER

URN = "urn:example:badge:2.0:User"
OLD = {
    "number": {"type": "string"},
    "color": {"type": "string", "canonicalValues": ["red", "green"]},
    "seats": {"type": "integer"},
    "doors": {"type": "string", "multiValued": True},
    "card": {"type": "complex", "subAttributes": [{"name": "code"}, {"name": "kind"}]},
    "pin": {"type": "string", "returned": "never"},
}


def user_type(attributes=OLD, *, required=False):
    """The resource type User with the extension."""
    schema = {"id": URN, "name": "Badge", "attributes": [{"name": name, **rest} for name, rest in attributes.items()]}
    extends = {"name": "User", "schema": USER, "schemaExtensions": [{"schema": URN, "required": required}]}
    return build_registry([schema, extends]).by_name["User"]


def changed(**attributes):
    """The resource type with some attributes otherwise; None removes one."""
    return user_type({name: rest for name, rest in {**OLD, **attributes}.items() if rest is not None})


def hit(new, *extensions):
    """The paths and words of the hurdles that some resource, given by its extension's values, is in the way of."""
    resources = [{"schemas": [USER], **({URN: values} if values else {})} for values in extensions]
    return [
        (hurdle.path.removeprefix(f"{URN}:"), hurdle.words)
        for hurdle in hurdles(user_type(), new)
        if [resource for resource in resources if hurdle.is_hit(resource)]
    ]


MISFIT = "have a value that does not fit the new"
NARROWER = [
    ("removed", changed(number=None), [{"number": "1"}], [{"seats": 1}], ("number", "have a value of")),
    ("another type", changed(number={"type": "integer"}), [{"number": "1"}], [{"seats": 1}], ("number", MISFIT)),
    ("an instant", changed(number={"type": "dateTime"}), [{"number": "x"}], [{"seats": 1}], ("number", MISFIT)),
    ("several", changed(number={"multiValued": True}), [{"number": "1"}], [{"seats": 1}], ("number", MISFIT)),
    ("one", changed(doors={}), [{"doors": ["a"]}], [{"number": "1"}], ("doors", MISFIT)),
    ("case-exact", changed(number={"caseExact": True}), [{"number": "A"}], [{"number": "a"}], ("number", MISFIT)),
    (
        "fewer canonical values",
        changed(color={"canonicalValues": ["red"]}),
        [{"color": "green"}],
        [{"color": "red"}],
        ("color", MISFIT),
    ),
    (
        "canonical values at all",
        changed(number={"canonicalValues": ["7"]}),
        [{"number": "8"}],
        [{"number": "7"}],
        ("number", MISFIT),
    ),
    ("required", changed(number={"required": True}), [{"seats": 1}], [{"number": "1"}], ("number", "have no value of")),
    (
        "new and required",
        changed(level={"required": True}),
        [{"seats": 1}],
        [None],
        ("level", "have no value of"),
    ),
    (
        "a sub-attribute less",
        changed(card={"type": "complex", "subAttributes": [{"name": "code"}]}),
        [{"card": {"kind": "x"}}],
        [{"card": {"code": "x"}}],
        ("card", MISFIT),
    ),
    (
        "a sub-attribute required",
        changed(card={"type": "complex", "subAttributes": [{"name": "code", "required": True}, {"name": "kind"}]}),
        [{"card": {"kind": "x"}}],
        [{"card": {"code": "x"}}],
        ("card", MISFIT),
    ),
    (
        "unique",
        changed(number={"uniqueness": "server"}),
        [{"number": "a"}, {"number": "A"}],
        [{"number": "a"}, {"number": "b"}, {"seats": 1}],
        ("number", "share the value of another one of"),
    ),
    ("secret", changed(number={"returned": "never"}), [{"number": "1"}], [{}], ("number", "have a visible value of")),
]


@pytest.mark.parametrize(("new", "in_the_way", "harmless", "found"), [case[1:] for case in NARROWER],
                         ids=[case[0] for case in NARROWER])  # fmt: skip
def test_what_becomes_narrower_is_stopped_by_what_does_not_fit_and_by_nothing_else(new, in_the_way, harmless, found):
    assert hit(new, *in_the_way) == [found]
    assert hit(new, *harmless) == []


@pytest.mark.parametrize(
    "new",
    [
        user_type(),
        changed(level={}),
        changed(number={"description": "Printed on it."}),
        changed(color={"canonicalValues": ["red", "green", "blue"]}),
        changed(color={}),
        changed(number={"mutability": "immutable"}),
        changed(number={"returned": "request"}),
    ],
    ids=["the same", "one more", "described", "more canonical values", "any value", "immutable", "on request"],
)
def test_what_becomes_wider_needs_no_look_at_resources_that_fit_as_they_are(new):
    assert hit(new, {"number": "A", "color": "green"}, {"doors": ["a", "b"], "card": {"code": "x"}}) == []


def test_whole_numbers_may_become_decimals_and_not_the_other_way():
    assert hit(changed(seats={"type": "decimal"}), {"seats": 3}) == []
    decimal = user_type({**OLD, "seats": {"type": "decimal"}})
    (hurdle,) = hurdles(decimal, user_type())
    assert hurdle.is_hit({URN: {"seats": 1.5}})
    assert not hurdle.is_hit({URN: {"seats": 1}})


def test_a_secret_never_becomes_visible():
    with pytest.raises(ConflictError, match="pin"):
        hurdles(user_type(), changed(pin={"returned": "default"}))


def test_an_extension_that_goes_or_becomes_required_is_stopped_by_who_has_it_and_who_has_not():
    (gone,) = hurdles(user_type(), build_registry().by_name["User"])
    assert (gone.path, gone.is_hit({URN: {}}), gone.is_hit({})) == (URN, True, False)
    (required,) = hurdles(user_type(), user_type(required=True))
    assert (required.path, required.is_hit({URN: {}}), required.is_hit({})) == (URN, False, True)


def test_a_resource_type_that_goes_is_stopped_by_any_resource_of_it():
    (hurdle,) = hurdles(user_type(), None)
    assert hurdle.is_hit({})


def test_only_what_had_other_values_before_becomes_unique():
    new = changed(number={"uniqueness": "server"}, level={"uniqueness": "server"})
    assert [one.attribute.name for one in becoming_unique(user_type(), new)] == ["number"]
    assert becoming_unique(new, new) == []
