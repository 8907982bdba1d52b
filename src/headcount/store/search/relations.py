"""Where the values of an attribute are: a column, the compare document, or a table of elements.

Derived attributes (`groups`, `members`) are tables of elements over the memberships.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headcount.scim.paths import BoundPath
from headcount.scim.registry import ResourceType
from headcount.store.interface import DEFAULT_CONNECTION
from headcount.store.keys import INDEXED_VALUES, PROMOTED, is_unique, unique_key
from headcount.store.search.dialect import Dialect
from headcount.store.search.sql import Sql

_META: Final = {"created": "r.created", "lastModified": "r.modified", "resourceType": "r.type"}

_DIRECT: Final = """(
    SELECT g.id AS value, g.folded_label AS display, 'direct' AS type
    FROM membership AS m JOIN resource AS g ON g.tenant = m.tenant AND g.type = 'Group' AND g.id = m.group_id
    WHERE m.tenant = r.tenant AND m.member_id = r.id)"""

_DIRECT_AND_INDIRECT: Final = """(
    WITH RECURSIVE above (id, direct) AS (
        SELECT m.group_id, 1 FROM membership AS m WHERE m.tenant = r.tenant AND m.member_id = r.id
        UNION
        SELECT m.group_id, 0 FROM above JOIN membership AS m ON m.tenant = r.tenant AND m.member_id = above.id
    )
    SELECT g.id AS value, g.folded_label AS display,
        CASE max(above.direct) WHEN 1 THEN 'direct' ELSE 'indirect' END AS type
    FROM above JOIN resource AS g ON g.tenant = r.tenant AND g.type = 'Group' AND g.id = above.id
    GROUP BY g.id, g.folded_label)"""

_MEMBERS: Final = """(
    SELECT m.member_id AS value, u.folded_label AS display, lower(m.member_type) AS type, m.member_type AS kind
    FROM membership AS m JOIN resource AS u ON u.tenant = m.tenant AND u.type = m.member_type AND u.id = m.member_id
    WHERE m.tenant = r.tenant AND m.group_id = r.id)"""


@dataclass(frozen=True, slots=True)
class Relation:
    """A table of the elements of a multi-valued attribute of the resource `r`."""

    source: Sql
    """For a FROM clause; the alias is `e`."""
    columns: Mapping[str, Sql] | None
    """Sub-attribute → expression; None when the elements are JSON."""
    first: str
    """What puts the element to sort by first."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of one resource type is, in one search."""

    resource_type: ResourceType
    dialect: Dialect
    base_url: str
    is_nested: Callable[[], bool]
    """Asks whether the tenant has groups within groups."""

    def names(self, path: BoundPath, *, sub: bool = True) -> tuple[str, ...]:
        """The names that lead to the values in the compare document."""
        names = [path.extension] if path.extension else []
        names.append(path.attribute.name)
        if sub and path.sub_attribute:
            names.append(path.sub_attribute.name)
        return tuple(names)

    def column(self, path: BoundPath) -> Sql | None:
        """The column that holds a singular attribute, if one does."""
        name = path.attribute.name
        if path.extension is not None:
            return None
        if path.sub_attribute is None:
            if name == "id":
                return Sql("r.id")
            column = PROMOTED.get(self.resource_type.schema.id, {}).get(name)
            return Sql(f"r.{column}") if column else None
        if name == "meta":
            return self._meta(path.sub_attribute.name)
        return None

    def relation(self, path: BoundPath) -> Relation:
        """The elements of a multi-valued attribute."""
        if path.extension is None and path.attribute.name == "groups" and self.resource_type.derives_groups:
            groups = _DIRECT_AND_INDIRECT if self.is_nested() else _DIRECT
            reference = Sql("? || e.value", (f"{self.base_url}/Groups/",))
            return Relation(Sql(f"{groups} AS e"), _derived(reference), "e.value")
        if path.extension is None and path.attribute.name == "members" and self.resource_type.keeps_members:
            reference = Sql(
                "? || CASE e.kind WHEN 'Group' THEN '/Groups/' ELSE '/Users/' END || e.value", (self.base_url,)
            )
            return Relation(Sql(f"{_MEMBERS} AS e"), _derived(reference), "e.value")
        source = self.dialect.elements("r.compare", self.names(path, sub=False), "e")
        return Relation(source, None, "e.key")

    def key_rows(self, path: BoundPath, value: str) -> Sql | None:
        """The ids of the resources with a value, from an index of values; None without such an index."""
        found = self.key_index(path)
        if found is None:
            return None
        table, condition, parameters = found
        text = f"(SELECT id FROM {table} WHERE tenant = r.tenant AND {condition} AND value = ?)"
        return Sql(text, (*parameters, value))

    def key_index(self, path: BoundPath) -> tuple[str, str, tuple[str, ...]] | None:
        """The table, condition and parameters of the index of values that an attribute has."""
        if path.extension is None and path.attribute.name == "externalId":
            return "external_id", "connection = ? AND type = r.type", (DEFAULT_CONNECTION,)
        if path.extension is None and path.attribute.multi_valued:
            is_indexed = str(path) in INDEXED_VALUES.get(self.resource_type.schema.id, ())
            return ("indexed_value", "type = r.type AND path = ?", (str(path),)) if is_indexed else None
        schema = self.resource_type.schema
        if path.extension is not None:
            schema = self.resource_type.extension_by_urn[path.extension.lower()].schema
        if path.attribute.name in schema.by_name and is_unique(schema, path.target):
            return "unique_value", "attribute = ?", (unique_key(schema, path.attribute, path.sub_attribute),)
        return None

    def _meta(self, name: str) -> Sql | None:
        if name == "version":
            return Sql("('W/\"' || r.version || '\"')")
        if name == "location":
            return Sql("(? || r.id)", (f"{self.base_url}{self.resource_type.endpoint}/",))
        return Sql(_META[name]) if name in _META else None


def _derived(reference: Sql) -> dict[str, Sql]:
    return {"value": Sql("e.value"), "display": Sql("e.display"), "type": Sql("e.type"), "$ref": reference}
