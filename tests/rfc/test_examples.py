"""The RFCs' own examples, as files named by section, with verified errata and evident slips corrected."""

import json
from pathlib import Path
from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.bulk import order, read_bulk, resolve, without_references
from headcount.scim.discovery import Capabilities, service_provider_config
from headcount.scim.errors import (
    InvalidFilterError,
    InvalidSyntaxError,
    MutabilityError,
    NotFoundError,
    PayloadTooLargeError,
    PreconditionFailedError,
    SensitiveError,
)
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.messages import error_message, list_response
from headcount.scim.patch import PatchResult, apply_patch, read_patch
from headcount.scim.paths import bind_path
from headcount.scim.profiles import STRICT
from headcount.scim.projection import read_projection
from headcount.scim.registry import GROUP, USER, ResourceType
from headcount.scim.search import SearchRequest, search_from_message, search_from_parameters
from headcount.scim.validation import validate_resource

EXAMPLES = Path(__file__).parent / "examples"
E = urns.ENTERPRISE_USER
BABS, JAMES = "2819c223-7f76-453a-919d-413861904646", "08e1d05d-121c-4561-8b96-473d93df9210"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


FULL_USER = example("rfc7643-8.2-full-user")


def valid(body: dict[str, Any], kind: ResourceType) -> dict[str, Any]:
    return validate_resource(body, kind, STRICT, refuse_unknown=True).resource


def sent(body: dict[str, Any], *left_out: str) -> dict[str, Any]:
    """The part of a representation that a client may set, in which references are known by their ids."""
    kept = {name: value for name, value in body.items() if name not in ("id", "meta", "groups", "password", *left_out)}
    if "members" in kept:
        kept["members"] = [{name: each[name] for name in ("value", "type") if name in each} for each in kept["members"]]
    if E in kept:
        kept[E] = {**kept[E], "manager": {"value": kept[E]["manager"]["value"]}}
    return {name: value for name, value in kept.items() if value != []}


def test_every_file_is_named_by_its_section_and_used_here() -> None:
    tests = Path(__file__).read_text() + (EXAMPLES.parent.parent / "scim" / "test_discovery.py").read_text()
    for path in EXAMPLES.iterdir():
        assert path.name.startswith(("rfc7643-", "rfc7644-", "rfc9865-"))
        assert path.stem in tests, path.name


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("rfc7643-8.1-minimal-user", USER),
        ("rfc7643-8.2-full-user", USER),
        ("rfc7643-8.3-enterprise-user", USER),
        ("rfc7643-8.4-group", GROUP),
        ("rfc7644-3.3-create-request", USER),
        ("rfc7644-3.3-create-response", USER),
        ("rfc7644-3.4.1-user", USER),
        ("rfc7644-3.5.1-replace-request", USER),
        ("rfc7644-3.5.1-replace-response", USER),
    ],
)
def test_a_resource_is_valid_and_keeps_all_that_a_client_may_set(name: str, kind: ResourceType) -> None:
    body = example(name)
    kept = valid(body, kind)
    assert kept == sent(body)
    assert valid(kept, kind) == kept


def test_the_password_of_the_full_user_is_set_apart() -> None:
    result = validate_resource(FULL_USER, USER, STRICT)
    assert result.private == {"password": FULL_USER["password"]}
    assert "password" not in result.resource


def test_resource_types_are_those_of_the_example() -> None:
    user, group = example("rfc7643-8.6-resource-types")
    user["schemaExtensions"][0]["required"] = False  # the example's server demands the extension
    for theirs, ours in ((user, USER), ({**group, "schemaExtensions": []}, GROUP)):
        del theirs["meta"]
        assert ours.document() == theirs


def test_the_service_provider_config_has_the_members_of_the_examples() -> None:
    theirs = example("rfc7643-8.5-service-provider-config") | example("rfc9865-4-service-provider-config")
    ours = service_provider_config(
        Capabilities(1000, 1048576, 100, 250, 3600, theirs["documentationUri"]), "https://example.com/v2"
    )
    for name in ("schemas", "documentationUri", "patch", "bulk", "changePassword", "sort", "etag"):
        assert ours[name] == theirs[name]
    assert ours["filter"].keys() == theirs["filter"].keys()
    assert ours["pagination"] == {**theirs["pagination"], "defaultPaginationMethod": "index"}  # §2.4: as before cursors
    assert ours["authenticationSchemes"][0]["type"] == theirs["authenticationSchemes"][0]["type"]
    assert ours["meta"]["location"] == theirs["meta"]["location"]


