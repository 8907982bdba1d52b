"""The generated part of the reference of target packs: what a profile has, and what each pack says."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from typing import Any

from headcount.provisioning.targets.capabilities import (
    Budget,
    BulkCapabilities,
    CapabilityProfile,
    MemberCapabilities,
    TypeCapabilities,
    members_of,
)
from headcount.provisioning.targets.packs import Pack, pack_names, pack_of

PARTS = {
    "": CapabilityProfile,
    "users. and groups.": TypeCapabilities,
    "members.": MemberCapabilities,
    "bulk.": BulkCapabilities,
    "budgets[].": Budget,
}


def pack_tables() -> str:
    """A table of everything that a profile has, and a section for each pack."""
    rows = [row for prefix, kind in PARTS.items() for row in _member_rows(prefix, kind)]
    table = "\n".join(["| capability | default | what it is |", "|---|---|---|", *rows])
    packs = [_pack_section(pack_of(name)) for name in pack_names()]
    return "\n\n".join(["## Capabilities", table, "## Packs", *packs])


def _member_rows(prefix: str, kind: type) -> Iterator[str]:
    for name, what, default in members_of(kind):
        if not is_dataclass(default):
            names = " and ".join(f"`{part}{name}`" for part in prefix.split(" and "))
            yield f"| {names} | {_shown(default)} | {what} |"


def _shown(default: Any) -> str:
    if default in (None, (), ""):
        return ""
    return f"`{json.dumps(default.value if isinstance(default, StrEnum) else default)}`"


def _pack_section(pack: Pack) -> str:
    notes = "\n".join(f"- {note}" for note in pack.notes)
    head = f"### {pack.name}\n\n{pack.title} ([its own documentation]({pack.documentation})).\n\n{notes}"
    rows = [f"| `{path}` | `{json.dumps(value)}` |" for path, value in _leaves(pack.capabilities)]
    return "\n".join([head, "", "| capability | value |", "|---|---|", *rows]) if rows else head


def _leaves(layer: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in layer.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
