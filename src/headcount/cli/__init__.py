"""The command `headcount`: one file per group of commands, each rendering for people and as JSON."""

from typing import Annotated

import typer

from headcount import __version__
from headcount.cli.db import db
from headcount.cli.output import reporting_errors
from headcount.cli.schema import schema
from headcount.cli.serve import quickstart, serve
from headcount.cli.tenant import tenant
from headcount.cli.token import token

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
app.add_typer(token, name="token")
app.add_typer(schema, name="schema")
app.add_typer(db, name="db")


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
    """Runs the command line; what goes wrong is one line on standard error and exit code 1."""
    with reporting_errors():
        app()