def test_a_list_response_has_the_members_of_the_example() -> None:
    theirs = example("rfc7644-3.4.2-list-response")
    ours = list_response(theirs["Resources"])
    assert ours == theirs | {"startIndex": 1, "itemsPerPage": 2}


def user(**attributes: Any) -> dict[str, Any]:
    return {"schemas": [urns.USER], "userName": "x", **attributes}


AT, BEFORE, AFTER = "2011-05-13T04:42:34Z", "2011-05-13T04:42:33.999Z", "2011-05-13T04:42:35Z"
WORK = [{"type": "work", "value": "x@EXAMPLE.com"}]
TWO = [{"type": "work", "value": "x@y"}, {"type": "home", "value": "x@example.com"}]
MEANINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (user(userName="BJensen"), user(userName="bjensen2")),
    (user(name={"familyName": "o'malley-smith"}), user(name={"familyName": "Omalley"})),
    (user(userName="jensen"), user(userName="bj")),
    (user(userName="Jensen"), user(userName="bj")),
    (user(title="Boss"), user()),
    (user(meta={"lastModified": AFTER}), user(meta={"lastModified": AT})),
    (user(meta={"lastModified": AT}), user(meta={"lastModified": BEFORE})),
    (user(meta={"lastModified": BEFORE}), user(meta={"lastModified": AT})),
    (user(meta={"lastModified": AT}), user(meta={"lastModified": AFTER})),
    (user(title="Boss", userType="employee"), user(userType="employee")),
    (user(userType="Intern"), user(userType="Employee")),
    (user(schemas=[urns.USER, E]), user()),
    (user(userType="Employee", emails=WORK), user(userType="Employee", emails=[{"value": "x@y"}])),
    (user(userType="Intern", emails=[{"value": "x@y"}]), user(userType="Intern", emails=WORK)),
    (user(userType="Employee", emails=WORK), user(userType="Employee", emails=[{"type": "home"}])),
    (user(userType="Employee", emails=WORK), user(userType="Employee", emails=TWO)),
    (user(ims=[{"type": "xmpp", "value": "x@foo.com"}]), user(emails=TWO, ims=[{"type": "aim", "value": "x@foo.com"}])),
]
FILTERS = example("rfc7644-3.4.2.2-figure-2-filters")


@pytest.mark.parametrize(("text", "meaning"), list(zip(FILTERS, MEANINGS, strict=True)), ids=FILTERS)
def test_a_filter_of_figure_2_means_what_it_says(text: str, meaning: tuple[dict[str, Any], dict[str, Any]]) -> None:
    bound = bind_filter(parse_filter(text), USER, STRICT)
    assert [matches(bound, resource) for resource in meaning] == [True, False]


@pytest.mark.parametrize("text", ["meta.resourceType eq User", "displayName sw 'Group'", "userName sw J"])
def test_filters_of_examples_that_are_not_json_strings_are_refused(text: str) -> None:
    with pytest.raises(InvalidFilterError):  # RFC 7644 §3.4.2.1 and §3.7.1, RFC 9865 §2 against RFC 7644 figure 1
        parse_filter(text)


def patched(name: str, resource: dict[str, Any], kind: ResourceType, **options: Any) -> PatchResult:
    return apply_patch(resource, read_patch(example(name), STRICT), kind, STRICT, **options)


GROUP_BEFORE = {"schemas": [urns.GROUP], "id": "acbf3ae7-8463-4692-b4fd-9b4da3f908ce", "displayName": "Tour Guides"}


@pytest.mark.parametrize(
    ("name", "clear", "added", "removed"),
    [
        ("rfc7644-3.5.2.1-add-member", False, [BABS], []),
        ("rfc7644-3.5.2.2-remove-member", False, [], ["2819c223-7f76-...413861904646"]),
        ("rfc7644-3.5.2.2-remove-all-members", True, [], []),
        ("rfc7644-3.5.2.2-remove-and-add-member", False, ["08e1d05d...473d93df9210"], ["2819c223...919d-413861904646"]),
        ("rfc7644-3.5.2.2-exchange-members", True, [BABS, JAMES], []),
        ("rfc7644-3.5.2.3-replace-members", True, ["2819c223...413861904646", "08e1d05d...473d93df9210"], []),
    ],
)
def test_a_patch_of_members_does_what_the_text_says(
    name: str, clear: bool, added: list[str], removed: list[str]
) -> None:
    result = patched(name, GROUP_BEFORE, GROUP)
    assert result.resource == GROUP_BEFORE
    assert result.members is not None
    assert (result.members.clear, list(result.members.added), list(result.members.removed)) == (clear, added, removed)


