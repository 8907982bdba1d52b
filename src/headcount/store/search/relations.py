"""Where the values of an attribute are: a column, the compare document, or rows of other tables.

What an index of another table finds is a set of ids that depends on no row of the search itself, so that a database
looks it up once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from headcount.scim import urns
from headcount.scim.filters.binding import BoundComparison
from headcount.scim.filters.syntax import Operator
from headcount.scim.paths import BoundPath
from headcount.scim.registry import ResourceType
from headcount.store.keys import PROMOTED, is_key, ordered_text, unique_key, unique_text
from headcount.store.search.dialect import Dialect
from headcount.store.search.memberships import (
    Relation,
    groups_of,
    ids_in_groups,
    ids_with_member,
    manager_part,
    members_of,
)
from headcount.store.search.sql import Sql

_META: Final = {"created": "r.created", "lastModified": "r.modified", "resourceType": "r.type"}
_EXTERNAL_ID: Final = """(SELECT x.value FROM external_id AS x
WHERE x.tenant = r.tenant AND x.type = r.type AND x.id = r.id AND x.connection = ?)"""
_NOTHING: Final[Mapping[str, str]] = {}
_POINTS: Final = frozenset({"r.id", "r.user_name", "r.display_name"})
"""Columns whose values few resources share."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one resource type is, in one search of one tenant."""

    tenant: str
    resource_type: ResourceType
    dialect: Dialect
    base_url: str
    is_nested: Callable[[], bool]
    """Asks whether the tenant has groups within groups."""
    connection: str | None = None
    """Whose externalIds are meant; None for anybody's."""
    indexes_values: bool = True
    """Whether the indexes of values are used: not beside a condition that leads to a few resources."""

    def names(self, path: BoundPath, *, sub: bool = True) -> tuple[str, ...]:
        """The names that lead to the values in the compare document."""
        names = [path.extension] if path.extension else []
        names.append(path.attribute.name)
        if sub and path.sub_attribute:
            names.append(path.sub_attribute.name)
        return tuple(names)

    def singular(self, path: BoundPath) -> Sql:
        """The value of a singular attribute."""
        found = self.column(path)
        if self.connection is not None and self._is_external_id(path):
            return Sql(_EXTERNAL_ID, (self.connection,))
        if found is None and self._is_manager(path) and path.sub_attribute is not None:
            found = manager_part(path.sub_attribute.name, self.base_url)
        return found or self.dialect.member("r.compare", self.names(path), path.target.type)

    def column(self, path: BoundPath) -> Sql | None:
        """The column, or what is made of columns, that holds a singular attribute, if one does."""
        name, sub = path.attribute.name, path.sub_attribute
        if self._is_manager(path):
            return Sql("r.manager") if sub is not None and sub.name == "value" else None
        if path.extension is not None:
            return None
        if sub is None:
            column = "id" if name == "id" else self._promoted.get(name)
            return Sql(f"r.{column}") if column else None
        return self._meta(sub.name) if name == "meta" else None

    def location_prefix(self, path: BoundPath) -> str | None:
        """What stands in front of the id in `meta.location`; None for every other path."""
        is_location = path.extension is None and path.attribute.name == "meta" and path.target.name == "location"
        return f"{self.base_url}{self.resource_type.endpoint}/" if is_location else None

    def is_point(self, path: BoundPath) -> bool:
        """Whether an index leads from a value of the attribute to the few resources that have it."""
        column = self.column(path)
        if column is not None:
            return column.text in _POINTS or self.location_prefix(path) is not None
        return self._is_member(path) or self._key_index(path) is not None

    def is_ordered(self, path: BoundPath) -> bool:
        """Whether an index has the resources in the order of a singular attribute."""
        column = self.column(path)
        ordered = ("r.id", "r.modified", *(f"r.{name}" for name in self._promoted.values()))
        return column is not None and column.text in ordered

    def is_rare(self, node: BoundComparison) -> bool:
        """Whether few resources fulfil a comparison with an indexed value as a rule.

        Those are what was modified after an instant, and a part of a name.
        """
        if not self.is_ordered(node.path):
            return False
        is_modified = node.path.attribute.name == "meta"
        return node.operator in ((Operator.GT, Operator.GE) if is_modified else (Operator.CO, Operator.EW))

    def relation(self, path: BoundPath) -> Relation:
        """The elements of a multi-valued attribute."""
        if self._is_groups(path):
            return groups_of(self.base_url, nested=self.is_nested())
        if self._is_members(path):
            return members_of(self.base_url)
        return Relation(self.dialect.elements("r.compare", self.names(path, sub=False), "e"), None, "e.key")

    @property
    def beside_few(self) -> "Layout":
        """The layout for a condition on the few resources that another one leads to."""
        return replace(self, indexes_values=False)

    def ids(self, node: BoundComparison, compare: Callable[[Sql, BoundComparison], Sql]) -> Sql | None:
        """The ids of the resources with a value that compares so, from an index of another table; None without one.

        `compare` makes the condition on a value.
        """
        path = node.path
        name = path.sub_attribute.name if path.sub_attribute else ""
        if node.operator is Operator.EQ:
            value = unique_text(node.value)
            if self._is_groups(path):
                return ids_in_groups(self.tenant, name, value, self.base_url, nested=self.is_nested())
            if self._is_members(path):
                return ids_with_member(self.tenant, name, value, self.base_url)
            found = self._key_index(path)
            if found is not None:
                table, condition, parameters = found
                text = f"(SELECT id FROM {table} WHERE tenant = ? AND {condition} AND value = ?)"
                return Sql(text, (self.tenant, *parameters, value))
        if self._has_indexed_values(path):
            text = "(SELECT v.id FROM indexed_value AS v WHERE v.tenant = ? AND v.type = ? AND v.path = ? AND "
            kept = replace(node, value=ordered_text(node.value))
            return Sql(text, (self.tenant, self.resource_type.name, str(path))) + compare(Sql("v.value"), kept) + ")"
        return None

    def _key_index(self, path: BoundPath) -> tuple[str, str, tuple[str, ...]] | None:
        """The table, condition and parameters of the index of values that few resources share each."""
        kind = self.resource_type
        if self._is_external_id(path):
            if self.connection is None:
                return "external_id", "type = ?", (kind.name,)
            return "external_id", "type = ? AND connection = ?", (kind.name, self.connection)
        if self._has_indexed_values(path) and kind.indexed[str(path)].index.leads_to_few:
            return "indexed_value", "type = ? AND path = ?", (kind.name, str(path))
        if path.attribute.multi_valued or self._is_becoming_unique(path):
            return None
        schema = kind.schema if path.extension is None else kind.extension_by_urn[path.extension.lower()].schema
        if path.attribute.name in schema.by_name and is_key(schema, path.target):
            return "unique_value", "attribute = ?", (unique_key(schema, path.attribute, path.sub_attribute),)
        return None

    @property
    def _promoted(self) -> Mapping[str, str]:
        return PROMOTED.get(self.resource_type.schema.id, _NOTHING)

    def _has_indexed_values(self, path: BoundPath) -> bool:
        indexed = self.resource_type.indexed.get(str(path))
        return self.indexes_values and indexed is not None and indexed.serves_searches

    def _is_becoming_unique(self, path: BoundPath) -> bool:
        """Whether some values are not kept as unique ones yet."""
        indexed = self.resource_type.indexed.get(str(path))
        return indexed is not None and indexed.index.is_unique and not indexed.index.is_complete

    def _is_external_id(self, path: BoundPath) -> bool:
        return path.extension is None and path.attribute.name == "externalId"

    def _is_groups(self, path: BoundPath) -> bool:
        return path.extension is None and path.attribute.name == "groups" and self.resource_type.derives_groups

    def _is_members(self, path: BoundPath) -> bool:
        return path.extension is None and path.attribute.name == "members" and self.resource_type.keeps_members

    def _is_member(self, path: BoundPath) -> bool:
        """Whether the attribute says who is a member: nobody is in many groups, though many may be in one."""
        sub = path.sub_attribute
        return self._is_members(path) and sub is not None and sub.name in ("value", "$ref")

    def _is_manager(self, path: BoundPath) -> bool:
        is_named = path.extension == urns.ENTERPRISE_USER and path.attribute.name == "manager"
        return is_named and self.resource_type.derives_groups

    def _meta(self, name: str) -> Sql | None:
        if name == "version":
            return Sql("('W/\"' || r.version || '\"')")
        if name == "location":
            return Sql("(? || r.id)", (f"{self.base_url}{self.resource_type.endpoint}/",))
        return Sql(_META[name]) if name in _META else None
