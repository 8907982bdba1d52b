"""What is sent for a step: as little as says it, in the form that the target takes."""

import pytest

from headcount.provisioning.plan import Action, ValueChange
from headcount.provisioning.targets.capabilities import profile_of
from headcount.provisioning.targets.packs import pack_of
from headcount.provisioning.targets.requests import creation, missing, patches, replacement
from headcount.provisioning.targets.steps import Member, Step
from simulated import joiner, new_group, person, regroup, update

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
USER = "urn:ietf:params:scim:schemas:core:2.0:User"


def operations(*changes, basis=None, **layer):
    """The operations of one update, by request."""
    profile = profile_of(layer)
    return [list(patch.operations) for patch in patches(update("id", *changes), profile, basis or {})]


FORMS = [
    ([("displayName", "A", "B")], [{"op": "replace", "path": "displayName", "value": "B"}]),
    ([("title", "Boss", None)], [{"op": "remove", "path": "title"}]),
    ([("name.givenName", "A", "B")], [{"op": "replace", "path": "name.givenName", "value": "B"}]),
    (
        [(f"{ENTERPRISE}:department", None, "IT")],
        [{"op": "replace", "path": f"{ENTERPRISE}:department", "value": "IT"}],
    ),
    (
        [('emails[type eq "work"].value', "a@x.y", "b@x.y")],
        [{"op": "replace", "path": 'emails[type eq "work"].value', "value": "b@x.y"}],
    ),
    # RFC 7644 §3.5.2.3: replace through a filter that matches nothing is noTarget, so that a new element is added
    (
        [('emails[type eq "work"].value', None, "b@x.y")],
        [{"op": "add", "path": "emails", "value": [{"type": "work", "value": "b@x.y"}]}],
    ),
    # parts of one new element make one element
    (
        [
            ('addresses[type eq "work"].locality', None, "Rome"),
            ('addresses[type eq "work"].country', None, "IT"),
        ],
        [{"op": "add", "path": "addresses", "value": [{"type": "work", "locality": "Rome", "country": "IT"}]}],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), FORMS)
def test_each_change_is_one_operation_by_path(changes, expected):
    assert operations(*changes) == [expected]


def test_a_target_that_takes_no_paths_gets_one_value():
    changes = [("active", True, False), ("name.givenName", "A", "B"), (f"{ENTERPRISE}:department", "A", "B")]

    assert operations(*changes, users={"form": "pathless"}) == [
        [
            {
                "op": "replace",
                "value": {"active": False, "name": {"givenName": "B"}, ENTERPRISE: {"department": "B"}},
            }
        ]
    ]


def test_a_target_that_heeds_no_filters_in_paths_gets_the_whole_attribute():
    home, work = {"type": "home", "value": "h@x.y"}, {"type": "work", "value": "a@x.y"}
    change = ('emails[type eq "work"].value', "a@x.y", "b@x.y")

    assert operations(change, basis={"emails": [home, work]}, users={"valuePaths": False}) == [
        [{"op": "replace", "path": "emails", "value": [home, {"type": "work", "value": "b@x.y"}]}]
    ]


def test_a_target_of_one_value_gets_the_primary_one():
    emails = [{"value": "a@x.y"}, {"value": "b@x.y", "primary": True}]

    [[operation]] = operations(("emails", None, emails), users={"elements": 1})

    assert operation["value"] == [{"value": "b@x.y", "primary": True}]


def test_what_a_target_does_not_take_is_never_sent():
    layer = {"users": {"unsupported": ["photos", "emails.display", f"{ENTERPRISE}:division"]}}
    resource = person(photos=[{"value": "x"}], emails=[{"value": "a@x.y", "display": "A"}])
    resource[ENTERPRISE] = {"division": "D", "department": "IT"}

    request, _ = creation(joiner(resource), profile_of(layer))

    assert "photos" not in request.body
    assert request.body["emails"] == [{"value": "a@x.y"}]
    assert request.body[ENTERPRISE] == {"department": "IT"}
    assert request.body["schemas"] == [USER, ENTERPRISE]


def test_a_change_sends_nothing_either_that_a_target_does_not_take():
    layer = {"users": {"unsupported": ["emails.type"], "valuePaths": False}}
    emails = [{"type": "work", "value": "b@x.y"}]
    expected = [[{"op": "replace", "path": "emails", "value": [{"value": "b@x.y"}]}]]

    assert operations(("emails", None, emails), **layer) == expected
    assert operations(('emails[type eq "work"].value', "a@x.y", "b@x.y"), basis={"emails": emails}, **layer) == expected


