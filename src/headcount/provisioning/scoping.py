"""Who takes part: scoping rules over mapped persons and groups, each evaluated once for all targets that have it."""

from collections.abc import Mapping, Sequence

from headcount.provisioning.jobs import Scope
from headcount.provisioning.mapping.attributes import Flat, resource_of
from headcount.provisioning.mapping.functions import REFERENCE, UNIQUE
from headcount.provisioning.targets.paths import place_of
from headcount.scim.filters.evaluation import matches
from headcount.scim.schemas import Json


class Scopes:
    """The scoping rules of several targets."""

    def __init__(self, by_target: Sequence[tuple[int, Sequence[Scope]]]) -> None:
        """For each target its variant (the place of its state) and its rules."""
        self._by_target = tuple((variant, tuple(scopes)) for variant, scopes in by_target)
        self._everybody = (1 << len(self._by_target)) - 1
        self._has_rules = any(scopes for _, scopes in self._by_target)
        self._texts = " ".join(scope.text.lower() for _, scopes in self._by_target for scope in scopes)
        self._is_read: dict[str, bool] = {}
        """By path, whether a rule may read what it names."""

    def targets_of(self, states: Sequence[Flat]) -> int:
        """The targets in whose scope somebody is, a bit each; `states` are the mapped ones by variant."""
        if not self._has_rules:
            return self._everybody
        resources: dict[int, Mapping[str, Json]] = {}
        verdicts: dict[tuple[int, str], bool] = {}
        found = 0
        for index, (variant, scopes) in enumerate(self._by_target):
            if all(self._is_in(scope, variant, states, resources, verdicts) for scope in scopes):
                found |= 1 << index
        return found

    def _is_in(
        self,
        scope: Scope,
        variant: int,
        states: Sequence[Flat],
        resources: dict[int, Mapping[str, Json]],
        verdicts: dict[tuple[int, str], bool],
    ) -> bool:
        verdict = verdicts.get((variant, scope.text))
        if verdict is None:
            if variant not in resources:
                read = {path: _shown(value) for path, value in states[variant].items() if self._reads(path)}
                resources[variant] = resource_of(read)
            verdict = verdicts[variant, scope.text] = matches(scope.bound, resources[variant])
        return verdict

    def _reads(self, path: str) -> bool:
        """Whether the name of an attribute stands in any rule: what no rule names need not be put together."""
        if path not in self._is_read:
            self._is_read[path] = place_of(path).attribute.lower() in self._texts
        return self._is_read[path]


def _shown(value: Json) -> Json:
    """A value with a name that is still to be made unique, or a reference, as the text in it."""
    if type(value) is not dict:
        return value
    if len(value) == 1:
        for name in (UNIQUE, REFERENCE):
            if name in value:
                return value[name]
    return {name: _shown(item) for name, item in value.items()}
