"""The command `headcount`: one file per group of commands, each rendering for people and as JSON."""

import sys
from typing import Annotated

import typer

from headcount import __version__
from headcount.cli.audit import audit
from headcount.cli.connection import connection
from headcount.cli.db import db
from headcount.cli.doctor import doctor
from headcount.cli.held import group, held, review
from headcount.cli.importing import import_lines
from headcount.cli.lockouts import lockouts
from headcount.cli.output import UsageError, reporting_errors, wants_json
from headcount.cli.requests import requests
from headcount.cli.schema import schema
from headcount.cli.serve import quickstart, serve
from headcount.cli.sync import sync
from headcount.cli.tenant import tenant
from headcount.cli.token import token
from headcount.cli.trust import keys, trust
from headcount.cli.webhook import webhook
from headcount.cli.worker import worker

app = typer.Typer(
    name="headcount",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A SCIM 2.0 service provider: identity providers keep your application's people up to date.\n\n"
    "Start with [bold]headcount quickstart[/bold]: it creates a tenant and a token, serves them, and prints what "
    "to try.",
    rich_markup_mode="rich",
)
app.command()(serve)
app.command()(quickstart)
app.add_typer(tenant, name="tenant")
connection.command()(trust)
connection.command()(keys)
app.add_typer(connection, name="connection")
app.add_typer(token, name="token")
app.add_typer(schema, name="schema")
app.command("import")(import_lines)
app.add_typer(sync, name="sync")
app.add_typer(webhook, name="webhook")
app.add_typer(lockouts, name="lockouts")
app.add_typer(held, name="held")
app.add_typer(review, name="review")
app.add_typer(group, name="group")
app.add_typer(audit, name="audit")
app.add_typer(requests, name="requests")
app.command()(worker)
app.add_typer(db, name="db")
app.command()(doctor)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"headcount {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options before a command."""


def main() -> None:
    """Runs the command line; what goes wrong is one line on standard error, and the exit code tells of it."""
    with reporting_errors():
        if any("\udc80" <= character <= "\udcff" for argument in sys.argv for character in argument):
            raise UsageError("an argument is not valid UTF-8")
        sys.exit(app(standalone_mode=not wants_json()))
