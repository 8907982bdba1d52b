"""What can go wrong in SCIM terms: one class per scimType, one per plain status.

A class carries its HTTP status and scimType (RFC 7644 §3.12, Table 9; RFC 9865 §2.1) and its docstring's
first line is the default detail. Only `headcount.http` turns an error into a response.
"""

from collections.abc import Mapping
from typing import ClassVar


class ScimError(Exception):
    """The request cannot be carried out."""

    status: ClassVar[int] = 500
    scim_type: ClassVar[str | None] = None

    def __init__(self, detail: str | None = None, *, unknown: Mapping[str, str] | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").split("\n", 1)[0]
        self.unknown = unknown or {}
        """What the request was refused for because no schema has it: types by path."""
        super().__init__(self.detail)


class InvalidFilterError(ScimError):
    """The filter is malformed, or compares an attribute in a way that is not supported."""

    status = 400
    scim_type = "invalidFilter"


class TooManyError(ScimError):
    """The filter yields more results than the server is willing to calculate."""

    status = 400
    scim_type = "tooMany"


class UniquenessError(ScimError):
    """One or more of the attribute values are already in use."""

    status = 409
    scim_type = "uniqueness"


class MutabilityError(ScimError):
    """The change is not compatible with the attribute's mutability or its current state."""

    status = 400
    scim_type = "mutability"


class InvalidSyntaxError(ScimError):
    """The body is not JSON, or does not have the structure of the message."""

    status = 400
    scim_type = "invalidSyntax"


class InvalidPathError(ScimError):
    """The path is malformed or names an attribute that the schema does not have."""

    status = 400
    scim_type = "invalidPath"


class NoTargetError(ScimError):
    """The path does not yield anything that could be operated on."""

    status = 400
    scim_type = "noTarget"


class InvalidValueError(ScimError):
    """A required value is missing, or a value does not fit the attribute's type or the operation."""

    status = 400
    scim_type = "invalidValue"


class InvalidVersionError(ScimError):
    """The SCIM protocol version is not supported."""

    status = 400
    scim_type = "invalidVers"


class SensitiveError(ScimError):
    """The filter carries sensitive data in the request URI; send it as a POST search."""

    status = 403
    scim_type = "sensitive"


class InvalidCursorError(ScimError):
    """The cursor is not valid for this request."""

    status = 400
    scim_type = "invalidCursor"


class ExpiredCursorError(ScimError):
    """The cursor has expired; start again from the first page."""

    status = 400
    scim_type = "expiredCursor"


class InvalidCountError(ScimError):
    """The count differs from the one of the first page."""

    status = 400
    scim_type = "invalidCount"


class UnauthorizedError(ScimError):
    """Credentials are missing or not valid."""

    status = 401


class ForbiddenError(ScimError):
    """The operation is not permitted."""

    status = 403


class NotFoundError(ScimError):
    """The resource or endpoint does not exist."""

    status = 404


class MethodNotAllowedError(ScimError):
    """The method is not allowed on this resource."""

    status = 405

    def __init__(self, allowed: tuple[str, ...], detail: str | None = None) -> None:
        self.allowed = allowed
        super().__init__(detail or f"The method is not allowed here; use {', '.join(allowed)}.")


class NotAcceptableError(ScimError):
    """No acceptable representation; this server sends application/scim+json."""

    status = 406


class RequestTimeoutError(ScimError):
    """The request did not arrive in time."""

    status = 408


class ConflictError(ScimError):
    """The request conflicts with the current state."""

    status = 409


class PreconditionFailedError(ScimError):
    """The resource has changed: its version is not the one in the precondition."""

    status = 412


class PayloadTooLargeError(ScimError):
    """The request is larger than the server is willing to process."""

    status = 413


class UnsupportedMediaTypeError(ScimError):
    """The body must be application/scim+json or application/json."""

    status = 415


class TooManyRequestsError(ScimError):
    """Too many requests; try again later."""

    status = 429

    def __init__(self, detail: str | None = None, *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        """Whole seconds."""


class NotImplementedScimError(ScimError):
    """The service provider does not support this operation."""

    status = 501


class UnavailableError(ScimError):
    """The service is temporarily unavailable; try again."""

    status = 503
