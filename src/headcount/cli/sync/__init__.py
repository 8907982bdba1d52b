"""`headcount sync`: people from a source into any number of SCIM targets, planned before it is done."""

import typer

from headcount.cli.sync.history import detach, release, restart, resume, runs, status
from headcount.cli.sync.jobs import add, check, list_all, remove, schema
from headcount.cli.sync.people import drift, explain, now, orphans, parked, review
from headcount.cli.sync.plans import apply, plan, run

sync = typer.Typer(
    no_args_is_help=True,
    help="Keep applications' accounts equal to a source: plan, look, apply.\n\n"
    "JOB is a job file, or the name of a stored job.\n\n"
    "Exit codes: 0 nothing to do or done, 2 changes pending, 3 held by the guard, 1 error.\n\n"
    "Example: headcount sync check hr.yaml && headcount sync plan hr.yaml",
)
for looking in (check, plan, apply, run, explain, now, review, parked, orphans, drift, status, runs):
    sync.command()(looking)
for managing in (resume, release, restart, detach, add, remove, schema):
    sync.command()(managing)
sync.command("list")(list_all)
