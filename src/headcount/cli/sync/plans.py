"""Plans: made, shown, applied; and all of it at once."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headcount.cli.output import AsJson, Database
from headcount.cli.sync.options import AllOrNothing, Full, Job, Targets, show_reports, with_jobs, write_json
from headcount.provisioning.errors import JobError

if TYPE_CHECKING:
    from headcount.provisioning.synchronization import Planned

Drift = Annotated[
    bool, typer.Option("--drift", help="Read everybody at the target too, to see what somebody else changed there.")
]
_SHOWN = 100
Everything = Annotated[bool, typer.Option("--all", help=f"Show every change, not only the first {_SHOWN} of a part.")]


def plan(
    job: Job,
    target: Targets = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the plan to a file.", show_default=False)
    ] = None,
    full: Full = False,
    drift: Drift = False,
    all_or_nothing: AllOrNothing = False,
    everything: Everything = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Compute and show what would be done; nothing is changed at any target.

    The plan is kept for 24 hours under a name that 'headcount sync apply' takes. Exit code 2 says that there is
    something to do, 3 that the guard holds something.

    Example: headcount sync plan hr.yaml --out hr.plan
    """
    planned = with_jobs(
        database,
        lambda jobs: jobs.plan(job, target or (), is_full=full, with_drift=drift, all_or_nothing=all_or_nothing),
        as_json=as_json,
    )
    if out is not None and planned.name:
        _write(planned, out)
    if not as_json and planned.name:
        typer.echo(f"Apply it: headcount sync apply {out or planned.name}", err=True)
    more = {"plan": planned.name or None}
    show_reports(planned.reports, as_json=as_json, more=more, most=None if everything else _SHOWN)


def apply(
    saved: Annotated[str, typer.Argument(metavar="PLAN", help="The name of a plan, or a file of 'plan --out'.")],
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse the whole plan when any record has changed since.")
    ] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Carry out exactly a saved plan, change by change.

    A change whose record or account was changed since is skipped as 'moved' and listed. A plan that was interrupted is
    carried on with; one that was applied already does nothing more.

    Example: headcount sync apply hr.plan
    """
    reports = with_jobs(database, lambda jobs: jobs.apply(saved, is_strict=strict), as_json=as_json)
    show_reports(reports, as_json=as_json)


def run(
    job: Job,
    target: Targets = None,
    full: Full = False,
    drift: Drift = False,
    all_or_nothing: AllOrNothing = False,
    force: Annotated[bool, typer.Option("--force", help="Try quarantined targets too.")] = False,
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Plan, guard and apply: what a schedule or CI calls.

    What the guard holds waits for 'headcount sync release' (exit code 3); the rest is done.

    Example: headcount sync run hr.yaml
    """
    reports = with_jobs(
        database,
        lambda jobs: jobs.run(
            job, target or (), is_full=full, with_drift=drift, all_or_nothing=all_or_nothing, is_forced=force
        ),
        as_json=as_json,
    )
    show_reports(reports, as_json=as_json)


def _write(planned: "Planned", out: Path) -> None:
    """Readable by its owner alone: a plan is full of people."""
    document = {"plan": planned.name, "targets": [report.as_json() for report in planned.reports]}
    try:
        out.unlink(missing_ok=True)
        with os.fdopen(os.open(out, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            write_json(document, file)
    except OSError as error:
        raise JobError(f"{out}: {error.strerror}") from error
