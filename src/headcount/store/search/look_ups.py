"""Searches for the few who have one string, compiled once for every attribute."""

from collections.abc import Callable
from typing import Final

from headcount.scim.filters.binding import BoundComparison
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath
from headcount.scim.registry import ResourceType
from headcount.store.interface import Query
from headcount.store.search.conditions import condition, is_point
from headcount.store.search.dialect import Dialect
from headcount.store.search.relations import Layout
from headcount.store.search.sql import Sql
from headcount.store.search.statements import is_first_by_id


class _Slot(str):
    """Stands for any string; the one that is compared with takes its place."""

    __slots__ = ()


_SLOT: Final = _Slot()


class LookUps:
    """The conditions of one tenant's look-ups.

    What is remembered depends on an attribute and on no value, and holds for the very resource type that it was
    compiled for: of a tenant whose schemas change nothing old is used.
    """

    __slots__ = ("_dialect", "_is_nested", "_known", "_tenant")

    def __init__(self, tenant: str, dialect: Dialect, is_nested: Callable[[], bool]) -> None:
        self._tenant = tenant
        self._dialect = dialect
        self._is_nested = is_nested
        self._known: dict[tuple[str | None, ...], tuple[ResourceType, Sql | None]] = {}

    def condition(self, query: Query) -> Sql | None:
        """The condition of a search for the first of the few that an index leads to; None for every other search."""
        equal = self.equality(query)
        if equal is not None or not is_first_by_id(query):
            return equal
        (target,) = query.targets
        if target.filter is None:
            return None
        layout = self._layout(target.resource_type, query.connection, query.base_url)
        return condition(target.filter, layout) if is_point(target.filter, layout) else None

    def equality(self, query: Query) -> Sql | None:
        """The same where one attribute is compared with one string, which is the last parameter; else None."""
        if not is_first_by_id(query):
            return None
        (target,) = query.targets
        match target.filter:
            case BoundComparison(path, Operator.EQ, str(value)):
                found = self._template(target.resource_type, path, query.connection)
                return None if found is None else Sql(found.text, (*found.parameters[:-1], value))
        return None

    def _template(self, kind: ResourceType, path: BoundPath, connection: str | None) -> Sql | None:
        """The condition with a slot behind its other parameters; None where it is another one for another string."""
        sub_name = path.sub_attribute.name if path.sub_attribute else None
        key = (kind.name, path.extension, path.attribute.name, sub_name, connection)
        known = self._known.get(key)
        if known is None or known[0] is not kind:
            layout = self._layout(kind, connection, "")
            node = BoundComparison(path, Operator.EQ, _SLOT)
            found = condition(node, layout) if is_point(node, layout) else None
            has_slot = found is not None and found.parameters and found.parameters[-1] is _SLOT
            known = self._known[key] = kind, found if has_slot else None
        return known[1]

    def _layout(self, kind: ResourceType, connection: str | None, base_url: str) -> Layout:
        return Layout(self._tenant, kind, self._dialect, base_url, self._is_nested, connection)
