"""A small directory in SQLite and the same directory as plain resources, for tests that compare the two."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from headcount.scim import urns
from headcount.scim.comparison import comparable, compare_document
from headcount.scim.definitions import ENTERPRISE_USER
from headcount.scim.filters.binding import BoundFilter, bind_filter
from headcount.scim.filters.evaluation import matches
from headcount.scim.filters.grammar import parse_filter
from headcount.scim.filters.syntax import Filter
from headcount.scim.paths import BoundPath
from headcount.scim.profiles import TOLERANT
from headcount.scim.registry import GROUP, ResourceType, SchemaExtension, ValueIndex
from headcount.scim.registry import USER as PLAIN_USER
from headcount.scim.schemas import Attribute, Json, Schema, Type, Uniqueness
from headcount.scim.search import bind_sort
from headcount.store.interface import Create, MembershipChange, Origin, Position, Query, Target
from headcount.store.keys import keys_of
from headcount.store.sqlite import database, writes
from headcount.store.sqlite.search import search

BASE_URL = "https://scim.example/t'1"
TENANT = "acme"
EXTRA_URN = "urn:example:clock:2.0:Extra"

EXTRA = Schema(
    EXTRA_URN,
    "Extra",
    "",
    (
        Attribute("number", uniqueness=Uniqueness.SERVER),
        Attribute("seats", Type.INTEGER, uniqueness=Uniqueness.SERVER),
        Attribute("nick$name"),
        Attribute("vip", Type.BOOLEAN),
        Attribute("level", Type.DECIMAL),
        Attribute("tags", multi_valued=True),
        Attribute(
            "card",
            Type.COMPLEX,
            sub_attributes=(
                Attribute("code", case_exact=True, uniqueness=Uniqueness.GLOBAL),
                Attribute("until", Type.DATE_TIME),
                Attribute("aliases", multi_valued=True),
            ),
        ),
    ),
)
USER = ResourceType(
    "User",
    "/Users",
    "",
    PLAIN_USER.schema,
    (SchemaExtension(ENTERPRISE_USER), SchemaExtension(EXTRA)),
    tuple(
        ValueIndex(path)
        for path in (
            "name.familyName",
            "phoneNumbers.value",
            "emails.primary",
            f"{EXTRA_URN}:tags",
            f"{EXTRA_URN}:card.until",
            f"{EXTRA_URN}:vip",
            f"{EXTRA_URN}:level",
        )
    ),
)
BADGE = ResourceType(
    "Badge",
    "/Badges",
    "",
    Schema(
        "urn:example:Badge",
        "Badge",
        "",
        (
            Attribute("displayName"),
            Attribute("userName", case_exact=True),
            Attribute("code", case_exact=True, uniqueness=Uniqueness.SERVER),
            Attribute("level", Type.INTEGER),
            Attribute("weight", Type.DECIMAL),
            Attribute("issued", Type.DATE_TIME),
            Attribute("valid", Type.BOOLEAN),
            Attribute("home", Type.REFERENCE),
            Attribute("marks", multi_valued=True),
            Attribute("scores", Type.INTEGER, multi_valued=True),
            Attribute("price", Type.DECIMAL),
            Attribute("ratios", Type.DECIMAL, multi_valued=True),
            Attribute("lost", Type.BOOLEAN),
            Attribute("days", Type.DATE_TIME, multi_valued=True),
            Attribute(
                "places",
                Type.COMPLEX,
                multi_valued=True,
                sub_attributes=(
                    Attribute("value"),
                    Attribute("exact", case_exact=True),
                    Attribute("since", Type.DATE_TIME),
                    Attribute("size", Type.DECIMAL),
                    Attribute("depth", Type.INTEGER),
                    Attribute("primary", Type.BOOLEAN),
                    Attribute("words", multi_valued=True),
                ),
            ),
        ),
    ),
    indexes=tuple(
        ValueIndex(path)
        for path in (
            "displayName",
            "issued",
            "home",
            "marks",
            "days",
            "level",
            "price",
            "scores",
            "lost",
            "places.exact",
            "places.since",
            "places.size",
        )
    ),
)
TYPES = (USER, GROUP, BADGE)
BY_NAME = {kind.name: kind for kind in TYPES}


@dataclass
class Directory:
    """Resources by id, and the members of the groups among them."""

    resources: dict[str, tuple[ResourceType, dict[str, Json]]] = field(default_factory=dict)
    members: dict[str, list[str]] = field(default_factory=dict)

    def add(self, kind: ResourceType, resource_id: str, attributes: Mapping[str, Json]) -> None:
        """Adds a canonical resource."""
        schemas = [kind.schema.id, *(name for name in attributes if ":" in name)]
        self.resources[resource_id] = (kind, {"schemas": schemas, "id": resource_id, **attributes})

    def connection(self) -> sqlite3.Connection:
        """The directory in a database, beside a tenant that has the very same resources under other ids."""
        connection = sqlite3.connect(":memory:", isolation_level=None)
        database.migrate(connection, upgrade=True)
        for tenant, prefix in ((TENANT, ""), ("other", "x")):
            for create in self.creates(prefix):
                writes.carry_out(connection, tenant, create)
        return connection

    def creates(self, prefix: str = "") -> Iterable[Create]:
        """The writes that make the directory, in an order in which every member is known."""
        order = sorted(self.resources, key=lambda key: (key in self.members, self._depth(key)))
        for resource_id in order:
            kind, plain = self.resources[resource_id]
            resource = {**plain, "id": prefix + resource_id}
            members = tuple(prefix + member for member in self.members.get(resource_id, ()))
            yield Create(
                kind.name,
                prefix + resource_id,
                orjson.dumps(resource),
                orjson.dumps(compare_document(resource, kind)),
                None,
                keys_of(resource, kind),
                Origin(instant_of(resource_id), "test", "request"),
                MembershipChange(added=members) if members else None,
            )

    def _depth(self, group: str) -> int:
        return 1 + max((self._depth(member) for member in self.members.get(group, ())), default=0)

    def whole(self, resource_id: str) -> dict[str, Json]:
        """The resource as a client receives it, with everything that is derived."""
        kind, plain = self.resources[resource_id]
        resource = {
            **plain,
            "meta": {
                "resourceType": kind.name,
                "created": instant_of(resource_id),
                "lastModified": instant_of(resource_id),
                "location": self._reference(resource_id),
                "version": 'W/"1"',
            },
        }
        if kind is USER:
            self._add_groups(resource)
            self._add_manager(resource)
        if self.members.get(resource_id):
            resource["members"] = [
                {
                    "value": member,
                    "$ref": self._reference(member),
                    "type": self.resources[member][0].name,
                    **self._named("display", member),
                }
                for member in sorted(self.members[resource_id])
            ]
        return resource

    def _add_groups(self, resource: dict[str, Json]) -> None:
        direct = self._groups_of(resource["id"])
        found, rest = set(direct), list(direct)
        while rest:
            above = self._groups_of(rest.pop()) - found
            found |= above
            rest += above
        groups = [
            {
                "value": group,
                "$ref": self._reference(group),
                **self._named("display", group),
                "type": "direct" if group in direct else "indirect",
            }
            for group in sorted(found)
        ]
        if groups:
            resource["groups"] = groups

    def _add_manager(self, resource: dict[str, Json]) -> None:
        manager = resource.get(urns.ENTERPRISE_USER, {}).get("manager")
        if manager and self.resources.get(manager["value"], (None,))[0] is USER:
            manager = {
                **manager,
                "$ref": self._reference(manager["value"]),
                **self._named("displayName", manager["value"]),
            }
            resource[urns.ENTERPRISE_USER] = {**resource[urns.ENTERPRISE_USER], "manager": manager}

    def _groups_of(self, member: str) -> set[str]:
        return {group for group, members in self.members.items() if member in members}

    def _named(self, name: str, resource_id: str) -> dict[str, Json]:
        kind, resource = self.resources[resource_id]
        label = keys_of(resource, kind).label
        return {name: label} if label else {}

    def _reference(self, resource_id: str) -> str:
        return f"{BASE_URL}{self.resources[resource_id][0].endpoint}/{resource_id}"


def instant_of(resource_id: str) -> str:
    """When the resource was created: pairs of them at the same instant."""
    return f"2026-01-{1 + sum(resource_id.encode()) % 28 // 2:02d}T08:30:00.000000Z"


def bind(parsed: Filter | str | None, kind: ResourceType, *, several: bool = False) -> BoundFilter | None:
    """The filter bound to a type."""
    if isinstance(parsed, str):
        parsed = parse_filter(parsed)
    return None if parsed is None else bind_filter(parsed, kind, TOLERANT, unknown_is_absent=several)


def query_of(
    parsed: Filter | str | None = None,
    kinds: Iterable[ResourceType] = (USER,),
    sort: str | None = None,
    **options: Any,
) -> Query:
    """A search as the directory asks for it."""
    kinds = tuple(kinds)
    targets = tuple(
        Target(kind, bind(parsed, kind, several=len(kinds) > 1), bind_sort(sort, kind, TOLERANT) if sort else None)
        for kind in kinds
    )
    return Query(targets, **{"limit": 100, "base_url": BASE_URL, **options})


def expected(directory: Directory, query: Query) -> list[str]:
    """What the search should give: those that match by the meaning of the filter, in order."""
    found: list[tuple[int, Any, str]] = []
    for resource_id, (kind, _) in directory.resources.items():
        for target in query.targets:
            whole = directory.whole(resource_id)
            if target.resource_type is kind and (target.filter is None or matches(target.filter, whole)):
                value = sort_value(target.sort, whole)
                found.append((value is None, "" if value is None else value, resource_id))
    return [resource_id for *_, resource_id in sorted(found, reverse=query.descending)]


def sort_value(path: BoundPath | None, resource: Mapping[str, Json]) -> Json:
    """The comparable value of the primary element, else of the first (RFC 7644 §3.4.2.3)."""
    if path is None:
        return None
    holder = resource.get(path.extension, {}) if path.extension else resource
    value = holder.get(path.attribute.name)
    if isinstance(value, list):
        primary = [item for item in value if isinstance(item, dict) and item.get("primary") is True]
        value = (primary or value)[0]
    if path.sub_attribute is not None:
        value = (value or {}).get(path.sub_attribute.name)
        value = value[0] if isinstance(value, list) else value
    return None if value is None else comparable(path.target, value)


def ids(connection: sqlite3.Connection, query: Query) -> list[str]:
    """The ids that the search gives."""
    return [row.id for row in search(connection, TENANT, query).resources]


def after(position: Position | None) -> dict[str, Any]:
    """What continues a walk."""
    return {"after": position, "total": False}
