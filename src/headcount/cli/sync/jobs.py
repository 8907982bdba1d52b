"""Job files: checked, stored, listed."""

from pathlib import Path
from typing import Annotated, Any

import typer

from headcount.cli.output import AsJson, Database, show, show_table
from headcount.cli.sync.options import Job, as_text, with_jobs
from headcount.provisioning.errors import JobError

_COLUMNS = {
    "job": "JOB",
    "tenant": "TENANT",
    "version": "VERSION",
    "targets": "TARGETS",
    "schedule": "SCHEDULE",
    "problem": "PROBLEM",
}


def check(job: Job, database: Database = None, as_json: AsJson = False) -> None:
    """Validate a job, connect to both ends, and show the capabilities found.

    Example: headcount sync check hr.yaml
    """
    found = with_jobs(database, lambda jobs: jobs.check(job), as_json=as_json)
    failed = "sourceError" in found or any("error" in target for target in found["targets"].values())
    show(found, as_json=as_json, sentence=as_text(found))
    if failed:
        raise typer.Exit(1)


def add(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The job file.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Store a job, or a new version of it: 'headcount serve' runs it by its schedule, any machine by its name.

    Relative paths in it begin in the folder that FILE is in.

    Example: headcount sync add hr.yaml
    """
    added = with_jobs(database, lambda jobs: jobs.add(file), as_json=as_json)
    when = f"runs by itself: {added['schedule']} (UTC)" if added["schedule"] else "has no schedule"
    sentence = f"Stored version {added['version']} of {added['job']} in the tenant {added['tenant']}; it {when}."
    show(added, as_json=as_json, sentence=sentence)


def remove(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The name of a stored job.")],
    database: Database = None,
    as_json: AsJson = False,
) -> None:
    """Forget a stored job. What the ledger knows of its targets stays, for when it is stored again."""
    removed = with_jobs(database, lambda jobs: jobs.remove(job), as_json=as_json)
    show(removed, as_json=as_json, sentence=f"Removed {removed['removed']}.")


def list_all(database: Database = None, as_json: AsJson = False) -> None:
    """List stored jobs."""
    rows: list[dict[str, Any]] = with_jobs(database, lambda jobs: jobs.stored(), as_json=as_json)
    show_table(rows, _COLUMNS, as_json=as_json, none="There are no stored jobs; store one: headcount sync add FILE")


def schema(
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it to a file.", show_default=False)] = None,
    database: Database = None,
) -> None:
    """Print the JSON Schema of job files, for editors.

    Example: headcount sync schema --out sync-job.schema.json
    """

    async def of(jobs: Any) -> Any:
        return jobs.schema()

    text = as_text(with_jobs(database, of, as_json=True))
    if out is None:
        show(text, as_json=False, sentence=text)
        return
    try:
        out.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise JobError(f"{out}: {error.strerror}") from error
