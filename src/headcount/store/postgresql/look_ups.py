"""Searches for the few who have one string, of which many that wait together are one statement."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from headcount.store.interface import Page, Query, StoredResource
from headcount.store.postgresql import reads
from headcount.store.postgresql.dialect import PostgresqlDialect, numbered
from headcount.store.search.look_ups import LookUps
from headcount.store.search.sql import Parameter, Sql

_DIALECT: Final = PostgresqlDialect()
MOST: Final = 20
"""Resources that have one string, as far as it is looked up: of more, the page is searched for by itself."""
_EQUALITY: Final = re.compile(r"(\S+) = \?(?=[^?]*\Z)")
"""The comparison with the string, which is the last parameter of a condition."""
_FIRST: Final = 4
"""The number of the first parameter of a condition."""
_AMONG: Final = "r.id IN "
"""What a condition begins with where an index of another table has the ids."""
_ASKED: Final = "(SELECT * FROM unnest($2::text[]) WITH ORDINALITY LIMIT cardinality($2)) AS k (value, place)"
_OF_TYPE: Final = "SELECT * FROM resource AS r WHERE r.tenant = (SELECT $1) AND r.type = (SELECT $3) AND "
_BY_COLUMN: Final = f"FROM {_ASKED} CROSS JOIN LATERAL ({_OF_TYPE} {{}} LIMIT {MOST + 1}) AS r"
_BY_IDS: Final = f"""FROM {_ASKED}
CROSS JOIN LATERAL (SELECT DISTINCT id FROM ({{}} OFFSET 0) AS i (id) LIMIT {MOST + 1}) AS x
CROSS JOIN LATERAL ({_OF_TYPE} r.id = x.id OFFSET 0) AS r"""
"""One by one: a planner that knows nobody of the tenant would go through all of them beside the ids."""


class Shape(NamedTuple):
    """What look-ups that travel together have in common."""

    tenant: str
    type: str
    condition: str
    parameters: tuple[Parameter, ...]
    """Of the condition, but for the string."""
    groups: bool


def look_ups(tenant: str) -> LookUps:
    """What a tenant's searches for the few who have one string come to."""
    return LookUps(tenant, _DIALECT, lambda: True)


def shape_of(tenant: str, query: Query, equality: Sql) -> tuple[Shape, str]:
    """How a search for one string is made, and the string."""
    (target,) = query.targets
    *others, value = equality.parameters
    return Shape(tenant, target.resource_type.name, equality.text, tuple(others), query.groups), str(value)


def statement_of(shape: Shape) -> str:
    """The statement that looks for any number of strings; its first parameter is the tenant."""
    return _statement(shape.condition, shape.groups)


def parameters_of(shape: Shape, values: Sequence[str]) -> tuple[object, ...]:
    """The parameters behind the tenant."""
    return values, shape.type, *shape.parameters


@lru_cache(maxsize=512)
def _statement(condition: str, groups: bool) -> str:  # noqa: FBT001
    """The comparison is a range of one value, for the reason that there is in `reads.IDS`."""
    columns = reads.COLUMNS.replace("?", "$1") if groups else reads.COLUMNS_WITHOUT_GROUPS
    source = _BY_IDS if condition.startswith(_AMONG) else _BY_COLUMN
    ranged = _EQUALITY.sub(r"\1 >= k.value AND \1 <= k.value", condition.removeprefix(_AMONG))
    return f"SELECT {columns}, k.place {source.format(numbered(ranged, _FIRST))}"


def page_of(resources: list[StoredResource], query: Query) -> Page | None:
    """The page that the resources are, in any order; None when there are more of them than one holds."""
    if len(resources) > min(query.limit, MOST):
        return None
    resources.sort(key=_id, reverse=query.descending)
    return Page(tuple(resources), len(resources) if query.total else None, None)


def _id(resource: StoredResource) -> str:
    return resource.id
