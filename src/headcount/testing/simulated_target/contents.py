"""What a simulated target holds, and what its reads show of it."""

from collections import deque
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

Resource = dict[str, Any]


class Contents:
    """Users and groups as they are, and as reads show them `lag` requests later."""

    def __init__(self, lag: int) -> None:
        self._lag = lag
        self._now = 0
        self._numbers = 0
        self._true: dict[str, dict[str, Resource]] = {"User": {}, "Group": {}}
        self._shown: dict[str, dict[str, Resource]] = {"User": {}, "Group": {}}
        self._coming: deque[tuple[int, str, str, Resource | None]] = deque()

    def tick(self) -> None:
        """Another request begins."""
        self._now += 1
        self._show(self._now)

    def settle(self) -> None:
        """Reads show everything that was written until now."""
        self._show(self._now + self._lag + 1)

    def _show(self, until: int) -> None:
        while self._coming and self._coming[0][0] <= until:
            _, kind, identifier, resource = self._coming.popleft()
            _set(self._shown[kind], identifier, resource)

    def new_id(self) -> str:
        """An id that nobody has."""
        self._numbers += 1
        return f"id-{self._numbers}"

    def write(self, kind: str, identifier: str, resource: Resource | None) -> None:
        """Somebody is as given from now on; None when he is gone."""
        _set(self._true[kind], identifier, resource)
        copy = deepcopy(resource)
        if self._lag:
            self._coming.append((self._now + self._lag + 1, kind, identifier, copy))
        else:
            _set(self._shown[kind], identifier, copy)

    def get(self, kind: str, identifier: str) -> Resource | None:
        """Somebody as he is."""
        return deepcopy(self._true[kind].get(identifier))

    def shown(self, kind: str, identifier: str) -> Resource | None:
        """Somebody as reads show him."""
        return deepcopy(self._shown[kind].get(identifier))

    def all_shown(self, kind: str) -> Iterator[Resource]:
        """Everybody as reads show them."""
        return iter(deepcopy(list(self._shown[kind].values())))

    def all(self, kind: str) -> list[Resource]:
        """Everybody as they are."""
        return deepcopy(list(self._true[kind].values()))

    def is_known(self, identifier: str) -> bool:
        """Whether somebody, or a group, has the id."""
        return any(identifier in kept for kept in self._true.values())


def _set(kept: dict[str, Resource], identifier: str, resource: Mapping[str, Any] | None) -> None:
    if resource is None:
        kept.pop(identifier, None)
    else:
        kept[identifier] = dict(resource)
