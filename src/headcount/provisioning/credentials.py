"""Secrets of a job: named in it, and kept in the environment or in a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_LONGEST: Final = 64 * 1024


class CredentialError(Exception):
    """A secret is not where the job says; the message names the place and never the secret."""


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: in an environment variable or in a file."""

    variable: str = ""
    file: str = ""

    def read(self, environment: Mapping[str, str]) -> str:
        """The secret itself; raises CredentialError when it is not there or empty."""
        value = self._from_file() if self.file else environment.get(self.variable, "")
        if not value:
            raise CredentialError(f"The secret {self} is empty or not set.")
        return value

    def _from_file(self) -> str:
        try:
            with Path(self.file).open("rb") as content:
                return content.read(_LONGEST).decode("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialError(f"The secret {self} cannot be read: {type(error).__name__}.") from error

    def __str__(self) -> str:
        return f"in the file {self.file}" if self.file else f"${{{self.variable}}}"
