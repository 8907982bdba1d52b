"""What the token endpoint refuses, in OAuth's terms: one class per error code (RFC 6749 §5.2)."""

from typing import ClassVar


class OAuthError(Exception):
    """The request for a token is refused; the message is for whoever sends it."""

    code: ClassVar[str]
    status: ClassVar[int] = 400


class InvalidRequestError(OAuthError):
    """A parameter is missing, stands twice, or cannot be understood."""

    code = "invalid_request"


class InvalidClientError(OAuthError):
    """The client did not show that it is who it says."""

    code = "invalid_client"
    status = 401

    def __init__(self) -> None:
        super().__init__("The client is unknown here, or its secret or assertion is not valid.")


class TooManyAttemptsError(OAuthError):
    """Whoever sends it has failed too often, or has asked for too much, of late."""

    code = "temporarily_unavailable"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many attempts for now; see Retry-After.")
        self.retry_after = retry_after
        """Whole seconds."""


class UnauthorizedClientError(OAuthError):
    """The client is not let in at present."""

    code = "unauthorized_client"


class UnsupportedGrantTypeError(OAuthError):
    """Another way to get a token is asked for than there is."""

    code = "unsupported_grant_type"


class InvalidScopeError(OAuthError):
    """The scope is unknown or more than the client has."""

    code = "invalid_scope"
