"""`headcount lockouts`: the proof that somebody was shut out everywhere."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, show
from headcount.cli.running import with_installation

lockouts = typer.Typer(no_args_is_help=True, help="Show who has been told that a user must be shut out.")


@lockouts.command("show")
def show_one(
    user: Annotated[str, typer.Argument(metavar="USER", help="The user's id or userName, deleted ones too.")],
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="The user's tenant.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show when the lock-out was accepted, and when each subscription and consumer took note of it.

    Example: headcount lockouts show ada@example.com --tenant acme
    """
    found = with_installation(database, lambda installation: installation.lock_outs.show(tenant, user))
    show(found, as_json=as_json, sentence="\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    yield f"{found['event']}  {found['user']}  accepted {found['accepted']}  by {found['actor']}"
    for told in found["subscriptions"]:
        attempts = f" ({told['failedAttempts']} failed attempts)" if told.get("failedAttempts") else ""
        yield f"  webhook   {told['url']}  {told['acknowledged'] or 'NOT YET' + attempts}"
    for told in found["consumers"]:
        yield f"  consumer  {told['consumer']}  {told['acknowledged'] or 'NOT YET'}"
    if not found["subscriptions"] and not found["consumers"]:
        yield "  Nobody is subscribed."
