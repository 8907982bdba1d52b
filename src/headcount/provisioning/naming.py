"""User names that nobody else has: a number is put to a name that is taken."""

import re
from collections.abc import Iterator
from typing import Final

from headcount.provisioning.correlation import Answers, Question
from headcount.provisioning.links import Links
from headcount.scim.folding import fold

_MOST: Final = 1_000


class Names:
    """The user names of one target, taken as the plan goes on."""

    def __init__(self, links: Links, answers: Answers) -> None:
        self._answers = answers
        self._taken = {fold(link.label): key for key, link in links.persons.items() if link.label}
        self._ids = {key: link.target_id for key, link in links.persons.items()}

    def take(self, name: str, key: str) -> None:
        """Somebody has a name that is given."""
        self._taken.setdefault(fold(name), key)

    def unique(self, wanted: str, key: str, current: str = "") -> str:
        """The name somebody gets: the one they have if it fits, else the first that is free; empty if none is."""
        if current and _fits(current, wanted):
            self.take(current, key)
            return current
        free = (name for name in _candidates(wanted) if self._is_free(name, key))
        name = next(free, "")
        if name:
            self.take(name, key)
        return name

    def _is_free(self, name: str, key: str) -> bool:
        if self._taken.get(fold(name), key) != key:
            return False
        found = self._answers.to(Question("User", "userName", name))
        return all(record.id == self._ids.get(key) for record in found)


def _candidates(wanted: str) -> Iterator[str]:
    local, at, domain = wanted.partition("@")
    yield wanted
    yield from (f"{local}{number}{at}{domain}" for number in range(2, _MOST))


def _fits(current: str, wanted: str) -> bool:
    local, at, domain = fold(wanted).partition("@")
    return re.fullmatch(rf"{re.escape(local)}([2-9]|[1-9]\d+)?{re.escape(at + domain)}", fold(current)) is not None
