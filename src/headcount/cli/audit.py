"""`headcount audit`: who did what, and whether the record is as it was written."""

import json
from typing import Annotated, Any, Final

import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.running import with_installation
from headcount.directory.audit.auditing import Wanted, instant_asked

audit = typer.Typer(no_args_is_help=True, help="List who did what, and verify that the record was not tampered with.")

_COLUMNS: Final = {
    "at": "AT",
    "outcome": "OUTCOME",
    "action": "ACTION",
    "subject": "RESOURCE",
    "actor": "ACTOR",
    "connection": "CONNECTION",
    "reason": "REASON",
    "requestId": "REQUEST",
}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant; _operator for the operator's own.")]
Actor = Annotated[str, typer.Option("--actor", metavar="ID", help="Only what this token did.")]
About = Annotated[str, typer.Option("--resource", metavar="TYPE[/ID]", help="Only this type, or this resource.")]
Action = Annotated[str, typer.Option("--action", metavar="WORD", help="create, update or delete.")]
Since = Annotated[str, typer.Option("--since", metavar="INSTANT", help="Not before: 2026-01-31, or with a time, UTC.")]
Until = Annotated[str, typer.Option("--until", metavar="INSTANT", help="Before this instant.")]
Refused = Annotated[bool, typer.Option("--refused", help="Attempts that were refused, in place of accepted changes.")]


@audit.command("list")
def list_all(
    tenant: Tenant,
    actor: Actor = "",
    resource: About = "",
    action: Action = "",
    since: Since = "",
    until: Until = "",
    refused: Refused = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List accepted changes, or refused attempts, the newest first.

    Example: headcount audit list --tenant acme --resource User --action delete --since 2026-01-01
    """
    resource_type, _, resource_id = resource.partition("/")
    wanted = Wanted(actor, resource_type, resource_id, action, instant_asked(since), instant_asked(until))

    async def gather(installation: Installation) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        async for entry in installation.audit.entries(tenant, wanted, refused=refused):
            rows.append(entry)
            if len(rows) == limit:
                break
        return rows

    rows = with_installation(database, gather)
    for row in rows:
        row["subject"] = row.get("target") or f"{row.get('type', '')} {row.get('id', '')}".strip()
    show_table(rows, _COLUMNS, as_json=as_json, none="There is nothing of the kind.")


@audit.command("export")
def export(
    tenant: Tenant,
    since: Since = "",
    until: Until = "",
    refused: Refused = False,
    database: Database = None,
) -> None:
    """Write everything as NDJSON to standard output, the oldest first.

    Example: headcount audit export --tenant acme --since 2026-01-01 > acme-audit.ndjson
    """
    wanted = Wanted(since=instant_asked(since), until=instant_asked(until))

    async def write(installation: Installation) -> None:
        async for entry in installation.audit.entries(tenant, wanted, refused=refused, newest_first=False):
            typer.echo(json.dumps(entry, ensure_ascii=False))

    with_installation(database, write)


@audit.command("verify")
def verify(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant's record.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Compare the record with what was sealed. Exit code 1 when anything was changed, removed or inserted.

    What is not sealed yet is counted, and sealed afterwards; a running server seals within seconds. Keep the heads
    elsewhere: they show later whether the end of a record was cut off.
    """

    async def compare(installation: Installation) -> list[dict[str, Any]]:
        results = await installation.audit.verify(tenant)
        for name in {result["tenant"] for result in results}:
            await installation.audit.seal(name)
        return results

    found = with_installation(database, compare)
    lines = []
    for result in found:
        state = "TAMPERED WITH" if result["problems"] else "ok"
        lines.append(
            f"{result['tenant']:20} {result['chain']:8} {state}: {result['records']} records in {result['blocks']} "
            f"blocks, {result['erased']} erased, {result['forgotten']} forgotten, {result['unsealed']} not sealed yet; "
            f"head {result['head'][:16] or '-'}"
        )
        lines += [
            f"    block {item['block']} record {item['number']}: {item['message']}" for item in result["problems"]
        ]
    show(found, as_json=as_json, sentence="\n".join(lines))
    if any(result["problems"] for result in found):
        raise typer.Exit(1)


@audit.command("erase")
def erase(
    resource_id: Annotated[str, typer.Argument(metavar="ID", help="The id of a deleted resource.")],
    tenant: Tenant,
    resource_type: Annotated[str, typer.Option("--type", metavar="TYPE", help="Its resource type.")] = "User",
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Empty every record of a deleted person, for good. That it was done stays in the record, which still verifies.

    The tenant's last requests are forgotten as well, because their bodies may speak of the person.

    Example: headcount audit erase 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34 --tenant acme
    """
    number = with_installation(
        database, lambda installation: installation.audit.erase(tenant, resource_type, resource_id, actor="cli")
    )
    show({"erased": number}, as_json=as_json, sentence=f"{number} records were emptied.")
