"""Errors and their messages: RFC 7644 §3.12 and Table 9, RFC 9865 §2.1."""

import pytest

from headcount.scim import errors, urns
from headcount.scim.errors import InvalidFilterError, MethodNotAllowedError, NotFoundError, ScimError
from headcount.scim.messages import error_message, list_response

TABLE = {
    "InvalidFilterError": (400, "invalidFilter"),
    "TooManyError": (400, "tooMany"),
    "UniquenessError": (409, "uniqueness"),
    "MutabilityError": (400, "mutability"),
    "InvalidSyntaxError": (400, "invalidSyntax"),
    "InvalidPathError": (400, "invalidPath"),
    "NoTargetError": (400, "noTarget"),
    "InvalidValueError": (400, "invalidValue"),
    "InvalidVersionError": (400, "invalidVers"),
    "SensitiveError": (403, "sensitive"),
    "InvalidCursorError": (400, "invalidCursor"),
    "ExpiredCursorError": (400, "expiredCursor"),
    "InvalidCountError": (400, "invalidCount"),
    "UnauthorizedError": (401, None),
    "ForbiddenError": (403, None),
    "NotFoundError": (404, None),
    "MethodNotAllowedError": (405, None),
    "NotAcceptableError": (406, None),
    "RequestTimeoutError": (408, None),
    "ConflictError": (409, None),
    "PreconditionFailedError": (412, None),
    "PayloadTooLargeError": (413, None),
    "UnsupportedMediaTypeError": (415, None),
    "TooManyRequestsError": (429, None),
    "NotImplementedScimError": (501, None),
    "UnavailableError": (503, None),
}


def test_every_error_has_the_status_and_the_type_of_the_tables() -> None:
    kinds = [kind for kind in ScimError.__subclasses__() if kind.__module__ == errors.__name__]
    assert {kind.__name__: (kind.status, kind.scim_type) for kind in kinds} == TABLE


@pytest.mark.parametrize("name", sorted(TABLE.keys() - {"MethodNotAllowedError"}))
def test_an_error_says_in_one_sentence_what_is_wrong(name: str) -> None:
    kind = getattr(errors, name)
    sentence = kind().detail
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert kind("Something else.").detail == str(kind("Something else.")) == "Something else."


def test_a_method_that_is_not_allowed_is_answered_with_those_that_are() -> None:
    error = MethodNotAllowedError(("GET", "PUT"))
    assert (error.allowed, error.detail) == (("GET", "PUT"), "The method is not allowed here; use GET, PUT.")


def test_an_error_message_has_a_string_status_and_no_unknown_member() -> None:
    assert error_message(InvalidFilterError("No.")) == {
        "schemas": [urns.ERROR],
        "status": "400",
        "scimType": "invalidFilter",
        "detail": "No.",
    }
    assert error_message(NotFoundError("No.")) == {"schemas": [urns.ERROR], "status": "404", "detail": "No."}


def test_a_list_of_everything_counts_what_it_holds() -> None:
    assert list_response([{"id": "1"}, {"id": "2"}]) == {
        "schemas": [urns.LIST_RESPONSE],
        "totalResults": 2,
        "itemsPerPage": 2,
        "startIndex": 1,
        "Resources": [{"id": "1"}, {"id": "2"}],
    }
    assert list_response([])["Resources"] == []
