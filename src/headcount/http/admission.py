"""What one process takes upon itself at a time. What comes on top is refused at once, while what was taken goes on."""

from headcount.scim.errors import UnavailableError


class Admission:
    """Counts the requests that are being worked on, and the bytes of the bodies that are held.

    A request whose body is still to come, or whose answer is on its way, takes nobody's place: slow clients shut out
    no others.
    """

    __slots__ = ("_bytes", "_most_bytes", "_most_requests", "_requests")

    def __init__(self, requests: int, body_bytes: int) -> None:
        self._most_requests = requests
        self._most_bytes = body_bytes
        self._requests = 0
        self._bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether a further request is to be refused."""
        return self._requests >= self._most_requests

    def enter(self) -> None:
        """A request begins, or goes on."""
        self._requests += 1

    def leave(self) -> None:
        """A request ends, or waits for its client."""
        self._requests -= 1

    def hold(self, size: int) -> None:
        """A further part of a body has come; raises UnavailableError when there is no room for it."""
        if self._bytes + size > self._most_bytes:
            raise UnavailableError("Too many large requests at once; try again.")
        self._bytes += size

    def release(self, size: int) -> None:
        """So much of a body, or of several, is not needed any more."""
        self._bytes -= size
