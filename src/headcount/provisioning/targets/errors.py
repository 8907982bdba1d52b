"""Why a target could not be read or asked, in words."""


class TargetError(Exception):
    """A target cannot be read or asked; the message says why, bounded and without secrets."""

    def __init__(self, reason: str, *, status: int = 0, retry_after: float | None = None) -> None:
        self.reason = reason
        self.status = status
        """The HTTP status, 0 without an answer."""
        self.retry_after = retry_after
        """Seconds after which the target wants to be asked again, where it said so."""
        super().__init__(reason)


class UnreachableError(TargetError):
    """The request never reached the target, or the target does not let us in."""


class ThrottledError(TargetError):
    """Too many requests (429), and waiting longer than the caller's patience did not help; nothing was done."""


class UncertainError(TargetError):
    """The request was sent, and no answer says whether it was carried out: a lost response, or a 5xx."""
