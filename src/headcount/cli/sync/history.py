"""How jobs stand and what they did; and what is done about a run that was held, interrupted, or is not wanted."""

import sys
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.sync.options import Job, Target, Targets, show_reports, with_jobs
from headcount.provisioning.errors import JobError

_STATUS = {
    "target": "TARGET",
    "state": "STATE",
    "persons": "PERSONS",
    "groups": "GROUPS",
    "parked": "PARKED",
    "reviews": "TO REVIEW",
    "held": "HELD",
    "readAt": "SOURCE READ",
    "trouble": "TROUBLE",
}
_RUNS = {
    "at": "ENDED",
    "target": "TARGET",
    "kind": "KIND",
    "done": "DONE",
    "rest": "NOT DONE",
    "held": "HELD",
    "note": "NOTE",
    "stopped": "STOPPED",
}


def status(job: Job, database: Database = None, as_json: AsJson = False) -> None:
    """Show how each target of a job stands."""
    rows = with_jobs(database, lambda jobs: jobs.status(job), as_json=as_json)
    shown = rows if as_json else [{**row, "held": _counts(row["held"]), "readAt": row["readAt"][:19]} for row in rows]
    show_table(shown, _STATUS, as_json=as_json, none="The job has no targets.")


def runs(
    job: Job,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """List the last runs of a job, newest first."""
    rows = with_jobs(database, lambda jobs: jobs.runs(job, limit), as_json=as_json)
    show_table(
        rows if as_json else [_run(row) for row in rows], _RUNS, as_json=as_json, none="The job has not run yet."
    )


def resume(job: Job, target: Targets = None, database: Database = None, as_json: AsJson = False) -> None:
    """Carry on with runs that were interrupted, where they stood.

    Creates whose outcome nobody knows are looked up at the target first, and never repeated blindly.
    """
    reports = with_jobs(database, lambda jobs: jobs.resume(job, target or ()), as_json=as_json)
    if not reports and not as_json:
        typer.echo("No run was interrupted.")
        return
    show_reports(reports, as_json=as_json)


def release(
    job: Job,
    target: Target,
    reason: Annotated[str, typer.Option(help="Why it is right; the history keeps it.")],
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help="Only this kind: create, update, deactivate, delete, members, emptying."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Let pass what the guard holds: it is planned anew, shown with the difference, and carried out once you agree.

    Example: headcount sync release hr.yaml slack --reason "the Berlin office closes"
    """
    found = with_jobs(database, lambda jobs: jobs.release(job, target, kind or ()), as_json=as_json)
    if not as_json:
        typer.echo("\n".join(report.in_words() for report in found.planned.reports))
        typer.echo(
            _difference("Not held before", found.new) + _difference("Held before, and over", found.over), nl=False
        )
    if not found.planned.name:
        show_reports(found.planned.reports, as_json=as_json, most=0)
        return
    if not yes:
        if not sys.stdin.isatty():
            raise JobError("say --yes to carry it out")
        if not typer.confirm("Carry this out?", err=True):
            raise typer.Abort
    name = found.planned.name
    reports = with_jobs(database, lambda jobs: jobs.apply(name, released_because=reason), as_json=as_json)
    show_reports(reports, as_json=as_json, more={"new": found.new, "over": found.over})


def restart(job: Job, target: Targets = None, database: Database = None, as_json: AsJson = False) -> None:
    """End a quarantine or detachment, and let the next run read everything and try parked records at once."""
    names = with_jobs(database, lambda jobs: jobs.restart(job, target or ()), as_json=as_json)
    show({"restarted": names}, as_json=as_json, sentence=f"The next run starts afresh for {', '.join(names)}.")


def detach(
    job: Job,
    target: Target,
    keep: Annotated[bool, typer.Option("--keep", help="Leave its accounts as they are.")] = False,
    disable: Annotated[bool, typer.Option("--disable", help="Deactivate the accounts of this job first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """End the relation with a target: its links are forgotten, and runs leave it alone.

    Example: headcount sync detach hr.yaml slack --keep
    """
    if keep is disable:
        raise JobError("say either --keep or --disable")
    if disable and not yes:
        if not sys.stdin.isatty():
            raise JobError(f"this deactivates every account of the job at {target}; say --yes")
        if not typer.confirm(f"Deactivate every account of the job at {target}?", err=True):
            raise typer.Abort
    report = with_jobs(database, lambda jobs: jobs.detach(job, target, disables=disable), as_json=as_json)
    show_reports([report], as_json=as_json)


def _run(row: dict[str, Any]) -> dict[str, Any]:
    counts = {name: count for name, count in (row.get("counts") or {}).items() if name != "done"}
    return {
        **row,
        "at": row["at"][:19],
        "done": _counts(row.get("actions") or {}),
        "rest": _counts(counts),
        "held": _counts(row.get("held") or {}),
    }


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _difference(headline: str, changes: Any) -> str:
    lines = [f"  {action} {kind} {key}" for kind, key, action in changes]
    return "\n".join([f"{headline}:", *lines, ""]) if lines else ""
