"""`headcount held`, `headcount review` and `headcount group`: what waits for an operator's decision."""

from typing import Annotated, Any, Final

import typer

from headcount.assembly import Installation
from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.running import with_installation

held = typer.Typer(no_args_is_help=True, help="Look at changes that the guard holds back; release or reject them.")
review = typer.Typer(no_args_is_help=True, help="Decide whether two records are one person.")
group = typer.Typer(no_args_is_help=True, help="Put a group back as it was.")

_HELD: Final = {
    "id": "ID",
    "at": "AT",
    "removal": "REMOVAL",
    "who": "WHO",
    "connection": "CONNECTION",
    "reason": "REASON",
}
_REVIEWS: Final = {
    "id": "ID",
    "at": "AT",
    "matched": "MATCHED BY",
    "who": "WHO",
    "madeBy": "MADE BY",
    "connection": "CLAIMED BY",
}
_WARNINGS: Final = {"at": "AT", "what": "WHAT", "resource": "RESOURCE", "reason": "REASON"}

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant.")]
HeldIds = Annotated[list[str], typer.Argument(metavar="ID…", help="From 'headcount held list'.")]
ReviewId = Annotated[str, typer.Argument(metavar="ID", help="From 'headcount review list'.")]


@held.command("list")
def list_held(
    tenant: Tenant,
    warnings: Annotated[bool, typer.Option("--warnings", help="What rules that only warn have told of.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List held changes with what they would do."""
    if warnings:
        told = with_installation(database, lambda installation: installation.reviewing.warnings(tenant))
        show_table(told, _WARNINGS, as_json=as_json, none="The guard has warned of nothing.")
        return
    rows = with_installation(database, lambda installation: installation.reviewing.held(tenant))
    show_table(_named(rows, "before"), _HELD, as_json=as_json, none="Nothing is held.")


@held.command("release")
def release(
    held_ids: HeldIds,
    tenant: Tenant,
    force: Annotated[bool, typer.Option("--force", help="Also when the resource was changed since.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Carry held changes out, one after the other, until one cannot be.

    Example: headcount held release User/0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34/delete/5f70bf18a086 --tenant acme
    """

    async def carry_out(installation: Installation) -> list[dict[str, Any]]:
        reviewing = installation.reviewing
        return [await reviewing.release(tenant, held_id, force=force) for held_id in held_ids]

    done = with_installation(database, carry_out)
    show(done, as_json=as_json, sentence=f"Carried out {_number(held_ids)}.")


@held.command("reject")
def reject(held_ids: HeldIds, tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """Drop held changes."""

    async def drop(installation: Installation) -> list[dict[str, Any]]:
        return [await installation.reviewing.reject(tenant, held_id) for held_id in held_ids]

    done = with_installation(database, drop)
    show(done, as_json=as_json, sentence=f"Dropped {_number(held_ids)}.")


@review.command("list")
def list_reviews(tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """List records that could be one person; --json shows both sides."""
    rows = with_installation(database, lambda installation: installation.reviewing.reviews(tenant))
    show_table(_named(rows, "ours"), _REVIEWS, as_json=as_json, none="Nothing is to be decided.")


@review.command("link")
def link(review_id: ReviewId, tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """Say that it is one person: the other connection may change them from now on, under its own externalId."""
    done = with_installation(database, lambda installation: installation.reviewing.link(tenant, review_id))
    show(done, as_json=as_json, sentence=f"Linked {review_id}.")


@review.command("dismiss")
def dismiss(review_id: ReviewId, tenant: Tenant, database: Database = None, as_json: AsJson = False) -> None:
    """Say that they are two people."""
    with_installation(database, lambda installation: installation.reviewing.dismiss(tenant, review_id))
    show({"dismissed": review_id}, as_json=as_json, sentence=f"Dismissed {review_id}.")


@group.command("restore")
def restore(
    group_id: Annotated[str, typer.Argument(metavar="ID", help="The group's id.")],
    tenant: Tenant,
    before: Annotated[str, typer.Option("--before", metavar="INSTANT", help="UTC: 2026-01-31T08:30:00Z.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Give a group the members that it had at an instant, from the change log.

    Example: headcount group restore 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34 --tenant acme --before 2026-01-31T08:30:00Z
    """
    done = with_installation(
        database, lambda installation: installation.reviewing.restore_members(tenant, group_id, before)
    )
    sentence = (
        f"{len(done['restored'])} members are back, {len(done['removed'])} went, {len(done['missing'])} are gone."
    )
    show(done, as_json=as_json, sentence=sentence)


def _number(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else f"{len(ids)} changes"


def _named(rows: list[dict[str, Any]], member: str) -> list[dict[str, Any]]:
    """Rows with what people know the resource by."""
    return [row | {"who": row[member].get("userName") or row[member].get("displayName")} for row in rows]
