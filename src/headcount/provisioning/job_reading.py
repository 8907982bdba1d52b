"""From the plain values of a job file to a job: expressions compiled, filters bound, policies merged."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from headcount.provisioning.job_schema import CONNECTION_KEYS, DEACTIVATE_THEN_DELETE
from headcount.provisioning.jobs import (
    DAY,
    DEFAULT_ADOPT,
    DEFAULT_GROUP_ADOPT,
    DEFAULT_GUARD,
    EXTERNAL_ID,
    USER_NAME,
    WELL_KNOWN,
    CorrelationRule,
    Drift,
    GroupOrigin,
    GroupSettings,
    Join,
    Leaver,
    LeaverPolicy,
    Limit,
    Nested,
    Scope,
    SourceSettings,
    SyncJob,
    TargetSettings,
)
from headcount.provisioning.mapping.attributes import (
    AttributeMapping,
    MappingError,
    Owner,
    When,
    mapping_of,
    misfit,
)
from headcount.provisioning.mapping.expressions import Compiler, Expression, ExpressionError
from headcount.provisioning.plan import GuardKind
from headcount.provisioning.shapes import Faults, Node, fault, suggestion
from headcount.scim.errors import ScimError
from headcount.scim.filters.binding import bind_filter
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, USER, ResourceType

_Values = Mapping[str, Any]
_DEFAULTS: Final[Mapping[str, str | bool]] = {"externalId": "key", "active": True}
"""Mappings of persons that a job need not write: an expression, or a constant."""
_GROUP_DEFAULTS: Final[Mapping[str, str | bool]] = {
    "displayName": "firstNonEmpty([record.displayName, record.name, key])",
    "externalId": "key",
}


class JobReader:
    """Reads one job; what is wrong goes to `faults`."""

    def __init__(self, values: _Values, places: Mapping[str, Node], faults: Faults) -> None:
        self._values = values
        self._places = places
        self._faults = faults
        self._compiler = Compiler(values["lookups"] or {})
        self._expressions: dict[str, Expression] = {}
        self._scopes: dict[tuple[str, str], Scope] = {}

    def job(self, text: str, digest: str) -> SyncJob:
        """The job, of no meaning if there are faults."""
        values = self._values
        mappings = self._mappings(values["mappings"], "mappings", USER, _DEFAULTS)
        correlation = self._correlation(values["correlation"])
        groups = self._groups(values["groups"])
        variants: list[tuple[AttributeMapping, ...]] = [tuple(mappings.values())]
        targets = {
            name: self._target(name, index, target, mappings, variants)
            for index, (name, target) in enumerate(values["targets"].items())
        }
        self._check_targets(targets, correlation)
        return SyncJob(
            name=values["name"],
            tenant=values["tenant"],
            source=self._source(values["source"]),
            variants=tuple(variants),
            targets=targets,
            joins=tuple(self._join(join) for join in values["join"] or ()),
            scope=self._scope(values["scope"], "scope", USER),
            groups=groups,
            correlation=correlation,
            lookups=values["lookups"] or {},
            compiler=self._compiler,
            schedule=values["schedule"] or "",
            description=values["description"] or "",
            text=text,
            digest=digest,
        )

    def _fault(self, path: str, message: str) -> None:
        while path and path not in self._places:
            path = path.rpartition(".")[0]
        node = self._places[path]
        self._faults.append(fault(node, message))

    def _source(self, values: _Values) -> SourceSettings:
        options = {name: value for name, value in values.items() if name not in ("type", "key") and value is not None}
        return SourceSettings(values["type"], values["key"], options)

    def _join(self, values: _Values) -> Join:
        precedence = {name: tuple(order) for name, order in (values["precedence"] or {}).items()}
        known = {"source", *(join["name"] for join in self._values["join"])}
        for name, order in precedence.items():
            for unknown in set(order) - known:
                self._fault("join", f"precedence of {name}: there is no '{unknown}'; {suggestion(unknown, known)}")
        return Join(values["name"], self._source(values["source"]), values["on"], precedence)

    def _mappings(
        self, values: _Values, where: str, kind: ResourceType, defaults: Mapping[str, str | bool]
    ) -> dict[str, AttributeMapping]:
        """Mappings by path; the defaults first, where nothing is said of them."""
        written = {path.lower() for path in values}
        found: dict[str, AttributeMapping] = {}
        for path, default in defaults.items():
            if path.lower() not in written:
                value = {"cel": default} if isinstance(default, str) else {"constant": default}
                found |= self._mapping(path, value, where, kind)
        for path, value in values.items():
            mapping = self._mapping(path, {"cel": value} if isinstance(value, str) else value, where, kind)
            if mapping.keys() & found.keys():
                self._fault(f"{where}.{path}", "this attribute is mapped twice.")
            found |= mapping
        return found

    def _mapping(self, path: str, values: _Values, where: str, kind: ResourceType) -> dict[str, AttributeMapping]:
        place = f"{where}.{path}"
        expression, constant = values.get("cel"), values.get("constant")
        if (expression is None) is (constant is None):
            self._fault(place, "give either 'cel' or 'constant'.")
            return {}
        owner, when = Owner(values.get("owner") or Owner.SOURCE), When(values.get("on") or When.ALWAYS)
        parts = {"constant": constant, "default": values.get("default"), "when": when, "owner": owner}
        try:
            compiled = self._expression(expression, place, may_be_unique=kind is USER and path.lower() == "username")
            mapping = mapping_of(path, kind, expression=compiled, **parts)
        except MappingError as error:
            self._fault(place, str(error))
            return {}
        if problem := misfit(mapping):
            self._fault(place, problem)
        return {mapping.path: mapping}

    def _expression(self, text: str | None, place: str, *, may_be_unique: bool = False) -> Expression | None:
        if text is None:
            return None
        try:
            if text not in self._expressions:
                self._expressions[text] = self._compiler.compile(text)
        except ExpressionError as error:
            self._fault(place, f"{error}.")
        expression = self._expressions.get(text)
        if expression and "unique" in expression.functions and not may_be_unique:
            self._fault(
                place, "'unique' makes a userName, and nothing else: no other value is asked for at the target."
            )
        return expression

    def _scope(self, text: str | None, place: str, kind: ResourceType) -> Scope | None:
        if text is None:
            return None
        try:
            bound = bind_filter(parse_filter(text), kind, TOLERANT)
        except ScimError as error:
            self._fault(place, str(error))
            return None
        return self._scopes.setdefault((kind.name, text), Scope(text, bound))

    def _groups(self, values: _Values | None) -> GroupSettings | None:
        if values is None:
            return None
        origin = GroupOrigin(values["from"])
        if (origin is GroupOrigin.ATTRIBUTE) is not bool(values["attribute"]):
            self._fault("groups", "'attribute' goes with 'from: attribute', and only with that.")
        mappings = self._mappings(values["mappings"] or {}, "groups.mappings", GROUP, _GROUP_DEFAULTS)
        return GroupSettings(
            origin,
            values["attribute"] or "",
            values["separator"] or "",
            tuple(mappings.values()),
            self._scope(values["scope"], "groups.scope", GROUP),
            Nested(values["nested"]),
        )

    def _correlation(self, values: list[Any] | None) -> tuple[CorrelationRule, ...]:
        if values is None:
            return (EXTERNAL_ID, USER_NAME)
        return tuple(rule for index, value in enumerate(values) for rule in self._rule(value, f"correlation[{index}]"))

    def _rule(self, value: Any, place: str) -> Iterable[CorrelationRule]:
        if isinstance(value, str):
            if value not in WELL_KNOWN:
                self._fault(place, f"there is no rule '{value}'; {suggestion(value, WELL_KNOWN)}")
                return ()
            return (WELL_KNOWN[value],)
        expression = self._expression(value["expression"], place)
        return (CorrelationRule(value["name"] or value["attribute"], value["attribute"], expression),)

    def _target(
        self,
        name: str,
        index: int,
        values: _Values,
        mappings: Mapping[str, AttributeMapping],
        variants: list[tuple[AttributeMapping, ...]],
    ) -> TargetSettings:
        place = f"targets.{name}"
        groups = values["groups"] if isinstance(values["groups"], Mapping) else {}
        inherited = self._values["groups"] or {}
        return TargetSettings(
            name=name,
            url=values["url"].rstrip("/"),
            index=index,
            variant=self._variant(values["mappings"] or {}, place, mappings, variants),
            pack=values["pack"],
            authentication=self._authentication(values["authentication"], place),
            connection={key: values[key] for key in CONNECTION_KEYS if values[key] is not None},
            capabilities=values["capabilities"] or {},
            scope=self._scope(values["scope"], f"{place}.scope", USER),
            has_groups=values["groups"] is not False and bool(inherited),
            group_scope=self._scope(groups.get("scope"), f"{place}.groups.scope", GROUP),
            nested=Nested(groups.get("nested") or inherited.get("nested") or Nested.KEEP),
            group_leaver=Leaver(groups.get("gone") or Leaver.DELETE),
            **self._policies(values),
        )

    def _variant(
        self,
        values: _Values,
        place: str,
        mappings: Mapping[str, AttributeMapping],
        variants: list[tuple[AttributeMapping, ...]],
    ) -> int:
        """The place of a target's mappings among the variants; null takes one away."""
        own = {path: value for path, value in values.items() if value is not None}
        absent = {path.lower() for path in values}
        found = {path: mapping for path, mapping in mappings.items() if path.lower() not in absent}
        variant = tuple({**found, **self._mappings(own, f"{place}.mappings", USER, {})}.values())
        if variant not in variants:
            variants.append(variant)
        return variants.index(variant)

    def _authentication(self, values: _Values | None, place: str) -> Mapping[str, Any]:
        given = {kind: value for kind, value in (values or {}).items() if value is not None}
        if values is not None and len(given) != 1:
            self._fault(f"{place}.authentication", f"give exactly one of {', '.join(values)}.")
        return given

    def _policies(self, values: _Values) -> dict[str, Any]:
        shared = self._values["policies"] or {}
        policies = {key: shared.get(key) if values[key] is None else values[key] for key in _POLICIES}
        guard = {**(shared.get("guard") or {}), **{k: v for k, v in (values["guard"] or {}).items() if v is not None}}
        return {
            "leaver": _leaver(policies["leaver"]),
            "guard": {kind: _limit(guard.get(kind.value), DEFAULT_GUARD[kind]) for kind in GuardKind},
            "adopt": DEFAULT_ADOPT if policies["adopt"] is None else tuple(policies["adopt"]),
            "adopt_groups": DEFAULT_GROUP_ADOPT if policies["adopt"] is None else tuple(policies["adopt"]),
            "drift": Drift(policies["drift"] or Drift.REPORT),
            "concurrency": policies["concurrency"],
            "rate": policies["rate"],
        }

    def _check_targets(self, targets: Mapping[str, TargetSettings], rules: Iterable[CorrelationRule]) -> None:
        known = {rule.name for rule in rules} | {*DEFAULT_ADOPT, *DEFAULT_GROUP_ADOPT}
        for target in targets.values():
            for name in set(target.adopt) - known:
                self._fault(f"targets.{target.name}", f"adopt: no rule is called '{name}'; {suggestion(name, known)}")
        if not targets:
            self._fault("targets", "there is no target.")


_POLICIES: Final = ("leaver", "adopt", "drift", "concurrency", "rate")


def _leaver(value: Any) -> LeaverPolicy:
    if isinstance(value, Mapping):
        return LeaverPolicy(Leaver.DEACTIVATE, value[DEACTIVATE_THEN_DELETE])
    return LeaverPolicy(Leaver(value or Leaver.DEACTIVATE))


def _limit(value: Any, default: Limit) -> Limit:
    if value is None:
        return default
    if value is False:
        return Limit()
    return Limit(value["number"], value["share"], value["window"] or DAY)