def test_a_member_is_sent_with_its_reference_where_that_is_asked_for():
    [patch] = patches(regroup("g", ["1"]), profile_of({"members": {"ref": True}}), {})

    assert patch.operations[0]["value"] == [{"value": "1", "$ref": "Users/1"}]


def test_what_cannot_be_removed_is_not_removed():
    layer = {"users": {"unremovable": ["userName"]}}

    assert operations(("userName", "a", None), ("title", "b", None), **layer) == [[{"op": "remove", "path": "title"}]]
    assert operations(("userName", "a", "b"), **layer) == [[{"op": "replace", "path": "userName", "value": "b"}]]


@pytest.mark.parametrize(("most", "sizes"), [(3, [3]), (2, [2, 1]), (1, [1, 1, 1])])
def test_a_patch_has_no_more_operations_than_it_may(most, sizes):
    changes = [("title", None, "a"), ("nickName", None, "b"), ("displayName", None, "c")]

    assert [len(request) for request in operations(*changes, users={"operations": most})] == sizes


def group_operations(added, removed, changes=(), **layer):
    step = regroup("g", added, removed)
    step = Step(Action.UPDATE, "Group", "g", "g", values=tuple(ValueChange(*change) for change in changes),
                added=step.added, removed=step.removed)  # fmt: skip
    return [[_short(operation) for operation in patch.operations] for patch in patches(step, profile_of(layer), {})]


def _short(operation):
    value = operation.get("value")
    ids = "".join(item["value"] for item in value) if isinstance(value, list) else ""
    return f"{operation['op'][0]} {operation.get('path', '')} {ids}".strip()


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        ({}, [['r members[value eq "x"]', 'r members[value eq "y"]', "a members abc"]]),
        ({"members": {"removal": "value"}}, [["r members xy", "a members abc"]]),
        (
            {"members": {"batch": 2}},
            [['r members[value eq "x"]', 'r members[value eq "y"]'], ["a members ab"], ["a members c"]],
        ),
        ({"members": {"batch": 5, "removal": "value"}}, [["r members xy", "a members abc"]]),
        ({"members": {"batch": 4, "removal": "value"}}, [["r members xy", "a members ab"], ["a members c"]]),
        (
            {"members": {"operations": 1, "batch": 1}},
            [
                ['r members[value eq "x"]'],
                ['r members[value eq "y"]'],
                ["a members a"],
                ["a members b"],
                ["a members c"],
            ],
        ),
    ],
)
def test_members_come_and_go_in_as_few_requests_as_the_limits_allow(layer, expected):
    assert group_operations("abc", "xy", **layer) == expected


def test_a_rename_and_one_member_fit_into_two_operations():
    layer = {"groups": {"operations": 2}, "members": {"operations": 1, "batch": 1}}

    assert group_operations("ab", "", [("displayName", "A", "B")], **layer) == [
        ["r displayName", "a members a"],
        ["a members b"],
    ]


def test_an_id_in_a_filter_is_quoted():
    [[operation]] = [patch.operations for patch in patches(regroup("g", removed=['a"b']), profile_of(), {})]

    assert operation == {"op": "remove", "path": 'members[value eq "a\\"b"]'}


def test_a_member_is_sent_with_its_display_where_that_is_asked_for():
    step = Step(Action.CREATE, "Group", "g", resource={"displayName": "G"}, added=(Member("1", display="Ada"),))

    request, _ = creation(step, profile_of(pack_of("github").capabilities))

    assert request.body["members"] == [{"value": "1", "display": "Ada"}]


def test_a_create_holds_as_many_members_as_it_may():
    request, members = creation(new_group("G", "1", "2", "3"), profile_of({"members": {"onCreate": 2}}))

    assert [item["value"] for item in request.body["members"]] == ["1", "2"] == [item.id for item in members]


def test_a_put_says_nothing_of_what_the_target_makes_itself():
    current = {"id": "1", "schemas": [USER], "userName": "a", "meta": {"version": "1"}, "groups": [{"value": "g"}]}

    body = replacement(
        update("1", ("userName", "a", "b"), (f"{ENTERPRISE}:department", None, "IT")), current, profile_of()
    )

    assert body == {
        "id": "1",
        "schemas": [USER, ENTERPRISE],
        "userName": "b",
        ENTERPRISE: {"department": "IT"},
    }


def test_what_is_missing_is_named_by_its_path():
    required = pack_of("aws-iam-identity-center").capabilities["users"]["required"]

    assert missing({"userName": "a", "name": {"givenName": "A"}, "displayName": ""}, required) == [
        "name.familyName",
        "displayName",
    ]
