"""The event types as the reference shows them, and their JSON Schemas as one file."""

import json
from pathlib import Path
from typing import Any

from docs.pages import REFERENCE
from headcount.events.types import EVENT_TYPES, json_schema

SCHEMA_FILE: Path = REFERENCE / "events.schema.json"


def event_table() -> str:
    """A row for each type of event."""
    rows = [
        f"| `{item.name}` | {item.meaning} | {', '.join(f'`{part}`' for part in item.carries)} |"
        for item in EVENT_TYPES
    ]
    return "\n".join(["| type | what has happened | carries |", "|---|---|---|", *rows])


def event_schemas() -> dict[str, Any]:
    """One JSON Schema for every event, by type."""
    made = {item.name: json_schema(item) for item in EVENT_TYPES}
    for schema in made.values():
        del schema["$schema"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Events",
        "description": "Each event is of one of these types.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in made],
        "$defs": made,
    }


def schema_text() -> str:
    """The file."""
    return json.dumps(event_schemas(), indent=2) + "\n"
