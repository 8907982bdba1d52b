"""`headcount audit`: who did what, and whether the record is as it was written."""

import json
from dataclasses import replace
from typing import Annotated, Any, Final

import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.running import with_installation
from headcount.directory.audit.auditing import Wanted, instant_asked, number_of

audit = typer.Typer(no_args_is_help=True, help="List who did what, and verify that the record was not tampered with.")

_COLUMNS: Final = {
    "number": "NUMBER",
    "at": "AT",
    "outcome": "OUTCOME",
    "action": "ACTION",
    "about": "RESOURCE",
    "actor": "ACTOR",
    "connection": "CONNECTION",
    "reason": "REASON",
    "requestId": "REQUEST",
}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant; _operator for the operator's own.")]
Actor = Annotated[
    str, typer.Option("--actor", metavar="ID", help="Only what this token, or an outside issuer's subject, did.")
]
Connection = Annotated[str, typer.Option("--connection", metavar="NAME", help="Only what came through this one.")]
RequestId = Annotated[str, typer.Option("--request", metavar="ID", help="Only what this request did.")]
About = Annotated[str, typer.Option("--resource", metavar="TYPE[/ID]", help="Only this type, or this resource.")]
Action = Annotated[str, typer.Option("--action", metavar="WORD", help="create, update or delete.")]
Since = Annotated[str, typer.Option("--since", metavar="INSTANT", help="Not before: 2026-01-31, or with a time, UTC.")]
Until = Annotated[str, typer.Option("--until", metavar="INSTANT", help="Before this instant.")]
Refused = Annotated[bool, typer.Option("--refused", help="Attempts that were refused, in place of accepted changes.")]


@audit.command("list")
def list_all(
    tenant: Tenant,
    *,
    actor: Actor = "",
    connection: Connection = "",
    resource: About = "",
    action: Action = "",
    request: RequestId = "",
    since: Since = "",
    until: Until = "",
    refused: Refused = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    before: Annotated[
        int, typer.Option(metavar="NUMBER", min=0, help="Only what comes before this one: how a list goes on.")
    ] = 0,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List accepted changes, or refused attempts, the newest first.

    Example: headcount audit list --tenant acme --resource User --action delete --since 2026-01-01
    """
    wanted = replace(_wanted(actor, connection, resource, action, request, since, until), before=before)

    async def gather(installation: Installation) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        async for entry in installation.audit.entries(tenant, wanted, refused=refused):
            rows.append(entry)
            if len(rows) == limit:
                break
        return rows

    rows = with_installation(database, gather)
    shown = rows if as_json else [row | _cells(row) for row in rows]
    show_table(shown, _COLUMNS, as_json=as_json, none="There is nothing of the kind.")


def _cells(row: dict[str, Any]) -> dict[str, str]:
    """What people read of an entry in place of its members."""
    detail, about = row.get("actorDetail"), row.get("target") or f"{row.get('type', '')} {row.get('id', '')}".strip()
    by = f"{row['actor']}: {detail['subject']} of {detail['issuer']}" if detail else row["actor"]
    return {"about": about, "actor": by, "number": str(number_of(row))}


def _wanted(actor: str, connection: str, resource: str, action: str, request: str, since: str, until: str) -> Wanted:
    kind, _, resource_id = resource.partition("/")
    begin, end = instant_asked(since), instant_asked(until)
    return Wanted(actor, connection, kind, resource_id, action, request, begin, end)


@audit.command("export")
def export(
    tenant: Tenant,
    *,
    actor: Actor = "",
    connection: Connection = "",
    resource: About = "",
    action: Action = "",
    request: RequestId = "",
    since: Since = "",
    until: Until = "",
    refused: Refused = False,
    database: Database = None,
) -> None:
    """Write it as NDJSON to standard output, the oldest first.

    Example: headcount audit export --tenant acme --since 2026-01-01 > acme-audit.ndjson
    """
    wanted = _wanted(actor, connection, resource, action, request, since, until)

    async def write(installation: Installation) -> None:
        async for entry in installation.audit.entries(tenant, wanted, refused=refused, newest_first=False):
            typer.echo(json.dumps(entry, ensure_ascii=False))

    with_installation(database, write)


@audit.command("verify")
def verify(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only this tenant's record.")] = None,
    heads: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="HEAD", help="What it printed earlier, of any chain; may be repeated."),
    ] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Compare the record with what was sealed. Exit code 1 when anything was changed, removed or inserted.

    What is not sealed yet is counted, and sealed afterwards; a running server seals within seconds. Note the heads
    elsewhere, and give them the next time: only they show that the end of a record was cut off.

    Example: headcount audit verify --tenant acme --head "$(cat acme.head)"
    """

    async def compare(installation: Installation) -> list[dict[str, Any]]:
        results = await installation.audit.verify(tenant, heads or ())
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
            f"head {result['head'] or '-'}"
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
