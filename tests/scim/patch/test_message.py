"""The envelope of a PATCH: RFC 7644 §3.5.2."""

from typing import Any

import pytest

from headcount.scim import urns
from headcount.scim.errors import InvalidSyntaxError, InvalidValueError, NoTargetError, PayloadTooLargeError, ScimError
from headcount.scim.patch import Op, PatchOperation, read_patch
from headcount.scim.profiles import STRICT, TOLERANT
from scim.patch.patching import message

TITLE = {"op": "add", "path": "title", "value": "x"}


def test_operations_are_read_in_order_as_they_were_sent() -> None:
    body = message(
        TITLE,
        {"op": "remove", "path": "title"},
        {"op": "replace", "value": {"title": "y"}},
        {"op": "replace", "path": "title", "value": None},
        {"op": "remove", "path": "emails", "value": [{"value": "a"}]},
    )
    assert read_patch(body, STRICT) == (
        PatchOperation(Op.ADD, "title", "x"),
        PatchOperation(Op.REMOVE, "title", None),
        PatchOperation(Op.REPLACE, None, {"title": "y"}),
        PatchOperation(Op.REPLACE, "title", None),
        PatchOperation(Op.REMOVE, "emails", [{"value": "a"}]),
    )


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (None, InvalidSyntaxError),
        ([], InvalidSyntaxError),
        ("x", InvalidSyntaxError),
        ({"schemas": [urns.PATCH_OP]}, InvalidSyntaxError),
        ({"schemas": [urns.PATCH_OP], "Operations": None}, InvalidSyntaxError),
        ({"schemas": [urns.PATCH_OP], "Operations": TITLE}, InvalidSyntaxError),
        ({"schemas": [urns.PATCH_OP], "Operations": "add"}, InvalidSyntaxError),
        ({"schemas": [urns.USER], "Operations": [TITLE]}, InvalidSyntaxError),
        ({"schemas": urns.PATCH_OP, "Operations": [TITLE]}, InvalidSyntaxError),
        (message("add"), InvalidSyntaxError),  # type: ignore[arg-type]
        (message(None), InvalidSyntaxError),  # type: ignore[arg-type]
        (message({"path": "title", "value": "x"}), InvalidSyntaxError),
        (message({"op": None, "path": "title", "value": "x"}), InvalidSyntaxError),
        (message({"op": 1, "path": "title", "value": "x"}), InvalidSyntaxError),
        (message({"op": "move", "path": "title", "from": "nickName"}), InvalidSyntaxError),
        (message({"op": "copy", "path": "title", "from": "nickName"}), InvalidSyntaxError),
        (message({"op": "test", "path": "title", "value": "x"}), InvalidSyntaxError),
        (message({"op": "add", "OP": "add", "path": "title", "value": "x"}), InvalidSyntaxError),
        (message({"op": "add", "path": 1, "value": "x"}), InvalidSyntaxError),
        (message({"op": "add", "path": ["title"], "value": "x"}), InvalidSyntaxError),
        (message({"op": "remove"}), NoTargetError),
        (message({"op": "remove", "path": None}), NoTargetError),
        (message({"op": "remove", "path": "  "}), NoTargetError),
        (message({"op": "remove", "value": {"title": "x"}}), NoTargetError),
        (message({"op": "add", "path": "title"}), InvalidValueError),
        (message({"op": "replace", "path": "title"}), InvalidValueError),
        (message({"op": "add"}), InvalidValueError),
        (message(TITLE, {"op": "remove"}), NoTargetError),
    ],
)
@pytest.mark.parametrize("profile", [STRICT, TOLERANT])
def test_a_malformed_message_is_refused_whole(body: Any, error: type[ScimError], profile: Any) -> None:
    with pytest.raises(error):
        read_patch(body, profile)


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(InvalidSyntaxError, match=r"Operations\[1\].*'move'"):
        read_patch(message(TITLE, {"op": "move", "path": "title"}), STRICT)


@pytest.mark.parametrize("op", ["add", "Add", "ADD"])
def test_op_is_understood_in_any_case_in_both_profiles(op: str) -> None:
    for profile in (STRICT, TOLERANT):
        assert read_patch(message({"Op": op, "PATH": "title", "Value": "x"}), profile)[0].op is Op.ADD


def test_a_message_without_schemas_or_operations_is_tolerated_by_the_tolerant_profile_only() -> None:
    for schemas in ({}, {"schemas": []}, {"schemas": None}):
        body = {**schemas, "Operations": [TITLE]}
        assert len(read_patch(body, TOLERANT)) == 1
        with pytest.raises(InvalidSyntaxError, match="PatchOp"):
            read_patch(body, STRICT)
    assert read_patch(message(), TOLERANT) == ()
    with pytest.raises(InvalidSyntaxError, match="empty"):
        read_patch(message(), STRICT)


def test_the_urn_of_the_message_is_understood_in_any_case() -> None:
    body = {"schemas": ["urn:example:other", urns.PATCH_OP.upper()], "Operations": [TITLE]}
    assert len(read_patch(body, STRICT)) == 1


def test_a_patch_has_1000_operations_and_not_one_more() -> None:
    assert len(read_patch(message(*[TITLE] * 1000), STRICT)) == 1000
    with pytest.raises(PayloadTooLargeError, match="1000 operations"):
        read_patch(message(*[TITLE] * 1001), STRICT)
    with pytest.raises(PayloadTooLargeError, match="2 operations"):
        read_patch(message(*[TITLE] * 3), STRICT, limit=2)
