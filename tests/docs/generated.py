"""The parts of the reference that are made from the code.

`python tests/docs/generated.py` writes them into the pages; a test keeps page and code equal.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import typer

from docs.event_types import SCHEMA_FILE, event_table, schema_text
from docs.pages import REFERENCE
from docs.sync_job_file import job_file_tables
from docs.target_packs import pack_tables
from headcount.cli import app
from headcount.directory.operator_schemas import OPERATOR_REGISTRY
from headcount.http.manage import Route
from headcount.http.manage_archives import ARCHIVE_ROUTES
from headcount.http.manage_record import RECORD_ROUTES
from headcount.http.manage_reviews import REVIEW_ROUTES
from headcount.http.manage_schemas import SCHEMA_ROUTES
from headcount.http.manage_tokens import TOKEN_ROUTES
from headcount.http.manage_webhooks import WEBHOOK_ROUTES
from headcount.scim import definitions
from headcount.scim.schemas import Attribute, Schema
from headcount.settings import PREFIX, Settings

UNITS = {"Seconds": "seconds", "Bytes": "bytes"}
MANAGED_ROUTES = (*SCHEMA_ROUTES, *ARCHIVE_ROUTES, *RECORD_ROUTES, *REVIEW_ROUTES, *TOKEN_ROUTES, *WEBHOOK_ROUTES)
SCHEMAS = (definitions.USER, definitions.ENTERPRISE_USER, definitions.GROUP)


def command_tables() -> str:
    """A section for each command with its arguments and options."""
    return "\n".join(_command_section(path, command) for path, command in commands())


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, by its full name."""
    return list(_walk("headcount", typer.main.get_command(app)))


def setting_table() -> str:
    """A row for each setting."""
    rows = [
        f"| `{PREFIX}{item.name.upper()}` | {_default_of(item.default)} | {_unit_of(item.metadata['help'])} "
        f"| {item.metadata['help']} |"
        for item in fields(Settings)
    ]
    return "\n".join(["| variable | default | unit | what it is |", "|---|---|---|---|", *rows])


def operator_tables() -> str:
    """A table for each schema of the operator's resource types."""
    return "\n\n".join(_schema_section(kind.schema) for kind in OPERATOR_REGISTRY.resource_types)


def schema_tables() -> str:
    """A table for each schema of a resource type that is built in."""
    return "\n\n".join(map(_schema_section, SCHEMAS))


def route_table() -> str:
    """A row for each route below `/manage`."""
    rows = [
        f"| {route.method} | `/manage{route.path}` | {route.kind.name} {route.operation} | {_route_text(route)} |"
        for route in MANAGED_ROUTES
    ]
    return "\n".join(["| method | path | scope | what it does |", "|---|---|---|---|", *rows])


def _route_text(route: Route) -> str:
    parameters = [f"`{name}`: {text}" for name, text in route.query.items()]
    body = [f"Body: {route.body}"] if route.body else []
    return " ".join([route.summary, *body, *parameters])


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if command.params:
        yield name, command
    for child, subcommand in getattr(command, "commands", {}).items():
        yield from _walk(f"{name} {child}", subcommand)


def _command_section(path: str, command: Any) -> str:
    paragraphs = [" ".join(text.split()) for text in (command.help or "").strip().split("\n\n")]
    said = [re.sub(r"\[/?bold\]", "`", text) for text in paragraphs if not text.startswith("Example: ")]
    shown = [f"```sh\n{text.removeprefix('Example: ')}\n```" for text in paragraphs if text.startswith("Example: ")]
    rows = [_parameter_row(parameter) for parameter in command.params]
    table = "\n".join(["| argument or option | default | what it is |", "|---|---|---|", *rows])
    return "\n\n".join([f"### {path}", *said, *shown, table]) + "\n"


def _parameter_row(parameter: Any) -> str:
    help_text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    return f"| `{_name_of(parameter)}` | {_shown_default(parameter)} | {help_text} |"


def _name_of(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar)
    name = "/".join(parameter.opts + parameter.secondary_opts)
    if parameter.is_flag:
        return name
    kind = "NUMBER" if str(parameter.default or parameter.show_default).isdigit() else "TEXT"
    return f"{name} {parameter.metavar or kind}"


def _shown_default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return f"`{parameter.show_default}`"
    return "" if parameter.default in (None, False) else f"`{parameter.default}`"


def _default_of(value: object) -> str:
    return f"`{value}`" if value != "" else "none"


def _unit_of(help_text: str) -> str:
    return UNITS.get(help_text.split(maxsplit=1)[0], "")


def _schema_section(schema: Schema) -> str:
    head = [f"### {schema.name}", "", f"`{schema.id}`", ""]
    table = ["| attribute | type | characteristics | what it is |", "|---|---|---|---|"]
    return "\n".join([*head, *table, *(row for attribute in schema.attributes for row in _attribute_rows(attribute))])


def _attribute_rows(attribute: Attribute, parent: str = "") -> Iterator[str]:
    kind = attribute.type.value + (", multi-valued" if attribute.multi_valued else "")
    if attribute.reference_types:
        kind += f" to {', '.join(attribute.reference_types)}"
    description = attribute.description
    if attribute.canonical_values:
        description += f" Suggested: {', '.join(filter(None, attribute.canonical_values))}."
    yield f"| `{parent}{attribute.name}` | {kind} | {_characteristics_of(attribute)} | {description} |"
    for sub in attribute.sub_attributes:
        yield from _attribute_rows(sub, f"{attribute.name}.")


def _characteristics_of(attribute: Attribute) -> str:
    """What departs from the defaults of RFC 7643 §2.2."""
    named = [
        "required" if attribute.required else "",
        "caseExact" if attribute.case_exact else "",
        attribute.mutability.value if attribute.mutability.value != "readWrite" else "",
        f"returned {attribute.returned.value}" if attribute.returned.value != "default" else "",
        f"unique per {attribute.uniqueness.value}" if attribute.uniqueness.value != "none" else "",
    ]
    return ", ".join(filter(None, named))


PARTS = {
    "commands.md": command_tables,
    "settings.md": setting_table,
    "schemas.md": schema_tables,
    "operator-api.md": operator_tables,
    "target-packs.md": pack_tables,
    "sync-job-file.md": job_file_tables,
    "management-api.md": route_table,
    "events.md": event_table,
}
"""By page of the reference: what makes its generated part."""

PART = re.compile(r"(<!-- made from the code -->\n).*?(<!-- end -->)", re.DOTALL)


def with_part(page: str, part: str) -> str:
    """The page with its generated part in place of what stands there."""
    return PART.sub(lambda match: f"{match[1]}\n{part.strip()}\n\n{match[2]}", page)


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), "utf-8")
    for name, make in PARTS.items():
        path = REFERENCE / name
        path.write_text(with_part(path.read_text("utf-8"), make()), "utf-8")
