"""`headcount webhook`: who is told of events, and what became of it."""

from typing import Annotated, Any, Final

import typer

from headcount.cli.output import AsJson, Database, UsageError, cell_of, show, show_table
from headcount.cli.running import with_installation

webhook = typer.Typer(no_args_is_help=True, help="Tell applications of events: signed, in order, at least once.")

_COLUMNS: Final = {
    "id": "ID",
    "tenant": "TENANT",
    "name": "NAME",
    "url": "URL",
    "events": "EVENTS",
    "active": "ACTIVE",
    "disabledReason": "REASON",
}
_ATTEMPTS: Final = {
    "at": "AT",
    "type": "EVENT",
    "attempt": "ATTEMPT",
    "status": "STATUS",
    "milliseconds": "MS",
    "answer": "ANSWER",
    "webhookId": "WEBHOOK-ID",
}
_PARKED: Final = {"task": "TASK", "type": "EVENT", "position": "POSITION", "reason": "REASON", "id": "WEBHOOK-ID"}

Id = Annotated[str, typer.Argument(metavar="ID", help="The subscription's id, from 'headcount webhook list'.")]


@webhook.command("create")
def create(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where events are sent: https://app.example.com/hooks.")],
    tenant: Annotated[str, typer.Option("--tenant", metavar="NAME", help="The tenant whose events are told.")],
    name: Annotated[str, typer.Option(help="What people call it.")] = "webhook",
    event: Annotated[
        list[str] | None,
        typer.Option("--event", metavar="TYPE", help="A type or family: user.created, 'group.*'. Again for more."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--filter", metavar="FILTER", help="Which users it is about, as in 'department eq \"Sales\"'."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, max=100, help="Events in one request.", show_default="1")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Tell an endpoint of what happens from now on. The secret that verifies signatures is shown once.

    Example: headcount webhook create https://app.example.com/hooks --tenant acme --event 'user.*'
    """
    settings: dict[str, Any] = {"events": event, "filter": only, "batchSize": batch}
    given = {key: value for key, value in settings.items() if value}
    made = with_installation(database, lambda installation: installation.webhooks.create(tenant, name, url, **given))
    sentence = f"{made['secret']}\n\nThe subscription is {made['id']}. Keep the secret safe: it cannot be shown again."
    show(made, as_json=as_json, sentence=sentence)


@webhook.command("list")
def list_all(
    tenant: Annotated[str | None, typer.Option("--tenant", metavar="NAME", help="Only those of this tenant.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List subscriptions."""
    rows = with_installation(database, lambda installation: installation.webhooks.all(tenant))
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no webhook subscriptions.")


@webhook.command("show")
def show_one(subscription: Id, database: Database = None, as_json: AsJson = False) -> None:
    """Show a subscription."""
    found = with_installation(database, lambda installation: installation.webhooks.get(subscription))
    lines = [f"{heading.capitalize():10} {cell_of(found[key])}" for key, heading in _COLUMNS.items() if key in found]
    show(found, as_json=as_json, sentence="\n".join(lines))


@webhook.command("test")
def send_test(subscription: Id, database: Database = None, as_json: AsJson = False) -> None:
    """Send a test event; 'deliveries' shows what came of it. A running server or worker sends it."""
    sent = with_installation(database, lambda installation: installation.webhooks.test(subscription))
    show({"webhookId": sent}, as_json=as_json, sentence=f"Queued the test event {sent}.")


@webhook.command("deliveries")
def deliveries(
    subscription: Id,
    parked: Annotated[bool, typer.Option("--parked", help="What is not tried any more until redelivered.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Show the last attempts, or what is parked.

    Example: headcount webhook deliveries 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34 --parked
    """
    if parked:
        rows = with_installation(database, lambda installation: installation.webhooks.parked(subscription))
        show_table(rows[:limit], _PARKED, as_json=as_json, none="Nothing is parked.")
        return
    rows = with_installation(database, lambda installation: installation.webhooks.deliveries(subscription, limit=limit))
    show_table(rows, _ATTEMPTS, as_json=as_json, none="Nothing was sent yet.")


@webhook.command("redeliver")
def redeliver(
    subscription: Id,
    task: Annotated[
        list[int] | None, typer.Option("--task", metavar="NUMBER", help="A parked event, from 'deliveries --parked'.")
    ] = None,
    since: Annotated[
        int | None, typer.Option("--after", metavar="POSITION", help="Send everything behind this position again.")
    ] = None,
    until: Annotated[int | None, typer.Option("--until", metavar="POSITION", help="With --after: up to here.")] = None,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Try parked events again, these or all of them; or send a range of the change log once more.

    Example: headcount webhook redeliver 0198c5b2-7d3e-7c41-9a57-2f6f0e1b8d34 --after 1200 --until 1300
    """
    if since is None and until is not None:
        raise UsageError("--until goes with --after")
    if since is not None:
        number = with_installation(
            database, lambda installation: installation.webhooks.send_again(subscription, since, until or 0)
        )
    else:
        number = with_installation(
            database, lambda installation: installation.webhooks.redeliver(subscription, task or ())
        )
    show({"queued": number}, as_json=as_json, sentence=f"{number} events are queued again.")


@webhook.command("rotate")
def rotate(subscription: Id, database: Database = None, as_json: AsJson = False) -> None:
    """Make a new secret. For a day requests carry signatures of both, so that nothing is lost meanwhile."""
    secret = with_installation(database, lambda installation: installation.webhooks.rotate(subscription))
    show({"secret": secret}, as_json=as_json, sentence=f"{secret}\n\nThe secret before it signs for 24 hours more.")


@webhook.command("delete")
def delete(subscription: Id, database: Database = None, as_json: AsJson = False) -> None:
    """Delete a subscription; what is queued for it is not sent any more."""
    with_installation(database, lambda installation: installation.webhooks.delete(subscription))
    show({"deleted": subscription}, as_json=as_json, sentence=f"Deleted the subscription {subscription}.")
