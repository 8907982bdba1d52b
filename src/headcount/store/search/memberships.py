"""The derived attributes `User.groups`, `Group.members` and parts of `manager`, as SQL over the memberships."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from headcount.scim.registry import GROUP, USER
from headcount.store.search.sql import Sql

_DIRECT: Final = """(
    SELECT g.id AS value, g.folded_label AS display, 'direct' AS type
    FROM membership AS m JOIN resource AS g ON g.tenant = m.tenant AND g.type = 'Group' AND g.id = m.group_id
    WHERE m.tenant = r.tenant AND m.member_id = r.id) AS e"""

_DIRECT_AND_INDIRECT: Final = """(
    WITH RECURSIVE above (id, direct) AS (
        SELECT m.group_id, 1 FROM membership AS m WHERE m.tenant = r.tenant AND m.member_id = r.id
        UNION
        SELECT m.group_id, 0 FROM above JOIN membership AS m ON m.tenant = r.tenant AND m.member_id = above.id
    )
    SELECT g.id AS value, g.folded_label AS display,
        CASE max(above.direct) WHEN 1 THEN 'direct' ELSE 'indirect' END AS type
    FROM above JOIN resource AS g ON g.tenant = r.tenant AND g.type = 'Group' AND g.id = above.id
    GROUP BY g.id, g.folded_label) AS e"""

_MEMBERS: Final = """(
    SELECT m.member_id AS value, nullif(u.folded_label, '') AS display,
        lower(m.member_type) AS type, m.member_type AS kind
    FROM membership AS m JOIN resource AS u ON u.tenant = m.tenant AND u.type = m.member_type AND u.id = m.member_id
    WHERE m.tenant = r.tenant AND m.group_id = r.id) AS e"""

_IN_GROUPS: Final = "SELECT m.member_id FROM membership AS m WHERE m.tenant = ? AND m.group_id IN "
_BELOW: Final = (
    " UNION SELECT m.member_id FROM below JOIN membership AS m ON m.tenant = ? AND m.group_id = below.id)"
    " SELECT id FROM below)"
)
_HAVING_MEMBER: Final = "(SELECT m.group_id FROM membership AS m WHERE m.tenant = ? AND m.member_id = "
_OF_TYPE: Final = "(SELECT u.id FROM resource AS u WHERE u.tenant = ? AND u.type = ? AND u.id = ?))"
_NAMED: Final = "(SELECT g.id FROM resource AS g WHERE g.tenant = ? AND g.type = 'Group' AND g.display_name = ?)"
_MANAGER: Final = "FROM resource AS u WHERE u.tenant = r.tenant AND u.type = 'User' AND u.id = r.manager)"


@dataclass(frozen=True, slots=True)
class Relation:
    """A table of the elements of a multi-valued attribute of the resource `r`."""

    source: Sql
    """For a FROM clause; the alias is `e`."""
    columns: Mapping[str, Sql] | None
    """Sub-attribute → expression; None when the elements are JSON."""
    first: str
    """What puts the element to sort by first."""


def groups_of(base_url: str, *, nested: bool) -> Relation:
    """The groups of a user: those above its groups as well in tenants that have groups within groups."""
    reference = Sql("(? || e.value)", (_prefix(base_url, GROUP.endpoint),))
    return Relation(Sql(_DIRECT_AND_INDIRECT if nested else _DIRECT), _columns(reference), "e.value")


def members_of(base_url: str) -> Relation:
    """The members of a group."""
    endpoint = f"CASE e.kind WHEN 'Group' THEN '{GROUP.endpoint}/' ELSE '{USER.endpoint}/' END"
    reference = Sql(f"(? || {endpoint} || e.value)", (base_url,))
    return Relation(Sql(_MEMBERS), _columns(reference), "e.value")


def manager_part(name: str, base_url: str) -> Sql | None:
    """A sub-attribute of `manager` that is derived from the manager's own resource; None for any other."""
    if name == "$ref":
        return Sql("(SELECT ? || u.id " + _MANAGER, (_prefix(base_url, USER.endpoint),))
    return Sql("(SELECT nullif(u.folded_label, '') " + _MANAGER) if name == "displayName" else None


def ids_in_groups(tenant: str, name: str, value: str, base_url: str, *, nested: bool) -> Sql | None:
    """The ids of all who have a group whose sub-attribute equals the value; None where no index helps."""
    groups = _named_groups(tenant, name, value, base_url)
    if groups is None:
        return None
    members = Sql(_IN_GROUPS, (tenant,)) + groups
    return "(WITH RECURSIVE below (id) AS (" + members + Sql(_BELOW, (tenant,)) if nested else "(" + members + ")"


def ids_with_member(tenant: str, name: str, value: str, base_url: str) -> Sql | None:
    """The ids of the groups that have a member whose sub-attribute equals the value; None where no index helps."""
    if name == "value":
        return Sql(_HAVING_MEMBER + "?)", (tenant, value))
    if name != "$ref":
        return None
    for kind in (USER, GROUP):
        prefix = _prefix(base_url, kind.endpoint)
        if value.startswith(prefix):
            return Sql(_HAVING_MEMBER + _OF_TYPE, (tenant, tenant, kind.name, value.removeprefix(prefix)))
    return Sql(_HAVING_MEMBER + "NULL)", (tenant,))


def _named_groups(tenant: str, name: str, value: str, base_url: str) -> Sql | None:
    if name == "display":
        return Sql(_NAMED, (tenant, value))
    if name == "$ref":
        prefix = _prefix(base_url, GROUP.endpoint)
        name, value = "value", value.removeprefix(prefix) if value.startswith(prefix) else ""
    return Sql("(?)", (value,)) if name == "value" else None


def _prefix(base_url: str, endpoint: str) -> str:
    return f"{base_url}{endpoint}/"


def _columns(reference: Sql) -> dict[str, Sql]:
    return {"value": Sql("e.value"), "display": Sql("e.display"), "type": Sql("e.type"), "$ref": reference}