BASE = valid(FULL_USER, USER)
WORK_EMAIL, HOME_EMAIL = FULL_USER["emails"]
WORK_ADDRESS, HOME_ADDRESS = FULL_USER["addresses"]


def test_an_add_without_a_path_appends_to_lists_and_sets_single_values() -> None:
    before = {**BASE, "emails": [WORK_EMAIL], "nickName": "B"}
    assert patched("rfc7644-3.5.2.1-add-without-path", before, USER).resource == {
        **BASE,
        "emails": [WORK_EMAIL, HOME_EMAIL],
        "nickName": "Babs",
    }
    assert patched("rfc7644-3.5.2.1-add-without-path", BASE, USER).resource == BASE


def test_a_removed_value_is_the_one_that_both_terms_match() -> None:
    assert patched("rfc7644-3.5.2.2-remove-value", BASE, USER).resource == {**BASE, "emails": [HOME_EMAIL]}


def test_the_work_address_is_replaced_whole() -> None:
    home = {**HOME_ADDRESS, "primary": True}
    before = {**BASE, "addresses": [{"type": "work", "country": "FR"}, home]}
    new = example("rfc7644-3.5.2.3-replace-work-address")["Operations"][0]["value"]
    after = patched("rfc7644-3.5.2.3-replace-work-address", before, USER).resource
    assert after["addresses"] == [new, {**home, "primary": False}]


def test_one_sub_attribute_of_the_work_address_is_replaced() -> None:
    after = patched("rfc7644-3.5.2.3-replace-street-address", BASE, USER).resource
    assert after["addresses"] == [{**WORK_ADDRESS, "streetAddress": "1010 Broadway Ave"}, HOME_ADDRESS]


def test_a_replace_without_a_path_leaves_other_attributes_alone() -> None:
    before = {**BASE, "emails": [{"value": "old@example.com"}], "nickName": "B"}
    assert patched("rfc7644-3.5.2.3-replace-without-path", before, USER).resource == BASE


def test_the_paths_of_figure_8_are_paths() -> None:
    paths = example("rfc7644-3.5.2-figure-8-paths")
    assert paths[-1].endswith(".displayName")
    paths[-1] = paths[-1].replace(".displayName", ".display")  # the sub-attribute is called display
    resources = {"members": (GROUP_BEFORE, GROUP), "name": (BASE, USER), "addresses": (BASE, USER)}
    for path in paths[:-1]:
        resource, kind = resources[path.partition("[")[0].partition(".")[0]]
        body = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "remove", "path": path}]}
        assert apply_patch(resource, read_patch(body, STRICT), kind, STRICT).named
    body = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "remove", "path": paths[-1]}]}
    with pytest.raises(MutabilityError):
        apply_patch(GROUP_BEFORE, read_patch(body, STRICT), GROUP, STRICT)


def test_adding_a_qualified_attribute_adds_its_schema() -> None:
    body = {"schemas": [urns.PATCH_OP], "Operations": [{"op": "add", "path": f"{E}:employeeNumber", "value": "7"}]}
    after = apply_patch(BASE, read_patch(body, STRICT), USER, STRICT).resource
    assert after == {**BASE, "schemas": [urns.USER, E], E: {"employeeNumber": "7"}}


def steps(name: str) -> list[tuple[str, str | None, list[str], bool]]:
    request = read_bulk(example(name), STRICT, limit=4)
    return [
        (each.operation.method, each.operation.bulk_id, sorted(each.withheld), each.completes)
        for each in order(request)
    ]


def test_groups_that_refer_to_each_other_are_created_and_then_completed() -> None:
    assert steps("rfc7644-3.7.1-circular-references") == [
        ("POST", "ytrewq", ["qwerty"], False),
        ("POST", "qwerty", [], False),
        ("POST", "ytrewq", [], True),
    ]
    second = example("rfc7644-3.7.1-circular-references")["Operations"][1]["data"]
    assert without_references(second) == {"schemas": [urns.GROUP], "displayName": "Group B"}
    assert resolve(second, {"qwerty": "c3a26dd3"})["members"] == [{"type": "Group", "value": "c3a26dd3"}]


