"""Bulk requests read, ordered and resolved: RFC 7644 §3.7."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.bulk import order, read_bulk, resolve, without_references
from headcount.scim.errors import InvalidSyntaxError, PayloadTooLargeError
from headcount.scim.profiles import STRICT


def bulk(*operations: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"schemas": [urns.BULK_REQUEST], "Operations": list(operations), **members}


def post(bulk_id: str, *references: str, path: str = "/Groups") -> dict[str, Any]:
    members = [{"value": f"bulkId:{reference}"} for reference in references]
    return {"method": "POST", "path": path, "bulkId": bulk_id, "data": {"members": members}}


def placed(*operations: dict[str, Any]) -> list[tuple[str | None, list[str], bool]]:
    steps = order(read_bulk(bulk(*operations), STRICT, limit=2000))
    return [(step.operation.bulk_id, sorted(step.withheld), step.completes) for step in steps]


def test_operations_keep_their_order_when_nothing_refers_forward() -> None:
    assert placed(post("a"), post("b", "a")) == [("a", [], False), ("b", [], False)]


def test_what_is_referred_to_comes_first() -> None:
    assert placed(post("a", "b"), post("b", "c"), post("c")) == [("c", [], False), ("b", [], False), ("a", [], False)]


def test_a_circle_is_opened_and_completed_afterwards() -> None:
    assert placed(post("a", "b"), post("b", "a")) == [("b", ["a"], False), ("a", [], False), ("b", [], True)]


def test_a_chain_as_long_as_the_request_is_no_problem() -> None:
    operations = [post(f"g{index}", f"g{index + 1}") for index in range(1999)] + [post("g1999")]
    assert placed(*operations)[0] == ("g1999", [], False)


def test_references_are_resolved_wherever_they_stand() -> None:
    value = {"path": "/Users/bulkId:a", "list": ['members[value eq "bulkId:a"]', {"value": "bulkId:b"}], "n": 1}
    assert resolve(value, {"a": "1"}) == {
        "path": "/Users/1",
        "list": ['members[value eq "1"]', {"value": "bulkId:b"}],
        "n": 1,
    }


def test_what_cannot_be_resolved_yet_can_be_left_out() -> None:
    value = {"displayName": "A", "members": [{"value": "bulkId:b"}, {"value": "1"}], "manager": {"value": "bulkId:c"}}
    assert without_references(value) == {"displayName": "A", "members": [{"value": "1"}]}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"Operations": [post("a")]}, InvalidSyntaxError),
        (bulk(), InvalidSyntaxError),
        ({"schemas": [urns.BULK_REQUEST], "Operations": {}}, InvalidSyntaxError),
        (bulk("text"), InvalidSyntaxError),  # type: ignore[arg-type]
        (bulk({"method": "GET", "path": "/Users"}), InvalidSyntaxError),
        (bulk({"method": "DELETE"}), InvalidSyntaxError),
        (bulk({"method": "POST", "path": "/Users", "data": {}}), InvalidSyntaxError),
        (bulk({"method": "PUT", "path": "/Users/1"}), InvalidSyntaxError),
        (bulk({"method": "POST", "path": "/Users", "bulkId": 1, "data": {}}), InvalidSyntaxError),
        (bulk(post("a"), post("a")), InvalidSyntaxError),
        (bulk(post("a"), failOnErrors=0), InvalidSyntaxError),
        (bulk(post("a"), failOnErrors=True), InvalidSyntaxError),
        (bulk(*[post(str(index)) for index in range(2001)]), PayloadTooLargeError),
    ],
)
def test_a_malformed_request_is_refused_whole(body: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_bulk(body, STRICT, limit=2000)


def test_methods_are_understood_in_any_case_and_the_limit_is_exact() -> None:
    request = read_bulk(bulk({"method": "delete", "path": "/Users/1"}, failOnErrors=1), STRICT, limit=1)
    assert (request.operations[0].method, request.fail_on_errors) == ("DELETE", 1)
