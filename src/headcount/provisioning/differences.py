"""What differs between what is desired and what a target has, attribute by attribute."""

from collections.abc import Iterable, Mapping
from typing import Final

from headcount.provisioning.links import Link, Links, resolved
from headcount.provisioning.mapping.attributes import AttributeMapping, Flat, When
from headcount.provisioning.plan import ValueChange, Values
from headcount.provisioning.records import TargetRecord
from headcount.provisioning.targets.paths import holds, values_at
from headcount.scim.schemas import Json

_EMPTY: Final[tuple[Json, ...]] = (None, "", [], {})


def all_values(wanted: Flat) -> Values:
    """Everything that a new account gets."""
    return Values(ValueChange(path, None, value) for path, value in wanted.items())


def value_changes(mappings: Iterable[AttributeMapping], wanted: Flat, link: Link) -> list[ValueChange]:
    """What is to be sent to an account that is there. What the target made of a value is no reason to send it again."""
    sent, known = link.sent_values, link.known_values
    changes = []
    for mapping in mappings:
        path = mapping.path
        new = wanted.get(path)
        if new == sent.get(path) or not mapping.is_sent_again:
            continue
        if mapping.when is When.IF_EMPTY and (new is None or known.get(path) not in _EMPTY):
            continue
        changes.append(ValueChange(path, known[path] if known.get(path) is not None else sent.get(path), new))
    return changes


def adoption_changes(
    mappings: Iterable[AttributeMapping], wanted: Flat, record: TargetRecord, links: Links
) -> tuple[Values, Flat]:
    """What is to be sent to an account that was found, and what it has already."""
    ids = {key: link.target_id for key, link in links.persons.items()} if _has_references(wanted) else {}
    changes, agreed = [], {}
    for mapping in mappings:
        path = mapping.path
        new = wanted.get(path)
        found = values_at(record.resource, path)
        if new is not None and holds(record.resource, path, resolved(new, ids)):
            agreed[path] = new
        elif _is_to_be_sent(mapping, new, found):
            changes.append(ValueChange(path, shown(found), new))
    return Values(changes), agreed


def _is_to_be_sent(mapping: AttributeMapping, new: Json, found: list[Json]) -> bool:
    if not mapping.is_sent_again or (new is None and not found):
        return False
    return mapping.when is not When.IF_EMPTY or not found


def shown(found: list[Json]) -> Json:
    """Values at a path as one: a list only where there are several."""
    return found[0] if len(found) == 1 else found or None


def _has_references(wanted: Flat) -> bool:
    return any(isinstance(value, Mapping | list) for value in wanted.values())