def test_what_refers_to_a_bulk_id_gets_the_real_id() -> None:
    for name in ("rfc7644-3.7.2-bulk-ids", "rfc7644-3.7.2-bulk-id-in-extension"):
        assert steps(name) == [("POST", "qwerty", [], False), ("POST", "ytrewq", [], False)]
    alice = "92b725cd-9465-4e7d-8c16-01f8e146b87a"
    guides = example("rfc7644-3.7.2-bulk-ids")["Operations"][1]["data"]
    assert valid(resolve(guides, {"qwerty": alice}), GROUP)["members"] == [{"type": "User", "value": alice}]
    bob = example("rfc7644-3.7.2-bulk-id-in-extension")["Operations"][1]["data"]
    assert valid(resolve(bob, {"qwerty": alice}), USER)[E] == {"employeeNumber": "11250", "manager": {"value": alice}}


def test_a_bulk_request_of_every_method_is_read_in_order() -> None:
    request = read_bulk(example("rfc7644-3.7.3-add-update-remove"), STRICT, limit=4)
    assert request.fail_on_errors == 1
    assert [(each.method, each.bulk_id, each.version) for each in request.operations] == [
        ("POST", "qwerty", None),
        ("PUT", None, 'W/"3694e05e9dff591"'),
        ("PATCH", None, 'W/"edac3253e2c0ef2"'),
        ("DELETE", None, 'W/"0ee8add0a938e1a"'),
    ]
    assert [step.operation.index for step in order(request)] == [0, 1, 2, 3]
    patch = read_patch(request.operations[2].data, STRICT)
    before = {"schemas": [urns.USER], "userName": "D", "nickName": "D"}
    assert apply_patch(before, patch, USER, STRICT).resource == {"schemas": [urns.USER], "userName": "Dave"}


def test_a_bulk_request_that_is_too_large_is_refused_by_its_limit() -> None:
    with pytest.raises(PayloadTooLargeError, match="maxOperations is 3"):
        read_bulk(example("rfc7644-3.7.3-add-update-remove"), STRICT, limit=3)
    theirs = example("rfc7644-3.7.4-too-large")
    assert error_message(PayloadTooLargeError(theirs["detail"])) == theirs


def test_errors_have_the_members_of_the_examples() -> None:
    for name, kind in (
        ("rfc7644-3.6-not-found", NotFoundError),
        ("rfc7644-3.12-not-found", NotFoundError),
        ("rfc7644-3.12-read-only", MutabilityError),
        ("rfc7644-7.5.2-sensitive", SensitiveError),
    ):
        theirs = example(name)
        assert error_message(kind(theirs["detail"])) == theirs


def test_failed_bulk_operations_carry_the_errors_of_single_requests() -> None:
    kinds = {"400": InvalidSyntaxError, "404": NotFoundError, "412": PreconditionFailedError}
    for operation in example("rfc7644-3.7.3-all-failed")["Operations"]:
        theirs = operation["response"]
        assert error_message(kinds[operation["status"]](theirs["detail"])) == theirs


def test_named_attributes_come_with_those_that_are_always_returned() -> None:
    search = search_from_parameters({"attributes": "userName"})
    resource = {**BASE, "id": BABS, "userName": "bjensen", "meta": FULL_USER["meta"]}
    shown = read_projection(search.attributes, search.excluded_attributes, USER).apply(resource)
    assert shown == example("rfc7644-3.9-attributes")


@pytest.mark.parametrize("text", ["userName", "name.familyName", f"{urns.USER}:userName", f"{E}:employeeNumber"])
def test_attribute_notation_of_section_3_10_names_an_attribute(text: str) -> None:
    for spelled in (text, text.upper()):
        bound = bind_path(spelled, USER)
        assert bound is not None
        assert text.endswith(str(bound))


def test_a_search_request_is_read() -> None:
    names = ("displayName", "userName")
    assert search_from_message(example("rfc7644-3.4.3-search-request"), STRICT) == SearchRequest(
        filter='displayName sw "smith"', start_index=1, count=10, attributes=names
    )
    assert search_from_message(example("rfc9865-3-search-request"), STRICT) == SearchRequest(
        filter='displayName sw "smith"', cursor="", count=10, attributes=names
    )
